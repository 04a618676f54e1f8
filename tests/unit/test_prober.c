// SPDX-License-Identifier: BSD-2-Clause
/* run/prober and flight: probes against a ring that completes things in nasty orders. */
#include <errno.h>
#include <string.h>

#include "prober_world.h"

static void goes_up_and_down(void **state)
{
	struct world w;
	nsec_t first;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_tcp);
	assert_int_equal(fake_n_operations(w.ring), 0);
	first = pass(&w);
	assert_in_range(first, 0, 500 * MS);
	assert_int_equal(fake_port(w.ring, 0), 80);
	w.now += 3 * MS;
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	assert_int_equal(w.prober.set.watches[0]->last.latency, 3 * MS);
	assert_int_equal(fake_n_open(), 0);
	assert_in_range(pass(&w), 1797 * MS, 1997 * MS); /* since the last one began */
	complete(&w, 0, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_UP, "connect: Connection refused");
	assert_in_range(pass(&w), 450 * MS, 500 * MS);
	complete(&w, 0, -EHOSTUNREACH);
	expect_report(&w, 7, VERDICT_UP, "connect: No route to host");
	connect_next(&w, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_DOWN, "connect: Connection refused");
	assert_in_range(pass(&w), 1800 * MS, 2000 * MS);
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_DOWN, NULL);
	assert_in_range(pass(&w), 450 * MS, 500 * MS);
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	world_deinit(&w);
}

static void timeouts(void **state)
{
	struct world w;
	nsec_t passed;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_redis);

	/* While connecting: reported at once, closed when the completion has come. */
	pass(&w);
	assert_int_equal(pass(&w), S);
	expect_report(&w, 7, VERDICT_DOWN, "not connected within 1s");
	assert_true(fake_only(w.ring, FAKE_CONNECT)->cancelled);
	assert_int_equal(fake_n_open(), 1);
	assert_int_equal(prober_next(&w.prober), NSEC_NEVER); /* nothing is begun meanwhile */
	w.now += 5 * S;
	prober_on_time(&w.prober, w.now, w.now + WALL);
	complete(&w, 0, 0); /* connected after all: too late */
	expect_no_report(&w);
	assert_int_equal(fake_n_open(), 0);
	assert_true(pass(&w) <= MS); /* it has long been due */

	/* While sending, and with nothing received. */
	complete(&w, 0, 0);
	fake_only(w.ring, FAKE_SEND);
	assert_int_equal(pass(&w), S);
	expect_report(&w, 7, VERDICT_DOWN, "no answer within 1s");
	complete(&w, 0, 14);
	connect_next(&w, 0);
	send_all(&w);
	fake_only(w.ring, FAKE_RECEIVE);
	pass(&w);
	expect_report(&w, 7, VERDICT_DOWN, "no answer within 1s");
	receive(&w, 0, "+PONG\r\n"); /* crossed the cancellation */
	expect_no_report(&w);

	/* Within the answer; the time counts from the beginning. */
	connect_next(&w, 0);
	w.now += 400 * MS;
	send_all(&w);
	w.now += 400 * MS;
	receive(&w, 0, "+PO");
	passed = pass(&w);
	assert_int_equal(passed, 200 * MS);
	expect_report(&w, 7, VERDICT_DOWN, "no complete answer within 1s");
	complete(&w, 0, -ECANCELED);
	world_deinit(&w);
}

static void exchanges(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_redis);
	connect_next(&w, 0);
	assert_memory_equal(fake_only(w.ring, FAKE_SEND)->data, "*1\r\n$4\r\nPING\r\n", 14);
	send_all(&w);
	receive(&w, 0, "+PO");
	expect_no_report(&w);
	complete(&w, 0, -ENOBUFS); /* of the ring, which asks to try again */
	receive(&w, 0, "NG\r\n");
	expect_report(&w, 7, VERDICT_UP, NULL);
	assert_int_equal(fake_n_open(), 0);

	connect_next(&w, 0);
	send_all(&w);
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_UP, "closed without an answer");

	connect_next(&w, 0);
	send_all(&w);
	complete(&w, 0, -ECONNRESET);
	expect_report(&w, 7, VERDICT_UP, "receive: Connection reset by peer");

	connect_next(&w, 0);
	complete(&w, 0, -EPIPE);
	expect_report(&w, 7, VERDICT_DOWN, "send: Broken pipe");
	connect_next(&w, 0);
	complete(&w, 0, 3);
	expect_report(&w, 7, VERDICT_DOWN, "send: Broken pipe");

	connect_next(&w, 0);
	send_all(&w);
	receive(&w, 0, "-LOADING Redis is loading\r\n");
	expect_report(&w, 7, VERDICT_DOWN, "expected +PONG, got -LOADING Redis is loading");
	world_deinit(&w);
}

