/* SPDX-License-Identifier: GPL-2.0-only */
/* How a flow begins: a SYN chooses a backend, and reserves a way, a port and a place. */
#pragma once

#include "host_socket.h"
#include "nat_heard.h"
#include "slot.h"
#include "vip.h"

/*
 * Takes the place of the flow whose answers look like that: its tag, or LB4_TAG_FREE when it is not
 * to be had. The place is busy then. For the verifier as tag_of() is, since it is called in a loop;
 * callers have little of the stack left for others.
 */
__attribute__((noinline)) __u64 port_take(HOOK_CONTEXT *context, const struct lb4_tuple *answer,
					  __u32 now)
{
	struct lb4_control *c;
	struct lb4_flow *f;
	enum taken taken;
	__u32 zero = 0;
	__u64 tag;

	c = bpf_map_lookup_elem(&control, &zero);
	if (!answer || !c)
		return LB4_TAG_FREE;
	if (vip_find(c, answer->destination, answer->destination_port) != LB4_VIP_NONE)
		return LB4_TAG_FREE;
	tag = tag_of(answer);
	f = flow_place(c, tag);
	if (!f)
		return LB4_TAG_FREE;
	taken = flow_take(f, now);
	if (taken == TAKEN_NOT)
		return LB4_TAG_FREE;
	if (taken == TAKEN_FROM_ANOTHER && !lb4_flow_is_over(f->state))
		count_replaced(c, f->backend);
	else if (taken == TAKEN_FROM_ANOTHER && !(f->state & LB4_FLOW_TOLD))
		__sync_fetch_and_add(&c->untold, 1);
	if (host_has(context, answer)) {
		tag_show(&f->tag, LB4_TAG_FREE);
		return LB4_TAG_FREE;
	}
	return tag;
}

lb4_inline void flow_fill(struct nat *n, struct lb4_flow *f, __u32 vip, __be16 port)
{
	copy_ip(f->client, n->packet.tuple.source);
	f->client_port = n->packet.tuple.source_port;
	f->vip = (__u16)vip;
	f->backend = n->backend_index;
	f->port = port;
	f->born = n->now;
	f->state = 0;
	f->server_next = 0;
	f->client_next = bpf_ntohl(n->packet.tcp->seq) + 1;
	flow_note_client(n, f);
}

/* Reserves a port towards the backend, and with it the flow's place. Ports that are tried are the
 * flow's own: no clusters form. */
lb4_inline struct lb4_flow *flow_begin(struct nat *n, __u64 way_tag, __u32 vip)
{
	__u32 count = n->control->port_count;
	struct lb4_tuple answer = {};
	struct lb4_flow *f;
	__u64 tag;
	int i = 0;

	/*
	 * Without a branch within, so that the compiler ends it with its jump back: before Linux
	 * 6.3 or so the verifier takes no loop that falls through to its beginning.
	 */
	do {
		__u32 drawn = (__u32)(lb4_mix64(way_tag + i) >> 48);

		answer_tuple(&answer, n->backend,
			     bpf_htons((__u16)(n->control->port_low + (drawn * count >> 16))));
		tag = port_take(n->context, &answer, n->now);
	} while (tag == LB4_TAG_FREE && ++i < LB4_PORT_TRIES);
	if (tag == LB4_TAG_FREE)
		return 0;
	f = flow_place(n->control, tag);
	if (!f)
		return 0;
	flow_fill(n, f, vip, answer.destination_port);
	record_begin(tag, f->client_next);
	tag_show(&f->tag, tag);
	return f;
}

/* Chooses a backend as the splicer would. */
lb4_inline enum lb4_verdict choose(struct nat *n, const struct lb4_service *service)
{
	__u32 slot = slot_of(&n->packet.tuple, n->vip->service), index, owner;
	struct lb4_ring_chunk *chunk;

	index = service->ring + slot / LB4_RING_CHUNK;
	chunk = bpf_map_lookup_elem(&ring, &index);
	if (!chunk)
		return LB4_VERDICT_PASS_NO_BACKEND;
	owner = READ_ONCE(chunk->owner[slot % LB4_RING_CHUNK]);
	if (owner == LB4_RING_NONE)
		return LB4_VERDICT_PASS_NO_BACKEND;
	n->backend_index = (__u16)owner;
	n->backend = bpf_map_lookup_elem(&backends, &owner);
	if (!n->backend || !n->backend->reachable)
		return LB4_VERDICT_PASS_NO_WAY;
	return LB4_VERDICT_FORWARDED;
}

lb4_inline enum lb4_verdict begin(struct nat *n, struct lb4_line *line, __u64 tag, __u32 vip)
{
	struct lb4_backend_counters *counters;
	__u32 service_index = n->vip->service;
	struct lb4_service *service = bpf_map_lookup_elem(&services, &service_index);
	struct lb4_way *way = 0;
	union way_word word = {};
	enum lb4_verdict verdict;
	enum way_taken taken;
	struct lb4_flow *f;

	/* From a VIP itself, as in a LAND attack. */
	if (vip_find(n->control, n->packet.tuple.source, 0) != LB4_VIP_NONE)
		return LB4_VERDICT_DROP_SOURCE;
	if (!service || !service->accepts || !n->control->accepts)
		return LB4_VERDICT_PASS_OFF;
	if (is_spliced(n->context, &n->packet.tuple))
		return LB4_VERDICT_PASS_SPLICED;
	verdict = choose(n, service);
	if (verdict != LB4_VERDICT_FORWARDED)
		return verdict;
	if (!hook_can_reach(n->context, n->backend, n->packet.is_ipv4))
		return LB4_VERDICT_NOT_HERE;
	taken = way_take(line, tag, n->now, &way);
	if (taken == WAY_NONE)
		return LB4_VERDICT_PASS_FULL;
	if (taken == WAY_TWIN)
		return LB4_VERDICT_DROP_TWIN;
	f = flow_begin(n, tag, vip);
	if (!f) {
		tag_show(&way->tag, LB4_TAG_FREE);
		return LB4_VERDICT_PASS_NO_PORT;
	}
	word.backend = n->backend_index;
	word.port = n->port = f->port;
	word.last = (__u16)n->now;
	WRITE_ONCE(*(__u64 *)&way->backend, word.word);
	counters = counters_of(n->control, n->backend_index);
	if (counters)
		counters->flows++;
	return LB4_VERDICT_FORWARDED;
}
