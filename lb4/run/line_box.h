/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of the connection log that one thread gathers, and passes on to the line writer now and then:
 * which of them are wanted, room for each, and when they are due. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "end_reason.h"
#include "refusal_lines.h"

struct line_chunk;
struct line_policy;
struct line_writer;

struct line_box {
	struct line_writer *writer;
	const struct line_policy *policy;
	/* So many lines were wanted and are lost: memory is short, or nobody reads. */
	void (*on_dropped)(struct line_box *b, size_t n);
	/* Its own: */
	struct line_chunk *chunk; /* being gathered, or NULL */
	nsec_t due;		  /* when it is passed on */
	uint32_t count;		  /* for sampling */
	struct refusal_lines refusals;
};

#define LINE_BOX_INIT(w, p, dropped)                                                               \
	{                                                                                          \
		.writer = (w), .policy = (p), .on_dropped = (dropped), .due = NSEC_NEVER           \
	}

/* Whether the policy wants a line for that end. `limited`: as refusals are, so many a second. */
bool line_box_wants(struct line_box *b, enum end_reason reason, bool limited, nsec_t now);

/* CONNECTION_LINE_MAX bytes for a line; NULL, and counted: memory is short. */
char *line_box_begin(struct line_box *b, nsec_t now);
void line_box_end(struct line_box *b, size_t length);

/* Tells how many more refusals there were, and passes on what was gathered long enough ago. */
void line_box_on_time(struct line_box *b, nsec_t now);
nsec_t line_box_next(const struct line_box *b);

void line_box_flush(struct line_box *b);
