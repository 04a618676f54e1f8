// SPDX-License-Identifier: BSD-2-Clause
/* Backends that reset a connection before a byte was exchanged, on the fake kernel. */
#include <errno.h>

#include "bench.h"

#include "test.h"

static int setup(void **state)
{
	*state = bench_new(2, 64, 8);
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static uint64_t instant_resets(const struct bench *b, unsigned i)
{
	return counter_read(b->backends[i]->counters[1].instant_resets);
}

static uint64_t active(const struct bench *b, unsigned i)
{
	return counter_read(b->backends[i]->counters[1].active);
}

/* The client has met backend 1, and goes on there as if nothing had been. */
static void expect_second_chance(struct bench *b, struct fake_socket *client)
{
	struct fake_socket *server = client->partner;

	assert_int_equal(client->verdict, END_NONE);
	assert_int_equal(bench_backend(server), 1);
	assert_true(server->connected);
	assert_int_equal(active(b, 0), 0);
	assert_int_equal(active(b, 1), 1);
	assert_int_equal(instant_resets(b, 0), 1);
	assert_ptr_equal(b->evidence_against, b->backends[0]);
	fake_write(client, 100000);
	fake_write(server, 100000);
	fake_fin(client);
	fake_fin(server);
	bench_settle(b);
	assert_int_equal(server->accepted, client->written);
	bench_expect_end(b, client, END_DONE);
}

static void before_any_byte(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);

	fake_rst(client->partner);
	bench_settle(b);
	assert_int_equal(b->evidence_error, ECONNRESET);
	expect_second_chance(b, client);
}

/* What the client said is held, and told the next backend once. */
static void with_bytes_held(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 2; i++) {
		struct fake_socket *client;

		fake.newest_first = i;
		client = bench_accept(b, 0);
		fake_set_room(client->partner, 0);
		fake_write(client, 50000);
		bench_settle(b);
		assert_int_equal(client->read, RING_BUFFER_SIZE);
		fake_rst(client->partner);
		bench_settle(b);
		assert_int_equal(instant_resets(b, 0), i + 1);
		assert_int_equal(bench_backend(client->partner), 1);
		assert_int_equal(client->partner->accepted, 50000);
		fake_fin(client);
		fake_fin(client->partner);
		bench_settle(b);
		bench_expect_end(b, client, END_DONE);
	}
}

/* Bytes that a backend has taken cannot be told another one. */
static void with_bytes_partly_taken(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 2; i++) {
		struct fake_socket *client;

		fake.newest_first = i;
		client = bench_accept(b, 0);
		fake_set_room(client->partner, 1);
		fake_write(client, 50000);
		bench_settle(b);
		fake_rst(client->partner);
		bench_settle(b);
		bench_expect_end(b, client, END_SERVER_RESET);
		assert_int_equal(client->partner->accepted, 1);
		assert_false(client->shut);
	}
}

/* The send of the whole buffer succeeds after the reset was seen. */
static void with_bytes_taken_after_all(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake_set_room(server, 0);
	fake_write(client, 500);
	bench_settle(b);
	server->inject[FAKE_RECEIVE] = -ECONNRESET;
	bench_step(b);
	assert_int_equal(bench_connection(b, client)->state, CONNECTION_LOST);
	assert_string_equal(connection_state_name(bench_connection(b, client)), "connecting");
	fake_set_room(server, UINT64_MAX);
	bench_step(b);
	fake_rst(server);
	bench_settle(b);
	bench_expect_end(b, client, END_SERVER_RESET);
	assert_int_equal(server->accepted, 500);
}

/* Nothing else that befalls the lost socket matters any more. */
static void while_waiting_for_operations(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake_set_room(server, 0);
	fake_write(client, 500);
	bench_settle(b);
	server->inject[FAKE_SEND] = -EPIPE;
	fake.chaos = true; /* the receive takes its time */
	while (bench_connection(b, client)->state != CONNECTION_LOST)
		bench_step(b);
	assert_true(fake_is_pending(server, FAKE_RECEIVE));
	splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
	fake.chaos = false;
	server->inject[FAKE_RECEIVE] = -ENOMEM;
	bench_settle(b);
	assert_int_equal(bench_backend(client->partner), 1);
	assert_int_equal(client->partner->accepted, 500);
	expect_second_chance(b, client);
}

