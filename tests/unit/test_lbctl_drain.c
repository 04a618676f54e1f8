// SPDX-License-Identifier: BSD-2-Clause
/* tools/lbctl: waiting for a drain. */
#include <string.h>

#include "lbctl_run.h"

#include "test.h"

static void set_active(struct fixture *f, uint64_t n)
{
	struct backend *b = fake_backend(&f->fake, "web", "web1")->backend;

	for (unsigned i = 0; i < b->n_workers; i++)
		atomic_store(&b->counters[i].active, i ? 0 : n);
}

/* One connection ends in every turn of the loop once the drain has begun. */
static void end_connections(struct fixture *f)
{
	uint64_t left =
		atomic_load(&fake_backend(&f->fake, "web", "web1")->backend->counters[0].active);

	if (left && fake_member(&f->fake, "web", "web1")->admin == ADMIN_DRAINING)
		set_active(f, left - 1);
}

static void undrain(struct fixture *f)
{
	fake_member(&f->fake, "web", "web1")->admin = ADMIN_ENABLED;
}

static void remove_it(struct fixture *f)
{
	char *error = NULL;

	/* Once it has begun, and once. */
	if (strncmp(f->fake.asked, "admin", 5))
		return;
	assert_int_equal(daemon_remove_backend(&f->fake.daemon, "web", "web1", &error), 0);
}

static void waits_for_drains(void **state)
{
	struct fixture *f = *state;

	set_active(f, 30);
	f->on_turn = end_connections;
	assert_run(f, "drain web web1 --wait", 0);
	assert_string_equal(f->out, "web/web1 is drained\n");
}

static void waits_until_the_timeout(void **state)
{
	struct fixture *f = *state;
	nsec_t begun = clock_now();

	set_active(f, 3);
	assert_run(f, "drain web web1 --wait --timeout 300ms", 1);
	assert_true(clock_now() - begun >= 300 * NSEC_PER_MSEC);
	assert_string_equal(f->err, "lbctl: web/web1: the timeout passed with connections left: 3\n"
				    "  lb4 resets them\n");
	/* The same for programs. */
	undrain(f);
	assert_run(f, "drain web web1 --wait --timeout 1ms --json", 1);
	assert_part(f->out, "{\"ok\":false,\"left\":3,");
}

static void waits_in_vain(void **state)
{
	struct fixture *f = *state;

	set_active(f, 3);
	f->on_turn = undrain;
	assert_run(f, "drain web web1 --wait", 1);
	assert_part(f->err, "web/web1 is no longer draining");
	f->fake.asked[0] = '\0';
	f->on_turn = remove_it;
	assert_run(f, "drain web web1 --wait", 1);
	assert_part(f->err, "web/web1 is no longer there");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LBCTL_TEST(waits_for_drains),
		LBCTL_TEST(waits_until_the_timeout),
		LBCTL_TEST(waits_in_vain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
