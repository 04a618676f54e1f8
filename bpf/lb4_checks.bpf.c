// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of backends of dsr by the path that clients' packets take, at tc. A check is a connection of
 * a socket of ours to the backend's own address. On its way out its packets become such for the VIP,
 * sent as those of clients are: to the backend's MAC address, which is the socket's next hop, or in an IP
 * packet for the backend. On their way in answers, which come from the VIP, become the backend's.
 * So a check passes only where a client's connection would be answered.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define HOOK_CONTEXT struct __sk_buff

#include "lb4_check.h"
#include "lb4_fastpath.h"
#include "outer.h"
#include "vlan.h"

/* Goes on as if there was no program: tcx and clsact agree on the number. */
#define GO_ON -1

/* Of kernels since 6.16, which older ones refuse. */
#define CSUM_IPV6 (1ULL << 7)

#define HEADERS_MAX (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LB4_CHECKS);
	__type(key, __u32);
	__type(value, struct lb4_check);
} checks SEC(".maps");

lb4_inline struct lb4_check *find(__be16 own_port)
{
	__u32 key = bpf_ntohs(own_port) & (LB4_CHECKS - 1);
	struct lb4_check *c = bpf_map_lookup_elem(&checks, &key);

	return c && c->own_port == own_port ? c : 0;
}

lb4_inline int read_packet(struct __sk_buff *skb, struct packet *p)
{
	if (skb->data + HEADERS_MAX > skb->data_end)
		bpf_skb_pull_data(skb, skb->len < HEADERS_MAX ? skb->len : HEADERS_MAX);
	return parse(p, (void *)(long)skb->data, (void *)(long)skb->data_end,
		     skb->len - sizeof(struct ethhdr), skb->gso_size > 0) == PARSED;
}

/* The sum of a whole IPv6 packet does not change with an address, as the TCP checksum makes up for it. */
lb4_inline int replace_in_tcp(struct __sk_buff *skb, __u32 at, __s64 sum, int is_ipv4)
{
	if (!is_ipv4 && bpf_l4_csum_replace(skb, at, 0, sum, BPF_F_PSEUDO_HDR | CSUM_IPV6) == 0)
		return 0;
	return (int)bpf_l4_csum_replace(skb, at, 0, sum, BPF_F_PSEUDO_HDR);
}

/* Puts an address at `at` of the IP header, where `was` stands, and into the sums; −1: it cannot. */
lb4_inline int replace(struct __sk_buff *skb, const struct packet *p, __u32 at, __u8 was[16],
		       __u8 now[16])
{
	const __u32 ip = sizeof(struct ethhdr);
	const __u32 tcp = ip + p->header + __builtin_offsetof(struct tcphdr, check);
	const int is_ipv4 = p->is_ipv4;
	__s64 sum;

	sum = is_ipv4 ? bpf_csum_diff((__be32 *)(was + 12), 4, (__be32 *)(now + 12), 4, 0)
		      : bpf_csum_diff((__be32 *)was, 16, (__be32 *)now, 16, 0);
	if (sum < 0 || replace_in_tcp(skb, tcp, sum, is_ipv4) < 0)
		return -1;
	if (is_ipv4 &&
	    bpf_l3_csum_replace(skb, ip + __builtin_offsetof(struct iphdr, check), 0, sum, 0) < 0)
		return -1;
	return (int)(is_ipv4 ? bpf_skb_store_bytes(skb, ip + at, now + 12, 4, 0)
			     : bpf_skb_store_bytes(skb, ip + at, now, 16, 0));
}

/* In a packet for the backend, from where the socket speaks. Segments of a bundle become smaller. */
lb4_inline int wrap(struct __sk_buff *skb, const struct packet *p, const struct lb4_check *c,
		    __u8 tos)
{
	const __u32 size = skb->len - sizeof(struct ethhdr), header = p->header;
	const int is_ipv4 = p->is_ipv4;
	union {
		struct iphdr ipv4;
		struct ipv6hdr ipv6;
	} outer = {};

	if (bpf_skb_adjust_room(skb, (int)header, BPF_ADJ_ROOM_MAC,
				is_ipv4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
					: BPF_F_ADJ_ROOM_ENCAP_L3_IPV6) < 0)
		return -1;
	/* Stored by a helper: a program that writes by itself has every packet copied that is shared,
	 * whosever it is. */
	if (is_ipv4) {
		outer_ipv4(&outer.ipv4, p->tuple.source, c->backend, size, tos, IPPROTO_IPIP);
		return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr), &outer.ipv4,
						sizeof(outer.ipv4), 0);
	}
	outer_ipv6(&outer.ipv6, p->tuple.source, c->backend, size, tos, IPPROTO_IPV6);
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr), &outer.ipv6, sizeof(outer.ipv6),
					0);
}

lb4_inline __u8 traffic_class(const struct packet *p)
{
	return p->is_ipv4 ? ipv4_of(p)->tos : (__u8)(bpf_ntohl(*(__be32 *)ipv6_of(p)) >> 20);
}

SEC("tc")
int lb4_check_out(struct __sk_buff *skb)
{
	struct packet p = {};
	struct lb4_check *c;
	__u32 at;
	__u8 tos;

	if (skb->mark != LB4_CHECK_MARK || !read_packet(skb, &p))
		return GO_ON;
	c = find(p.tuple.source_port);
	if (!c || p.tuple.destination_port != c->port || !ip_equal(p.tuple.destination, c->backend))
		return GO_ON;
	tos = traffic_class(&p);
	at = p.is_ipv4 ? __builtin_offsetof(struct iphdr, daddr)
		       : __builtin_offsetof(struct ipv6hdr, daddr);
	/* What goes out by another path than clients' packets would prove nothing. */
	if (replace(skb, &p, at, c->backend, c->vip) < 0)
		return TC_ACT_SHOT;
	if (c->forward == LB4_FORWARD_DSR_IPIP && wrap(skb, &p, c, tos) < 0)
		return TC_ACT_SHOT;
	return GO_ON;
}

SEC("tc")
int lb4_check_in(struct __sk_buff *skb)
{
	struct packet p = {};
	struct lb4_check *c;
	__u32 at;

	if (is_of_vlan(skb) || !read_packet(skb, &p))
		return GO_ON;
	c = find(p.tuple.destination_port);
	if (!c || p.tuple.source_port != c->port || !ip_equal(p.tuple.source, c->vip))
		return GO_ON;
	at = p.is_ipv4 ? __builtin_offsetof(struct iphdr, saddr)
		       : __builtin_offsetof(struct ipv6hdr, saddr);
	return replace(skb, &p, at, c->vip, c->backend) < 0 ? TC_ACT_SHOT : GO_ON;
}

char lb4_license[] SEC("license") = "GPL";
