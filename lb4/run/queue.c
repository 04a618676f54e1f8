// SPDX-License-Identifier: BSD-2-Clause
#include "queue.h"
#include "connecting.h"
#include "pool_table.h"
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

/* When the first of a worker began to wait; those of several workers come in one order. */
struct turn {
	nsec_t since;
	unsigned worker;
};

static bool comes_before(struct turn a, struct turn b)
{
	return a.since != b.since ? a.since < b.since : a.worker < b.worker;
}

/* The worker whose turn comes first, of those after `*after` (NULL: of all); n_workers: none. */
static unsigned next_turn(const struct service *service, const struct turn *after)
{
	struct turn next = {NSEC_NEVER, service->n_workers};

	for (unsigned i = 0; i < service->n_workers; i++) {
		struct turn its = {atomic_load(&service->queues[i].since), i};

		if (its.since == NSEC_NEVER || (after && !comes_before(*after, its)))
			continue;
		if (comes_before(its, next))
			next = its;
	}
	return next.worker;
}

static unsigned longest_waiting(const struct service *service)
{
	return next_turn(service, NULL);
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

/* Serves from the front. False: there is no room; else others may find what these could not use. */
static bool serve(struct splicer *s, struct service_queue *q)
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
				return false;
			continue;
		}
		unlink_waiting(c);
		timeouts_waited(&c->timeouts, c->queued_at, s->now);
		if (member == MAGLEV_NONE)
			connecting_begin(c); /* nobody is eligible any more */
		else
			connecting_to(c, service, member);
	}
	return true;
}

/*
 * Those that stay have had their chance, and the bell goes on to those whose turn is after theirs,
 * never back: it would go round for ever between workers that have no use for a place.
 */
static void serve_and_pass_on(struct splicer *s, struct service_queue *q)
{
	struct service *service =
		service_ref(q->service); /* may be gone with the last that waits */
	const struct turn ours = {atomic_load(&q->since), s->worker};
	unsigned next = service->n_workers;

	if (serve(s, q))
		next = next_turn(service, list_empty(&q->waiting) ? NULL : &ours);
	if (next < service->n_workers && next != s->worker)
		s->events->on_room(s, next);
	service_unref(service);
}

/*
 * Each queue there is now, once. Any of them may go meanwhile, and others come: so none is held on
 * to, but the first of those that are left is taken, until there is none.
 */
static void each_queue(struct splicer *s, void (*visit)(struct splicer *s, struct service_queue *q))
{
	struct list left = LIST_INIT(left);

	list_splice(&left, &s->queues);
	while (!list_empty(&left)) {
		struct service_queue *q = container_of(left.next, struct service_queue, node);

		list_unlink(&q->node);
		list_append(&s->queues, &q->node);
		visit(s, q);
	}
}

/*
 * Only from here are connections taken off a queue one after the other; what their ends set off
 * comes back here, and is left to the loop that runs: it may be of another queue, or of one who
 * began to wait behind those that were served.
 */
static void run(struct splicer *s, struct service_queue *q)
{
	if (s->serving) {
		s->serve_again = true;
		return;
	}
	s->serving = true;
	serve_and_pass_on(s, q);
	while (s->serve_again) {
		s->serve_again = false;
		each_queue(s, serve_and_pass_on);
	}
	s->serving = false;
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
	each_queue(s, run);
}

/* Somebody might be served, though perhaps not who waits longest. */
static bool has_room(const struct snapshot_service *service)
{
	for (size_t i = 0; i < service->n_backends; i++) {
		uint32_t most = service->backend_max ? service->backend_max[i] : 0;

		if (service->table->eligible[i] &&
		    (!most || atomic_load(&service->backends[i]->in_use) < most))
			return true;
	}
	return false;
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
	unsigned next;

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
	/*
	 * A place may have been left between the look for one and the word that somebody waits; or
	 * those who wait longer have no use for it, and will pass it on.
	 */
	next = longest_waiting(c->service);
	if (next == s->worker)
		run(s, q);
	else if (next < c->service->n_workers && has_room(service))
		s->events->on_room(s, next);
}
