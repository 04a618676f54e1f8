// SPDX-License-Identifier: BSD-2-Clause
/* Sources: what they hold, how fast they come, and a table that is full. */
#include <pthread.h>
#include <string.h>

#include "lb4_hash.h"
#include "rate.h"
#include "source_table.h"

#include "test.h"

#define START	  (1000 * NSEC_PER_SEC)
#define N_THREADS 4
#define N_TAKES	  20000

static const struct source_limits three = {.connections = 3};

static void source_of(uint32_t n, uint8_t ret[16])
{
	memset(ret, 0, 16);
	memset(ret + 10, 0xff, 2);
	memcpy(ret + 12, &n, sizeof(n));
}

static enum source_verdict take(struct source_table *t, uint32_t source,
				const struct source_limits *limits, nsec_t now,
				struct source_hold *ret)
{
	uint8_t ip[16];

	source_of(source, ip);
	return source_table_take(t, ip, limits, now, ret);
}

static void rates_are_exact(void **state)
{
	static const uint32_t rates[] = {1, 2, 3, 7, 10, 999, 1000, 44100, 700000, RATE_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		_Atomic nsec_t due = 0;
		uint32_t n = 0, more = 0;

		/* A second's worth at once, and not one more. */
		while (rate_admit(&due, rates[i], START))
			n++;
		assert_int_equal(n, rates[i]);
		/* Then as many as the rate says: ten seconds, looked at every millisecond. */
		for (nsec_t t = 1; t <= 10000; t++)
			while (rate_admit(&due, rates[i], START + t * NSEC_PER_MSEC))
				more++;
		assert_in_range(more, 10 * rates[i], 10 * rates[i] + 10 * rates[i] / 1000 + 1);
	}
}

static void a_rate_that_changes_takes_over(void **state)
{
	_Atomic nsec_t due = 0;
	unsigned n = 0;

	(void)state;
	while (rate_admit(&due, 1000, START))
		n++;
	assert_int_equal(n, 1000);
	assert_false(rate_admit(&due, 10, START));
	assert_false(rate_admit(&due, 10, START + 90 * NSEC_PER_MSEC));
	assert_true(rate_admit(&due, 10, START + 100 * NSEC_PER_MSEC));
	/* An idle time is no credit beyond a second's worth. */
	for (n = 0; rate_admit(&due, 10, START + 3600 * NSEC_PER_SEC);)
		n++;
	assert_int_equal(n, 10);
}

static void connections_are_counted(void **state)
{
	struct source_table *t = source_table_new(1000, 1);
	struct source_hold holds[4] = {}, other = {};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(take(t, 1, &three, START, &holds[i]), SOURCE_ADMITTED);
	assert_int_equal(take(t, 1, &three, START, &holds[3]), SOURCE_LIMITED);
	assert_false(holds[3].tracked);
	assert_int_equal(take(t, 2, &three, START, &other), SOURCE_ADMITTED);
	source_table_release(t, &holds[1]);
	source_table_release(t, &holds[1]); /* holds nothing any more */
	assert_int_equal(take(t, 1, &three, START, &holds[1]), SOURCE_ADMITTED);
	assert_int_equal(take(t, 1, &three, START, &holds[3]), SOURCE_LIMITED);
	/* Limits come with each call: another one counts what is held by the old. */
	assert_int_equal(take(t, 1, &(struct source_limits){.connections = 4}, START, &holds[3]),
			 SOURCE_ADMITTED);
	for (unsigned i = 0; i < 4; i++)
		source_table_release(t, &holds[i]);
	source_table_release(t, &other);
	source_table_free(t);
}

static void refused_ones_count_for_nothing(void **state)
{
	const struct source_limits limits = {.connections = 5, .rate = 2};
	struct source_table *t = source_table_new(1000, 1);
	struct source_table_stats stats;
	struct source_hold hold = {};

	(void)state;
	assert_int_equal(take(t, 1, &limits, START, &hold), SOURCE_ADMITTED);
	source_table_release(t, &hold);
	assert_int_equal(take(t, 1, &limits, START, &hold), SOURCE_ADMITTED);
	source_table_undo(t, &hold, limits.rate);
	assert_int_equal(take(t, 1, &limits, START, &hold), SOURCE_ADMITTED);
	source_table_release(t, &hold);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(take(t, 1, &limits, START, &hold), SOURCE_TOO_FAST);
	assert_int_equal(take(t, 1, &limits, START + 500 * NSEC_PER_MSEC, &hold), SOURCE_ADMITTED);
	source_table_release(t, &hold);
	source_table_stats(t, &stats);
	assert_int_equal(stats.n_holding, 0);
	source_table_free(t);
}

