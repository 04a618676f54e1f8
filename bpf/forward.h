/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way of a packet through the program, from end to end. What differs between hooks is in their
 * files, under names that begin with hook_.
 */
#pragma once

#include "icmp.h"
#include "nat.h"
#include "rewrite.h"

/* Ethernet, IPv6 and TCP with its options. */
#define HEADERS_MAX (14 + 40 + 60)

/* Of ICMP and ICMPv6. */
#define ICMP_CHECKSUM 2

/* Another hook that looks next captures, too: where this one is not the last nothing is noted. */
#if HOOK_IS_LAST
#include "capture.h"
#else
#define capture_arrival(n, verdict)			     0
#define capture_icmp(context, c, arrived, vip, client, port) 0
#define capture_client(d, arrived, verdict)		     0
#define capture_tell(verdict)				     ((void)(verdict))
#endif

/* The whole frame's length, and that of segments if it is a bundle of them, or 0. */
lb4_inline __u32 hook_length(HOOK_CONTEXT *context);

/* The same, or less where the whole would have to be asked for. */
lb4_inline __u32 hook_length_read(HOOK_CONTEXT *context);
lb4_inline __u32 hook_bundle(HOOK_CONTEXT *context);

/* The kernel's index of the interface that it came in by. */
lb4_inline __u32 hook_interface(HOOK_CONTEXT *context);

/* Makes so many bytes readable, if it can; what was read before is to be read again. */
lb4_inline void hook_pull(HOOK_CONTEXT *context, __u32 size);

/*
 * Adds differences to the checksum of TCP, or of an ICMP message, `at` bytes into the packet: that of
 * the pseudo header and that of the rest. Afterwards nothing may be read from the packet.
 */
lb4_inline void hook_update_tcp(HOOK_CONTEXT *context, const struct packet *p, __u32 address_sum,
				__u32 body_sum);
lb4_inline void hook_update_icmp(HOOK_CONTEXT *context, __u32 at, __u32 address_sum,
				 __u32 body_sum);

lb4_inline int set_macs(HOOK_CONTEXT *context, const __u8 to[6], const __u8 from[6])
{
	struct ethhdr *ethernet = (void *)(long)context->data;

	if ((void *)(ethernet + 1) > (void *)(long)context->data_end)
		return -1;
	copy_mac(ethernet->h_dest, to);
	copy_mac(ethernet->h_source, from);
	return 0;
}

/* What becomes of a packet that is too long for a way of that MTU: an action. */
lb4_inline int hook_too_big(HOOK_CONTEXT *context, __u32 mtu);

/* What tcp_forward() and dsr_forward() return of such a packet: this, and the MTU. */
#define TOO_BIG	     0x10000
#define TOO_BIG_MASK 0xffff

/* Actions: out by an interface, as it is, or to a backend, where hook_can_…() was true. */
lb4_inline int hook_send(HOOK_CONTEXT *context, const struct lb4_interface *out);
lb4_inline int hook_reach(HOOK_CONTEXT *context, const struct lb4_backend *b, int is_ipv4);

lb4_inline void count(enum lb4_verdict verdict)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct lb4_verdict_counters *counters;

	if (verdict >= LB4_VERDICT_COUNT)
		return;
	/* What another hook looks at next is counted there. */
	if (!HOOK_IS_LAST && verdict >= LB4_VERDICT_PASS_ODD && verdict < LB4_VERDICT_DROP_TWIN)
		return;
	counters = bpf_map_lookup_elem(&verdict_counters, &cpu);
	if (counters)
		counters->n[verdict]++;
}

lb4_inline enum parsed parse_here(HOOK_CONTEXT *context, struct packet *p)
{
	*p = (struct packet){};
	return parse(p, (void *)(long)context->data, (void *)(long)context->data_end,
		     hook_length(context) - sizeof(struct ethhdr), hook_bundle(context) > 0);
}

/* Headers may lie outside of what can be read directly. */
lb4_inline enum parsed parse_whole(HOOK_CONTEXT *context, struct packet *p)
{
	enum parsed parsed = parse_here(context, p);

	if (parsed == PARSED)
		return parsed;
	hook_pull(context, HEADERS_MAX);
	return parse_here(context, p);
}

/* The longest IP packet that it is, or that it is a bundle of. */
lb4_inline __u32 segment_size(HOOK_CONTEXT *context, const struct packet *p)
{
	if (hook_bundle(context))
		return hook_bundle(context) + p->header + 4u * p->tcp->doff;
	return p->size;
}

