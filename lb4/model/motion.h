/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots of a service of dsr, and their change of owner: what programs do with connections of a slot
 * is told in bpf/dsr.h; here slots go from state to state. The memory is the maps', shared with
 * programs that run at the same time. One thread.
 *
 *   still ──owner changes──→ moving ──for as long as a flow may be silent──→ pinned
 *     ↑                         ↑──────────────owner changes───────────────────┤
 *     └────────────no flow that is not the owner's was seen for as long────────┘
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb4_fastpath.h"

struct motion_table {
	struct lb4_ring_chunk *ring; /* where its slots begin */
	struct lb4_motion_chunk *motion;
	uint32_t size;
};

/*
 * Gives a slot to `owner` (LB4_RING_NONE: to nobody). Flows that are there stay with whom they have
 * when `keep`, and are the new owner's from now on otherwise. `now` in ticks.
 */
void motion_give(struct motion_table *t, uint32_t slot, uint16_t owner, bool keep, uint32_t now);

/* The owner that a slot has; LB4_RING_NONE. */
uint16_t motion_owner(const struct motion_table *t, uint32_t slot);

/* Slots by state. */
struct motion_census {
	uint32_t moving, pinned;
};

/*
 * Looks at all slots: those whose time is over, after `idle` ticks, go on to their next state. Each
 * that may have flows of its previous owner is shown to `previous`.
 */
struct motion_census motion_sweep(struct motion_table *t, uint32_t idle, uint32_t now,
				  void (*previous)(void *context, uint16_t owner), void *context);
