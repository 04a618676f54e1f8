/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of prefixes as a setting has it: counted and never changed once it is shared, so that a
 * service, its snapshots and its connections may have the same one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefix.h"

struct prefix_list {
	_Atomic uint32_t refs;
	size_t n;
	struct prefix items[]; /* in the order of the file */
};

/* Room for `n`, zeroed, with one reference. NULL when memory is short. */
struct prefix_list *prefix_list_new(size_t n);
struct prefix_list *prefix_list_ref(struct prefix_list *l);
struct prefix_list *prefix_list_unref(struct prefix_list *l);

/* NULL is an empty list to these two. */
bool prefix_list_equal(const struct prefix_list *a, const struct prefix_list *b);

/* Whether any of them contains `a`; looks at each, for lists of a few. */
bool prefix_list_contains(const struct prefix_list *l, const struct address *a);
