/* SPDX-License-Identifier: BSD-2-Clause */
/* What worker.c (the loop), worker_messages.c and worker_accept.c share. */
#pragma once

#include <pthread.h>

#include "line_box.h"
#include "slots.h"
#include "splicer.h"
#include "worker.h"

struct listener {
	struct slot slot; /* first: listeners live in slots */
	uint64_t id;
	int fd;
	bool accepting, multishot; /* the accept under way */
	bool cancelled;
	bool closing;
	bool wildcard; /* each connection is asked where it was accepted */
	struct address address;
	struct service *service;	     /* referenced */
	const struct snapshot_service *view; /* of the worker's snapshot; NULL: not in it */
};

struct worker {
	struct worker_setup setup;
	struct worker_counters counters;
	pthread_t thread;
	struct mailbox mailbox;
	_Atomic uint64_t answer; /* worker_answer() */
	_Atomic bool trouble;	 /* was reported, and main has not looked yet */

	/* Touched by the thread alone. */
	struct ring *ring;
	struct parking *parking; /* NULL: no connection is parked */
	struct pipes *pipes;
	struct splicer splicer;
	struct snapshot *snapshot;
	struct slots listeners;
	struct line_box lines;
	bool paused;	  /* accepting is */
	bool shortage;	  /* … for want of descriptors, until resume_at */
	nsec_t resume_at; /* when a paused worker looks again */
	nsec_t trim_at;	  /* when the ring may give memory back */
	int ring_fault;	  /* of the last wait; 0: none */
	bool stopping;
	struct report *last_report;

	/* The start's outcome, told to the starter. */
	pthread_mutex_t started_lock;
	pthread_cond_t started_cond;
	bool started;
	int start_result;
};

/* worker_accept.c: accepting, its limit and its pauses. */
void worker_accept_arm(struct worker *w, struct listener *l);
void worker_accepted(struct worker *w, const struct ring_completion *completion);
void worker_accept_resume(struct worker *w);
void worker_listener_close(struct worker *w, struct listener *l);

/* worker_messages.c: carrying out what main said. */
void worker_take_messages(struct worker *w);

/* worker.c: what a connection counts for in max_memory. */
#define CONNECTION_MEMORY (sizeof(struct connection) + sizeof(struct timer *))

/* worker_lines.c: what is written of connections that have ended, and of refused ones. */
void worker_line_end(struct worker *w, const struct connection *c);
void worker_line_refused(struct worker *w, const struct service *service, int fd,
			 const struct address *client, const struct address *local,
			 enum end_reason reason);
void worker_lines_dropped(struct line_box *b, size_t n);

/* worker_trouble.c: a counter of what should not happen has gone up. */
void worker_report_trouble(struct worker *w);
