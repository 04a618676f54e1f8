/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time inside lb4 is nsec_t on CLOCK_MONOTONIC. Rules take `now` as an argument; only the loops of
 * run/ read the clock.
 */
#pragma once

#include <stdint.h>
#include <time.h>

typedef uint64_t nsec_t;

#define NSEC_PER_USEC ((nsec_t)1000)
#define NSEC_PER_MSEC ((nsec_t)1000000)
#define NSEC_PER_SEC  ((nsec_t)1000000000)
#define NSEC_NEVER    UINT64_MAX

static inline nsec_t clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (nsec_t)ts.tv_sec * NSEC_PER_SEC + (nsec_t)ts.tv_nsec;
}

/* The clock that timeouts live on. */
static inline nsec_t clock_now(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

/* As clock_now(), and goes on while the machine sleeps. */
static inline nsec_t clock_boot(void)
{
	return clock_read(CLOCK_BOOTTIME);
}

/* Wall clock, for what people read. */
static inline nsec_t clock_wall(void)
{
	return clock_read(CLOCK_REALTIME);
}

/* now + delay, staying at NSEC_NEVER rather than wrapping. */
static inline nsec_t nsec_add(nsec_t now, nsec_t delay)
{
	return delay > NSEC_NEVER - now ? NSEC_NEVER : now + delay;
}
