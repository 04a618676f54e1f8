// SPDX-License-Identifier: BSD-2-Clause
#include "capacity.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* With tables as large as they may be, one a worker has room for this many. */
static uint64_t room_in_tables(const struct capacity_question *q)
{
	return q->descriptors / 2 * q->n_workers;
}

/* Tables take a descriptor each, which are a quarter of all at most. */
static uint64_t most_in_tables(const struct capacity_question *q)
{
	uint64_t tables = q->descriptors / 4;

	return tables > q->n_workers ? (tables - q->n_workers) * q->table_places : 0;
}

struct capacity capacity_divide(const struct capacity_question *q)
{
	uint64_t kept = smaller(q->kept, q->descriptors / 2);
	uint64_t awake = smaller((q->descriptors - kept) / 2, CAPACITY_MAX);
	uint64_t wanted = q->wanted ? q->wanted : room_in_tables(q);
	uint64_t most = q->table_places ? smaller(most_in_tables(q), CAPACITY_MAX) : 0;
	uint64_t tables;

	if (most <= awake || wanted <= awake) {
		wanted = q->wanted ? smaller(q->wanted, awake) : awake;
		return (struct capacity){.connections = (uint32_t)(wanted ? wanted : 1)};
	}
	wanted = smaller(wanted, most);
	tables = wanted / q->table_places + q->n_workers;
	awake = (q->descriptors - kept - smaller(tables, q->descriptors / 4)) / 2 / q->n_workers;
	return (struct capacity){
		.connections = (uint32_t)wanted,
		.park_above = (uint32_t)(awake / 2),
		.awake_max = (uint32_t)(awake ? awake : 1),
	};
}