/* What is for the stack, or too long, which its sender may have to hear of. */
lb4_inline int is_left(enum lb4_verdict verdict)
{
	return (verdict >= LB4_VERDICT_PASS_ODD && verdict < LB4_VERDICT_DROP_TWIN) ||
	       verdict == LB4_VERDICT_DROP_TOO_BIG;
}

#include "dsr_short.h"

lb4_inline enum lb4_verdict send_to_backend(HOOK_CONTEXT *context, struct nat *n, int *ret_action)
{
	struct lb4_backend_counters *counters = counters_of(n->control, n->backend_index);
	const struct lb4_backend *b = n->backend;
	struct rewrite to;
	__u32 address_sum, body_sum;

	if (!fits(n, b->mss_max))
		return LB4_VERDICT_DROP_TOO_BIG;
	if (n->packet.flags & TCP_SYN)
		clamp_mss(n, b->mss_max);
	copy_ip(to.source, b->source);
	copy_ip(to.destination, b->address);
	to.source_port = n->port;
	to.destination_port = b->port;
	if (counters) {
		counters->packets_in++;
		counters->bytes_in += payload_size(&n->packet);
	}
	rewrite(n, &to, &address_sum, &body_sum);
	hook_update_tcp(context, &n->packet, address_sum, body_sum);
	*ret_action = hook_reach(context, b, n->packet.is_ipv4);
	return LB4_VERDICT_FORWARDED;
}

lb4_inline enum lb4_verdict send_to_client(HOOK_CONTEXT *context, struct nat *n, int *ret_action)
{
	struct lb4_backend_counters *counters = counters_of(n->control, n->backend_index);
	__u16 mss = n->packet.is_ipv4 ? n->out->mss_max : n->out->mss_max - 20;
	const struct seen *f = &n->seen;
	struct rewrite to;
	__u32 address_sum, body_sum;

	if (!fits(n, mss))
		return LB4_VERDICT_DROP_TOO_BIG;
	if (n->packet.flags & TCP_SYN)
		clamp_mss(n, mss);
	copy_ip(to.source, n->vip->address);
	copy_ip(to.destination, f->client);
	to.source_port = n->vip->port;
	to.destination_port = f->client_port;
	if (counters) {
		counters->packets_out++;
		counters->bytes_out += payload_size(&n->packet);
	}
	copy_mac(n->packet.ethernet->h_dest, f->client_mac);
	copy_mac(n->packet.ethernet->h_source, n->out->mac);
	rewrite(n, &to, &address_sum, &body_sum);
	hook_update_tcp(context, &n->packet, address_sum, body_sum);
	*ret_action = hook_send(context, n->out);
	return LB4_VERDICT_FORWARDED;
}

lb4_inline int icmp_rewrite(HOOK_CONTEXT *context, const struct icmp_error *e,
			    const struct rewrite *to)
{
	__u32 at = sizeof(struct ethhdr) + ICMP_CHECKSUM, pseudo = 0, body = 0;

	at += e->is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (e->is_ipv4 ? icmp_rewrite_ipv4(context, to, &body)
		       : icmp_rewrite_ipv6(context, to, &pseudo, &body))
		return -1;
	hook_update_icmp(context, at, pseudo, body);
	return 0;
}

/* An action, or ICMP_NOT_OURS. Global, so that the verifier looks at it by itself. */
__attribute__((noinline)) int icmp_forward(HOOK_CONTEXT *context)
{
	struct icmp_error e = {};
	struct lb4_interface *out;
	struct rewrite to = {};
	struct lb4_control *c;
	struct lb4_backend *b;
	__u32 zero = 0, vip;
	int is_captured;
	__u8 mac[6] __attribute__((aligned(2)));

	c = bpf_map_lookup_elem(&control, &zero);
	if (!c || !icmp_parse(&e, context, hook_length(context) - sizeof(struct ethhdr)) ||
	    e.hops <= 1)
		return ICMP_NOT_OURS;
	vip = vip_find(c, e.answer.destination, e.answer.destination_port);
	if (vip != LB4_VIP_NONE) {
		b = icmp_backend(&e, c, &to);
		if (!b || !hook_can_reach(context, b, e.is_ipv4))
			return ICMP_NOT_OURS;
		is_captured = capture_icmp(context, c, hook_interface(context), vip,
					   e.answer.source, e.answer.source_port);
		if (icmp_rewrite(context, &e, &to) < 0)
			return ICMP_NOT_OURS;
		if (is_captured)
			capture_tell(LB4_VERDICT_ICMP);
		return hook_reach(context, b, e.is_ipv4);
	}
	if (!is_answer_port(c, e.answer.destination_port))
		return ICMP_NOT_OURS;
	out = icmp_client(&e, c, &to, mac);
	if (!out || !hook_can_send(context, out))
		return ICMP_NOT_OURS;
	is_captured = capture_icmp(context, c, hook_interface(context),
				   vip_find(c, to.source, to.source_port), to.destination,
				   to.destination_port);
	if (set_macs(context, mac, out->mac) < 0 || icmp_rewrite(context, &e, &to) < 0)
		return ICMP_NOT_OURS;
	if (is_captured)
		capture_tell(LB4_VERDICT_ICMP);
	return hook_send(context, out);
}

