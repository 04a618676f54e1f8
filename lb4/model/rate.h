/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * So many a second, as one number: the time at which all that was admitted would have come one by
 * one at the rate (the theoretical arrival time of GCRA, ITU-T I.371). It may lie up to a second
 * ahead of now: so much may come at once after a second of silence. A time of the past is no debt,
 * so zero begins, and a rate that changes takes the number over as it is. What is refused costs
 * nothing.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

#define RATE_MAX 1000000u /* a second: the interval is whole nanoseconds, exact to 0.1 % */

static inline nsec_t rate_interval(uint32_t per_second)
{
	return NSEC_PER_SEC / per_second;
}

/* The time after one more at `now`; 0 when it has come too early. */
static inline nsec_t rate_next(nsec_t due, uint32_t per_second, nsec_t now)
{
	nsec_t interval = rate_interval(per_second);
	nsec_t next = (due > now ? due : now) + interval;

	return next - now > interval * per_second ? 0 : next;
}

/* For many threads without a lock: counts one more, or returns false. */
static inline bool rate_admit(_Atomic nsec_t *due, uint32_t per_second, nsec_t now)
{
	nsec_t seen = atomic_load_explicit(due, memory_order_relaxed), next;

	do {
		next = rate_next(seen, per_second, now);
		if (!next)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(due, &seen, next, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}
