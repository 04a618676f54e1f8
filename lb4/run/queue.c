// SPDX-License-Identifier: BSD-2-Clause
#include "queue.h"
#include "connecting.h"
#include "relay.h"

static struct service_queue *queue_of(const struct splicer *s, const struct service *service)
{
	return &service->queues[s->worker];
}

static struct connection *first_of(const struct service_queue *q)
{
	return list_empty(&q->waiting) ? NULL
				       : container_of(q->waiting.next, struct connection, waiting);
}

/* The worker whose first connection waits longest; n_workers: nobody waits. */
static unsigned longest_waiting(const struct service *service)
{
	unsigned longest = service->n_workers;
	nsec_t since = NSEC_NEVER;

	for (unsigned i = 0; i < service->n_workers; i++) {
		nsec_t its = atomic_load(&service->queues[i].since);

		if (its >= since)
			continue;
		since = its;
		longest = i;
	}
	return longest;
}

static void tell_since(struct service_queue *q)
{
	const struct connection *first = first_of(q);

	atomic_store(&q->since, first ? first->queued_at : NSEC_NEVER);
}

bool queue_is_busy(const struct snapshot_service *service)
{
	return atomic_load(&service->service->n_queued) > 0;
}

/* Takes it out, and tells whether it was the first. */
static bool unlink_waiting(struct connection *c)
{
	struct service_queue *q = queue_of(c->splicer, c->service);
	bool was_first = first_of(q) == c;

	c->queued = false;
	list_unlink(&c->waiting);
	atomic_fetch_sub(&c->service->n_queued, 1);
	if (was_first)
		tell_since(q);
	if (list_empty(&q->waiting))
		list_unlink(&q->node);
	return was_first;
}

void queue_leave(struct connection *c)
{
	if (!c->queued)
		return;
	/* A place that was left for it is for the next one. */
	if (unlink_waiting(c))
		queue_on_room(c->splicer, c->service);
}

/* Serves from the front, until there is no room. */
static void serve(struct splicer *s, struct service_queue *q)
{
	list_for_each_safe(node, &q->waiting) {
		struct connection *c = container_of(node, struct connection, waiting);
		const struct snapshot_service *service = snapshot_find(s->snapshot, c->service);
		bool is_full = false;
		uint16_t member = MAGLEV_NONE;

		if (service)
			member = connecting_choose(c, service, &is_full);
		if (member == MAGLEV_NONE && is_full) {
			/* Who has tried some in vain may find less than those behind it. */
			if (c->n_tried == 0)
				return;
			continue;
		}
		unlink_waiting(c);
		timeouts_waited(&c->timeouts, c->queued_at, s->now);
		if (member == MAGLEV_NONE)
			connecting_begin(c); /* nobody is eligible any more */
		else
			connecting_to(c, service, member);
	}
}

/*
 * Only from here are connections taken off a queue one after the other; what their ends set off
 * comes back here and is left to the loop that runs.
 */
static void run(struct splicer *s, struct service_queue *q)
{
	struct service *service = q->service;
	unsigned next;

	if (s->serving)
		return;
	s->serving = true;
	service_ref(service); /* may be gone with the last that waits */
	serve(s, q);
	s->serving = false;
	if (list_empty(&q->waiting)) {
		next = longest_waiting(service);
		if (next < service->n_workers && next != s->worker)
			s->events->on_room(s, next);
	}
	service_unref(service);
}

void queue_on_room(struct splicer *s, struct service *service)
{
	unsigned next;

	if (atomic_load(&service->n_queued) == 0)
		return;
	next = longest_waiting(service);
	if (next == s->worker)
		run(s, queue_of(s, service));
	else if (next < service->n_workers)
		s->events->on_room(s, next);
}

void queue_run(struct splicer *s)
{
	list_for_each_safe(node, &s->queues)
		run(s, container_of(node, struct service_queue, node));
}

static bool take_place(struct service *service, uint32_t length)
{
	uint32_t seen = atomic_load(&service->n_queued);

	do {
		if (seen >= length)
			return false;
	} while (!atomic_compare_exchange_weak(&service->n_queued, &seen, seen + 1));
	return true;
}

void queue_wait(struct connection *c, const struct snapshot_service *service)
{
	struct splicer *s = c->splicer;
	struct service_queue *q = queue_of(s, c->service);

	if (!take_place(c->service, service->settings.queue_length)) {
		connection_end(c, END_QUEUE_FULL);
		return;
	}
	counter_add(connection_service_counters(c)->queued, 1);
	c->queued = true;
	c->queued_at = s->now;
	if (list_empty(&q->waiting))
		list_append(&s->queues, &q->node);
	list_append(&q->waiting, &c->waiting);
	tell_since(q);
	timeouts_waiting(&c->timeouts, nsec_add(s->now, service->settings.queue_timeout));
	connection_arm(c);
	relay_watch(c, CLIENT); /* who goes away waits no more */
	/* A place may have been left between the look for one and the word that somebody waits. */
	if (longest_waiting(c->service) == s->worker)
		run(s, q);
}
