// SPDX-License-Identifier: BSD-2-Clause
/*
 * The copying mover. A direction holds at most one buffer of the ring, and only while it is being
 * sent: a destination that does not read costs one buffer and nothing more, since nothing is
 * received meanwhile and the source's own window closes.
 */
#include <errno.h>

#include "held.h"
#include "relay.h"
#include "socket.h"

/* More than this is worth sending without holding up whatever comes meanwhile. */
#define ALONE_MAX 4096u

static void send_held(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	d->sending = true;
	ring_send(c->splicer->ring, c->side[other_side(direction)].fd, d->data + d->sent,
		  d->size - d->sent, connection_token(c, TOKEN_SEND + direction));
	relay_send_began(c);
}

/* All of it was sent. */
static void sent_all(struct connection *c, unsigned direction)
{
	held_release(c, direction);
	held_receive(c, direction, c->direction[direction].expects_later);
}

/*
 * Sends of many connections go to the kernel together, which is where a ring wins. One that is alone
 * is sent by a call, whose outcome is known at once. The connection may be gone afterwards.
 */
static void send_received(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];
	ssize_t n = 0;

	if (ring_is_quiet(c->splicer->ring) && d->size <= ALONE_MAX)
		n = socket_write(c->side[other_side(direction)].fd, d->data, d->size);
	if (n < 0 && n != -EAGAIN && n != -EINTR) {
		relay_sink_failed(c, direction, (int)-n);
		return;
	}
	if (n > 0) {
		d->sent = (uint32_t)n;
		relay_passed(c, direction, (size_t)n);
	}
	if (d->sent < d->size)
		send_held(c, direction);
	else
		sent_all(c, direction);
}

static void copy_start(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (d->holds)
		send_held(c, direction);
	else if (!d->receiving && !d->eof)
		held_receive(c, direction, d->expects_later);
}

/*
 * A direction is bulk when it brings `splice_after` bytes without a pause: of receives that fill
 * their buffer, each finds more than it can take. Before its first byte has been sent the
 * connection may still go on to another backend, and stays here.
 */
static bool is_bulk(const struct connection *c, struct direction *d, uint32_t size)
{
	bool result;

	d->run += size;
	result = c->splice_after && d->run >= c->splice_after && d->bytes > 0;
	if (size < RING_BUFFER_SIZE)
		d->run = 0;
	return result;
}

static void copy_received(struct connection *c, unsigned direction,
			  const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];

	if (d->receive_polls) {
		/* Begun by the splicing mover. */
		d->receive_polls = false;
		held_receive(c, direction, false);
		return;
	}
	d->expects_later = !completion->rest;
	/* Bytes for a backend that was lost wait for the next one. */
	if (!held_take(c, direction, completion) || c->state != CONNECTION_ESTABLISHED)
		return;
	if (is_bulk(c, d, (uint32_t)completion->result) && relay_splice(c, direction))
		d->mover->start(c, direction);
	else
		send_received(c, direction);
}

static void copy_sent(struct connection *c, unsigned direction,
		      const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];

	/* To a lost backend nothing more is sent: it may never take it. */
	if (c->state != CONNECTION_LOST &&
	    (completion->result == -EINTR || completion->result == -EAGAIN)) {
		send_held(c, direction);
		return;
	}
	if (completion->result < 0) {
		relay_sink_failed(c, direction, -completion->result);
		return;
	}
	d->sent += (uint32_t)completion->result;
	relay_passed(c, direction, (size_t)completion->result);
	if (d->sent < d->size) {
		/* Cut short: the next send goes on, or learns why. */
		if (c->state != CONNECTION_LOST)
			send_held(c, direction);
		return;
	}
	sent_all(c, direction);
	relay_send_ended(c, direction);
}

const struct mover mover_copy = {
	.name = "copy",
	.start = copy_start,
	.received = copy_received,
	.sent = copy_sent,
	.release = held_release,
};
