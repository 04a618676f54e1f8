// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "admitting.h"
#include "connecting.h"
#include "greeting.h"
#include "parked.h"
#include "relay.h"
#include "splicer.h"

/* So many starving connections are fed in a round, lest a crowd of them hold up the others. */
#define FEED_MAX 64

/* A starving worker looks again this often, since others may have left room in max_memory. */
#define FEED_PAUSE (50 * NSEC_PER_MSEC)

int splicer_init(struct splicer *s, struct ring *ring, unsigned worker, uint32_t n_max,
		 const struct splicer_events *events)
{
	int r;

	*s = (struct splicer){.ring = ring, .worker = worker, .events = events};
	s->chooser = (struct chooser){.worker = worker, .random = worker};
	list_init(&s->waiting);
	list_init(&s->starved);
	list_init(&s->awake);
	list_init(&s->queues);
	r = slots_init(&s->connections, sizeof(struct connection), n_max);
	if (r < 0)
		return r;
	return heap_reserve(&s->timers, n_max);
}

void splicer_deinit(struct splicer *s)
{
	assert(s->connections.n_used == 0);
	slots_deinit(&s->connections);
	heap_deinit(&s->timers);
}

void splicer_allow_parking(struct splicer *s, struct parking *parking, uint32_t awake_max)
{
	s->parking = parking;
	s->awake_max = awake_max;
}

bool splicer_accept(struct splicer *s, const struct snapshot_service *service, int fd,
		    const struct address *local)
{
	return admitting_accept(s, service, fd, local);
}

static void receive_completed(struct connection *c, unsigned direction,
			      const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];

	d->receiving = false;
	if (c->state == CONNECTION_ENDING) {
		if (completion->data)
			ring_buffer_return(c->splicer->ring, completion->buffer);
		connection_finish(c);
		return;
	}
	d->mover->received(c, direction, completion);
}

static void send_completed(struct connection *c, unsigned direction,
			   const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];

	d->sending = false;
	if (c->state == CONNECTION_ENDING) {
		if (completion->result > 0 && !d->send_polls)
			relay_passed(c, direction, (size_t)completion->result);
		connection_finish(c);
		return;
	}
	d->mover->sent(c, direction, completion);
}

static void room_completed(struct connection *c, unsigned direction,
			   const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];

	d->watching_room = completion->more;
	if (c->state == CONNECTION_ENDING)
		connection_finish(c);
	else
		d->mover->room(c, direction, completion);
}

static void watch_completed(struct connection *c, unsigned side,
			    const struct ring_completion *completion)
{
	c->side[side].watching = completion->more;
	if (c->state == CONNECTION_ENDING)
		connection_finish(c);
	else
		relay_watched(c, side);
}

void splicer_prefetch(const struct splicer *s, uint64_t token)
{
	if (token_kind(token) >= TOKEN_CONNECT)
		slots_prefetch(&s->connections, token_index(token),
			       offsetof(struct connection, awake));
}

void splicer_complete(struct splicer *s, const struct ring_completion *completion)
{
	uint32_t index = token_index(completion->token);
	uint32_t generation = token_generation(completion->token);
	unsigned kind = token_kind(completion->token);
	struct connection *c = slots_find(&s->connections, index, generation);

	if (!c) {
		/* A connection is freed only after its last completion. */
		assert(!completion->data);
		return;
	}
	/* Should it end instead, it is still there: this completion, at least, is outstanding. */
	if (c->state == CONNECTION_ESTABLISHED)
		connection_wake(c);
	if (kind == TOKEN_CONNECT)
		connecting_done(c, completion->result);
	else if (kind < TOKEN_SEND)
		receive_completed(c, kind - TOKEN_RECEIVE, completion);
	else if (kind < TOKEN_WATCH)
		send_completed(c, kind - TOKEN_SEND, completion);
	else if (kind < TOKEN_ROOM)
		watch_completed(c, kind - TOKEN_WATCH, completion);
	else
		room_completed(c, kind - TOKEN_ROOM, completion);

	/* It may be gone by now, and its slot in other hands. */
	c = slots_find(&s->connections, index, generation);
	if (c && c->state == CONNECTION_LOST)
		connection_lost_step(c);
}

static bool can_feed(const struct splicer *s)
{
	return !list_empty(&s->starved) && ring_has_buffers(s->ring);
}

/*
 * Lets starving connections receive. Some turn out to have nothing to receive and leave the buffer
 * to others, so this goes on, round by round, until nobody starves or no buffer is left.
 */
static void feed(struct splicer *s)
{
	for (unsigned n = 0; n < FEED_MAX && can_feed(s); n++) {
		struct connection *c = container_of(s->starved.next, struct connection, starved);

		list_unlink(&c->starved);
		if (!connection_wake(c))
			continue;
		for (unsigned i = 0; i < SIDES; i++)
			if (c->direction[i].starved)
				c->direction[i].mover->start(c, i);
	}
}

nsec_t splicer_next(const struct splicer *s)
{
	nsec_t next = heap_next(&s->timers), again = nsec_add(s->now, FEED_PAUSE);

	if (list_empty(&s->starved))
		return next;
	if (can_feed(s))
		return 0;
	return again < next ? again : next;
}

void splicer_expire(struct splicer *s)
{
	struct timer *timer;

	while ((timer = heap_pop(&s->timers, s->now)))
		connection_expire(container_of(timer, struct connection, timer));
	feed(s);
}

void splicer_leave_backend(struct splicer *s, const struct backend *backend, enum end_reason reason)
{
	for (uint32_t i = 0; i < s->connections.n_made; i++) {
		struct connection *c = slots_at(&s->connections, i);

		if (!c || c->backend != backend || c->state == CONNECTION_ENDING)
			continue;
		if (c->connecting)
			connecting_abandon(c);
		else if (reason == END_BACKEND_DOWN && connection_move(c))
			continue;
		else if (c->state == CONNECTION_ESTABLISHED && reason != END_NONE)
			connection_end(c, reason);
	}
}

void splicer_end_all(struct splicer *s, enum end_reason reason)
{
	for (uint32_t i = 0; i < s->connections.n_made; i++) {
		struct connection *c = slots_at(&s->connections, i);

		if (c)
			connection_end(c, reason);
	}
}

static void describe(const struct connection *c, struct connection_info *info)
{
	*info = (struct connection_info){
		.id = connection_id(c),
		.state = connection_state_name(c),
		.service = service_ref(c->service),
		.backend = c->backend ? backend_ref(c->backend) : NULL,
		.via = greeting_via(c) ? service_ref(greeting_via(c)) : NULL,
		.sni = greeting_sni(c) ? strdup(greeting_sni(c)) : NULL,
		.client = c->client,
		.peer = c->peer,
		.local = c->local,
		.relay = c->direction[SERVER].mover->name,
		.worker = c->splicer->worker,
		.tries = c->n_tries,
		.age = c->splicer->now - c->timeouts.started,
		.idle = c->splicer->now - c->timeouts.last_byte,
		.bytes_in = c->direction[CLIENT].bytes,
		.bytes_out = c->direction[SERVER].bytes,
	};
}

size_t splicer_list(const struct splicer *s, const struct service *service,
		    struct connection_info *infos, size_t n_max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->connections.n_made && n < n_max; i++) {
		const struct connection *c = slots_at(&s->connections, i);

		if (c && (!service || c->service == service))
			describe(c, &infos[n++]);
	}
	return n;
}
