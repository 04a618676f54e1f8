// SPDX-License-Identifier: BSD-2-Clause
/* The choices without a hash: distributions with a fixed seed, turns, loads, who was tried. */
#include <math.h>

#include "balance.h"
#include "choice.h"

#define N_MAX 64

static uint32_t loads[N_MAX];
static uint8_t whole[N_MAX];

static uint32_t load_of(const void *context, uint16_t member)
{
	return ((const uint32_t *)context)[member];
}

static struct balance *balance_of(enum balance_kind kind, const uint32_t *weights, uint32_t n)
{
	struct balance *b;

	memset(loads, 0, sizeof(loads));
	memset(whole, BALANCE_STEPS, sizeof(whole));
	b = balance_new(kind, weights, whole, n);
	assert_non_null(b);
	return b;
}

static uint16_t choose(const struct balance *b, const uint16_t *tried, size_t n_tried,
		       struct rng *r, uint64_t turn)
{
	return balance_choose(b, &(struct balance_question){
					 .tried = tried,
					 .n_tried = n_tried,
					 .random = rng_next(r),
					 .turn = turn,
					 .load = load_of,
					 .context = loads,
				 });
}

/* Within 5 standard deviations of n draws with that probability. */
static void assert_drawn(uint32_t got, uint32_t n, double probability)
{
	double expected = n * probability;

	assert_true((got - expected) * (got - expected) <= 25 * expected * (1 - probability));
}

static const uint32_t some_weights[] = {1, 2, 0, 3, 10, 1};
#define N_SOME	 6
#define SUM_SOME 17.0

/* Equally loaded, least-connections and two-choices go by weight. */
static void draws_go_by_weight(void **state)
{
	enum { DRAWS = 100000 };

	(void)state;
	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		struct balance *b = balance_of(k, some_weights, N_SOME);
		struct rng r = {.state = 1};
		uint32_t met[N_SOME] = {};

		for (uint32_t i = 0; i < DRAWS; i++)
			met[choose(b, NULL, 0, &r, i)]++;
		for (uint32_t i = 0; i < N_SOME; i++)
			if (k != BALANCE_ROUND_ROBIN)
				assert_drawn(met[i], DRAWS, some_weights[i] / SUM_SOME);
		balance_free(b);
	}
}

/* Of those that are left as well; whoever was tried never comes again. */
static void the_tried_are_left_out(void **state)
{
	static const uint16_t tried[] = {4, 0, 4, 2};
	enum { DRAWS = 20000 };

	(void)state;
	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		struct balance *b = balance_of(k, some_weights, N_SOME);
		struct rng r = {.state = 2};
		uint32_t met[N_SOME] = {};

		for (uint32_t i = 0; i < DRAWS; i++)
			met[choose(b, tried, 4, &r, i)]++;
		assert_int_equal(met[0] + met[2] + met[4], 0);
		if (k != BALANCE_ROUND_ROBIN) {
			assert_drawn(met[1], DRAWS, 2 / 6.0);
			assert_drawn(met[3], DRAWS, 3 / 6.0);
			assert_drawn(met[5], DRAWS, 1 / 6.0);
		}
		balance_free(b);
	}
}

/* The retry order of a connection meets everybody once, then nobody. */
static void retries_meet_everybody_once(void **state)
{
	static const uint32_t weights[] = {5, 1, 65535, 7, 2, 9, 300, 1};
	struct rng r = rng_for_property("retries_meet_everybody_once");

	(void)state;
	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		struct balance *b = balance_of(k, weights, 8);

		for (unsigned trial = 0; trial < 500; trial++) {
			uint16_t tried[8];
			unsigned met = 0;
			uint64_t turn = rng_next(&r);

			for (unsigned i = 0; i < 8; i++)
				loads[i] = rng_below(&r, 4);
			for (size_t i = 0; i < 8; i++) {
				tried[i] = choose(b, tried, i, &r, turn + i);
				assert_in_range(tried[i], 0, 7);
				met |= 1u << tried[i];
			}
			assert_int_equal(met, 0xff);
			assert_int_equal(choose(b, tried, 8, &r, turn), MAGLEV_NONE);
		}
		balance_free(b);
	}
}

static void equals_come_in_turn(void **state)
{
	static const uint32_t weights[] = {7, 7, 0, 7};
	struct balance *b = balance_of(BALANCE_ROUND_ROBIN, weights, 4);
	static const uint16_t order[] = {0, 1, 3};
	struct rng r = {};

	(void)state;
	assert_int_equal(b->n_order, 3);
	for (uint64_t turn = 0; turn < 30; turn++)
		assert_int_equal(choose(b, NULL, 0, &r, turn), order[turn % 3]);
	/* Who was tried is passed over. */
	assert_int_equal(choose(b, (uint16_t[]){1}, 1, &r, 1), 3);
	assert_int_equal(choose(b, (uint16_t[]){3, 0}, 2, &r, 2), 1);
	balance_free(b);
}

