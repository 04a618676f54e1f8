/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is to be told of a nat flow, in the words of connections: how long it took, what it carried and
 * why it ended. A pure reading of what programs have noted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "end_reason.h"
#include "flow_table.h"

struct flow_account {
	nsec_t connect;	 /* from SYN to answer; 0: there was none */
	nsec_t duration; /* since SYN, until it was over or now */
	uint64_t bytes_in, bytes_out;
};

/* `now` of CLOCK_MONOTONIC. */
void flow_account(const struct lb4_flow *f, const struct lb4_record *r, nsec_t now,
		  struct flow_account *ret);

/* Why a flow ended, or is over; END_NONE: it lives. */
enum end_reason flow_end_reason(const struct lb4_flow *f, enum flow_fate fate);

/*
 * What the end says against the backend, as a positive errno: that it refused (ECONNREFUSED), did
 * not answer (ETIMEDOUT), or reset before a byte was exchanged (ECONNRESET); 0: nothing.
 */
int flow_evidence(const struct lb4_flow *f, const struct flow_account *a, enum end_reason reason);

/* The word of lbctl and the API: "connecting", "established", "half-closed"; NULL: it is over. */
const char *flow_state_name(uint32_t state);
