// SPDX-License-Identifier: BSD-2-Clause
/* Established connections: bytes, FIN, RST, stalls and times, on the fake kernel. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "bench.h"

#include "test.h"

#define N_BUFFERS 8

static int setup(void **state)
{
	*state = bench_new(2, 64, N_BUFFERS);
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static const char *state_name(struct bench *b, const struct fake_socket *client)
{
	return connection_state_name(bench_connection(b, client));
}

static void bytes_pass_both_ways(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	assert_string_equal(state_name(b, client), "established");
	assert_int_equal(counter_read(b->backends[0]->counters[1].active), 1);
	assert_int_equal(counter_read(b->service->counters[1].active), 1);
	for (unsigned i = 1; i <= 20; i++) {
		fake_write(client, i * 7001);
		bench_settle(b);
		assert_int_equal(server->accepted, client->written);
		fake_write(server, i * 11);
		bench_settle(b);
		assert_int_equal(client->accepted, server->written);
	}
	fake_fin(client);
	fake_fin(server);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void the_server_may_speak_first(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 1), *server = client->partner;

	assert_int_equal(bench_backend(server), 1);
	fake_write(server, 100);
	fake_fin(server);
	bench_settle(b);
	assert_int_equal(client->accepted, 100);
	assert_true(client->shut);
	fake_fin(client);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

/* One side says FIN, the other goes on for long, then says it too. */
static void one_side_closes_first(void **state)
{
	struct bench *b = *state;

	for (int server_first = 0; server_first < 2; server_first++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;
		struct fake_socket *first = server_first ? server : client;
		struct fake_socket *second = first->partner;

		fake_write(first, 500000);
		fake_fin(first);
		bench_settle(b);
		assert_int_equal(second->accepted, 500000);
		assert_true(second->shut);
		assert_false(first->shut);
		assert_string_equal(state_name(b, client), "half-closed");
		for (int i = 0; i < 10; i++) {
			fake_write(second, 30000);
			bench_pass(b, 60 * NSEC_PER_SEC);
			assert_int_equal(first->accepted, second->written);
		}
		fake_fin(second);
		bench_settle(b);
		bench_expect_end(b, client, END_DONE);
	}
}

/* Nothing is received while the other side does not read; FIN waits for its turn. */
static void back_pressure(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake_set_room(server, 1000);
	fake_write(client, 300000);
	fake_fin(client);
	bench_pass(b, 60 * NSEC_PER_SEC);
	assert_int_equal(server->accepted, 1000);
	assert_int_equal(client->read, RING_BUFFER_SIZE);
	assert_int_equal(fake.n_out, 1);
	while (server->accepted < 300000) {
		fake_set_room(server, 9999);
		bench_settle(b);
		assert_true(fake.n_out <= 1);
	}
	assert_true(server->shut);
	fake_fin(server);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void resets_pass_on(void **state)
{
	static const struct {
		bool by_server;
		int error;
		enum end_reason reason;
	} cases[] = {
		{false, ECONNRESET, END_CLIENT_RESET},	   {true, ECONNRESET, END_SERVER_RESET},
		{false, ETIMEDOUT, END_CLIENT_TIMEOUT},	   {true, ETIMEDOUT, END_SERVER_TIMEOUT},
		{false, EHOSTUNREACH, END_CLIENT_TIMEOUT}, {true, EHOSTUNREACH, END_SERVER_TIMEOUT},
	};
	struct bench *b = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

		fake_write(client, 10);
		bench_settle(b);
		fake_write(server, 10000);
		fake_die(cases[i].by_server ? server : client, cases[i].error);
		bench_settle(b);
		bench_expect_end(b, client, cases[i].reason);
		if (cases[i].by_server)
			assert_int_equal(client->accepted, 10000);
	}
	assert_int_equal(b->n_evidence, 0);
}

/* Nobody receives from a side that said FIN, and its reset is seen all the same. */
static void reset_after_fin(void **state)
{
	struct bench *b = *state;

	for (int by_server = 0; by_server < 2; by_server++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;
		struct fake_socket *side = by_server ? server : client;

		fake_write(side, 100);
		fake_fin(side);
		bench_settle(b);
		fake_rst(side);
		bench_pass(b, TIMEOUTS_STALL); /* who has said FIN is watched after a while */
		bench_expect_end(b, client, by_server ? END_SERVER_RESET : END_CLIENT_RESET);
		assert_int_equal(side->partner->accepted, 100);
	}
}

