/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Collects what is wrong with a configuration while it is being read. Readers go on after a fault,
 * so that all are reported in one go; the same goes for a shortage of memory, which is remembered
 * here and returned at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* Of one file. Whoever has more than this has pasted the wrong file. */
#define FAULTS_MAX 100

struct faults {
	struct config_errors found; /* by place; of one place, in the order they were met */
	struct config_error *last;  /* what faults_hint() is about, or NULL */
	bool full;		    /* FAULTS_MAX was passed, further faults are dropped */
	bool no_memory;
};

#define FAULTS_INIT                                                                                \
	{                                                                                          \
	}

void faults_deinit(struct faults *f);

/* `line` and `column` as in struct config_error. */
void faults_add(struct faults *f, unsigned line, unsigned column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Gives the fault just added its hint; the first hint stays. */
void faults_hint(struct faults *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether the fault just added has no hint yet. */
bool faults_want_hint(const struct faults *f);

/* Longest result of faults_quote(). */
#define QUOTED_MAX 80

/* Writes text from a file as a message shows it: in quotes, shortened, printable. */
char *faults_quote(const char *text, size_t length, char buffer[QUOTED_MAX]);
