// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path at tc ingress: sees bundles of segments as they are, and lets the kernel find the
 * neighbours of backends.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* What the hook gives its program, for helpers that want it, and what can be done with that. */
#define HOOK_CONTEXT		     struct __sk_buff
#define HOOK_SIZE(skb)		     ((skb)->len)
#define HOOK_LOAD(skb, at, to, size) bpf_skb_load_bytes(skb, at, to, size)

#include "capture.h"
#include "icmp.h"
#include "nat.h"

/* Goes on as if there was no program: tcx and clsact agree on the number. */
#define GO_ON -1

/* Ethernet, IPv6 and TCP with its options. */
#define HEADERS_MAX (14 + 40 + 60)

/* Of ICMP and ICMPv6. */
#define ICMP_CHECKSUM 2

#define CHECKSUM_COMPLETE 2
#define CHECKSUM_PARTIAL  3

/* The kernel's, as far as we look. */
struct sk_buff {
	__u8 ip_summed : 2;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *context) __ksym __weak;

/* Whether the kernel has bpf_cast_to_kern_ctx(), Linux 6.2; else sums are left to its helpers,
 * which are slower. */
const volatile int sees_checksum_state;

lb4_inline int checksum_state(struct __sk_buff *skb)
{
	struct sk_buff *kernel;

	if (!sees_checksum_state)
		return CHECKSUM_COMPLETE;
	kernel = bpf_cast_to_kern_ctx(skb);
	return BPF_CORE_READ_BITFIELD(kernel, ip_summed);
}

/* Afterwards nothing may be read from the packet. */
lb4_inline void update_tcp_checksum(struct __sk_buff *skb, const struct packet *p,
				    __u32 address_sum, __u32 body_sum)
{
	__u32 at = sizeof(struct ethhdr) + p->header + __builtin_offsetof(struct tcphdr, check);

	switch (checksum_state(skb)) {
	case CHECKSUM_PARTIAL:
		/* So far it is the sum of the pseudo header; whoever sends it adds the rest. */
		p->tcp->check = sum_fold(sum_add(p->tcp->check, address_sum));
		break;
	case CHECKSUM_COMPLETE:
		bpf_l4_csum_replace(skb, at, 0, address_sum, BPF_F_PSEUDO_HDR);
		bpf_l4_csum_replace(skb, at, 0, body_sum, 0);
		break;
	default:
		p->tcp->check = checksum_update(p->tcp->check, sum_add(address_sum, body_sum));
	}
}

/* Where packets to a backend go next. */
lb4_inline int redirect_to_backend(const struct lb4_backend *b, int is_ipv4)
{
	struct bpf_redir_neigh next = {};

	next.nh_family = is_ipv4 ? AF_INET : AF_INET6;
	if (b->gateway_family)
		next.nh_family = b->gateway_family;
	if (next.nh_family == AF_INET)
		next.ipv4_nh = *(const __u32 *)((b->gateway_family ? b->gateway : b->address) + 12);
	else
		copy_ip((__u8 *)next.ipv6_nh, b->gateway_family ? b->gateway : b->address);
	return bpf_redirect_neigh(b->interface, &next, sizeof(next), 0);
}

lb4_inline enum lb4_verdict send_to_backend(struct __sk_buff *skb, struct nat *n, int *ret_action)
{
	struct lb4_backend_counters *counters = counters_of(n, n->backend_index);
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
	update_tcp_checksum(skb, &n->packet, address_sum, body_sum);
	*ret_action = redirect_to_backend(b, n->packet.is_ipv4);
	return LB4_VERDICT_FORWARDED;
}

lb4_inline enum lb4_verdict send_to_client(struct __sk_buff *skb, struct nat *n, int *ret_action)
{
	struct lb4_backend_counters *counters = counters_of(n, n->backend_index);
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
	__builtin_memcpy(n->packet.ethernet->h_dest, f->client_mac, ETH_ALEN);
	__builtin_memcpy(n->packet.ethernet->h_source, n->out->mac, ETH_ALEN);
	rewrite(n, &to, &address_sum, &body_sum);
	update_tcp_checksum(skb, &n->packet, address_sum, body_sum);
	*ret_action = bpf_redirect(n->out->index, 0);
	return LB4_VERDICT_FORWARDED;
}

lb4_inline int icmp_rewrite(struct __sk_buff *skb, const struct icmp_error *e,
			    const struct rewrite *to)
{
	__u32 at = sizeof(struct ethhdr) + ICMP_CHECKSUM, pseudo = 0, body = 0;

	at += e->is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (e->is_ipv4 ? icmp_rewrite_ipv4(skb, to, &body)
		       : icmp_rewrite_ipv6(skb, to, &pseudo, &body))
		return -1;
	bpf_l4_csum_replace(skb, at, 0, body, 0);
	if (!e->is_ipv4)
		bpf_l4_csum_replace(skb, at, 0, pseudo, BPF_F_PSEUDO_HDR);
	return 0;
}

lb4_inline int icmp_set_macs(struct __sk_buff *skb, const __u8 to[6], const __u8 from[6])
{
	struct ethhdr *ethernet = (void *)(long)skb->data;

	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return -1;
	__builtin_memcpy(ethernet->h_dest, to, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, from, ETH_ALEN);
	return 0;
}