/* The kernel may end a watch when memory is short. */
static void a_watch_is_kept_up(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);

	client->inject[FAKE_WATCH] = POLLRDHUP;
	fake_fin(client);
	bench_settle(b);
	assert_false(fake_is_pending(client, FAKE_WATCH)); /* most say FIN and are done */
	bench_pass(b, TIMEOUTS_STALL);
	assert_int_equal(client->inject[FAKE_WATCH], 0);
	assert_true(fake_is_pending(client, FAKE_WATCH));
	fake_rst(client);
	bench_settle(b);
	bench_expect_end(b, client, END_CLIENT_RESET);
}

/* What the dead side had sent is its peer's, whoever learns of the death first. */
static void last_words_are_delivered(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 4; i++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;
		struct fake_socket *dead = i % 2 ? server : client, *alive = dead->partner;

		fake.newest_first = i / 2;
		fake_write(client, 1);
		fake_write(server, 1);
		bench_settle(b);
		fake_set_room(alive, 0);
		fake_write(dead, 200000);
		bench_settle(b);
		fake_set_room(dead, 0);
		fake_write(alive, 10);
		bench_settle(b);
		fake_rst(dead);
		bench_settle(b);
		assert_false(alive->closed);
		fake_set_room(alive, UINT64_MAX);
		bench_settle(b);
		bench_expect_end(b, client, dead == server ? END_SERVER_RESET : END_CLIENT_RESET);
		assert_int_equal(alive->accepted, 200001);
	}
}

/* The same when they wait for a buffer. */
static void last_words_wait_for_a_buffer(void **state)
{
	struct bench *b = *state;
	struct fake_socket *holders[N_BUFFERS - 1];
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake_write(client, 1);
	fake_write(server, 1);
	bench_settle(b);
	for (size_t i = 0; i < ARRAY_SIZE(holders); i++) {
		holders[i] = bench_accept(b, 1);
		fake_set_room(holders[i]->partner, 0);
		fake_write(holders[i], 1);
	}
	fake_set_room(server, 0);
	fake_write(client, 10);
	bench_settle(b);
	assert_int_equal(fake.n_out, N_BUFFERS);
	fake_write(server, 100);
	bench_settle(b); /* it starves */
	fake_rst(server);
	bench_settle(b);
	bench_expect_end(b, client, END_SERVER_RESET);
	assert_int_equal(client->accepted, 101);
}

/*
 * When a send was told of a reset, the receive that was under way sees an end like that of FIN. It
 * must not be passed on as one.
 */
static void a_reset_told_to_a_send_is_no_fin(void **state)
{
	struct bench *b = *state;

	fake.newest_first = true;
	for (int by_server = 0; by_server < 2; by_server++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;
		struct fake_socket *side = by_server ? server : client;

		fake_write(client, 1);
		fake_write(server, 1);
		bench_settle(b);
		fake_set_room(side, 1000);
		fake_write(side->partner, 20000);
		bench_settle(b);
		assert_int_equal(side->accepted, 1001);
		fake_rst(side);
		bench_settle(b);
		bench_expect_end(b, client, by_server ? END_SERVER_RESET : END_CLIENT_RESET);
		assert_false(side->partner->shut);
	}
}

/* FIN was received, a send went well, and then came the reset; all in one round. */
static void a_reset_after_fin_and_a_good_send(void **state)
{
	struct bench *b = *state;

	for (int by_server = 0; by_server < 2; by_server++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;
		struct fake_socket *side = by_server ? server : client;

		fake_set_room(side, 0);
		fake_write(side->partner, 1000);
		bench_settle(b);
		fake_fin(side);
		fake_set_room(side, UINT64_MAX);
		ring_wait(b->splicer.ring, 0);
		fake_rst(side);
		bench_pass(b, TIMEOUTS_STALL);
		assert_int_equal(side->accepted, 1000);
		assert_true(side->partner->shut);
		bench_expect_end(b, client, by_server ? END_SERVER_RESET : END_CLIENT_RESET);
	}
}

