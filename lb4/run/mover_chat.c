// SPDX-License-Identifier: BSD-2-Clause
/*
 * The copying mover of directions that talk in small messages: one receive of the ring brings them
 * all, and is not begun anew for each. That is as careless as it is quick: the kernel receives on
 * while a destination does not read. So whatever is not small talk sends the direction back to
 * mover_copy.c: a message that fills its buffer or could be bulk, or one that comes before the last was sent. What
 * has come by the time the kernel hears of that is queued behind what is being sent, and goes first.
 *
 * It begins after a message has been sent: from then on the connection stays with its backend.
 */
#include <errno.h>

#include "held.h"
#include "relay.h"

static void stop(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (!d->receiving || d->stopping)
		return;
	d->stopping = true;
	ring_cancel(c->splicer->ring, connection_token(c, TOKEN_RECEIVE + direction));
}

void chat_stop(struct connection *c, unsigned direction)
{
	if (c->direction[direction].mover == &mover_chat)
		stop(c, direction);
}

static void chat_start(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	d->receiving = true;
	d->stopping = d->ended = false;
	ring_receive_each(c->splicer->ring, c->side[direction].fd,
			  connection_token(c, TOKEN_RECEIVE + direction));
}

/*
 * Once the receive is over and all it brought has been sent, that was the source's end, or only the
 * small talk's. The connection may be gone afterwards.
 */
static void leave_if_done(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (d->receiving || d->holds || d->discards)
		return;
	d->mover = &mover_copy;
	if (!d->ended) {
		d->mover->start(c, direction);
		return;
	}
	d->ended = false;
	if (d->end == 0)
		relay_eof(c, direction);
	else
		relay_source_failed(c, direction, -d->end);
}

/* Errors that end the receive and nothing else. */
static bool is_passing(int result)
{
	return result == -ECANCELED || result == -ENOBUFS || result == -EINTR || result == -EAGAIN;
}

/* False: the destination is dead, and the connection may be gone. */
static bool take(struct connection *c, unsigned direction, const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];
	int r = 1;

	if (d->holds || (uint32_t)completion->result >= relay_talk_limit(c))
		stop(c, direction);
	if (held_queue(c, direction, completion))
		r = held_write(c, direction);
	if (r == 0)
		held_send(c, direction);
	return r >= 0;
}

static void chat_received(struct connection *c, unsigned direction,
			  const struct ring_completion *completion)
{
	struct direction *d = &c->direction[direction];
	int result = completion->result;

	if (result > 0 && d->discards) {
		ring_buffer_return(c->splicer->ring, completion->buffer);
		return;
	}
	if (result > 0 && !take(c, direction, completion))
		return;
	if (result <= 0 && !is_passing(result)) {
		d->ended = true;
		d->end = (int16_t)result;
		/* A reset behind bytes that are stuck: relay_stalled() has looked already. */
		if (result < 0 && c->side[direction].watching) {
			relay_source_failed(c, direction, -result);
			return;
		}
	}
	leave_if_done(c, direction);
}

static void chat_sent(struct connection *c, unsigned direction,
		      const struct ring_completion *completion)
{
	uint32_t index = c->slot.index, generation = c->slot.generation & 0xffffff;
	struct direction *d = &c->direction[direction];
	struct splicer *s = c->splicer;
	int result = completion->result;

	if (result < 0 && result != -EINTR && result != -EAGAIN) {
		relay_sink_failed(c, direction, -result);
		return;
	}
	if (result > 0) {
		relay_passed(c, direction, (size_t)result);
		held_consume(c, direction, (uint32_t)result);
	}
	if (d->holds) {
		held_send(c, direction);
		return;
	}
	/* The other direction's end may have waited for this, and be that of the connection. */
	relay_send_ended(c, direction);
	c = slots_find(&s->connections, index, generation);
	if (c && c->state != CONNECTION_ENDING)
		leave_if_done(c, direction);
}

static void chat_release(struct connection *c, unsigned direction)
{
	c->direction[direction].discards = true;
	held_release(c, direction);
	stop(c, direction);
}

const struct mover mover_chat = {
	.name = "copy",
	.start = chat_start,
	.received = chat_received,
	.sent = chat_sent,
	.release = chat_release,
};
