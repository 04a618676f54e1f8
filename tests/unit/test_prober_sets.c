// SPDX-License-Identifier: BSD-2-Clause
/* run/watch and prober: targets that are equal, come, stay and go while probes are under way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "prober_world.h"

static void equal_targets_are_one_probe(void **state)
{
	struct check_config slower = check_tcp;
	struct check_target targets[] = {target(1, 80, &check_tcp), target(2, 81, &check_tcp),
					 target(3, 80, &check_tcp), target(4, 80, &check_redis),
					 target(5, 80, &slower)};
	struct check_config none = {.kind = CHECK_NONE};
	struct world w;

	(void)state;
	world_init(&w);
	targets[4].check.interval = 3 * S;
	targets[1].check = none;
	set(&w, targets, ARRAY_SIZE(targets));
	assert_int_equal(w.prober.set.n_watches, 3);
	assert_int_equal(w.prober.set.n_subscribers, 4);
	set(&w, targets, 3);
	assert_int_equal(w.prober.set.n_watches, 1);
	connect_next(&w, 0);
	assert_int_equal(w.reports.n_messages, 2);
	expect_report(&w, 3, VERDICT_UP, NULL);
	expect_report(&w, 1, VERDICT_UP, NULL);
	world_deinit(&w);
}

/* What a process before has found out is where a probe begins, and no result. */
static void begins_with_a_verdict(void **state)
{
	struct check_target targets[] = {target(1, 80, &check_tcp), target(2, 81, &check_tcp),
					 target(3, 80, &check_tcp), target(4, 82, &check_tcp),
					 target(5, 82, &check_tcp), target(6, 82, &check_tcp)};
	const struct watch_set *s;
	struct world w;

	(void)state;
	world_init(&w);
	s = &w.prober.set;
	targets[0].verdict = VERDICT_DOWN; /* and 3, which shares its probe, knows nothing */
	targets[1].verdict = VERDICT_UP;
	targets[3].verdict = targets[5].verdict = VERDICT_DOWN;
	targets[4].verdict = VERDICT_UP; /* they do not agree */
	set(&w, targets, ARRAY_SIZE(targets));
	assert_int_equal(s->n_watches, 3);
	assert_int_equal(s->watches[0]->verdict.state, VERDICT_DOWN);
	assert_int_equal(s->watches[1]->verdict.state, VERDICT_UP);
	assert_int_equal(s->watches[2]->verdict.state, VERDICT_UNKNOWN);
	expect_no_report(&w);

	set(&w, targets, 1);
	connect_next(&w, 0);
	expect_report(&w, 1, VERDICT_DOWN, NULL);
	connect_next(&w, 0);
	expect_report(&w, 1, VERDICT_UP, NULL);

	/* It knows more by then. */
	set(&w, targets, 1);
	assert_int_equal(s->watches[0]->verdict.state, VERDICT_UP);
	world_deinit(&w);
}

static void replaced_while_idle(void **state)
{
	struct check_target targets[] = {target(1, 80, &check_tcp), target(2, 80, &check_tcp)};
	struct world w;
	nsec_t due;

	(void)state;
	world_init(&w);
	set_one(&w, 1, 80, &check_tcp);
	connect_next(&w, 0);
	expect_report(&w, 1, VERDICT_UP, NULL);
	due = prober_next(&w.prober);

	/* The same again: nothing happens. */
	set_one(&w, 1, 80, &check_tcp);
	assert_int_equal(prober_next(&w.prober), due);
	expect_no_report(&w);

	/* A second target hears the last result, and only it. */
	w.now += 100 * MS;
	set(&w, targets, 2);
	assert_int_equal(prober_next(&w.prober), due);
	expect_report(&w, 2, VERDICT_UP, NULL);
	expect_no_report(&w);

	/* One of the two goes. */
	set(&w, &targets[1], 1);
	connect_next(&w, 0);
	expect_report(&w, 2, VERDICT_UP, NULL);
	expect_no_report(&w);
	set(&w, NULL, 0);
	assert_int_equal(prober_next(&w.prober), NSEC_NEVER);

	/* What was forgotten is unknown. */
	set_one(&w, 2, 80, &check_tcp);
	expect_no_report(&w);
	connect_next(&w, -ECONNREFUSED);
	expect_report(&w, 2, VERDICT_DOWN, "connect: Connection refused");
	world_deinit(&w);
}