static void fin_under_a_send(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake_set_room(server, 1000);
	fake_write(client, 20000);
	bench_settle(b);
	fake_fin(server);
	bench_settle(b);
	assert_true(client->shut);
	assert_int_equal(server->accepted, 1000);
	fake_set_room(server, UINT64_MAX);
	fake_fin(client);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void passing_errors_are_tried_again(void **state)
{
	static const int errors[] = {-EINTR, -EAGAIN, -ENOBUFS};
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		client->inject[FAKE_RECEIVE] = errors[i];
		bench_settle(b);
		if (errors[i] != -ENOBUFS)
			server->inject[FAKE_SEND] = errors[i];
		fake_write(client, 40000);
		bench_settle(b);
		assert_int_equal(server->accepted, client->written);
	}
	fake_fin(client);
	fake_fin(server);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void strange_errors_are_internal(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < 4; i++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

		(i % 2 ? server : client)->inject[i / 2 ? FAKE_SEND : FAKE_RECEIVE] = -ENOMEM;
		fake_write(client, 10);
		fake_write(server, 10);
		bench_settle(b);
		/* A failed send lets the other direction go on to its end. */
		fake_fin(client);
		fake_fin(server);
		bench_settle(b);
		bench_expect_end(b, client, END_INTERNAL);
	}
}

static void both_sides_die(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake_write(client, 10);
	bench_settle(b);
	fake_set_room(client, 0);
	fake_set_room(server, 0);
	fake_write(client, 10);
	fake_write(server, 10);
	bench_settle(b);
	fake_rst(client);
	fake_rst(server);
	bench_settle(b);
	assert_true(client->verdict == END_CLIENT_RESET || client->verdict == END_SERVER_RESET);
}

/* Who neither is received from nor can be sent to is watched once the send has stalled. */
static void stalled_sources_are_watched(void **state)
{
	struct bench *b = *state;

	for (int by_server = 0; by_server < 2; by_server++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;
		struct fake_socket *source = by_server ? server : client;

		fake_write(server, 1);
		bench_settle(b);
		fake_set_room(source->partner, 0);
		fake_write(source, 1000000);
		bench_pass(b, TIMEOUTS_STALL - 1);
		assert_false(fake_is_pending(source, FAKE_WATCH));
		bench_pass(b, 1);
		assert_true(fake_is_pending(source, FAKE_WATCH));
		bench_pass(b, 60 * NSEC_PER_SEC);
		fake_rst(source);
		bench_settle(b);
		bench_expect_end(b, client, by_server ? END_SERVER_RESET : END_CLIENT_RESET);
	}
}

