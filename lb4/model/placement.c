// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "placement_private.h"

static uint32_t chunks_of(uint32_t slots)
{
	return (slots + LB4_RING_CHUNK - 1) / LB4_RING_CHUNK;
}

/* Its slots are looked into until its VIPs lead elsewhere. */
static void adopt_service(struct placement *p, uint32_t i)
{
	const struct lb4_service *m = &p->maps->services[i];
	uint32_t n = chunks_of(m->ring_size);

	if (n == 0 || m->ring > p->maps->n_ring_chunks || n > p->maps->n_ring_chunks - m->ring)
		return;
	p->services[i] = (struct service_place){.first = m->ring, .n_chunks = n};
	for (uint32_t j = 0; j < n; j++)
		p->chunks[m->ring + j] = true;
}

/* What programs find in the table of VIPs is there. */
static void adopt_vips(struct placement *p)
{
	const struct lb4_vip_bucket *half =
		p->maps->vip_buckets + (p->maps->control->vip_half & 1) * LB4_VIP_BUCKETS;

	for (uint32_t i = 0; i < LB4_VIP_BUCKETS; i++)
		for (uint32_t j = 0; j < LB4_VIP_WAYS; j++)
			if (half[i].way[j].vip < LB4_VIPS_MAX)
				p->vips[half[i].way[j].vip] =
					(struct vip_place){.used = true, .listed = true};
}

static void adopt(struct placement *p)
{
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		adopt_service(p, i);
	adopt_vips(p);
	for (uint32_t i = 0; i < p->maps->n_backends; i++)
		p->backends[i].orphan = p->maps->backends[i].port != 0;
}

struct placement *placement_new(const struct fastpath_maps *maps, bool adopted)
{
	struct placement *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->maps = maps;
	p->backends = calloc(maps->n_backends, sizeof(p->backends[0]));
	p->chunks = calloc(maps->n_ring_chunks, sizeof(p->chunks[0]));
	if (!p->backends || !p->chunks)
		return placement_free(p);
	if (adopted)
		adopt(p);
	return p;
}

static void free_service(struct placement *p, struct service_place *s)
{
	for (uint32_t i = 0; i < s->n_chunks; i++)
		p->chunks[s->first + i] = false;
	service_unref(s->service);
	*s = (struct service_place){};
}

struct placement *placement_free(struct placement *p)
{
	if (!p)
		return NULL;
	for (uint32_t i = 0; p->backends && i < p->maps->n_backends; i++)
		backends_free(&p->backends[i]);
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		service_unref(p->services[i].service);
	free(p->backends);
	free(p->chunks);
	free(p);
	return NULL;
}

/* --- Services --- */

/* The first run of `n` free chunks; false: there is none. */
static bool find_chunks(const struct placement *p, uint32_t n, uint32_t *ret)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < p->maps->n_ring_chunks; i++) {
		run = p->chunks[i] ? 0 : run + 1;
		if (run == n) {
			*ret = i + 1 - n;
			return true;
		}
	}
	return false;
}

static uint32_t find_service(const struct placement *p, const struct snapshot_service *s,
			     uint32_t n_chunks)
{
	bool is_dsr = forward_is_dsr(s->settings.forward);

	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		if (p->services[i].service == s->service && p->services[i].n_chunks == n_chunks &&
		    is_dsr_place(p, i) == is_dsr && (!is_dsr || dsr_hashes_alike(p, i, s)))
			return i;
	return LB4_SERVICES_MAX;
}

static uint32_t free_service_place(const struct placement *p)
{
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		if (!p->services[i].service && p->services[i].n_chunks == 0)
			return i;
	return LB4_SERVICES_MAX;
}

/* Nobody has the slots yet. */
static void clear_slots(struct placement *p, uint32_t first, uint32_t n_chunks)
{
	for (uint32_t i = first; i < first + n_chunks; i++) {
		p->chunks[i] = true;
		memset(&p->maps->motion[i], 0, sizeof(p->maps->motion[i]));
		for (uint32_t slot = 0; slot < LB4_RING_CHUNK; slot++)
			p->maps->ring[i].owner[slot] = LB4_RING_NONE;
	}
}

