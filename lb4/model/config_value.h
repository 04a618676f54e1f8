/* SPDX-License-Identifier: BSD-2-Clause */
/* Single values of the configuration: from text to the member that the schema names. */
#pragma once

#include <stdbool.h>

#include "address.h"
#include "faults.h"
#include "schema.h"
#include "yaml_tree.h"

/*
 * Reads the scalar `n` as setting `s` into the struct at `target`. False when that was a fault,
 * which is then recorded, and nothing has changed.
 */
bool value_read(const struct setting *s, const struct yaml_node *n, void *target,
		struct faults *faults);

/* Sets the default, if there is one. False when memory is short. */
bool value_default(const struct setting *s, void *target);

/* An address to listen on (`wildcard`) or to connect to; `key` is what a fault names. */
bool value_read_address(const char *key, const struct yaml_node *n, bool wildcard,
			struct address *ret, struct faults *faults);

/* The name of a service or a backend (`what`). */
bool value_check_name(const char *what, const struct yaml_node *n, struct faults *faults);

/* True and a fault when the text could not be a C string. */
bool value_holds_nul(const char *key, const struct yaml_node *n, struct faults *faults);

/* Faults that say what setting `s` expects: `n` is of the wrong kind, or out of range. */
void value_refuse_kind(const struct setting *s, const struct yaml_node *n, struct faults *faults);
void value_refuse_range(const struct setting *s, const struct yaml_node *n, struct faults *faults);

/* Hints at the word of `s` that `n` was probably meant to be, if there is one. */
void value_hint_word(const struct setting *s, const struct yaml_node *n, struct faults *faults);

/*
 * The other way round, of values that one number or one address says: whether two structs have the
 * same, and its text as it would stand in a file.
 */
#define VALUE_TEXT_MAX ADDRESS_TEXT_MAX
bool value_is_simple(const struct setting *s);
bool value_equal(const struct setting *s, const void *a, const void *b);
char *value_print(const struct setting *s, const void *target, char buffer[VALUE_TEXT_MAX]);

uint64_t field_load(const void *target, struct field field);
void field_store(void *target, struct field field, uint64_t value);

/* As value_read(), of a setting that may be a sequence. */
bool value_read_list(const struct setting *s, const struct yaml_node *n, void *target,
		     struct faults *faults);

/* Parts of value_read(), one a type. */
bool value_read_number(const struct setting *s, const struct yaml_node *n, void *target,
		       struct faults *faults);
bool value_read_duration(const struct setting *s, const struct yaml_node *n, void *target,
			 struct faults *faults);
bool value_read_size(const struct setting *s, const struct yaml_node *n, void *target,
		     struct faults *faults);
bool value_read_percent(const struct setting *s, const struct yaml_node *n, void *target,
			struct faults *faults);
bool value_read_status(const struct setting *s, const struct yaml_node *n, void *target,
		       struct faults *faults);
bool value_read_ports(const struct setting *s, const struct yaml_node *n, void *target,
		      struct faults *faults);
bool value_read_text(const struct setting *s, const struct yaml_node *n, void *target,
		     struct faults *faults);
bool value_read_bytes(const struct setting *s, const struct yaml_node *n, void *target,
		      struct faults *faults);
bool value_read_texts(const struct setting *s, const struct yaml_node *n, void *target,
		      struct faults *faults);
bool value_read_prefixes(const struct setting *s, const struct yaml_node *n, void *target,
			 struct faults *faults);
bool value_read_ip(const struct setting *s, const struct yaml_node *n, void *target,
		   struct faults *faults);
bool value_read_hex(const struct setting *s, const struct yaml_node *n, void *target,
		    struct faults *faults);