static void introduces_itself(void **state)
{
	struct check_config check = check_redis;
	struct world w;

	(void)state;
	world_init(&w);
	check.proxy = PROXY_V1;
	set_one(&w, 7, 80, &check);
	connect_next(&w, 0);
	assert_int_equal(fake_n_sent, 15);
	assert_memory_equal(fake_sent, "PROXY UNKNOWN\r\n", 15);
	send_all(&w);
	receive(&w, 0, "+PONG\r\n");
	expect_report(&w, 7, VERDICT_UP, NULL);

	fake_send_error = -ECONNRESET;
	connect_next(&w, 0);
	fake_send_error = 0;
	expect_report(&w, 7, VERDICT_UP, "send: Connection reset by peer");
	assert_int_equal(fake_n_open(), 0);
	world_deinit(&w);
}

static void http_lingers(void **state)
{
	static char block[PROBE_HTTP_MAX];
	struct world w;
	nsec_t due;

	(void)state;
	memset(block, 'x', sizeof(block));
	world_init(&w);
	set_one(&w, 7, 80, &check_http);

	/* The result is there with the header; the connection ends when the server has ended it. */
	connect_next(&w, 0);
	send_all(&w);
	receive(&w, 0, "HTTP/1.1 200 OK\r\n\r\n");
	expect_report(&w, 7, VERDICT_UP, NULL);
	assert_int_equal(fake_n_open(), 1);
	receive(&w, 0, "body");
	complete(&w, 0, -ENOBUFS);
	complete(&w, 0, 0);
	assert_int_equal(fake_n_open(), 0);
	assert_in_range(pass(&w), 1800 * MS, 2000 * MS);

	/* A server that does not: its time is that of the probe. */
	complete(&w, 0, 0);
	send_all(&w);
	receive(&w, 0, "HTTP/1.1 200 OK\r\n\r\n");
	expect_report(&w, 7, VERDICT_UP, NULL);
	due = w.prober.set.watches[0]->due;
	assert_int_equal(pass(&w), S);
	assert_true(fake_only(w.ring, FAKE_RECEIVE)->cancelled);
	expect_no_report(&w);
	complete(&w, 0, -ECANCELED);
	pass(&w);
	assert_int_equal(w.now, due);

	/* One that has no end. */
	complete(&w, 0, 0);
	send_all(&w);
	receive(&w, 0, "HTTP/1.1 200 OK\r\n\r\n");
	expect_report(&w, 7, VERDICT_UP, NULL);
	complete_bytes(&w, 0, sizeof(block) - 1, block);
	assert_int_equal(fake_n_open(), 1);
	receive(&w, 0, "x");
	assert_int_equal(fake_n_open(), 0);

	/* A failure does not wait. */
	connect_next(&w, 0);
	send_all(&w);
	receive(&w, 0, "HTTP/1.1 503 No\r\n");
	expect_report(&w, 7, VERDICT_UP, "HTTP status 503, expected 200-399");
	assert_int_equal(fake_n_open(), 0);
	world_deinit(&w);
}

static void our_own_troubles_are_not_the_backend_s(void **state)
{
	static const int errors[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM};
	static const int connect_errors[] = {-EADDRNOTAVAIL, -EAGAIN, -ECANCELED};
	struct world w;

	(void)state;
	world_init(&w);
	w.prober.complain_at = NSEC_NEVER;
	set_one(&w, 7, 80, &check_tcp);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		fake_socket_error = errors[i];
		pass(&w);
		assert_int_equal(fake_n_operations(w.ring), 0);
		assert_in_range(prober_next(&w.prober) - w.now, 450 * MS, 501 * MS);
	}
	fake_socket_error = 0;
	for (size_t i = 0; i < ARRAY_SIZE(connect_errors); i++) {
		connect_next(&w, connect_errors[i]);
		assert_in_range(prober_next(&w.prober) - w.now, 450 * MS, 501 * MS);
	}
	expect_no_report(&w);
	assert_int_equal(w.prober.n_postponed, 7);
	assert_int_equal(w.prober.set.watches[0]->verdict.state, VERDICT_UNKNOWN);
	connect_next(&w, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	world_deinit(&w);
}

static void suspicion(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_tcp);
	prober_suspect(&w.prober, 8, w.now); /* nobody */
	connect_next(&w, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);

	/* The next probe comes after the fast interval, or at once when that is over. */
	prober_suspect(&w.prober, 7, w.now);
	expect_no_report(&w);
	assert_in_range(pass(&w), 450 * MS, 500 * MS);
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_DOWN, NULL);
	connect_next(&w, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	w.now += S;
	prober_suspect(&w.prober, 7, w.now);
	assert_int_equal(pass(&w), 0);

	/* In flight: the next one comes soon, and this one counts. */
	prober_suspect(&w.prober, 7, w.now);
	assert_false(fake_only(w.ring, FAKE_CONNECT)->cancelled);
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_DOWN, NULL);
	assert_in_range(pass(&w), 450 * MS, 500 * MS);

	/* Confirmed: no need to hurry. */
	complete(&w, 0, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_DOWN, "connect: Connection refused");
	assert_in_range(prober_next(&w.prober) - w.now, 1800 * MS, 2000 * MS);

	/* After a timeout, before the completion. */
	pass(&w);
	pass(&w);
	expect_report(&w, 7, VERDICT_DOWN, "not connected within 1s");
	prober_suspect(&w.prober, 7, w.now);
	complete(&w, 0, -ECANCELED);
	assert_true(pass(&w) <= MS);
	world_deinit(&w);
}