/*
 * Any stretch of a cycle holds as many turns of each as its weight asks for. Each member's turns are
 * where they should be to one, so all together are to n, and that at both ends of the stretch.
 */
static void turns_are_smooth(void **state)
{
	struct rng r = rng_for_property("turns_are_smooth");

	(void)state;
	for (unsigned trial = 0; trial < 40; trial++) {
		uint32_t n = 1 + rng_below(&r, 12), weights[12], met[12], sum = 0;
		struct balance *b;

		for (uint32_t i = 0; i < n; i++)
			sum += weights[i] = 1 + rng_below(&r, 40);
		b = balance_of(BALANCE_ROUND_ROBIN, weights, n);
		assert_int_equal(sum % b->n_order, 0);
		for (uint32_t from = 0; from < b->n_order; from++) {
			memset(met, 0, sizeof(met));
			for (uint32_t i = 0; i < b->n_order; i++) {
				met[b->order[(from + i) % b->n_order]]++;
				for (uint32_t k = 0; from % 7 == 0 && k < n; k++) {
					double share = (double)weights[k] / sum;

					assert_true(fabs(met[k] - (i + 1) * share) <=
						    2 + 2 * n * share);
				}
			}
			for (uint32_t k = 0; k < n; k++)
				assert_int_equal(met[k], weights[k] * b->n_order / sum);
		}
		balance_free(b);
	}
}

/* A cycle has an end, and everybody is in it. */
static void odd_weights_are_rounded(void **state)
{
	static const uint32_t weights[] = {65535, 65533, 1};
	struct balance *b = balance_of(BALANCE_ROUND_ROBIN, weights, 3);
	uint32_t met[3] = {};

	(void)state;
	assert_in_range(b->n_order, BALANCE_ORDER_MAX - 3, BALANCE_ORDER_MAX + 3);
	for (uint32_t i = 0; i < b->n_order; i++)
		met[b->order[i]]++;
	assert_in_range(met[0], BALANCE_ORDER_MAX / 2 - 2, BALANCE_ORDER_MAX / 2 + 2);
	assert_in_range(met[1], BALANCE_ORDER_MAX / 2 - 2, BALANCE_ORDER_MAX / 2 + 2);
	assert_int_equal(met[2], 1);
	balance_free(b);
}

static void the_least_loaded_for_its_weight(void **state)
{
	static const uint32_t weights[] = {1, 3, 65535, 65534};
	struct balance *b = balance_of(BALANCE_LEAST_CONNECTIONS, weights, 4);
	struct rng r = {.state = 3};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		memcpy(loads, (uint32_t[]){0, 1, 1, 1}, 4 * sizeof(loads[0]));
		assert_int_equal(choose(b, NULL, 0, &r, 0), 0);
		memcpy(loads, (uint32_t[]){1, 2, 65535, 65535}, 4 * sizeof(loads[0]));
		assert_int_equal(choose(b, NULL, 0, &r, 0), 1);
		/* Exactly: a division would not tell these apart. */
		memcpy(loads, (uint32_t[]){9, 9, 65534, 65534}, 4 * sizeof(loads[0]));
		assert_int_equal(choose(b, NULL, 0, &r, 0), 2);
		memcpy(loads, (uint32_t[]){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX - 65538},
		       4 * sizeof(loads[0]));
		assert_int_equal(choose(b, NULL, 0, &r, 0), 3);
	}
	balance_free(b);
}

/*
 * Connections that stay, from several workers that each saw loads a few choices ago: they end up by
 * weight. Chance alone would be off by tens.
 */
static void fills_by_weight(void **state)
{
	enum { N = 50, PER_UNIT = 40, LAG = 8 };
	static const double off[] = {
		[BALANCE_LEAST_CONNECTIONS] = LAG, [BALANCE_TWO_CHOICES] = LAG + 5};

	(void)state;
	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		uint32_t weights[N], real[N] = {}, n = 0;
		struct rng r = {.state = 4};
		struct balance *b;

		if (k == BALANCE_ROUND_ROBIN)
			continue;
		for (uint32_t i = 0; i < N; i++)
			n += PER_UNIT * (weights[i] = 1 + i % 3);
		b = balance_of(k, weights, N);
		for (uint32_t i = 0; i < n; i++) {
			if (i % LAG == 0)
				memcpy(loads, real, sizeof(real));
			real[choose(b, NULL, 0, &r, 0)]++;
		}
		for (uint32_t i = 0; i < N; i++)
			assert_true(fabs(real[i] - (double)PER_UNIT * weights[i]) <= off[k]);
		balance_free(b);
	}
}

