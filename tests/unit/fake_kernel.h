/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel as a worker sees it: the functions of io/ring.h, io/socket.h, io/pipe.h and io/parking.h, in memory. A test
 * that links this file brings their definitions along, so that none is taken from lb4/io.
 *
 * Each socket has a peer, which the test plays. Byte i of what the peer of socket `id` writes is
 * fake_byte(id, i): nothing is stored, and every byte that the splicer sends is still compared with
 * what the other side's peer wrote at that place.
 *
 * Every call is held to the contract; the test fails at the first breach:
 * - an operation is started on an open, connected socket only; no two pending ones share a token
 * - no descriptor is closed under a pending operation, each is closed once; no socket is parked before
 *   its operations have been submitted
 * - a receive buffer is returned once, and not while a send reads from it
 * - nothing that could block is called, and no call takes bytes beside an operation that does
 * - socket_send() comes before any byte, and is kept for the test to look at
 * - bytes arrive in order, once, and only from the socket's partner; a client that heard from one
 *   backend, or was heard by it, meets no other
 * - FIN is said only when the other side has said it and every byte before it was taken over
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "list.h"
#include "ring.h"

#define FAKE_HANG 1 /* the outcome of a connect that nobody answers */

enum fake_kind {
	FAKE_CONNECT,
	FAKE_RECEIVE,
	FAKE_SEND,
	FAKE_WATCH,
	FAKE_ACCEPT,
	FAKE_POLL_IN,
	FAKE_POLL_OUT,
	FAKE_ROOM, /* a watch for POLLOUT */
	FAKE_KINDS,
};

struct fake_socket {
	int fd; /* the present one; -1 while it is parked */
	int id; /* never changes */
	bool listening;
	unsigned n_arrived;    /* clients that wait to be accepted */
	bool ours;	       /* made by socket_new() */
	int outcome;	       /* of a connect: 0, -errno or FAKE_HANG */
	bool connected;	       /* and so may be received from and sent to */
	bool placed;	       /* in a place of the parking */
	bool closed;	       /* by the splicer … */
	bool reset;	       /* … with RST */
	unsigned n_ops;	       /* pending operations, completions not yet taken included */
	uint64_t last_started; /* the number of its last operation */
	bool busy[FAKE_KINDS];
	int inject[FAKE_KINDS]; /* the next operation of the kind completes with this, if not 0 */
	struct address peer;
	struct address source; /* that it was bound to, and … */
	bool foreign;	       /* … whether as anybody's */

	struct fake_socket *partner; /* whose bytes are sent to this one */

	/* From the peer: */
	uint64_t written, read;
	const uint8_t *first; /* its first bytes, in the place of fake_byte() … */
	size_t n_first;
	size_t swallowed; /* … of which the splicer takes so many for itself */
	bool fin;
	bool dead; /* RST, or TCP gave up … */
	int cause; /* … and why, a positive errno */
	int error; /* the same, until somebody was told */

	/* To the peer: */
	uint64_t accepted, room; /* bytes taken, and how many more can be */
	bool shut;		 /* FIN was said */
	bool nonblocking;
	bool keepalive;
	uint8_t sent[512]; /* by socket_send() */
	size_t n_sent;

	unsigned n_events; /* changes of its state, which a watch tells each */
	unsigned n_rooms;  /* … and of its room, which a watch for that tells as well */

	int verdict; /* what the test was told of it at its end */
};

/* How a cancel of an operation that could complete as well ends. */
enum fake_race {
	FAKE_CANCEL_WINS,
	FAKE_CANCEL_LOSES,
	FAKE_CANCEL_RANDOM,
};

struct fake_kernel {
	struct fake_socket **sockets; /* by id */
	struct fake_socket **by_fd;   /* whose each descriptor is, or was */
	size_t n_sockets, n_open, n_fds;
	size_t n_parked;     /* sockets without a descriptor */
	struct list pending; /* operations, in the order they were started */
	struct list posted;  /* completions nobody took yet */
	size_t n_pending;
	uint64_t n_started, n_submitted; /* operations, ever */
	struct fake_buffer {
		uint8_t *data; /* NULL: not handed out */
		size_t size;
	} * buffers;
	uint32_t n_buffers, n_out; /* may be handed out, are */
	uint32_t n_filled;	   /* belong to completions nobody took yet */

	/* What the test may set. */
	size_t sockets_max; /* past so many descriptors none can be had; socket_new() fails … */
	int new_error;	    /* … with this, -EMFILE at first */
	int park_error;	    /* of parking_enter() */
	int tune_error;	    /* of the next tuning of a socket of ours */
	int client_error;   /* of the next socket_peer(), socket_local() or retune of a client's */
	int bind_error;	    /* of the next socket_bind_source() */
	int send_error;	    /* of the next socket_send() */
	bool roomy;	    /* receive buffers have room behind their bytes, as the kernel's */
	enum fake_race race;
	bool newest_first; /* of the operations that can complete, not the oldest */
	bool chaos;	   /* random order, delays, partial sends and passing errors */
	uint64_t random;
	struct fake_socket *(*client_of)(uint64_t token); /* whose connect it is */
	void (*on_connect)(struct fake_socket *s);	  /* sets the outcome */
};

extern struct fake_kernel fake;

/* A kernel with `n_buffers` receive buffers, in which all goes well and at once. */
void fake_open(uint32_t n_buffers);

/* Nothing must be pending, open or handed out any more. */
void fake_close(void);

uint32_t fake_random(uint32_t below);
bool fake_chance(unsigned percent);
uint8_t fake_byte(int id, uint64_t offset);

/* Descriptors that are open. */
size_t fake_n_fds(void);

/* Any socket there ever was, the splicer's and clients', closed ones too; NULL past the last. */
struct fake_socket *fake_socket_at(size_t i);
struct fake_socket *fake_socket_of(int fd); /* also when it has another descriptor by now */

/* An accepted socket of a client at `peer`. */
struct fake_socket *fake_client(const struct address *peer);

/* A listening socket; `n_arrived` is for the test to raise. */
struct fake_socket *fake_listener(void);

/* What a peer does. On a dead or closed socket nothing happens. */
void fake_write(struct fake_socket *s, uint64_t size);
/* The first that the peer writes is `first`, which must stay; it is written by fake_write(). */
void fake_first(struct fake_socket *s, const void *first, size_t size, size_t swallowed);
void fake_fin(struct fake_socket *s);
void fake_rst(struct fake_socket *s);
void fake_die(struct fake_socket *s, int error);

/* Stops taking bytes after `room` more. */
void fake_set_room(struct fake_socket *s, uint64_t room);

/* The pending operation of this kind, if any. */
bool fake_is_pending(const struct fake_socket *s, enum fake_kind kind);
