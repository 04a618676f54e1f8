// SPDX-License-Identifier: GPL-2.0-only
/*
 * For backends of forward: dsr-ipip: takes the outer header off packets that come from lb4, at tc
 * ingress, where the kernel has no ipip device to do so. What is inside goes on as if it had come
 * so; it is for an address that the backend has on its loopback interface.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define HOOK_CONTEXT struct __sk_buff

#include "lb4_decap.h"
#include "packet.h"

/* Goes on as if there was no program. */
#define GO_ON -1

/* Of kernels since 6.3; the headers are older. */
#define ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7)
#define ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)

/* Who may send such packets, IPv4 as ::ffff:a.b.c.d; set before the program is loaded. */
const volatile __u8 sources[LB4_DECAP_SOURCES_MAX][16];
const volatile __u32 n_sources;

/* Packets by what became of them, of each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB4_DECAP_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

lb4_inline void count(__u32 what)
{
	__u64 *counter = bpf_map_lookup_elem(&counters, &what);

	if (counter)
		(*counter)++;
}

/* Volatile, so that nobody takes what is set later for zeroes. */
lb4_inline int is_source(const __u8 address[16])
{
	for (__u32 i = 0; i < LB4_DECAP_SOURCES_MAX && i < n_sources; i++) {
		int same = 1;

		for (int j = 0; j < 16; j++)
			same &= sources[i][j] == address[j];
		if (same)
			return 1;
	}
	return 0;
}

struct outer {
	__u8 source[16];
	__u8 protocol; /* of what is inside; 0: it is no such packet */
	__u8 is_ipv4;
	__u32 size;
};

lb4_inline void outer_parse(struct outer *o, struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ipv6 = data + sizeof(struct ethhdr);
	struct iphdr *ipv4 = data + sizeof(struct ethhdr);

	if ((void *)(ipv4 + 1) > end)
		return;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (ipv4->ihl != 5 || (ipv4->frag_off & bpf_htons(IPV4_FRAGMENT)))
			return;
		set_ipv4(o->source, ipv4->saddr);
		o->protocol = ipv4->protocol;
		o->is_ipv4 = 1;
		o->size = sizeof(*ipv4);
		return;
	}
	if (skb->protocol != bpf_htons(ETH_P_IPV6) || (void *)(ipv6 + 1) > end)
		return;
	copy_ip(o->source, (__u8 *)&ipv6->saddr);
	o->protocol = ipv6->nexthdr;
	o->size = sizeof(*ipv6);
}

/* The header that is left says which family it is. */
lb4_inline int set_type(struct __sk_buff *skb, int inner_is_ipv4)
{
	struct ethhdr *ethernet = (void *)(long)skb->data;

	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return -1;
	set_ether_type(ethernet, bpf_htons(inner_is_ipv4 ? ETH_P_IP : ETH_P_IPV6));
	return 0;
}

/*
 * IPv4 in IPv6 on kernels before 6.3, which know no flag that says what is left: what makes IPv4 of
 * IPv6 takes away as much as one header is shorter than the other, and then there is an IPv4 header's
 * size to go.
 */
lb4_inline int unwrap_in_two(struct __sk_buff *skb)
{
	_Static_assert(sizeof(struct ipv6hdr) == 2 * sizeof(struct iphdr), "both parts");
	if (bpf_skb_change_proto(skb, bpf_htons(ETH_P_IP), 0) < 0)
		return -1;
	return bpf_skb_adjust_room(skb, -(int)sizeof(struct iphdr), BPF_ADJ_ROOM_MAC,
				   BPF_F_ADJ_ROOM_FIXED_GSO) < 0
		       ? -1
		       : 0;
}

lb4_inline int unwrap(struct __sk_buff *skb, const struct outer *o)
{
	int inner_is_ipv4 = o->protocol == IPPROTO_IPIP;
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;

	if (inner_is_ipv4 != o->is_ipv4)
		flags |= inner_is_ipv4 ? ADJ_ROOM_DECAP_L3_IPV4 : ADJ_ROOM_DECAP_L3_IPV6;
	if (bpf_skb_adjust_room(skb, -(int)o->size, BPF_ADJ_ROOM_MAC, flags) < 0 &&
	    (!inner_is_ipv4 || o->is_ipv4 || unwrap_in_two(skb) < 0))
		return -1;
	return set_type(skb, inner_is_ipv4);
}

SEC("tc")
int lb4_decap(struct __sk_buff *skb)
{
	struct outer o = {};

	outer_parse(&o, skb);
	if (o.protocol != IPPROTO_IPIP && o.protocol != IPPROTO_IPV6)
		return GO_ON;
	if (!is_source(o.source)) {
		count(LB4_DECAP_FOREIGN);
		return GO_ON;
	}
	if (unwrap(skb, &o) < 0) {
		count(LB4_DECAP_FAILED);
		return TC_ACT_SHOT;
	}
	count(LB4_DECAP_UNWRAPPED);
	return GO_ON;
}

char lb4_license[] SEC("license") = "GPL";
