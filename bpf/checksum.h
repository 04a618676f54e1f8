/* SPDX-License-Identifier: GPL-2.0-only */
/* One's complement sums as they stand in packets (RFC 1071), changed without reading the packet
 * anew (RFC 1624, eqn. 3). */
#pragma once

#include <linux/types.h>

#define lb4_inline static inline __attribute__((always_inline))

lb4_inline __u32 sum_add(__u32 sum, __u32 more)
{
	sum += more;
	return sum + (sum < more);
}

/* The difference that a word makes that was `from` and is `to`. */
lb4_inline __u32 sum_replace(__u32 sum, __u32 from, __u32 to)
{
	return sum_add(sum_add(sum, ~from), to);
}

lb4_inline __u16 sum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* `checksum` of what has changed by `difference`. */
lb4_inline __u16 checksum_update(__u16 checksum, __u32 difference)
{
	return (__u16)~sum_fold(sum_add((__u16)~checksum, difference));
}

/* The same where one word of it is less by `less` (RFC 1141). */
lb4_inline __u16 checksum_less(__u16 checksum, __u16 less)
{
	__u32 sum = (__u32)checksum + less;

	return (__u16)(sum + (sum >= 0xffff));
}
