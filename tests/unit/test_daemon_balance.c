// SPDX-License-Identifier: BSD-2-Clause
/* The daemon's decisions: slow starts, backups, and another `balance` by reload. */
#include "cleanup.h"
#include "daemon_web.h"
#include "plan.h"

#include "test.h"

#define SLOW(check)                                                                                \
	"  web:\n"                                                                                 \
	"    listen: \":80\"\n" check "    slow_start: 9s\n"                                       \
	"    table_size: 251\n"

static const struct pool_member *member_of(struct daemon *d, const char *name)
{
	return pool_find(&daemon_find_service(d, "web")->pool, name);
}

static void who_comes_back_begins_slowly(void **state)
{
	static const char slow[] = HEAD SLOW("    check: {tcp: true}\n") BACKENDS;
	static const char moved[] =
		HEAD SLOW("    check: {tcp: true}\n") "    backends:\n"
						      "      a: \"10.0.0.1:1\"\n"
						      "      b: \"10.0.0.1:12\"\n"
						      "      c: \"10.0.0.1:3\"\n"
						      "      d: \"10.0.0.1:4\"\n";
	struct daemon d;

	(void)state;
	begin(&d, slow);
	for (const char *const *name = (const char *const[]){"a", "b", "c", NULL}; *name; name++) {
		check_says(&d, *name, true);
		assert_false(member_of(&d, *name)->ramping);
	}
	check_says(&d, "a", false);
	pass(&d, NSEC_PER_SEC);
	check_says(&d, "a", true);
	assert_int_equal(member_of(&d, "a")->steps, 1);
	/* The loop makes the steps, and a reload does not disturb them. */
	pass(&d, NSEC_PER_SEC);
	assert_int_equal(member_of(&d, "a")->steps, 2);
	assert_int_equal(apply(&d, parse(slow)), 0);
	assert_true(d.deadline <= d.now + NSEC_PER_SEC);
	pass(&d, NSEC_PER_SEC);
	assert_int_equal(member_of(&d, "a")->steps, 3);
	settle(&d);
	assert_int_equal(d.snapshot->services[0].table->steps[0], 3);
	/* New and moved ones begin once they are seen up. */
	assert_int_equal(apply(&d, parse(moved)), 0);
	assert_false(member_of(&d, "b")->ramping);
	check_says(&d, "b", true);
	check_says(&d, "d", true);
	assert_int_equal(member_of(&d, "a")->steps, 3);
	assert_int_equal(member_of(&d, "b")->steps, 1);
	assert_int_equal(member_of(&d, "d")->steps, 1);
	assert_false(member_of(&d, "c")->ramping);
	for (unsigned i = 0; i < 12; i++)
		pass(&d, NSEC_PER_SEC);
	settle(&d);
	assert_memory_equal(d.snapshot->services[0].table->live,
			    d.snapshot->services[0].table->base, 251 * sizeof(uint16_t));
	end(&d);
}

/* Without a check nobody says that the server at the new address is up: it is presumed, and slow. */
static void another_address_begins_slowly(void **state)
{
	static const char before[] = HEAD SLOW("") BACKENDS;
	static const char after[] = HEAD SLOW("") "    backends:\n"
						  "      a: \"10.0.0.1:11\"\n"
						  "      b: \"10.0.0.1:2\"\n"
						  "      c: \"10.0.0.1:3\"\n";
	struct daemon d;

	(void)state;
	begin(&d, before);
	assert_int_equal(apply(&d, parse(after)), 0);
	assert_int_equal(member_of(&d, "a")->steps, 1);
	assert_false(member_of(&d, "b")->ramping);
	pass(&d, 5 * NSEC_PER_SEC);
	assert_int_equal(member_of(&d, "a")->steps, 6);
	assert_int_equal(apply(&d, parse(after)), 0);
	assert_int_equal(member_of(&d, "a")->steps, 6);
	end(&d);
}

static void a_backup_by_reload(void **state)
{
	static const char with[] = HEAD WEB "    backends:\n"
					    "      a: \"10.0.0.1:1\"\n"
					    "      b: \"10.0.0.1:2\"\n"
					    "      c: {address: \"10.0.0.1:3\", backup: true}\n";
	_cleanup_(plan_freep) struct plan *plan = NULL;
	char *error = NULL;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	assert_int_equal(daemon_apply(&d, parse(with), &plan, &error), 0);
	assert_int_equal(plan->totals.backends_changed, 1);
	assert_true(plan->totals.slots_moved > 0);
	assert_false(member_of(&d, "c")->eligible);
	/* Other changes at run time leave it one. */
	assert_int_equal(daemon_set_weight(&d, "web", "a", 7, &error), 0);
	assert_true(member_of(&d, "c")->backup);
	check_says(&d, "a", false);
	check_says(&d, "b", false);
	assert_true(member_of(&d, "c")->eligible);
	assert_true(member_of(&d, "a")->ejected && member_of(&d, "b")->ejected);
	check_says(&d, "b", true);
	assert_false(member_of(&d, "c")->eligible);
	assert_false(was_left("c", END_NONE)); /* its connections are left alone */
	end(&d);
}

static void another_balance_by_reload(void **state)
{
	static const char turns[] = HEAD "  web:\n"
					 "    listen: [\":80\", \":81\"]\n"
					 "    check: {tcp: true}\n"
					 "    balance: round-robin\n" BACKENDS;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	assert_int_equal(apply(&d, parse(turns)), 0);
	assert_int_equal(d.snapshot->services[0].table->balance->n_order, 2);
	check_says(&d, "a", true);
	settle(&d);
	assert_int_equal(d.snapshot->services[0].table->balance->n_order, 3);
	assert_int_equal(apply(&d, parse(simple)), 0);
	assert_int_equal(d.snapshot->services[0].table->size, 251);
	end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_comes_back_begins_slowly),
		cmocka_unit_test(another_address_begins_slowly),
		cmocka_unit_test(a_backup_by_reload),
		cmocka_unit_test(another_balance_by_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
