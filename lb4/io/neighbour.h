/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's neighbours: which MAC address an IP address has on a link. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

struct nlmsghdr;

enum neighbour_state {
	NEIGHBOUR_UNKNOWN, /* there is none, or it has been asked for and has not answered yet */
	NEIGHBOUR_RESOLVED,
	NEIGHBOUR_FAILED, /* it was asked for, and did not answer */
};

struct neighbour {
	uint32_t interface;
	struct address address; /* port 0 */
	enum neighbour_state state;
	uint8_t mac[6]; /* if it is resolved */
	bool managed;	/* the kernel keeps it resolved, whether or not there is traffic */
	bool fixed;	/* somebody else has entered it, and answers for it */
};

/* Reads a message about one: true; false: it is not about a neighbour of IP, or not of Ethernet. */
bool neighbour_read(const struct nlmsghdr *h, struct neighbour *ret);

/* 0, or -errno; where the kernel has none it is NEIGHBOUR_UNKNOWN. */
int neighbour_find(uint32_t interface, const struct address *a, struct neighbour *ret);

/*
 * Has the kernel ask for a neighbour, and `keep` it resolved from now on, or no longer. Kernels
 * before 5.16 ask once. Not for one that is fixed: it would no longer be. 0, or -errno.
 */
int neighbour_use(uint32_t interface, const struct address *a, bool keep);
