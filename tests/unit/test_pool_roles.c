// SPDX-License-Identifier: BSD-2-Clause
/* Backups and slow starts of pools. */
#include "choice.h"

#define SIZE 4093

static const nsec_t sec = NSEC_PER_SEC;

/*
 * One letter a member, primaries before the bar and backups behind it: '.' healthy, 'x' failed,
 * 'd' draining, 'o' disabled, 'w' weight 0. Failed ones failed in the order they stand. Expected:
 * '+' eligible, 'b' eligible by the brake, 'e' ejected, '-' out or standing by.
 */
static const struct role_case {
	const char *members;
	unsigned max_eject;
	enum fail_mode fail;
	const char *expected;
	bool brake;
} role_cases[] = {
	{"..|..", 50, FAIL_OPEN, "++|--", false},
	{"x.|..", 50, FAIL_OPEN, "e+|--", false},
	{"xx|..", 50, FAIL_OPEN, "ee|++", false},
	{"xx|..", 0, FAIL_OPEN, "ee|++", false}, /* a backup is fit: there is no brake */
	{"xx|..", 50, FAIL_CLOSED, "ee|++", false},
	{"xxx.|.", 50, FAIL_OPEN, "eee+|-", false},
	{"x|.", 50, FAIL_OPEN, "e|+", false},
	{"xd|.", 50, FAIL_OPEN, "e-|+", false},
	{"dow|.", 50, FAIL_OPEN, "---|+", false},
	/* backups that could not take over do not lift it */
	{"xxx.|x", 50, FAIL_OPEN, "eeb+|e", true},
	{"xxx.|d", 50, FAIL_OPEN, "eeb+|-", true},
	{"xxx.|w", 50, FAIL_CLOSED, "eee+|-", true},
	/* everybody has failed: the checks are doubted */
	{"xx|xx", 50, FAIL_OPEN, "eb|ee", true},
	{"xx|xx", 50, FAIL_CLOSED, "ee|ee", true},
	{"x|x", 100, FAIL_OPEN, "b|e", true},
	/* backups in service have a brake of their own */
	{"xx|x...", 50, FAIL_OPEN, "ee|e+++", false},
	{"xx|xxx.", 50, FAIL_OPEN, "ee|eeb+", true},
	{"do|xx", 50, FAIL_OPEN, "--|eb", true},
	{"do|xx", 50, FAIL_CLOSED, "--|ee", true},
	/* without primaries, and without anybody */
	{"|..", 50, FAIL_OPEN, "|++", false},
	{"|x", 50, FAIL_OPEN, "|b", true},
	{"d|d", 50, FAIL_OPEN, "-|-", false},
};

static char verdict(const struct pool_member *m)
{
	assert_false(m->ejected && m->eligible);
	if (m->braked)
		return 'b';
	if (m->eligible)
		return '+';
	return m->ejected ? 'e' : '-';
}

static void roles(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(role_cases); i++) {
		const struct role_case *c = &role_cases[i];
		size_t n_primaries = strcspn(c->members, "|");
		struct set *s = set_new(strlen(c->members) - 1, EQUAL);
		struct pool p;
		char got[16] = "", *at = got;

		for (size_t k = 0; k < s->n; k++)
			s->members[k].weight = c->members[k + (k >= n_primaries)] != 'w';
		pool_of(&p, s, 251, 1);
		p.max_eject_percent = c->max_eject;
		p.fail = c->fail;
		for (size_t k = 0; k < s->n; k++) {
			char letter = c->members[k + (k >= n_primaries)];

			pool_set_backup(&p, k, k >= n_primaries);
			if (letter == 'x')
				pool_fail(&p, k, 1 + k);
			if (letter == 'd')
				p.members[k].admin = ADMIN_DRAINING;
			if (letter == 'o')
				p.members[k].admin = ADMIN_DISABLED;
		}
		assert_true(pool_update(&p, 100) >= 0);
		for (size_t k = 0; k <= s->n; k++) {
			if (k == n_primaries)
				*at++ = '|';
			if (k < s->n)
				*at++ = verdict(&p.members[k]);
		}
		if (strcmp(got, c->expected) != 0 || p.brake != c->brake)
			fail_msg("%s max_eject %u %s: %s brake %d, expected %s brake %d",
				 c->members, c->max_eject, c->fail == FAIL_OPEN ? "open" : "closed",
				 got, p.brake, c->expected, c->brake);
		if (p.table->n_eligible)
			assert_int_equal(p.on_backups, strpbrk(strchr(got, '|'), "+b") != NULL);
		pool_deinit(&p);
		free(s);
	}
}

