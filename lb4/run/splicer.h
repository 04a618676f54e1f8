/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The splicer: all connections of one worker, on its thread. It takes accepted sockets, chooses a
 * backend, connects, relays and ends, driven by completions of the worker's ring. It knows no
 * listeners, no mailboxes and no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "daemon.h"
#include "end_reason.h"
#include "heap.h"
#include "list.h"
#include "ring.h"
#include "slots.h"
#include "snapshot.h"

struct connection;
struct parking;
struct pipes;
struct splicer;

/* What the splicer tells its worker. */
struct splicer_events {
	/* `c` has ended, and is freed after this call. */
	void (*on_end)(struct splicer *s, const struct connection *c);
	/* A client of `service` was refused before it had a connection, and is reset after this
	 * call. `local` NULL: the socket can be asked. */
	void (*on_refused)(struct splicer *s, const struct service *service, int fd,
			   const struct address *client, const struct address *local,
			   enum end_reason reason);
	/* A backend has room for a connection of another worker, which waits for that. */
	void (*on_room)(struct splicer *s, unsigned worker);
	/* A direction waits for a receive buffer. */
	void (*on_starved)(struct splicer *s);
	/* A connect failed, or its connection was reset before a byte was exchanged; `consecutive`
	 * such failures since the backend's last byte. `error` is a positive errno. */
	void (*on_passive)(struct splicer *s, struct backend *b, uint64_t consecutive, int error);
};

struct splicer {
	struct ring *ring;
	unsigned worker;	   /* index of this worker's counters */
	nsec_t now;		   /* set by the worker before each round of completions */
	struct snapshot *snapshot; /* borrowed from the worker, never NULL once it serves */
	struct slots connections;
	struct heap timers;
	struct list waiting; /* connections that found no descriptor for their backend's side */
	bool waking;	     /* they are being given another chance */
	struct chooser chooser;
	uint64_t n_sources;  /* source addresses taken in turn */
	struct list queues;  /* of services, in which connections of this worker wait */
	bool serving;	     /* they are being served … */
	bool serve_again;    /* … and something has happened meanwhile */
	struct list starved; /* connections that found all receive buffers in use */
	struct pipes *pipes; /* borrowed from the worker; NULL: nothing is spliced */
	uint64_t n_unpiped;  /* turns of bulk directions that found no pipe, and copied */
	/* See parked.h. */
	struct parking *parking; /* borrowed from the worker; NULL: every connection stays awake */
	uint32_t awake_max;	 /* connections awake, past which the coldest are parked */
	uint32_t n_parked;
	uint32_t n_not_parked; /* failed to be, for want of memory */
	nsec_t park_after;     /* nothing is parked before */
	struct list awake;     /* connections that may be parked: ending ones, then the coldest */
	const struct splicer_events *events;
};

/* Room for `n_max` connections. -ENOMEM. */
int splicer_init(struct splicer *s, struct ring *ring, unsigned worker, uint32_t n_max,
		 const struct splicer_events *events);

/* All connections must have ended. */
void splicer_deinit(struct splicer *s);

/*
 * Serves an accepted socket, whose ownership passes. `local` is the address it was accepted at, or
 * NULL when the listener is a wildcard and the socket has to be asked. False when it is refused, or
 * there is no slot: then it has been reset, and on_end() will not tell of it.
 */
bool splicer_accept(struct splicer *s, const struct snapshot_service *service, int fd,
		    const struct address *local);

/* A completion with this token is about to come: its connection is fetched into the cache. */
void splicer_prefetch(const struct splicer *s, uint64_t token);

/* A completion whose token is of a connection. */
void splicer_complete(struct splicer *s, const struct ring_completion *completion);

/* When splicer_expire() has something to do; 0: at once, NSEC_NEVER: not by time. */
nsec_t splicer_next(const struct splicer *s);
void splicer_expire(struct splicer *s);

/*
 * `backend` may not be connected to any more: those connecting go on to their next candidate. With
 * a reason other than END_NONE its established connections are reset for that reason.
 */
void splicer_leave_backend(struct splicer *s, const struct backend *backend,
			   enum end_reason reason);

/* Resets every connection. They are gone once their operations have completed. */
void splicer_end_all(struct splicer *s, enum end_reason reason);

/* Lets connections be parked, past `awake_max` of them that have their descriptors. */
void splicer_allow_parking(struct splicer *s, struct parking *parking, uint32_t awake_max);

static inline uint32_t splicer_active(const struct splicer *s)
{
	return s->connections.n_used;
}

/* Connections that have their descriptors, at most two each. */
static inline uint32_t splicer_awake(const struct splicer *s)
{
	return s->connections.n_used - s->n_parked;
}

/* Describes up to `n_max` connections, of `service` or (NULL) of all; returns how many. */
size_t splicer_list(const struct splicer *s, const struct service *service,
		    struct connection_info *infos, size_t n_max);
