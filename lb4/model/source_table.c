// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lb4_hash.h"
#include "rate.h"
#include "source_table.h"
#include "spinlock.h"

#define LINE 64

struct entry {
	uint8_t source[16];
	nsec_t due; /* of its rate */
	uint32_t held;
	uint32_t unused;
};

struct set {
	struct spinlock lock;
	_Atomic uint32_t used; /* a source was here */
	uint8_t unused[24];
	struct entry entries[SOURCE_SET_ENTRIES];
};
_Static_assert(sizeof(struct set) == 256, "a set is four cache lines");

struct source_table {
	struct lb4_hash_key key;
	uint32_t n_sets;
	_Atomic uint64_t n_untracked;
	struct set *sets; /* on lines, within: */
	void *memory;
};

struct source_table *source_table_new(uint32_t n_entries, uint64_t secret)
{
	struct source_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->n_sets = n_entries / SOURCE_SET_ENTRIES + 1;
	lb4_hash_key_init(&t->key, secret);
	/* From calloc(), so that sets no source has hashed into yet cost no memory. */
	t->memory = calloc(t->n_sets + 1, sizeof(struct set));
	if (!t->memory) {
		free(t);
		return NULL;
	}
	t->sets = (struct set *)(((uintptr_t)t->memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
	return t;
}

struct source_table *source_table_free(struct source_table *t)
{
	if (!t)
		return NULL;
	free(t->memory);
	free(t);
	return NULL;
}

static struct set *set_of(const struct source_table *t, const uint8_t source[16])
{
	struct lb4_tuple tuple = {};

	memcpy(tuple.source, source, sizeof(tuple.source));
	return &t->sets[lb4_slot(lb4_flow_hash(&t->key, &tuple), t->n_sets)];
}

static bool is_free(const struct entry *e, nsec_t now)
{
	return e->held == 0 && e->due <= now;
}

/* The source's own entry, or one that it may have; NULL: all are busy. */
static struct entry *entry_of(struct set *set, const uint8_t source[16], nsec_t now)
{
	struct entry *spare = NULL;

	for (unsigned i = 0; i < SOURCE_SET_ENTRIES; i++) {
		struct entry *e = &set->entries[i];

		if (!memcmp(e->source, source, sizeof(e->source)))
			return e;
		if (!spare && is_free(e, now))
			spare = e;
	}
	if (spare) {
		*spare = (struct entry){};
		atomic_store_explicit(&set->used, 1, memory_order_relaxed);
		memcpy(spare->source, source, sizeof(spare->source));
	}
	return spare;
}

static enum source_verdict take(struct entry *e, const struct source_limits *limits, nsec_t now)
{
	nsec_t next = e->due;

	if (limits->connections && e->held >= limits->connections)
		return SOURCE_LIMITED;
	if (limits->rate) {
		next = rate_next(e->due, limits->rate, now);
		if (!next)
			return SOURCE_TOO_FAST;
	}
	e->due = next;
	e->held++;
	return SOURCE_ADMITTED;
}

enum source_verdict source_table_take(struct source_table *t, const uint8_t source[16],
				      const struct source_limits *limits, nsec_t now,
				      struct source_hold *ret)
{
	struct set *set = set_of(t, source);
	enum source_verdict verdict = SOURCE_ADMITTED;
	struct source_hold hold = {};
	struct entry *e;

	spinlock_lock(&set->lock);
	e = entry_of(set, source, now);
	if (e) {
		verdict = take(e, limits, now);
		hold = (struct source_hold){(uint32_t)(set - t->sets), (uint8_t)(e - set->entries),
					    true};
	}
	spinlock_unlock(&set->lock);
	if (!e)
		atomic_fetch_add_explicit(&t->n_untracked, 1, memory_order_relaxed);
	if (verdict == SOURCE_ADMITTED)
		*ret = hold;
	return verdict;
}

static void give_back(struct source_table *t, struct source_hold *hold, nsec_t refund)
{
	struct set *set;
	struct entry *e;

	if (!hold->tracked)
		return;
	set = &t->sets[hold->set];
	e = &set->entries[hold->entry];
	spinlock_lock(&set->lock);
	assert(e->held > 0);
	e->held--;
	e->due -= refund < e->due ? refund : e->due;
	spinlock_unlock(&set->lock);
	*hold = (struct source_hold){};
}

void source_table_release(struct source_table *t, struct source_hold *hold)
{
	give_back(t, hold, 0);
}

void source_table_undo(struct source_table *t, struct source_hold *hold, uint32_t rate)
{
	give_back(t, hold, rate ? rate_interval(rate) : 0);
}

/* Keeps the `n_max` largest seen so far in order; returns how many are kept. */
static size_t rank(struct source_info *infos, size_t n, size_t n_max, const struct entry *e)
{
	size_t at = n;

	if (n == n_max && (n == 0 || infos[n - 1].held >= e->held))
		return n;
	if (n == n_max)
		at = n - 1;
	else
		n++;
	for (; at > 0 && infos[at - 1].held < e->held; at--)
		infos[at] = infos[at - 1];
	memcpy(infos[at].source, e->source, sizeof(e->source));
	infos[at].held = e->held;
	return n;
}

/* The entries of a set as they are at one moment. Those never used are not written to either. */
static bool look_at(struct set *set, struct entry entries[SOURCE_SET_ENTRIES])
{
	if (!atomic_load_explicit(&set->used, memory_order_relaxed))
		return false;
	spinlock_lock(&set->lock);
	memcpy(entries, set->entries, sizeof(set->entries));
	spinlock_unlock(&set->lock);
	return true;
}

size_t source_table_top(struct source_table *t, struct source_info *infos, size_t n_max)
{
	struct entry entries[SOURCE_SET_ENTRIES];
	size_t n = 0;

	for (uint32_t s = 0; s < t->n_sets; s++) {
		if (!look_at(&t->sets[s], entries))
			continue;
		for (unsigned i = 0; i < SOURCE_SET_ENTRIES; i++)
			if (entries[i].held)
				n = rank(infos, n, n_max, &entries[i]);
	}
	return n;
}

void source_table_stats(struct source_table *t, struct source_table_stats *ret)
{
	struct entry entries[SOURCE_SET_ENTRIES];

	*ret = (struct source_table_stats){
		.n_entries = t->n_sets * SOURCE_SET_ENTRIES,
		.n_untracked = atomic_load_explicit(&t->n_untracked, memory_order_relaxed),
	};
	for (uint32_t s = 0; s < t->n_sets; s++) {
		if (!look_at(&t->sets[s], entries))
			continue;
		for (unsigned i = 0; i < SOURCE_SET_ENTRIES; i++)
			ret->n_holding += entries[i].held > 0;
	}
}
