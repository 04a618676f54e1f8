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
	__be16 *word = (__be16 *)ip;
	__u32 sum;

	word[0] = bpf_htons(0x4500 | tos);
	word[1] = bpf_htons((__u16)(size + sizeof(*ip)));
	word[2] = 0;
	word[3] = bpf_htons(IPV4_DONT_FRAGMENT);
	word[4] = bpf_htons(OUTER_HOPS << 8 | protocol);
	ip->saddr = *(const __u32 *)(source + 12);
	ip->daddr = *(const __u32 *)(destination + 12);
	sum = (__u32)word[0] + word[1] + word[3] + word[4];
	sum = sum_add(sum_add(sum, ip->saddr), ip->daddr);
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
