/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP errors of our own: a packet of a flow is longer than the way out takes, and whoever sent it is
 * told so (RFC 1191, §4; RFC 4443, §3.2), by the address that it was sent to. What is made here are
 * the headers before what is quoted, whatever the hook; room for them is the hook's.
 */
#pragma once

#include "icmp.h"

/* Messages of one CPU in a tick, a little more than a second. */
#define ICMP_MADE_MAX 100

/*
 * What is quoted are four parts of so many bytes, as bpf_csum_diff() takes 512 at most: as much as
 * may be (RFC 1812, §4.3.2.3: 576 bytes in all; RFC 4443: 1280), or where the packet is shorter than
 * that the headers.
 */
#define ICMP_QUOTE_PARTS      4
#define ICMP_QUOTE_IPV4	      136
#define ICMP_QUOTE_IPV4_SHORT 16
#define ICMP_QUOTE_IPV6	      308

/* A way that takes less is none (RFC 791; RFC 8200, §5). */
#define MTU_MIN_IPV4 68
#define MTU_MIN_IPV6 1280

#define IPV4_DONT_FRAGMENT 0x4000

#define ICMP_FRAGMENTATION_NEEDED 4 /* a code of ICMP_UNREACHABLE */
#define ICMPV6_TOO_BIG		  2 /* a type */
#define ICMP_HOPS		  64

struct icmp_budget {
	__u32 tick;
	__u32 made;
};

/* Each CPU's own. Nobody else looks at it. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct icmp_budget);
} icmp_budgets SEC(".maps");

lb4_inline int icmp_may_make(void)
{
	__u32 now = (__u32)(bpf_ktime_get_coarse_ns() >> LB4_TICK_SHIFT), zero = 0;
	struct icmp_budget *budget = bpf_map_lookup_elem(&icmp_budgets, &zero);

	if (!budget)
		return 0;
	if (budget->tick != now)
		*budget = (struct icmp_budget){.tick = now};
	if (budget->made >= ICMP_MADE_MAX)
		return 0;
	budget->made++;
	return 1;
}

struct icmp_made_ipv4 {
	struct iphdr ip;
	struct icmp_header icmp;
};

struct icmp_made_ipv6 {
	struct ipv6hdr ip;
	struct icmp_header icmp;
};

lb4_inline __u32 sum_of(const void *bytes, __u32 size, __u32 sum)
{
	return sum_fold((__u32)bpf_csum_diff(0, 0, (void *)bytes, size, sum));
}

lb4_inline int quote_sum_parts(void *quote, void *end, __u32 part, __u32 *ret)
{
	__u32 sum = 0;

	if (quote + ICMP_QUOTE_PARTS * part > end)
		return -1;
	for (int i = 0; i < ICMP_QUOTE_PARTS; i++)
		sum = sum_of(quote + i * part, part, sum);
	*ret = sum;
	return 0;
}

/* Of one of the lengths above; each is a constant for the helper. */
lb4_inline int quote_sum(void *quote, void *end, __u32 part, __u32 *ret)
{
	switch (part) {
	case ICMP_QUOTE_IPV4:
		return quote_sum_parts(quote, end, ICMP_QUOTE_IPV4, ret);
	case ICMP_QUOTE_IPV4_SHORT:
		return quote_sum_parts(quote, end, ICMP_QUOTE_IPV4_SHORT, ret);
	case ICMP_QUOTE_IPV6:
		return quote_sum_parts(quote, end, ICMP_QUOTE_IPV6, ret);
	default:
		return -1;
	}
}

/*
 * Where a packet is cut off, its TCP checksum is of no use to anybody; but where the kernel had left
 * it to whoever sends the packet (CHECKSUM_PARTIAL), it is still to be computed then, over what is
 * left, and changes what the ICMP checksum is of. Not all kernels tell us which it is. So it gets
 * the value c with which both come to the same: the sum over TCP is `rest` + c if it stays as it is,
 * and −c once it has become the complement of `rest` + c; these are equal for c = −`rest` / 2, and to
 * halve is to rotate by one in one's complement.
 */
lb4_inline __u16 indifferent_checksum(__u16 rest)
{
	__u16 negative = (__u16)~rest;

	return (__u16)(negative >> 1 | negative << 15);
}

/* The quoted packet's TCP checksum is set to *ret_check; returns the sum of all that is quoted then. */
lb4_inline __u32 quote_settle(__u32 whole, __u32 header, __u16 check, __u16 *ret_check)
{
	__u32 rest = sum_add(sum_add(whole, (__u16)~sum_fold(header)), (__u16)~check);

	*ret_check = indifferent_checksum(sum_fold(rest));
	return sum_add(sum_add(header, sum_fold(rest)), *ret_check);
}

lb4_inline void icmp_make_ipv4(struct icmp_made_ipv4 *m, const struct iphdr *quoted, __u32 size,
			       __u32 sum, __u32 mtu)
{
	*m = (struct icmp_made_ipv4){};
	m->ip.version = 4;
	m->ip.ihl = 5;
	m->ip.tot_len = bpf_htons((__u16)(sizeof(*m) + size));
	m->ip.frag_off =
		bpf_htons(IPV4_DONT_FRAGMENT); /* not to be fragmented, so that it needs no id */
	m->ip.ttl = ICMP_HOPS;
	m->ip.protocol = IPPROTO_ICMP;
	m->ip.saddr = quoted->daddr;
	m->ip.daddr = quoted->saddr;
	m->ip.check = (__u16)~sum_of(&m->ip, sizeof(m->ip), 0);
	m->icmp.type = ICMP_UNREACHABLE;
	m->icmp.code = ICMP_FRAGMENTATION_NEEDED;
	m->icmp.rest = bpf_htonl(mtu);
	m->icmp.checksum = (__u16)~sum_of(&m->icmp, sizeof(m->icmp), sum);
}

lb4_inline void icmp_make_ipv6(struct icmp_made_ipv6 *m, const struct ipv6hdr *quoted, __u32 size,
			       __u32 sum, __u32 mtu)
{
	*m = (struct icmp_made_ipv6){};
	m->ip.version = 6;
	m->ip.payload_len = bpf_htons((__u16)(sizeof(m->icmp) + size));
	m->ip.nexthdr = IPPROTO_ICMPV6;
	m->ip.hop_limit = ICMP_HOPS;
	copy_ip((__u8 *)&m->ip.saddr, (const __u8 *)&quoted->daddr);
	copy_ip((__u8 *)&m->ip.daddr, (const __u8 *)&quoted->saddr);
	m->icmp.type = ICMPV6_TOO_BIG;
	m->icmp.rest = bpf_htonl(mtu);
	/* The pseudo header: addresses, length and protocol. */
	sum = sum_of(&m->ip.saddr, 2 * sizeof(m->ip.saddr), sum);
	sum = sum_add(sum, m->ip.payload_len);
	sum = sum_add(sum, bpf_htons(IPPROTO_ICMPV6));
	m->icmp.checksum = (__u16)~sum_of(&m->icmp, sizeof(m->icmp), sum);
}
