// SPDX-License-Identifier: BSD-2-Clause
/* The life of one connection; the order of its end is argued in connection.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "connection.h"
#include "relay.h"
#include "socket.h"

/*
 * When every candidate has failed and tries are left, a restarting backend gets this much time; and
 * this often a connection without a descriptor looks for one.
 */
#define RETRY_PAUSE (250 * NSEC_PER_MSEC)

static void try_next(struct connection *c);

const char *connection_state_name(const struct connection *c)
{
	switch (c->state) {
	case CONNECTION_CONNECTING:
	case CONNECTION_LOST:
		return "connecting";
	case CONNECTION_ESTABLISHED:
		return c->direction[CLIENT].finished || c->direction[SERVER].finished
			       ? "half-closed"
			       : "established";
	case CONNECTION_ENDING:
		break;
	}
	return "ending";
}

void connection_arm(struct connection *c)
{
	nsec_t next = timeouts_next(&c->timeouts);

	if (next == NSEC_NEVER)
		return;
	if (c->timer.position == TIMER_IDLE || next < c->timer.deadline)
		heap_arm(&c->splicer->timers, &c->timer, next);
}

static struct service_counters *service_counters(const struct connection *c)
{
	return &c->service->counters[c->splicer->worker];
}

static struct backend_counters *backend_counters(const struct connection *c)
{
	return &c->backend->counters[c->splicer->worker];
}

/* Operations that use the backend's socket. */
static bool server_is_busy(const struct connection *c)
{
	return c->connecting || c->direction[SERVER].receiving || c->direction[CLIENT].sending ||
	       c->side[SERVER].watching;
}

static bool client_is_busy(const struct connection *c)
{
	return c->direction[CLIENT].receiving || c->direction[SERVER].sending ||
	       c->side[CLIENT].watching;
}

static void leave_backend(struct connection *c)
{
	if (!c->backend)
		return;
	if (c->timeouts.established)
		counter_add(backend_counters(c)->active, -1);
	c->backend = backend_unref(c->backend);
}

static void cancel_operations(const struct connection *c)
{
	struct ring *ring = c->splicer->ring;

	if (c->connecting)
		ring_cancel(ring, connection_token(c, TOKEN_CONNECT));
	for (unsigned i = 0; i < SIDES; i++) {
		if (c->direction[i].receiving)
			ring_cancel(ring, connection_token(c, TOKEN_RECEIVE + i));
		if (c->direction[i].sending)
			ring_cancel(ring, connection_token(c, TOKEN_SEND + i));
		if (c->side[i].watching)
			ring_cancel(ring, connection_token(c, TOKEN_WATCH + i));
	}
}

/* Looks again for a descriptor and, since that may have taken long, for a backend. */
static void resume(struct connection *c)
{
	list_unlink(&c->waiting);
	if (c->splicer->now >= c->timeouts.budget_by)
		connection_end(c, END_RESOURCES);
	else
		try_next(c);
}

/* Descriptors have become free: who waits longest comes first. */
static void wake_waiting(struct splicer *s)
{
	if (s->waking)
		return; /* one that was woken has ended: the loop below goes on */
	s->waking = true;
	while (!list_empty(&s->waiting)) {
		struct list *first = s->waiting.next;

		resume(container_of(first, struct connection, waiting));
		if (s->waiting.prev == first)
			break; /* it waits again, as the last */
	}
	s->waking = false;
}

bool connection_finish(struct connection *c)
{
	struct splicer *s = c->splicer;

	assert(c->state == CONNECTION_ENDING);
	if (server_is_busy(c) || client_is_busy(c))
		return false;

	for (unsigned i = 0; i < SIDES; i++) {
		c->direction[i].mover->release(c, i);
		if (c->reason == END_DONE)
			socket_close(c->side[i].fd);
		else
			socket_reset(c->side[i].fd);
	}
	counter_add(service_counters(c)->active, -1);
	counter_add(service_counters(c)->ended[c->reason], 1);
	s->events->on_end(s, c);
	leave_backend(c);
	backend_unref(c->last_failed);
	service_unref(c->service);
	slots_free(&s->connections, c);
	wake_waiting(s);
	return true;
}

void connection_end(struct connection *c, enum end_reason reason)
{
	if (c->state == CONNECTION_ENDING)
		return;
	c->state = CONNECTION_ENDING;
	c->reason = reason;
	list_unlink(&c->waiting);
	list_unlink(&c->starved);
	heap_disarm(&c->splicer->timers, &c->timer);
	cancel_operations(c);
	connection_finish(c);
}

/* Evidence against the backend, when the error speaks of it and not of us. */
static void report_evidence(struct connection *c, int error)
{
	struct backend_counters *counters = backend_counters(c);
	uint64_t n;

	c->last_error = error;
	backend_unref(c->last_failed);
	c->last_failed = backend_ref(c->backend);
	if (error != ECONNREFUSED && error != ETIMEDOUT && error != EHOSTUNREACH &&
	    error != ECONNRESET && error != EPIPE && error != EHOSTDOWN)
		return;
	n = counter_read(counters->consecutive_failures) + 1;
	atomic_store_explicit(&counters->consecutive_failures, n, memory_order_relaxed);
	c->splicer->events->on_passive(c->splicer, c->backend, n, error);
}

