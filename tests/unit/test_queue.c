// SPDX-License-Identifier: BSD-2-Clause
/* Full backends: others are tried, then connections wait in the order they came. */
#include <errno.h>

#include "queue.h"

#include "bench.h"
#include "refusal_lines.h"

#include "test.h"

#define OTHER_WORKER 0

/* Two backends with room for one connection each, and two places to wait. */
static int setup(void **state)
{
	struct bench *b = bench_new(2, 100, 100);

	b->backend_max[0] = b->backend_max[1] = 1;
	b->settings.queue_length = 2;
	b->settings.queue_timeout = NSEC_PER_SEC;
	bench_publish(b, true);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static uint64_t queued(const struct bench *b)
{
	return b->service->n_queued;
}

static bool is_served(const struct fake_socket *client)
{
	return client->partner && !client->closed;
}

static void finish(struct bench *b, struct fake_socket *client)
{
	fake_fin(client);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void the_next_candidate_takes_over(void **state)
{
	struct bench *b = *state;
	struct fake_socket *first = bench_accept(b, 0), *second = bench_accept(b, 0);

	assert_int_equal(bench_backend(first->partner), 0);
	assert_int_equal(bench_backend(second->partner), 1);
	assert_int_equal(counter_read(b->service->counters[1].spilled), 1);
	assert_int_equal(counter_read(b->service->counters[1].retries), 0);
	finish(b, first);
	first = bench_accept(b, 0);
	assert_int_equal(bench_backend(first->partner), 0);
}

static void the_first_to_come_is_the_first_served(void **state)
{
	struct bench *b = *state;
	struct fake_socket *full[] = {bench_accept(b, 0), bench_accept(b, 1)}, *waiting[2], *late;

	waiting[0] = bench_accept(b, 0);
	waiting[1] = bench_accept(b, 0);
	assert_int_equal(queued(b), 2);
	assert_false(is_served(waiting[0]));
	late = bench_accept(b, 0);
	bench_expect_end(b, late, END_QUEUE_FULL);
	bench_pass(b, 500 * NSEC_PER_MSEC);
	finish(b, full[1]);
	assert_true(is_served(waiting[0]));
	assert_false(is_served(waiting[1]));
	assert_int_equal(queued(b), 1);
	late = bench_accept(b, 1);
	assert_int_equal(queued(b), 2);
	finish(b, waiting[0]);
	assert_true(is_served(waiting[1]));
	assert_false(is_served(late));
	finish(b, full[0]);
	assert_true(is_served(late));
	assert_int_equal(queued(b), 0);
}

static void waiting_has_an_end(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[4];

	for (unsigned i = 0; i < 4; i++)
		clients[i] = bench_accept(b, 0);
	bench_pass(b, NSEC_PER_SEC - 1);
	assert_int_equal(queued(b), 2);
	bench_pass(b, 1);
	bench_expect_end(b, clients[2], END_QUEUE_TIMEOUT);
	bench_expect_end(b, clients[3], END_QUEUE_TIMEOUT);
	assert_int_equal(queued(b), 0);
	assert_true(is_served(clients[0]) && is_served(clients[1]));
}

/* Who has waited long still has the whole budget to connect in. */
static void waiting_costs_no_budget(void **state)
{
	struct bench *b = *state;
	struct fake_socket *full[] = {bench_accept(b, 0), bench_accept(b, 1)}, *waiting;

	b->settings.connect_budget = 600 * NSEC_PER_MSEC;
	b->settings.connect_timeout = 500 * NSEC_PER_MSEC;
	bench_publish(b, true);
	waiting = bench_accept(b, 0);
	bench_pass(b, 900 * NSEC_PER_MSEC);
	b->outcome[0] = FAKE_HANG;
	finish(b, full[0]);
	bench_pass(b, 499 * NSEC_PER_MSEC);
	assert_true(bench_connection(b, waiting)->connecting);
	finish(b, full[1]);
	bench_pass(b, NSEC_PER_MSEC);
	assert_int_equal(bench_backend(waiting->partner), 1);
}

static void who_goes_away_waits_no_more(void **state)
{
	struct bench *b = *state;
	struct fake_socket *full[] = {bench_accept(b, 0), bench_accept(b, 1)}, *waiting[2];

	waiting[0] = bench_accept(b, 0);
	waiting[1] = bench_accept(b, 0);
	fake_rst(waiting[0]);
	bench_settle(b);
	bench_expect_end(b, waiting[0], END_CLIENT_RESET);
	assert_int_equal(queued(b), 1);
	finish(b, full[0]);
	assert_true(is_served(waiting[1]));
}

static void a_reload_serves_those_that_wait(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[4];

	for (unsigned i = 0; i < 4; i++)
		clients[i] = bench_accept(b, 0);
	b->backend_max[1] = 2;
	bench_publish(b, true);
	bench_settle(b);
	assert_true(is_served(clients[2]));
	assert_false(is_served(clients[3]));
	b->backend_max[0] = b->backend_max[1] = 0;
	bench_publish(b, true);
	bench_settle(b);
	assert_true(is_served(clients[3]));
}

static void without_anybody_eligible_nobody_waits(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[4];

	for (unsigned i = 0; i < 4; i++)
		clients[i] = bench_accept(b, 0);
	b->eligible[0] = b->eligible[1] = false;
	bench_publish(b, true);
	bench_settle(b);
	bench_expect_end(b, clients[2], END_NO_BACKEND);
	bench_expect_end(b, clients[3], END_NO_BACKEND);
	assert_true(is_served(clients[0]));
}

/* A place is for the worker whose first waits longest; nobody is overtaken meanwhile. */
static void another_worker_is_rung_for(void **state)
{
	struct bench *b = *state;
	struct service_queue *other = &b->service->queues[OTHER_WORKER];
	struct fake_socket *full[] = {bench_accept(b, 0), bench_accept(b, 1)}, *waiting;

	other->since = b->splicer.now - 1;
	b->service->n_queued++;
	waiting = bench_accept(b, 0);
	assert_int_equal(b->n_rung, 0);
	finish(b, full[0]);
	assert_int_equal(b->n_rung, 1);
	assert_false(is_served(waiting));
	/* It had nobody left to serve, and passes the bell on. */
	other->since = NSEC_NEVER;
	b->service->n_queued--;
	queue_run(&b->splicer);
	bench_settle(b);
	assert_true(is_served(waiting));
	/* Rung for in vain, this worker passes it on as well. */
	other->since = b->splicer.now;
	b->service->n_queued++;
	finish(b, full[1]);
	assert_int_equal(b->n_rung, 2);
	other->since = NSEC_NEVER;
	b->service->n_queued--;
}

/* Who has tried a backend in vain has no use for its place, and keeps nobody else from it. */
static void a_place_is_passed_on_by_those_who_cannot_use_it(void **state)
{
	struct bench *b = *state;
	struct service_queue *other = &b->service->queues[OTHER_WORKER];
	struct fake_socket *full, *waiting;

	b->backend_max[0] = 2;
	bench_publish(b, true);
	full = bench_accept(b, 0);
	bench_accept(b, 1);
	b->outcome[0] = -ECONNREFUSED;
	waiting = bench_accept(b, 0);
	assert_int_equal(queued(b), 1);
	assert_int_equal(bench_connection(b, waiting)->n_tried, 1);
	/* Another worker's, which came later. */
	other->since = b->splicer.now + 1;
	b->service->n_queued++;
	b->n_rung = 0;
	finish(b, full);
	assert_false(is_served(waiting) && waiting->partner->connected);
	assert_int_equal(b->n_rung, 1);
	/* Nor is it passed back to those who came before, and had their chance. */
	other->since = b->splicer.now - NSEC_PER_SEC;
	b->n_rung = 0;
	queue_run(&b->splicer);
	assert_int_equal(b->n_rung, 0);
	other->since = NSEC_NEVER;
	b->service->n_queued--;
}

/* Nobody leaves a place then: it was there all the time, and the first to wait had no use for it. */
static void a_newcomer_has_the_others_look(void **state)
{
	struct bench *b = *state;
	struct service_queue *other = &b->service->queues[OTHER_WORKER];
	struct fake_socket *full = bench_accept(b, 1), *waiting;

	other->since = b->splicer.now - 1;
	b->service->n_queued++;
	waiting = bench_accept(b, 0);
	assert_false(is_served(waiting));
	assert_int_equal(b->n_rung, 1);
	/* Its first could not use the place, and it rings. */
	queue_run(&b->splicer);
	bench_settle(b);
	assert_true(is_served(waiting));
	assert_int_equal(bench_backend(waiting->partner), 0);
	b->n_rung = 0;
	waiting = bench_accept(b, 0); /* there is no place now */
	assert_int_equal(b->n_rung, 0);
	other->since = NSEC_NEVER;
	b->service->n_queued--;
	finish(b, full);
	assert_true(is_served(waiting));
}

static void lines_of_refusals_are_limited(void **state)
{
	struct refusal_lines l = {};
	nsec_t now = 1000 * NSEC_PER_SEC;
	unsigned n_lines = 0;
	uint64_t n_more;

	(void)state;
	assert_true(refusal_lines_next(&l) == NSEC_NEVER);
	for (unsigned i = 0; i < 5000; i++)
		n_lines += refusal_lines_want(&l, END_DENIED, now + i * NSEC_PER_USEC);
	assert_int_equal(n_lines, REFUSAL_LINES);
	assert_true(refusal_lines_want(&l, END_SOURCE_RATE, now));
	assert_true(refusal_lines_next(&l) == now + NSEC_PER_SEC);
	assert_int_equal(refusal_lines_take(&l, now + NSEC_PER_SEC - 1, &n_more), END_NONE);
	/* What comes late and is not told yet belongs to the same second. */
	assert_false(refusal_lines_want(&l, END_DENIED, now + 2 * NSEC_PER_SEC));
	assert_int_equal(refusal_lines_take(&l, now + 2 * NSEC_PER_SEC, &n_more), END_DENIED);
	assert_int_equal(n_more, 5000 - REFUSAL_LINES + 1);
	assert_int_equal(refusal_lines_take(&l, now + 2 * NSEC_PER_SEC, &n_more), END_NONE);
	assert_true(refusal_lines_next(&l) == NSEC_NEVER);
	assert_true(refusal_lines_want(&l, END_DENIED, now + 2 * NSEC_PER_SEC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_next_candidate_takes_over, setup, teardown),
		cmocka_unit_test_setup_teardown(the_first_to_come_is_the_first_served, setup,
						teardown),
		cmocka_unit_test_setup_teardown(waiting_has_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(waiting_costs_no_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(who_goes_away_waits_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reload_serves_those_that_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(without_anybody_eligible_nobody_waits, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_worker_is_rung_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_place_is_passed_on_by_those_who_cannot_use_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_newcomer_has_the_others_look, setup, teardown),
		cmocka_unit_test(lines_of_refusals_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