static uint32_t take_service_place(struct placement *p, const struct snapshot_service *s,
				   uint32_t n_chunks)
{
	uint32_t place = free_service_place(p), first;

	if (place == LB4_SERVICES_MAX || !find_chunks(p, n_chunks, &first))
		return LB4_SERVICES_MAX;
	clear_slots(p, first, n_chunks);
	p->services[place] = (struct service_place){
		.service = service_ref(s->service),
		.first = first,
		.n_chunks = n_chunks,
	};
	p->maps->services[place] = (struct lb4_service){
		.ring = first,
		.forward = backends_forward(s->settings.forward),
		.has_nat = forward_is_dsr(s->settings.forward),
	};
	return place;
}

static void write_ring(struct placement *p, uint32_t first, const struct pool_table *table,
		       const uint32_t *places)
{
	for (uint32_t slot = 0; slot < table->size; slot++) {
		uint16_t member = table->live[slot];
		uint16_t *owner =
			&p->maps->ring[first + slot / LB4_RING_CHUNK].owner[slot % LB4_RING_CHUNK];
		uint16_t now = member == MAGLEV_NONE ? LB4_RING_NONE : (uint16_t)places[member];

		if (*owner != now)
			__atomic_store_n(owner, now, __ATOMIC_RELAXED);
	}
}

static void write_service(struct lb4_service *m, const struct snapshot_service *s)
{
	m->ring_size = s->table->size;
	m->hash_source = s->settings.hash == HASH_SOURCE;
	m->mask_ipv4 = s->settings.mask_ipv4;
	m->mask_ipv6 = s->settings.mask_ipv6;
	m->forward = backends_forward(s->settings.forward);
	__atomic_store_n(&m->accepts, 1, __ATOMIC_RELEASE);
}

/* --- All of them --- */

static bool place_all_backends(struct placement *p, const struct placed_service *s,
			       uint32_t *places)
{
	for (size_t i = 0; i < s->service->n_backends; i++) {
		places[i] = backends_place(p, s->service, i, &s->ways[i]);
		if (places[i] == PLACES_MAX)
			return false;
	}
	return true;
}

/* Where the service is; LB4_SERVICES_MAX: no room. */
static uint32_t place_service(struct placement *p, const struct placed_service *s)
{
	uint32_t n_chunks = chunks_of(s->service->table->size);
	uint32_t index = find_service(p, s->service, n_chunks);

	if (index == LB4_SERVICES_MAX && forward_is_dsr(s->service->settings.forward)) {
		index = dsr_find_left(p, s);
		if (index != LB4_SERVICES_MAX)
			p->services[index].service = service_ref(s->service->service);
	}
	if (index == LB4_SERVICES_MAX)
		index = take_service_place(p, s->service, n_chunks);
	return index;
}

/* Its ring first, then the service; who finds it comes when all are there. */
static bool place(struct placement *p, const struct placed_service *s)
{
	const struct snapshot_service *service = s->service;
	_cleanup_(freep) uint32_t *places = calloc(service->n_backends + 1, sizeof(places[0]));
	uint32_t index;

	if (!places || service->table->size == 0 || !place_all_backends(p, s, places))
		return false;
	index = place_service(p, s);
	if (index == LB4_SERVICES_MAX)
		return false;
	if (forward_is_dsr(service->settings.forward))
		dsr_write_slots(p, index, s, places);
	else
		write_ring(p, p->services[index].first, service->table, places);
	write_service(&p->maps->services[index], service);
	p->services[index].current = true;
	p->services[index].lingers = false;
	p->services[index].placed = s;
	return true;
}

/* How many services have listen addresses that found no room. */
static size_t place_vips(struct placement *p)
{
	size_t n_failed = 0;

	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++) {
		const struct placed_service *s = p->services[i].placed;
		bool all = true;

		for (size_t j = 0; s && j < s->n_listen; j++)
			all &= vips_place(p, &s->listen[j], i);
		p->services[i].placed = NULL;
		n_failed += !all;
	}
	return n_failed;
}

