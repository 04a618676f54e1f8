// SPDX-License-Identifier: BSD-2-Clause
/* Bulk is spliced, and what is not bulk is copied: when each begins, and what both owe the peers. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "bench.h"
#include "pipe.h"
#include "relay.h"

#include "test.h"

#define N_BUFFERS 8
#define AFTER	  (2 * RING_BUFFER_SIZE)

static int setup(void **state)
{
	struct bench *b = bench_new(2, 64, N_BUFFERS);

	b->settings.splice_after = AFTER;
	bench_publish(b, true);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static bool is_spliced(struct bench *b, const struct fake_socket *client)
{
	const struct connection *c = bench_connection(b, client);

	assert_ptr_equal(c->direction[CLIENT].mover, c->direction[SERVER].mover);
	assert_int_equal(client->nonblocking, c->direction[CLIENT].mover == &mover_splice);
	assert_int_equal(client->partner->nonblocking, client->nonblocking);
	return client->nonblocking;
}

/* Established, and spliced since the server has sent much. */
static struct fake_socket *bulk(struct bench *b)
{
	struct fake_socket *client = bench_accept(b, 0);

	fake_write(client->partner, 10 * AFTER);
	bench_settle(b);
	assert_true(is_spliced(b, client));
	assert_int_equal(client->accepted, 10 * AFTER);
	return client;
}

static void bulk_is_spliced(void **state)
{
	struct bench *b = *state;

	for (int by_client = 0; by_client < 2; by_client++) {
		struct fake_socket *client = bench_accept(b, 0), *server = client->partner;
		struct fake_socket *from = by_client ? client : server;

		fake_write(from, AFTER - 1);
		bench_settle(b);
		assert_false(is_spliced(b, client));
		fake_write(from, RING_BUFFER_SIZE); /* the run begins anew */
		bench_settle(b);
		assert_false(is_spliced(b, client));
		fake_write(from, AFTER + 1);
		bench_settle(b);
		assert_true(is_spliced(b, client));
		fake_write(from, 1000000);
		fake_write(from->partner, 1000);
		bench_settle(b);
		assert_int_equal(from->partner->accepted, from->written);
		assert_int_equal(from->accepted, from->partner->written);
		assert_int_equal(fake.n_out, 0);
		assert_int_equal(pipes_taken(b->pipes), 0);
		fake_fin(client);
		fake_fin(server);
		bench_settle(b);
		bench_expect_end(b, client, END_DONE);
	}
}

