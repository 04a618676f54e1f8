// SPDX-License-Identifier: BSD-2-Clause
/* The daemon's decisions: the deadlines of drains, and which states a reload keeps. */
#include "daemon_web.h"

#include "test.h"

/* --- The deadlines of a drain --- */

static void on_down_drain_ends_in_time(void **state)
{
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	assert_true(was_left("a", END_NONE));
	pass(&d, 9 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	pass(&d, NSEC_PER_SEC);
	assert_true(was_left("a", END_DRAIN_TIMEOUT));
	end(&d);
}

static void recovery_cancels_on_down_and_no_operators_drain(void **state)
{
	struct daemon d;

	(void)state;
	begin(&d, simple);
	drain(&d, "b", ADMIN_DRAINING, 30 * NSEC_PER_SEC);
	check_says(&d, "a", false);
	check_says(&d, "b", false);
	pass(&d, 5 * NSEC_PER_SEC);
	check_says(&d, "a", true);
	check_says(&d, "b", true);
	pass(&d, 20 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	assert_false(was_left("b", END_DRAIN_TIMEOUT));
	pass(&d, 5 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	assert_true(was_left("b", END_DRAIN_TIMEOUT));
	end(&d);
}

/* Its connections hang on a dead server, whatever becomes of the operator's drain. */
static void ending_a_drain_does_not_forget_the_dead(void **state)
{
	struct daemon d;

	(void)state;
	begin(&d, simple);
	drain(&d, "a", ADMIN_DRAINING, 60 * NSEC_PER_SEC);
	check_says(&d, "a", false);
	drain(&d, "a", ADMIN_ENABLED, 0);
	pass(&d, 10 * NSEC_PER_SEC);
	assert_true(was_left("a", END_DRAIN_TIMEOUT));
	end(&d);
}

/* A dead backend comes back under another address: nothing of the old deadline is its. */
static void another_address_is_not_drained(void **state)
{
	static const char moved[] = HEAD WEB "    backends:\n"
					     "      a: \"10.0.0.1:11\"\n"
					     "      b: \"10.0.0.1:2\"\n"
					     "      c: \"10.0.0.1:3\"\n";
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	assert_int_equal(apply(&d, parse(moved)), 0);
	check_says(&d, "a", true);
	pass(&d, 20 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	end(&d);
}

/* Nor does `on_down: keep`, once it holds, cut what `drain` would have. */
static void on_down_changed_by_reload(void **state)
{
	static const char kept[] = HEAD "  web:\n"
					"    listen: [\":80\", \":81\"]\n"
					"    check: {tcp: true}\n"
					"    on_down: keep\n"
					"    table_size: 251\n" BACKENDS;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	assert_int_equal(apply(&d, parse(kept)), 0);
	pass(&d, 20 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	end(&d);
}

/* --- What a reload keeps --- */

static void states_stay_by_name(void **state)
{
	struct live_service *web;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	drain(&d, "a", ADMIN_DISABLED, 0);
	assert_int_equal(heard.n_targets, 2);
	check_says(&d, "b", false);
	assert_int_equal(reload(&d), 0);
	web = daemon_find_service(&d, "web");
	assert_int_equal(pool_find(&web->pool, "a")->admin, ADMIN_DISABLED);
	assert_true(backend_of(&d, "d")->health.failed); /* nobody has seen it up */
	assert_int_equal(heard.n_targets, 2);		 /* b and d */
	check_says(&d, "d", true);
	assert_true(pool_find(&web->pool, "d")->eligible);
	end(&d);
}

/* A check that is taken away no longer holds a backend down, though its pool stays as it is. */
static void the_check_is_taken_away(void **state)
{
	static const char unchecked[] = HEAD "  web:\n"
					     "    listen: [\":80\", \":81\"]\n"
					     "    table_size: 251\n" BACKENDS;
	struct live_service *web;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	web = daemon_find_service(&d, "web");
	assert_false(pool_find(&web->pool, "a")->eligible);
	assert_int_equal(apply(&d, parse(unchecked)), 0);
	web = daemon_find_service(&d, "web");
	assert_true(pool_find(&web->pool, "a")->eligible);
	settle(&d);
	assert_int_equal(heard.n_targets, 0);
	end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_down_drain_ends_in_time),
		cmocka_unit_test(recovery_cancels_on_down_and_no_operators_drain),
		cmocka_unit_test(ending_a_drain_does_not_forget_the_dead),
		cmocka_unit_test(another_address_is_not_drained),
		cmocka_unit_test(on_down_changed_by_reload),
		cmocka_unit_test(states_stay_by_name),
		cmocka_unit_test(the_check_is_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
