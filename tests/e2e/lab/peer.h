/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One end of a verified transfer. The client draws a plan and sends it as its first block; the
 * server answers with its name as its first block. From then on each side knows every byte it must
 * get, who closes first, who resets and after how many bytes, and reports what it saw.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common.h"
#include "loop.h"

#define PLAN_MAGIC 0x6c62342d68616d31u

enum plan_kind {
	PLAN_FREE,	   /* each side says FIN when it has sent all */
	PLAN_CLIENT_FIRST, /* the server keeps bytes back until it saw the client's FIN */
	PLAN_SERVER_FIRST, /* the other way round */
	PLAN_CLIENT_RESET, /* the client resets after `cut` bytes; the server never says FIN */
	PLAN_SERVER_RESET,
	PLAN_CLIENT_FIN_RESET, /* the client says FIN, then resets */
	PLAN_SERVER_FIN_RESET,
	PLAN_KINDS,
};
extern const char *const plan_kind_names[PLAN_KINDS];

struct plan {
	uint64_t magic;
	uint64_t id;
	uint64_t seed;
	uint64_t up, down; /* bytes after the first block of the client, of the server */
	uint64_t cut;	   /* bytes the resetting side sends first */
	uint32_t kind;
	/* After a FIN that is followed by a reset, the other side sends nothing more; otherwise it
	 * goes on in small pieces. */
	uint32_t quiet;
	uint64_t unused;
};
_Static_assert(sizeof(struct plan) == NAME_BLOCK, "one block each way");

/* Draws a plan with at most `max_size` bytes each way. */
void plan_draw(struct plan *ret, struct rng *rng, uint64_t id, uint64_t max_size);

enum peer_side {
	PEER_CLIENT,
	PEER_SERVER,
};

enum peer_outcome {
	PEER_RUNNING,
	PEER_DONE,	 /* FIN both ways, every byte there */
	PEER_RESET_SENT, /* as planned */
	PEER_RESET_SEEN, /* as planned */
	PEER_VIOLATION,	 /* see `why` */
	PEER_OUTCOMES,
};
extern const char *const peer_outcome_names[PEER_OUTCOMES];

struct peer {
	struct watch watch;
	struct alarm alarm;
	enum peer_side side;
	struct plan plan; /* of a server: once the first block is there */
	char name[NAME_BLOCK];
	struct rng rng;

	uint64_t sent, received; /* first blocks included */
	uint64_t hold;		 /* bytes kept back until the other side's FIN */
	unsigned lull;		 /* so many more pieces are small */
	bool connected, sent_fin, seen_eof;
	nsec_t give_up, send_pause, receive_pause, reset_due;

	enum peer_outcome outcome;
	char why[160];
	/* The peer has ended, its descriptor is closed; the owner may free it. */
	void (*on_end)(struct peer *p);
};

/* Takes a connecting (client) or accepted (server) descriptor. `name` is the server's own. */
void peer_start(struct peer *p, enum peer_side side, int fd, const struct plan *plan,
		const char *name, nsec_t give_up, void (*on_end)(struct peer *p));

/* What the other side must report when this side had that outcome. */
enum peer_outcome peer_counterpart(enum peer_outcome outcome);
