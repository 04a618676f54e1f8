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

static void free_backend(struct backend_place *b)
{
	backend_unref(b->backend);
	service_unref(b->service);
	service_settings_unref(&b->settings);
	*b = (struct backend_place){};
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
		free_backend(&p->backends[i]);
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		service_unref(p->services[i].service);
	free(p->backends);
	free(p->chunks);
	free(p);
	return NULL;
}

/* --- Backends --- */

static bool same_ip(const uint8_t a[16], const uint8_t b[16])
{
	return memcmp(a, b, 16) == 0;
}

/* What a CPU's programs and the walk have counted. */
static struct lb4_backend_counters sum_counters(const struct placement *p, uint32_t place)
{
	struct lb4_backend_counters sum = {};

	for (uint32_t i = 0; i < p->maps->n_cpus; i++) {
		const struct lb4_backend_counters *c =
			&p->maps->backend_counters[i * p->maps->n_backends + place];

		sum.flows += __atomic_load_n(&c->flows, __ATOMIC_RELAXED);
		sum.bytes_in += __atomic_load_n(&c->bytes_in, __ATOMIC_RELAXED);
		sum.bytes_out += __atomic_load_n(&c->bytes_out, __ATOMIC_RELAXED);
		sum.over += __atomic_load_n(&c->over, __ATOMIC_RELAXED);
		sum.replaced += __atomic_load_n(&c->replaced, __ATOMIC_RELAXED);
		sum.ended += __atomic_load_n(&c->ended, __ATOMIC_RELAXED);
	}
	return sum;
}

/* Flows of a place: one that has just begun on another CPU may be counted as ended already. */
static uint64_t active_of(const struct lb4_backend_counters *c)
{
	uint64_t gone = c->over + c->replaced + c->ended;

	return c->flows > gone ? c->flows - gone : 0;
}

static bool is_dsr_backend(const struct placement *p, uint32_t i)
{
	return p->maps->backends[i].forward != LB4_FORWARD_NAT;
}

/* Of dsr with `source` NULL: from whichever address it is reached. */
static uint32_t find_backend(const struct placement *p, const struct backend *b,
			     const struct address *source)
{
	for (uint32_t i = 0; i < p->maps->n_backends; i++)
		if (p->backends[i].backend == b && is_dsr_backend(p, i) == !source &&
		    (!source || same_ip(p->maps->backends[i].source, source->ip)))
			return i;
	return PLACES_MAX;
}

static uint32_t free_backend_place(const struct placement *p)
{
	for (uint32_t i = 0; i < p->maps->n_backends && i < PLACES_MAX; i++)
		if (!p->backends[i].backend && !p->backends[i].orphan)
			return i;
	return PLACES_MAX;
}

/* Whose flows were left by another process. */
static uint32_t find_orphan(const struct placement *p, const struct backend *b,
			    const struct address *source)
{
	for (uint32_t i = 0; i < p->maps->n_backends; i++) {
		const struct lb4_backend *m = &p->maps->backends[i];

		if (p->backends[i].orphan && m->port == htons(b->address.port) &&
		    same_ip(m->address, b->address.ip) && is_dsr_backend(p, i) == !source &&
		    (!source || same_ip(m->source, source->ip)))
			return i;
	}
	return PLACES_MAX;
}

static uint32_t take_backend_place(struct placement *p, struct backend *b,
				   const struct address *source)
{
	uint32_t place = find_orphan(p, b, source);
	struct lb4_backend_counters sum;
	struct lb4_backend *m;

	if (place == PLACES_MAX) {
		place = free_backend_place(p);
		if (place == PLACES_MAX)
			return place;
		m = &p->maps->backends[place];
		*m = (struct lb4_backend){.port = htons(b->address.port)};
		memcpy(m->address, b->address.ip, sizeof(m->address));
	}
	sum = sum_counters(p, place);
	p->backends[place] = (struct backend_place){
		.backend = backend_ref(b),
		.begun = sum.flows,
		.bytes_in = sum.bytes_in,
		.bytes_out = sum.bytes_out,
	};
	return place;
}

static uint8_t forward_code(enum forward_kind kind)
{
	switch (kind) {
	case FORWARD_DSR_L2:
		return LB4_FORWARD_DSR_L2;
	case FORWARD_DSR_IPIP:
		return LB4_FORWARD_DSR_IPIP;
	case FORWARD_SPLICE:
	case FORWARD_NAT:
	case FORWARD_AUTO:
		break;
	}
	return LB4_FORWARD_NAT;
}

/* Whether packets that are forwarded like that get there, and answers back. */
static bool suits(uint8_t forward, const struct backend_way *way)
{
	switch (forward) {
	case LB4_FORWARD_NAT:
		return way->returns;
	case LB4_FORWARD_DSR_L2:
		return !way->has_gateway; /* it would not know the VIP */
	default:
		return true;
	}
}