static void close_server(struct connection *c)
{
	socket_reset(c->side[SERVER].fd);
	c->side[SERVER].fd = -1;
	leave_backend(c);
}

/*
 * No descriptor: waits, within the budget, until another connection of this worker ends. Others may
 * make room too, so it also looks again by itself.
 */
static void wait_for_descriptor(struct connection *c, int error)
{
	nsec_t again = nsec_add(c->splicer->now, RETRY_PAUSE);

	c->last_error = error;
	c->last_failed = backend_unref(c->last_failed);
	c->timeouts.connect_by = again < c->timeouts.budget_by ? again : c->timeouts.budget_by;
	list_append(&c->splicer->waiting, &c->waiting);
	connection_arm(c);
}

static void connect_begin(struct connection *c, const struct snapshot_service *service,
			  struct backend *backend)
{
	struct splicer *s = c->splicer;
	int r;

	if (!timeouts_connecting(&c->timeouts, &service->settings, s->now)) {
		connection_end(c, END_CONNECT_FAILED);
		return;
	}
	r = socket_new(&backend->address, &c->side[SERVER].fd);
	if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM) {
		wait_for_descriptor(c, -r);
		return;
	}
	c->backend = backend_ref(backend);
	c->tried[c->n_tried++] = backend;
	if (c->n_tries++ > 0)
		counter_add(service_counters(c)->retries, 1);
	if (r >= 0)
		r = socket_tune(c->side[SERVER].fd, &service->settings);
	if (r < 0) {
		c->last_error = -r;
		connection_end(c, END_INTERNAL);
		return;
	}
	counter_add(backend_counters(c)->connections, 1);
	c->connecting = true;
	c->timed_out = c->abandoned = false;
	c->connect_started = s->now;
	ring_connect(s->ring, c->side[SERVER].fd, &backend->sockaddr, backend->sockaddr_length,
		     connection_token(c, TOKEN_CONNECT));
	connection_arm(c);
}

/* Everyone was tried; begins another round after a pause, when tries and budget are left. */
static void pause_before_next_round(struct connection *c)
{
	nsec_t next = nsec_add(c->splicer->now, RETRY_PAUSE);

	if (c->n_tried == 0 || next >= c->timeouts.budget_by) {
		connection_end(c, c->n_tries ? END_CONNECT_FAILED : END_NO_BACKEND);
		return;
	}
	c->n_tried = 0;
	c->paused = true;
	c->timeouts.connect_by = next;
	connection_arm(c);
}

/* The members of the service's present table that this round has tried. */
static size_t tried_members(const struct connection *c, const struct snapshot_service *service,
			    uint16_t *members)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_tried; i++)
		for (size_t j = 0; j < service->n_backends; j++)
			if (service->backends[j] == c->tried[i])
				members[n++] = (uint16_t)j;
	return n;
}

static void try_next(struct connection *c)
{
	const struct snapshot_service *service = snapshot_find(c->splicer->snapshot, c->service);
	uint16_t tried[TRIES_MAX];
	uint16_t member;

	c->state = CONNECTION_CONNECTING;
	if (!service) {
		connection_end(c, END_NO_BACKEND); /* the service was removed meanwhile */
		return;
	}
	if (c->n_tries >= service->settings.tries || c->n_tries >= TRIES_MAX) {
		connection_end(c, END_CONNECT_FAILED);
		return;
	}
	member = pool_table_choose(service->table,
				   snapshot_service_slot(service, &c->client, &c->local), tried,
				   tried_members(c, service, tried));
	if (member == MAGLEV_NONE) {
		pause_before_next_round(c);
		return;
	}
	connect_begin(c, service, service->backends[member]);
}

bool connection_open(struct splicer *s, const struct snapshot_service *service, int fd,
		     const struct address *local)
{
	struct service_counters *counters = &service->service->counters[s->worker];
	struct connection *c = slots_new(&s->connections);
	int r;

	counter_add(counters->accepted, 1);
	if (!c) {
		counter_add(counters->ended[END_RESOURCES], 1);
		socket_reset(fd);
		return false;
	}
	counter_add(counters->active, 1);
	c->splicer = s;
	c->side[CLIENT].fd = fd;
	c->side[SERVER].fd = -1;
	c->direction[CLIENT].mover = c->direction[SERVER].mover = &mover_copy;
	c->timer = (struct timer)TIMER_INIT;
	list_init(&c->waiting);
	list_init(&c->starved);
	c->service = service_ref(service->service);
	timeouts_start(&c->timeouts, &service->settings, s->now);

	r = socket_peer(fd, &c->client);
	if (r >= 0) {
		if (local)
			c->local = *local;
		else
			r = socket_local(fd, &c->local);
	}
	if (r >= 0)
		r = socket_tune(fd, &service->settings);
	if (r < 0)
		connection_end(c, END_CLIENT_RESET); /* between the accept and now */
	else
		try_next(c);
	return true;
}

