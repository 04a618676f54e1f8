/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parts of config_edit.c. */
#pragma once

#include <stdbool.h>

#include "config_edit.h"
#include "text_edit.h"
#include "yaml_tree.h"

/* One file being edited. */
struct editor {
	struct text_edits edits;
	const char *newline; /* as the file has it */
	unsigned stuck_line; /* something stands there that is not understood; 0: nowhere */
	const char *bare;    /* a service without a mapping of backends to edit; or NULL */
	size_t n_backends;
};

/* One mapping of backends, as it is and as it shall be. */
struct backends_edit {
	const struct yaml_node *mapping;
	const struct service_config *file;
	const struct wanted_service *wanted;
};

/* Pairs of a mapping in braces, and one a line without them. */
void edit_flow_backends(struct editor *e, const struct backends_edit *b);
void edit_block_backends(struct editor *e, const struct backends_edit *b);

/* The value of a backend that stays by name. */
void edit_backend_value(struct editor *e, const struct yaml_node *key,
			const struct yaml_node *value, const struct backend_config *from,
			const struct backend_config *to);

/* A backend as key and value on one line; NULL when memory is short. */
char *print_backend(const struct backend_config *b, const char *quote);

/* The settings of a backend that are not their defaults. */
bool has_only_address(const struct backend_config *b);

/* "\"" when `key` stands in double quotes, as in JSON, else "". */
const char *quote_of(const struct editor *e, const struct yaml_node *key);

/* NULL when there is none of that name. */
const struct backend_config *wanted_find(const struct wanted_service *w, const char *name);

/* Where the line of `at` begins and ends; the end is before the line's own newline. */
size_t editor_line_begin(const struct editor *e, size_t at);
size_t editor_line_end(const struct editor *e, size_t at);

/* Nothing but blanks from `from` to `to`. */
bool editor_is_blank(const struct editor *e, size_t from, size_t to);

/* Remembers that the line of `n` cannot be edited. */
void editor_stuck(struct editor *e, const struct yaml_node *n);
