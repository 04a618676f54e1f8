/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast path as lb4 loads it, attached to nothing, with one service, and flows that begin and
 * end by packets alone. Addresses are in the host's order. One thread.
 */
#pragma once

#include "driver.h"
#include "fastpath.h"
#include "xdp.h"

#define WORLD_VIP	   0xc0000201u /* 192.0.2.1 */
#define WORLD_OURS	   0x0a000001u /* 10.0.0.1, and backends are 10.0.1.1 … */
#define WORLD_VIP_PORT	   80
#define WORLD_BACKEND_PORT 8080
#define WORLD_BACKENDS	   128

struct world {
	struct fastpath *fastpath;
	const struct fastpath_maps *maps;
	struct xdp *xdp;       /* NULL: it was not asked for */
	struct driver *driver; /* its flows are those that began, the first n_flows */
	uint32_t max_flows;    /* as lb4.yaml has it */
	uint32_t n_flows;
};

/* With clients enough for so many flows, none of which has begun. -errno. */
int world_open(struct world *w, uint32_t max_flows, uint32_t n_flows);
void world_close(struct world *w); /* what is not open is ignored */

/* Its service is one of dsr, LB4_FORWARD_DSR_…, and goes by the program at XDP too. -errno. */
int world_be_dsr(struct world *w, uint8_t forward);

/* The descriptor of that program. */
int world_xdp(const struct world *w);

/* What connections are made of, in this order. */
enum world_step {
	WORLD_SYN,
	WORLD_ANSWER,
	WORLD_ACK,  /* and what clients send then */
	WORLD_DATA, /* what backends send then */
	WORLD_CLIENT_FIN,
	WORLD_SERVER_FIN,
	WORLD_LAST_ACK,
};
struct driver_segment world_segment(enum world_step step);

/* A SYN of anybody's. */
struct driver_segment world_random_syn(void);

/*
 * Begins and acknowledges the flows of all clients. Those that found no room, or no port, are taken
 * out of the driver's: *ret_failed of them. -errno.
 */
int world_connect(struct world *w, uint32_t *ret_failed);

/* Closes them all, one side after the other. -errno. */
int world_disconnect(struct world *w);

/*
 * Walks the table as lb4 does, as if ten seconds had passed, and ends what is over. What is left in
 * either table afterwards, and the time that the walk took.
 */
void world_walk(struct world *w, uint64_t *ret_left, nsec_t *ret_time);

/* What cases begin with, each 0 or -errno. No flow is there, nor was: */
int world_clear(struct world *w);
/* as if each client's last packet had come a tick earlier, */
int world_age(struct world *w);
/* and all room is taken by SYNs of this moment. */
int world_flood(struct world *w);

uint64_t world_verdicts(const struct world *w, enum lb4_verdict verdict);

/* Bytes of the tables of flows. */
uint64_t world_memory(const struct world *w);
