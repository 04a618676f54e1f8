/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a connection's time is up. Tell it what happened; it says when to look again, and then what
 * is over. No clock: `now` is an argument. Traffic only notes the time, so that a busy connection
 * costs no timer work: the deadline that was armed proves early and is armed anew.
 */
#pragma once

#include <stdbool.h>

#include "clock.h"
#include "config.h"

/*
 * A send that has not finished for this long has its source watched for a reset, and so has a side
 * that has said FIN this long ago: most connections do without.
 */
#define TIMEOUTS_STALL NSEC_PER_SEC

/* Established for this long, a connection is one that stays. */
#define TIMEOUTS_SETTLE NSEC_PER_SEC

enum timeouts_event {
	TIMEOUT_NONE,
	TIMEOUT_CONNECT, /* what was waited for, this try of a connect, or the budget of all */
	TIMEOUT_IDLE,
	TIMEOUT_HALF_CLOSED,
	TIMEOUT_LIFETIME,
	TIMEOUT_STALL,	 /* not an end: nobody has received from a side for TIMEOUTS_STALL */
	TIMEOUT_SETTLED, /* nor is this: it has been established for TIMEOUTS_SETTLE */
};

struct timeouts {
	nsec_t started;
	nsec_t connect_by; /* NSEC_NEVER when neither waiting nor connecting */
	nsec_t budget_by;
	nsec_t last_byte;
	nsec_t blocked_since; /* NSEC_NEVER when no send is under way, or its stall was told */
	nsec_t quiet_since;   /* a side said FIN; NSEC_NEVER when none did, or it was told */
	nsec_t settled_by;    /* NSEC_NEVER when it was told */
	nsec_t lifetime_by;
	nsec_t idle, half_closed; /* 0: none */
	bool established, is_half_closed;
	bool settles; /* there is something to do once it has settled */
};

void timeouts_start(struct timeouts *t, const struct service_settings *settings, nsec_t now);

/* Waits for something before a backend is looked for, until `by`. */
void timeouts_waiting(struct timeouts *t, nsec_t by);

/* A backend is looked for from now on: the budget of all tries begins. */
void timeouts_choosing(struct timeouts *t, const struct service_settings *settings, nsec_t now);

/* The time from `since` on was spent waiting for a backend with room: it is not of the budget. */
void timeouts_waited(struct timeouts *t, nsec_t since, nsec_t now);

/* A try begins. False when the budget is used up: then nothing has begun. */
bool timeouts_connecting(struct timeouts *t, const struct service_settings *settings, nsec_t now);
void timeouts_established(struct timeouts *t, nsec_t now);
void timeouts_half_closed(struct timeouts *t, nsec_t now);

/* Another service has the connection now. */
void timeouts_hand_over(struct timeouts *t, const struct service_settings *settings);

/* Bytes passed. */
static inline void timeouts_byte(struct timeouts *t, nsec_t now)
{
	t->last_byte = now;
}

/* A send began, or all sends finished. */
static inline void timeouts_blocked(struct timeouts *t, nsec_t now)
{
	t->blocked_since = now;
}
static inline void timeouts_unblocked(struct timeouts *t)
{
	t->blocked_since = NSEC_NEVER;
}

/* The earliest time at which timeouts_expired() may say something; NSEC_NEVER: none. */
nsec_t timeouts_next(const struct timeouts *t);

/* What is over at `now`. TIMEOUT_STALL is told once for each send and each FIN, TIMEOUT_SETTLED once. */
enum timeouts_event timeouts_expired(struct timeouts *t, nsec_t now);
