// SPDX-License-Identifier: BSD-2-Clause
/*
 * The splicing mover, for connections of which a direction has proved to be bulk. Bytes go from
 * socket to socket through a pipe, by splice(2) and without a copy, when a poll of the ring says
 * that there are any.
 *
 * splice(2) blocks on sockets that are not non-blocking, whatever its flags say, so a connection's
 * sockets become so together, and both its directions change their mover (relay_splice()), while
 * operations that were begun before go on: each is followed by a poll. A connection of which neither
 * direction brings much any more goes back to the copying mover in the same way.
 *
 * A direction has a pipe only while it moves bytes, or they wait in it for a destination that does
 * not read. When there is none, what a poll has announced is received into a buffer of the ring.
 */
#include <errno.h>
#include <poll.h>

#include "held.h"
#include "pipe.h"
#include "relay.h"
#include "socket.h"

/* So many bytes a turn, lest one direction hold up the others. */
#define TURN_MAX (1u << 20)

/* A turn of fewer bytes could as well have been copied. */
#define CALM_SIZE 16384u

static void poll_source(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	d->receiving = d->receive_polls = true;
	ring_poll(c->splicer->ring, c->side[direction].fd, POLLIN,
		  connection_token(c, TOKEN_RECEIVE + direction));
}

static void wait_for_room(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (d->watching_room) {
		d->awaits_room = true;
	} else {
		d->sending = d->send_polls = true;
		ring_poll(c->splicer->ring, c->side[other_side(direction)].fd, POLLOUT,
			  connection_token(c, TOKEN_SEND + direction));
	}
	relay_send_began(c);
}

/* Once the destination has said FIN, each poll of it completes at once: it is watched instead. */
static void watch_room(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	d->watching_room = d->awaits_room = true;
	ring_watch(c->splicer->ring, c->side[other_side(direction)].fd, POLLOUT,
		   connection_token(c, TOKEN_ROOM + direction));
}

static bool has_bytes(const struct direction *d)
{
	return d->holds || (d->pipe && d->pipe->size > 0);
}

static ssize_t drain_pipe(const struct connection *c, const struct direction *d, int fd)
{
	ssize_t n = pipe_drain(d->pipe, fd);

	if (n > 0)
		counter_add(connection_service_counters(c)->bytes_spliced, n);
	return n;
}

/* False: the destination has no room, or died, and then the connection may be gone. */
static bool send_bytes(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];
	int fd = c->side[other_side(direction)].fd;
	ssize_t n;

	while (has_bytes(d)) {
		n = d->holds ? socket_write(fd, d->data + d->sent, held_size(d))
			     : drain_pipe(c, d, fd);
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN) {
			wait_for_room(c, direction);
			return false;
		}
		if (n < 0) {
			relay_sink_failed(c, direction, (int)-n);
			return false;
		}
		relay_passed(c, direction, (size_t)n);
		if (d->holds)
			held_consume(c, direction, (uint32_t)n);
	}
	return true;
}

static void give_pipe(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (d->pipe)
		pipes_give(c->splicer->pipes, d->pipe);
	d->pipe = NULL;
}

static bool is_calm(const struct direction *d)
{
	return d->calm_turns >= CALM_TURNS && !direction_is_sending(d) && !d->watching_room &&
	       !has_bytes(d);
}

/* It counts for both: the other direction has brought nothing meanwhile, or will say so itself. */
static void count_calm_turn(struct connection *c)
{
	for (unsigned i = 0; i < SIDES; i++)
		if (c->direction[i].calm_turns < CALM_TURNS)
			c->direction[i].calm_turns++;
}

/* The source has no more for now: the next bytes are waited for in the way that suits the last ones. */
static void rest(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	give_pipe(c, direction);
	if (d->turn >= CALM_SIZE)
		d->calm_turns = 0;
	else if (d->turn > 0)
		count_calm_turn(c);
	d->turn = 0;
	if (is_calm(&c->direction[CLIENT]) && is_calm(&c->direction[SERVER])) {
		relay_copy(c);
		d->mover->start(c, direction);
	} else {
		poll_source(c, direction);
	}
}

/* Moves what there is, turn by turn. The connection may be gone afterwards. */
static void move(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];
	ssize_t n;

	while (send_bytes(c, direction)) {
		if (d->turn >= TURN_MAX) {
			rest(c, direction);
			return;
		}
		if (!d->pipe)
			d->pipe = pipes_take(c->splicer->pipes);
		if (!d->pipe) {
			c->splicer->n_unpiped++;
			held_receive(c, direction, false);
			return;
		}
		n = pipe_fill(d->pipe, c->side[direction].fd);
		if (n > 0) {
			d->turn += (uint32_t)n;
			continue;
		}
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN) {
			rest(c, direction);
			return;
		}
		give_pipe(c, direction);
		if (n == 0)
			relay_eof(c, direction);
		else
			relay_source_failed(c, direction, (int)-n);
		return;
	}
}

static void splice_start(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	d->starved = false;
	if (!d->receiving && !direction_is_sending(d) && !d->eof)
		move(c, direction);
}

static void splice_received(struct connection *c, unsigned direction,
			    const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];

	if (d->receive_polls) {
		d->receive_polls = false;
		move(c, direction);
	} else if (held_take(c, direction, completion)) {
		d->turn += (uint32_t)completion->result;
		move(c, direction);
	}
}

/* There is room again. */
static void go_on(struct connection *c, unsigned direction)
{
	const struct direction *back = &c->direction[other_side(direction)];

	if (!send_bytes(c, direction))
		return;
	if (back->eof && !back->finished) {
		/* Its end may be passed on now, and be that of the connection. */
		rest(c, direction);
		relay_send_ended(c, direction);
		return;
	}
	relay_send_ended(c, direction);
	move(c, direction);
}

static void splice_sent(struct connection *c, unsigned direction,
			const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];
	int result = completion->result;

	if (d->send_polls) {
		d->send_polls = false;
		if (result == POLLRDHUP) {
			watch_room(c, direction);
			return;
		}
	} else if (result > 0) {
		relay_passed(c, direction, (size_t)result);
		held_consume(c, direction, (uint32_t)result);
	} else if (result != -EINTR && result != -EAGAIN) {
		relay_sink_failed(c, direction, -result);
		return;
	}
	go_on(c, direction);
}

static void splice_room(struct connection *c, unsigned direction,
			const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];

	/* It is told of each change, and waited for now and then. */
	if (!d->awaits_room || (completion->result == POLLRDHUP && completion->more))
		return;
	d->awaits_room = false;
	go_on(c, direction);
}

static void splice_release(struct connection *c, unsigned direction)
{
	held_release(c, direction);
	give_pipe(c, direction);
}

const struct mover mover_splice = {
	.name = "splice",
	.start = splice_start,
	.received = splice_received,
	.sent = splice_sent,
	.room = splice_room,
	.release = splice_release,
};
