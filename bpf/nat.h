/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nat does with a packet, whatever hook it came in by: who it is for, and which flow it belongs
 * to. What is not rewritten goes up the stack, where the services' listening sockets are: whatever
 * this program cannot do is done there.
 */
#pragma once

#include "nat_begin.h"

/* The flow that a way leads to, if it is that of this client. */
lb4_inline struct lb4_flow *flow_behind(const struct nat *n, __u32 vip, __u64 *ret_tag)
{
	struct lb4_tuple answer = {};
	struct lb4_flow *f;
	__u64 tag;

	answer_tuple(&answer, n->backend, n->port);
	tag = tag_of(&answer);
	f = flow_place(n->control, tag);
	if (!f || READ_ONCE(f->tag) != tag || f->vip != vip ||
	    f->client_port != n->packet.tuple.source_port ||
	    !ip_equal(f->client, n->packet.tuple.source) || READ_ONCE(f->tag) != tag)
		return 0;
	*ret_tag = tag;
	return f;
}

/*
 * The client has left a flow that is over for a new one. Userspace has still to tell it, and ends it
 * then, unless it has not done so for longer than it takes.
 */
lb4_inline void flow_abandon(struct nat *n, struct lb4_flow *f, __u64 tag)
{
	int told = READ_ONCE(f->state) & LB4_FLOW_TOLD;

	if (!told && (__s32)(n->now - READ_ONCE(f->last)) <= LB4_UNTOLD_TICKS)
		return;
	if (tag_exchange(&f->tag, tag, LB4_TAG_FREE) && !told)
		__sync_fetch_and_add(&n->control->untold, 1);
}

