/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What data paths look connections up in: slot → member; of a service that does not hash, whom to
 * choose from. Made by a pool on main, immutable afterwards, counted; any thread that holds a
 * reference reads it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "balance.h"
#include "maglev.h"

#define POOL_WALK_MAX 64 /* attempts, then a linear search from the slot */

struct pool_table {
	_Atomic uint32_t refs;
	uint32_t size; /* 0: there are no slots, `balance` chooses */
	uint32_t n_members;
	uint32_t n_eligible;
	bool *eligible; /* of each member, when the table was made */
	uint8_t *steps; /* of BALANCE_STEPS parts of its slots, how many each member has taken */
	uint16_t *base; /* walked for further candidates */
	uint16_t *live; /* slot → member, MAGLEV_NONE when nobody is eligible */
	bool steps_are_void; /* nobody would be left */
	uint64_t seed;
	struct balance *balance; /* NULL: Maglev */
};

struct pool_table *pool_table_ref(struct pool_table *t);
struct pool_table *pool_table_unref(struct pool_table *t);

/*
 * Copies `base` (`size` entries), `eligible` and `steps` (`n_members`; NULL: everybody has all
 * parts) and flattens the walk into the live table. Unless nobody is eligible, some eligible member
 * owns a slot of `base` and every slot has an owner. NULL when memory is short.
 *
 * Who has not taken all parts of its slots yet owns those whose own hash falls into them. The others
 * are walked as if it was out, and so is whoever meets them: it gets its part of the weight, a step
 * moves slots to it alone, and with the last step the table is what it is without steps. Somebody
 * eligible should have taken all; when nobody with an open slot is left, steps do not count.
 */
struct pool_table *pool_table_new(uint64_t seed, const uint16_t *base, uint32_t size,
				  const bool *eligible, const uint8_t *steps, uint32_t n_members);

/*
 * Of a service that does not hash: no slots. Who is not eligible has no steps. NULL when memory is
 * short.
 */
struct pool_table *pool_table_new_balanced(enum balance_kind kind, const uint32_t *weights,
					   const bool *eligible, const uint8_t *steps,
					   uint32_t n_members);

/* Whether `slot` is among those that its base owner has taken. */
bool pool_table_is_taken(const struct pool_table *t, uint32_t slot);

/*
 * The candidates for one connection, in order: the slot's owner, then the walk. `tried` lists the
 * `n_tried` members already tried; the answer is none of them. MAGLEV_NONE when nobody is left.
 * Members whose weight was too small for a slot of the base are candidates for nobody. Allocates
 * nothing; without `tried` it is one load.
 */
uint16_t pool_table_choose(const struct pool_table *t, uint32_t slot, const uint16_t *tried,
			   size_t n_tried);

/*
 * How many slots have another owner in `t` than in `before`, whose member i is member map[i] of `t`
 * (MAGLEV_NONE: it is gone); `map` NULL: the same indices. All of them when the sizes differ.
 */
uint32_t pool_table_moved(const struct pool_table *t, const struct pool_table *before,
			  const uint16_t *map);