static void small_exchanges_are_copied_again(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bulk(b), *server = client->partner;

	for (unsigned i = 0; i < CALM_TURNS; i++) {
		assert_true(is_spliced(b, client));
		fake_write(i % 3 ? client : server, 100);
		bench_settle(b);
	}
	assert_false(is_spliced(b, client));
	for (unsigned i = 0; i < 3; i++) {
		fake_write(client, 100);
		fake_write(server, 100);
		bench_settle(b);
		assert_int_equal(server->accepted, client->written);
		assert_int_equal(client->accepted, server->written);
	}
	fake_write(client, 10 * AFTER);
	bench_settle(b);
	assert_true(is_spliced(b, client));
	fake_fin(client);
	fake_fin(server);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

/* Much, but with pauses: a turn of much makes it bulk for another while. */
static void bulk_with_pauses_stays_spliced(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bulk(b), *server = client->partner;

	for (unsigned i = 0; i < 5 * CALM_TURNS; i++) {
		fake_write(server, i % CALM_TURNS ? 1 : 20000);
		bench_settle(b);
		assert_true(is_spliced(b, client));
	}
	splicer_end_all(&b->splicer, END_STOPPED);
}

static void switched_off(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.splice_after = 0;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	fake_write(client, 10 * AFTER);
	bench_settle(b);
	assert_int_equal(client->partner->accepted, client->written);
	assert_false(is_spliced(b, client));
}

/* Until a byte has been sent the next backend may get it all. */
static void the_first_bytes_are_copied(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.splice_after = 1;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	fake_set_room(client->partner, 0);
	fake_write(client, 100);
	bench_settle(b);
	assert_false(is_spliced(b, client));
	fake_rst(client->partner);
	bench_settle(b);
	assert_int_equal(bench_backend(client->partner), 1);
	assert_int_equal(client->partner->accepted, 100);
	fake_write(client, 100);
	bench_settle(b);
	assert_true(is_spliced(b, client));
}

/* Who does not read keeps a pipe; when there is none left, others copy, and one pipe serves many. */
static void pipes_run_out(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[BENCH_PIPES + 2];

	for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = bulk(b);
	for (unsigned i = 0; i < BENCH_PIPES; i++) {
		fake_set_room(clients[i], 10);
		fake_write(clients[i]->partner, 50000);
		bench_settle(b);
		assert_int_equal(pipes_taken(b->pipes), i + 1);
	}
	for (unsigned i = BENCH_PIPES; i < ARRAY_SIZE(clients); i++) {
		fake_write(clients[i]->partner, 300000);
		bench_settle(b);
		assert_int_equal(clients[i]->accepted, clients[i]->partner->written);
	}
	assert_true(b->splicer.n_unpiped > 0);

	/* Nor does anybody begin to be spliced. */
	struct fake_socket *late = bench_accept(b, 0);

	fake_write(late, 10 * AFTER);
	bench_settle(b);
	assert_int_equal(late->partner->accepted, late->written);
	assert_false(is_spliced(b, late));

	fake_set_room(clients[0], UINT64_MAX);
	bench_settle(b);
	assert_int_equal(clients[0]->accepted, clients[0]->partner->written);
	assert_int_equal(pipes_taken(b->pipes), BENCH_PIPES - 1);
	fake_write(late, AFTER);
	bench_settle(b);
	assert_true(is_spliced(b, late));
}

/* One that copies for want of a pipe keeps one buffer while its destination does not read. */
static void back_pressure_without_a_pipe(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bulk(b), *server = client->partner;
	struct pipe *taken[BENCH_PIPES];

	for (unsigned i = 0; i < BENCH_PIPES; i++)
		while (!(taken[i] = pipes_take(b->pipes)))
			;
	fake_set_room(client, 100);
	fake_write(server, 500000);
	fake_fin(server);
	bench_pass(b, 10 * NSEC_PER_SEC);
	assert_int_equal(fake.n_out, 1);
	assert_int_equal(client->accepted, 10 * AFTER + 100);
	assert_true(server->read <= client->accepted + RING_BUFFER_SIZE);
	for (unsigned i = 0; i < BENCH_PIPES; i++)
		pipes_give(b->pipes, taken[i]);
	while (client->accepted < server->written) {
		fake_set_room(client, 30000);
		bench_settle(b);
	}
	assert_true(client->shut);
	fake_fin(client);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

/*
 * A peer that has said FIN, then does not read for long: each poll of it would complete at once.
 * That settling ends at all shows that none is spun on.
 */
static void a_slow_reader_that_said_fin(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bulk(b), *server = client->partner;

	fake_fin(client);
	bench_settle(b);
	assert_true(server->shut);
	fake_set_room(client, 0);
	fake_write(server, 1000000);
	bench_pass(b, 60 * NSEC_PER_SEC);
	assert_true(fake_is_pending(client, FAKE_ROOM));
	assert_false(fake_is_pending(client, FAKE_POLL_OUT));
	while (client->accepted < server->written) {
		fake_set_room(client, 70000);
		bench_settle(b);
	}
	fake_set_room(client, UINT64_MAX);
	fake_write(server, 500000);
	bench_settle(b);
	assert_int_equal(client->accepted, server->written);
	assert_int_equal(pipes_taken(b->pipes), 0);
	fake_fin(server);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

/* What the other direction had begun before goes on, and is not waited for beside a poll. */
static void operations_begun_before(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0), *server = client->partner;

	fake_set_room(server, 0);
	fake_write(client, 700);
	bench_settle(b);
	assert_true(fake_is_pending(server, FAKE_SEND));
	fake_write(server, 10 * AFTER);
	bench_settle(b);
	assert_true(is_spliced(b, client));
	assert_true(fake_is_pending(server, FAKE_SEND));
	fake_set_room(server, 300);
	bench_settle(b);
	assert_int_equal(server->accepted, 300);
	fake_set_room(server, UINT64_MAX);
	fake_write(client, 1000);
	bench_settle(b);
	assert_int_equal(server->accepted, 1700);

	fake_set_room(server, 0);
	fake_write(client, 700);
	bench_settle(b);
	fake_rst(server);
	bench_settle(b);
	bench_expect_end(b, client, END_SERVER_RESET);
}

static void deaths(void **state)
{
	struct bench *b = *state;

	for (int by_client = 0; by_client < 2; by_client++)
		for (int blocked = 0; blocked < 3; blocked++) {
			struct fake_socket *client = bulk(b), *server = client->partner;

			if (blocked) {
				fake_set_room(client, 5);
				fake_write(server, 90000);
				if (blocked == 2)
					fake_fin(client);
				bench_settle(b);
				assert_int_equal(pipes_taken(b->pipes), 1);
			}
			fake_rst(by_client ? client : server);
			bench_pass(b, 2 * NSEC_PER_SEC); /* sources of the stalled are watched */
			bench_expect_end(b, client,
					 by_client ? END_CLIENT_RESET : END_SERVER_RESET);
			assert_int_equal(pipes_taken(b->pipes), 0);
		}
}

/* The destination dies; what it sent before is delivered. */
static void last_words(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bulk(b), *server = client->partner;

	fake_set_room(client, 50);
	fake_write(client, 60000);
	bench_settle(b);
	fake_write(server, 120);
	bench_settle(b);
	fake_rst(server);
	fake_write(client, 10);
	bench_settle(b);
	fake_set_room(client, UINT64_MAX);
	bench_settle(b);
	assert_int_equal(client->accepted, server->written);
	bench_expect_end(b, client, END_SERVER_RESET);
}

static void stalls_and_limits(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.idle_timeout = 20 * NSEC_PER_SEC;
	bench_publish(b, true);
	client = bulk(b);
	bench_pass(b, 19 * NSEC_PER_SEC);
	fake_write(client, 5);
	bench_pass(b, 19 * NSEC_PER_SEC);
	assert_false(client->closed);
	bench_pass(b, 2 * NSEC_PER_SEC);
	bench_expect_end(b, client, END_IDLE);
}

static void parked_ones_go_on(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[6];

	bench_park(b, 2);
	for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = bulk(b);
	for (unsigned round = 0; round < 4; round++)
		for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
			fake_write(clients[i]->partner, round % 2 ? 60000 : 500);
			fake_write(clients[i], 77);
			bench_settle(b);
			assert_int_equal(clients[i]->accepted, clients[i]->partner->written);
			assert_int_equal(clients[i]->partner->accepted, clients[i]->written);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bulk_is_spliced, setup, teardown),
		cmocka_unit_test_setup_teardown(small_exchanges_are_copied_again, setup, teardown),
		cmocka_unit_test_setup_teardown(bulk_with_pauses_stays_spliced, setup, teardown),
		cmocka_unit_test_setup_teardown(switched_off, setup, teardown),
		cmocka_unit_test_setup_teardown(the_first_bytes_are_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(pipes_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(back_pressure_without_a_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_reader_that_said_fin, setup, teardown),
		cmocka_unit_test_setup_teardown(operations_begun_before, setup, teardown),
		cmocka_unit_test_setup_teardown(deaths, setup, teardown),
		cmocka_unit_test_setup_teardown(last_words, setup, teardown),
		cmocka_unit_test_setup_teardown(stalls_and_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(parked_ones_go_on, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
