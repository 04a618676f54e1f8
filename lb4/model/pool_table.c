// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lb4_hash.h"
#include "pool_table.h"

struct pool_table *pool_table_ref(struct pool_table *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

struct pool_table *pool_table_unref(struct pool_table *t)
{
	if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
		balance_free(t->balance);
		free(t);
	}
	return NULL;
}

static bool is_in(uint16_t member, const uint16_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == member)
			return true;
	return false;
}

/* Which part of its owner's slots a slot belongs to, in a slow start: those of step 1 come first. */
static uint32_t part_of(const struct pool_table *t, uint32_t slot)
{
	return lb4_slot(lb4_mix64(~t->seed ^ slot), BALANCE_STEPS);
}

bool pool_table_is_taken(const struct pool_table *t, uint32_t slot)
{
	uint8_t steps = t->steps[t->base[slot]];

	return steps >= BALANCE_STEPS || t->steps_are_void || part_of(t, slot) < steps;
}

/* Whether the base owner of `slot` is eligible and has taken it. */
static bool is_open(const struct pool_table *t, uint32_t slot)
{
	return t->eligible[t->base[slot]] && pool_table_is_taken(t, slot);
}

/* The first member that the walk of `slot` meets and that may be tried, or MAGLEV_NONE. */
static uint16_t walk(const struct pool_table *t, uint32_t slot, const uint16_t *tried,
		     size_t n_tried)
{
	for (uint32_t attempt = 1; attempt <= POOL_WALK_MAX; attempt++) {
		uint32_t met = lb4_walk(t->seed, slot, attempt, t->size);

		if (is_open(t, met) && !is_in(t->base[met], tried, n_tried))
			return t->base[met];
	}
	return MAGLEV_NONE;
}

/* The first slot that is open; `size`: none is. */
static uint32_t first_open(const struct pool_table *t)
{
	uint32_t slot = 0;

	while (slot < t->size && !is_open(t, slot))
		slot++;
	return slot;
}

/*
 * Backwards, so that `next`, the open slot's owner at or after the slot (around the end), is at hand
 * where the walk fails: POOL_WALK_MAX looks a slot at worst, though a single tiny member be left.
 */
static void flatten(struct pool_table *t)
{
	uint32_t first = first_open(t);
	uint16_t next;

	if (first == t->size) {
		t->steps_are_void = true;
		first = first_open(t);
	}
	assert(first < t->size);
	next = t->base[first];

	for (uint32_t slot = t->size; slot-- > 0;) {
		uint16_t owner = t->base[slot];

		if (is_open(t, slot))
			next = owner;
		else
			owner = walk(t, slot, NULL, 0);
		t->live[slot] = owner != MAGLEV_NONE ? owner : next;
	}
}

/* Without what is in the slots. */
static struct pool_table *table_new(uint32_t size, const bool *eligible, const uint8_t *steps,
				    uint32_t n_members)
{
	struct pool_table *t =
		calloc(1, sizeof(*t) + 2 * size * sizeof(t->base[0]) + 2 * (size_t)n_members);

	if (!t)
		return NULL;
	*t = (struct pool_table){
		.refs = 1,
		.size = size,
		.n_members = n_members,
		.base = (uint16_t *)(t + 1),
	};
	t->live = t->base + size;
	t->eligible = (bool *)(t->live + size);
	t->steps = (uint8_t *)(t->eligible + n_members);
	for (uint32_t i = 0; i < n_members; i++) {
		t->eligible[i] = eligible[i];
		t->n_eligible += eligible[i];
		t->steps[i] = steps ? steps[i] : BALANCE_STEPS;
	}
	return t;
}

struct pool_table *pool_table_new(uint64_t seed, const uint16_t *base, uint32_t size,
				  const bool *eligible, const uint8_t *steps, uint32_t n_members)
{
	struct pool_table *t = table_new(size, eligible, steps, n_members);

	if (!t)
		return NULL;
	t->seed = seed;
	memcpy(t->base, base, size * sizeof(base[0]));
	if (t->n_eligible)
		flatten(t);
	else
		memset(t->live, 0xff, size * sizeof(t->live[0])); /* MAGLEV_NONE */
	return t;
}

struct pool_table *pool_table_new_balanced(enum balance_kind kind, const uint32_t *weights,
					   const bool *eligible, const uint8_t *steps,
					   uint32_t n_members)
{
	struct pool_table *t = table_new(0, eligible, steps, n_members);

	if (!t)
		return NULL;
	t->balance = balance_new(kind, weights, steps, n_members);
	return t->balance ? t : pool_table_unref(t);
}

/* Spares the search that could not find anybody: a client must not be able to ask for it often. */
static bool all_tried(const struct pool_table *t, const uint16_t *tried, size_t n_tried)
{
	size_t n = 0;

	for (size_t i = 0; i < n_tried; i++)
		n += tried[i] < t->n_members && t->eligible[tried[i]] && !is_in(tried[i], tried, i);
	return n == t->n_eligible;
}

uint16_t pool_table_choose(const struct pool_table *t, uint32_t slot, const uint16_t *tried,
			   size_t n_tried)
{
	uint16_t member;

	assert(slot < t->size);
	member = t->live[slot];
	if (member == MAGLEV_NONE || !is_in(member, tried, n_tried))
		return member;
	if (all_tried(t, tried, n_tried))
		return MAGLEV_NONE;

	member = walk(t, slot, tried, n_tried);
	for (uint32_t i = 1; member == MAGLEV_NONE && i < t->size; i++) {
		uint16_t next = t->base[(slot + i) % t->size];

		if (t->eligible[next] && !is_in(next, tried, n_tried))
			member = next;
	}
	return member;
}

uint32_t pool_table_moved(const struct pool_table *t, const struct pool_table *before,
			  const uint16_t *map)
{
	uint32_t n = 0;

	if (t->size != before->size)
		return t->size;
	for (uint32_t slot = 0; slot < t->size; slot++) {
		uint16_t member = before->live[slot];
		bool gone = false;

		if (map && member != MAGLEV_NONE) {
			member = map[member];
			gone = member == MAGLEV_NONE; /* whoever has it now, if anybody */
		}
		n += gone || member != t->live[slot];
	}
	return n;
}
