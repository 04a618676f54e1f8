// SPDX-License-Identifier: BSD-2-Clause
/* The daemon's decisions: what is told of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_web.h"

#include "test.h"

static void failures_and_the_brake_are_told(void **state)
{
	static const char third[] = HEAD WEB "    max_eject: 33%\n" BACKENDS;
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, third);
	assert_string_equal(news(&d, &after), "");
	check_says(&d, "a", false);
	assert_string_equal(events_next(&d.events, 0)->text,
			    "service web: backend a is down: check: refused");
	assert_string_equal(news(&d, &after), "backend-ejected a, slots-moved");
	/* One of three is what max_eject allows. */
	check_says(&d, "b", false);
	assert_string_equal(news(&d, &after), "backend-braked b, brake-on");
	check_says(&d, "b", false);
	assert_string_equal(news(&d, &after), "");
	/* It takes the place that a has left. */
	d.now += 5 * NSEC_PER_SEC;
	check_says(&d, "a", true);
	assert_int_equal(events_next(&d.events, after)->values[0].number, 5000);
	assert_string_equal(news(&d, &after), "backend-back a, backend-ejected b, brake-off, "
					      "slots-moved");
	d.now += 2 * NSEC_PER_SEC;
	check_says(&d, "b", true);
	assert_int_equal(events_next(&d.events, after)->values[0].number, 7000); /* ever since */
	assert_string_equal(news(&d, &after), "backend-back b, slots-moved");
	end(&d);
}

static void deserted_services_are_told(void **state)
{
	static const char closed[] = HEAD WEB "    max_eject: 100%\n    fail: closed\n" BACKENDS;
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, closed);
	check_says(&d, "a", false);
	check_says(&d, "b", false);
	news(&d, &after);
	check_says(&d, "c", false);
	assert_string_equal(news(&d, &after), "backend-ejected c, service-deserted, slots-moved");
	check_says(&d, "a", true);
	assert_non_null(strstr(news(&d, &after), "backend-back a, service-serves, "));
	end(&d);
}

static void drains_are_told(void **state)
{
	struct backend_counters *c;
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	c = backend_of(&d, "a")->backend->counters;
	counter_add(c[1].active, 1);
	drain(&d, "a", ADMIN_DRAINING, 60 * NSEC_PER_SEC);
	assert_false(d.publish_wanted); /* who asks for it is told by what has come of it */
	assert_string_equal(news(&d, &after), "drain-begun a, slots-moved");
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "");
	counter_add(c[1].active, -1);
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "drain-finished a");
	assert_int_equal(backend_of(&d, "a")->drain_look, NSEC_NEVER); /* main sleeps again */
	drain(&d, "a", ADMIN_ENABLED, 0);
	assert_string_equal(news(&d, &after), "backend-enabled a, slots-moved");
	/* One that is ended before is not finished; and one that takes too long. */
	counter_add(c[0].active, 2);
	drain(&d, "a", ADMIN_DRAINING, 60 * NSEC_PER_SEC);
	drain(&d, "a", ADMIN_ENABLED, 0);
	drain(&d, "b", ADMIN_DRAINING, 0);
	news(&d, &after);
	counter_add(c[0].active, -2);
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "drain-finished b");
	counter_add(c[0].active, 2);
	drain(&d, "a", ADMIN_DRAINING, NSEC_PER_SEC);
	news(&d, &after);
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "drain-timeout a");
	counter_add(c[0].active, -2);
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "drain-finished a");
	drain(&d, "a", ADMIN_DISABLED, 0);
	assert_string_equal(news(&d, &after), "backend-disabled a");
	end(&d);
}

static void changes_are_told(void **state)
{
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	assert_int_equal(add(&d), 0);
	assert_non_null(strstr(news(&d, &after), "backend-added new"));
	/* It is no news that it is down until it has answered. */
	check_says(&d, "new", true);
	assert_non_null(strstr(news(&d, &after), "backend-back new"));
	assert_int_equal(weigh(&d), 0);
	assert_string_equal(news(&d, &after), "slots-moved, backend-weight a");
	assert_int_equal(take_out(&d), 0);
	assert_string_equal(news(&d, &after), "slots-moved, backend-removed a");
	/* "a" is back in the file, "b" elsewhere, "c" and "new" are gone. */
	assert_int_equal(reload(&d), 0);
	assert_string_equal(news(&d, &after),
			    "backend-added a, backend-address b, backend-added d, "
			    "backend-removed c, backend-removed new, service-added, "
			    /* of those that have not answered yet more than max_eject allows */
			    "backend-braked d, brake-on");
	assert_int_equal(apply(&d, parse(simple)), 0);
	assert_string_equal(news(&d, &after),
			    "service-removed, backend-weight a, backend-address b, "
			    "backend-added c, backend-removed d, backend-braked c");
	end(&d);
}

static void a_save_is_told(void **state)
{
	_cleanup_(saved_deinit) struct saved saved = {};
	_cleanup_(freep) char *error = NULL;
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	d.config_path = (char *)simple;
	assert_int_equal(weigh(&d), 0);
	news(&d, &after);
	/* Neither what would be written is news, nor what was not. */
	assert_int_equal(daemon_save(&d, true, &saved, &error), 0);
	saved_deinit(&saved);
	heard.replace_result = -EROFS;
	assert_int_equal(daemon_save(&d, false, &saved, &error), -EROFS);
	assert_string_equal(news(&d, &after), "");
	heard.replace_result = 0;
	assert_int_equal(daemon_save(&d, false, &saved, &error), 0);
	assert_non_null(strstr(heard.written, "a: {address: \"10.0.0.1:1\", weight: 7}"));
	assert_string_equal(events_next(&d.events, after)->values[0].text, simple);
	assert_int_equal(events_next(&d.events, after)->values[1].number, 1);
	assert_string_equal(news(&d, &after), "save");
	/* Nothing is left to save. */
	saved_deinit(&saved);
	assert_int_equal(daemon_save(&d, false, &saved, &error), 0);
	assert_string_equal(news(&d, &after), "");
	end(&d);
}

static void trouble_is_told_once_in_a_while(void **state)
{
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	pass(&d, NSEC_PER_SEC);
	assert_int_equal(heard.n_seen, 0);
	counter_add(heard.counters[0].accept_pauses, 2);
	counter_add(heard.counters[1].lines_dropped, 7);
	daemon_on_trouble(&d);
	pass(&d, 0);
	assert_int_equal(heard.n_seen, N_WORKERS);
	assert_string_equal(news(&d, &after), "accept-paused, lines-dropped");
	/* More of it waits; then one line says how much. */
	counter_add(heard.counters[1].accept_pauses, 1);
	counter_add(heard.counters[1].accept_shortages, 1);
	daemon_on_trouble(&d);
	pass(&d, 29 * NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "");
	assert_true(d.deadline <= d.now + NSEC_PER_SEC);
	counter_add(heard.counters[0].accept_pauses, 4);
	pass(&d, NSEC_PER_SEC);
	assert_int_equal(events_next(&d.events, after)->values[0].number, 5);
	assert_string_equal(news(&d, &after), "accept-paused");
	pass(&d, 100 * NSEC_PER_SEC);
	assert_int_equal(heard.n_seen, 2 * N_WORKERS);
	end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_and_the_brake_are_told),
		cmocka_unit_test(deserted_services_are_told),
		cmocka_unit_test(drains_are_told),
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(a_save_is_told),
		cmocka_unit_test(trouble_is_told_once_in_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
