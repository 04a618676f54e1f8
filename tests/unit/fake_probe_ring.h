/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring and sockets without a kernel, for tests of the prober: operations lie here until the test
 * completes them, in whatever order and with whatever result. It insists on the contract: memory
 * lives until the completion, no descriptor is closed under an operation or twice.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "ring.h"

enum fake_kind {
	FAKE_CONNECT,
	FAKE_SEND,
	FAKE_RECEIVE,
	FAKE_POLL,
};

struct fake_operation {
	enum fake_kind kind;
	int fd;
	uint64_t token;
	bool cancelled;
	const void *data; /* what the caller must keep: address or bytes */
	void *copy;	  /* of it, as it was when submitted */
	size_t size;
};

struct ring *fake_ring_new(void);

/* Everything was completed, closed and returned. */
void fake_ring_free(struct ring *r);

size_t fake_n_operations(const struct ring *r);

/* The `nth` in order of submission. */
const struct fake_operation *fake_operation(const struct ring *r, size_t nth);

/* The only one there is, which must be of `kind`. */
const struct fake_operation *fake_only(const struct ring *r, enum fake_kind kind);

/* Takes the nth out of the ring. With bytes, when it is a receive and `result` > 0. */
struct ring_completion fake_complete(struct ring *r, size_t nth, int result, const void *bytes);

/* The port that the nth, a connect, goes to. */
uint16_t fake_port(const struct ring *r, size_t nth);

unsigned fake_n_open(void);

/* A program as the test has it behave. */
struct fake_child {
	pid_t pid;
	bool ended, killed;
	struct child_end end;
	const char *says; /* what is there to be read, or NULL */
	bool says_for_ever;
};

/* The child that the nth operation, a poll, is about. */
struct fake_child *fake_child(const struct ring *r, size_t nth);

/* What child_start() fails with; 0: it does not. */
extern int fake_child_error;

/* What socket_send() was given last, and what it fails with; 0: it does not. */
extern char fake_sent[64];
extern size_t fake_n_sent;
extern int fake_send_error;

/* Ports that somebody else has, for socket_new_marked(). */
#define FAKE_PORTS_TAKEN_MAX 4
extern uint16_t fake_ports_taken[FAKE_PORTS_TAKEN_MAX];

/* What socket_new() fails with; 0: it does not. */
extern int fake_socket_error;
