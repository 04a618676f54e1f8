/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of clients when one table takes the place of another. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pool_table.h"

struct table_change {
	uint32_t moved;	   /* slots that have another owner; all of them when the sizes differ */
	uint32_t minimum;  /* the least that any table with the same shares would move */
	double redirected; /* share of new connections that go elsewhere, 0 to 1 */
};

/*
 * `map` as for pool_table_moved(). With `redrawn` the slot of a connection has nothing to do with
 * the one it had, so that only the shares say who meets whom. 0 or -ENOMEM.
 */
int table_change_measure(const struct pool_table *before, const struct pool_table *after,
			 const uint16_t *map, bool redrawn, struct table_change *ret);
