/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checks of backends of dsr, sent the way that clients' packets go: what the program of checks
 * knows of a connection of lb4's own. Written by userspace before the connection begins.
 */
#pragma once

#include "lb4_abi.h"

/* On packets of checks, so that others are not looked at: SO_MARK. */
#define LB4_CHECK_MARK 0x6c623463u

/* An entry is found by the low bits of its port of ours. */
#define LB4_CHECKS 1024u

struct lb4_check {
	__u8 vip[16];	  /* whom packets are for on the wire, and whom answers come from … */
	__u8 backend[16]; /* … and what they are for the socket */
	__be16 port;	  /* of both */
	__be16 own_port;  /* 0: the entry is not used */
	__u8 forward;	  /* LB4_FORWARD_DSR_* */
	__u8 padding[3];
};
_Static_assert(sizeof(struct lb4_check) == 40, "a multiple of 8, as the kernel pads it");
