/* SPDX-License-Identifier: GPL-2.0-only */
/* How packets of dsr get to the backend that dsr.h has chosen, whatever the hook. */
#pragma once

#include "dsr.h"
#include "icmp.h"

/* Of dsr_forward() and dsr_icmp(): the packet is not for a service of dsr. */
#define NOT_DSR -102

/* Of dsr_send(): this hook cannot send it there. */
#define DSR_CANNOT -103

/*
 * Makes room for an outer header behind the Ethernet header, of which nothing has to be kept: its type
 * is written then, and hook_reach() cares for the rest. −1: it cannot. Segments of a bundle keep
 * their size if they `fit`, else they become so much smaller.
 */
lb4_inline int hook_wrap(HOOK_CONTEXT *context, __u32 size, int outer_is_ipv4, int fit);

lb4_inline __u32 ip_header_size(int is_ipv4)
{
	return is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

lb4_inline int is_ipv4_packet(HOOK_CONTEXT *context)
{
	struct ethhdr *ethernet = (void *)(long)context->data;

	return (void *)(ethernet + 1) <= (void *)(long)context->data_end &&
	       ether_type(ethernet) == bpf_htons(ETH_P_IP);
}

/* One hop less; what the packet's IP header says for an outer one: traffic class, or −1. */
lb4_inline int dsr_pass_hop(HOOK_CONTEXT *context, int is_ipv4)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ipv6hdr *ipv6 = data + sizeof(struct ethhdr);
	struct iphdr *ipv4 = data + sizeof(struct ethhdr);

	if (is_ipv4) {
		if ((void *)(ipv4 + 1) > end)
			return -1;
		ipv4->ttl--;
		ipv4->check = checksum_less(ipv4->check, bpf_htons(0x0100));
		return ipv4->tos;
	}
	if ((void *)(ipv6 + 1) > end)
		return -1;
	ipv6->hop_limit--;
	return (__u8)(bpf_ntohl(*(__be32 *)ipv6) >> 20);
}

/* What is sent: a packet, or a bundle of such that are `segment` bytes long. */
struct dsr_load {
	int is_ipv4;
	__u32 size;
	__u32 segment;
};

lb4_inline int dsr_wrap(HOOK_CONTEXT *context, const struct lb4_backend *b, int outer_is_ipv4,
			const struct dsr_load *l, __u8 tos, int fit)
{
	const __u8 protocol = l->is_ipv4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	struct ethhdr *ethernet;
	void *data, *end;

	if (hook_wrap(context, ip_header_size(outer_is_ipv4), outer_is_ipv4, fit) < 0)
		return -1;
	data = (void *)(long)context->data;
	end = (void *)(long)context->data_end;
	ethernet = data;
	if (data + sizeof(*ethernet) + sizeof(struct ipv6hdr) > end)
		return -1;
	set_ether_type(ethernet, bpf_htons(outer_is_ipv4 ? ETH_P_IP : ETH_P_IPV6));
	if (outer_is_ipv4)
		outer_ipv4((void *)(ethernet + 1), b->source, b->address, l->size, tos, protocol);
	else
		outer_ipv6((void *)(ethernet + 1), b->source, b->address, l->size, tos, protocol);
	return 0;
}

/*
 * Sends it to a backend, as it is or in a packet of ours: an action, or DSR_CANNOT or TOO_BIG with
 * the MTU, and then the packet is as it was.
 */
