// SPDX-License-Identifier: BSD-2-Clause
/* Too few descriptors, receive buffers or slots, on the fake kernel. */
#include <errno.h>

#include "bench.h"

#include "test.h"

#define N_SLOTS	  600u
#define N_BUFFERS 4
#define N_MANY	  100000u /* more than the stack could hold */

static int setup(void **state)
{
	*state = bench_new(2, N_SLOTS, N_BUFFERS);
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static bool is_waiting(struct bench *b, const struct fake_socket *client)
{
	return client->verdict == END_NONE && !list_empty(&bench_connection(b, client)->waiting);
}

static void finish(struct bench *b, struct fake_socket *client)
{
	fake_fin(client);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void descriptors_come_back(void **state)
{
	static const int errors[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM};
	struct bench *b = *state;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct fake_socket *established, *waiting[3];

		fake.new_error = errors[i];
		fake.sockets_max = SIZE_MAX;
		established = bench_accept(b, 0);
		fake.sockets_max = fake.n_open + 1;
		for (unsigned j = 0; j < 3; j++) {
			waiting[j] = bench_accept(b, 0);
			assert_true(is_waiting(b, waiting[j]));
			assert_null(waiting[j]->partner);
		}
		/* Two descriptors come free, of three that are missing one. */
		fake.sockets_max = fake.n_open;
		finish(b, established);
		assert_true(waiting[0]->partner->connected);
		assert_true(waiting[1]->partner->connected);
		assert_true(is_waiting(b, waiting[2]));
		finish(b, waiting[1]);
		finish(b, waiting[2]);
		finish(b, waiting[0]);
	}
}

static void descriptors_do_not_come_back(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	fake.sockets_max = 1;
	client = bench_accept(b, 0);
	bench_pass(b, 5 * NSEC_PER_SEC - 1);
	assert_true(is_waiting(b, client));
	bench_pass(b, 1);
	bench_expect_end(b, client, END_RESOURCES);
	assert_int_equal(b->n_evidence, 0);
	assert_int_equal(counter_read(b->backends[0]->counters[1].connections), 0);
}

/* Whoever waited long chooses among those that may be chosen now. */
static void a_backend_leaves_while_waiting(void **state)
{
	struct bench *b = *state;
	struct fake_socket *established = bench_accept(b, 1), *waiting;

	fake.sockets_max = fake.n_open + 1;
	waiting = bench_accept(b, 0);
	assert_true(is_waiting(b, waiting));
	b->eligible[0] = false;
	bench_publish(b, true);
	splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
	finish(b, established);
	assert_int_equal(bench_backend(waiting->partner), 1);
	assert_int_equal(bench_connection(b, waiting)->n_tries, 1);
	assert_int_equal(counter_read(b->service->counters[1].retries), 0);
	finish(b, waiting);
}

/* Other workers and threads make room without a word. */
static void descriptors_come_from_elsewhere(void **state)
{
	struct bench *b = *state;
	struct fake_socket *first, *second;

	fake.sockets_max = 0;
	first = bench_accept(b, 0);
	second = bench_accept(b, 0);
	bench_pass(b, NSEC_PER_SEC);
	fake.sockets_max = fake.n_open + 2;
	bench_pass(b, 250 * NSEC_PER_MSEC);
	finish(b, first);
	finish(b, second);
}

/* However many wait, they end one after the other and not inside each other. */
static void the_service_goes_while_many_wait(void **state)
{
	struct bench *b = bench_new(1, N_MANY, N_BUFFERS);
	struct fake_socket *established = bench_accept(b, 0);

	(void)state;
	fake.sockets_max = 0;
	for (unsigned i = 1; i < N_MANY; i++)
		bench_serve(b, bench_client(b, 0));
	assert_int_equal(splicer_active(&b->splicer), N_MANY);
	bench_publish(b, false);
	finish(b, established);
	assert_int_equal(bench_ended(b, END_NO_BACKEND), N_MANY - 1);
	bench_free(b);
}

static void a_connection_waits_after_a_failed_try(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client, *established = bench_accept(b, 1);

	b->outcome[0] = FAKE_HANG;
	client = bench_accept(b, 0);
	fake.sockets_max = fake.n_open - 1;
	bench_pass(b, NSEC_PER_SEC);
	assert_true(is_waiting(b, client));
	finish(b, established);
	assert_int_equal(bench_backend(client->partner), 1);
	assert_int_equal(bench_connection(b, client)->n_tries, 2);
	finish(b, client);
}

static void slots_run_out(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client, *last = NULL;

	for (unsigned i = 0; i < N_SLOTS; i++) {
		last = bench_client(b, 0);
		assert_true(bench_serve(b, last));
	}
	client = bench_client(b, 0);
	assert_false(bench_serve(b, client));
	assert_true(client->reset);
	assert_int_equal(bench_ended(b, END_RESOURCES), 1);
	assert_int_equal(splicer_active(&b->splicer), N_SLOTS);
	bench_settle(b);
	finish(b, last);
	finish(b, bench_accept(b, 0));
}

/* Makes `n` connections whose backend does not read hold a buffer each. */
static void hold_buffers(struct bench *b, struct fake_socket **clients, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		clients[i] = bench_accept(b, 0);
		fake_set_room(clients[i]->partner, 0);
		fake_write(clients[i], 1000);
		bench_settle(b);
	}
	assert_int_equal(fake.n_out, n);
}

