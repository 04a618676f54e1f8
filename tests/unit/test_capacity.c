// SPDX-License-Identifier: BSD-2-Clause
#include "capacity.h"

#include "test.h"

static void divides(void **state)
{
	static const struct {
		struct capacity_question q;
		struct capacity expected;
	} cases[] = {
		/* Nothing can be parked: two descriptors a connection. */
		{{20000, 330, 0, 0, 2}, {9835}},
		{{20000, 330, 5000, 0, 2}, {5000}},
		{{20000, 330, 50000, 0, 2}, {9835}},
		{{256, 330, 0, 0, 2}, {64}},
		{{4, 330, 0, 0, 1}, {1}},
		{{0, 330, 0, 0, 1}, {1}},
		/* What fits is not parked. */
		{{20000, 330, 9835, 8192, 2}, {9835}},
		{{UINT64_MAX, 330, 0, 8192, 2}, {CAPACITY_MAX}},
		/* One table a worker, as large as it may be. */
		{{20000, 330, 0, 8192, 2}, {20000, 2458, 4916}},
		{{20000, 330, 18000, 8192, 2}, {18000, 2458, 4916}},
		{{20000, 330, 0, 8192, 1}, {10000, 4917, 9834}},
		{{20000, 330, 100000, 8192, 2}, {100000, 2457, 4914}},
		{{256, 330, 0, 128, 2}, {256, 15, 31}},
		/* Tables are bounded by descriptors too, and all by what one process is made for. */
		{{1024, 330, 1000000, 512, 64}, {98304, 1, 3}},
		{{1 << 20, 330, 0, 8192, 64}, {CAPACITY_MAX, 4093, 8187}},
		{{64, 330, 0, 32, 64}, {16}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct capacity c = capacity_divide(&cases[i].q);

		assert_int_equal(c.connections, cases[i].expected.connections);
		assert_int_equal(c.park_above, cases[i].expected.park_above);
		assert_int_equal(c.awake_max, cases[i].expected.awake_max);
	}
}

/* Whatever is asked: what all workers have awake, tables and the rest fit into the limit. */
static void never_promises_too_much(void **state)
{
	(void)state;
	for (uint64_t descriptors = 1; descriptors < 1 << 22; descriptors = descriptors * 5 / 4 + 1)
		for (unsigned n_workers = 1; n_workers <= 64; n_workers++)
			for (uint32_t wanted = 0; wanted < 4000000; wanted = 7 * wanted + 1) {
				const struct capacity_question q = {
					descriptors,
					330,
					wanted,
					(uint32_t)(descriptors / 2 < 8192 ? descriptors / 2 : 8192),
					n_workers,
				};
				struct capacity c = capacity_divide(&q);
				uint64_t used = 2 * (c.awake_max ? (uint64_t)c.awake_max * n_workers
								 : c.connections);

				assert_true(c.connections >= 1);
				assert_true(c.connections <= CAPACITY_MAX);
				assert_true(c.park_above <= c.awake_max);
				if (wanted)
					assert_true(c.connections <= wanted);
				if (c.awake_max > 1)
					used += c.connections / q.table_places + n_workers;
				assert_true(descriptors < 4 || c.awake_max == 1 ||
					    used <= descriptors);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(divides),
		cmocka_unit_test(never_promises_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