/* One set alone: the eighth source finds no entry, and is let in. */
static void a_full_set_lets_strangers_in(void **state)
{
	const struct source_limits limits = {.connections = 1, .rate = 10};
	struct source_table *t = source_table_new(1, 1);
	struct source_hold holds[SOURCE_SET_ENTRIES] = {}, stranger = {};
	struct source_table_stats stats;

	(void)state;
	for (uint32_t i = 0; i < SOURCE_SET_ENTRIES; i++)
		assert_int_equal(take(t, i, &limits, START, &holds[i]), SOURCE_ADMITTED);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(take(t, 1000, &limits, START, &stranger), SOURCE_ADMITTED);
		assert_false(stranger.tracked);
		source_table_release(t, &stranger);
	}
	source_table_stats(t, &stats);
	assert_int_equal(stats.n_entries, SOURCE_SET_ENTRIES);
	assert_int_equal(stats.n_holding, SOURCE_SET_ENTRIES);
	assert_int_equal(stats.n_untracked, 3);
	assert_int_equal(take(t, 0, &limits, START, &stranger), SOURCE_LIMITED);
	/* What holds nothing still is not free before its rate has recovered. */
	source_table_release(t, &holds[3]);
	assert_int_equal(take(t, 1000, &limits, START, &stranger), SOURCE_ADMITTED);
	assert_false(stranger.tracked);
	assert_int_equal(take(t, 1000, &limits, START + NSEC_PER_SEC, &stranger), SOURCE_ADMITTED);
	assert_true(stranger.tracked);
	assert_int_equal(take(t, 1000, &limits, START + NSEC_PER_SEC, &holds[3]), SOURCE_LIMITED);
	source_table_release(t, &stranger);
	for (uint32_t i = 0; i < SOURCE_SET_ENTRIES; i++)
		source_table_release(t, &holds[i]);
	source_table_free(t);
}

/* As many sources as there are entries in the fullest table: few find their set full. */
static void sources_spread(void **state)
{
	enum { N = 20000 };
	static struct source_hold holds[N];
	struct source_table *t = source_table_new(4 * N, 77);
	struct source_table_stats stats;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(take(t, i, &three, START, &holds[i]), SOURCE_ADMITTED);
	source_table_stats(t, &stats);
	assert_in_range(stats.n_untracked, 0, N / 500);
	assert_int_equal(stats.n_holding + stats.n_untracked, N);
	for (uint32_t i = 0; i < N; i++)
		source_table_release(t, &holds[i]);
	source_table_stats(t, &stats);
	assert_int_equal(stats.n_holding, 0);
	source_table_free(t);
}

static void the_top_is_told(void **state)
{
	static const unsigned counts[] = {1, 9, 3, 9, 0, 2};
	struct source_table *t = source_table_new(1000, 1);
	struct source_hold holds[32];
	struct source_info infos[4];
	uint8_t ip[16];
	size_t n = 0;

	(void)state;
	assert_int_equal(source_table_top(t, infos, 4), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(counts); i++)
		for (unsigned j = 0; j < counts[i]; j++)
			take(t, i, &(struct source_limits){.connections = 100}, START, &holds[n++]);
	assert_int_equal(source_table_top(t, infos, 4), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(infos[i].held, ((const unsigned[]){9, 9, 3, 2})[i]);
	source_of(2, ip);
	assert_memory_equal(infos[2].source, ip, 16);
	assert_int_equal(source_table_top(t, infos, 1), 1);
	assert_int_equal(infos[0].held, 9);
	assert_int_equal(source_table_top(t, infos, 0), 0);
	while (n)
		source_table_release(t, &holds[--n]);
	assert_int_equal(source_table_top(t, infos, 4), 0);
	source_table_free(t);
}

static void *take_and_release(void *table)
{
	const struct source_limits limits = {.connections = N_THREADS - 1};
	uintptr_t refused = 0;

	for (unsigned i = 0; i < N_TAKES; i++) {
		struct source_hold hold = {};

		refused += take(table, i % 3, &limits, START, &hold) != SOURCE_ADMITTED;
		source_table_release(table, &hold);
	}
	return (void *)refused;
}

static void workers_share_it(void **state)
{
	struct source_table *t = source_table_new(1, 1);
	struct source_table_stats stats;
	pthread_t threads[N_THREADS];

	(void)state;
	for (unsigned i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_release, t), 0);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	source_table_stats(t, &stats);
	assert_int_equal(stats.n_holding, 0);
	assert_int_equal(stats.n_untracked, 0);
	source_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_exact),
		cmocka_unit_test(a_rate_that_changes_takes_over),
		cmocka_unit_test(connections_are_counted),
		cmocka_unit_test(refused_ones_count_for_nothing),
		cmocka_unit_test(a_full_set_lets_strangers_in),
		cmocka_unit_test(sources_spread),
		cmocka_unit_test(the_top_is_told),
		cmocka_unit_test(workers_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
