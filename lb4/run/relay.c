// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "connecting.h"
#include "held.h"
#include "pipe.h"
#include "relay.h"
#include "socket.h"

/* Whose fault an error of one side is. */
static enum end_reason reason_of(unsigned side, int error)
{
	switch (error) {
	case ECONNRESET:
	case EPIPE:
	case ECONNABORTED:
		return side == CLIENT ? END_CLIENT_RESET : END_SERVER_RESET;
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return side == CLIENT ? END_CLIENT_TIMEOUT : END_SERVER_TIMEOUT;
	default:
		return END_INTERNAL;
	}
}

void relay_watch(struct connection *c, unsigned side)
{
	if (c->side[side].watching)
		return;
	c->side[side].watching = true;
	ring_watch(c->splicer->ring, c->side[side].fd, 0, connection_token(c, TOKEN_WATCH + side));
}

/* Says FIN to the destination of a direction whose source has. */
static void pass_fin(struct connection *c, unsigned direction)
{
	c->direction[direction].finished = true;
	socket_shutdown(c->side[other_side(direction)].fd);
	timeouts_half_closed(&c->timeouts, c->splicer->now);
	connection_arm(c);
}

/*
 * Most clients have spoken by now, and a backend that speaks first has not. False: the client is
 * dead, and the connection may be gone.
 */
static bool hear_client(struct connection *c)
{
	struct direction *d = &c->direction[CLIENT];
	int n = -EAGAIN;

	if (!d->holds && !d->receiving && !d->eof)
		n = held_read(c, CLIENT);
	d->expects_later = n == -EAGAIN;
	c->direction[SERVER].expects_later = true;
	if (n >= 0 || n == -EAGAIN || n == -EINTR || n == -ENOBUFS)
		return true;
	relay_source_failed(c, CLIENT, -n);
	return false;
}

void relay_start(struct connection *c)
{
	if (!hear_client(c))
		return;
	for (unsigned i = 0; i < SIDES; i++) {
		c->direction[i].mover->start(c, i);
		if (c->direction[i].eof && !c->direction[i].holds)
			pass_fin(c, i);
	}
}

static void use_mover(struct connection *c, const struct mover *mover, bool nonblocking)
{
	counter_add(connection_service_counters(c)->relay_changes, 1);
	for (unsigned i = 0; i < SIDES; i++) {
		struct direction *d = &c->direction[i];

		d->mover = mover;
		d->run = d->turn = 0;
		d->calm_turns = CALM_TURNS;
		socket_set_nonblocking(c->side[i].fd, nonblocking);
	}
}

bool relay_splice(struct connection *c, unsigned direction)
{
	struct splicer *s = c->splicer;

	if (!pipes_available(s->pipes)) {
		s->n_unpiped++;
		return false;
	}
	use_mover(c, &mover_splice, true);
	c->direction[direction].calm_turns = 0;
	return true;
}

void relay_copy(struct connection *c)
{
	use_mover(c, &mover_copy, false);
}

void relay_eof(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];
	const struct direction *back = &c->direction[other_side(direction)];

	d->eof = true;
	if (c->state == CONNECTION_PREFACE) {
		connection_end(c, END_PREFACE_CLOSED);
		return;
	}
	if (c->state != CONNECTION_ESTABLISHED)
		return; /* passed on when the next backend has been found */
	if (c->pending_reason != END_NONE) {
		connection_end(c, c->pending_reason);
		return;
	}
	/*
	 * A socket tells an error once. If a send under way took it, the receive reads as FIN what
	 * was a reset: the send's completion, which is about to come, is the one to believe. If the
	 * send went well it was FIN, and relay_send_ended() comes back here.
	 */
	if (direction_is_sending(back) && socket_is_dead(c->side[direction].fd))
		return;
	if (back->finished)
		connection_end(c, END_DONE); /* closing says FIN */
	else
		pass_fin(c, direction);
}

void relay_source_failed(struct connection *c, unsigned direction, int error)
{
	if (c->state == CONNECTION_LOST && direction == SERVER)
		return;
	if (direction == SERVER && connection_lose_backend(c, error))
		return;
	connection_end(c, reason_of(direction, error));
}

static void unblock(struct connection *c)
{
	if (!direction_is_sending(&c->direction[CLIENT]) &&
	    !direction_is_sending(&c->direction[SERVER]))
		timeouts_unblocked(&c->timeouts);
}

/*
 * The destination died. What it sent before may still wait in its socket, and is its peer's: the
 * other direction goes on until it meets the end of it.
 */
void relay_sink_failed(struct connection *c, unsigned direction, int error)
{
	unsigned sink = other_side(direction);
	struct direction *back = &c->direction[sink];

	unblock(c);
	if (c->state == CONNECTION_LOST)
		return;
	if (sink == SERVER && connection_lose_backend(c, error))
		return;
	c->direction[direction].mover->release(c, direction);
	if (c->pending_reason == END_NONE)
		c->pending_reason = reason_of(sink, error); /* the first to die ended it */
	if (!back->receiving && !direction_is_sending(back) && !back->starved)
		connection_end(c, c->pending_reason);
}

void relay_server_died(struct connection *c, int error)
{
	c->direction[SERVER].mover->start(c, SERVER);
	relay_sink_failed(c, CLIENT, error);
}

void relay_passed(struct connection *c, unsigned direction, size_t size)
{
	struct direction *d = &c->direction[direction];
	struct backend_counters *backend = &c->backend->counters[c->splicer->worker];
	struct service_counters *service = &c->service->counters[c->splicer->worker];

	if (direction == CLIENT) {
		counter_add(backend->bytes_in, size);
		counter_add(service->bytes_in, size);
	} else {
		counter_add(backend->bytes_out, size);
		counter_add(service->bytes_out, size);
		if (d->bytes == 0)
			atomic_store_explicit(&backend->consecutive_failures, 0,
					      memory_order_relaxed);
	}
	d->bytes += size;
	timeouts_byte(&c->timeouts, c->splicer->now);
}

void relay_send_began(struct connection *c)
{
	if (c->timeouts.blocked_since != NSEC_NEVER)
		return;
	timeouts_blocked(&c->timeouts, c->splicer->now);
	connection_arm(c);
}

void relay_send_ended(struct connection *c, unsigned direction)
{
	unsigned back = other_side(direction);

	unblock(c);
	if (c->direction[back].eof && !c->direction[back].finished)
		relay_eof(c, back);
}

void relay_stalled(struct connection *c)
{
	for (unsigned i = 0; i < SIDES; i++)
		if (direction_is_sending(&c->direction[i]) || c->direction[i].finished)
			relay_watch(c, i);
}

void relay_watched(struct connection *c, unsigned side)
{
	int error = socket_error(c->side[side].fd);

	/* Without an error it was a FIN, which the directions see themselves. */
	if (error)
		connection_end(c, reason_of(side, error));
	else if (!c->side[side].watching)
		relay_watch(c, side); /* the kernel ended it, short of memory */
}