static void buffers_come_back(void **state)
{
	struct bench *b = *state;
	struct fake_socket *holders[N_BUFFERS], *others[10];

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		others[i] = bench_accept(b, 1);
	hold_buffers(b, holders, N_BUFFERS);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		fake_write(others[i], 100000);
		fake_write(others[i]->partner, 100000);
	}
	bench_settle(b);
	assert_int_equal(others[0]->read, 0);
	assert_false(list_empty(&b->splicer.starved));
	/* One buffer serves everybody. */
	fake_set_room(holders[2]->partner, UINT64_MAX);
	bench_settle(b);
	assert_true(list_empty(&b->splicer.starved));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(others[i]->accepted, 100000);
		assert_int_equal(others[i]->partner->accepted, 100000);
		finish(b, others[i]);
	}
}

/* Connections that starved and turn out to be silent do not keep a buffer from the others. */
static void silent_connections_starve_too(void **state)
{
	struct bench *b = *state;
	struct fake_socket *holders[N_BUFFERS], *silent[200], *speaker;

	hold_buffers(b, holders, N_BUFFERS);
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
		silent[i] = bench_accept(b, 1); /* their first receives find no buffer */
	speaker = bench_accept(b, 1);
	fake_write(speaker, 100);
	bench_settle(b);
	assert_int_equal(speaker->partner->accepted, 0);
	fake_set_room(holders[0]->partner, UINT64_MAX);
	bench_settle(b);
	assert_int_equal(speaker->partner->accepted, 100);
	assert_true(list_empty(&b->splicer.starved));
}

/* One that no longer starves takes nobody's turn. */
static void starving_ends_with_a_lost_backend(void **state)
{
	struct bench *b = *state;
	struct fake_socket *holders[N_BUFFERS], *speaker;

	hold_buffers(b, holders, N_BUFFERS);
	holders[0]->partner->inject[FAKE_RECEIVE] = -ENOBUFS;
	bench_settle(b);
	speaker = bench_accept(b, 1);
	fake_write(speaker, 100);
	bench_settle(b);
	assert_int_equal(speaker->partner->accepted, 0);
	b->outcome[1] = FAKE_HANG;
	fake_rst(holders[0]->partner);
	bench_settle(b);
	assert_int_equal(fake.n_out, N_BUFFERS); /* its bytes wait for another backend */
	assert_int_equal(bench_backend(holders[0]->partner), 1);
	fake_set_room(holders[1]->partner, UINT64_MAX);
	bench_settle(b);
	assert_int_equal(speaker->partner->accepted, 100);
}

static void a_starving_connection_ends(void **state)
{
	struct bench *b = *state;
	struct fake_socket *holders[N_BUFFERS], *client, *other;

	hold_buffers(b, holders, N_BUFFERS);
	client = bench_accept(b, 1);
	other = bench_accept(b, 1);
	fake_write(client, 100);
	fake_write(other, 100);
	bench_settle(b);
	bench_pass(b, 3600 * NSEC_PER_SEC);
	bench_expect_end(b, client, END_IDLE);
	bench_expect_end(b, other, END_IDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(descriptors_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_do_not_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_come_from_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(a_backend_leaves_while_waiting, setup, teardown),
		cmocka_unit_test(the_service_goes_while_many_wait),
		cmocka_unit_test_setup_teardown(a_connection_waits_after_a_failed_try, setup,
						teardown),
		cmocka_unit_test_setup_teardown(slots_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(buffers_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(silent_connections_starve_too, setup, teardown),
		cmocka_unit_test_setup_teardown(starving_ends_with_a_lost_backend, setup, teardown),
		cmocka_unit_test_setup_teardown(a_starving_connection_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
