/* SPDX-License-Identifier: GPL-2.0-only */
/* IP packets around others (RFC 2003, RFC 2473). */
#pragma once

#include "packet.h"

#define OUTER_HOPS	   64
#define IPV4_DONT_FRAGMENT 0x4000

/*
 * An IP packet around one of `size` bytes, at `ip`: its headers. Traffic class and ECN are those of
 * the packet inside (RFC 6040, §4.1).
 */
lb4_inline void outer_ipv4(struct iphdr *ip, const __u8 source[16], const __u8 destination[16],
			   __u32 size, __u8 tos, __u8 protocol)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;

	*(__u8 *)ip = 0x45;
	ip->tos = tos;
	ip->tot_len = bpf_htons((__u16)(size + sizeof(*ip)));
	ip->id = 0;
	ip->frag_off = bpf_htons(IPV4_DONT_FRAGMENT);
	ip->ttl = OUTER_HOPS;
	ip->protocol = protocol;
	ip->check = 0;
	ip->saddr = *(const __u32 *)(source + 12);
	ip->daddr = *(const __u32 *)(destination + 12);
	for (int i = 0; i < 10; i++)
		sum += word[i];
	ip->check = (__u16)~sum_fold(sum);
}

lb4_inline void outer_ipv6(struct ipv6hdr *ip, const __u8 source[16], const __u8 destination[16],
			   __u32 size, __u8 tos, __u8 protocol)
{
	*(__be32 *)ip = bpf_htonl(6u << 28 | (__u32)tos << 20);
	ip->payload_len = bpf_htons((__u16)size);
	ip->nexthdr = protocol;
	ip->hop_limit = OUTER_HOPS;
	copy_ip((__u8 *)&ip->saddr, source);
	copy_ip((__u8 *)&ip->daddr, destination);
}