/* Bit for bit: the table of primaries is that of a pool without backups, before and afterwards. */
static void backups_leave_no_trace(void **state)
{
	struct set *s = set_new(12, MIXED), *primaries = set_new(9, MIXED);
	struct pool p, alone;
	uint16_t *before, *backups;

	(void)state;
	pool_of(&alone, primaries, SIZE, 7);
	pool_of(&p, s, SIZE, 7);
	for (size_t i = 9; i < 12; i++)
		pool_set_backup(&p, i, true);
	assert_int_equal(pool_update(&p, 1), 1);
	assert_memory_equal(p.table->live, alone.table->live, SIZE * sizeof(uint16_t));
	before = copy_live(&p);

	/* A backup that fails, drains or comes back moves nothing. */
	pool_fail(&p, 10, 2);
	assert_int_equal(pool_update(&p, 2), 0);
	p.members[10].failed = false;
	p.members[11].admin = ADMIN_DRAINING;
	assert_int_equal(pool_update(&p, 3), 0);
	p.members[11].admin = ADMIN_ENABLED;

	for (size_t i = 0; i < 9; i++)
		pool_fail(&p, i, 4);
	assert_int_equal(pool_update(&p, 4), 1);
	assert_true(p.on_backups);
	assert_int_equal(p.table->n_eligible, 3);
	backups = copy_live(&p);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_in_range(backups[slot], 9, 11);
	/* A backup that fails moves its own slots alone. */
	pool_fail(&p, 10, 5);
	assert_int_equal(pool_update(&p, 5), 1);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_true(p.table->live[slot] == backups[slot] || backups[slot] == 10);
	p.members[10].failed = false;
	assert_int_equal(pool_update(&p, 6), 1);
	assert_memory_equal(p.table->live, backups, SIZE * sizeof(uint16_t));

	for (size_t i = 0; i < 9; i++)
		p.members[i].failed = false;
	assert_int_equal(pool_update(&p, 7), 1);
	assert_false(p.on_backups);
	assert_memory_equal(p.table->live, before, SIZE * sizeof(uint16_t));
	free(before);
	free(backups);
	pool_deinit(&p);
	pool_deinit(&alone);
	free(s);
	free(primaries);
}

/* Primaries rebuilt, then gone, then back: always the table of who is in service. */
static void roles_change_while_rebuilt(void **state)
{
	struct set *s = set_new(8, EQUAL);
	struct pool p;

	(void)state;
	pool_of(&p, s, SIZE, 7);
	pool_set_backup(&p, 6, true);
	pool_set_backup(&p, 7, true);
	for (size_t i = 0; i < 3; i++)
		pool_fail(&p, i, 0);
	assert_int_equal(pool_update(&p, 0), 1);
	assert_int_equal(pool_update(&p, 60 * sec), 1);
	assert_true(p.rebuilt);
	for (size_t i = 3; i < 6; i++)
		pool_fail(&p, i, 61 * sec);
	assert_int_equal(pool_update(&p, 61 * sec), 1);
	assert_true(p.on_backups && !p.rebuilt);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_in_range(p.table->live[slot], 6, 7);
	for (size_t i = 0; i < 6; i++)
		p.members[i].failed = false;
	assert_int_equal(pool_update(&p, 62 * sec), 1);
	assert_memory_equal(p.table->live, p.table->base, SIZE * sizeof(uint16_t));
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_in_range(p.table->live[slot], 0, 5);
	pool_deinit(&p);
	free(s);
}

static void ramped_pool(struct pool *p, const struct set *s, nsec_t slow_start)
{
	pool_of(p, s, SIZE, 3);
	p->slow_start = slow_start;
	for (size_t i = 0; i < s->n; i++)
		assert_false(p->members[i].ramping); /* new with the service */
}

static uint32_t slots_of(const struct pool *p, size_t member)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < p->table->size; slot++)
		n += p->table->live[slot] == member;
	return n;
}

