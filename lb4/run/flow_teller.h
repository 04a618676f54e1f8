/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What main tells of flows of nat, so that they are seen as connections are: a line when they end,
 * counters, evidence about backends, and lists of those that there are. On main.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "end_reason.h"
#include "fastpath_maps.h"
#include "line_box.h"

struct connection_info;
struct daemon;
struct placement;

struct flow_teller {
	struct daemon *daemon;
	struct placement *placement;
	const struct fastpath_maps *maps;
	struct line_box lines;
	uint64_t n_dropped; /* lines */
};

void flow_teller_init(struct flow_teller *t, struct daemon *d, struct placement *p,
		      const struct fastpath_maps *maps);

/* A flow, at that place, is over or about to be ended. */
void flow_teller_end(struct flow_teller *t, uint32_t place, const struct lb4_flow *f,
		     enum end_reason reason, nsec_t now);

/* A flow that there is, as a connection. False: it belongs to nobody that is known. */
bool flow_teller_show(const struct flow_teller *t, uint32_t place, const struct lb4_flow *f,
		      nsec_t now, struct connection_info *ret);
