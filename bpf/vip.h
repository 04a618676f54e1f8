/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom a packet is for: a listen address, a flow's port of ours, or nobody. */
#pragma once

#include "flow.h"

lb4_inline __u32 vip_find(const struct lb4_control *c, const __u8 address[16], __be16 port)
{
	__u32 half = READ_ONCE(c->vip_half) & 1;
	__u32 index = lb4_vip_place(c->vip_seed[half], address, port, LB4_VIP_BUCKETS) +
		      half * LB4_VIP_BUCKETS;
	struct lb4_vip_bucket *bucket = bpf_map_lookup_elem(&vip_buckets, &index);

	if (!bucket)
		return LB4_VIP_NONE;
	for (int i = 0; i < LB4_VIP_WAYS; i++)
		if (bucket->way[i].port == port && bucket->way[i].vip != LB4_VIP_NONE &&
		    ip_equal(bucket->way[i].address, address))
			return bucket->way[i].vip;
	return LB4_VIP_NONE;
}

/* Addresses that no client has. */
lb4_inline int source_is_impossible(const struct packet *p)
{
	const __u32 *word = (const __u32 *)p->tuple.source;
	__u8 first;

	if (p->is_ipv4) {
		first = p->tuple.source[12];
		return first == 0 || first == 127 || first >= 224;
	}
	if (p->tuple.source[0] == 0xff)
		return 1;
	/* ::, ::1 and IPv4 in IPv6's clothes */
	return !word[0] && !word[1] && (!word[2] || word[2] == bpf_htonl(0xffff));
}

lb4_inline int is_answer_port(const struct lb4_control *c, __be16 port)
{
	return (__u16)(bpf_ntohs(port) - c->answer_low) < c->answer_count;
}
