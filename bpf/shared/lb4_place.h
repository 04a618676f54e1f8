/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the entries of the fast path's tables are, for the programs and for userspace. */
#pragma once

#include "lb4_fastpath.h"
#include "lb4_hash.h"

/* Two sums, so that different tuples have one tag in 2^64 cases only, whoever chose their ports. */
static inline __u64 lb4_tag(const struct lb4_control *c, const struct lb4_tuple *t)
{
	int is_ipv4 = lb4_is_ipv4_tuple(t);
	__u64 a = lb4_mix64(lb4_flow_sum(&c->flows[0], t, is_ipv4));
	__u64 b = lb4_mix64(lb4_flow_sum(&c->flows[1], t, is_ipv4));
	__u64 tag = a ^ (b << 32 | b >> 32);

	return tag < LB4_TAG_FIRST ? tag + LB4_TAG_FIRST : tag;
}

static inline __u32 lb4_flow_place(const struct lb4_control *c, __u64 tag)
{
	return (__u32)(tag >> 32) & c->flow_mask;
}

static inline __u32 lb4_line_place(const struct lb4_control *c, __u64 tag)
{
	return (__u32)(tag >> 32) & c->line_mask;
}

/* Where a VIP is looked for, among `size` places (a power of two). */
static inline __u32 lb4_vip_place(__u32 seed, const __u8 address[16], __be16 port, __u32 size)
{
	__u64 x = (__u64)(lb4_word(address + 12) ^ seed) * 0x9e3779b97f4a7c15ULL;

	x += (lb4_word(address) + 3ULL * lb4_word(address + 4) + 5ULL * lb4_word(address + 8) +
	      port) *
	     0xc2b2ae3d27d4eb4fULL;
	return (__u32)(x >> 32) & (size - 1);
}