/* The longest IP packet that the way out takes. */
lb4_inline __u32 mtu_out(const struct nat *n)
{
	__u32 headers = sizeof(struct iphdr) + sizeof(struct tcphdr);

	if (n->flow)
		return n->out->mss_max + headers;
	return n->backend->mss_max + n->packet.header + sizeof(struct tcphdr);
}

/* As icmp_forward() a function of its own, so that each has its own stack. */
__attribute__((noinline)) int tcp_forward(HOOK_CONTEXT *context)
{
	enum lb4_verdict verdict;
	int action = HOOK_GO_ON;
	enum parsed parsed;
	struct nat n = {};
	__u32 zero = 0;
	int is_captured;

	n.control = bpf_map_lookup_elem(&control, &zero);
	if (!n.control)
		return HOOK_GO_ON;
	parsed = parse_whole(context, &n.packet);
	n.context = context;
	n.now = (__u32)(bpf_ktime_get_coarse_ns() >> LB4_TICK_SHIFT);
	n.arrived = hook_interface(context);
	verdict = nat_decide(&n, parsed);
	is_captured = capture_arrival(&n, verdict);
	if (verdict == LB4_VERDICT_FORWARDED) {
		n.segment = segment_size(context, &n.packet);
		verdict = n.flow ? send_to_client(context, &n, &action)
				 : send_to_backend(context, &n, &action);
	}
	/* What another hook looks at next is dropped, answered and counted there. */
	if (!HOOK_IS_LAST && is_left(verdict))
		return HOOK_GO_ON;
	if (is_captured)
		capture_tell(verdict);
	if (HOOK_IS_LAST && verdict == LB4_VERDICT_DROP_TOO_BIG)
		return TOO_BIG | (mtu_out(&n) & TOO_BIG_MASK);
	count(verdict);
	return lb4_verdict_is_drop(verdict) ? HOOK_DROP : action;
}

lb4_inline int is_icmp(HOOK_CONTEXT *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct ipv6hdr *ipv6 = (void *)(ethernet + 1);
	struct iphdr *ipv4 = (void *)(ethernet + 1);

	if ((void *)(ipv4 + 1) > end)
		return 0;
	if (ether_type(ethernet) == bpf_htons(ETH_P_IP))
		return ipv4->protocol == IPPROTO_ICMP;
	return ether_type(ethernet) == bpf_htons(ETH_P_IPV6) && ipv6->nexthdr == IPPROTO_ICMPV6;
}

/* What becomes of a packet: an action. */
lb4_inline int forward(HOOK_CONTEXT *context)
{
	struct lb4_control *c;
	__u32 zero = 0;
	int action, has_dsr;

	c = bpf_map_lookup_elem(&control, &zero);
	if (!c)
		return HOOK_GO_ON;
	/* While packets are captured, all of them go to the hook that does so. */
	if (!HOOK_IS_LAST && c->captures)
		return HOOK_GO_ON;
	has_dsr = c->has_dsr;
	if (has_dsr && !c->captures) {
		action = dsr_short(context, c);
		if (action != NOT_SHORT)
			return action;
	}
	if (is_icmp(context)) {
		hook_pull(context, HEADERS_MAX);
		action = has_dsr ? dsr_icmp(context) : NOT_DSR;
		if (action == NOT_DSR)
			action = icmp_forward(context);
		if (action != ICMP_NOT_OURS) {
			count(LB4_VERDICT_ICMP);
			return action;
		}
	}
	action = has_dsr ? dsr_forward(context) : NOT_DSR;
	if (action == NOT_DSR)
		action = tcp_forward(context);
	if (action > 0 && (action & TOO_BIG))
		return hook_too_big(context, action & TOO_BIG_MASK);
	return action;
}

char lb4_license[] SEC("license") = "GPL";
