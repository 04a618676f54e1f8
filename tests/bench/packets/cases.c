// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"

static int floor_program(const struct packet_case *c, const struct world *w)
{
	return driver_floor(w->driver, c->hook, c->floor);
}

static int lb4_tc(const struct packet_case *c, const struct world *w)
{
	(void)c;
	return fastpath_program(w->fastpath);
}

static int lb4_xdp(const struct packet_case *c, const struct world *w)
{
	(void)c;
	return world_xdp(w);
}

#define FLOOR(text, of_hook, of_floor, answer)                                                     \
	{                                                                                          \
		.name = text, .hook = of_hook, .world = CASE_USUAL, .program = floor_program,      \
		.floor = of_floor, .step = WORLD_ACK, .n_flows = 1, .action = answer               \
	}

#define NAT(text, of_world, of_step, flows, ...)                                                   \
	{                                                                                          \
		.name = "nat at tc: " text, .hook = DRIVER_TC, .world = of_world,                  \
		.program = lb4_tc, .step = of_step, .n_flows = flows, __VA_ARGS__                  \
	}

#define FORWARDED .least_forwarded_permille = 1000

/* At that hook of that kind, with that goal: however many flows there are. */
#define DSR(text, of_hook, of_program, of_world, of_goal)                                          \
	{.name = text ": 1 flow",                                                                  \
	 .hook = of_hook,                                                                          \
	 .world = of_world,                                                                        \
	 .program = of_program,                                                                    \
	 .step = WORLD_ACK,                                                                        \
	 .n_flows = 1,                                                                             \
	 FORWARDED,                                                                                \
	 .goal = of_goal},                                                                         \
		{.name = text ": 100,000 flows",                                                   \
		 .hook = of_hook,                                                                  \
		 .world = of_world,                                                                \
		 .program = of_program,                                                            \
		 .step = WORLD_ACK,                                                                \
		 .n_flows = 100000,                                                                \
		 FORWARDED,                                                                        \
		 .goal = of_goal},                                                                 \
		{.name = text ": 1,000,000 flows",                                                 \
		 .hook = of_hook,                                                                  \
		 .world = of_world,                                                                \
		 .program = of_program,                                                            \
		 .step = WORLD_ACK,                                                                \
		 .n_flows = 1000000,                                                               \
		 FORWARDED,                                                                        \
		 .goal = of_goal},                                                                 \
	{                                                                                          \
		.name = text ": a flood of SYNs", .hook = of_hook, .world = of_world,              \
		.program = of_program, .step = WORLD_SYN, .n_flows = 0, FORWARDED, .goal = of_goal \
	}

const struct packet_case cases[] = {
	FLOOR("tc: drop", DRIVER_TC, DRIVER_DROP, TC_ACT_SHOT),
	FLOOR("tc: MAC swap, redirect", DRIVER_TC, DRIVER_SWAP, TC_ACT_REDIRECT),
	FLOOR("XDP: drop", DRIVER_XDP, DRIVER_DROP, XDP_DROP),
	FLOOR("XDP: MAC swap", DRIVER_XDP, DRIVER_SWAP, XDP_TX),
	FLOOR("XDP: constant IPIP", DRIVER_XDP, DRIVER_IPIP, XDP_TX),
	NAT("client, 1 flow", CASE_USUAL, WORLD_ACK, 1, FORWARDED, .goal = 110),
	NAT("answer, 1 flow", CASE_USUAL, WORLD_DATA, 1, FORWARDED, .goal = 110),
	NAT("client, 100,000 flows", CASE_USUAL, WORLD_ACK, 100000, FORWARDED, .goal = 200),
	NAT("answer, 100,000 flows", CASE_USUAL, WORLD_DATA, 100000, FORWARDED, .goal = 200),
	NAT("client, 100,000 flows, first of a second", CASE_USUAL, WORLD_ACK, 100000, FORWARDED,
	    .prepare = world_age),
	NAT("client, 1,000,000 flows", CASE_FULL, WORLD_ACK, 1000000, FORWARDED),
	NAT("answer, 1,000,000 flows", CASE_FULL, WORLD_DATA, 1000000, FORWARDED),
	/* Some find no room. */
	NAT("SYN, 100,000 flows begin", CASE_EMBRYOS, WORLD_SYN, 100000, .prepare = world_clear,
	    .least_forwarded_permille = 990),
	NAT("SYN, a flood when all is taken", CASE_EMBRYOS, WORLD_SYN, 0, .prepare = world_flood),
	DSR("dsr-l2 at tc", DRIVER_TC, lb4_tc, CASE_L2, 40),
	DSR("dsr-l2 at XDP", DRIVER_XDP, lb4_xdp, CASE_L2, 40),
	DSR("dsr-ipip at XDP", DRIVER_XDP, lb4_xdp, CASE_IPIP, 40),
};
const size_t n_cases = sizeof(cases) / sizeof(cases[0]);

