// SPDX-License-Identifier: BSD-2-Clause
/* Maglev tables: exact shares, agreement, and what a change of the set moves. */
#include <string.h>

#include "choice.h"

static const size_t set_sizes[] = {3, 10, 100, 1000};

static uint16_t *build(const struct maglev_member *members, size_t n, uint32_t size, uint64_t seed)
{
	uint16_t *table = calloc(size, sizeof(table[0]));

	assert_non_null(table);
	assert_int_equal(maglev_build(table, size, seed, members, n), 0);
	return table;
}

static void sizes_are_prime(void **state)
{
	(void)state;
	assert_int_equal(maglev_sizes[0], 65537);
	for (size_t i = 0; maglev_sizes[i]; i++)
		for (uint32_t d = 2; d * d <= maglev_sizes[i]; d++)
			assert_int_not_equal(maglev_sizes[i] % d, 0);
}

/* The largest remainders, and no others, are rounded up. */
static void check_shares(const struct set *s, const uint16_t *table, uint32_t size)
{
	uint64_t least_up = UINT64_MAX, most_down = 0;
	uint32_t counts[SET_MAX + 2];

	count_slots(table, size, s->n, counts);
	assert_int_equal(counts[s->n], 0);
	for (size_t i = 0; i < s->n; i++) {
		uint64_t product = (uint64_t)size * s->members[i].weight;
		uint64_t whole = product / s->total, remainder = product % s->total;

		if (counts[i] == whole) {
			most_down = remainder > most_down ? remainder : most_down;
			continue;
		}
		assert_int_equal(counts[i], whole + 1);
		least_up = remainder < least_up ? remainder : least_up;
	}
	assert_true(least_up >= most_down);
	assert_int_not_equal(least_up, 0);
}

static void shares_are_exact(void **state)
{
	static const uint32_t sizes[] = {65537, 251, 16381};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(set_sizes); i++)
		for (enum weights w = 0; w < N_WEIGHTS; w++)
			for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
				struct set *s = set_new(set_sizes[i], w);
				uint16_t *table = build(s->members, s->n, sizes[j], j);

				check_shares(s, table, sizes[j]);
				free(table);
				free(s);
			}
}

static void extreme_weights(void **state)
{
	struct set *s = set_new(0, EQUAL);
	uint16_t *table;

	(void)state;
	table = build(s->members, s->n, 251, 1);
	for (uint32_t i = 0; i < 251; i++)
		assert_int_equal(table[i], MAGLEV_NONE);
	free(table);

	set_add(s, 0);
	table = build(s->members, s->n, 251, 1);
	for (uint32_t i = 0; i < 251; i++)
		assert_int_equal(table[i], MAGLEV_NONE);
	free(table);

	set_add(s, 65535);
	table = build(s->members, s->n, 251, 1);
	for (uint32_t i = 0; i < 251; i++)
		assert_int_equal(table[i], 1);
	free(table);

	for (size_t i = 0; i < 900; i++)
		set_add(s, i % 2 ? 65535 : 1);
	table = build(s->members, s->n, 65537, 1);
	check_shares(s, table, 65537);
	free(table);
	table = build(s->members, s->n, 251, 1); /* more members than slots */
	check_shares(s, table, 251);
	free(table);
	free(s);
}

static void order_is_irrelevant(void **state)
{
	struct rng r = rng_for_property("order_is_irrelevant");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(set_sizes); i++)
		for (enum weights w = 0; w < N_WEIGHTS; w++) {
			struct set *s = set_new(set_sizes[i], w);
			struct maglev_member *shuffled = calloc(s->n, sizeof(shuffled[0]));
			uint64_t seed = rng_next(&r);
			uint16_t *a, *b;

			assert_non_null(shuffled);
			memcpy(shuffled, s->members, s->n * sizeof(shuffled[0]));
			shuffle(shuffled, s->n, &r);
			a = build(s->members, s->n, TABLE_SIZE, seed);
			b = build(shuffled, s->n, TABLE_SIZE, seed);
			for (uint32_t slot = 0; slot < TABLE_SIZE; slot++)
				assert_ptr_equal(s->members[a[slot]].name, shuffled[b[slot]].name);
			free(a);
			free(b);
			free(shuffled);
			free(s);
		}
}

/* Weights are proportions: ten times all of them is the same file. */
static void scale_is_irrelevant(void **state)
{
	struct set *s = set_new(100, MIXED);
	uint16_t *a = build(s->members, s->n, TABLE_SIZE, 7), *b;

	(void)state;
	for (size_t i = 0; i < s->n; i++)
		s->members[i].weight *= 10;
	b = build(s->members, s->n, TABLE_SIZE, 7);
	assert_memory_equal(a, b, TABLE_SIZE * sizeof(a[0]));
	free(a);
	free(b);
	free(s);
}

static void seeds_and_names_matter(void **state)
{
	struct set *s = set_new(10, EQUAL);
	uint16_t *a = build(s->members, s->n, TABLE_SIZE, 7);
	uint16_t *b = build(s->members, s->n, TABLE_SIZE, 8);
	uint32_t same = 0;

	(void)state;
	for (uint32_t slot = 0; slot < TABLE_SIZE; slot++)
		same += a[slot] == b[slot];
	assert_in_range(same, TABLE_SIZE / 10 - 400, TABLE_SIZE / 10 + 400); /* as by chance */
	free(b);

	s->members[4].name = "another";
	b = build(s->members, s->n, TABLE_SIZE, 7);
	same = 0;
	for (uint32_t slot = 0; slot < TABLE_SIZE; slot++)
		same += a[slot] == 4 && b[slot] == 4;
	assert_true(same < TABLE_SIZE / 10 / 4); /* of its tenth */
	free(a);
	free(b);
	free(s);
}