/* An action, or ICMP_NOT_OURS. Global, so that the verifier looks at it by itself. */
__attribute__((noinline)) int icmp_forward(struct __sk_buff *skb)
{
	struct icmp_error e = {};
	struct lb4_interface *out;
	struct rewrite to = {};
	struct lb4_control *c;
	struct lb4_backend *b;
	__u32 zero = 0, vip;
	int captured;
	__u8 mac[6];

	c = bpf_map_lookup_elem(&control, &zero);
	if (!c || !icmp_parse(&e, skb) || e.hops <= 1)
		return ICMP_NOT_OURS;
	vip = vip_find(c, e.answer.destination, e.answer.destination_port);
	if (vip != LB4_VIP_NONE) {
		b = icmp_backend(&e, c, &to);
		if (!b)
			return ICMP_NOT_OURS;
		captured = capture_icmp(skb, c, skb->ifindex, vip, e.answer.source,
					e.answer.source_port);
		if (icmp_rewrite(skb, &e, &to) < 0)
			return ICMP_NOT_OURS;
		if (captured)
			capture_tell(LB4_VERDICT_ICMP);
		return redirect_to_backend(b, e.is_ipv4);
	}
	if (!is_answer_port(c, e.answer.destination_port))
		return ICMP_NOT_OURS;
	out = icmp_client(&e, c, &to, mac);
	if (!out)
		return ICMP_NOT_OURS;
	captured = capture_icmp(skb, c, skb->ifindex, vip_find(c, to.source, to.source_port),
				to.destination, to.destination_port);
	if (icmp_set_macs(skb, mac, out->mac) < 0 || icmp_rewrite(skb, &e, &to) < 0)
		return ICMP_NOT_OURS;
	if (captured)
		capture_tell(LB4_VERDICT_ICMP);
	return bpf_redirect(out->index, 0);
}

lb4_inline void count(enum lb4_verdict verdict)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct lb4_verdict_counters *counters;

	if (verdict >= LB4_VERDICT_COUNT)
		return;
	counters = bpf_map_lookup_elem(&verdict_counters, &cpu);
	if (counters)
		counters->n[verdict]++;
}

lb4_inline enum parsed parse_here(struct __sk_buff *skb, struct packet *p)
{
	*p = (struct packet){};
	return parse(p, (void *)(long)skb->data, (void *)(long)skb->data_end,
		     skb->len - sizeof(struct ethhdr), skb->gso_size > 0);
}

/* As icmp_forward() a function of its own, so that each has its own stack. */
__attribute__((noinline)) int tcp_forward(struct __sk_buff *skb)
{
	enum lb4_verdict verdict;
	int action = GO_ON;
	enum parsed parsed;
	struct nat n = {};
	__u32 zero = 0;
	int captured;

	n.control = bpf_map_lookup_elem(&control, &zero);
	if (!n.control)
		return GO_ON;
	/* Headers may lie outside of what can be read directly. */
	parsed = parse_here(skb, &n.packet);
	if (parsed != PARSED) {
		bpf_skb_pull_data(skb, skb->len < HEADERS_MAX ? skb->len : HEADERS_MAX);
		parsed = parse_here(skb, &n.packet);
	}
	n.context = skb;
	n.now = (__u32)(bpf_ktime_get_coarse_ns() >> LB4_TICK_SHIFT);
	n.arrived = skb->ifindex;
	verdict = nat_decide(&n, parsed);
	captured = capture_arrival(&n, verdict);
	if (verdict == LB4_VERDICT_FORWARDED) {
		n.segment = n.packet.size;
		if (skb->gso_size)
			n.segment = skb->gso_size + n.packet.header + 4u * n.packet.tcp->doff;
		verdict = n.flow ? send_to_client(skb, &n, &action)
				 : send_to_backend(skb, &n, &action);
	}
	count(verdict);
	if (captured)
		capture_tell(verdict);
	if (lb4_verdict_is_drop(verdict))
		return TC_ACT_SHOT;
	return action;
}

lb4_inline int is_icmp(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *ethernet = data;
	struct ipv6hdr *ipv6 = (void *)(ethernet + 1);
	struct iphdr *ipv4 = (void *)(ethernet + 1);

	if ((void *)(ipv4 + 1) > end)
		return 0;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		return ipv4->protocol == IPPROTO_ICMP;
	return ethernet->h_proto == bpf_htons(ETH_P_IPV6) && ipv6->nexthdr == IPPROTO_ICMPV6;
}

SEC("tc")
int lb4_tc(struct __sk_buff *skb)
{
	int action;

	if (skb->vlan_present)
		return GO_ON;
	if (is_icmp(skb)) {
		bpf_skb_pull_data(skb, skb->len < HEADERS_MAX ? skb->len : HEADERS_MAX);
		action = icmp_forward(skb);
		if (action != ICMP_NOT_OURS) {
			count(LB4_VERDICT_ICMP);
			return action;
		}
	}
	return tcp_forward(skb);
}

char lb4_license[] SEC("license") = "GPL";
