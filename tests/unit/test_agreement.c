// SPDX-License-Identifier: BSD-2-Clause
/*
 * A worker and `lbctl explain` agree: random clients are given to a splicer on the fake kernel, and
 * where it connects them, candidate by candidate, is where daemon_explain() says.
 */
#include <errno.h>

#include "bench.h"
#include "choice.h"
#include "daemon.h"

#include "test.h"

#define N_TUPLES 10000

static int setup(void **state)
{
	*state = bench_new(BENCH_BACKENDS, 64, 8);
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static struct address random_client(struct rng *rng)
{
	struct address a = {.port = (uint16_t)(1 + rng_below(rng, 65535))};
	bool six = rng_below(rng, 2);

	a.family = six ? ADDRESS_IPV6 : ADDRESS_IPV4;
	for (unsigned i = 0; i < sizeof(a.ip); i++)
		a.ip[i] = (uint8_t)rng_below(rng, 256);
	if (!six) {
		memset(a.ip, 0, 10);
		a.ip[10] = a.ip[11] = 0xff;
	}
	return a;
}

/* Some backends are out, some refuse, and the service hashes by this or that. */
static void change_weather(struct bench *b, struct rng *rng)
{
	for (unsigned i = 0; i < BENCH_BACKENDS; i++) {
		b->eligible[i] = rng_below(rng, 4);
		b->outcome[i] = rng_below(rng, 3) ? 0 : -ECONNREFUSED;
	}
	b->settings.tries = 1 + rng_below(rng, BENCH_BACKENDS);
	b->settings.hash = rng_below(rng, 2) ? HASH_SOURCE : HASH_CONNECTION;
	b->settings.mask_ipv4 = (uint8_t)(8 + rng_below(rng, 25));
	b->settings.mask_ipv6 = (uint8_t)(32 + rng_below(rng, 97));
	bench_publish(b, true);
}

/* The candidate that answers, or none: what the splicer should come to. */
static uint16_t expected(const struct bench *b, const struct daemon_explanation *e)
{
	for (size_t i = 0; i < e->n_candidates; i++)
		if (b->outcome[e->candidates[i]] == 0)
			return e->candidates[i];
	return MAGLEV_NONE;
}

static void worker_and_explain_agree(void **state)
{
	struct rng rng = rng_for_property("worker_and_explain_agree");
	struct bench *b = *state;
	struct live_service live = {.service = b->service};
	unsigned met[BENCH_BACKENDS] = {}, failed = 0;

	for (unsigned i = 0; i < N_TUPLES; i++) {
		struct daemon d = {};
		struct daemon_explanation e;
		struct address peer = random_client(&rng);
		struct fake_socket *client;
		struct connection *c;
		uint16_t wanted;

		if (i % 8 == 0)
			change_weather(b, &rng);
		client = fake_client(&peer);
		bench_serve(b, client);
		bench_settle(b);
		c = splicer_active(&b->splicer) ? bench_connection(b, client) : NULL;

		d.snapshot = b->splicer.snapshot;
		assert_int_equal(
			daemon_explain(&d, &live, &peer,
				       &(struct address){.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1},
							 .port = 80},
				       &e),
			0);
		wanted = expected(b, &e);
		if (wanted == MAGLEV_NONE) {
			/* Refused by all of them: it has ended, or pauses before another round. */
			assert_true(!c || c->paused);
			failed++;
		} else {
			assert_non_null(c);
			assert_ptr_equal(c->backend, b->backends[wanted]);
			met[wanted]++;
		}
		splicer_end_all(&b->splicer, END_STOPPED);
		bench_settle(b);
	}
	/* Neither trivial nor one-sided. */
	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		assert_true(met[i] > N_TUPLES / 20);
	assert_true(failed > 0 && failed < N_TUPLES / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(worker_and_explain_agree, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