static void a_stall_that_passes(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake_set_room(client, 0);
	fake_set_room(server, 0);
	fake_write(client, 100000);
	fake_write(server, 100000);
	bench_pass(b, 10 * NSEC_PER_SEC);
	assert_true(fake_is_pending(client, FAKE_WATCH) && fake_is_pending(server, FAKE_WATCH));
	fake_set_room(client, UINT64_MAX);
	bench_pass(b, 10 * NSEC_PER_SEC);
	fake_set_room(server, UINT64_MAX);
	fake_fin(client);
	bench_pass(b, 10 * NSEC_PER_SEC);
	fake_fin(server);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void idle_connections_end(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	for (int i = 0; i < 5; i++) {
		bench_pass(b, 3599 * NSEC_PER_SEC);
		fake_write(i % 2 ? client : server, 1);
		bench_settle(b);
	}
	bench_pass(b, 3600 * NSEC_PER_SEC - 1);
	assert_int_equal(client->verdict, END_NONE);
	bench_pass(b, 1);
	bench_expect_end(b, client, END_IDLE);
}

static void half_closed_connections_end(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client, *server;

	b->settings.half_closed_timeout = 10 * NSEC_PER_SEC;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	server = client->partner;
	bench_pass(b, 60 * NSEC_PER_SEC);
	fake_fin(server);
	bench_pass(b, 9 * NSEC_PER_SEC);
	fake_write(client, 1);
	bench_pass(b, 10 * NSEC_PER_SEC - 1);
	assert_int_equal(client->verdict, END_NONE);
	bench_pass(b, 1);
	bench_expect_end(b, client, END_HALF_CLOSED);
}

/* That it cannot be set is no reason to end a connection. */
static void keepalive_fails(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.keepalive_idle = 60 * NSEC_PER_SEC;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	fake.tune_error = -ENOPROTOOPT;
	bench_pass(b, 2 * TIMEOUTS_SETTLE);
	assert_int_equal(fake.tune_error, 0);
	fake_write(client, 10);
	bench_settle(b);
	assert_int_equal(client->partner->accepted, 10);
}

/* Connections that stay get keepalive towards the backend, and short ones do without the calls. */
static void keepalive_of_those_that_stay(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client, *brief;

	b->settings.keepalive_idle = 60 * NSEC_PER_SEC;
	b->settings.keepalive_interval = 10 * NSEC_PER_SEC;
	b->settings.keepalive_count = 6;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	brief = bench_accept(b, 0);
	assert_false(client->partner->keepalive);
	bench_pass(b, TIMEOUTS_SETTLE / 2);
	fake_fin(brief);
	fake_fin(brief->partner);
	bench_pass(b, TIMEOUTS_SETTLE);
	bench_expect_end(b, brief, END_DONE);
	assert_false(brief->partner->keepalive);
	assert_true(client->partner->keepalive);
	bench_pass(b, 10 * TIMEOUTS_SETTLE); /* once */
	fake_fin(client);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void old_connections_end(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.lifetime = 100 * NSEC_PER_SEC;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	for (int i = 0; i < 99; i++) {
		fake_write(client, 1);
		bench_pass(b, NSEC_PER_SEC);
	}
	assert_int_equal(client->verdict, END_NONE);
	bench_pass(b, NSEC_PER_SEC);
	bench_expect_end(b, client, END_LIFETIME);
}

/* The idle time counts from the moment of the connect, however that went. */
static void idle_is_armed_by_the_connect(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.idle_timeout = 300 * NSEC_PER_MSEC;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	bench_pass(b, 300 * NSEC_PER_MSEC);
	bench_expect_end(b, client, END_IDLE);

	/* The connect's time is over, and it succeeds before the cancel. */
	b->outcome[0] = FAKE_HANG;
	client = bench_accept(b, 0);
	fake.race = FAKE_CANCEL_LOSES;
	client->partner->outcome = FAKE_HANG;
	b->splicer.now += NSEC_PER_SEC;
	splicer_expire(&b->splicer);
	client->partner->outcome = 0;
	bench_settle(b);
	assert_string_equal(state_name(b, client), "established");
	bench_pass(b, 300 * NSEC_PER_MSEC);
	bench_expect_end(b, client, END_IDLE);
}

static void no_limits_no_timers(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.idle_timeout = b->settings.half_closed_timeout = 0;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	fake_fin(client);
	bench_pass(b, 10 * NSEC_PER_SEC);
	assert_int_equal(splicer_next(&b->splicer), NSEC_NEVER);
	bench_pass(b, 365 * 24 * 3600 * NSEC_PER_SEC);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

/* The end waits for every operation; what a send under way delivered is counted. */
static void ending_waits_for_operations(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake.race = FAKE_CANCEL_LOSES;
	fake_set_room(server, 500);
	fake_write(client, 1000);
	bench_settle(b);
	fake_write(server, 700);
	fake_set_room(server, UINT64_MAX);
	splicer_end_all(&b->splicer, END_STOPPED);
	assert_string_equal(state_name(b, client), "ending");
	splicer_end_all(&b->splicer, END_IDLE); /* the first reason holds */
	splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
	bench_settle(b);
	bench_expect_end(b, client, END_STOPPED);
	assert_int_equal(server->accepted, 1000);
	assert_int_equal(client->accepted, 0);
	assert_int_equal(server->read, 700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_pass_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(the_server_may_speak_first, setup, teardown),
		cmocka_unit_test_setup_teardown(one_side_closes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(back_pressure, setup, teardown),
		cmocka_unit_test_setup_teardown(resets_pass_on, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_after_fin, setup, teardown),
		cmocka_unit_test_setup_teardown(a_watch_is_kept_up, setup, teardown),
		cmocka_unit_test_setup_teardown(last_words_are_delivered, setup, teardown),
		cmocka_unit_test_setup_teardown(last_words_wait_for_a_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_told_to_a_send_is_no_fin, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_after_fin_and_a_good_send, setup, teardown),
		cmocka_unit_test_setup_teardown(fin_under_a_send, setup, teardown),
		cmocka_unit_test_setup_teardown(passing_errors_are_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(strange_errors_are_internal, setup, teardown),
		cmocka_unit_test_setup_teardown(both_sides_die, setup, teardown),
		cmocka_unit_test_setup_teardown(stalled_sources_are_watched, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stall_that_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(idle_connections_end, setup, teardown),
		cmocka_unit_test_setup_teardown(half_closed_connections_end, setup, teardown),
		cmocka_unit_test_setup_teardown(keepalive_of_those_that_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(keepalive_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(old_connections_end, setup, teardown),
		cmocka_unit_test_setup_teardown(idle_is_armed_by_the_connect, setup, teardown),
		cmocka_unit_test_setup_teardown(no_limits_no_timers, setup, teardown),
		cmocka_unit_test_setup_teardown(ending_waits_for_operations, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
