/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes the headers of a packet that is sent on, and makes its segments fit. */
#pragma once

#include "mss.h"
#include "nat_packet.h"

/* The whole of a segment's size beyond which it does not fit where segments of `mss` just do. */
lb4_inline int fits(const struct nat *n, __u16 mss)
{
	return n->segment <= (__u32)mss + sizeof(struct tcphdr) + n->packet.header;
}

lb4_inline void clamp_mss(struct nat *n, __u16 mss)
{
	n->body_sum = mss_clamp(n->context,
				sizeof(struct ethhdr) + n->packet.header + sizeof(struct tcphdr),
				4u * n->packet.tcp->doff - sizeof(struct tcphdr), mss);
}

lb4_inline __u32 ip_difference(const __u8 from[16], const __u8 to[16], int ipv4)
{
	const __u32 *f = (const __u32 *)from, *t = (const __u32 *)to;
	__u32 sum = sum_replace(0, f[3], t[3]);

	if (ipv4)
		return sum;
	sum = sum_replace(sum, f[0], t[0]);
	sum = sum_replace(sum, f[1], t[1]);
	return sum_replace(sum, f[2], t[2]);
}

/* What is new in the headers. */
struct rewrite {
	__u8 source[16], destination[16];
	__be16 source_port, destination_port;
};

/* Writes addresses, ports and hops; the differences to the TCP checksum are left to the hook. */
lb4_inline void rewrite(struct nat *n, const struct rewrite *to, __u32 *ret_address_sum,
			__u32 *ret_body_sum)
{
	struct packet *p = &n->packet;
	__u32 sum = ip_difference(p->tuple.source, to->source, p->is_ipv4);

	sum = sum_add(sum, ip_difference(p->tuple.destination, to->destination, p->is_ipv4));
	if (p->is_ipv4) {
		struct iphdr *ip = ipv4_of(p);
		__u16 was = *(__u16 *)&ip->ttl;

		ip->ttl--;
		ip->saddr = *(const __u32 *)(to->source + 12);
		ip->daddr = *(const __u32 *)(to->destination + 12);
		ip->check = checksum_update(ip->check, sum_replace(sum, was, *(__u16 *)&ip->ttl));
	} else {
		struct ipv6hdr *ip = ipv6_of(p);

		ip->hop_limit--;
		copy_ip((__u8 *)&ip->saddr, to->source);
		copy_ip((__u8 *)&ip->daddr, to->destination);
	}
	p->tcp->source = to->source_port;
	p->tcp->dest = to->destination_port;
	*ret_address_sum = sum;
	*ret_body_sum = sum_replace(sum_replace(n->body_sum, p->tuple.source_port, to->source_port),
				    p->tuple.destination_port, to->destination_port);
}
