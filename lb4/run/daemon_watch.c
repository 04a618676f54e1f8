// SPDX-License-Identifier: BSD-2-Clause
/*
 * What nobody tells main, so that it has to look: drains that finish, as connections end without a
 * word, and counters of trouble, which workers raise more often than anybody wants to read.
 */
#include "daemon_private.h"
#include "forwarding.h"
#include "worker.h"

/* A drain is looked at this often; workers obey within that, too. */
#define DRAIN_INTERVAL (250 * NSEC_PER_MSEC)

/* Trouble is told at once, and what of it goes on not more often than this. */
#define TROUBLE_INTERVAL (30 * NSEC_PER_SEC)

uint64_t daemon_active(const struct backend *b)
{
	struct backend_counters sum;

	backend_sum(b, &sum);
	return counter_read(sum.active);
}

void daemon_watch_drain(struct daemon *d, struct live_backend *b, bool draining)
{
	b->drain_begun = d->now;
	b->drain_look = draining ? nsec_add(d->now, DRAIN_INTERVAL) : NSEC_NEVER;
}

void daemon_look_at_drain(struct daemon *d, const struct live_service *s, struct live_backend *b)
{
	nsec_t took = d->now - b->drain_begun;

	if (b->drain_look <= d->now && daemon_active(b->backend) > 0) {
		b->drain_look = nsec_add(d->now, DRAIN_INTERVAL);
	} else if (b->drain_look <= d->now) {
		b->drain_look = NSEC_NEVER;
		daemon_state_changed(d);
		events_record(&d->events, EVENT_DRAIN_FINISHED, s->service->name, b->backend->name,
			      EVENT_VALUES(EVENT_NUMBER("took_ms", took / NSEC_PER_MSEC)),
			      "is drained: no connection is left");
	}
	daemon_lower_deadline(d, b->drain_look);
}

static void sum_trouble(const struct daemon *d, struct trouble *ret)
{
	ret->lines_dropped = forwarding_lines_dropped(d);
	for (unsigned i = 0; i < d->n_workers; i++) {
		const struct worker_counters *c = worker_counters(d->workers[i]);

		/* First, so that what comes now is reported anew. */
		worker_trouble_seen(d->workers[i]);
		ret->accept_pauses += counter_read(c->accept_pauses);
		ret->accept_shortages += counter_read(c->accept_shortages);
		ret->lines_dropped += counter_read(c->lines_dropped);
	}
}

static void tell_pauses(struct daemon *d, uint64_t n, uint64_t n_shortages)
{
	const struct event_value values[] = {
		EVENT_NUMBER("pauses", n),
		EVENT_NUMBER("shortages", n_shortages),
		EVENT_NUMBER("max_connections", d->limit.max),
		{},
	};

	if (n_shortages)
		events_record(&d->events, EVENT_ACCEPT_PAUSED, NULL, NULL, values,
			      "accepting pauses: no descriptor is left; clients wait");
	else if (n)
		events_record(&d->events, EVENT_ACCEPT_PAUSED, NULL, NULL, values,
			      "accepting pauses: all %u connections are in use; clients wait",
			      d->limit.max);
}

void daemon_on_trouble(struct daemon *d)
{
	struct trouble *t = &d->trouble;

	if (!t->look)
		t->look = t->not_before > d->now ? t->not_before : d->now;
	daemon_lower_deadline(d, t->look);
}

void daemon_look_at_trouble(struct daemon *d)
{
	struct trouble *t = &d->trouble, now = {};
	uint64_t dropped;

	if (t->look && t->look <= d->now) {
		sum_trouble(d, &now);
		tell_pauses(d, now.accept_pauses - t->accept_pauses,
			    now.accept_shortages - t->accept_shortages);
		dropped = now.lines_dropped - t->lines_dropped;
		if (dropped)
			events_record(&d->events, EVENT_LINES_DROPPED, NULL, NULL,
				      EVENT_VALUES(EVENT_NUMBER("lines", dropped)),
				      "lines of the connection log were dropped, because standard "
				      "output is not read fast enough: %llu",
				      (unsigned long long)dropped);
		now.not_before = nsec_add(d->now, TROUBLE_INTERVAL);
		*t = now;
	}
	if (t->look)
		daemon_lower_deadline(d, t->look);
}
