// SPDX-License-Identifier: BSD-2-Clause
/* run/prober and flight: checks that are programs, and those that say goodbye. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "prober_world.h"

static void end_child(struct world *w, size_t nth, const char *says, int status, int signal)
{
	struct fake_child *child = fake_child(w->ring, nth);

	child->says = says;
	child->end = (struct child_end){status, signal};
	child->ended = true;
	complete(w, nth, POLLIN);
}

static void good_and_bad(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_exec);
	pass(&w);
	w.now += 3 * MS;
	end_child(&w, 0, "fine\n", 0, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	assert_int_equal(w.prober.set.watches[0]->last.latency, 3 * MS);
	assert_int_equal(fake_n_open(), 0);

	pass(&w);
	end_child(&w, 0, "no disk\n", 2, 0);
	expect_report(&w, 7, VERDICT_UP, "exit status 2: no disk");

	/* It talks for a while before it ends. */
	pass(&w);
	fake_child(w.ring, 0)->says = "first ";
	complete(&w, 0, POLLIN);
	expect_no_report(&w);
	end_child(&w, 0, "second", 0, 15);
	expect_report(&w, 7, VERDICT_UP, "ended by SIGTERM: first second");
	world_deinit(&w);
}

static void timeout_kills(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_exec);
	pass(&w);
	assert_int_equal(pass(&w), S);
	expect_report(&w, 7, VERDICT_DOWN, "the program has not ended within 1s");
	assert_true(fake_child(w.ring, 0)->killed);
	assert_int_equal(prober_next(&w.prober), NSEC_NEVER); /* no second one beside it */

	/* It takes its time to die, and what it says now is not wanted. */
	fake_child(w.ring, 0)->says = "too late";
	complete(&w, 0, POLLIN);
	assert_int_equal(fake_n_open(), 1);
	end_child(&w, 0, NULL, 0, 9);
	expect_no_report(&w);
	assert_int_equal(fake_n_open(), 0);
	pass(&w);
	end_child(&w, 0, NULL, 3, 0);
	expect_report(&w, 7, VERDICT_DOWN, "exit status 3");
	world_deinit(&w);
}

static void ended_as_the_time_was_over(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_exec);
	pass(&w);
	pass(&w);
	expect_report(&w, 7, VERDICT_DOWN, "the program has not ended within 1s");
	end_child(&w, 0, "fine", 0, 0); /* crossed the signal */
	expect_no_report(&w);
	assert_int_equal(fake_n_open(), 0);
	world_deinit(&w);
}

static void gone_while_it_runs(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_exec);
	pass(&w);
	set(&w, NULL, 0);
	assert_true(fake_child(w.ring, 0)->killed);
	assert_false(prober_idle(&w.prober));
	end_child(&w, 0, "x", 0, 9);
	assert_true(prober_idle(&w.prober));
	expect_no_report(&w);
	world_deinit(&w);
}

static void cannot_be_run(void **state)
{
	struct world w;
	nsec_t passed;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_exec);
	fake_child_error = -ENOENT;
	pass(&w);
	expect_report(&w, 7, VERDICT_DOWN, "exec: No such file or directory");
	assert_int_equal(fake_n_open(), 0);
	passed = pass(&w);
	assert_in_range(passed, 1800 * MS, 2001 * MS);
	expect_report(&w, 7, VERDICT_DOWN, "exec: No such file or directory");

	/* What is lacking here is no fault of the backend's. */
	fake_child_error = -EAGAIN;
	pass(&w);
	expect_no_report(&w);
	assert_int_equal(w.prober.n_postponed, 1);
	fake_child_error = 0;
	pass(&w);
	end_child(&w, 0, NULL, 0, 0);
	expect_report(&w, 7, VERDICT_DOWN, NULL);
	world_deinit(&w);
}

/* Output without end holds up neither the program's end nor other checks. */
static void endless_output(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_exec);
	pass(&w);
	fake_child(w.ring, 0)->says_for_ever = true;
	fake_child(w.ring, 0)->says = "blah ";
	for (int i = 0; i < 10; i++)
		complete(&w, 0, POLLIN);
	end_child(&w, 0, "blah ", 1, 0);
	assert_int_equal(
		strncmp(w.prober.set.watches[0]->last.error, "exit status 1: blah blah blah", 29),
		0);
	expect_report(&w, 7, VERDICT_DOWN, w.prober.set.watches[0]->last.error);
	world_deinit(&w);
}