/* Operations on its socket that a cancel came too late for are not begun again. */
static void passing_errors_hold_nobody_back(void **state)
{
	static const struct {
		enum fake_kind kind;
		int error;
	} cases[] = {
		{FAKE_RECEIVE, -ENOBUFS}, {FAKE_RECEIVE, -EINTR}, {FAKE_RECEIVE, -EAGAIN},
		{FAKE_SEND, -EINTR},	  {FAKE_SEND, -EAGAIN},
	};
	struct bench *b = *state;

	fake.race = FAKE_CANCEL_LOSES;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

		fake_set_room(server, 0); /* and says nothing: no operation ends by itself */
		fake_write(client, 500);
		bench_settle(b);
		server->inject[cases[i].kind] = cases[i].error;
		splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
		bench_settle(b);
		assert_int_equal(bench_backend(client->partner), 1);
		assert_int_equal(client->partner->accepted, 500);
		fake_fin(client);
		fake_fin(client->partner);
		bench_settle(b);
		bench_expect_end(b, client, END_DONE);
	}
}

/* It waits for a buffer to receive into, which is not for a lost backend's last words. */
static void starving_holds_nobody_back(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;
	uint32_t all = fake.n_buffers;

	fake_set_room(server, 0);
	fake_write(client, 500);
	bench_settle(b);
	fake.n_buffers = fake.n_out;
	bench_step(b);
	assert_true(bench_connection(b, client)->direction[SERVER].starved);
	fake.n_buffers = all;
	splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
	splicer_expire(&b->splicer); /* as in the round that carries out the order */
	bench_settle(b);
	assert_int_equal(bench_backend(client->partner), 1);
	assert_int_equal(client->partner->accepted, 500);
	fake_fin(client);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

/* Its client's bytes are read as the next backend answers, while it still waits for a buffer for them. */
static void starving_bytes_are_sent_once(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);
	uint32_t all = fake.n_buffers;

	fake.n_buffers = 0;
	fake_write(client, 500);
	bench_step(b);
	assert_true(bench_connection(b, client)->direction[CLIENT].starved);
	splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
	while (bench_connection(b, client)->state != CONNECTION_CONNECTING)
		assert_true(bench_step(b));
	fake.n_buffers = all;
	bench_settle(b);
	assert_int_equal(bench_backend(client->partner), 1);
	assert_int_equal(client->partner->accepted, 500);
	fake_fin(client);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

/* What it took of a send shows that it was there: it cannot be left, and is not sent the rest. */
static void a_part_of_a_send_ends_it(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake.race = FAKE_CANCEL_LOSES;
	fake_set_room(server, 0);
	fake_write(client, 500);
	bench_settle(b);
	fake_set_room(server, 200);
	splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
	assert_int_equal(bench_connection(b, client)->state, CONNECTION_LOST);
	bench_settle(b);
	bench_expect_end(b, client, END_BACKEND_DOWN);
	assert_int_equal(server->accepted, 200);
}

static void with_the_clients_end(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);

	fake_fin(client);
	bench_settle(b);
	assert_true(client->partner->shut);
	fake_rst(client->partner);
	bench_settle(b);
	assert_int_equal(instant_resets(b, 0), 1);
	assert_int_equal(bench_backend(client->partner), 1);
	assert_true(client->partner->shut);
	fake_write(client->partner, 10);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

/* The client goes on while no backend is there; one buffer of it is taken, no more. */
static void while_connecting_again(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);

	b->outcome[1] = FAKE_HANG;
	fake_rst(client->partner);
	bench_settle(b);
	fake_write(client, 100000);
	fake_fin(client);
	bench_settle(b);
	assert_int_equal(client->read, RING_BUFFER_SIZE);
	client->partner->outcome = 0;
	bench_settle(b);
	assert_int_equal(client->partner->accepted, 100000);
	assert_true(client->partner->shut);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void fin_while_connecting_again(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);

	b->outcome[1] = FAKE_HANG;
	fake_rst(client->partner);
	bench_settle(b);
	fake_fin(client);
	bench_settle(b);
	client->partner->outcome = 0;
	bench_settle(b);
	assert_true(client->partner->shut);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void the_client_resets_too(void **state)
{
	struct bench *b = *state;

	for (int later = 0; later < 2; later++) {
		struct fake_socket *client = bench_accept(b, 0);

		b->outcome[1] = FAKE_HANG;
		fake_rst(client->partner);
		if (later)
			bench_settle(b);
		fake_rst(client);
		bench_settle(b);
		bench_expect_end(b, client, END_CLIENT_RESET);
	}
}

/* A client that is dead already is not taken to another backend. */
static void the_client_died_before(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake_set_room(server, 0);
	fake_set_room(client, 0);
	fake_write(client, 10);
	fake_write(server, 10);
	bench_settle(b);
	fake_rst(client);
	bench_settle(b);
	fake_rst(server);
	bench_settle(b);
	bench_expect_end(b, client, END_CLIENT_RESET);
	assert_int_equal(b->n_evidence, 0);
	assert_int_equal(counter_read(b->backends[1]->counters[1].connections), 0);
}

/* The backend said something and reset: that is the client's, though a send failed first. */
static void with_last_words(void **state)
{
	struct bench *b = *state;

	for (int with_fin = 0; with_fin < 2; with_fin++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

		fake.newest_first = true;
		fake_set_room(server, 0);
		fake_write(client, 10);
		bench_settle(b);
		fake_write(server, 50000);
		if (with_fin)
			fake_fin(server);
		fake_rst(server);
		bench_settle(b);
		bench_expect_end(b, client, END_SERVER_RESET);
		assert_int_equal(client->accepted, 50000);
	}
}

/* A reset of a connection that was open for long says nothing about the next one. */
static void after_the_budget(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);

	bench_pass(b, 60 * NSEC_PER_SEC);
	fake_rst(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_SERVER_RESET);
	assert_int_equal(b->n_evidence, 0);
	assert_int_equal(instant_resets(b, 0), 0);
}

