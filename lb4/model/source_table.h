/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who connects to a service, by masked source address: connections held and the rate of new ones.
 * All workers share it: sets of a few entries in four cache lines, each behind a lock of its own.
 *
 * Bounded, and needs no cleaning: an entry that holds nothing and whose rate has recovered says
 * nothing that a fresh one does not, and is taken for the next newcomer to its set. When all entries
 * of the set are busy, the newcomer is admitted without being tracked, and counted: better a few
 * too many from strangers than nobody new at all. A secret key decides on the set, so that nobody
 * can aim at one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

#define SOURCE_SET_ENTRIES 7

struct source_table;

/* What one connection holds of its source's entry. Zeroed: nothing. */
struct source_hold {
	uint32_t set;
	uint8_t entry;
	bool tracked;
};

struct source_limits {
	uint32_t connections, rate; /* 0: no such limit */
};

enum source_verdict {
	SOURCE_ADMITTED,
	SOURCE_LIMITED,	 /* has as many connections as it may */
	SOURCE_TOO_FAST, /* has opened as many in the last second as it may */
};

/* Room for at least `n_entries` sources. NULL when memory is short. */
struct source_table *source_table_new(uint32_t n_entries, uint64_t secret);
struct source_table *source_table_free(struct source_table *t);

/*
 * One more connection of `source`, at `now`. When it is admitted, *ret is what it holds: nothing
 * when it is not tracked. What is refused counts for nothing.
 */
enum source_verdict source_table_take(struct source_table *t, const uint8_t source[16],
				      const struct source_limits *limits, nsec_t now,
				      struct source_hold *ret);

/* The connection has ended; the hold is nothing then. */
void source_table_release(struct source_table *t, struct source_hold *hold);

/* The same for one that was refused after all, at the `rate` it was taken with: as if not taken. */
void source_table_undo(struct source_table *t, struct source_hold *hold, uint32_t rate);

struct source_info {
	uint8_t source[16];
	uint32_t held;
};

/* The sources that hold most, most first; returns how many there are, at most `n_max`. */
size_t source_table_top(struct source_table *t, struct source_info *infos, size_t n_max);

struct source_table_stats {
	uint32_t n_entries;
	uint32_t n_holding;   /* sources with connections */
	uint64_t n_untracked; /* connections admitted without being tracked, ever */
};
void source_table_stats(struct source_table *t, struct source_table_stats *ret);
