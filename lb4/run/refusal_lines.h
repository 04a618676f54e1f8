/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which refusals get a log line. A limit is hit in floods, and a line for each would turn a flood of
 * packets into one of writes: of each end reason REFUSAL_LINES are written within a second, and then
 * how many more there were. Counters count all of them. One worker, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "end_reason.h"

#define REFUSAL_LINES 10

/* Zeroed: nothing was refused yet. */
struct refusal_lines {
	struct {
		nsec_t until; /* the end of its second; 0: none has begun */
		uint32_t n_written;
		uint64_t n_more;
	} reasons[END_REASONS];
};

/* One more refusal; true when it gets a line. */
bool refusal_lines_want(struct refusal_lines *l, enum end_reason reason, nsec_t now);

/* When refusal_lines_take() has something; NSEC_NEVER: no refusal is untold. */
nsec_t refusal_lines_next(const struct refusal_lines *l);

/* A reason whose second is over with refusals that got no line: *ret_more. END_NONE: none. */
enum end_reason refusal_lines_take(struct refusal_lines *l, nsec_t now, uint64_t *ret_more);