/* In a slow start part of the weight counts, in everything. */
static void steps_count(void **state)
{
	static const uint32_t weights[] = {2, 2, 1};
	static const uint8_t steps[] = {BALANCE_STEPS, 1, 0};
	enum { DRAWS = 20000 };
	struct rng r = {.state = 5};

	(void)state;
	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		struct balance *b = balance_new(k, weights, steps, 3);
		uint32_t met[3] = {};

		assert_non_null(b);
		memset(loads, 0, sizeof(loads));
		for (uint32_t i = 0; i < DRAWS; i++)
			met[choose(b, NULL, 0, &r, i)]++;
		assert_drawn(met[1], DRAWS, 1 / 11.0);
		assert_int_equal(met[2], 0);
		assert_true(fabs(balance_share(b, 0) - 10 / 11.0) < 1e-9);
		assert_true(balance_share(b, 2) == 0 && balance_share(b, 9) == 0);
		/* Ten connections on the one weigh what one weighs on the other. */
		loads[0] = 11;
		loads[1] = 1;
		if (k == BALANCE_LEAST_CONNECTIONS)
			assert_int_equal(choose(b, NULL, 0, &r, 0), 1);
		balance_free(b);
	}
}

static void nobody_and_one(void **state)
{
	static const uint32_t weights[] = {0, 4, 0};
	struct rng r = {.state = 6};

	(void)state;
	for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES; k++) {
		struct balance *b = balance_of(k, weights, 3);

		for (uint64_t turn = 0; turn < 10; turn++)
			assert_int_equal(choose(b, NULL, 0, &r, turn), 1);
		assert_int_equal(choose(b, (uint16_t[]){1}, 1, &r, 0), MAGLEV_NONE);
		balance_free(b);
		b = balance_of(k, weights, 1);
		assert_int_equal(choose(b, NULL, 0, &r, 0), MAGLEV_NONE);
		balance_free(b);
		b = balance_of(k, NULL, 0);
		assert_int_equal(choose(b, NULL, 0, &r, 0), MAGLEV_NONE);
		balance_free(b);
	}
}

/* Printed, not judged: machines differ. */
static void costs(void **state)
{
	static const size_t sizes[] = {3, 10, 100, 1000};
	enum { CHOICES = 20000 };

	(void)state;
	printf("nanoseconds a choice takes\n      n  least-connections  round-robin  "
	       "two-choices\n");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t *weights = calloc(sizes[i], sizeof(*weights));
		uint32_t *load = calloc(sizes[i], sizeof(*load));
		uint8_t *steps = malloc(sizes[i]);
		unsigned took[BALANCE_TWO_CHOICES + 1];
		struct rng r = {.state = 7};

		assert_true(weights && load && steps);
		memset(steps, BALANCE_STEPS, sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++) {
			weights[k] = 1 + rng_below(&r, 10);
			load[k] = rng_below(&r, 1000);
		}
		for (enum balance_kind k = BALANCE_LEAST_CONNECTIONS; k <= BALANCE_TWO_CHOICES;
		     k++) {
			struct balance *b = balance_new(k, weights, steps, (uint32_t)sizes[i]);
			nsec_t start = clock_now();

			assert_non_null(b);
			for (uint64_t c = 0; c < CHOICES; c++) {
				struct balance_question q = {
					.random = rng_next(&r),
					.turn = c,
					.load = load_of,
					.context = load,
				};

				assert_true(balance_choose(b, &q) < sizes[i]);
			}
			took[k] = (unsigned)((clock_now() - start) / CHOICES);
			balance_free(b);
		}
		printf("  %5zu %18u %12u %12u\n", sizes[i], took[BALANCE_LEAST_CONNECTIONS],
		       took[BALANCE_ROUND_ROBIN], took[BALANCE_TWO_CHOICES]);
		free(weights);
		free(load);
		free(steps);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draws_go_by_weight),
		cmocka_unit_test(the_tried_are_left_out),
		cmocka_unit_test(retries_meet_everybody_once),
		cmocka_unit_test(equals_come_in_turn),
		cmocka_unit_test(turns_are_smooth),
		cmocka_unit_test(odd_weights_are_rounded),
		cmocka_unit_test(the_least_loaded_for_its_weight),
		cmocka_unit_test(fills_by_weight),
		cmocka_unit_test(steps_count),
		cmocka_unit_test(nobody_and_one),
		cmocka_unit_test(costs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