lb4_inline int dsr_send_to(HOOK_CONTEXT *context, const struct lb4_backend *b,
			   const struct dsr_load *l)
{
	const int is_wrapped = b->forward == LB4_FORWARD_DSR_IPIP;
	const int is_ipv4_way = lb4_is_ipv4(b->address);
	const int leaves_as_ipv4 = is_wrapped ? is_ipv4_way : l->is_ipv4;
	const __u32 most = b->mss_max + sizeof(struct tcphdr) + ip_header_size(is_ipv4_way);
	const __u32 outer = is_wrapped ? ip_header_size(is_ipv4_way) : 0;
	int tos;

	if (!hook_can_reach(context, b, leaves_as_ipv4))
		return DSR_CANNOT;
	if (l->segment + (hook_bundle(context) ? 0 : outer) > most)
		return (int)(TOO_BIG | ((most - outer) & TOO_BIG_MASK));
	tos = dsr_pass_hop(context, l->is_ipv4);
	if (tos < 0)
		return HOOK_DROP;
	if (is_wrapped &&
	    dsr_wrap(context, b, is_ipv4_way, l, (__u8)tos, l->segment + outer <= most) < 0)
		return HOOK_DROP;
	return hook_reach(context, b, leaves_as_ipv4);
}

/* Global, so that the verifier looks at it by itself. */
__attribute__((noinline)) int dsr_send(HOOK_CONTEXT *context, __u32 backend, __u32 size,
				       __u32 segment)
{
	const struct dsr_load load = {is_ipv4_packet(context), size, segment};
	struct lb4_backend *b = bpf_map_lookup_elem(&backends, &backend);

	return b ? dsr_send_to(context, b, &load) : HOOK_DROP;
}

/* An action, or NOT_DSR. A function of its own, as tcp_forward(). */
__attribute__((noinline)) int dsr_forward(HOOK_CONTEXT *context)
{
	struct dsr d = {.context = context};
	enum lb4_verdict verdict;
	int action = HOOK_GO_ON;
	__u32 zero = 0, payload;
	int is_captured;

	d.control = bpf_map_lookup_elem(&control, &zero);
	if (!d.control)
		return NOT_DSR;
	verdict = dsr_take(&d, parse_whole(context, &d.packet));
	if (verdict == LB4_VERDICT_NOT_OURS)
		return NOT_DSR;
	is_captured = capture_client(&d, hook_interface(context), verdict);
	if (verdict == LB4_VERDICT_FORWARDED) {
		/* Afterwards nothing may be read from the packet. */
		payload = payload_size(&d.packet);
		action = dsr_send(context, d.backend_index, d.packet.size,
				  segment_size(context, &d.packet));
		if (action == DSR_CANNOT)
			return HOOK_GO_ON;
		if (action > 0 && (action & TOO_BIG)) {
			if (is_captured)
				capture_tell(LB4_VERDICT_DROP_TOO_BIG);
			return action;
		}
		dsr_count(&d, payload);
	}
	if (!HOOK_IS_LAST && is_left(verdict))
		return HOOK_GO_ON;
	count(verdict);
	if (is_captured)
		capture_tell(verdict);
	return lb4_verdict_is_drop(verdict) ? HOOK_DROP : action;
}

/* An ICMP error about what a backend has sent to a client by itself: an action, or NOT_DSR. */
__attribute__((noinline)) int dsr_icmp(HOOK_CONTEXT *context)
{
	struct dsr d = {.context = context};
	struct icmp_error e = {};
	const struct lb4_tuple *t = &e.answer;
	struct lb4_backend *b;
	const __u32 size = hook_length(context) - sizeof(struct ethhdr);
	__u32 zero = 0, owner;
	__u64 hash;
	__u8 *mark;
	int action;

	d.control = bpf_map_lookup_elem(&control, &zero);
	if (!d.control || !icmp_parse(&e, context, size) || e.hops <= 1 ||
	    !dsr_find(&d, t->destination, t->destination_port))
		return NOT_DSR;
	hash = lb4_flow_hash(&d.control->choice, t);
	mark = mark_of(hash);
	if (!mark || (*mark && is_spliced(context, t)))
		return NOT_DSR;
	owner = dsr_owner(&d, t, hash, TCP_ACK);
	b = bpf_map_lookup_elem(&backends, &owner);
	if (!b || !b->reachable)
		return NOT_DSR;
	action = dsr_send(context, owner, size, size);
	if (action == DSR_CANNOT)
		return ICMP_NOT_OURS;
	return action > 0 && (action & TOO_BIG) ? HOOK_DROP : action;
}
