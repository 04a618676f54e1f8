// SPDX-License-Identifier: BSD-2-Clause
/* Services of dsr: their slots change owners by motion.h, and outlive the service until nobody can
 * be there any more. */
#include <arpa/inet.h>
#include <string.h>

#include "placement_private.h"

/* Ways and slots have 16 bits of time, which are compared as numbers with a sign. */
#define LIMIT_MAX 30000u

/* Of what another process has left, nobody says how long. */
#define LIMIT_LEFT (3600 * NSEC_PER_SEC)

/* Marks of connections that may still be in the making are kept for so many epochs. */
#define MARK_EPOCHS 2

static uint32_t limit_of(nsec_t idle_timeout)
{
	uint32_t ticks = flow_ticks_of(idle_timeout);

	return ticks == 0 || ticks > LIMIT_MAX ? LIMIT_MAX : ticks;
}

bool is_dsr_place(const struct placement *p, uint32_t service)
{
	return p->services[service].n_chunks > 0 &&
	       p->maps->services[service].forward != LB4_FORWARD_NAT;
}

bool dsr_hashes_alike(const struct placement *p, uint32_t service, const struct snapshot_service *s)
{
	const struct lb4_service *m = &p->maps->services[service];

	return m->ring_size == s->table->size &&
	       m->hash_source == (s->settings.hash == HASH_SOURCE) &&
	       m->mask_ipv4 == s->settings.mask_ipv4 && m->mask_ipv6 == s->settings.mask_ipv6;
}

static struct motion_table table_of(const struct placement *p, uint32_t service)
{
	return (struct motion_table){
		.ring = p->maps->ring + p->services[service].first,
		.motion = p->maps->motion + p->services[service].first,
		.size = p->maps->services[service].ring_size,
	};
}

static bool leads_to(const struct placement *p, uint32_t service, const struct address *listen)
{
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++)
		if (p->vips[i].used && p->maps->vips[i].service == service &&
		    p->maps->vips[i].port == htons(listen->port) &&
		    memcmp(p->maps->vips[i].address, listen->ip, 16) == 0)
			return true;
	return false;
}

uint32_t dsr_find_left(const struct placement *p, const struct placed_service *s)
{
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++) {
		if (p->services[i].service || !is_dsr_place(p, i) ||
		    !dsr_hashes_alike(p, i, s->service))
			continue;
		for (size_t j = 0; j < s->n_listen; j++)
			if (leads_to(p, i, &s->listen[j]))
				return i;
	}
	return LB4_SERVICES_MAX;
}

/* Connections to it may be in sockets, or flows of nat: whatever looks like one is looked up. */
void dsr_take_vip(struct placement *p, uint32_t service)
{
	memset(p->maps->spliced->marks, lb4_epoch(p->now), LB4_MARKS);
	p->spliced_at = p->now;
	__atomic_store_n(&p->maps->services[service].has_nat, 1, __ATOMIC_RELEASE);
	p->services[service].walked = false;
}

void dsr_write_slots(struct placement *p, uint32_t service, const struct placed_service *s,
		     const uint32_t *places)
{
	const struct pool_table *table = s->service->table;
	struct motion_table slots = table_of(p, service);

	slots.size = table->size;
	for (uint32_t slot = 0; slot < table->size; slot++) {
		uint16_t member = table->live[slot], old = motion_owner(&slots, slot);
		uint16_t owner = member == MAGLEV_NONE ? LB4_RING_NONE : (uint16_t)places[member];
		bool keep = old != LB4_RING_NONE && !p->maps->backends[old].left;

		if (keep && old != owner)
			p->backends[old].moving_before++;
		motion_give(&slots, slot, owner, keep, p->now);
	}
	p->services[service].limit = limit_of(s->service->settings.idle_timeout);
}

bool dsr_linger(struct placement *p, uint32_t service)
{
	struct service_place *place = &p->services[service];
	struct motion_table slots;

	if (!is_dsr_place(p, service))
		return false;
	slots = table_of(p, service);
	if (place->lingers)
		return place->census.moving + place->census.pinned > 0;
	for (uint32_t slot = 0; slot < slots.size; slot++)
		motion_give(&slots, slot, LB4_RING_NONE, true, p->now);
	if (!place->limit)
		place->limit = limit_of(LIMIT_LEFT);
	place->census =
		(struct motion_census){.moving = slots.size}; /* as the next walk will see */
	return true;
}

