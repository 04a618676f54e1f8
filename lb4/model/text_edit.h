/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of a text, gathered first and then made at once; and how people are shown them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text_edit {
	size_t at, length; /* what is replaced; nothing: something is put in */
	size_t order;	   /* in which they were added: of those put in at one place */
	char *insert;
};

struct text_edits {
	const char *text;
	size_t size;
	struct text_edit *items;
	size_t n;
	bool no_memory;
};

void text_edits_deinit(struct text_edits *e);

/* Replaces `length` bytes at `at` by the formatted text. A shortage of memory is remembered. */
void text_edits_add(struct text_edits *e, size_t at, size_t length, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Makes the changes: the new text, with a NUL behind it, or -ENOMEM, or -EINVAL when two of them
 * touch the same bytes. Sorts the changes.
 */
int text_edits_apply(struct text_edits *e, char **ret_text, size_t *ret_size);

/* A unified diff of the text named `name`, after text_edits_apply(). NULL when memory is short. */
char *text_edits_diff(const struct text_edits *e, const char *name);
