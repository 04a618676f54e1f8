/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts many packets through a program in one system call, each written anew. The packets are IPv4,
 * to the world's VIP or from its backends. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "plan.h"

struct driver;

enum driver_hook {
	DRIVER_TC,
	DRIVER_XDP,
};

/* With room for the ends of so many flows. -errno. */
int driver_open(uint32_t n_flows, struct driver **ret);
struct driver *driver_close(struct driver *d); /* NULL is ignored */

/* n_flows, to be filled in. */
struct plan_flow *driver_flows(struct driver *d);

/* What packets are put through: a program of that hook. */
int driver_use(struct driver *d, enum driver_hook hook, int program);

/* A segment as all of those that follow are. */
struct driver_segment {
	enum plan_kind kind;
	uint8_t flags;
	uint32_t sequence, acknowledged;
};
void driver_set_segment(struct driver *d, const struct driver_segment *s);

struct driver_flows {
	uint32_t first, n; /* at least 1 */
};

/* So many packets, of these flows in turn. *ret_time is the CPU time that they took, *ret_action what
 * the program answered to the last one. */
int driver_run(struct driver *d, enum driver_hook hook, uint32_t n_packets,
	       struct driver_flows flows, nsec_t *ret_time, int *ret_action);

/* Programs that do the least. */
enum driver_floor {
	DRIVER_DROP,
	DRIVER_SWAP, /* of MAC addresses, and out where it came from */
	DRIVER_IPIP, /* into a packet of always the same header; XDP alone */
};
int driver_floor(struct driver *d, enum driver_hook hook, enum driver_floor floor);