/* Its connections go on for as long as they may be silent, since nobody knows which they are. */
static bool still_leaves(struct placement *p, uint32_t vip, uint32_t service)
{
	struct vip_place *v = &p->vips[vip];

	if (!v->leaves) {
		v->leaves = true;
		v->left_at = p->now;
		__atomic_store_n(&p->maps->vips[vip].closed, 1, __ATOMIC_RELEASE);
	}
	return (int32_t)(p->now - v->left_at) <= (int32_t)p->services[service].limit;
}

bool dsr_holds_vip(struct placement *p, uint32_t vip, uint32_t wanted)
{
	uint32_t service = p->maps->vips[vip].service;
	bool holds;

	if (service >= LB4_SERVICES_MAX || !is_dsr_place(p, service))
		return false;
	if (service != wanted) {
		holds = !p->services[service].current || still_leaves(p, vip, service);
		if (holds)
			return true;
	}
	p->vips[vip].leaves = false;
	__atomic_store_n(&p->maps->vips[vip].closed, 0, __ATOMIC_RELEASE);
	return false;
}

uint32_t placement_count_way(struct placement *p, const struct lb4_way *way)
{
	struct backend_place *b;

	if (way->backend >= p->maps->n_backends)
		return 0;
	b = &p->backends[way->backend];
	b->ways++;
	return limit_of(b->backend ? b->settings.idle_timeout : LIMIT_LEFT);
}

static void count_previous(void *context, uint16_t owner)
{
	struct placement *p = context;

	if (owner < p->maps->n_backends)
		p->backends[owner].moving++;
}

/* Flows of nat that were there before the service was dsr. */
static bool has_nat(const struct placement *p, uint32_t service)
{
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++)
		if (p->vips[i].used && p->vips[i].flows && p->maps->vips[i].service == service)
			return true;
	return false;
}

static void clear_marks(struct placement *p)
{
	uint8_t now = lb4_epoch(p->now);

	for (uint32_t i = 0; i < LB4_MARKS; i++) {
		uint8_t *mark = &p->maps->spliced->marks[i], was = *mark;

		/* A program may set it anew just now. */
		if (was && (uint8_t)((now + 255 - was) % 255) >= MARK_EPOCHS)
			__atomic_compare_exchange_n(mark, &was, 0, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST);
	}
}

static uint64_t spliced_of(const struct service *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; s && i < s->n_workers; i++)
		n += counter_read(s->counters[i].active);
	return n;
}

/* Slots and connections of one service; connections of it that are in sockets. */
static uint64_t end_count(struct placement *p, uint32_t service)
{
	struct service_place *s = &p->services[service];
	struct motion_table slots = table_of(p, service);

	s->census = motion_sweep(&slots, s->limit, p->now, count_previous, p);
	if (s->walked && p->maps->services[service].has_nat && !has_nat(p, service))
		p->maps->services[service].has_nat = 0;
	p->update_wanted |= s->lingers && s->census.moving + s->census.pinned == 0;
	return spliced_of(s->service);
}

void dsr_end_count(struct placement *p)
{
	uint64_t spliced = 0;
	bool any = false;

	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++) {
		if (!is_dsr_place(p, i))
			continue;
		spliced += end_count(p, i);
		any = true;
	}
	for (uint32_t i = 0; i < p->maps->n_backends; i++) {
		p->backends[i].ways_before = p->backends[i].ways;
		p->backends[i].moving_before = p->backends[i].moving;
	}
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++)
		p->update_wanted |=
			p->vips[i].leaves && !still_leaves(p, i, p->maps->vips[i].service);
	if (spliced > 0)
		p->spliced_at = p->now;
	/* The kernel may be sending what is left of the last of them. */
	if (any && (int32_t)(p->now - p->spliced_at) >= MARK_EPOCHS << LB4_EPOCH_SHIFT)
		clear_marks(p);
}

bool placement_wants_update(const struct placement *p)
{
	return p->update_wanted;
}

size_t placement_lingering(const struct placement *p)
{
	size_t n = 0;

	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		n += p->services[i].lingers;
	return n;
}
