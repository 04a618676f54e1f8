// SPDX-License-Identifier: BSD-2-Clause
/* The brake and the rebuild rule of pools. */
#include "choice.h"

/*
 * One letter a member: '.' healthy, 'x' failed, 'd' draining, 'D' draining and failed, 'o'
 * disabled, 'O' disabled and failed, 'w' weight 0, 'W' weight 0 and failed. Members fail in the
 * order of `order`, or all at once when it is NULL. Expected: '+' eligible, 'b' eligible by the
 * brake, 'e' ejected, '-' out without being ejected.
 */
static const struct brake_case {
	const char *members;
	const char *order; /* digits: the member that failed 1st, 2nd, … */
	unsigned max_eject;
	enum fail_mode fail;
	const char *expected;
	bool brake;
} brake_cases[] = {
	/* one backend */
	{".", NULL, 50, FAIL_OPEN, "+", false},
	{"x", NULL, 50, FAIL_OPEN, "b", true},
	{"x", NULL, 100, FAIL_OPEN, "b", true},
	{"x", NULL, 0, FAIL_OPEN, "b", true},
	{"x", NULL, 50, FAIL_CLOSED, "e", false},
	{"x", NULL, 0, FAIL_CLOSED, "e", true},
	{"x", NULL, 100, FAIL_CLOSED, "e", false},
	/* two: the half is one */
	{"x.", NULL, 50, FAIL_OPEN, "e+", false},
	{"xx", "10", 50, FAIL_OPEN, "be", true},
	{"xx", "01", 50, FAIL_OPEN, "eb", true},
	{"xx", "01", 50, FAIL_CLOSED, "ee", true},
	{"xx", "01", 100, FAIL_OPEN, "eb", true},
	{"xx", "01", 100, FAIL_CLOSED, "ee", false},
	{"x.", NULL, 1, FAIL_OPEN, "e+", false}, /* any share is one at least */
	{"x.", NULL, 0, FAIL_OPEN, "b+", true},
	{"x.", NULL, 0, FAIL_CLOSED, "e+", true},
	/* three: half of them are two */
	{"xx.", "10", 50, FAIL_OPEN, "ee+", false},
	{"xx.", "10", 50, FAIL_CLOSED, "ee+", false},
	{"xx.", "10", 33, FAIL_OPEN, "be+", true},
	{"xx.", "10", 33, FAIL_CLOSED, "ee+", true},
	{"xxx", "210", 50, FAIL_OPEN, "bee", true},
	{"xxx", "210", 100, FAIL_OPEN, "bee", true},
	{"xxx", NULL, 33, FAIL_OPEN, "ebb", true}, /* at once: names decide */
	{"xxx", NULL, 0, FAIL_OPEN, "bbb", true},
	{"xxx", NULL, 0, FAIL_CLOSED, "eee", true},
	{"...", NULL, 0, FAIL_OPEN, "+++", false},
	/* ten */
	{"xxxxx.....", NULL, 50, FAIL_OPEN, "eeeee+++++", false},
	{"xxxxxx....", "543210", 50, FAIL_OPEN, "beeeee++++", true},
	{"xxxxxxxxxx", "9876543210", 50, FAIL_OPEN, "bbbbbeeeee", true},
	{"xxxxxxxxxx", NULL, 50, FAIL_CLOSED, "eeeeeeeeee", true},
	/* who is not in service counts on neither side */
	{"xx..dddddd", "01", 50, FAIL_OPEN, "ee++------", false},
	{"xxx.dddddd", "012", 50, FAIL_OPEN, "eeb+------", true},
	{"xxx.oooooo", "012", 50, FAIL_OPEN, "eeb+------", true},
	{"xxx.wwwwww", "012", 50, FAIL_OPEN, "eeb+------", true},
	{"x...DDDDDD", NULL, 50, FAIL_OPEN, "e+++eeeeee", false},
	{"x...WWWWWW", NULL, 50, FAIL_OPEN, "e+++eeeeee", false},
	{"x...OOOOOO", NULL, 50, FAIL_OPEN, "e+++------", false},
	{"xD", NULL, 100, FAIL_OPEN, "be", true}, /* the last in service */
	{"dow", NULL, 50, FAIL_OPEN, "---", false},
	{"DOW", NULL, 50, FAIL_OPEN, "e-e", false},
};

static void take_state(struct pool *p, size_t i, char letter)
{
	struct pool_member *m = &p->members[i];

	m->failed = strchr("xDOW", letter) != NULL;
	if (strchr("dD", letter))
		m->admin = ADMIN_DRAINING;
	if (strchr("oO", letter))
		m->admin = ADMIN_DISABLED;
}

