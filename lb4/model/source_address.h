/* SPDX-License-Identifier: BSD-2-Clause */
/* The addresses that backends are connected from: ranges, used in turn. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "prefix_list.h"

#define SOURCE_RANGE_MAX 65536u /* addresses of one prefix */

/* How many addresses of `family` the list has. */
uint64_t source_address_count(const struct prefix_list *l, enum address_family family);

/* The address of that family at `n`, counted round and round, with port 0. False: none has it. */
bool source_address_pick(const struct prefix_list *l, enum address_family family, uint64_t n,
			 struct address *ret);
