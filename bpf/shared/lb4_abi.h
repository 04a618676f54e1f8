/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Plain data that BPF programs and userspace share: fixed widths, explicit padding. */
#pragma once

#include <linux/types.h>

/* What a connection is told apart by; addresses and ports in network order as they stand in the
 * packet, IPv4 as ::ffff:a.b.c.d. */
struct lb4_tuple {
	__u8 source[16];
	__u8 destination[16];
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol; /* IPPROTO_TCP */
	__u8 padding[3];
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct lb4_tuple) == 40, "struct lb4_tuple is part of the ABI");

/* Key words of the flow hash, drawn from the seed by lb4_hash_key_init(). */
#define LB4_HASH_KEY_WORDS 12

struct lb4_hash_key {
	__u32 words[LB4_HASH_KEY_WORDS];
};
_Static_assert(sizeof(struct lb4_hash_key) == 48, "struct lb4_hash_key is part of the ABI");