static char verdict(const struct pool_member *m)
{
	assert_false(m->ejected && m->eligible);
	assert_false(m->braked && (m->ejected || !m->failed || !m->eligible));
	if (m->braked)
		return 'b';
	if (m->eligible)
		return '+';
	return m->ejected ? 'e' : '-';
}

static void brake(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(brake_cases); i++) {
		const struct brake_case *c = &brake_cases[i];
		struct set *s = set_new(strlen(c->members), EQUAL);
		struct pool p;
		char got[16] = "";

		for (size_t k = 0; k < s->n; k++)
			s->members[k].weight = !strchr("wW", c->members[k]);
		pool_of(&p, s, 251, 1);
		p.max_eject_percent = c->max_eject;
		p.fail = c->fail;
		for (size_t k = 0; k < s->n; k++)
			take_state(&p, k, c->members[k]);
		for (size_t k = 0; c->order && c->order[k]; k++)
			p.members[c->order[k] - '0'].failed_at = k + 1;
		assert_true(pool_update(&p, 100) >= 0);
		for (size_t k = 0; k < s->n; k++)
			got[k] = verdict(&p.members[k]);
		if (strcmp(got, c->expected) != 0 || p.brake != c->brake)
			fail_msg("%s max_eject %u %s: %s brake %d, expected %s brake %d",
				 c->members, c->max_eject, c->fail == FAIL_OPEN ? "open" : "closed",
				 got, p.brake, c->expected, c->brake);
		pool_deinit(&p);
		free(s);
	}
}

/* A place that becomes free in the brake's allowance goes to the next that failed. */
static void recovery_lets_the_next_be_ejected(void **state)
{
	struct set *s = set_new(4, EQUAL);
	struct pool p;

	(void)state;
	pool_of(&p, s, 251, 1);
	p.max_eject_percent = 50;
	p.fail = FAIL_OPEN;
	for (size_t i = 0; i < 3; i++)
		pool_fail(&p, i, 10 + i);
	assert_int_equal(pool_update(&p, 20), 1);
	assert_true(p.members[0].ejected && p.members[1].ejected && p.members[2].braked);
	p.members[0].failed = false;
	assert_int_equal(pool_update(&p, 21), 1);
	assert_true(p.members[1].ejected && p.members[2].ejected && !p.brake);
	p.members[1].failed = p.members[2].failed = false;
	assert_int_equal(pool_update(&p, 22), 1);
	assert_memory_equal(p.table->live, p.table->base, 251 * sizeof(uint16_t));
	pool_deinit(&p);
	free(s);
}

/* The table a pool of only those who are eligible now would have. */
static void assert_rebuilt_from_the_eligible(const struct pool *p, const struct set *s)
{
	struct maglev_member members[SET_MAX];
	uint16_t *table = calloc(p->table_size, sizeof(table[0]));

	assert_non_null(table);
	for (size_t i = 0; i < s->n; i++) {
		members[i] = s->members[i];
		if (!p->members[i].eligible)
			members[i].weight = 0;
	}
	assert_int_equal(maglev_build(table, p->table_size, p->seed, members, s->n), 0);
	assert_true(p->rebuilt);
	assert_memory_equal(p->table->live, table, p->table_size * sizeof(table[0]));
	free(table);
}

static const nsec_t sec = NSEC_PER_SEC;

static void a_tenth_out_is_only_walked(void **state)
{
	struct set *s = set_new(10, EQUAL);
	struct pool p;

	(void)state;
	pool_of(&p, s, 4093, 1);
	pool_fail(&p, 0, 5 * sec);
	assert_int_equal(pool_update(&p, 5 * sec), 1);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	assert_int_equal(pool_update(&p, 500 * sec), 0);
	assert_false(p.rebuilt);
	assert_int_equal(p.n_rebuilds, 0);
	pool_deinit(&p);
	free(s);
}