static void replaced_in_flight(void **state)
{
	struct check_target targets[] = {target(1, 80, &check_redis), target(2, 81, &check_redis),
					 target(3, 82, &check_redis)};
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 1, 80, &check_redis);
	pass(&w);

	/* Stays: goes on, with its deadline. */
	set(&w, targets, 3);
	assert_false(fake_operation(w.ring, 0)->cancelled);
	complete(&w, 0, 0);
	send_all(&w);
	set(&w, targets, 1);
	assert_false(fake_only(w.ring, FAKE_RECEIVE)->cancelled);

	/* Goes: cancelled, and its answer is of no interest. */
	set(&w, &targets[1], 1);
	assert_true(fake_only(w.ring, FAKE_RECEIVE)->cancelled);
	assert_int_equal(fake_n_open(), 1);

	/* Comes back before that has ended: another probe. */
	set(&w, targets, 1);
	pass(&w);
	assert_int_equal(fake_n_operations(w.ring), 2);
	receive(&w, 0, "+PONG\r\n");
	expect_no_report(&w);
	assert_int_equal(fake_n_open(), 1);
	complete(&w, 0, 0);
	send_all(&w);
	receive(&w, 0, "+PONG\r\n");
	expect_report(&w, 1, VERDICT_UP, NULL);

	/* Goes while its request is in the ring: the bytes live on (the fake ring looks). */
	connect_next(&w, 0);
	set(&w, NULL, 0);
	assert_true(fake_only(w.ring, FAKE_SEND)->cancelled);
	set_one(&w, 1, 80, &check_http);
	set(&w, NULL, 0);
	complete(&w, 0, -ECANCELED);
	assert_true(prober_idle(&w.prober));

	/* Goes between timeout and completion. */
	set_one(&w, 1, 80, &check_tcp);
	pass(&w);
	pass(&w);
	expect_report(&w, 1, VERDICT_DOWN, "not connected within 1s");
	set(&w, NULL, 0);
	complete(&w, 0, -ECANCELED);

	/* Goes while lingering. */
	set_one(&w, 1, 80, &check_http);
	connect_next(&w, 0);
	send_all(&w);
	receive(&w, 0, "HTTP/1.1 200 OK\r\n\r\n");
	expect_report(&w, 1, VERDICT_UP, NULL);
	set(&w, NULL, 0);
	complete(&w, 0, 0);
	assert_true(prober_idle(&w.prober));
	world_deinit(&w);
}

static void verdicts_are_inherited(void **state)
{
	struct check_config other = check_tcp;
	struct check_target targets[] = {target(1, 80, &check_tcp), target(2, 80, &check_redis)};
	struct world w;

	(void)state;
	other.timeout = 700 * MS;
	world_init(&w);
	set_one(&w, 1, 80, &check_tcp);
	connect_next(&w, 0);
	expect_report(&w, 1, VERDICT_UP, NULL);

	/* Another check of the same target: one failure does not turn it. */
	set_one(&w, 1, 80, &other);
	connect_next(&w, -ECONNREFUSED);
	expect_report(&w, 1, VERDICT_UP, "connect: Connection refused");

	/* Another target, or the same at another address, is not known. */
	set_one(&w, 2, 80, &check_tcp);
	connect_next(&w, -ECONNREFUSED);
	expect_report(&w, 2, VERDICT_DOWN, "connect: Connection refused");
	set_one(&w, 2, 81, &check_tcp);
	connect_next(&w, 0);
	expect_report(&w, 2, VERDICT_UP, NULL);

	/* Down is inherited as well, and needs `rise` successes. */
	set_one(&w, 3, 80, &check_tcp);
	connect_next(&w, -ECONNREFUSED);
	expect_report(&w, 3, VERDICT_DOWN, "connect: Connection refused");
	set_one(&w, 3, 80, &other);
	connect_next(&w, 0);
	expect_report(&w, 3, VERDICT_DOWN, NULL);
	connect_next(&w, 0);
	expect_report(&w, 3, VERDICT_UP, NULL);

	/* Two that disagree become one: its first result decides. */
	set(&w, targets, 2);
	for (int i = 0; i < 2; i++) {
		uint64_t id;

		pass(&w);
		id = w.prober.set.watches[0]->flight ? w.prober.set.watches[0]->subscribers->id
						     : w.prober.set.watches[1]->subscribers->id;
		if (id == 1) {
			complete(&w, 0, 0);
			expect_report(&w, 1, VERDICT_UP, NULL);
		} else {
			complete(&w, 0, -ECONNREFUSED);
			expect_report(&w, 2, VERDICT_DOWN, "connect: Connection refused");
		}
	}
	targets[0].check = targets[1].check = other;
	set(&w, targets, 2);
	assert_int_equal(w.prober.set.watches[0]->verdict.state, VERDICT_UNKNOWN);
	world_deinit(&w);
}