static void again_and_again(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);

	for (int i = 0; i < 3; i++) {
		assert_true(client->partner->connected);
		fake_rst(client->partner);
		bench_pass(b, NSEC_PER_SEC);
	}
	bench_expect_end(b, client, END_CONNECT_FAILED);
	assert_int_equal(b->n_evidence, 3);
	assert_int_equal(instant_resets(b, 0), 2);
	assert_int_equal(instant_resets(b, 1), 1);
	assert_int_equal(b->evidence_consecutive, 2);
}

static void a_pause_is_not_idleness(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.idle_timeout = 100 * NSEC_PER_MSEC;
	b->eligible[1] = false;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	fake_rst(client->partner);
	bench_pass(b, 300 * NSEC_PER_MSEC);
	assert_int_equal(client->verdict, END_NONE);
	assert_true(client->partner->connected);
}

static void not_after_the_backend_was_heard(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 4; i++) {
		struct fake_socket *client = bench_accept(b, 0);

		fake.newest_first = i / 2;
		fake_set_room(client->partner, 0);
		if (i % 2)
			fake_write(client->partner, 1);
		else
			fake_fin(client->partner);
		bench_settle(b);
		fake_write(client, 1);
		bench_settle(b);
		fake_rst(client->partner);
		bench_settle(b);
		bench_expect_end(b, client, END_SERVER_RESET);
	}
	assert_int_equal(b->n_evidence, 0);
}

static void the_service_is_gone(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);

	bench_publish(b, false);
	fake_rst(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_NO_BACKEND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(before_any_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(with_bytes_held, setup, teardown),
		cmocka_unit_test_setup_teardown(with_bytes_partly_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(with_bytes_taken_after_all, setup, teardown),
		cmocka_unit_test_setup_teardown(while_waiting_for_operations, setup, teardown),
		cmocka_unit_test_setup_teardown(passing_errors_hold_nobody_back, setup, teardown),
		cmocka_unit_test_setup_teardown(starving_holds_nobody_back, setup, teardown),
		cmocka_unit_test_setup_teardown(starving_bytes_are_sent_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_part_of_a_send_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(with_the_clients_end, setup, teardown),
		cmocka_unit_test_setup_teardown(while_connecting_again, setup, teardown),
		cmocka_unit_test_setup_teardown(fin_while_connecting_again, setup, teardown),
		cmocka_unit_test_setup_teardown(the_client_resets_too, setup, teardown),
		cmocka_unit_test_setup_teardown(the_client_died_before, setup, teardown),
		cmocka_unit_test_setup_teardown(with_last_words, setup, teardown),
		cmocka_unit_test_setup_teardown(after_the_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(again_and_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pause_is_not_idleness, setup, teardown),
		cmocka_unit_test_setup_teardown(not_after_the_backend_was_heard, setup, teardown),
		cmocka_unit_test_setup_teardown(the_service_is_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
