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

/* All of it was sent: the next is received, in the way that suits what came. */
static void sent_all(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (d->expects_later && d->size < relay_talk_limit(c) && d->bytes > 0 &&
	    c->state == CONNECTION_ESTABLISHED && c->pending_reason == END_NONE) {
		d->mover = &mover_chat;
		d->mover->start(c, direction);
		return;
	}
	held_receive(c, direction, d->expects_later);
}

static void send_received(struct connection *c, unsigned direction)
{
	int r = held_write(c, direction);

	if (r == 0)
		held_send(c, direction);
	else if (r > 0)
		sent_all(c, direction);
}

static void copy_start(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (d->holds)
		held_send(c, direction);
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
	d->run += size;
	if (d->run >= c->splice_after)
		return c->splice_after && d->bytes > 0;
	if (size < RING_BUFFER_SIZE)
		d->run = 0;
	return false;
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
		held_send(c, direction);
		return;
	}
	if (completion->result < 0) {
		relay_sink_failed(c, direction, -completion->result);
		return;
	}
	relay_passed(c, direction, (size_t)completion->result);
	held_consume(c, direction, (uint32_t)completion->result);
	if (d->holds) {
		/* Cut short: the next send goes on, or learns why. */
		if (c->state != CONNECTION_LOST)
			held_send(c, direction);
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