/* Writes the word of 8 bytes that begins with a MAC address: see struct lb4_backend. */
static void set_mac(struct lb4_backend *m, size_t offset, const uint8_t mac[6])
{
	uint64_t *word = (uint64_t *)(void *)((char *)m + offset), new = *word;

	memcpy(&new, mac, 6);
	if (new != *word)
		__atomic_store_n(word, new, __ATOMIC_RELAXED);
}

/* Flows that there are take the new way as well; while there is none, they keep the one they had. */
static void set_way(struct lb4_backend *m, const struct backend_way *way)
{
	m->gateway_family = !way->has_gateway			  ? 0
			    : way->gateway.family == ADDRESS_IPV4 ? AF_INET
								  : AF_INET6;
	memcpy(m->gateway, way->gateway.ip, sizeof(m->gateway));
	/* What is not known any more is not looked at. */
	if (!way->resolved)
		__atomic_store_n(&m->resolved, 0, __ATOMIC_RELEASE);
	m->interface = way->interface;
	m->mss_max = way->mss_max;
	if (way->resolved) {
		set_mac(m, offsetof(struct lb4_backend, next_mac), way->next_mac);
		set_mac(m, offsetof(struct lb4_backend, own_mac), way->own_mac);
		__atomic_store_n(&m->resolved, 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&m->reachable, way->reachable && suits(m->forward, way), __ATOMIC_RELEASE);
}

/* Who may be chosen again has its flows back. */
static void set_forward(struct lb4_backend *m, const struct snapshot_service *s, size_t member)
{
	m->forward = forward_code(s->settings.forward);
	if (member < s->table->n_members && s->table->eligible[member])
		__atomic_store_n(&m->left, 0, __ATOMIC_RELEASE);
}

/* Where the backend is; PLACES_MAX: no room. */
static uint32_t place_backend(struct placement *p, const struct snapshot_service *s, size_t member,
			      const struct backend_way *way)
{
	/* Of dsr, which writes nothing into packets, the backend is the same wherever we are. */
	const struct address *source = forward_is_dsr(s->settings.forward) ? NULL : &way->source;
	uint32_t place = find_backend(p, s->backends[member], source);
	struct backend_place *b;

	if (place == PLACES_MAX)
		place = take_backend_place(p, s->backends[member], source);
	if (place == PLACES_MAX)
		return place;
	b = &p->backends[place];
	memcpy(p->maps->backends[place].source, way->source.ip, 16);
	if (b->service != s->service) {
		service_unref(b->service);
		b->service = service_ref(s->service);
	}
	service_settings_unref(&b->settings);
	b->settings = service_settings_ref(&s->settings);
	b->current = true;
	set_forward(&p->maps->backends[place], s, member);
	set_way(&p->maps->backends[place], way);
	return place;
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
		.forward = forward_code(s->settings.forward),
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
	m->forward = forward_code(s->settings.forward);
	__atomic_store_n(&m->accepts, 1, __ATOMIC_RELEASE);
}

/* --- Listen addresses --- */

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

static bool place_vip(struct placement *p, const struct address *a, uint32_t service)
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
static void write_vips(struct placement *p, void (*synchronize)(void))
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

/* --- All of them --- */

static bool place_all_backends(struct placement *p, const struct placed_service *s,
			       uint32_t *places)
{
	for (size_t i = 0; i < s->service->n_backends; i++) {
		places[i] = place_backend(p, s->service, i, &s->ways[i]);
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
			all &= place_vip(p, &s->listen[j], i);
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

static void let_go(struct placement *p, uint32_t vip)
{
	p->vips[vip].leaves = false;
	__atomic_store_n(&p->maps->vips[vip].service, LB4_SERVICES_MAX, __ATOMIC_RELEASE);
	p->maps->vips[vip].closed = 0;
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
			let_go(p, i);
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
		write_vips(p, synchronize);
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

/* --- Flows --- */

/* NULL: nothing that is known. */
static struct backend_place *place_of(const struct placement *p, const struct lb4_flow *f)
{
	if (f->backend >= p->maps->n_backends || !p->backends[f->backend].backend)
		return NULL;
	return &p->backends[f->backend];
}

struct backend *placement_backend(const struct placement *p, const struct lb4_flow *f)
{
	const struct backend_place *b = place_of(p, f);

	return b ? b->backend : NULL;
}

struct service *placement_service(const struct placement *p, const struct lb4_flow *f)
{
	const struct backend_place *b = place_of(p, f);

	return b ? b->service : NULL;
}

const struct service_settings *placement_settings(const struct placement *p,
						  const struct lb4_flow *f)
{
	const struct backend_place *b = place_of(p, f);

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

void placement_begin_count(struct placement *p)
{
	for (uint32_t i = 0; i < p->maps->n_backends; i++) {
		p->backends[i].flows = 0;
		p->backends[i].ways = 0;
		p->backends[i].moving = 0;
		p->backends[i].walked = !p->backends[i].current;
	}
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++) {
		p->vips[i].flows = 0;
		p->vips[i].walked = !p->vips[i].current;
	}
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		p->services[i].walked = true;
}

void placement_count(struct placement *p, const struct lb4_flow *f)
{
	if (f->backend < p->maps->n_backends)
		p->backends[f->backend].flows++;
	if (f->vip < LB4_VIPS_MAX)
		p->vips[f->vip].flows++;
}

void placement_end_count(struct placement *p, uint32_t now)
{
	p->now = now;
	dsr_end_count(p);
	placement_tell_counters(p);
	for (uint32_t i = 0; i < p->maps->n_backends; i++) {
		struct backend_place *b = &p->backends[i];

		if (b->current || !b->walked || b->flows || b->ways || b->moving || b->active)
			continue;
		b->orphan = false;
		p->update_wanted |= p->n_homeless > 0;
		if (b->backend)
			free_backend(b);
	}
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++) {
		struct vip_place *v = &p->vips[i];

		if (!v->used || v->current || !v->walked || v->flows ||
		    dsr_holds_vip(p, i, LB4_SERVICES_MAX))
			continue;
		let_go(p, i);
		v->used = false;
		p->vips_changed = true; /* written with the next update */
	}
}

static void add_level(_Atomic uint64_t *level, uint64_t from, uint64_t to)
{
	counter_add(*level, to - from);
}

/* How many of dsr's flows there are nobody knows, but for those that have ways. */
static void forget_flows(struct placement *p, uint32_t place, struct lb4_backend_counters *sum)
{
	uint64_t gone = active_of(sum);

	p->maps->backend_counters[place].ended += gone;
	sum->ended += gone;
}

void placement_leave(struct placement *p, const struct backend *b)
{
	for (uint32_t i = 0; i < p->maps->n_backends; i++)
		if (p->backends[i].backend == b)
			__atomic_store_n(&p->maps->backends[i].left, 1, __ATOMIC_RELEASE);
}

uint64_t placement_news(const struct placement *p)
{
	return p->news;
}

void placement_tell_counters(struct placement *p)
{
	p->news = 0;
	for (uint32_t i = 0; i < p->maps->n_backends; i++) {
		struct backend_place *b = &p->backends[i];
		struct lb4_backend_counters sum;
		struct backend_counters *backend;
		struct service_counters *service;
		uint64_t active;

		if (!b->backend)
			continue;
		sum = sum_counters(p, i);
		if (p->maps->backends[i].forward != LB4_FORWARD_NAT)
			forget_flows(p, i, &sum);
		p->news += sum.flows + sum.over;
		backend = &b->backend->counters[b->backend->n_workers];
		service = &b->service->counters[b->service->n_workers];
		counter_add(backend->connections, sum.flows - b->begun);
		counter_add(service->accepted, sum.flows - b->begun);
		counter_add(backend->bytes_in, sum.bytes_in - b->bytes_in);
		counter_add(service->bytes_in, sum.bytes_in - b->bytes_in);
		counter_add(backend->bytes_out, sum.bytes_out - b->bytes_out);
		counter_add(service->bytes_out, sum.bytes_out - b->bytes_out);
		active = active_of(&sum) + b->ways_before;
		/* While slots move there may be some who have not spoken yet. */
		if (active == 0 && b->moving_before)
			active = 1;
		add_level(&backend->active, b->active, active);
		add_level(&service->active, b->active, active);
		if (sum.bytes_out != b->bytes_out)
			atomic_store_explicit(&backend->consecutive_failures, 0,
					      memory_order_relaxed);
		b->begun = sum.flows;
		b->bytes_in = sum.bytes_in;
		b->bytes_out = sum.bytes_out;
		b->active = active;
	}
}

uint64_t placement_tell_end(struct placement *p, const struct lb4_flow *f,
			    const struct flow_account *a, enum end_reason reason, int evidence)
{
	struct backend_place *b = place_of(p, f);
	struct backend_counters *c;

	if (!b)
		return 0;
	c = &b->backend->counters[b->backend->n_workers];
	counter_add(b->service->counters[b->service->n_workers].ended[reason], 1);
	if (a->connect) {
		counter_add(c->connects, 1);
		counter_add(c->connect_nsec, a->connect);
	}
	if (!evidence)
		return 0;
	if (a->connect)
		counter_add(c->instant_resets, 1);
	else
		counter_add(c->connect_failures, 1);
	counter_add(c->consecutive_failures, 1);
	return counter_read(c->consecutive_failures);
}

uint64_t placement_replaced(const struct placement *p)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < p->maps->n_backends; i++)
		n += sum_counters(p, i).replaced;
	return n;
}

uint32_t placement_find_vip(const struct placement *p, const struct address *a)
{
	uint32_t i = find_vip(p, a);

	return i != LB4_VIP_NONE && p->vips[i].listed ? i : LB4_VIP_NONE;
}

uint64_t placement_flows(const struct placement *p)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < p->maps->n_backends; i++)
		n += p->backends[i].active;
	return n;
}