/* Each step gives slots to who comes back and to nobody else; the last one restores the table. */
static void steps_move_slots_to_one(void **state)
{
	struct set *s = set_new(5, MIXED);
	struct pool p;
	uint16_t *whole, *before;
	nsec_t now = 10 * sec;
	double weight = s->members[2].weight, others = 0;

	(void)state;
	ramped_pool(&p, s, 9 * sec);
	whole = copy_live(&p);
	for (size_t i = 0; i < s->n; i++)
		others += i == 2 ? 0 : s->members[i].weight;
	pool_fail(&p, 2, now);
	assert_int_equal(pool_update(&p, now), 1);
	p.members[2].failed = false;
	for (uint8_t step = 1; step <= BALANCE_STEPS; step++) {
		double share = step * weight / (step * weight + BALANCE_STEPS * others), off;

		before = copy_live(&p);
		assert_int_equal(pool_update(&p, now), 1);
		assert_int_equal(p.members[2].steps, step);
		assert_int_equal(p.members[2].ramping, step < BALANCE_STEPS);
		for (uint32_t slot = 0; slot < SIZE; slot++) {
			if (p.table->live[slot] != before[slot])
				assert_int_equal(p.table->live[slot], 2);
			if (whole[slot] != 2)
				assert_int_equal(p.table->live[slot], whole[slot]);
		}
		off = slots_of(&p, 2) - SIZE * share;
		assert_true(off * off < 25 * SIZE * share * (1 - share));
		free(before);
		if (step < BALANCE_STEPS) {
			assert_int_equal(pool_next_update(&p), now + sec);
			assert_int_equal(pool_update(&p, now + sec - 1), 0);
		}
		now += sec;
	}
	assert_memory_equal(p.table->live, whole, SIZE * sizeof(whole[0]));
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	free(whole);
	pool_deinit(&p);
	free(s);
}

/* While another is down, its slots fall to who comes back by the part of its weight, too. */
static void steps_beside_a_failure(void **state)
{
	struct set *s = set_new(20, EQUAL);
	struct pool p;
	uint16_t *whole;

	(void)state;
	ramped_pool(&p, s, 9 * sec);
	pool_fail(&p, 0, 1);
	assert_int_equal(pool_update(&p, 1), 1);
	whole = copy_live(&p);
	pool_fail(&p, 1, 2);
	assert_int_equal(pool_update(&p, 2), 1);
	p.members[1].failed = false;
	for (nsec_t now = sec; now <= 10 * sec; now += sec) {
		uint16_t *before = copy_live(&p);

		assert_int_equal(pool_update(&p, now), 1);
		for (uint32_t slot = 0; slot < SIZE; slot++)
			if (p.table->live[slot] != before[slot])
				assert_int_equal(p.table->live[slot], 1);
		free(before);
	}
	assert_memory_equal(p.table->live, whole, SIZE * sizeof(whole[0]));
	free(whole);
	pool_deinit(&p);
	free(s);
}

static void who_begins_slowly(void **state)
{
	struct set *s = set_new(4, EQUAL);
	struct pool p;

	(void)state;
	ramped_pool(&p, s, 9 * sec);
	/* Kept in by the brake, it was never out. */
	p.max_eject_percent = 0;
	p.fail = FAIL_OPEN;
	pool_fail(&p, 0, 1);
	assert_int_equal(pool_update(&p, 1), 0);
	p.members[0].failed = false;
	assert_int_equal(pool_update(&p, 2), 0);
	assert_false(p.members[0].ramping);
	/* Drained, disabled, without weight: all of them come back slowly. */
	for (enum admin_state a = ADMIN_DRAINING; a <= ADMIN_DISABLED; a++) {
		p.members[0].admin = a;
		assert_int_equal(pool_update(&p, 3), 1);
		p.members[0].admin = ADMIN_ENABLED;
		assert_int_equal(pool_update(&p, 4), 1);
		assert_true(p.members[0].ramping && p.members[0].steps == 1);
	}
	s->members[1].weight = 0;
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	assert_int_equal(pool_update(&p, 5), 1);
	assert_true(p.members[0].ramping); /* goes on over a change of the set */
	assert_int_equal(p.members[0].ramp_at, 4);
	s->members[1].weight = 1;
	set_add(s, 1);
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	assert_int_equal(pool_update(&p, 6), 1);
	assert_true(p.members[1].ramping && p.members[4].ramping);
	assert_false(p.members[2].ramping);
	/* Another weight is no return. */
	s->members[2].weight = 5;
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	assert_int_equal(pool_update(&p, 7), 1);
	assert_false(p.members[2].ramping);
	/* It fails in the midst of it: later it begins anew. */
	p.max_eject_percent = 100;
	pool_fail(&p, 0, 3 * sec);
	assert_int_equal(pool_update(&p, 3 * sec), 1);
	assert_false(p.members[0].ramping);
	p.members[0].failed = false;
	assert_int_equal(pool_update(&p, 4 * sec), 1);
	assert_int_equal(p.members[0].ramp_at, 4 * sec);
	/* Switched off, it is over at once. */
	p.slow_start = 0;
	assert_int_equal(pool_update(&p, 5 * sec), 1);
	assert_memory_equal(p.table->live, p.table->base, SIZE * sizeof(uint16_t));
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	pool_deinit(&p);
	free(s);
}

