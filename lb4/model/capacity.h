/* SPDX-License-Identifier: BSD-2-Clause */
/* How many connections there may be, when each takes two descriptors, or is parked and takes none. */
#pragma once

#include <stdint.h>

/* Of one process; more needs another kind of table. */
#define CAPACITY_MAX (1u << 20)

struct capacity_question {
	uint64_t descriptors;  /* RLIMIT_NOFILE */
	uint64_t kept;	       /* of them, for what is no connection */
	uint32_t wanted;       /* connections; 0: as many as there is room for */
	uint32_t table_places; /* connections that one table parks, for one descriptor; 0: none */
	unsigned n_workers;
};

struct capacity {
	uint32_t connections; /* all workers together */
	/*
	 * Of each worker: connections that have their descriptors. Past the first number the
	 * coldest are parked, and at the second it accepts no more. Both are 0 when all connections
	 * fit into the descriptors, or nothing can be parked.
	 */
	uint32_t park_above, awake_max;
};

struct capacity capacity_divide(const struct capacity_question *q);
