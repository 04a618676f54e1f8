// SPDX-License-Identifier: BSD-2-Clause
/* The life of one connection; the order of its end is argued in connection.h. */
#include <assert.h>

#include "connecting.h"
#include "greeting.h"
#include "parked.h"
#include "preface.h"
#include "queue.h"
#include "relay.h"
#include "socket.h"

const char *connection_state_name(const struct connection *c)
{
	switch (c->state) {
	case CONNECTION_PREFACE:
		return "preface";
	case CONNECTION_CONNECTING:
		return c->queued ? "queued" : "connecting";
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

bool connection_server_is_busy(const struct connection *c)
{
	return c->connecting || c->direction[SERVER].receiving || c->direction[CLIENT].sending ||
	       c->direction[CLIENT].watching_room || c->side[SERVER].watching;
}

static bool client_is_busy(const struct connection *c)
{
	return c->direction[CLIENT].receiving || c->direction[SERVER].sending ||
	       c->direction[SERVER].watching_room || c->side[CLIENT].watching;
}

void connection_leave_backend(struct connection *c)
{
	if (!c->backend)
		return;
	if (c->timeouts.established)
		counter_add(connection_backend_counters(c)->active, -1);
	backend_release(c->backend);
	c->backend = backend_unref(c->backend);
	queue_on_room(c->splicer, c->service);
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
		if (c->direction[i].watching_room)
			ring_cancel(ring, connection_token(c, TOKEN_ROOM + i));
		if (c->side[i].watching)
			ring_cancel(ring, connection_token(c, TOKEN_WATCH + i));
	}
}

bool connection_finish(struct connection *c)
{
	struct splicer *s = c->splicer;

	assert(c->state == CONNECTION_ENDING);
	if (connection_server_is_busy(c) || client_is_busy(c))
		return false;

	for (unsigned i = 0; i < SIDES; i++)
		c->direction[i].mover->release(c, i);
	connection_close(c, c->reason != END_DONE);
	counter_add(connection_service_counters(c)->active, -1);
	counter_add(connection_service_counters(c)->ended[c->reason], 1);
	s->events->on_end(s, c);
	connection_leave_backend(c);
	for (unsigned i = 0; i < c->n_admissions; i++)
		admission_release(&c->admissions[i]);
	backend_unref(c->last_failed);
	service_unref(c->service);
	greeting_free(c);
	slots_free(&s->connections, c);
	connecting_wake(s);
	return true;
}

void connection_end(struct connection *c, enum end_reason reason)
{
	if (c->state == CONNECTION_ENDING)
		return;
	c->state = CONNECTION_ENDING;
	c->reason = reason;
	queue_leave(c);
	list_unlink(&c->waiting);
	list_unlink(&c->starved);
	connection_may_sleep(c);
	heap_disarm(&c->splicer->timers, &c->timer);
	cancel_operations(c);
	connection_finish(c);
}

bool connection_open(struct splicer *s, const struct snapshot_service *service, struct arrival *a)
{
	struct connection *c = slots_new(&s->connections);

	if (!c)
		return false;
	counter_add(service->service->counters[s->worker].active, 1);
	c->splicer = s;
	c->side[CLIENT].fd = a->fd;
	c->side[SERVER].fd = -1;
	for (unsigned i = 0; i < SIDES; i++)
		c->direction[i].mover = &mover_copy;
	c->timer = (struct timer)TIMER_INIT;
	list_init(&c->waiting);
	list_init(&c->starved);
	list_init(&c->awake);
	c->service = service_ref(service->service);
	/* Until a preface says otherwise, the peer is the client. */
	c->peer = c->client = a->peer;
	c->local = c->destination = a->local;
	c->admissions[0] = a->admission;
	c->n_admissions = a->admission.service != NULL;
	a->admission = (struct admission){};
	timeouts_start(&c->timeouts, &service->settings, s->now);

	if (a->error < 0)
		connection_end(c, END_CLIENT_RESET); /* between the accept and now */
	else
		preface_begin(c);
	return true;
}

void connection_settle(struct connection *c)
{
	c->timeouts.settled_by = NSEC_NEVER;
	/* Without it the connection does as well as it can: that is no reason to end it. */
	(void)socket_tune_keepalive(c->side[SERVER].fd, &c->keepalive);
}

void connection_expire(struct connection *c)
{
	switch (timeouts_expired(&c->timeouts, c->splicer->now)) {
	case TIMEOUT_NONE:
		connection_arm(c); /* there was traffic */
		return;
	case TIMEOUT_CONNECT:
		if (c->state == CONNECTION_PREFACE)
			preface_expire(c);
		else
			connecting_expire(c);
		return;
	case TIMEOUT_STALL:
		if (!connection_wake(c))
			return;
		relay_stalled(c);
		connection_arm(c);
		return;
	case TIMEOUT_SETTLED:
		connection_settle(c);
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
