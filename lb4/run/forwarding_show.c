// SPDX-License-Identifier: BSD-2-Clause
/* What is shown of the fast path. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "forwarding_private.h"
#include "lb4_hash.h"

const char *forwarding_why(int error)
{
	switch (-error) {
	case EPERM:
		return "it takes CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW";
	case EOPNOTSUPP:
		return "the kernel cannot load the programs";
	case ENODEV:
		return "there is no such interface";
	case EAFNOSUPPORT:
		return "it is no Ethernet interface";
	default:
		return strerrordesc_np(-error);
	}
}

struct address forwarding_address(const uint8_t ip[16], __be16 port)
{
	struct address a = {.port = ntohs(port)};

	memcpy(a.ip, ip, sizeof(a.ip));
	a.family = address_ip_is_mapped(ip) ? ADDRESS_IPV4 : ADDRESS_IPV6;
	return a;
}

/* Whose names the packets of a flow bear. */
static void count_ways(const struct forwarding *f, struct forwarding_status *ret)
{
	const struct way *ways = ways_all(f->ways, &ret->n_ways);

	for (size_t i = 0; i < ret->n_ways; i++) {
		ret->n_resolved += ways[i].way.resolved;
		if (ways[i].trouble == WAY_GOOD)
			continue;
		if (ret->n_lost < FORWARDING_LOST_MAX)
			ret->lost[ret->n_lost] = &ways[i];
		ret->n_lost++;
	}
}

const struct way *forwarding_way(const struct daemon *d, const struct address *backend)
{
	const struct forwarding *f = d->forwarding;

	return f && f->fastpath ? ways_find(f->ways, backend) : NULL;
}

bool forwarding_status(const struct daemon *d, struct forwarding_status *ret)
{
	const struct forwarding *f = d->forwarding;

	*ret = (struct forwarding_status){};
	if (!f)
		return false;
	ret->why_not = f->fastpath ? NULL : forwarding_why(f->error);
	ret->n_interfaces = f->n_interfaces;
	for (size_t i = 0; i < f->n_interfaces; i++)
		ret->interfaces[i] = (struct forwarding_interface){
			.name = f->interfaces[i].name,
			.hook = f->interfaces[i].hook,
			.why_not = f->interfaces[i].hook ? NULL
							 : forwarding_why(f->interfaces[i].error),
			.reason = f->interfaces[i].hook ? f->interfaces[i].reason : NULL,
		};
	if (!f->fastpath)
		return true;
	ret->accepts = f->accepts;
	ret->captures = capture_is_active(f->capture);
	ret->flows = placement_flows(f->placement);
	ret->max_flows = f->max_flows;
	ret->replaced = placement_replaced(f->placement);
	ret->untold = __atomic_load_n(&f->maps->control->untold, __ATOMIC_RELAXED);
	count_ways(f, ret);
	for (uint32_t i = 0; i < f->maps->n_cpus; i++)
		for (size_t j = 0; j < LB4_VERDICT_COUNT; j++)
			ret->verdicts[j] += f->maps->verdict_counters[i].n[j];
	return true;
}

uint64_t forwarding_lines_dropped(const struct daemon *d)
{
	return d->forwarding ? d->forwarding->teller.n_dropped : 0;
}

int forwarding_connections(const struct daemon *d, const struct service *only, size_t n_max,
			   struct connection_info **infos, size_t *n)
{
	const struct forwarding *f = d->forwarding;
	uint32_t n_flows = f && f->fastpath ? f->table.n_flows : 0;
	size_t room = *n + (n_max < n_flows ? n_max : n_flows), at = *n;
	struct connection_info *more = reallocarray(*infos, room + 1, sizeof(more[0]));
	nsec_t now = clock_now();
	struct lb4_flow flow;

	if (!more)
		return -ENOMEM;
	*infos = more;
	for (uint32_t i = 0; i < n_flows && at < room; i++)
		if (flow_table_read(&f->table, i, &flow) && !lb4_flow_is_over(flow.state) &&
		    (!only || placement_service(f->placement, &flow) == only) &&
		    flow_teller_show(&f->teller, i, &flow, now, &more[at]))
			at++;
	*n = at;
	return 0;
}

static struct lb4_tuple tuple_of(const struct address *from, const struct address *to)
{
	struct lb4_tuple t = {.protocol = IPPROTO_TCP};

	memcpy(t.source, from->ip, sizeof(t.source));
	memcpy(t.destination, to->ip, sizeof(t.destination));
	t.source_port = htons(from->port);
	t.destination_port = htons(to->port);
	return t;
}

/* Whether that place of the maps is a backend that new flows can get to. */
static const char *explain_owner(const struct forwarding *f, uint16_t owner,
				 struct forwarding_explanation *ret)
{
	const struct lb4_flow flow = {.backend = owner};

