// SPDX-License-Identifier: BSD-2-Clause
#include "timeouts.h"

static nsec_t earlier(nsec_t a, nsec_t b)
{
	return a < b ? a : b;
}

/* `delay` after `from`, never when there is no such limit. */
static nsec_t limit(nsec_t from, nsec_t delay)
{
	return delay ? nsec_add(from, delay) : NSEC_NEVER;
}

void timeouts_start(struct timeouts *t, const struct service_settings *settings, nsec_t now)
{
	*t = (struct timeouts){
		.started = now,
		.connect_by = NSEC_NEVER,
		.budget_by = limit(now, settings->connect_budget),
		.last_byte = now,
		.blocked_since = NSEC_NEVER,
		.quiet_since = NSEC_NEVER,
		.settled_by = NSEC_NEVER,
		.lifetime_by = limit(now, settings->lifetime),
		.idle = settings->idle_timeout,
		.half_closed = settings->half_closed_timeout,
	};
}

void timeouts_hand_over(struct timeouts *t, const struct service_settings *settings)
{
	t->lifetime_by = limit(t->started, settings->lifetime);
	t->idle = settings->idle_timeout;
	t->half_closed = settings->half_closed_timeout;
}

void timeouts_waiting(struct timeouts *t, nsec_t by)
{
	t->connect_by = by;
}

void timeouts_choosing(struct timeouts *t, const struct service_settings *settings, nsec_t now)
{
	t->connect_by = NSEC_NEVER;
	t->budget_by = limit(now, settings->connect_budget);
}

void timeouts_waited(struct timeouts *t, nsec_t since, nsec_t now)
{
	t->connect_by = NSEC_NEVER;
	t->budget_by = nsec_add(t->budget_by, now - since);
}

bool timeouts_connecting(struct timeouts *t, const struct service_settings *settings, nsec_t now)
{
	if (now >= t->budget_by)
		return false;
	t->established = false;
	t->settles = settings->keepalive_idle > 0;
	t->settled_by = t->quiet_since = NSEC_NEVER;
	t->connect_by = earlier(limit(now, settings->connect_timeout), t->budget_by);
	return true;
}

void timeouts_established(struct timeouts *t, nsec_t now)
{
	t->established = true;
	t->connect_by = NSEC_NEVER;
	t->last_byte = now;
	t->settled_by = t->settles ? nsec_add(now, TIMEOUTS_SETTLE) : NSEC_NEVER;
}

void timeouts_half_closed(struct timeouts *t, nsec_t now)
{
	t->is_half_closed = true;
	t->last_byte = t->quiet_since = now;
}

static nsec_t idle_by(const struct timeouts *t)
{
	return t->established ? limit(t->last_byte, t->idle) : NSEC_NEVER;
}

static nsec_t half_closed_by(const struct timeouts *t)
{
	return t->established && t->is_half_closed ? limit(t->last_byte, t->half_closed)
						   : NSEC_NEVER;
}

static nsec_t stalled_by(const struct timeouts *t)
{
	return nsec_add(earlier(t->blocked_since, t->quiet_since), TIMEOUTS_STALL);
}

nsec_t timeouts_next(const struct timeouts *t)
{
	nsec_t next = earlier(t->connect_by, t->lifetime_by);

	next = earlier(next, idle_by(t));
	next = earlier(next, half_closed_by(t));
	next = earlier(next, t->settled_by);
	return earlier(next, stalled_by(t));
}

enum timeouts_event timeouts_expired(struct timeouts *t, nsec_t now)
{
	if (now >= t->lifetime_by)
		return TIMEOUT_LIFETIME;
	if (now >= t->connect_by)
		return TIMEOUT_CONNECT;
	if (now >= half_closed_by(t))
		return TIMEOUT_HALF_CLOSED;
	if (now >= idle_by(t))
		return TIMEOUT_IDLE;
	if (now >= stalled_by(t)) {
		t->blocked_since = t->quiet_since = NSEC_NEVER;
		return TIMEOUT_STALL;
	}
	if (now >= t->settled_by) {
		t->settled_by = NSEC_NEVER;
		return TIMEOUT_SETTLED;
	}
	return TIMEOUT_NONE;
}
