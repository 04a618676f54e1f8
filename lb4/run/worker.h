/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: one thread, one ring, its own listening sockets and connections. Main talks to it by
 * messages only; passing a pointer passes its ownership or reference. Messages are carried out in
 * order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "daemon.h"
#include "end_reason.h"
#include "mailbox.h"
#include "snapshot.h"

struct line_writer;
struct worker;

struct worker_counters {
	_Atomic uint64_t accept_pauses;
	_Atomic uint64_t accept_shortages; /* those for want of descriptors */
	_Atomic uint64_t memory_pauses;	   /* those of them for max_memory */
	_Atomic uint64_t starved;	   /* receives that found no buffer, and waited for one */
	_Atomic uint64_t lines_dropped;
	_Atomic uint64_t reports_dropped;
	_Atomic uint64_t parking_failures; /* connections that were not, for want of memory */
	_Atomic uint64_t parked;	   /* connections that are */
	_Atomic uint64_t pipes;		   /* taken now */
	_Atomic uint64_t pipe_shortages;   /* bulk turns that found none, and copied */
} __attribute__((aligned(64)));

struct worker_setup {
	unsigned index;
	struct mailbox *reports; /* main's */
	struct line_writer *lines;
	struct line_policy *line_policy;
	struct connection_limit *limit;
	struct budget *memory;
	uint32_t n_pipes;	   /* at most, of this worker */
	struct worker_bell *bells; /* of all workers */
};

/*
 * Starts the thread and waits until its ring is open. -errno; -ENOSYS or -EPERM when the kernel
 * refuses io_uring.
 */
int worker_start(const struct worker_setup *setup, struct worker **ret);

/* Joins a thread that was told to stop, and frees. NULL is ignored. */
struct worker *worker_join(struct worker *w);

const struct worker_counters *worker_counters(const struct worker *w);

/*
 * When one of its counters of trouble goes up it reports REPORT_TROUBLE, and then not again before
 * it was told that main looks at them now.
 */
void worker_trouble_seen(struct worker *w);

/* The last question of worker_ask() that it has answered; one that has ended answers all. */
uint64_t worker_answer(const struct worker *w);

/* The messages. Each is -ENOMEM or 0; on failure what was passed stays the caller's. */

/* Obey this snapshot from now on (the reference passes). */
int worker_publish(struct worker *w, struct snapshot *snapshot);

/* Serve connections accepted at `fd` (which passes) for `service`, until worker_unlisten(`id`),
 * which serves those already waiting, then closes. */
int worker_listen(struct worker *w, uint64_t id, struct service *service,
		  const struct address *address, int fd);
int worker_unlisten(struct worker *w, uint64_t id);

/* What listener `id` accepts is for `service` from now on, or from the snapshot on that has it. */
int worker_move_listener(struct worker *w, uint64_t id, struct service *service);

/* splicer_leave_backend(). */
int worker_leave_backend(struct worker *w, struct backend *backend, enum end_reason reason);

/* Close the listeners; stop once the last connection has ended, and report REPORT_WORKER then. */
int worker_stop(struct worker *w);

/* Are you alive? Then worker_answer() becomes `question`. */
int worker_ask(struct worker *w, uint64_t question);

/* Reset every connection. */
int worker_end_all(struct worker *w, enum end_reason reason);

/*
 * Lists the connections of all `n_workers` workers; see daemon_connections(), whose second half
 * this is.
 */
int workers_list(struct worker *const *workers, unsigned n_workers, struct service *service,
		 size_t n_max, struct connection_info **ret, size_t *ret_n);