/*
 * A fleet agrees only as long as the table of a file stays what it is. When this fails, old and new
 * versions of lb4 cannot serve side by side: say so in the release, or undo the change. The sums
 * were found by a second implementation as well, with exact fractions for the turns.
 */
static void tables_stay_what_they_are(void **state)
{
	static const struct {
		size_t n;
		enum weights weights;
		uint64_t sum;
	} cases[] = {
		{3, EQUAL, 0x19d25a2d07ea9caaULL},
		{10, MIXED, 0xc7bd557ca4d560f6ULL},
		{1000, SKEWED, 0x40d5b29e1acd26e3ULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct set *s = set_new(cases[i].n, cases[i].weights);
		uint16_t *table = build(s->members, s->n, TABLE_SIZE, DEFAULT_SEED);
		uint64_t sum = 0;

		for (uint32_t slot = 0; slot < TABLE_SIZE; slot++)
			sum = lb4_mix64(sum + table[slot] + 1);
		assert_int_equal(sum, cases[i].sum);
		free(table);
		free(s);
	}
}

struct change {
	double moved, least, worst_excess; /* fractions of the table */
};

/* `least` is what the shares themselves demand. */
static void add_up(const uint16_t *before, const uint16_t *after, size_t n, struct change *sum)
{
	uint32_t counts[2][SET_MAX + 2], moved = 0, least = 0;
	double excess;

	count_slots(before, TABLE_SIZE, n, counts[0]);
	count_slots(after, TABLE_SIZE, n, counts[1]);
	for (size_t i = 0; i < n; i++)
		if (counts[1][i] > counts[0][i])
			least += counts[1][i] - counts[0][i];
	for (uint32_t slot = 0; slot < TABLE_SIZE; slot++)
		moved += before[slot] != after[slot];
	assert_true(moved >= least);

	sum->moved += (double)moved / TABLE_SIZE;
	sum->least += (double)least / TABLE_SIZE;
	excess = (double)(moved - least) / TABLE_SIZE;
	if (excess > sum->worst_excess)
		sum->worst_excess = excess;
}

enum change_kind { REMOVED, ADDED, DOUBLED, N_CHANGES };

static const char *const change_names[] = {"remove", "add", "double"};

static uint16_t *build_changed(const struct set *s, size_t who, enum change_kind kind,
			       uint64_t seed)
{
	struct set changed = *s;

	if (kind == ADDED)
		set_add(&changed, s->members[who].weight);
	else
		changed.members[who].weight = kind == REMOVED ? 0 : 2 * s->members[who].weight;
	return build(changed.members, changed.n, TABLE_SIZE, seed);
}

static void measure_changes(size_t n, enum weights weights)
{
	enum { TRIALS = 4 };
	struct change sums[N_CHANGES] = {};
	struct set *s = set_new(n, weights);

	for (size_t trial = 0; trial < TRIALS; trial++) {
		/* The light and the heavy, the first and the late. */
		size_t who = (trial * n / TRIALS + 3 + trial % 2) % n;
		uint16_t *before = build(s->members, n, TABLE_SIZE, trial);

		for (enum change_kind kind = 0; kind < N_CHANGES; kind++) {
			uint16_t *after = build_changed(s, who, kind, trial);

			add_up(before, after, n + 1, &sums[kind]);
			free(after);
		}
		free(before);
	}
	for (enum change_kind kind = 0; kind < N_CHANGES; kind++) {
		const struct change *c = &sums[kind];

		printf("  %5zu  %-7s %-7s %8.3f %8.3f %8.3f %8.3f\n", n, weights_names[weights],
		       change_names[kind], 100 * c->moved / TRIALS, 100 * c->least / TRIALS,
		       100 * (c->moved - c->least) / TRIALS, 100 * c->worst_excess);
		assert_true(c->worst_excess < (weights == SKEWED ? 0.015 : 0.009));
	}
	free(s);
}

static void disruption(void **state)
{
	(void)state;
	printf("moved by a change of the set, %% of %d slots (4 seeds and members each)\n"
	       "      n  weights change     moved    least   excess    worst\n",
	       TABLE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(set_sizes); i++)
		for (enum weights w = 0; w < N_WEIGHTS; w++)
			measure_changes(set_sizes[i], w);
}

static void balance(void **state)
{
	(void)state;
	printf("slots of a member over size * weight / total, %d slots\n"
	       "      n  weights   max/fair   min/fair\n",
	       TABLE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(set_sizes); i++)
		for (enum weights w = 0; w < N_WEIGHTS; w++) {
			struct set *s = set_new(set_sizes[i], w);
			uint16_t *table = build(s->members, s->n, TABLE_SIZE, DEFAULT_SEED);
			uint32_t counts[SET_MAX + 2];
			double max = 0, min = 9;

			count_slots(table, TABLE_SIZE, s->n, counts);
			for (size_t k = 0; k < s->n; k++) {
				double fair = (double)TABLE_SIZE * s->members[k].weight /
					      (double)s->total;
				double load = counts[k] / fair;

				max = load > max ? load : max;
				min = load < min ? load : min;
				assert_true(counts[k] < fair + 1 && counts[k] > fair - 1);
			}
			printf("  %5zu  %-7s %10.5f %10.5f\n", s->n, weights_names[w], max, min);
			free(table);
			free(s);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_prime),
		cmocka_unit_test(shares_are_exact),
		cmocka_unit_test(extreme_weights),
		cmocka_unit_test(order_is_irrelevant),
		cmocka_unit_test(scale_is_irrelevant),
		cmocka_unit_test(seeds_and_names_matter),
		cmocka_unit_test(tables_stay_what_they_are),
		cmocka_unit_test(balance),
		cmocka_unit_test(disruption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
