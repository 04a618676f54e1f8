/* SPDX-License-Identifier: BSD-2-Clause */
/* Aligned columns and numbers with units, for people. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct column {
	const char *heading;
	bool right; /* aligned, for numbers */
};

enum colour {
	COLOUR_NONE,
	COLOUR_GOOD,
	COLOUR_DOUBT,
	COLOUR_BAD,
};

struct columns;

/* `colours`: write them. NULL when memory is short, which all functions below ignore. */
struct columns *columns_new(const struct column *columns, size_t n_columns, bool colours);
struct columns *columns_free(struct columns *c);

/* Adds the next cell, row by row; the text is copied. */
void columns_add(struct columns *c, enum colour colour, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A table with headings and nothing below them says so by itself. */
void columns_print(const struct columns *c, FILE *to);

/* `text` in `colour`, when `colours`: for use in one printf("%s%s%s"). */
const char *colour_begin(enum colour colour, bool colours);
const char *colour_end(enum colour colour, bool colours);

#define UNITS_TEXT_MAX 32

/* "17 B", "1.2 GB"; "350 us", "2.5 ms"; "12 s", "5m12s", "3h12m", "4d3h". Return `buffer`. */
char *print_bytes(uint64_t bytes, char buffer[UNITS_TEXT_MAX]);
char *print_us(uint64_t us, char buffer[UNITS_TEXT_MAX]);
char *print_ms(uint64_t ms, char buffer[UNITS_TEXT_MAX]);
