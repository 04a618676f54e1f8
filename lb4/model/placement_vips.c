// SPDX-License-Identifier: BSD-2-Clause
/* Listen addresses in the maps. */
#include <arpa/inet.h>
#include <string.h>

#include "placement_private.h"

static uint32_t find_vip(const struct placement *p, const struct address *a)
{
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++)
		if (p->vips[i].used && p->maps->vips[i].port == htons(a->port) &&
		    same_ip(p->maps->vips[i].address, a->ip))
			return i;
	return LB4_VIP_NONE;
}

static uint32_t take_vip_place(struct placement *p, const struct address *a)
{
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++) {
		if (p->vips[i].used || p->vips[i].listed)
			continue;
		p->vips[i] = (struct vip_place){.used = true};
		p->maps->vips[i] =
			(struct lb4_vip){.port = htons(a->port), .service = LB4_SERVICES_MAX};
		memcpy(p->maps->vips[i].address, a->ip, 16);
		p->vips_changed = true;
		return i;
	}
	return LB4_VIP_NONE;
}

bool vips_place(struct placement *p, const struct address *a, uint32_t service)
{
	uint32_t place = find_vip(p, a);

	if (place == LB4_VIP_NONE)
		place = take_vip_place(p, a);
	if (place == LB4_VIP_NONE)
		return false;
	p->vips[place].current = true;
	if (dsr_holds_vip(p, place, service))
		return true; /* spliced until then */
	if (is_dsr_place(p, service) && p->maps->vips[place].service != service)
		dsr_take_vip(p, service);
	__atomic_store_n(&p->maps->vips[place].service, (uint16_t)service, __ATOMIC_RELEASE);
	return true;
}

static size_t list_entries(struct placement *p)
{
	size_t n = 0;

	for (uint16_t i = 0; i < LB4_VIPS_MAX; i++) {
		struct vip_entry e = {.port = p->maps->vips[i].port, .vip = i};
		bool address_known = false;

		if (!p->vips[i].used)
			continue;
		memcpy(e.address, p->maps->vips[i].address, sizeof(e.address));
		for (size_t j = 0; j < n && !address_known; j++)
			address_known = p->entries[j].port == 0 &&
					same_ip(p->entries[j].address, e.address);
		p->entries[n++] = e;
		if (!address_known) {
			e.port = 0;
			p->entries[n++] = e;
		}
	}
	return n;
}

/* The half that nobody looks into is made anew, and then everybody looks there. */
void vips_write(struct placement *p, void (*synchronize)(void))
{
	struct lb4_control *c = p->maps->control;
	uint32_t half = !c->vip_half;
	size_t n = list_entries(p);

	synchronize();
	if (vip_table_build(p->maps->vip_buckets + half * LB4_VIP_BUCKETS, p->entries, n,
			    c->vip_seed[half] + 1, &c->vip_seed[half]) < 0)
		return; /* tried again with the next update */
	__atomic_store_n(&c->vip_half, half, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++)
		p->vips[i].listed = p->vips[i].used;
	p->vips_changed = false;
}

void vips_let_go(struct placement *p, uint32_t vip)
{
	p->vips[vip].leaves = false;
	__atomic_store_n(&p->maps->vips[vip].service, LB4_SERVICES_MAX, __ATOMIC_RELEASE);
	p->maps->vips[vip].closed = 0;
}

uint32_t placement_find_vip(const struct placement *p, const struct address *a)
{
	uint32_t i = find_vip(p, a);

	return i != LB4_VIP_NONE && p->vips[i].listed ? i : LB4_VIP_NONE;
}