	if (owner >= f->maps->n_backends)
		return "its slot has no owner";
	ret->owner = placement_backend(f->placement, &flow);
	return f->maps->backends[owner].reachable
		       ? NULL
		       : "the backend is not reached through one of the interfaces";
}

/* NULL: the slot is still. */
static void explain_motion(const struct forwarding *f, const struct lb4_motion *m,
			   struct forwarding_explanation *ret)
{
	static const char *const names[] = {
		[LB4_SLOT_STILL] = "still",
		[LB4_SLOT_MOVING] = "moving",
		[LB4_SLOT_PINNED] = "pinned",
	};

	ret->slot_state = names[m && m->state <= LB4_SLOT_PINNED ? m->state : LB4_SLOT_STILL];
	if (m && m->state == LB4_SLOT_MOVING && m->previous < f->maps->n_backends)
		ret->previous =
			placement_backend(f->placement, &(struct lb4_flow){.backend = m->previous});
}

/* As choose() and dsr_owner() of the program do; why not, or NULL. */
static const char *explain_slot(const struct forwarding *f, uint32_t vip, struct lb4_tuple tuple,
				struct forwarding_explanation *ret)
{
	uint16_t index = f->maps->vips[vip].service;
	const struct lb4_service *s = &f->maps->services[index];
	uint32_t chunk, at;
	uint16_t owner;

	if (index >= LB4_SERVICES_MAX || !s->accepts || s->ring_size == 0)
		return "the service has no place in the fast path's tables";
	if (s->hash_source)
		lb4_tuple_keep_source(&tuple, s->mask_ipv4, s->mask_ipv6);
	ret->has_slot = true;
	ret->slot = lb4_slot(lb4_flow_hash(&f->maps->control->choice, &tuple), s->ring_size);
	chunk = s->ring + ret->slot / LB4_RING_CHUNK;
	at = ret->slot % LB4_RING_CHUNK;
	owner = f->maps->ring[chunk].owner[at];
	if (s->forward != LB4_FORWARD_NAT)
		explain_motion(f, owner & LB4_RING_MOVES ? &f->maps->motion[chunk].slot[at] : NULL,
			       ret);
	return explain_owner(f, owner & (uint16_t)~LB4_RING_MOVES, ret);
}

/* A connection of dsr that is remembered, as its slot moves or has moved. */
static void explain_way(const struct forwarding *f, const struct lb4_tuple *client,
			struct forwarding_flow *ret)
{
	uint32_t now = flow_ticks(clock_now());
	struct lb4_way way;

	if (!flow_table_find_way(&f->table, client, &way) || !(way.state & LB4_WAY_DSR))
		return;
	*ret = (struct forwarding_flow){
		.is_there = true,
		.backend =
			placement_backend(f->placement, &(struct lb4_flow){.backend = way.backend}),
		.state = flow_state_name(LB4_FLOW_ANSWERED | (way.state & LB4_FLOW_ESTABLISHED)),
		.idle = (nsec_t)(uint16_t)(now - way.last) << LB4_TICK_SHIFT,
	};
}

static void explain_flow(const struct forwarding *f, const struct lb4_tuple *client,
			 struct forwarding_flow *ret)
{
	nsec_t now = clock_now();
	struct connection_info info;
	struct lb4_flow flow;
	uint32_t place;

	if (!flow_table_find(&f->table, client, f->maps->backends, f->maps->n_backends, &place,
			     &flow)) {
		explain_way(f, client, ret);
		return;
	}
	*ret = (struct forwarding_flow){
		.is_there = true,
		.has_source = true,
		.backend = placement_backend(f->placement, &flow),
		.state = flow_state_name(flow.state) ?: "ending",
		.source = forwarding_address(f->maps->backends[flow.backend].source, flow.port),
	};
	if (!flow_teller_show(&f->teller, place, &flow, now, &info))
		return;
	ret->age = info.age;
	ret->idle = info.idle;
	service_unref(info.service);
	backend_unref(info.backend);
}

void forwarding_explain(const struct daemon *d, const struct snapshot_service *s,
			const struct address *client, const struct address *local,
			struct forwarding_explanation *ret)
{
	const struct forwarding *f = d->forwarding;
	const struct lb4_tuple tuple = tuple_of(client, local);
	uint32_t vip;

	*ret = (struct forwarding_explanation){};
	if (f && f->fastpath)
		explain_flow(f, &tuple, &ret->flow);
	if (s->settings.forward == FORWARD_SPLICE)
		return;
	if (!f || !f->fastpath) {
		ret->why_not =
			f ? forwarding_why(f->error) : "the configuration names no interfaces";
		return;
	}
	vip = placement_find_vip(f->placement, local);
	if (vip == LB4_VIP_NONE)
		ret->why_not = "the fast path does not know that address";
	else
		ret->why_not = explain_slot(f, vip, tuple, ret);
	if (!f->maps->control->accepts)
		ret->why_not = "the fast path is off";
	if (!ret->why_not)
		ret->path = s->settings.forward;
}
