/* SPDX-License-Identifier: BSD-2-Clause */
/* Small work on text that the configuration file, the API and lbctl all need. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

/*
 * Reads a duration: a whole number and one of ns us ms s m h d ("250ms", "2s"); "0" needs no unit.
 * Returns 0, or -EINVAL (malformed or no unit) or -ERANGE (overflows) with a static sentence in
 * *ret_why.
 */
int text_parse_duration(const char *text, nsec_t *ret, const char **ret_why);

/* Writes the shortest exact text, such as "1500ms" or "2s". Returns `buffer`. */
char *text_print_duration(nsec_t value, char *buffer, size_t size);

#define TEXT_TIME_MAX 40

/* Writes a time of the wall clock as RFC 3339 has it, in UTC, to the millisecond. Returns `buffer`. */
char *text_print_time(nsec_t wall, char buffer[TEXT_TIME_MAX]);

/*
 * Reads a size in bytes: a whole number and one of K M G T, or KiB MiB GiB TiB, which are the same
 * ("512M", "2GiB"); "0" needs no unit. As text_parse_duration().
 */
int text_parse_size(const char *text, uint64_t *ret, const char **ret_why);

/* Writes the shortest exact text, such as "1536K" or "2G". Returns `buffer`. */
char *text_print_size(uint64_t value, char *buffer, size_t size);

/* Reads a whole number, decimal or 0x-hexadecimal. 0, -EINVAL, or -ERANGE above `max`. */
int text_parse_unsigned(const char *text, uint64_t max, uint64_t *ret);

/*
 * The word of the NULL-terminated `words` that `text` was most likely meant to be, or NULL when
 * none is near: by restricted edit distance, at most a third of the word.
 */
const char *text_nearest(const char *text, const char *const *words);

/*
 * Makes `text` fit for a terminal and for JSON: what is not UTF-8, and control characters, become
 * '?' byte by byte. Returns `text`.
 */
char *text_make_printable(char *text);

/*
 * Lists of texts: arrays that end with NULL, the texts and the array allocated. NULL is a list too,
 * and empty. text_list_copy() is NULL for an empty list, and when memory is short.
 */
void text_list_free(char **list);
char **text_list_copy(char *const *list);
bool text_list_equal(char *const *a, char *const *b);
size_t text_list_length(char *const *list);