static void flights_are_limited(void **state)
{
	static struct check_target targets[FLIGHTS_MAX + 44];
	struct world w;
	uint16_t waits;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		targets[i] = target(i, (uint16_t)(1000 + i), &check_tcp);
	set(&w, targets, ARRAY_SIZE(targets));
	w.now += S;
	prober_on_time(&w.prober, w.now, w.now + WALL);
	assert_int_equal(fake_n_operations(w.ring), FLIGHTS_MAX);
	/* First come, first served. */
	waits = container_of(w.prober.waiting.next, struct watch, waiting)->address.port;
	complete(&w, 17, 0);
	assert_int_equal(w.reports.n_messages, 1);
	assert_int_equal(fake_n_operations(w.ring), FLIGHTS_MAX);
	assert_int_equal(fake_port(w.ring, FLIGHTS_MAX - 1), waits);
	/* A socket that cannot be had puts off all who wait, and nobody gets lost. */
	fake_socket_error = -EMFILE;
	w.prober.complain_at = NSEC_NEVER;
	complete(&w, 0, 0);
	assert_int_equal(fake_n_operations(w.ring), FLIGHTS_MAX - 1);
	assert_int_equal(w.prober.n_postponed, 43);
	fake_socket_error = 0;
	w.now += 501 * MS;
	prober_on_time(&w.prober, w.now, w.now + WALL);
	assert_int_equal(fake_n_operations(w.ring), FLIGHTS_MAX);
	/* All but one go, those in line too; it was never probed or is under way. */
	set(&w, &targets[5], 1);
	while (fake_n_operations(w.ring) > 1)
		complete(&w, fake_operation(w.ring, 0)->cancelled ? 0 : 1, -ECANCELED);
	assert_true(list_empty(&w.prober.waiting));
	mailbox_deinit(&w.reports);
	assert_int_equal(mailbox_init(&w.reports, 1000), 0);
	world_deinit(&w);
}

static void late_completions(void **state)
{
	struct ring_completion late = {};
	struct world w;
	uint64_t token;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &check_tcp);
	pass(&w);
	token = fake_only(w.ring, FAKE_CONNECT)->token;
	complete(&w, 0, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_DOWN, "connect: Connection refused");

	/* The flight has ended; the next one has the same place; the operation is another. */
	late.token = token;
	prober_on_completion(&w.prober, &late, w.now, w.now);
	pass(&w);
	assert_true(fake_only(w.ring, FAKE_CONNECT)->token != token);
	prober_on_completion(&w.prober, &late, w.now, w.now);
	late.token = fake_only(w.ring, FAKE_CONNECT)->token + ((uint64_t)1 << 56);
	prober_on_completion(&w.prober, &late, w.now, w.now);
	late.token = UINT64_MAX;
	prober_on_completion(&w.prober, &late, w.now, w.now);
	expect_no_report(&w);
	assert_int_equal(w.prober.n_late, 4);
	assert_int_equal(fake_n_open(), 1);
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_DOWN, NULL);
	world_deinit(&w);
}

static void full_mailbox(void **state)
{
	struct check_target targets[] = {target(1, 80, &check_tcp), target(2, 80, &check_tcp)};
	struct world w;

	(void)state;
	world_init(&w);
	w.reports.n_max = 1;
	set(&w, targets, 2);
	connect_next(&w, -ECONNREFUSED);
	assert_int_equal(w.prober.n_dropped, 1);
	assert_int_equal(w.prober.n_results, 1);
	expect_report(&w, 2, VERDICT_DOWN, "connect: Connection refused");
	w.reports.n_max = 2;
	connect_next(&w, -ECONNREFUSED);
	expect_report(&w, 2, VERDICT_DOWN, "connect: Connection refused");
	expect_report(&w, 1, VERDICT_DOWN, "connect: Connection refused");
	world_deinit(&w);
}

static void no_check_is_a_busy_loop(void **state)
{
	struct check_config hasty = {.kind = CHECK_TCP, .rise = 1, .fall = 1, .timeout = S};
	struct world w;

	(void)state;
	world_init(&w);
	set_one(&w, 7, 80, &hasty);
	connect_next(&w, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	assert_int_equal(pass(&w), MS);
	complete(&w, 0, -EADDRNOTAVAIL);
	assert_int_equal(pass(&w), MS);
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	fake_socket_error = -EMFILE;
	pass(&w);
	assert_int_equal(pass(&w), MS);
	world_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_up_and_down),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(exchanges),
		cmocka_unit_test(introduces_itself),
		cmocka_unit_test(http_lingers),
		cmocka_unit_test(our_own_troubles_are_not_the_backend_s),
		cmocka_unit_test(suspicion),
		cmocka_unit_test(flights_are_limited),
		cmocka_unit_test(late_completions),
		cmocka_unit_test(full_mailbox),
		cmocka_unit_test(no_check_is_a_busy_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
