// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "held.h"
#include "relay.h"
#include "socket.h"

void held_receive(struct connection *c, unsigned direction, bool later)
{
	struct direction *d = &c->direction[direction];

	d->receiving = true;
	d->starved = false;
	ring_receive(c->splicer->ring, c->side[direction].fd,
		     RING_BUFFER_SIZE - (d->holds ? d->size : 0), later,
		     connection_token(c, TOKEN_RECEIVE + direction));
}

int held_read(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];
	struct ring *ring = c->splicer->ring;
	ssize_t n;

	d->data = ring_buffer_take(ring, &d->buffer);
	if (!d->data)
		return -ENOBUFS;
	n = socket_read(c->side[direction].fd, d->data, RING_BUFFER_SIZE);
	d->holds = n > 0;
	if (d->holds) {
		d->size = (uint32_t)n;
		d->sent = 0;
		d->starved = false; /* they are sent once: not again when a buffer is free */
	} else {
		ring_buffer_return(ring, d->buffer);
	}
	return (int)n;
}

/* Goes on when a buffer is free again. */
static void starve(struct connection *c, unsigned direction)
{
	c->direction[direction].starved = true;
	list_unlink(&c->starved);
	list_append(&c->splicer->starved, &c->starved);
	c->splicer->events->on_starved(c->splicer);
}

static void take(struct connection *c, struct direction *d,
		 const struct ring_completion *completion)
{
	uint32_t size = (uint32_t)completion->result;

	if (!d->holds) {
		d->holds = true;
		d->buffer = completion->buffer;
		d->data = completion->data;
		d->size = size;
		d->sent = 0;
		return;
	}
	assert(d->size + size <= RING_BUFFER_SIZE);
	memcpy(d->data + d->size, completion->data, size);
	d->size += size;
	ring_buffer_return(c->splicer->ring, completion->buffer);
}

bool held_take(struct connection *c, unsigned direction, const struct ring_completion *completion)
{
	int result = completion->result;

	if (result > 0) {
		take(c, &c->direction[direction], completion);
		return true;
	}
	if (result == 0)
		relay_eof(c, direction);
	else if (c->state == CONNECTION_LOST && direction == SERVER)
		; /* its end is waited for: a backend that says nothing would never let go of it */
	else if (result == -ENOBUFS && !ring_has_buffers(c->splicer->ring))
		starve(c, direction);
	else if (result == -ENOBUFS || result == -EINTR || result == -EAGAIN)
		held_receive(c, direction, false);
	else
		relay_source_failed(c, direction, -result);
	return false;
}

void held_release(struct connection *c, unsigned direction)
{
	struct direction *d = &c->direction[direction];

	if (!d->holds)
		return;
	d->holds = false;
	ring_buffer_return(c->splicer->ring, d->buffer);
}

void held_consume(struct connection *c, unsigned direction, uint32_t size)
{
	struct direction *d = &c->direction[direction];

	assert(size <= held_size(d));
	d->sent += size;
	if (d->holds && d->sent == d->size)
		held_release(c, direction);
}
