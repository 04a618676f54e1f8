/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One spliced connection, seen from inside the splicer.
 *
 *   accept ─→ PREFACE ─→ CONNECTING ─→ ESTABLISHED ─→ ENDING ─→ freed
 *                           ↑ │ next      │ reset before a
 *                           └─┘ candidate ↓ byte was exchanged
 *                           ↑           LOST
 *                           └─────────────┘
 *
 * Most connections have no preface and are past it at once. Its part of the life is in preface.h,
 * finding a backend in connecting.h, what happens afterwards in relay.h; the end is here.
 *
 * Ending: start nothing more, cancel what is under way, wait until every operation has completed,
 * then close both sockets, tell the worker with exactly one end reason, and free the slot. Until
 * then no descriptor is closed, so that none can be reused under an operation; after it the slot's
 * generation has changed, so that nothing late finds it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "admission.h"
#include "client_hello.h"
#include "end_reason.h"
#include "heap.h"
#include "list.h"
#include "slots.h"
#include "snapshot.h"
#include "splicer.h"
#include "timeouts.h"
#include "token.h"

#define TRIES_MAX      8
#define ADMISSIONS_MAX 2 /* of the service it came to, and of one it was passed on to */

enum {
	CLIENT, /* the side that connected to us */
	SERVER,
	SIDES,
};

/* Directions are named after their source: direction[CLIENT] carries client → server. */
static inline unsigned other_side(unsigned side)
{
	return 1 - side;
}

enum connection_state {
	CONNECTION_PREFACE, /* the client's first bytes are being read; there is no backend yet */
	CONNECTION_CONNECTING,
	CONNECTION_ESTABLISHED,
	CONNECTION_LOST, /* the backend reset it at once; its operations are being waited for */
	CONNECTION_ENDING,
};

struct side {
	int fd;	       /* -1: there is none, or the connection is parked */
	bool watching; /* a poll for errors is under way */
};

struct direction {
	const struct mover *mover;
	bool receiving, sending; /* operations under way … */
	bool receive_polls;	 /* … that only tell when there is something to receive … */
	bool send_polls;	 /* … or room to send it */
	bool watching_room;	 /* a watch for room is under way … */
	bool awaits_room;	 /* … and needed */
	bool eof;		 /* the source said FIN */
	bool finished;		 /* and so did we to the destination */
	bool expects_later;	 /* the source had no more when it was last looked at */
	bool starved;		 /* would receive, but waits for a buffer, in splicer.starved */
	uint8_t calm_turns;	 /* of little bytes, one after the other; see mover_splice.c */
	uint32_t run;		 /* bytes without a pause; see mover_copy.c */
	uint32_t turn;		 /* bytes of this turn; see mover_splice.c */
	struct pipe *pipe;	 /* bytes wait in it, or are about to; or NULL */
	/* Bytes that wait in a buffer of the ring, from data + sent to data + size; see held.h. */
	bool holds;
	uint16_t buffer;
	uint8_t *data;
	uint32_t size, sent;

	uint64_t bytes; /* accepted by the destination's socket */
};

/* Bytes are on their way to the destination, or wait until it has room for them. */
static inline bool direction_is_sending(const struct direction *d)
{
	return d->sending || d->awaits_room;
}

/* What every event of its life touches comes first, in as few cache lines as it takes. */
struct connection {
	struct slot slot; /* first: connections live in slots */
	struct splicer *splicer;
	enum connection_state state;
	enum end_reason reason;
	/* Why it will end once the dead side's last bytes have been passed on; END_NONE: will not. */
	enum end_reason pending_reason;
	bool parked;	 /* its sockets have no descriptors; see parked.h */
	bool warm;	 /* had an event since it was looked at for parking */
	bool connecting; /* the connect is under way */
	struct side side[SIDES];
	struct direction direction[SIDES];
	struct service *service; /* referenced */
	struct backend *backend; /* referenced; NULL while none is chosen */
	struct timer timer;
	struct timeouts timeouts;

	struct list awake;	    /* in splicer.awake, while it may be parked */
	struct list waiting;	    /* in splicer.waiting, or in a service's queue */
	struct list starved;	    /* in splicer.starved */
	struct address client;	    /* who it is for: hashed, limited and logged */
	struct address peer;	    /* who is connected to us: the client or its proxy */
	struct address local;	    /* where it was accepted */
	struct address destination; /* what the client connected to: here, or at its proxy */

	bool timed_out; /* the connect was cancelled, since the try's time was over */
	bool abandoned; /* … or since the backend left the table */
	bool paused;	/* between two rounds of candidates */
	bool moving;	/* lost: by our own will, since the backend has failed its checks */
	bool queued;	/* waits for a backend with room; see queue.h */
	bool passing;	/* preface: the stage is over, but for its receive */
	uint8_t n_admissions;
	uint8_t stage;			/* of the preface, or past the last */
	uint8_t proxy_out;		/* enum proxy_version that the backend wants */
	uint8_t n_tries;		/* begun */
	uint8_t n_tried;		/* entries of tried[] */
	uint32_t splice_after;		/* as the service says; 0: never */
	struct client_hello_scan hello; /* preface: how far the ClientHello was read */
	struct greeting *greeting;	/* what it said, for people; or NULL */
	struct keepalive keepalive;	/* towards the backend, once it has settled */
	int last_error;			/* of the last failed connect, a positive errno */
	struct backend *last_failed;	/* whose connect that was; referenced, or NULL */
	nsec_t connect_started, connect_took;
	nsec_t queued_at;
	struct admission admissions[ADMISSIONS_MAX];
	const void *tried[TRIES_MAX]; /* backends of this round, as names only */
};

static inline uint64_t connection_token(const struct connection *c, unsigned kind)
{
	return token_make(kind, c->slot.generation, c->slot.index);
}

/* Unique in this process for as long as anyone will remember it. */
static inline uint64_t connection_id(const struct connection *c)
{
	return (uint64_t)c->splicer->worker << 47 |
	       (uint64_t)(c->slot.generation / 2 & 0xffffff) << 23 | c->slot.index;
}

/* The word of lbctl and the API. */
const char *connection_state_name(const struct connection *c);

/* Ends the connection; harmless when it is ending already. `c` may be freed by the call. */
void connection_end(struct connection *c, enum end_reason reason);

/* Frees an ending connection whose last operation has completed. True when it did. */
bool connection_finish(struct connection *c);

/* Arms the timer when the next deadline is earlier than what is armed. */
void connection_arm(struct connection *c);

/* A client that was accepted and, unless its proxy has to name it first, let in. */
struct arrival {
	int fd;
	int error; /* -errno: it is gone again */
	struct address peer, local;
	struct admission admission;
};

/* Its connection begins; what `a` holds is the connection's. False: there is no slot for it. */
bool connection_open(struct splicer *s, const struct snapshot_service *service, struct arrival *a);

/* It stays, and gets what a short connection does without. It has its descriptors. */
void connection_settle(struct connection *c);

/* Parts of its life, called by the splicer. */
void connection_expire(struct connection *c);

/* Operations that use the backend's socket are under way. */
bool connection_server_is_busy(const struct connection *c);

/* Lets go of the backend and of what counts there. */
void connection_leave_backend(struct connection *c);

/* Where this worker counts. */
static inline struct service_counters *connection_service_counters(const struct connection *c)
{
	return &c->service->counters[c->splicer->worker];
}

static inline struct backend_counters *connection_backend_counters(const struct connection *c)
{
	return &c->backend->counters[c->splicer->worker];
}
