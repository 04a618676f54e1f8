/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel's routing does with a packet, asked over rtnetlink(7). Blocks for a moment. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

/*
 * Whether a packet from `source`, coming in where packets to `source` go out, is delivered to this
 * machine when it is for `destination` and carries `mark` (0: none). 1 or 0, or -errno;
 * -ENETUNREACH when there is no way to `source`.
 */
int route_is_local(const struct address *source, const struct address *destination, uint32_t mark);

/* Whether packets to `a` are delivered here: its own address, or of a range of type local. 1 or 0,
 * or -errno. */
int route_is_here(const struct address *a);

/* The firewall marks that routing rules of that family look at: up to `n_max`, returns how many, or
 * -errno. */
int route_rule_marks(enum address_family family, uint32_t *marks, size_t n_max);

/* The way that packets to an address take. */
struct route {
	uint32_t interface;    /* the kernel's index */
	uint32_t mtu;	       /* of the route; 0: that of the interface */
	struct address source; /* the address of this machine that they come from; port 0 */
	bool has_gateway;
	struct address gateway; /* of either family */
};

/* 0, 1 when they are delivered here, or -errno; -ENETUNREACH or -EHOSTUNREACH: there is no way. */
int route_find(const struct address *a, struct route *ret);
