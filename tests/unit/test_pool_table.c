// SPDX-License-Identifier: BSD-2-Clause
/* Tables: the walk against a plain reading of its rule, and the candidates of a connection. */
#include "choice.h"

#define N_MAX 64

struct fixture {
	struct set *set;
	uint16_t *base;
	bool eligible[N_MAX];
	struct pool_table *table;
};

static void fixture_init(struct fixture *f, size_t n, enum weights weights, uint32_t size,
			 uint64_t seed)
{
	*f = (struct fixture){.set = set_new(n, weights), .base = calloc(size, sizeof(uint16_t))};
	assert_non_null(f->base);
	assert_int_equal(maglev_build(f->base, size, seed, f->set->members, n), 0);
}

static void fixture_table(struct fixture *f, uint32_t size, uint64_t seed)
{
	pool_table_unref(f->table);
	f->table = pool_table_new(seed, f->base, size, f->eligible, NULL, (uint32_t)f->set->n);
	assert_non_null(f->table);
}

static void fixture_deinit(struct fixture *f)
{
	pool_table_unref(f->table);
	free(f->base);
	free(f->set);
}

/* The rule read out: the owner, the walk, then slot after slot. */
static uint16_t candidate(const struct pool_table *t, uint32_t slot, uint32_t step)
{
	if (step == 0)
		return t->base[slot];
	if (step <= POOL_WALK_MAX)
		return t->base[lb4_walk(t->seed, slot, step, t->size)];
	return t->base[(slot + step - POOL_WALK_MAX) % t->size];
}

/* All candidates of a slot, each once; returns how many. */
static size_t candidates(const struct pool_table *t, uint32_t slot, uint16_t *ret)
{
	bool seen[N_MAX] = {};
	size_t n = 0;

	for (uint32_t step = 0; step < POOL_WALK_MAX + t->size; step++) {
		uint16_t member = candidate(t, slot, step);

		if (!t->eligible[member] || seen[member])
			continue;
		seen[member] = true;
		ret[n++] = member;
	}
	return n;
}

static void check_all_slots(const struct pool_table *t)
{
	uint16_t expected[N_MAX], tried[N_MAX];

	for (uint32_t slot = 0; slot < t->size; slot++) {
		size_t n = candidates(t, slot, expected);

		assert_int_equal(t->live[slot], n ? expected[0] : MAGLEV_NONE);
		for (size_t i = 0; i < n; i++) {
			tried[i] = pool_table_choose(t, slot, tried, i);
			assert_int_equal(tried[i], expected[i]);
		}
		assert_int_equal(pool_table_choose(t, slot, tried, n), MAGLEV_NONE);
	}
}

static void candidates_follow_the_rule(void **state)
{
	struct rng r = rng_for_property("candidates_follow_the_rule");

	(void)state;
	for (size_t trial = 0; trial < 60; trial++) {
		size_t n = 1 + rng_below(&r, N_MAX);
		uint64_t seed = rng_next(&r);
		uint32_t up = 1 + rng_below(&r, 100);
		struct fixture f;
		bool somebody = false;

		fixture_init(&f, n, rng_below(&r, N_WEIGHTS), 251, seed);
		for (size_t i = 0; i < n; i++)
			f.eligible[i] = rng_below(&r, 100) < up;
		for (uint32_t slot = 0; slot < 251; slot++)
			somebody |= f.eligible[f.base[slot]];
		if (!somebody) /* who owns no slot is no candidate */
			f.eligible[f.base[0]] = true;
		fixture_table(&f, 251, seed);
		check_all_slots(f.table);
		fixture_deinit(&f);
	}
}

/* One slot of the table is all that is left: the walk fails, and the search ends all the same. */
static void a_tiny_member_takes_all(void **state)
{
	struct fixture f;
	uint32_t size = 16381;

	(void)state;
	fixture_init(&f, 40, EQUAL, size, 5);
	for (uint32_t slot = 0; slot < size; slot++) /* member 7 keeps a single slot */
		if (f.base[slot] == 7 && slot > 9000)
			f.base[slot] = 8;
	for (uint32_t slot = 0, kept = 0; slot < size; slot++)
		if (f.base[slot] == 7 && kept++)
			f.base[slot] = 9;
	f.eligible[7] = true;
	fixture_table(&f, size, 5);
	for (uint32_t slot = 0; slot < size; slot++) {
		uint16_t tried = 7;

		assert_int_equal(f.table->live[slot], 7);
		assert_int_equal(pool_table_choose(f.table, slot, &tried, 1), MAGLEV_NONE);
	}
	f.eligible[3] = true;
	fixture_table(&f, size, 5);
	for (uint32_t slot = 0; slot < size; slot += 16) {
		uint16_t tried = 3;

		assert_int_equal(pool_table_choose(f.table, slot, &tried, 1), 7);
	}
	fixture_deinit(&f);
}

