/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A capture of packets: what is wanted, which userspace writes, and the packets, which programs put
 * into a ring of records. Nothing of it outlives its process: another start makes maps of its own.
 */
#pragma once

#include "lb4_fastpath.h"

#define LB4_CAPTURE_BYTES 256u	     /* kept of a packet at most */
#define LB4_CAPTURE_RING  (1u << 20) /* bytes */

/* A service or backend that is not known, or (as what is wanted) any. */
#define LB4_CAPTURE_NONE 0xffffu

/* lb4_control.captures says whether anything is wanted at all. The second line is programs'. */
struct lb4_capture {
	__u8 client[16];
	__u8 client_mask[16]; /* the bits of it that count; all zero: any client */
	__be16 client_port;   /* 0: any */
	__u16 service;
	__u16 bytes; /* of each packet */
	__u8 drops;  /* nothing else is wanted */
	__u8 padding;
	__u32 budget;	/* packets that a CPU may tell in a tick */
	__u32 deadline; /* a tick; past it nothing is wanted any more, whatever became of lb4 */
	__u32 padding2[4];

	__u64 lost; /* wanted, and there was no room or no budget */
	__u64 padding3[7];
};
_Static_assert(sizeof(struct lb4_capture) == 128, "struct lb4_capture is part of the ABI");

/* A packet as it came in. */
struct lb4_captured {
	__u64 time; /* CLOCK_MONOTONIC, ns */
	__u8 client[16];
	__be16 client_port; /* 0: unknown */
	__u16 service;	    /* an index of services, or LB4_CAPTURE_NONE */
	__u16 backend;	    /* an index of backends, or LB4_CAPTURE_NONE */
	__u8 verdict;
	__u8 padding;
	__u32 interface; /* where it came in, the kernel's index */
	__u32 size;	 /* of the frame, or of a bundle of segments */
	__u32 kept;	 /* bytes of it that follow */
	__u32 padding2;
	__u8 bytes[LB4_CAPTURE_BYTES];
};
_Static_assert(sizeof(struct lb4_captured) == 48 + LB4_CAPTURE_BYTES,
	       "struct lb4_captured is part of the ABI");