static void established(struct connection *c)
{
	struct splicer *s = c->splicer;

	c->state = CONNECTION_ESTABLISHED;
	c->connect_took = s->now - c->connect_started;
	counter_add(backend_counters(c)->active, 1);
	counter_add(backend_counters(c)->connects, 1);
	counter_add(backend_counters(c)->connect_nsec, c->connect_took);
	timeouts_established(&c->timeouts, s->now);
	connection_arm(c);
	relay_start(c);
}

void connection_connected(struct connection *c, int result)
{
	c->connecting = false;
	if (c->state == CONNECTION_ENDING) {
		connection_finish(c);
		return;
	}
	if (result == 0 && !c->abandoned) {
		established(c);
		return;
	}
	if (c->abandoned) {
		/* Taken from it: no try, and nobody's fault. */
		c->n_tries--;
		c->n_tried--;
	} else {
		counter_add(backend_counters(c)->connect_failures, 1);
		report_evidence(c, result == -ECANCELED ? ETIMEDOUT : -result);
	}
	close_server(c);
	try_next(c);
}

/* No byte was exchanged with the backend, and there is time to find another. */
static bool may_move(const struct connection *c)
{
	if (c->state != CONNECTION_ESTABLISHED)
		return false;
	if (c->direction[CLIENT].bytes || c->direction[SERVER].bytes || c->direction[SERVER].holds)
		return false;
	if (c->direction[SERVER].finished)
		return false; /* the FIN was passed on: the client has heard from this backend */
	if (c->pending_reason != END_NONE)
		return false; /* the client is dead */
	/* Else it was open for long: the next one would say the same. */
	return c->splicer->now < c->timeouts.budget_by;
}

bool connection_move(struct connection *c)
{
	struct ring *ring = c->splicer->ring;

	if (!may_move(c))
		return false;
	c->state = CONNECTION_LOST;
	c->moving = true;
	if (c->direction[SERVER].receiving)
		ring_cancel(ring, connection_token(c, TOKEN_RECEIVE + SERVER));
	if (c->direction[CLIENT].sending)
		ring_cancel(ring, connection_token(c, TOKEN_SEND + CLIENT));
	if (c->side[SERVER].watching)
		ring_cancel(ring, connection_token(c, TOKEN_WATCH + SERVER));
	connection_lost_step(c);
	return true;
}

bool connection_lose_backend(struct connection *c, int error)
{
	if ((error != ECONNRESET && error != EPIPE) || !may_move(c))
		return false;
	c->state = CONNECTION_LOST;
	c->moving = false;
	c->last_error = error;
	connection_lost_step(c);
	return true;
}

void connection_lost_step(struct connection *c)
{
	if (c->state != CONNECTION_LOST || server_is_busy(c))
		return;
	/* A send that was under way was taken after all, or a receive brought the last words. */
	if (c->direction[CLIENT].bytes || c->direction[SERVER].holds) {
		c->state = CONNECTION_ESTABLISHED;
		if (c->moving)
			connection_end(c, END_BACKEND_DOWN);
		else
			relay_server_died(c, c->last_error);
		return;
	}
	if (!c->moving) {
		counter_add(backend_counters(c)->instant_resets, 1);
		report_evidence(c, c->last_error);
	}
	close_server(c);
	c->timeouts.established = false;
	c->direction[SERVER] = (struct direction){.mover = c->direction[SERVER].mover};
	c->direction[CLIENT].finished = false;
	try_next(c);
}

void connection_abandon_connect(struct connection *c)
{
	if (!c->connecting || c->abandoned)
		return;
	c->abandoned = true;
	ring_cancel(c->splicer->ring, connection_token(c, TOKEN_CONNECT));
}

static void connect_timed_out(struct connection *c)
{
	c->timeouts.connect_by = NSEC_NEVER;
	if (c->paused) {
		c->paused = false;
		try_next(c);
	} else if (!list_empty(&c->waiting)) {
		resume(c);
	} else if (c->connecting && !c->timed_out) {
		c->timed_out = true;
		ring_cancel(c->splicer->ring, connection_token(c, TOKEN_CONNECT));
	}
}

void connection_expire(struct connection *c)
{
	switch (timeouts_expired(&c->timeouts, c->splicer->now)) {
	case TIMEOUT_NONE:
		connection_arm(c); /* there was traffic */
		return;
	case TIMEOUT_CONNECT:
		connect_timed_out(c);
		return;
	case TIMEOUT_STALL:
		relay_stalled(c);
		connection_arm(c);
		return;
	case TIMEOUT_IDLE:
		connection_end(c, END_IDLE);
		return;
	case TIMEOUT_HALF_CLOSED:
		connection_end(c, END_HALF_CLOSED);
		return;
	case TIMEOUT_LIFETIME:
		connection_end(c, END_LIFETIME);
		return;
	}
}