static void nobody_is_left(void **state)
{
	struct fixture f;
	uint16_t tried[] = {2, 0};

	(void)state;
	fixture_init(&f, 3, EQUAL, 251, 5);
	fixture_table(&f, 251, 5);
	for (uint32_t slot = 0; slot < 251; slot++) {
		assert_int_equal(f.table->live[slot], MAGLEV_NONE);
		assert_int_equal(pool_table_choose(f.table, slot, NULL, 0), MAGLEV_NONE);
		assert_int_equal(pool_table_choose(f.table, slot, tried, 2), MAGLEV_NONE);
	}
	fixture_deinit(&f);

	fixture_init(&f, 0, EQUAL, 251, 5);
	fixture_table(&f, 251, 5);
	assert_int_equal(pool_table_choose(f.table, 250, NULL, 0), MAGLEV_NONE);
	fixture_deinit(&f);
}

/* `tried` may come from an older snapshot: gone members, the same one twice, ineligible ones. */
static void foreign_lists_are_harmless(void **state)
{
	static const uint16_t tried[] = {0, 0, 2, 900, MAGLEV_NONE, 2, 0, 3};
	struct fixture f;

	(void)state;
	fixture_init(&f, 4, EQUAL, 251, 5);
	for (size_t i = 0; i < 4; i++)
		f.eligible[i] = i != 3;
	fixture_table(&f, 251, 5);
	for (uint32_t slot = 0; slot < 251; slot++)
		for (size_t n = 3; n <= ARRAY_SIZE(tried); n++)
			assert_int_equal(pool_table_choose(f.table, slot, tried, n), 1);
	fixture_deinit(&f);
}

static void moved_slots_are_counted_by_member(void **state)
{
	static const uint16_t map[] = {1, 0, MAGLEV_NONE};
	uint16_t before[251], after[251], nobody[251];
	const bool all[] = {true, true, true}, none[] = {false, false, false};
	struct pool_table *a, *b, *c, *d;
	uint16_t short_base[7] = {};

	(void)state;
	for (uint16_t i = 0; i < 251; i++) {
		before[i] = i % 3;
		after[i] = i % 3 == 0 ? 1 : 0; /* swapped, and the third's go to the first */
		nobody[i] = 0;
	}
	a = pool_table_new(1, before, 251, all, NULL, 3);
	b = pool_table_new(1, after, 251, all, NULL, 2);
	c = pool_table_new(1, nobody, 251, none, NULL, 3);
	d = pool_table_new(1, short_base, 7, all, NULL, 1);
	assert_true(a && b && c && d);
	assert_int_equal(pool_table_moved(a, a, NULL), 0);
	assert_int_equal(pool_table_moved(b, a, map), 83);
	assert_int_equal(pool_table_moved(c, a, NULL), 251);
	assert_int_equal(pool_table_moved(a, c, map), 251);
	assert_int_equal(pool_table_moved(d, a, NULL), 7);
	pool_table_unref(a);
	pool_table_unref(b);
	pool_table_unref(c);
	pool_table_unref(d);
}

static void references_are_counted(void **state)
{
	const uint16_t base[] = {0, 0, 0};
	const bool eligible[] = {true};
	struct pool_table *t = pool_table_new(1, base, 3, eligible, NULL, 1);

	(void)state;
	assert_non_null(t);
	assert_ptr_equal(pool_table_ref(t), t);
	assert_null(pool_table_unref(t));
	assert_int_equal(t->live[2], 0); /* the sanitizer watches */
	assert_null(pool_table_unref(t));
	assert_null(pool_table_unref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(candidates_follow_the_rule),
		cmocka_unit_test(a_tiny_member_takes_all),
		cmocka_unit_test(nobody_is_left),
		cmocka_unit_test(foreign_lists_are_harmless),
		cmocka_unit_test(moved_slots_are_counted_by_member),
		cmocka_unit_test(references_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
