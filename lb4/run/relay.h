/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relaying: what the two directions of an established connection mean to each other. FIN passes as
 * FIN and half-closes, RST as RST. How bytes move is a mover's business.
 */
#pragma once

#include "connection.h"
#include "ring.h"

/*
 * A way of moving the bytes of one direction. Tells relay_*() below what it met, and keeps
 * `receiving` and `sending` true while its operations are under way.
 */
struct mover {
	const char *name;
	/* Begins, or goes on with what was held when the connection was established. */
	void (*start)(struct connection *c, unsigned direction);
	void (*received)(struct connection *c, unsigned direction,
			 const struct ring_completion *completion);
	void (*sent)(struct connection *c, unsigned direction,
		     const struct ring_completion *completion);
	/* The watch of the destination tells that there may be room. NULL: it never watches. */
	void (*room)(struct connection *c, unsigned direction,
		     const struct ring_completion *completion);
	/* Gives back what the direction holds. No operation is under way. */
	void (*release)(struct connection *c, unsigned direction);
};

/* Receive into a buffer of the ring, send it, and only then receive again. */
extern const struct mover mover_copy;

/* By splice(2), for bulk. */
extern const struct mover mover_splice;

/* So many turns of few bytes, one after the other, and a direction is not bulk any more. */
#define CALM_TURNS 8

/*
 * Both directions are moved by splice(2) from now on, since this one is bulk; or by copying. Whoever calls is a mover about
 * to begin its next operation, and leaves that to mover->start(). Splicing is refused (false) when it
 * is switched off or all pipes are taken.
 */
bool relay_splice(struct connection *c, unsigned direction);
void relay_copy(struct connection *c);

/* The connection was established: starts both directions, and what was held for them. */
void relay_start(struct connection *c);

/* What movers report. Each may end the connection: the mover touches it no more. */
void relay_eof(struct connection *c, unsigned direction);
void relay_source_failed(struct connection *c, unsigned direction, int error);
void relay_sink_failed(struct connection *c, unsigned direction, int error);
/* All that was held has been sent, and the next receive has begun. */
void relay_send_ended(struct connection *c, unsigned direction);

/* The backend is dead, and no operation is under way on its socket. */
void relay_server_died(struct connection *c, int error);

/* `size` bytes were accepted by the destination. */
void relay_passed(struct connection *c, unsigned direction, size_t size);

/* A send has begun. */
void relay_send_began(struct connection *c);

/* Nobody has received from a side for long, since it has said FIN or a send has not finished: it is watched. */
void relay_stalled(struct connection *c);

/* Waits for a reset of a side that nobody receives from. */
void relay_watch(struct connection *c, unsigned side);

/* Something happened on a watched side. */
void relay_watched(struct connection *c, unsigned side);
