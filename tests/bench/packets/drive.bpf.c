// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers: each run writes the next packet over what the last one has left of it, and goes on with
 * the program that is measured, by a tail call. The kernel repeats that as often as it is told, so
 * that a system call is spread over a hundred thousand packets, and the program is the one that
 * lb4 attaches. Beside them the floors: the least that anything can do with a packet.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "plan.h"

#define inline_always static inline __attribute__((always_inline))

#define PROGRAM_ARRAY(name)                                                                        \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                             \
		__uint(max_entries, 1);                                                            \
		__type(key, __u32);                                                                \
		__type(value, __u32);                                                              \
	} name SEC(".maps")

/* What is measured. */
PROGRAM_ARRAY(tc_program);
PROGRAM_ARRAY(xdp_program);

/* One after the other in the order of packets; their places in lb4's tables are anywhere. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct plan_flow);
} plan_flows SEC(".maps");

struct plan plan;

inline_always __u32 next_flow(void)
{
	__u32 turn = plan.turn;

	plan.turn = turn + 1 < plan.n_flows ? turn + 1 : 0;
	return plan.first + turn;
}

/* Xorshift: cheaper than the kernel's. */
inline_always __u64 next_random(void)
{
	__u64 x = plan.random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	plan.random = x;
	return x;
}

inline_always void set_ends(struct iphdr *ip, struct tcphdr *tcp)
{
	struct plan_flow *flow;
	__u64 random;
	__u32 at;

	if (plan.kind == PLAN_RANDOM) {
		random = next_random();
		ip->saddr = bpf_htonl(0x10000000 + (__u32)(random >> 34)); /* 16.0.0.0 … */
		tcp->source = (__be16)random;
		return;
	}
	at = next_flow();
	flow = bpf_map_lookup_elem(&plan_flows, &at);
	if (!flow)
		return;
	if (plan.kind == PLAN_CLIENT) {
		ip->saddr = flow->client;
		tcp->source = flow->client_port;
	} else {
		ip->saddr = flow->backend;
		tcp->dest = flow->port;
	}
}

/* Checksums are what they are: programs change them and do not look. */
inline_always int restore(void *data, void *end)
{
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u64 *to = data, *from = (__u64 *)plan.frame;

	if (data + PLAN_FRAME > end)
		return -1;
#pragma unroll
	for (int i = 0; i < PLAN_FRAME / 8; i++)
		to[i] = from[i];
	set_ends(ip, (void *)(ip + 1));
	return 0;
}

SEC("tc")
int drive_tc(struct __sk_buff *skb)
{
	if (restore((void *)(long)skb->data, (void *)(long)skb->data_end) == 0)
		bpf_tail_call(skb, &tc_program, 0);
	return TC_ACT_UNSPEC;
}

SEC("xdp.frags")
int drive_xdp(struct xdp_md *xdp)
{
	/* What was put in front of the last packet goes; this costs the same with nothing there. */
	if (bpf_xdp_adjust_head(xdp, (int)(xdp->data_end - xdp->data) - PLAN_FRAME) == 0 &&
	    restore((void *)(long)xdp->data, (void *)(long)xdp->data_end) == 0)
		bpf_tail_call(xdp, &xdp_program, 0);
	return XDP_ABORTED;
}

/* --- The floors --- */

SEC("tc")
int tc_drop(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_SHOT;
}

SEC("xdp.frags")
int xdp_drop(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_DROP;
}

inline_always int swap_macs(void *data, void *end)
{
	struct ethhdr *ethernet = data;
	__u8 mac[ETH_ALEN];

	if ((void *)(ethernet + 1) > end)
		return -1;
	__builtin_memcpy(mac, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, mac, ETH_ALEN);
	return 0;
}

SEC("tc")
int tc_swap(struct __sk_buff *skb)
{
	if (swap_macs((void *)(long)skb->data, (void *)(long)skb->data_end) < 0)
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

SEC("xdp.frags")
int xdp_swap(struct xdp_md *xdp)
{
	if (swap_macs((void *)(long)xdp->data, (void *)(long)xdp->data_end) < 0)
		return XDP_DROP;
	return XDP_TX;
}

/* In an IPv4 packet whose header is always the same but for its length. */
SEC("xdp.frags")
int xdp_ipip(struct xdp_md *xdp)
{
	void *data, *end;
	struct ethhdr was, *ethernet;
	struct iphdr *ip;
	__u16 size;

	if (bpf_xdp_adjust_head(xdp, -(int)sizeof(struct iphdr)) < 0)
		return XDP_DROP;
	data = (void *)(long)xdp->data;
	end = (void *)(long)xdp->data_end;
	ethernet = data;
	ip = (void *)(ethernet + 1);
	if ((void *)ip + 2 * sizeof(*ip) > end)
		return XDP_DROP;
	__builtin_memcpy(&was, data + sizeof(*ip), sizeof(was));
	__builtin_memcpy(ethernet->h_dest, was.h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, was.h_dest, ETH_ALEN);
	ethernet->h_proto = was.h_proto;
	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .ttl = 64,
			     .protocol = IPPROTO_IPIP,
			     .saddr = bpf_htonl(0x0a000001),
			     .daddr = bpf_htonl(0x0a010001)};
	size = (__u16)(bpf_ntohs(ip[1].tot_len) + sizeof(*ip));
	ip->tot_len = bpf_htons(size);
	ip->check = bpf_htons((__u16)(0x66f8 - size)); /* of the words above: 0x9907 */
	return XDP_TX;
}

char bench_license[] SEC("license") = "GPL";