/* A client's packet, which a way is there for. */
lb4_inline enum lb4_verdict go_on(struct nat *n, struct lb4_line *line, struct lb4_way *way,
				  const union way_word *word, __u64 tag, __u32 vip)
{
	int is_syn = (n->packet.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	__u32 index = word->backend;
	struct lb4_flow *f;
	__u64 flow_tag = 0;

	/* Its SYN is being dealt with by another CPU. */
	if (word->state & LB4_WAY_PENDING)
		return is_syn ? LB4_VERDICT_DROP_TWIN : LB4_VERDICT_PASS_NO_FLOW;
	n->backend_index = word->backend;
	n->port = word->port;
	n->backend = bpf_map_lookup_elem(&backends, &index);
	if (!n->backend)
		return LB4_VERDICT_PASS_NO_FLOW;
	if (!hook_can_reach(n->context, n->backend, n->packet.is_ipv4))
		return LB4_VERDICT_NOT_HERE;
	if ((word->state & LB4_FLOW_ESTABLISHED) && word->last == (__u16)n->now &&
	    !(n->packet.flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return LB4_VERDICT_FORWARDED;

	WRITE_ONCE(way->last, (__u16)n->now);
	f = flow_behind(n, vip, &flow_tag);
	if (f && !(is_syn && lb4_flow_is_over(READ_ONCE(f->state)))) {
		flow_heard_client(n, f, way);
		return LB4_VERDICT_FORWARDED;
	}
	/* Another has its place, or the client begins anew with the ports of a flow that is over.
	 */
	if (!tag_exchange(&way->tag, tag, LB4_TAG_FREE))
		return LB4_VERDICT_PASS_NO_FLOW;
	if (f)
		flow_abandon(n, f, flow_tag);
	return is_syn ? begin(n, line, tag, vip) : LB4_VERDICT_PASS_NO_FLOW;
}

lb4_inline enum lb4_verdict from_client(struct nat *n, __u32 vip)
{
	__u64 tag = tag_of(&n->packet.tuple);
	struct lb4_line *line = line_of(n->control, tag);
	union way_word word;
	struct lb4_way *way;

	if (!line)
		return LB4_VERDICT_PASS_FULL;
	way = way_find(line, tag);
	if (way && way_read(way, tag, &word)) {
		if (!(word.state & LB4_WAY_DSR))
			return go_on(n, line, way, &word, tag, vip);
		tag_exchange(&way->tag, tag, LB4_TAG_FREE); /* of what the service was */
	}
	if ((n->packet.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return LB4_VERDICT_PASS_NO_FLOW;
	return begin(n, line, tag, vip);
}

/* The flow that an answer belongs to, as it is at one moment; nothing of it is read later. */
lb4_inline int flow_see(struct nat *n)
{
	__u64 tag = tag_of(&n->packet.tuple);
	__u32 vip, interface;

	n->flow = flow_place(n->control, tag);
	if (!n->flow || READ_ONCE(n->flow->tag) != tag)
		return 0;
	copy_ip(n->seen.client, n->flow->client);
	copy_mac(n->seen.client_mac, n->flow->client_mac);
	n->seen.client_port = n->flow->client_port;
	n->seen.state = READ_ONCE(n->flow->state);
	n->seen.server_next = READ_ONCE(n->flow->server_next);
	n->backend_index = n->flow->backend;
	vip = n->flow->vip;
	n->vip = bpf_map_lookup_elem(&vips, &vip);
	interface = n->flow->interface;
	n->out = bpf_map_lookup_elem(&interfaces, &interface);
	return READ_ONCE(n->flow->tag) == tag;
}

lb4_inline enum lb4_verdict from_server(struct nat *n)
{
	if (!flow_see(n))
		return LB4_VERDICT_NOT_OURS;
	if (!n->vip || !n->out)
		return LB4_VERDICT_PASS_NO_FLOW;
	if (!hook_can_send(n->context, n->out))
		return LB4_VERDICT_NOT_HERE;
	flow_heard_server(n, n->flow);
	return LB4_VERDICT_FORWARDED;
}

/*
 * A fragment, or a packet with options, whose ports are known. If it is of a flow it must not come to
 * the stack, which knows no such connection and would reset it.
 */
lb4_inline int is_odd_of_flow(struct nat *n, __u32 vip)
{
	__u64 tag = tag_of(&n->packet.tuple);
	struct lb4_line *line;

	if (vip == LB4_VIP_NONE)
		return is_answer_port(n->control, n->packet.tuple.destination_port) && flow_see(n);
	line = line_of(n->control, tag);
	return line && way_find(line, tag);
}

lb4_inline enum lb4_verdict odd(struct nat *n)
{
	struct lb4_control *c = n->control;
	__u32 vip;

	if (n->packet.has_ports) {
		vip = vip_find(c, n->packet.tuple.destination, n->packet.tuple.destination_port);
		if (is_odd_of_flow(n, vip))
			return LB4_VERDICT_DROP_ODD;
	}
	vip = vip_find(c, n->packet.tuple.destination, 0);
	return vip == LB4_VIP_NONE ? LB4_VERDICT_NOT_OURS : LB4_VERDICT_PASS_ODD;
}

/* Whom the packet is for, and what is to become of it. */
lb4_inline enum lb4_verdict nat_decide(struct nat *n, enum parsed parsed)
{
	struct lb4_control *c = n->control;
	enum lb4_verdict verdict;
	__u32 vip;

	if (parsed == PARSED_OTHER)
		return LB4_VERDICT_NOT_OURS;
	if (parsed == PARSED_ODD)
		return odd(n);
	if (parsed == PARSED_MALFORMED)
		return vip_find(c, n->packet.tuple.destination, 0) == LB4_VIP_NONE
			       ? LB4_VERDICT_NOT_OURS
			       : LB4_VERDICT_DROP_MALFORMED;
	vip = vip_find(c, n->packet.tuple.destination, n->packet.tuple.destination_port);
	if (vip != LB4_VIP_NONE) {
		n->vip = bpf_map_lookup_elem(&vips, &vip);
		if (!n->vip)
			return LB4_VERDICT_NOT_OURS;
		if (source_is_impossible(&n->packet))
			return LB4_VERDICT_DROP_SOURCE;
		verdict = from_client(n, vip);
	} else {
		if (!is_answer_port(c, n->packet.tuple.destination_port))
			return LB4_VERDICT_NOT_OURS;
		verdict = from_server(n);
	}
	if (verdict == LB4_VERDICT_FORWARDED && n->packet.hops <= 1)
		return LB4_VERDICT_DROP_TTL;
	return verdict;
}