/* Completes a random operation as the kernel might. */
static void complete_any(struct world *w)
{
	static const char *const answers[] = {"+PONG\r\n", "HTTP/1.1 200 OK\r\n\r\n", "+P", "X",
					      "HTTP/1.1 200 OK\r\n"};
	static const int errors[] = {-ECONNREFUSED, -ECONNRESET, -EPIPE,	 -ETIMEDOUT,
				     -EHOSTUNREACH, -ENOBUFS,	 -EADDRNOTAVAIL, -ECANCELED};
	size_t nth = (size_t)rand() % fake_n_operations(w->ring);
	const struct fake_operation *o = fake_operation(w->ring, nth);

	if (o->cancelled && rand() % 2)
		complete(w, nth, -ECANCELED);
	else if (rand() % 4 == 0)
		complete(w, nth, errors[rand() % (int)ARRAY_SIZE(errors)]);
	else if (o->kind == FAKE_SEND)
		complete(w, nth, rand() % 8 ? (int)o->size : (int)o->size - 1);
	else if (o->kind == FAKE_CONNECT || rand() % 4 == 0)
		complete(w, nth, 0);
	else
		receive(w, nth, answers[rand() % (int)ARRAY_SIZE(answers)]);
}

static void set_any(struct world *w)
{
	static const struct check_config *const checks[] = {&check_tcp, &check_redis, &check_http};
	struct check_target targets[12];
	size_t n = (size_t)rand() % (ARRAY_SIZE(targets) + 1);

	for (size_t i = 0; i < n; i++)
		targets[i] = target((uint64_t)rand() % 8, (uint16_t)(80 + rand() % 4),
				    checks[rand() % 3]);
	set(w, targets, n);
}

static void chaos(void **state)
{
	unsigned seed = (unsigned)time(NULL);
	struct world w;

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	world_init(&w);
	w.prober.complain_at = NSEC_NEVER;
	for (int i = 0; i < 40000; i++) {
		struct list taken = LIST_INIT(taken);
		int dice = rand() % 100;

		fake_socket_error = rand() % 20 ? 0 : -EMFILE;
		if (dice < 3)
			set_any(&w);
		else if (dice < 6)
			prober_suspect(&w.prober, (uint64_t)rand() % 8, w.now);
		else if (dice < 50 && fake_n_operations(w.ring))
			complete_any(&w);
		else if (prober_next(&w.prober) != NSEC_NEVER)
			pass(&w);
		assert_int_equal(fake_n_open(), w.prober.flights.n_used);
		assert_int_equal(fake_n_operations(w.ring), w.prober.flights.n_used);
		/* Nobody is forgotten: each watch is due, in line, or in flight. */
		for (size_t j = 0; j < w.prober.set.n_watches; j++) {
			struct watch *watch = w.prober.set.watches[j];

			assert_true(watch->timer.position != TIMER_IDLE || watch->flight ||
				    !list_empty(&watch->waiting));
			assert_non_null(watch->subscribers);
		}
		mailbox_take(&w.reports, &taken);
		list_for_each_safe(node, &taken) {
			struct message *m = container_of(node, struct message, node);

			list_unlink(node);
			m->free(m);
		}
	}
	assert_int_equal(w.prober.n_late, 0);
	assert_int_equal(w.prober.n_dropped, 0);
	world_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_targets_are_one_probe),
		cmocka_unit_test(begins_with_a_verdict),
		cmocka_unit_test(replaced_while_idle),
		cmocka_unit_test(replaced_in_flight),
		cmocka_unit_test(verdicts_are_inherited),
		cmocka_unit_test(chaos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