/* Nobody could take what it does not: then it takes all. */
static void the_only_one_takes_all(void **state)
{
	struct set *s = set_new(3, EQUAL);
	struct pool p;

	(void)state;
	ramped_pool(&p, s, 9 * sec);
	for (size_t i = 0; i < 3; i++)
		pool_fail(&p, i, 1);
	assert_int_equal(pool_update(&p, 1), 1);
	p.members[0].failed = false;
	assert_int_equal(pool_update(&p, 2), 1);
	assert_false(p.members[0].ramping);
	assert_int_equal(slots_of(&p, 0), SIZE);
	/* The second begins slowly beside it; then it is left alone. */
	p.members[1].failed = false;
	assert_int_equal(pool_update(&p, 3), 1);
	assert_true(p.members[1].ramping);
	assert_in_range(slots_of(&p, 1), 1, SIZE / 5);
	pool_fail(&p, 0, 4);
	assert_int_equal(pool_update(&p, 4), 1);
	assert_false(p.members[1].ramping);
	assert_int_equal(slots_of(&p, 1), SIZE);
	/* Two at once beside nobody are both whole. */
	pool_fail(&p, 1, 5);
	assert_int_equal(pool_update(&p, 5), 1);
	p.members[0].failed = p.members[2].failed = false;
	assert_int_equal(pool_update(&p, 6), 1);
	assert_false(p.members[0].ramping || p.members[2].ramping);
	pool_deinit(&p);
	free(s);
}

/* A backup that came back while it stood by has its slow start behind it, or goes on with it. */
static void backups_begin_slowly_while_they_stand_by(void **state)
{
	struct set *s = set_new(3, EQUAL);
	struct pool p;

	(void)state;
	ramped_pool(&p, s, 9 * sec);
	pool_set_backup(&p, 1, true);
	pool_set_backup(&p, 2, true);
	pool_fail(&p, 2, 1);
	assert_int_equal(pool_update(&p, 1), 1);
	p.members[2].failed = false;
	assert_int_equal(pool_update(&p, sec), 0);
	assert_true(p.members[2].ramping);
	pool_fail(&p, 0, 2 * sec);
	assert_int_equal(pool_update(&p, 2 * sec), 1);
	assert_true(p.on_backups && p.members[2].steps == 2 && !p.members[1].ramping);
	assert_int_equal(pool_update(&p, 10 * sec), 1);
	assert_memory_equal(p.table->live, p.table->base, SIZE * sizeof(uint16_t));
	pool_deinit(&p);
	free(s);
}

/* The same with weights instead of slots; and a pool that changes its mind. */
static void without_slots(void **state)
{
	struct service_settings settings = {
		.balance = BALANCE_ROUND_ROBIN,
		.table_size = SIZE,
		.max_eject_percent = 50,
		.slow_start = 9 * sec,
	};
	struct set *s = set_new(3, EQUAL);
	struct pool p;
	struct pool_table *t;

	(void)state;
	pool_init(&p, 1, &settings);
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	assert_int_equal(pool_update(&p, 0), 1);
	assert_int_equal(p.table->size, 0);
	assert_int_equal(p.table->balance->n, 3);
	t = p.table;
	assert_int_equal(pool_update(&p, 1), 0);
	assert_ptr_equal(p.table, t);
	pool_fail(&p, 1, 1);
	assert_int_equal(pool_update(&p, 1), 1);
	assert_int_equal(p.table->balance->n, 2);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER); /* nothing to rebuild */
	p.members[1].failed = false;
	assert_int_equal(pool_update(&p, 2), 1);
	assert_int_equal(p.table->balance->weights[1], 1);
	assert_int_equal(p.table->balance->n_order, 21);
	assert_int_equal(pool_update(&p, 2 + 9 * sec), 1);
	assert_int_equal(p.table->balance->n_order, 3);
	s->members[0].weight = 4;
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	assert_int_equal(pool_update(&p, 10 * sec), 1);
	assert_int_equal(p.table->balance->n_order, 6);
	assert_int_equal(p.n_slots_moved, 0);

	settings.balance = BALANCE_MAGLEV;
	pool_configure(&p, 1, &settings);
	assert_int_equal(pool_update(&p, 11 * sec), 1);
	assert_int_equal(p.table->size, SIZE);
	assert_null(p.table->balance);
	settings.balance = BALANCE_TWO_CHOICES;
	pool_configure(&p, 1, &settings);
	assert_int_equal(pool_update(&p, 12 * sec), 1);
	assert_int_equal(p.table->balance->kind, BALANCE_TWO_CHOICES);
	pool_deinit(&p);
	free(s);
}

