/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the choice share: reproducible randomness, sets of members, pools. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lb4_hash.h"
#include "maglev.h"
#include "pool.h"

#include "test.h"

#define TABLE_SIZE   65537
#define SET_MAX	     1000
#define DEFAULT_SEED 0x1b4

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
	r->state += 0x9e3779b97f4a7c15ULL;
	return lb4_mix64(r->state);
}

static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return lb4_slot(rng_next(r), n);
}

/* A new seed in each run, printed; LB4_TEST_SEED=… repeats one. For properties without exception. */
static inline struct rng rng_for_property(const char *what)
{
	const char *given = getenv("LB4_TEST_SEED");
	struct rng r = {};

	if (given)
		r.state = strtoull(given, NULL, 0);
	else if (getrandom(&r.state, sizeof(r.state), 0) != sizeof(r.state))
		abort();
	printf("%s: LB4_TEST_SEED=0x%llx\n", what, (unsigned long long)r.state);
	return r;
}

enum weights {
	EQUAL,
	MIXED,	/* 1 to 10 */
	SKEWED, /* every tenth weighs 100, the others 1 */
	N_WEIGHTS,
};

static const char *const weights_names[] = {"equal", "1..10", "1/100"};

struct set {
	char names[SET_MAX + 1][16];
	struct maglev_member members[SET_MAX + 1];
	size_t n;
	uint64_t total;
};

static inline void set_add(struct set *s, uint32_t weight)
{
	snprintf(s->names[s->n], sizeof(s->names[0]), "web%zu", s->n + 1);
	s->members[s->n] = (struct maglev_member){s->names[s->n], weight};
	s->total += weight;
	s->n++;
}

static inline struct set *set_new(size_t n, enum weights weights)
{
	struct set *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t weight[] = {
			[EQUAL] = 1,
			[MIXED] = 1 + (i * 7 + 3) % 10,
			[SKEWED] = i % 10 == 3 ? 100 : 1,
		};

		set_add(s, weight[weights]);
	}
	return s;
}

static inline void shuffle(struct maglev_member *members, size_t n, struct rng *r)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = rng_below(r, (uint32_t)i);
		struct maglev_member m = members[i - 1];

		members[i - 1] = members[j];
		members[j] = m;
	}
}

/* How many slots each index owns; counts[n] are those nobody owns. */
static inline void count_slots(const uint16_t *table, uint32_t size, size_t n, uint32_t *counts)
{
	for (size_t i = 0; i <= n; i++)
		counts[i] = 0;
	for (uint32_t slot = 0; slot < size; slot++)
		counts[table[slot] == MAGLEV_NONE ? n : table[slot]]++;
}

/* A pool of `s` that ejects whoever fails, with its first table. */
static inline void pool_of(struct pool *p, const struct set *s, uint32_t table_size, uint64_t seed)
{
	const struct service_settings settings = {
		.table_size = table_size,
		.max_eject_percent = 100,
		.fail = FAIL_CLOSED,
	};

	pool_init(p, seed, &settings);
	assert_int_equal(pool_set_members(p, s->members, s->n), 0);
	assert_int_equal(pool_update(p, 0), 1);
}

static inline void pool_fail(struct pool *p, size_t i, nsec_t now)
{
	p->members[i].failed = true;
	p->members[i].failed_at = now;
}

/* A copy of the live table, to compare with later ones. */
static inline uint16_t *copy_live(const struct pool *p)
{
	size_t bytes = p->table->size * sizeof(uint16_t);
	uint16_t *copy = malloc(bytes);

	assert_non_null(copy);
	memcpy(copy, p->table->live, bytes);
	return copy;
}
