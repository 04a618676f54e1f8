// SPDX-License-Identifier: BSD-2-Clause
#include <stdatomic.h>
#include <stdlib.h>

#include "prefix_list.h"

struct prefix_list *prefix_list_new(size_t n)
{
	struct prefix_list *l = calloc(1, sizeof(*l) + n * sizeof(l->items[0]));

	if (!l)
		return NULL;
	atomic_init(&l->refs, 1);
	l->n = n;
	return l;
}

struct prefix_list *prefix_list_ref(struct prefix_list *l)
{
	if (l)
		atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

struct prefix_list *prefix_list_unref(struct prefix_list *l)
{
	if (l && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
		free(l);
	return NULL;
}

bool prefix_list_equal(const struct prefix_list *a, const struct prefix_list *b)
{
	size_t n = a ? a->n : 0;

	if (n != (b ? b->n : 0))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!prefix_equal(&a->items[i], &b->items[i]))
			return false;
	return true;
}

bool prefix_list_contains(const struct prefix_list *l, const struct address *a)
{
	for (size_t i = 0; l && i < l->n; i++)
		if (prefix_contains(&l->items[i], a))
			return true;
	return false;
}
