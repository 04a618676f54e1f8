/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes of a direction that wait in a buffer of the ring: received from the source, not all taken
 * by the destination yet. A direction holds one buffer at most, so that what is received while
 * it holds one is put behind what is there.
 */
#pragma once

#include "connection.h"
#include "ring.h"

/*
 * Receives, as much as there is room for. With `later` nothing is expected to be there yet.
 */
void held_receive(struct connection *c, unsigned direction, bool later);

/*
 * Reads what is there, by a system call and at once: for a direction that holds nothing. Bytes, which
 * it holds then; 0 at FIN, which the next receive tells again; -errno, which it does not: an error
 * other than -EAGAIN and -EINTR is the source's. -ENOBUFS without a buffer.
 */
int held_read(struct connection *c, unsigned direction);

/*
 * Takes what a receive brought, to d->data. True when there were bytes. Else what happened has been
 * dealt with or told: a receive that found no buffer is tried again or starves, FIN and
 * errors went to relay_eof() and relay_source_failed(), and the connection may be gone.
 */
bool held_take(struct connection *c, unsigned direction, const struct ring_completion *completion);

/* Bytes that wait, from d->data + d->sent. */
static inline uint32_t held_size(const struct direction *d)
{
	return d->holds ? d->size - d->sent : 0;
}

/* The first `size` of them are done with. The buffer goes back with the last. */
void held_consume(struct connection *c, unsigned direction, uint32_t size);

/* Gives the buffer back, if there is one. */
void held_release(struct connection *c, unsigned direction);
