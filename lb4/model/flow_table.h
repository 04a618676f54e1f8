/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Userspace's side of the tables of nat flows: programs begin flows, and here they end. The memory
 * is the maps', shared with programs that run at the same time; bpf/flow.h has the rules. One
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "lb4_abi.h"
#include "lb4_fastpath.h"

struct flow_table {
	const struct lb4_control *control;
	const struct lb4_vip *vips;
	struct lb4_flow *flows;
	const struct lb4_record *records; /* of the flow at the same place */
	struct lb4_line *lines;
	struct lb4_backend_counters *counters; /* the first CPU's; `ended` is counted there */
	uint32_t n_flows, n_lines;
};

/* Now, as maps tell time; of CLOCK_MONOTONIC. */
uint32_t flow_ticks(nsec_t now);

/* Ticks that are at least so long. */
uint32_t flow_ticks_of(nsec_t duration);

/* How long flows may be silent, in ticks; 0: for ever. */
struct flow_limits {
	uint32_t idle;
	uint32_t half_closed; /* since one side said FIN */
	uint32_t lifetime;
};

enum flow_fate {
	FLOW_LIVES,
	FLOW_CLOSED,	/* both sides said FIN, or one RST, and both are silent since */
	FLOW_ABANDONED, /* never acknowledged */
	FLOW_IDLE,	/* these are reset: silent for longer than it may */
	FLOW_HALF_CLOSED,
	FLOW_OLD, /* its lifetime is over */
};

/* `f->last` is known to be right. */
enum flow_fate flow_judge(const struct lb4_flow *f, const struct flow_limits *limits, uint32_t now);

/*
 * Looks at `n` places from `first` on, as many as there are: each flow is shown to `visit` as it
 * is, with the tick of its last packet brought up to date, and ends when that says false,
 * unless something has happened to it meanwhile. Returns the place after the last.
 */
typedef bool flow_visit(void *context, uint32_t place, struct lb4_flow *f);
uint32_t flow_table_walk(struct flow_table *t, uint32_t first, uint32_t n, flow_visit *visit,
			 void *context);

/* The same of those alone that are over and not yet told, not answered, or in doubt, which is quicker by far. */
uint32_t flow_table_glance(struct flow_table *t, uint32_t first, uint32_t n, flow_visit *visit,
			   void *context);

/*
 * Notes in the flow, and in `f`, that something has been done about it (LB4_FLOW_TOLD, LB4_FLOW_ASKED): true
 * once, and false when it was noted before or the flow is no longer as it was.
 */
bool flow_table_mark(struct flow_table *t, uint32_t place, struct lb4_flow *f, uint32_t mark);

/* The flow at a place, with the tick of its last packet; false: there is none. */
bool flow_table_read(const struct flow_table *t, uint32_t place, struct lb4_flow *ret);

/* The way of a client's address and port at a VIP; false: there is none. */
bool flow_table_find_way(const struct flow_table *t, const struct lb4_tuple *client,
			 struct lb4_way *ret);

/* The flow of a client's address and port at a VIP, with the tick of its last packet; false: there
 * is none. */
bool flow_table_find(const struct flow_table *t, const struct lb4_tuple *client,
		     const struct lb4_backend *backends, uint32_t n_backends, uint32_t *ret_place,
		     struct lb4_flow *ret);

/*
 * The same of lines and the ways of dsr in them, which end when they have been silent for longer
 * than `visit` says, in ticks.
 */
typedef uint32_t way_visit(void *context, const struct lb4_way *way);
uint32_t flow_table_walk_ways(struct flow_table *t, uint32_t first, uint32_t n, uint32_t now,
			      way_visit *visit, void *context);
