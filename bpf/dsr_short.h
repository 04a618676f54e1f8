/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The short way of dsr, which almost all of its packets go: whole and plain, of a slot that is still,
 * to a backend that can be reached at once. It knows no rule of its own: these are in dsr.h and
 * dsr_forward.h. Whatever is not certain to be forwarded is left as it came, and nothing is counted
 * or noted of it: dsr_forward() begins anew.
 */
#pragma once

#include "dsr_forward.h"

#define NOT_SHORT -104

/* The backend that a plain packet goes to, or NULL. */
lb4_inline struct lb4_backend *short_backend(struct dsr *d, int is_ipv4)
{
	const struct lb4_tuple *t = &d->packet.tuple;
	struct lb4_backend *b;
	__u32 slot, owner;
	__u64 hash;
	__u8 *mark;

	if (!dsr_find(d, t->destination, t->destination_port) || d->service->has_nat ||
	    d->service->hash_source || source_is_impossible(&d->packet) || d->packet.hops <= 1)
		return 0;
	if (is_first_syn(&d->packet) && dsr_admit(d) != LB4_VERDICT_FORWARDED)
		return 0;
	/* What is IPv4 in IPv6's clothes is an impossible source. */
	hash = lb4_mix64(lb4_flow_sum(&d->control->choice, t, is_ipv4));
	mark = mark_of(hash);
	if (!mark || *mark)
		return 0;
	slot = lb4_slot(hash, d->service->ring_size);
	owner = slot_owner(d->service->ring + slot / LB4_RING_CHUNK, slot);
	if (owner >= LB4_RING_NONE)
		return 0; /* nobody's, or it moves */
	b = bpf_map_lookup_elem(&backends, &owner);
	if (!b || !b->reachable)
		return 0;
	d->backend_index = (__u16)owner;
	return b;
}

lb4_inline int short_send(struct dsr *d, int is_ipv4)
{
	HOOK_CONTEXT *context = d->context;
	__u32 room = hook_length_read(context) - sizeof(struct ethhdr), payload;
	struct dsr_load load = {.is_ipv4 = is_ipv4};
	const struct lb4_backend *b;
	int action;

	if (parse_ip(&d->packet, is_ipv4, room, hook_bundle(context) > 0) != PARSED)
		return NOT_SHORT;
	b = short_backend(d, is_ipv4);
	if (!b)
		return NOT_SHORT;
	load.size = d->packet.size;
	load.segment = segment_size(context, &d->packet);
	payload = payload_size(&d->packet);
	action = dsr_send_to(context, b, &load);
	if (action == DSR_CANNOT || (action > 0 && (action & TOO_BIG)))
		return NOT_SHORT;
	dsr_count(d, payload);
	count(LB4_VERDICT_FORWARDED);
	return action;
}

/*
 * An action, or NOT_SHORT. A function of its own: its frame would else lie under those of all others,
 * and there is no room for that.
 */
__attribute__((noinline)) int dsr_short(HOOK_CONTEXT *context, struct lb4_control *c)
{
	struct dsr d = {.context = context, .control = c};

	d.packet.ethernet = (void *)(long)context->data;
	d.packet.end = (void *)(long)context->data_end;
	if (!c || (void *)(d.packet.ethernet + 1) > d.packet.end)
		return NOT_SHORT;
	if (ether_type(d.packet.ethernet) == bpf_htons(ETH_P_IP))
		return short_send(&d, 1);
	if (ether_type(d.packet.ethernet) == bpf_htons(ETH_P_IPV6))
		return short_send(&d, 0);
	return NOT_SHORT;
}
