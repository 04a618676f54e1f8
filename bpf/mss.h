/* SPDX-License-Identifier: GPL-2.0-only */
/* The MSS option of SYN and its answer, lowered to what our own way takes. */
#pragma once

#include "checksum.h"
#include "packet.h"

/* A SYN's or SYN and ACK's options are looked through for so many steps. */
#define OPTION_STEPS 20

#define TCP_OPTIONS_MAX 40

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2

/*
 * Lowers the maximum segment size that a SYN's sender asks for to what our own way takes. The
 * options are `left` bytes, `at` bytes into the packet. Returns the difference that it makes to the
 * sum. For the verifier as tag_of() is, since it loops.
 */
__attribute__((noinline)) __u32 mss_clamp(HOOK_CONTEXT *context, __u32 at, __u32 left, __u32 mss)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u8 *options;
	__u32 i = 0;

	if (at > sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))
		return 0;
	options = data + at;
	for (int step = 0; step < OPTION_STEPS && i < left && i < TCP_OPTIONS_MAX; step++) {
		__u8 *o = options + i;
		__u16 was;

		if ((void *)(o + 4) > end || o[0] == TCP_OPTION_END)
			return 0;
		if (o[0] == TCP_OPTION_NOP) {
			i++;
			continue;
		}
		if (o[1] < 2 || i + o[1] > left)
			return 0;
		if (o[0] != TCP_OPTION_MSS) {
			i += o[1];
			continue;
		}
		was = (__u16)(o[2] << 8 | o[3]);
		if (o[1] != 4 || was <= mss)
			return 0;
		o[2] = (__u8)(mss >> 8);
		o[3] = (__u8)mss;
		/* Sums are of words in the packet's own order; at an odd place the bytes change
		 * sides. */
		if (i & 1)
			return sum_replace(0, __builtin_bswap16(bpf_htons(was)),
					   __builtin_bswap16(bpf_htons((__u16)mss)));
		return sum_replace(0, bpf_htons(was), bpf_htons((__u16)mss));
	}
	return 0;
}