bool case_is_floor(const struct packet_case *c)
{
	return c->program == floor_program;
}

const struct packet_case *case_swap(const struct packet_case *c)
{
	for (size_t i = 0; i < n_cases; i++)
		if (case_is_floor(&cases[i]) && cases[i].hook == c->hook &&
		    cases[i].floor == DRIVER_SWAP)
			return &cases[i];
	return NULL;
}

int case_open_world(enum case_world which, struct world *ret, uint32_t *ret_failed)
{
	static const struct {
		uint32_t max_flows, n_flows;
	} sizes[] = {
		[CASE_USUAL] = {262144, 100000},   [CASE_FULL] = {1000000, 1000000},
		[CASE_EMBRYOS] = {262144, 100000}, [CASE_L2] = {262144, 1000000},
		[CASE_IPIP] = {262144, 1000000},
	};
	const bool is_dsr = which == CASE_L2 || which == CASE_IPIP;
	int r = world_open(ret, sizes[which].max_flows, sizes[which].n_flows);

	*ret_failed = 0;
	if (r == 0 && is_dsr)
		r = world_be_dsr(ret, which == CASE_L2 ? LB4_FORWARD_DSR_L2 : LB4_FORWARD_DSR_IPIP);
	else if (r == 0 && which != CASE_EMBRYOS)
		r = world_connect(ret, ret_failed);
	if (r < 0)
		fprintf(stderr, "the fast path cannot be loaded: %s\n", strerror(-r));
	return r;
}

/* What lb4's program has counted. */
struct tally {
	uint64_t all, forwarded;
};

static struct tally tally(const struct world *w)
{
	struct tally t = {.forwarded = world_verdicts(w, LB4_VERDICT_FORWARDED)};

	for (enum lb4_verdict v = 0; v < LB4_VERDICT_COUNT; v++)
		t.all += world_verdicts(w, v);
	return t;
}

static int check(const struct packet_case *c, const struct world *w, const struct tally *before,
		 uint32_t n_packets, int action)
{
	struct tally after = tally(w);
	uint64_t all = after.all - before->all, forwarded = after.forwarded - before->forwarded;

	if (case_is_floor(c)
		    ? action == c->action
		    : all == n_packets &&
			      1000 * forwarded >= (uint64_t)c->least_forwarded_permille * n_packets)
		return 0;
	fprintf(stderr,
		"%s: the last answer was %d; of %u packets %ju were for lb4, %ju forwarded\n",
		c->name, action, n_packets, (uintmax_t)all, (uintmax_t)forwarded);
	return -EPROTO;
}

/* Caches hold then what they hold in the long run. */
static int warm_up(const struct packet_case *c, struct world *w, struct driver_flows flows)
{
	nsec_t took;
	int action;

	if (c->prepare)
		return c->prepare(w);
	return driver_run(w->driver, c->hook, flows.n, flows, &took, &action);
}

int case_measure(const struct packet_case *c, struct world *w, uint32_t n_packets,
		 struct case_result *ret)
{
	struct driver_segment segment = c->n_flows ? world_segment(c->step) : world_random_syn();
	struct driver_flows flows = {0, c->n_flows && c->n_flows < w->n_flows ? c->n_flows
									      : w->n_flows};
	nsec_t base, took;
	struct tally before;
	int action, r;

	if (n_packets < flows.n || (c->prepare && c->n_flows))
		n_packets = flows.n;
	driver_set_segment(w->driver, &segment);
	r = driver_use(w->driver, c->hook, driver_floor(w->driver, c->hook, DRIVER_DROP));
	if (r == 0)
		r = driver_run(w->driver, c->hook, n_packets, flows, &base, &action);
	if (r == 0)
		r = driver_use(w->driver, c->hook, c->program(c, w));
	if (r == 0)
		r = warm_up(c, w, flows);
	before = tally(w);
	if (r == 0)
		r = driver_run(w->driver, c->hook, n_packets, flows, &took, &action);
	if (r < 0)
		return r;
	ret->gross = (double)took / n_packets;
	ret->net = ((double)took - (double)base) / n_packets;
	return check(c, w, &before, n_packets, action);
}
