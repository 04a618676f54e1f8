/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What data paths obey. Main builds a snapshot and publishes it to every worker; it never changes
 * afterwards and the last to let go frees it. `struct service` and `struct backend` are the
 * identities behind the names: they carry the counters, outlive snapshots and reloads, and are held
 * by connections, so that a removed backend lives until its last connection ends.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "config.h"
#include "end_reason.h"
#include "lb4_hash.h"
#include "list.h"
#include "pool.h"
#include "tls_routes.h"

struct access;
struct source_table;

/*
 * Counters of one worker; it alone writes them (relaxed), anyone reads. Behind those of the workers are
 * main's, of the flows of nat.
 */
struct backend_counters {
	_Atomic uint64_t connections;	   /* connects begun */
	_Atomic uint64_t active;	   /* established now */
	_Atomic uint64_t connect_failures; /* refused, unreachable, timed out */
	_Atomic uint64_t instant_resets;   /* reset before a byte was exchanged */
	_Atomic uint64_t bytes_in;	   /* client → backend */
	_Atomic uint64_t bytes_out;	   /* backend → client */
	_Atomic uint64_t connect_nsec;	   /* sum over finished connects */
	_Atomic uint64_t connects;	   /* finished connects */
	/* Connects failed or reset at once since the last byte from the backend: a level. */
	_Atomic uint64_t consecutive_failures;
} __attribute__((aligned(64)));

struct service_counters {
	_Atomic uint64_t accepted; /* at its listen addresses, or from a service that routes here */
	_Atomic uint64_t active;   /* accepted, not ended and not routed away */
	_Atomic uint64_t routed;   /* of those accepted, handed to another service by a route */
	_Atomic uint64_t retries;  /* candidates tried after the first */
	_Atomic uint64_t spilled;  /* candidates passed over because they were full */
	_Atomic uint64_t queued;   /* connections that had to wait for a full backend */
	_Atomic uint64_t turns;	   /* of round robin, taken by this worker */
	_Atomic uint64_t bytes_in;
	_Atomic uint64_t bytes_out;
	_Atomic uint64_t bytes_spliced; /* of these, both ways: not copied */
	_Atomic uint64_t relay_changes; /* from copying to splicing, and back */
	_Atomic uint64_t ended[END_REASONS];
} __attribute__((aligned(64)));

#define counter_add(counter, n)                                                                    \
	atomic_store_explicit(&(counter),                                                          \
			      atomic_load_explicit(&(counter), memory_order_relaxed) +             \
				      (uint64_t)(n),                                               \
			      memory_order_relaxed)
#define counter_read(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* The connections of one worker that wait for a backend of the service. */
struct service_queue {
	_Atomic nsec_t since; /* when the first of them began to; NSEC_NEVER: nobody waits */
	/* The worker's own: */
	struct service *service;
	struct list waiting; /* connections */
	struct list node;    /* in the worker's list of queues, while somebody waits */
} __attribute__((aligned(64)));

struct service {
	_Atomic uint32_t refs;
	unsigned n_workers;
	char name[NAME_LENGTH_MAX + 1];
	/* Made by main before the first snapshot that limits sources, and then there for good. */
	struct source_table *sources;
	/* Of all workers together, for limits: */
	_Atomic uint32_t in_use __attribute__((aligned(64))); /* connections admitted */
	_Atomic nsec_t rate_due;			      /* of rate.h */
	_Atomic uint32_t n_queued;	    /* connections that wait for a full backend */
	struct service_queue *queues;	    /* one a worker */
	struct service_counters counters[]; /* one a worker, and one for nat */
};

struct backend {
	_Atomic uint32_t refs;
	/* Connections of all workers, those being made included. In the line of `refs`, which every
	 * connection writes to anyway. */
	_Atomic uint32_t in_use;
	unsigned n_workers;
	char name[NAME_LENGTH_MAX + 1];
	char service_name[NAME_LENGTH_MAX + 1];
	struct address address;
	struct sockaddr_storage sockaddr; /* the same, as connect(2) wants it */
	socklen_t sockaddr_length;
	struct backend_counters counters[]; /* one a worker, and one for nat */
};

/* With counters for so many workers; NULL when memory is short. */
struct service *service_new(const char *name, unsigned n_workers);
struct service *service_ref(struct service *s);
struct service *service_unref(struct service *s);

/* Sees to it that sources can be told apart, at least `n_entries` of them. -ENOMEM. */
int service_track_sources(struct service *s, uint32_t n_entries, uint64_t secret);
struct backend *backend_new(const char *service_name, const char *name,
			    const struct address *address, unsigned n_workers);
struct backend *backend_ref(struct backend *b);
struct backend *backend_unref(struct backend *b);

/* A connection is about to be made; with `most` (0: any number) only when fewer are there. */
bool backend_acquire_within(struct backend *b, uint32_t most);
void backend_release(struct backend *b);
static inline uint32_t backend_in_use(const struct backend *b)
{
	return atomic_load_explicit(&b->in_use, memory_order_relaxed);
}

/* The sums over all workers, and nat. `ret` need not be aligned to a line. */
void service_sum(const struct service *s, struct service_counters *ret);

/* Of the connections accepted, those that the fast path took. */
uint64_t service_forwarded(const struct service *s);
void backend_sum(const struct backend *b, struct backend_counters *ret);

struct snapshot_service {
	struct service *service;
	struct service_settings settings;
	struct lb4_hash_key key;
	struct pool_table *table;
	struct access *access;	   /* who may connect; NULL: everybody */
	struct backend **backends; /* table entries are indices into this */
	uint32_t *backend_max;	   /* of each, connections at a time, 0: any; NULL: none has one */
	size_t n_backends;
	struct tls_routes *tls_routes; /* to indices of the snapshot's services; NULL: none */
};

struct snapshot {
	_Atomic uint32_t refs;
	uint64_t generation;
	struct snapshot_service *services;
	size_t n_services;
};

/* Room for `n_services` empty ones; the builder fills them with references. */
struct snapshot *snapshot_new(size_t n_services);
struct snapshot *snapshot_ref(struct snapshot *s);
struct snapshot *snapshot_unref(struct snapshot *s);
const struct snapshot_service *snapshot_find(const struct snapshot *s,
					     const struct service *service);

/*
 * The choice itself, the same for worker and `lbctl explain`: the hash and the slot of a connection
 * from `client` to `local` under the service's hash kind and key.
 */
uint64_t snapshot_service_hash(const struct snapshot_service *s, const struct address *client,
			       const struct address *local);
uint32_t snapshot_service_slot(const struct snapshot_service *s, const struct address *client,
			       const struct address *local);

/* What a worker brings to its choices; its turns are counted in the service. */
struct chooser {
	unsigned worker;
	uint64_t random; /* differs between workers, so that they do not go the same way together */
};

/*
 * Whom a connection of that slot (any, where the table has none) tries next: a member of the table that is none of the `n_tried` in `tried`;
 * MAGLEV_NONE when nobody is left. Where the table hashes, any chooser gets the same answer.
 */
uint16_t snapshot_service_choose(const struct snapshot_service *s, uint32_t slot,
				 const uint16_t *tried, size_t n_tried, struct chooser *chooser);

/* Which place of round robin's cycle `worker` is at. Workers begin at different ones. */
uint64_t snapshot_service_turn(const struct snapshot_service *s, unsigned worker);

/* Connections on a member; `service` is a struct snapshot_service, as balance_question has it. */
uint32_t snapshot_service_load(const void *service, uint16_t member);