/* A pool that takes the place of another knows what its members are in. */
static void slow_starts_are_inherited(void **state)
{
	struct set *s = set_new(3, EQUAL);
	const struct service_settings settings = {
		.table_size = SIZE,
		.max_eject_percent = 100,
		.slow_start = 9 * sec,
	};
	struct pool p, q;

	(void)state;
	ramped_pool(&p, s, 9 * sec);
	p.members[1].admin = ADMIN_DISABLED;
	assert_int_equal(pool_update(&p, 1), 1);
	p.members[1].admin = ADMIN_ENABLED;
	assert_int_equal(pool_update(&p, sec), 1);
	set_add(s, 1);
	pool_init(&q, 3, &settings);
	assert_int_equal(pool_set_members(&q, s->members, s->n), 0);
	pool_inherit(&q, &p);
	assert_int_equal(pool_update(&q, 3 * sec), 1);
	assert_true(q.members[1].ramping && q.members[1].steps == 3);
	assert_true(q.members[3].ramping && q.members[3].steps == 1);
	assert_false(q.members[0].ramping || q.members[2].ramping);
	pool_deinit(&p);
	pool_deinit(&q);
	free(s);
}

/* Whatever happens, a loop that follows pool_next_update() never spins, and all ends well. */
static void the_deadline_always_moves_on(void **state)
{
	struct rng r = rng_for_property("the_deadline_always_moves_on");
	struct set *s = set_new(9, MIXED);
	nsec_t now = 0;
	uint16_t *whole;
	struct pool p;

	(void)state;
	ramped_pool(&p, s, 7 * sec + 1);
	for (size_t i = 6; i < 9; i++)
		pool_set_backup(&p, i, true);
	assert_int_equal(pool_update(&p, 0), 1);
	whole = copy_live(&p);
	for (size_t step = 0; step < 1500; step++) {
		struct pool_member *m = &p.members[rng_below(&r, 9)];
		nsec_t next;

		m->failed = !m->failed;
		m->failed_at = now;
		if (rng_below(&r, 8) == 0)
			m->admin = (enum admin_state)rng_below(&r, 3);
		p.fail = (enum fail_mode)rng_below(&r, 2);
		assert_true(pool_update(&p, now) >= 0);
		for (size_t i = 0; i < s->n; i++)
			assert_true(!p.members[i].eligible || p.members[i].backup == p.on_backups);
		next = pool_next_update(&p);
		assert_true(next > now);
		if (next != NSEC_NEVER && rng_below(&r, 2) == 0) {
			now = next;
			assert_true(pool_update(&p, now) >= 0);
			assert_true(pool_next_update(&p) > now);
		}
		now += rng_below(&r, 3000) * NSEC_PER_MSEC;
	}
	for (size_t i = 0; i < s->n; i++) {
		p.members[i].failed = false;
		p.members[i].admin = ADMIN_ENABLED;
	}
	assert_true(pool_update(&p, now) >= 0);
	assert_true(pool_update(&p, now + 8 * sec) >= 0);
	assert_memory_equal(p.table->live, whole, SIZE * sizeof(whole[0]));
	free(whole);
	pool_deinit(&p);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles),
		cmocka_unit_test(backups_leave_no_trace),
		cmocka_unit_test(roles_change_while_rebuilt),
		cmocka_unit_test(steps_move_slots_to_one),
		cmocka_unit_test(steps_beside_a_failure),
		cmocka_unit_test(who_begins_slowly),
		cmocka_unit_test(the_only_one_takes_all),
		cmocka_unit_test(backups_begin_slowly_while_they_stand_by),
		cmocka_unit_test(without_slots),
		cmocka_unit_test(slow_starts_are_inherited),
		cmocka_unit_test(the_deadline_always_moves_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