static void so_many_at_a_time(void **state)
{
	static struct check_target targets[CHILDREN_MAX + 11];
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < CHILDREN_MAX + 10; i++)
		targets[i] = target(i, (uint16_t)(1000 + i), &check_exec);
	targets[CHILDREN_MAX + 10] = target(500, 80, &check_tcp);
	set(&w, targets, CHILDREN_MAX + 11);
	w.now += 600 * MS;
	prober_on_time(&w.prober, w.now, WALL + w.now);
	/* The program's queue is not that of the others. */
	assert_int_equal(fake_n_operations(w.ring), CHILDREN_MAX + 1);
	assert_int_equal(w.prober.n_children, CHILDREN_MAX);

	/* Each that ends lets another in, and one that waits may go meanwhile. */
	for (size_t i = 0; i < CHILDREN_MAX + 1; i++)
		if (fake_operation(w.ring, i)->kind == FAKE_CONNECT) {
			complete(&w, i, 0);
			expect_report(&w, 500, VERDICT_UP, NULL);
			break;
		}
	for (size_t i = 0; i < 4; i++) {
		end_child(&w, 0, NULL, 0, 0);
		assert_int_equal(fake_n_operations(w.ring), CHILDREN_MAX);
	}
	assert_int_equal(w.reports.n_messages, 4);
	for (size_t i = 0; i < CHILDREN_MAX + 6; i++)
		end_child(&w, 0, NULL, 0, 0);
	assert_int_equal(fake_n_operations(w.ring), 0);
	assert_int_equal(w.prober.n_children, 0);
	assert_int_equal(w.reports.n_messages, CHILDREN_MAX + 10);

	/* All of them wait or run when everything goes. */
	w.now += 2 * S;
	prober_on_time(&w.prober, w.now, WALL + w.now);
	set(&w, NULL, 0);
	while (fake_n_operations(w.ring)) {
		bool program = fake_operation(w.ring, 0)->kind == FAKE_POLL;

		if (program)
			end_child(&w, 0, NULL, 0, 9);
		else
			complete(&w, 0, -ECANCELED);
	}
	assert_int_equal(w.prober.n_children, 0);
	assert_true(list_empty(&w.prober.waiting_children));
	mailbox_deinit(&w.reports);
	assert_int_equal(mailbox_init(&w.reports, 1), 0);
	world_deinit(&w);
}

static void says_goodbye(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 25, &check_smtp);
	connect_next(&w, 0);
	receive(&w, 0, "220-hello\r\n220 ");
	receive(&w, 0, "you\r\n");
	expect_report(&w, 7, VERDICT_UP, NULL);
	assert_memory_equal(fake_only(w.ring, FAKE_SEND)->data, "QUIT\r\n", 6);
	send_all(&w);
	receive(&w, 0, "221 bye\r\n");
	assert_int_equal(fake_n_open(), 1);
	complete(&w, 0, 0);
	assert_int_equal(fake_n_open(), 0);

	/* Gone before it was said: the result stands. */
	connect_next(&w, 0);
	receive(&w, 0, "220 hello\r\n");
	expect_report(&w, 7, VERDICT_UP, NULL);
	complete(&w, 0, -ECONNRESET);
	assert_int_equal(fake_n_open(), 0);

	/* The server does not hear it: not for longer than the timeout. */
	connect_next(&w, 0);
	receive(&w, 0, "220 hello\r\n");
	expect_report(&w, 7, VERDICT_UP, NULL);
	assert_int_equal(pass(&w), S);
	assert_true(fake_only(w.ring, FAKE_SEND)->cancelled);
	complete(&w, 0, -ECANCELED);
	assert_int_equal(fake_n_open(), 0);
	expect_no_report(&w);
	world_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_and_bad),
		cmocka_unit_test(timeout_kills),
		cmocka_unit_test(ended_as_the_time_was_over),
		cmocka_unit_test(gone_while_it_runs),
		cmocka_unit_test(cannot_be_run),
		cmocka_unit_test(endless_output),
		cmocka_unit_test(so_many_at_a_time),
		cmocka_unit_test(says_goodbye),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
