// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "cleanup.h"
#include "table_change.h"

/* Owners are counted by their index in the table after. */
#define NOBODY MAGLEV_NONE
#define GONE   (MAGLEV_NONE + 1u)

struct shares {
	uint32_t *before, *after; /* slots owned */
	size_t n;
};

static uint32_t owner_before(const struct pool_table *before, const uint16_t *map, uint32_t slot)
{
	uint16_t member = before->live[slot];

	if (!map || member == MAGLEV_NONE)
		return member;
	return map[member] == MAGLEV_NONE ? GONE : map[member];
}

/* The last two are for nobody and for those that are gone. */
static size_t index_of(const struct shares *s, uint32_t owner)
{
	if (owner == GONE)
		return s->n - 1;
	return owner == NOBODY ? s->n - 2 : owner;
}

static void count(const struct pool_table *before, const struct pool_table *after,
		  const uint16_t *map, struct shares *s)
{
	for (uint32_t slot = 0; slot < before->size; slot++)
		s->before[index_of(s, owner_before(before, map, slot))]++;
	for (uint32_t slot = 0; slot < after->size; slot++)
		s->after[index_of(s, after->live[slot])]++;
}

/* Whoever has more than before must have got it from others. */
static uint32_t minimum(const struct shares *s, uint32_t size_before, uint32_t size_after)
{
	double gains = 0;

	for (size_t i = 0; i < s->n; i++) {
		double had = (double)s->before[i] * size_after / size_before;

		if (s->after[i] > had)
			gains += s->after[i] - had;
	}
	return (uint32_t)ceil(gains - 1e-6);
}

/* Two tables of different sizes cut the same circle of hashes into slots. */
static double sweep(const struct pool_table *before, const struct pool_table *after,
		    const uint16_t *map)
{
	uint64_t n = before->size, m = after->size, at = 0, moved = 0;
	uint32_t i = 0, j = 0;

	/* In units of 1 / (n · m): slot i ends at (i + 1) · m, slot j at (j + 1) · n. */
	while (i < n && j < m) {
		uint64_t end_i = (i + 1) * m, end_j = (j + 1) * n;
		uint64_t end = end_i < end_j ? end_i : end_j;

		if (owner_before(before, map, i) != after->live[j])
			moved += end - at;
		at = end;
		i += end == end_i;
		j += end == end_j;
	}
	return (double)moved / (double)(n * m);
}

static double independent(const struct shares *s, uint32_t size_before, uint32_t size_after)
{
	double same = 0;

	for (size_t i = 0; i < s->n; i++)
		same += (double)s->before[i] / size_before * s->after[i] / size_after;
	return 1 - same;
}

int table_change_measure(const struct pool_table *before, const struct pool_table *after,
			 const uint16_t *map, bool redrawn, struct table_change *ret)
{
	size_t n = (size_t)after->n_members + 2;
	_cleanup_(freep) uint32_t *counts = calloc(2 * n, sizeof(counts[0]));
	struct shares shares = {counts, counts + n, n};

	if (!counts)
		return -ENOMEM;
	count(before, after, map, &shares);
	ret->moved = pool_table_moved(after, before, map);
	ret->minimum = minimum(&shares, before->size, after->size);
	if (redrawn)
		ret->redirected = independent(&shares, before->size, after->size);
	else if (before->size != after->size)
		ret->redirected = sweep(before, after, map);
	else
		ret->redirected = (double)ret->moved / after->size;
	return 0;
}
