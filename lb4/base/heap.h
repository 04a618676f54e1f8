/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timer heap: a binary heap of intrusive timers ordered by deadline. One thread. What has one
 * timer each (a connection, a probe) costs eight bytes here and a few comparisons a change.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "clock.h"

#define TIMER_IDLE UINT32_MAX

struct timer {
	nsec_t deadline;
	uint32_t position; /* in the heap, TIMER_IDLE when not armed */
};

#define TIMER_INIT                                                                                 \
	{                                                                                          \
		.position = TIMER_IDLE                                                             \
	}

struct heap {
	struct timer **timers;
	size_t n_timers, n_allocated;
};

#define HEAP_INIT                                                                                  \
	{                                                                                          \
	}

void heap_deinit(struct heap *h);

/* Makes room for `n` timers, so that heap_arm() cannot fail. -ENOMEM. */
int heap_reserve(struct heap *h, size_t n);

/* Arms `t`, or moves it. The caller has reserved room. */
void heap_arm(struct heap *h, struct timer *t, nsec_t deadline);

/* Disarming an idle timer is harmless. */
void heap_disarm(struct heap *h, struct timer *t);

/* The earliest deadline, NSEC_NEVER when nothing is armed. */
nsec_t heap_next(const struct heap *h);

/* Disarms and returns the earliest timer whose deadline is not after `now`, or NULL. */
struct timer *heap_pop(struct heap *h, nsec_t now);
