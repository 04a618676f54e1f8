/* SPDX-License-Identifier: BSD-2-Clause */
/* The program, loaded and fed by hand: a service at two VIPs, and packets that are put through it.
 */
#pragma once

#include "address.h"
#include "fastpath.h"
#include "packets.h"

#define RING_SIZE  65537
#define N_BACKENDS 4 /* the last one can't be reached */
#define PORT_LOW   20000
#define PORT_COUNT 1000

#define VIP4	     "192.0.2.1"
#define VIP6	     "2001:db8::1"
#define CLIENT4	     "198.51.100.7"
#define CLIENT6	     "2001:db8:c::7"
#define OURS4	     "10.0.0.1"
#define OURS6	     "fd00::1"
#define VIP_PORT     80
#define BACKEND_PORT 8080
#define CLIENT_PORT  40000

struct xdp;

/* Loaded once; each case finds its maps as if they were new. */
struct nat_world {
	struct fastpath *fastpath;
	struct xdp *xdp; /* NULL: the program at tc is alone */
	const struct fastpath_maps *maps;
	bool leaves;	   /* XDP may leave packets at tc that are sent on or dropped there */
	bool left;	   /* the last one was */
	uint32_t gso_size; /* of the next packets */
	bool is_ipv6;	   /* which family the helpers below are of */
	struct frame out;  /* of the last one */
};

enum outcome {
	PASSED,
	DROPPED,
	REDIRECTED,
};

/* Runs the cases with the hook that the command line names: tc or xdp. */
#define nat_world_run(tests, argc, argv)                                                           \
	(nat_world_choose(argc, argv),                                                             \
	 cmocka_run_group_tests(tests, nat_world_load, nat_world_unload))
void nat_world_choose(int argc, char **argv);
int nat_world_load(void **state);
int nat_world_unload(void **state);

int nat_world_setup(void **state);

/* The helpers are of that family, and the ring leads to its first backend. */
void nat_world_use(struct nat_world *w, bool ipv6);

/* All slots of the ring: the same backend. */
void nat_world_give(struct nat_world *w, uint16_t backend);

/* Of the client CLIENT4 at CLIENT_PORT, to VIP4. */
struct segment nat_world_segment(uint8_t flags, uint32_t sequence, uint32_t acknowledged);

/*
 * Puts a packet through; what comes out is in w->out. What XDP leaves goes on to tc, and has to be
 * left there too, unless w->leaves.
 */
enum outcome nat_world_put(struct nat_world *w, const struct frame *f);

/* The same of a segment, whose outcome must be that. */
void nat_world_send(struct nat_world *w, const struct segment *s, enum outcome outcome);

/* What a client, or the backend that a flow goes to, says. */
enum outcome nat_world_client(struct nat_world *w, uint16_t port, uint8_t flags,
			      struct segment *ret);
enum outcome nat_world_server(struct nat_world *w, uint16_t port, uint8_t flags,
			      struct segment *ret);

/* A whole handshake; our port towards the backend. */
uint16_t nat_world_connect(struct nat_world *w, uint16_t client_port);

uint64_t nat_world_verdicts(const struct nat_world *w, enum lb4_verdict verdict);
struct lb4_flow *nat_world_flow(struct nat_world *w, uint16_t client_port); /* NULL: none */
size_t nat_world_count_flows(const struct nat_world *w);
size_t nat_world_count_ways(const struct nat_world *w);

/* As if so much time had passed. */
void nat_world_age(struct nat_world *w, uint32_t ticks);

void nat_world_ip(uint8_t ret[16], const char *text);
