// SPDX-License-Identifier: BSD-2-Clause
/*
 * The copying mover. A direction holds at most one buffer of the ring, and only while it is being
 * sent: a destination that does not read costs one buffer and nothing more, since nothing is
 * received meanwhile and the source's own window closes.
 */
#include <errno.h>

#include "relay.h"

static void receive(struct connection *c, unsigned direction)
{
	c->direction[direction].receiving = true;
	c->direction[direction].starved = false;
	ring_receive(c->splicer->ring, c->side[direction].fd,
		     connection_token(c, TOKEN_RECEIVE + direction));
}

/* Goes on when a buffer is free again. */
static void starve(struct connection *c, unsigned direction)
{
	c->direction[direction].starved = true;
	list_unlink(&c->starved);
	list_append(&c->splicer->starved, &c->starved);
}

static void send_held(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	d->sending = true;
	ring_send(c->splicer->ring, c->side[other_side(direction)].fd, d->data + d->sent,
		  d->size - d->sent, connection_token(c, TOKEN_SEND + direction));
	relay_send_began(c);
}

static void copy_release(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (!d->holds)
		return;
	d->holds = false;
	ring_buffer_return(c->splicer->ring, d->buffer);
}

static void copy_start(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (d->holds)
		send_held(c, direction);
	else if (!d->receiving && !d->eof)
		receive(c, direction);
}

static void copy_received(struct connection *c, unsigned direction,
			  const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];
	int result = completion->result;

	if (result > 0) {
		d->holds = true;
		d->buffer = completion->buffer;
		d->data = completion->data;
		d->size = (uint32_t)result;
		d->sent = 0;
		/* Bytes for a backend that was lost wait for the next one. */
		if (c->state == CONNECTION_ESTABLISHED)
			send_held(c, direction);
	} else if (result == 0) {
		relay_eof(c, direction);
	} else if (result == -ENOBUFS && !ring_has_buffers(c->splicer->ring)) {
		starve(c, direction);
	} else if (result == -ENOBUFS || result == -EINTR || result == -EAGAIN) {
		receive(c, direction);
	} else {
		relay_source_failed(c, direction, -result);
	}
}

static void copy_sent(struct connection *c, unsigned direction,
		      const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];

	if (completion->result == -EINTR || completion->result == -EAGAIN) {
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
		send_held(c, direction);
		return;
	}
	copy_release(c, direction);
	receive(c, direction);
	relay_send_ended(c, direction);
}

const struct mover mover_copy = {
	.name = "copy",
	.start = copy_start,
	.received = copy_received,
	.sent = copy_sent,
	.release = copy_release,
};
