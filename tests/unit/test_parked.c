// SPDX-License-Identifier: BSD-2-Clause
/* Connections whose descriptors are parked, on the fake kernel; test_storm parks at random. */
#include <errno.h>

#include "bench.h"

#include "test.h"

#define N_SLOTS 600u
#define AWAKE	2u

static int setup(void **state)
{
	struct bench *b = bench_new(2, N_SLOTS, 16);

	bench_park(b, AWAKE);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static bool is_parked(struct bench *b, const struct fake_socket *client)
{
	const struct connection *c = bench_connection(b, client);

	assert_int_equal(c->parked, client->fd < 0);
	assert_int_equal(c->parked, client->partner->fd < 0);
	return c->parked;
}

/* Bytes go through, both ways. */
static void exchange(struct bench *b, struct fake_socket *client)
{
	uint64_t in = client->partner->accepted, out = client->accepted;

	fake_write(client, 1000);
	bench_settle(b);
	assert_int_equal(client->partner->accepted, in + 1000);
	fake_write(client->partner, 2000);
	bench_settle(b);
	assert_int_equal(client->accepted, out + 2000);
	assert_false(is_parked(b, client));
}

static void the_coldest_are_parked(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[6];

	for (unsigned i = 0; i < 6; i++) {
		clients[i] = bench_accept(b, 0);
		assert_false(is_parked(b, clients[i]));
	}
	assert_int_equal(splicer_awake(&b->splicer), AWAKE);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(is_parked(b, clients[i]), i < 4);
	assert_int_equal(fake_n_fds(), 2 * AWAKE);

	/* Who wakes takes the place of the coldest; who was busy meanwhile gets another chance. */
	exchange(b, clients[4]);
	exchange(b, clients[0]);
	assert_true(is_parked(b, clients[5]));
	assert_false(is_parked(b, clients[4]));
	for (unsigned i = 0; i < 6; i++)
		exchange(b, clients[i]);
	assert_int_equal(splicer_awake(&b->splicer), AWAKE);
}

static void nobody_is_parked_without_need(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[4];

	bench_park(b, 4);
	for (unsigned i = 0; i < 4; i++)
		clients[i] = bench_accept(b, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_false(is_parked(b, clients[i]));
}

/* What those that stay get, the parked ones get before, and are not woken for it. */
static void parked_ones_have_settled(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.keepalive_idle = 60 * NSEC_PER_SEC;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	for (unsigned i = 0; i < 4; i++)
		bench_accept(b, 0);
	assert_true(is_parked(b, client));
	assert_true(client->partner->keepalive);
	bench_pass(b, 2 * TIMEOUTS_SETTLE); /* it would be set twice: the fake sees that */
	assert_true(is_parked(b, client));
}

/* Half-closes, ends and resets pass as ever. */
static void ends_pass(void **state)
{
	struct bench *b = *state;
	struct fake_socket *done = bench_accept(b, 0), *reset = bench_accept(b, 0),
			   *lost = bench_accept(b, 0), *other = bench_accept(b, 0);

	exchange(b, lost);
	exchange(b, reset);
	exchange(b, other);
	assert_true(is_parked(b, done));
	fake_fin(done);
	bench_pass(b, TIMEOUTS_STALL);
	assert_true(done->partner->shut);
	exchange(b, reset);
	exchange(b, other);
	assert_true(is_parked(b, done));
	assert_true(fake_is_pending(done, FAKE_WATCH)); /* beneath it */
	fake_write(done->partner, 10);
	fake_fin(done->partner);
	bench_settle(b);
	bench_expect_end(b, done, END_DONE);

	bench_accept(b, 0);
	bench_accept(b, 0);
	assert_true(is_parked(b, reset) && is_parked(b, lost));
	fake_rst(reset);
	fake_rst(lost->partner);
	bench_settle(b);
	bench_expect_end(b, reset, END_CLIENT_RESET);
	bench_expect_end(b, lost, END_SERVER_RESET);
}

/* Ends of our own need no descriptor: those who sleep are not woken for it. */
static void ends_without_waking(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[20];

	b->settings.idle_timeout = 10 * NSEC_PER_SEC;
	bench_publish(b, true);
	for (unsigned i = 0; i < 20; i++) {
		clients[i] = bench_accept(b, i % 2);
		fake_write(clients[i]->partner, 1);
		bench_settle(b);
	}
	fake.sockets_max = 0;
	splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
	bench_settle(b);
	for (unsigned i = 0; i < 20; i += 2)
		bench_expect_end(b, clients[i], END_BACKEND_DOWN);
	bench_pass(b, 11 * NSEC_PER_SEC);
	for (unsigned i = 1; i < 20; i += 2)
		bench_expect_end(b, clients[i], END_IDLE);
	assert_int_equal(fake_n_fds(), 0);
}

/* One that exchanged nothing leaves a backend that fails, and takes its place along to the next. */
static void moves_to_another_backend(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[4];

	for (unsigned i = 0; i < 4; i++)
		clients[i] = bench_accept(b, 0);
	assert_true(is_parked(b, clients[0]));
	b->eligible[0] = false;
	bench_publish(b, true);
	splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
	bench_settle(b);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(clients[i]->verdict, END_NONE);
		assert_int_equal(bench_backend(clients[i]->partner), 1);
		exchange(b, clients[i]);
	}

	/* And so does one whose backend resets it at once. */
	b->eligible[0] = true;
	bench_publish(b, true);
	fake_rst(bench_accept(b, 0)->partner);
	bench_settle(b);
	assert_int_equal(bench_ended(b, END_SERVER_RESET), 0);
}

/* A client that does not read, and then resets: its peer's bytes are watched over in its sleep. */
static void a_stalled_one_is_watched(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_accept(b, 0);

	fake_set_room(client, 0);
	fake_write(client->partner, 5000);
	bench_settle(b);
	exchange(b, bench_accept(b, 0));
	exchange(b, bench_accept(b, 0));
	assert_true(is_parked(b, client));
	assert_true(fake_is_pending(client, FAKE_SEND));
	bench_pass(b, 2 * NSEC_PER_SEC);
	assert_true(fake_is_pending(client->partner, FAKE_WATCH));
	exchange(b, bench_accept(b, 0));
	fake_rst(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_SERVER_RESET);
}

/* Others have taken what was kept: more are parked; with nobody to park, the connection ends. */
static void descriptors_run_out(void **state)
{
	struct bench *b = *state;
	struct fake_socket *sleeper = bench_accept(b, 0), *first = bench_accept(b, 0),
			   *second = bench_accept(b, 0), *late;

	assert_true(is_parked(b, sleeper));
	fake.sockets_max = fake_n_fds();
	exchange(b, sleeper);
	assert_true(is_parked(b, first) && is_parked(b, second));

	/* A backend's socket counts for as much as a waking connection. */
	late = bench_client(b, 0);
	fake.sockets_max = fake_n_fds();
	bench_serve(b, late);
	bench_settle(b);
	exchange(b, late);

	fake.sockets_max = 1;
	exchange(b, late);
	assert_true(is_parked(b, first));
	fake_write(first, 10);
	bench_settle(b);
	bench_expect_end(b, first, END_RESOURCES);
	assert_int_equal(second->verdict, END_NONE);
	fake.sockets_max = SIZE_MAX;
	exchange(b, second);
}

/* For want of memory nobody is parked, which is tried again a second later. */
static void parking_fails(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[10];

	fake.park_error = -ENOMEM;
	for (unsigned i = 0; i < 10; i++)
		clients[i] = bench_accept(b, 0);
	for (unsigned i = 0; i < 10; i++)
		assert_false(is_parked(b, clients[i]));
	assert_int_equal(b->splicer.n_not_parked, 1);

	fake.park_error = 0;
	bench_accept(b, 0);
	assert_int_equal(b->splicer.n_parked, 0);
	b->splicer.now += NSEC_PER_SEC;
	bench_accept(b, 0);
	assert_int_equal(splicer_awake(&b->splicer), AWAKE);
	for (unsigned i = 0; i < 10; i++)
		exchange(b, clients[i]);
}

/* Many at once, in one round: each is parked only once its operations have been submitted. */
static void all_wake_at_once(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[N_SLOTS];

	bench_park(b, 64);
	for (unsigned i = 0; i < N_SLOTS; i++)
		clients[i] = bench_accept(b, i % 2);
	fake.sockets_max = fake_n_fds() + 2 * 64;
	for (unsigned i = 0; i < N_SLOTS; i++) {
		fake_write(clients[i], 100);
		fake_write(clients[i]->partner, 200);
	}
	bench_settle(b);
	for (unsigned i = 0; i < N_SLOTS; i++) {
		while (clients[i]->accepted < 200 || clients[i]->partner->accepted < 100)
			assert_true(bench_step(b));
		assert_int_equal(clients[i]->verdict, END_NONE);
	}
	assert_true(splicer_awake(&b->splicer) <= 64);
}

/* Those that wait for their end do not hold the descriptors of those that go on. */
static void all_are_reset_at_once(void **state)
{
	struct bench *b = *state;
	struct fake_socket *lost[100], *stream;

	bench_park(b, 8);
	for (unsigned i = 0; i < 100; i++) {
		lost[i] = bench_accept(b, i % 2);
		exchange(b, lost[i]);
	}
	stream = bench_accept(b, 0);
	exchange(b, stream);
	fake.sockets_max = 2 * 10;
	for (unsigned i = 0; i < 100; i++)
		if (i % 2)
			fake_rst(lost[i]);
		else
			fake_rst(lost[i]->partner);
	fake_write(stream, 1000);
	bench_settle(b);
	assert_int_equal(stream->verdict, END_NONE);
	for (unsigned i = 0; i < 100; i++)
		bench_expect_end(b, lost[i], i % 2 ? END_CLIENT_RESET : END_SERVER_RESET);
	exchange(b, stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_coldest_are_parked, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_is_parked_without_need, setup, teardown),
		cmocka_unit_test_setup_teardown(parked_ones_have_settled, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_without_waking, setup, teardown),
		cmocka_unit_test_setup_teardown(moves_to_another_backend, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stalled_one_is_watched, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(parking_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(all_wake_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(all_are_reset_at_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