static void the_rule_in_time(void **state)
{
	struct set *s = set_new(10, EQUAL);
	struct pool p;
	uint16_t *configured, *walked;

	(void)state;
	pool_of(&p, s, 4093, 1);
	configured = copy_live(&p);
	pool_fail(&p, 0, 5 * sec);
	assert_int_equal(pool_update(&p, 5 * sec), 1);
	p.members[1].admin = ADMIN_DRAINING; /* out is out */
	assert_int_equal(pool_update(&p, 10 * sec), 1);
	assert_int_equal(pool_next_update(&p), 70 * sec);
	walked = copy_live(&p);
	assert_int_equal(pool_update(&p, 69 * sec), 0);

	/* Back below in between: the minute starts over. */
	p.members[1].admin = ADMIN_ENABLED;
	assert_int_equal(pool_update(&p, 69 * sec), 1);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	p.members[1].admin = ADMIN_DRAINING;
	assert_int_equal(pool_update(&p, 70 * sec), 1);
	assert_memory_equal(p.table->live, walked, 4093 * sizeof(walked[0]));
	assert_int_equal(pool_next_update(&p), 130 * sec);
	assert_int_equal(pool_update(&p, 130 * sec - 1), 0);

	assert_int_equal(pool_update(&p, 130 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);
	assert_int_equal(p.n_rebuilds, 1);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	assert_int_equal(pool_update(&p, 1000 * sec), 0);

	/* A tenth out again: the configured base, at once and bit for bit. */
	p.members[1].admin = ADMIN_ENABLED;
	assert_int_equal(pool_update(&p, 1001 * sec), 1);
	assert_false(p.rebuilt);
	p.members[0].failed = false;
	assert_int_equal(pool_update(&p, 1002 * sec), 1);
	assert_memory_equal(p.table->live, configured, 4093 * sizeof(configured[0]));
	assert_int_equal(p.n_rebuilds, 1);
	free(configured);
	free(walked);
	pool_deinit(&p);
	free(s);
}

static void while_rebuilt(void **state)
{
	struct set *s = set_new(20, MIXED);
	struct pool p;
	uint16_t *rebuilt;

	(void)state;
	pool_of(&p, s, 4093, 1);
	for (size_t i = 0; i < 6; i++)
		pool_fail(&p, i, 0);
	assert_int_equal(pool_update(&p, 0), 1);
	assert_int_equal(pool_update(&p, 60 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);
	rebuilt = copy_live(&p);

	/* A little fails: it is walked, however long; recovery restores the rebuilt table. */
	pool_fail(&p, 7, 61 * sec); /* weight 3 of about 80 */
	assert_int_equal(pool_update(&p, 61 * sec), 1);
	assert_memory_equal(p.table->base, rebuilt, 4093 * sizeof(rebuilt[0]));
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	assert_int_equal(pool_update(&p, 400 * sec), 0);
	p.members[7].failed = false;
	assert_int_equal(pool_update(&p, 401 * sec), 1);
	assert_memory_equal(p.table->live, rebuilt, 4093 * sizeof(rebuilt[0]));
	assert_int_equal(p.n_rebuilds, 1);

	/* Much of what is left fails: the rule fires again. */
	for (size_t i = 6; i < 10; i++)
		pool_fail(&p, i, 402 * sec);
	assert_int_equal(pool_update(&p, 402 * sec), 1);
	assert_memory_equal(p.table->base, rebuilt, 4093 * sizeof(rebuilt[0]));
	assert_int_equal(pool_next_update(&p), 462 * sec);
	assert_int_equal(pool_update(&p, 462 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);
	assert_int_equal(p.n_rebuilds, 2);

	/* Somebody comes back: a share at once. */
	p.members[3].failed = false;
	assert_int_equal(pool_update(&p, 463 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);
	assert_int_equal(p.n_rebuilds, 3);

	/* One goes while another comes. */
	p.members[4].failed = false;
	pool_fail(&p, 3, 464 * sec);
	assert_int_equal(pool_update(&p, 464 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);
	assert_int_equal(p.n_rebuilds, 4);
	free(rebuilt);
	pool_deinit(&p);
	free(s);
}

static void nobody_left_is_not_rebuilt(void **state)
{
	struct set *s = set_new(5, EQUAL);
	struct pool p;

	(void)state;
	pool_of(&p, s, 4093, 1);
	for (size_t i = 0; i < 5; i++)
		pool_fail(&p, i, 0);
	assert_int_equal(pool_update(&p, 0), 1);
	assert_int_equal(p.table->live[7], MAGLEV_NONE);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER); /* nothing to do by time */
	assert_int_equal(pool_update(&p, 100 * sec), 0);
	assert_int_equal(p.n_rebuilds, 0);

	/* The minute has long passed when the first comes back. */
	p.members[2].failed = false;
	assert_int_equal(pool_update(&p, 101 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);

	/* All gone from a rebuilt base, and back. */
	pool_fail(&p, 2, 102 * sec);
	assert_int_equal(pool_update(&p, 102 * sec), 1);
	assert_int_equal(p.table->live[7], MAGLEV_NONE);
	for (size_t i = 0; i < 5; i++)
		p.members[i].failed = false;
	assert_int_equal(pool_update(&p, 103 * sec), 1);
	assert_false(p.rebuilt);
	assert_memory_equal(p.table->live, p.table->base, 4093 * sizeof(uint16_t));
	pool_deinit(&p);
	free(s);
}

/* New members or weights while rebuilt: rebuilt of the new ones, or back to the configured base. */
static void reload_while_rebuilt(void **state)
{
	struct set *s = set_new(10, EQUAL);
	struct pool p;

	(void)state;
	pool_of(&p, s, 4093, 1);
	for (size_t i = 0; i < 3; i++)
		pool_fail(&p, i, 0);
	assert_int_equal(pool_update(&p, 0), 1);
	assert_int_equal(pool_update(&p, 60 * sec), 1);
	assert_true(p.rebuilt);

	set_add(s, 1);
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	assert_int_equal(pool_update(&p, 61 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);
	assert_int_equal(p.n_rebuilds, 2);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);

	/* Other weights of the same members. */
	s->members[9].weight = 2;
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	assert_int_equal(pool_update(&p, 61 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);
	assert_int_equal(p.n_rebuilds, 3);

	/* The failed leave the file: nothing is out any more. */
	assert_int_equal(pool_set_members(&p, s->members + 3, s->n - 3), 0);
	assert_int_equal(pool_update(&p, 62 * sec), 1);
	assert_false(p.rebuilt);
	assert_memory_equal(p.table->live, p.table->base, 4093 * sizeof(uint16_t));

	/* Nobody eligible: no base of strangers stays behind. */
	for (size_t i = 0; i < 3; i++)
		pool_fail(&p, i, 63 * sec);
	assert_int_equal(pool_update(&p, 63 * sec), 1);
	assert_int_equal(pool_update(&p, 123 * sec), 1);
	assert_true(p.rebuilt);
	for (size_t i = 0; i < p.n_members; i++)
		p.members[i].admin = ADMIN_DISABLED;
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	for (size_t i = 0; i < 3; i++) {
		p.members[i].failed = false;
		p.members[i].admin = ADMIN_DISABLED;
	}
	assert_int_equal(pool_update(&p, 124 * sec), 1);
	assert_false(p.rebuilt);
	assert_int_equal(p.table->live[0], MAGLEV_NONE);
	pool_deinit(&p);
	free(s);
}

/* The same through a second pool that takes over from the first. */
static void a_new_pool_takes_over(void **state)
{
	struct set *s = set_new(10, EQUAL);
	const struct service_settings settings = {
		.table_size = 4093,
		.max_eject_percent = 100,
		.fail = FAIL_CLOSED,
	};
	struct pool p;

	(void)state;
	set_add(s, 2);
	pool_init(&p, 1, &settings);
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	p.rebuilt = true;
	p.n_rebuilds = 7;
	for (size_t i = 0; i < 3; i++)
		pool_fail(&p, i, 0);
	assert_int_equal(pool_update(&p, 100 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);
	assert_int_equal(p.n_rebuilds, 8);
	pool_deinit(&p);

	/* Nothing much is out any more. */
	pool_init(&p, 1, &settings);
	assert_int_equal(pool_set_members(&p, s->members, s->n), 0);
	p.rebuilt = true;
	assert_int_equal(pool_update(&p, 100 * sec), 1);
	assert_false(p.rebuilt);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	pool_deinit(&p);
	free(s);
}

/* The brake's verdict counts, not the failure: who is kept in is not out. */
static void the_braked_are_not_out(void **state)
{
	struct set *s = set_new(10, EQUAL);
	struct pool p;

	(void)state;
	pool_of(&p, s, 4093, 1);
	p.fail = FAIL_OPEN;
	p.max_eject_percent = 10;
	for (size_t i = 0; i < 8; i++)
		pool_fail(&p, i, i);
	assert_int_equal(pool_update(&p, 10), 1);
	assert_true(p.brake);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	pool_deinit(&p);
	free(s);
}

/* In a small table a weight may round to no slot: alone, its member serves all the same. */
static void a_weight_too_small_for_a_slot(void **state)
{
	static const struct maglev_member members[] = {{"big", 65535}, {"tiny", 1}};
	const struct service_settings settings = {
		.table_size = 251,
		.max_eject_percent = 50,
		.fail = FAIL_OPEN,
	};
	struct pool p;

	(void)state;
	pool_init(&p, 1, &settings);
	assert_int_equal(pool_set_members(&p, members, 2), 0);
	assert_int_equal(pool_update(&p, 0), 1);
	for (uint32_t slot = 0; slot < 251; slot++)
		assert_int_equal(p.table->live[slot], 0);

	pool_fail(&p, 0, 1);
	assert_int_equal(pool_update(&p, 1), 1);
	assert_true(p.rebuilt);
	for (uint32_t slot = 0; slot < 251; slot++)
		assert_int_equal(p.table->live[slot], 1);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	assert_int_equal(pool_update(&p, 100 * sec), 0);

	p.members[0].failed = false;
	assert_int_equal(pool_update(&p, 101 * sec), 1);
	assert_false(p.rebuilt);
	assert_int_equal(p.table->live[0], 0);
	pool_deinit(&p);
}

/* Far more members than slots, and the few that own one all fail: hardly any weight is out. */
static void owners_of_all_slots_fail(void **state)
{
	enum { SIZE = 61 };
	struct set *s = set_new(1000, EQUAL);
	struct pool p;
	uint16_t *configured;

	(void)state;
	pool_of(&p, s, SIZE, 1);
	configured = copy_live(&p);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		pool_fail(&p, configured[slot], 1);
	assert_int_equal(pool_update(&p, 1), 1);
	assert_int_equal(p.table->n_eligible, 1000 - SIZE);
	assert_rebuilt_from_the_eligible(&p, s);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	assert_int_equal(pool_update(&p, 100 * sec), 0);

	p.members[configured[5]].failed = false;
	assert_int_equal(pool_update(&p, 101 * sec), 1);
	assert_false(p.rebuilt);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_int_equal(p.table->live[slot], configured[5]);
	free(configured);
	pool_deinit(&p);
	free(s);
}

/* A rebuilt base that lost much, and then all the others are back: nothing is pending. */
static void the_minute_ends_with_the_rebuilt_base(void **state)
{
	struct set *s = set_new(20, EQUAL);
	struct pool p;

	(void)state;
	pool_of(&p, s, 4093, 1);
	for (size_t i = 2; i < 20; i++)
		pool_fail(&p, i, 0);
	assert_int_equal(pool_update(&p, 0), 1);
	assert_int_equal(pool_update(&p, 60 * sec), 1);
	assert_rebuilt_from_the_eligible(&p, s);
	pool_fail(&p, 1, 61 * sec);
	assert_int_equal(pool_update(&p, 61 * sec), 1);
	assert_int_equal(pool_next_update(&p), 121 * sec);
	for (size_t i = 2; i < 20; i++)
		p.members[i].failed = false;
	assert_int_equal(pool_update(&p, 62 * sec), 1);
	assert_false(p.rebuilt);
	assert_int_equal(pool_next_update(&p), NSEC_NEVER);
	pool_deinit(&p);
	free(s);
}

/* Whatever happens, a loop that follows pool_next_update() never spins. */
static void the_deadline_always_moves_on(void **state)
{
	struct rng r = rng_for_property("the_deadline_always_moves_on");
	struct set *s = set_new(12, MIXED);
	nsec_t now = 0;
	struct pool p;

	(void)state;
	pool_of(&p, s, 251, 1);
	for (size_t step = 0; step < 3000; step++) {
		size_t who = rng_below(&r, 12);
		nsec_t next;

		p.members[who].failed = !p.members[who].failed;
		p.members[who].failed_at = now;
		if (rng_below(&r, 8) == 0)
			p.members[who].admin = (enum admin_state)rng_below(&r, 3);
		assert_true(pool_update(&p, now) >= 0);
		next = pool_next_update(&p);
		assert_true(next > now);
		if (next != NSEC_NEVER && rng_below(&r, 3) == 0) {
			uint64_t n = p.n_rebuilds;

			now = next;
			assert_int_equal(pool_update(&p, now), 1);
			assert_int_equal(p.n_rebuilds, n + 1);
			assert_true(pool_next_update(&p) > now);
		}
		if (p.rebuilt) /* everybody eligible has a share */
			for (size_t i = 0; i < s->n; i++)
				assert_true(!p.members[i].eligible || p.members[i].in_rebuilt);
		now += rng_below(&r, 20) * sec;
	}
	assert_true(p.n_rebuilds > 10);
	pool_deinit(&p);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brake),
		cmocka_unit_test(recovery_lets_the_next_be_ejected),
		cmocka_unit_test(a_tenth_out_is_only_walked),
		cmocka_unit_test(the_rule_in_time),
		cmocka_unit_test(while_rebuilt),
		cmocka_unit_test(nobody_left_is_not_rebuilt),
		cmocka_unit_test(reload_while_rebuilt),
		cmocka_unit_test(a_new_pool_takes_over),
		cmocka_unit_test(the_braked_are_not_out),
		cmocka_unit_test(a_weight_too_small_for_a_slot),
		cmocka_unit_test(owners_of_all_slots_fail),
		cmocka_unit_test(the_minute_ends_with_the_rebuilt_base),
		cmocka_unit_test(the_deadline_always_moves_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
