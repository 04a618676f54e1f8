/* SPDX-License-Identifier: BSD-2-Clause */
/* What is measured: one line of a table each. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"

/* Flows of the world that they are measured in. */
enum case_world {
	CASE_USUAL,   /* 100,000, in tables of the usual size */
	CASE_FULL,    /* 1,000,000, as many as there may be */
	CASE_EMBRYOS, /* none that was acknowledged */
	CASE_L2,      /* 1,000,000 of dsr, of which nothing is remembered */
	CASE_IPIP,    /* the same, wrapped */
	N_CASE_WORLDS,
};

struct packet_case {
	const char *name;
	enum driver_hook hook;
	enum case_world world;
	int (*program)(const struct packet_case *c, const struct world *w); /* its descriptor */
	enum driver_floor floor;
	enum world_step step;
	uint32_t n_flows;		   /* in turn; 0: packets from anywhere */
	int (*prepare)(struct world *w);   /* then each flow has one packet; NULL: nothing */
	int action;			   /* what a floor has to answer */
	uint32_t least_forwarded_permille; /* by lb4's program */
	double goal;			   /* ns; 0: none */
};

extern const struct packet_case cases[];
extern const size_t n_cases;

bool case_is_floor(const struct packet_case *c);

/* What others are compared to: the MAC swap of the same hook. */
const struct packet_case *case_swap(const struct packet_case *c);

struct case_result {
	double gross; /* ns a packet, with the writing of the packet */
	double net;   /* over a program that drops it at once, measured just before */
};

/* Opens a world and begins its flows. -errno, told on standard error. */
int case_open_world(enum case_world which, struct world *ret, uint32_t *ret_failed);

/*
 * Puts at least `n_packets` through, all flows' at least. -EPROTO, told: the program did something
 * else than it should.
 */
int case_measure(const struct packet_case *c, struct world *w, uint32_t n_packets,
		 struct case_result *ret);
