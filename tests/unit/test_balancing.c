// SPDX-License-Identifier: BSD-2-Clause
/* Connections of services that do not hash: who is taken, what is counted, what explain says. */
#include <errno.h>
#include <string.h>

#include "bench.h"
#include "daemon.h"

#include "test.h"

static int setup(void **state)
{
	*state = bench_new(BENCH_BACKENDS, 256, 8);
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static void use(struct bench *b, enum balance_kind kind)
{
	b->settings.balance = kind;
	b->settings.tries = BENCH_BACKENDS;
	bench_publish(b, true);
}

static struct fake_socket *arrive(struct bench *b)
{
	struct address a = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 9}, .port = b->next_port++};
	struct fake_socket *client = fake_client(&a);

	bench_serve(b, client);
	bench_settle(b);
	return client;
}

static void leave(struct bench *b, struct fake_socket *client)
{
	fake_fin(client);
	if (client->partner)
		fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void assert_in_use(const struct bench *b, uint32_t b1, uint32_t b2, uint32_t b3, uint32_t b4)
{
	const uint32_t expected[] = {b1, b2, b3, b4};

	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		assert_int_equal(backend_in_use(b->backends[i]), expected[i]);
}

static struct daemon_explanation explain(struct bench *b)
{
	struct live_service live = {.service = b->service};
	struct daemon d = {.snapshot = b->splicer.snapshot};
	const struct address nobody = {};
	struct daemon_explanation e;

	assert_int_equal(daemon_explain(&d, &live, &nobody, &nobody, &e), 0);
	assert_int_equal(e.balance, b->settings.balance);
	assert_int_equal(e.owner, MAGLEV_NONE);
	return e;
}

static void the_least_loaded_is_taken(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[16];

	use(b, BALANCE_LEAST_CONNECTIONS);
	for (unsigned i = 0; i < 16; i++)
		clients[i] = arrive(b);
	assert_in_use(b, 4, 4, 4, 4);
	/* Two leave one backend: the next two go there, as explain says. */
	for (unsigned i = 0, n = 0; i < 16 && n < 2; i++) {
		if (bench_backend(clients[i]->partner) != 2)
			continue;
		leave(b, clients[i]);
		n++;
	}
	assert_in_use(b, 4, 4, 2, 4);
	for (unsigned i = 0; i < 2; i++) {
		struct daemon_explanation e = explain(b);

		assert_int_equal(e.n_candidates, BENCH_BACKENDS);
		assert_int_equal(e.candidates[0], 2);
		assert_int_equal(e.loads[0], 2 + i);
		assert_int_equal(e.loads[1], 4);
		assert_int_equal(bench_backend(arrive(b)->partner), 2);
	}
	/* Who connects counts as well. */
	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		b->outcome[i] = FAKE_HANG;
	for (unsigned i = 0; i < 4; i++)
		arrive(b);
	assert_in_use(b, 5, 5, 5, 5);
	splicer_end_all(&b->splicer, END_STOPPED);
	bench_settle(b);
	assert_in_use(b, 0, 0, 0, 0);
}

/* The same rule among those who were not tried. */
static void a_refusal_goes_to_the_next(void **state)
{
	struct bench *b = *state;

	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		use(b, k);
		b->outcome[0] = b->outcome[3] = -ECONNREFUSED;
		for (unsigned i = 0; i < 12; i++) {
			struct fake_socket *client = arrive(b);

			assert_int_equal(client->verdict, END_NONE);
			assert_in_range(bench_backend(client->partner), 1, 2);
		}
		assert_int_equal(backend_in_use(b->backends[0]), 0);
		assert_int_equal(backend_in_use(b->backends[3]), 0);
		if (k == BALANCE_LEAST_CONNECTIONS)
			assert_in_use(b, 0, 6, 6, 0);
		splicer_end_all(&b->splicer, END_STOPPED);
		bench_settle(b);
		b->outcome[0] = b->outcome[3] = 0;
	}
}

static void all_refuse(void **state)
{
	struct bench *b = *state;

	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		uint64_t failures[BENCH_BACKENDS];
		struct fake_socket *client;

		use(b, k);
		for (unsigned i = 0; i < BENCH_BACKENDS; i++) {
			b->outcome[i] = -ECONNREFUSED;
			failures[i] = counter_read(b->backends[i]->counters[1].connect_failures);
		}
		client = arrive(b);
		bench_pass(b, NSEC_PER_SEC);
		bench_expect_end(b, client, END_CONNECT_FAILED);
		for (unsigned i = 0; i < BENCH_BACKENDS; i++)
			assert_int_equal(counter_read(b->backends[i]->counters[1].connect_failures),
					 failures[i] + 1);
		assert_in_use(b, 0, 0, 0, 0);
	}
}

static void turns_outlive_tables(void **state)
{
	struct bench *b = *state;
	unsigned last, met[BENCH_BACKENDS] = {};

	use(b, BALANCE_ROUND_ROBIN);
	last = bench_backend(arrive(b)->partner);
	for (unsigned i = 0; i < 20; i++) {
		struct daemon_explanation e = explain(b);
		unsigned next = (last + 1) % BENCH_BACKENDS;

		/* The bench is the second of two workers; the first has taken no turn. */
		assert_int_equal(e.n_next, 2);
		assert_int_equal(e.next[0], 0);
		assert_int_equal(e.next[1], next);
		assert_int_equal(e.candidates[0], 0);
		assert_int_equal(e.candidates[3], 3);
		if (i % 3 == 0)
			bench_publish(b, true);
		last = bench_backend(arrive(b)->partner);
		assert_int_equal(last, next);
	}
	/* Who is out has no turn; the others share them. */
	b->eligible[1] = false;
	bench_publish(b, true);
	for (unsigned i = 0; i < 30; i++)
		met[bench_backend(arrive(b)->partner)]++;
	assert_int_equal(met[0], 10);
	assert_int_equal(met[1], 0);
	assert_int_equal(met[2], 10);
	assert_int_equal(met[3], 10);
}

static void nobody_is_eligible(void **state)
{
	struct bench *b = *state;

	memset(b->eligible, 0, sizeof(b->eligible));
	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		use(b, k);
		assert_int_equal(explain(b).n_candidates, 0);
		bench_expect_end(b, arrive(b), END_NO_BACKEND);
	}
}

/* Each choice goes on to who has room, as it would after a refusal. */
static void the_full_are_passed_over(void **state)
{
	struct bench *b = *state;

	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		b->backend_max[0] = 1;
		b->backend_max[1] = 2;
		b->backend_max[2] = 3;
		b->backend_max[3] = 4;
		use(b, k);
		for (unsigned i = 0; i < 10; i++)
			assert_int_equal(arrive(b)->verdict, END_NONE);
		assert_in_use(b, 1, 2, 3, 4);
		bench_expect_end(b, arrive(b), END_QUEUE_FULL);
		splicer_end_all(&b->splicer, END_STOPPED);
		bench_settle(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_least_loaded_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_goes_to_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(all_refuse, setup, teardown),
		cmocka_unit_test_setup_teardown(turns_outlive_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_is_eligible, setup, teardown),
		cmocka_unit_test_setup_teardown(the_full_are_passed_over, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
