// SPDX-License-Identifier: BSD-2-Clause
/* Backends in the maps. */
#include <arpa/inet.h>
#include <string.h>

#include "placement_private.h"

void backends_free(struct backend_place *b)
{
	backend_unref(b->backend);
	service_unref(b->service);
	service_settings_unref(&b->settings);
	*b = (struct backend_place){};
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
	sum = counts_sum(p, place);
	p->backends[place] = (struct backend_place){
		.backend = backend_ref(b),
		.begun = sum.flows,
		.bytes_in = sum.bytes_in,
		.bytes_out = sum.bytes_out,
		.packets_out = sum.packets_out,
		.heard = (nsec_t)p->now << LB4_TICK_SHIFT,
	};
	return place;
}

uint8_t backends_forward(enum forward_kind kind)
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
	m->forward = backends_forward(s->settings.forward);
	if (member < s->table->n_members && s->table->eligible[member])
		__atomic_store_n(&m->left, 0, __ATOMIC_RELEASE);
}

/* Where the backend is; PLACES_MAX: no room. */
uint32_t backends_place(struct placement *p, const struct snapshot_service *s, size_t member,
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

void placement_leave(struct placement *p, const struct backend *b)
{
	for (uint32_t i = 0; i < p->maps->n_backends; i++)
		if (p->backends[i].backend == b)
			__atomic_store_n(&p->maps->backends[i].left, 1, __ATOMIC_RELEASE);
}
