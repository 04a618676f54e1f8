/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP segments in the name of others: of connections that have no socket here. */
#pragma once

#include <stdint.h>

#include "address.h"

struct raw {
	int ipv4, ipv6; /* −1: cannot be had */
};

#define RAW_INIT                                                                                   \
	{                                                                                          \
		.ipv4 = -1, .ipv6 = -1                                                             \
	}

/* -EPERM: no CAP_NET_RAW. */
int raw_open(struct raw *r);
void raw_close(struct raw *r);

/*
 * A RST from `from` to `to`, of one family, with that sequence number: whoever expects it as the
 * next byte takes it (RFC 5961, §3.2). It may get lost as any packet. -errno.
 */
int raw_send_reset(struct raw *r, const struct address *from, const struct address *to,
		   uint32_t sequence);

/*
 * A question, as of keepalive (RFC 9293, §3.8.4): with `sequence`, which `to` has had already, it is
 * answered by an acknowledgement if the connection is known, else by a RST with the number that is
 * acknowledged. -errno.
 */
int raw_send_question(struct raw *r, const struct address *from, const struct address *to,
		      uint32_t sequence, uint32_t acknowledged);
