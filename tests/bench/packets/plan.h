/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the drivers are told, through memory that they share with the benchmark. */
#pragma once

#include <linux/types.h>

/* Ethernet, IPv4, TCP with one option, and what fills it up to the shortest frame. */
#define PLAN_FRAME 64

/* Of each flow, what its packets differ in; as it stands in packets. */
struct plan_flow {
	__be32 client, backend;
	__be16 client_port;
	__be16 port; /* ours, towards the backend; 0: not known */
	__u32 padding;
};
_Static_assert(sizeof(struct plan_flow) == 16, "entries of a mapped array");

enum plan_kind {
	PLAN_CLIENT, /* to the VIP, of one flow after the other */
	PLAN_SERVER, /* the same of answers */
	PLAN_RANDOM, /* to the VIP, from anywhere */
};

struct plan {
	__u8 frame[PLAN_FRAME]; /* of every packet, but for what is the flow's */
	__u32 kind;
	__u32 first, n_flows; /* that have turns; at least 1 */
	__u32 turn;	      /* which of them is next */
	__u64 random;	      /* anything but 0 */
};
