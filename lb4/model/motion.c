// SPDX-License-Identifier: BSD-2-Clause
#include "motion.h"

static uint16_t *owner_of(const struct motion_table *t, uint32_t slot)
{
	return &t->ring[slot / LB4_RING_CHUNK].owner[slot % LB4_RING_CHUNK];
}

static struct lb4_motion *motion_of(const struct motion_table *t, uint32_t slot)
{
	return &t->motion[slot / LB4_RING_CHUNK].slot[slot % LB4_RING_CHUNK];
}

uint16_t motion_owner(const struct motion_table *t, uint32_t slot)
{
	return *owner_of(t, slot) & (uint16_t)~LB4_RING_MOVES;
}

/*
 * What programs do in a state follows from `state` and `previous`, which they read one after the
 * other, and only where the ring says so. So these are written before the ring is, and whoever
 * reads the old owner together with the new motion sends a packet where the flow is, as it has been
 * a moment ago.
 */
static void begin_motion(struct lb4_motion *m, uint16_t previous, uint16_t now)
{
	m->previous = previous;
	m->since = m->last = now;
	__atomic_store_n(&m->state, LB4_SLOT_MOVING, __ATOMIC_RELEASE);
}

void motion_give(struct motion_table *t, uint32_t slot, uint16_t owner, bool keep, uint32_t now)
{
	struct lb4_motion *m = motion_of(t, slot);
	uint16_t *place = owner_of(t, slot), was = *place;
	uint16_t old = was & (uint16_t)~LB4_RING_MOVES;

	if (old == owner)
		return;
	/* While the slot moves, flows without a way are those of the first owner: what has begun
	 * since has a way. Those of the one who is no longer the owner may not be forgotten. */
	if (keep && old != LB4_RING_NONE && m->state != LB4_SLOT_MOVING)
		begin_motion(m, old, (uint16_t)now);
	else
		__atomic_store_n(&m->last, (uint16_t)now, __ATOMIC_RELAXED);
	if (m->state != LB4_SLOT_STILL)
		owner |= LB4_RING_MOVES;
	__atomic_store_n(place, owner, __ATOMIC_RELEASE);
}

/* Times are the low bits of ticks, and programs' clocks may be a little ahead. */
static bool is_past(uint16_t since, uint32_t limit, uint32_t now)
{
	int16_t age = (int16_t)((uint16_t)now - since);

	return age > 0 && (uint32_t)age > limit;
}

static void sweep_slot(struct motion_table *t, uint32_t slot, uint32_t idle, uint32_t now)
{
	struct lb4_motion *m = motion_of(t, slot);
	uint16_t last = __atomic_load_n(&m->last, __ATOMIC_RELAXED);

	if (m->state == LB4_SLOT_MOVING && is_past(m->since, idle, now)) {
		m->since = (uint16_t)now;
		__atomic_store_n(&m->state, LB4_SLOT_PINNED, __ATOMIC_RELEASE);
	}
	if (m->state != LB4_SLOT_PINNED || !is_past(last, idle, now))
		return;
	__atomic_store_n(owner_of(t, slot), motion_owner(t, slot), __ATOMIC_RELEASE);
	*m = (struct lb4_motion){};
}

struct motion_census motion_sweep(struct motion_table *t, uint32_t idle, uint32_t now,
				  void (*previous)(void *context, uint16_t owner), void *context)
{
	struct motion_census census = {};

	for (uint32_t slot = 0; slot < t->size; slot++) {
		if (!(*owner_of(t, slot) & LB4_RING_MOVES))
			continue;
		/* Before: one that moved a moment ago may have had its flows heard since. */
		if (motion_of(t, slot)->state == LB4_SLOT_MOVING)
			previous(context, motion_of(t, slot)->previous);
		sweep_slot(t, slot, idle, now);
		census.moving += motion_of(t, slot)->state == LB4_SLOT_MOVING;
		census.pinned += motion_of(t, slot)->state == LB4_SLOT_PINNED;
	}
	return census;
}
