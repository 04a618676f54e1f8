/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon before workers, a checker and sockets that only remember what they were told; its
 * configuration "file" is the text that its path is.
 */
#pragma once

#include <stdint.h>

#include "daemon_private.h"
#include "worker.h"

#define N_WORKERS 2
#define LEFT_MAX  512

/* All of it is forgotten by begin(). */
extern struct daemon_world {
	struct snapshot *obeyed[N_WORKERS];
	int listening;	   /* sockets given and not taken back, of all workers */
	int sockets;	   /* opened and neither given nor closed */
	int listened;	   /* ever opened */
	int claim_result;  /* of socket_claim() */
	int listen_result; /* of socket_listen() */
	int moved;	   /* listeners to another service, all workers told */
	char moved_to[NAME_LENGTH_MAX + 1];
	size_t n_targets;
	size_t n_given_up, n_given_down; /* of them, those that begin with a verdict */
	struct left {
		char name[NAME_LENGTH_MAX + 1];
		uint16_t port;
		enum end_reason reason;
	} left[LEFT_MAX]; /* what the first worker was told */
	size_t n_left;
	uint64_t reset; /* connections that the first worker was told to reset */
	struct worker_counters counters[N_WORKERS];
	unsigned n_seen; /* times that they were looked at */
	uint64_t asked[N_WORKERS];
	bool stuck[N_WORKERS]; /* does not answer */
	int replace_result;    /* of config_file_replace() */
	char written[4096];    /* what it was given */
} heard;

/* How many more allocations are granted; of all, where the linker wraps them. */
extern size_t allocations_left;
bool memory_granted(void);

/* What is no configuration fails the test. */
struct config *parse(const char *text);

void begin(struct daemon *d, const char *text);

/* The same as daemon_run() would, with real clocks and the state file that the text names. */
void begin_with_state(struct daemon *d, const char *text);
void end(struct daemon *d);