static void retire_all(struct placement *p)
{
	for (uint32_t i = 0; i < p->maps->n_backends; i++) {
		p->backends[i].walked &= !p->backends[i].current;
		p->backends[i].current = false;
	}
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++) {
		p->vips[i].walked &= !p->vips[i].current;
		p->vips[i].current = false;
	}
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		p->services[i].current = false;
}

static bool is_retired(const struct placement *p, uint32_t service)
{
	return p->services[service].n_chunks > 0 && !p->services[service].current;
}

/* Whether the listen address leads to a service that is about to be freed. */
static bool is_over(const struct placement *p, uint32_t vip)
{
	uint32_t service = p->maps->vips[vip].service;

	return service < LB4_SERVICES_MAX && is_retired(p, service) &&
	       !p->services[service].lingers;
}

/* No new flows for what is no longer there. Whether there is more room now. */
static bool close_retired(struct placement *p, void (*synchronize)(void))
{
	bool any = false;

	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		p->services[i].lingers = is_retired(p, i) && dsr_linger(p, i);
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++)
		if (p->vips[i].used && (is_over(p, i) || (!p->vips[i].current &&
							  !dsr_holds_vip(p, i, LB4_SERVICES_MAX))))
			vips_let_go(p, i);
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++) {
		if (!is_retired(p, i))
			continue;
		__atomic_store_n(&p->maps->services[i].accepts, 0, __ATOMIC_RELEASE);
		any |= !p->services[i].lingers;
	}
	if (!any)
		return false;
	synchronize();
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		if (is_retired(p, i) && !p->services[i].lingers) {
			p->maps->services[i] = (struct lb4_service){};
			free_service(p, &p->services[i]);
		}
	return true;
}

static bool has_dsr(const struct placement *p)
{
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		if (is_dsr_place(p, i))
			return true;
	return false;
}

static size_t place_all(struct placement *p, const struct placed_service *services, size_t n,
			void (*synchronize)(void))
{
	size_t n_failed = 0;

	retire_all(p);
	for (size_t i = 0; i < n; i++)
		n_failed += !place(p, &services[i]);
	n_failed += place_vips(p);
	p->maps->control->has_dsr = has_dsr(p);
	if (p->vips_changed)
		vips_write(p, synchronize);
	return n_failed;
}

size_t placement_update(struct placement *p, const struct placed_service *services, size_t n,
			uint32_t now, void (*synchronize)(void))
{
	size_t n_failed;

	p->now = now;
	n_failed = place_all(p, services, n, synchronize);
	p->update_wanted = false;
	if (close_retired(p, synchronize)) {
		n_failed = place_all(p, services, n, synchronize);
		close_retired(p, synchronize);
	}
	p->n_homeless = n_failed;
	return n_failed;
}

/* --- What stands where --- */

struct backend_place *placement_place_of(const struct placement *p, const struct lb4_flow *f)
{
	if (f->backend >= p->maps->n_backends || !p->backends[f->backend].backend)
		return NULL;
	return &p->backends[f->backend];
}

struct backend *placement_backend(const struct placement *p, const struct lb4_flow *f)
{
	const struct backend_place *b = placement_place_of(p, f);

	return b ? b->backend : NULL;
}

struct service *placement_service(const struct placement *p, const struct lb4_flow *f)
{
	const struct backend_place *b = placement_place_of(p, f);

	return b ? b->service : NULL;
}

const struct service_settings *placement_settings(const struct placement *p,
						  const struct lb4_flow *f)
{
	const struct backend_place *b = placement_place_of(p, f);

	return b ? &b->settings : NULL;
}

struct service *placement_service_at(const struct placement *p, uint32_t place)
{
	return place < LB4_SERVICES_MAX ? p->services[place].service : NULL;
}

struct backend *placement_backend_at(const struct placement *p, uint32_t place)
{
	return place < p->maps->n_backends ? p->backends[place].backend : NULL;
}

uint32_t placement_find_service(const struct placement *p, const struct service *s)
{
	uint32_t i = 0;

	while (i < LB4_SERVICES_MAX && p->services[i].service != s)
		i++;
	return i;
}
