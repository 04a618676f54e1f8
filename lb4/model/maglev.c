// SPDX-License-Identifier: BSD-2-Clause
/*
 * Builds Maglev tables: plain arithmetic for whoever calls, in lb4 main through its pools.
 *
 * Members take turns, each turn claiming the first free slot of the member's own permutation. The
 * turn is whose (slots taken + phase) / weight is smallest, the phase being a fraction drawn from
 * the name: with equal weights that is the paper's round robin, with others everybody fills its
 * quota at the same pace and few have their turns together (without phases a thousand members of
 * weight 1 would fight for the last slots at once, and those are the ones that move most when the
 * set changes). Who owns its quota is done, so shares are exact whatever collides.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "lb4_hash.h"
#include "maglev.h"

/*
 * The first is a hundred slots for each of 650 backends, so that shares are right to a percent; the
 * second does the same for thousands. The small ones are for small pools where the cache counts
 * more.
 */
const uint32_t maglev_sizes[] = {65537, 655373, 16381, 4093, 1021, 251, 0};

struct candidate {
	const char *name;
	uint64_t hash; /* of name and seed: ties, phase and permutation come from it */
	uint64_t remainder;
	uint32_t weight;
	uint32_t quota;
	uint32_t position, skip; /* in its permutation of the slots */
	uint16_t index;
};

#define PHASE_BITS 24

/*
 * A node of the heap of turns; small, so that a thousand of them stay in the first-level cache.
 * Times are compared as products: slots (20 bits), phase (24) and weight (16) fit 64.
 */
struct turn {
	uint64_t taken; /* in 1/2^PHASE_BITS of a slot, phase included */
	uint32_t weight;
	uint16_t rank; /* of the candidate: the last tie-breaker */
};

static uint64_t name_hash(const char *name, uint64_t seed)
{
	uint64_t h = lb4_mix64(seed + 0x9e3779b97f4a7c15ULL);

	for (; *name; name++)
		h = lb4_mix64(h + (uint8_t)*name);
	return h;
}

/* The largest first; ties by what does not depend on the order of the file. */
static int by_remainder(const void *x, const void *y)
{
	const struct candidate *a = x, *b = y;

	if (a->remainder != b->remainder)
		return a->remainder > b->remainder ? -1 : 1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Those with weight, by remainder, and their quotas. Returns how many they are. */
static size_t draw_up(struct candidate *candidates, uint32_t size, uint64_t seed,
		      const struct maglev_member *members, size_t n_members)
{
	uint64_t total = 0;
	uint32_t left = size;
	size_t n = 0;

	for (size_t i = 0; i < n_members; i++)
		total += members[i].weight;
	for (size_t i = 0; i < n_members; i++) {
		const struct maglev_member *m = &members[i];
		struct candidate *c = &candidates[n];

		if (m->weight == 0)
			continue;
		assert(m->weight <= UINT16_MAX); /* for the products of turn_before() */
		*c = (struct candidate){
			.name = m->name,
			.hash = name_hash(m->name, seed),
			.remainder = (uint64_t)size * m->weight % total,
			.weight = m->weight,
			.quota = (uint32_t)((uint64_t)size * m->weight / total),
			.index = (uint16_t)i,
		};
		c->position = lb4_slot(lb4_mix64(c->hash ^ 1), size);
		c->skip = 1 + lb4_slot(lb4_mix64(c->hash ^ 2), size - 1);
		left -= c->quota;
		n++;
	}

	qsort(candidates, n, sizeof(candidates[0]), by_remainder);
	assert(left == 0 || left < n || n == 0);
	for (uint32_t i = 0; n && i < left; i++)
		candidates[i].quota++;
	return n;
}

static bool turn_before(const struct turn *a, const struct turn *b)
{
	uint64_t x = a->taken * b->weight, y = b->taken * a->weight;

	return x < y || (x == y && a->rank < b->rank);
}

static void sift_down(struct turn *turns, size_t n, size_t at)
{
	struct turn t = turns[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= n)
			break;
		if (child + 1 < n && turn_before(&turns[child + 1], &turns[child]))
			child++;
		if (turn_before(&t, &turns[child]))
			break;
		turns[at] = turns[child];
		at = child;
	}
	turns[at] = t;
}

static void claim(struct candidate *c, uint16_t *table, uint32_t size)
{
	while (table[c->position] != MAGLEV_NONE) {
		c->position += c->skip;
		if (c->position >= size)
			c->position -= size;
	}
	table[c->position] = c->index;
}

int maglev_build(uint16_t *table, uint32_t size, uint64_t seed, const struct maglev_member *members,
		 size_t n_members)
{
	_cleanup_(freep) struct candidate *candidates = NULL;
	_cleanup_(freep) struct turn *turns = NULL;
	size_t n, n_turns = 0;

	assert(n_members < MAGLEV_NONE);
	assert(size > 1 && size < 1 << 20);
	candidates = calloc(n_members + 1, sizeof(candidates[0]));
	turns = calloc(n_members + 1, sizeof(turns[0]));
	if (!candidates || !turns)
		return -ENOMEM;

	memset(table, 0xff, size * sizeof(table[0])); /* MAGLEV_NONE */
	n = draw_up(candidates, size, seed, members, n_members);
	for (size_t i = 0; i < n; i++)
		if (candidates[i].quota)
			turns[n_turns++] = (struct turn){
				.taken = candidates[i].hash >> (64 - PHASE_BITS),
				.weight = candidates[i].weight,
				.rank = (uint16_t)i,
			};
	for (size_t i = n_turns / 2; i-- > 0;)
		sift_down(turns, n_turns, i);

	while (n_turns) {
		struct candidate *c = &candidates[turns[0].rank];

		claim(c, table, size);
		turns[0].taken += 1 << PHASE_BITS;
		if (turns[0].taken >> PHASE_BITS == c->quota)
			turns[0] = turns[--n_turns];
		sift_down(turns, n_turns, 0);
	}
	return 0;
}
