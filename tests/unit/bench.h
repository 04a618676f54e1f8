/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A splicer on the fake kernel, with one service, and a test in the place of its worker. Whatever
 * ends is checked at once: that the reason fits what the peers did, and every counter.
 */
#pragma once

#include "connection.h"
#include "fake_kernel.h"
#include "splicer.h"

#define BENCH_BACKENDS 4u
#define BENCH_SLOTS    64u
#define BENCH_PIPES    3u

struct bench {
	struct splicer splicer;	 /* first: found from it */
	struct parking *parking; /* NULL until bench_park() */
	struct pipes *pipes;	 /* BENCH_PIPES, unless a test takes some */
	struct service *service;
	struct service_settings settings; /* of the next bench_publish() */
	/* A second service, with its own table of the same backends; routes of the first lead to it
	 * as to index 1. Of the next bench_publish(), where there are routes. */
	struct service *target;
	struct service_settings target_settings;
	struct tls_routes *routes; /* owned */
	bool without_backends;	   /* has the first service none of its own */
	bool target_eligible[BENCH_BACKENDS];
	struct backend *backends[BENCH_BACKENDS];
	bool eligible[BENCH_BACKENDS];	      /* of the next bench_publish() */
	uint32_t backend_max[BENCH_BACKENDS]; /* of the next bench_publish() */
	int outcome[BENCH_BACKENDS];	      /* of connects from now on */
	uint16_t next_port;		      /* of a client */
	unsigned n_accepted, n_ended, n_refused, n_starved;
	unsigned n_rung; /* for other workers, whose connections wait for a backend */

	/* The last evidence against a backend. */
	unsigned n_evidence;
	const struct backend *evidence_against;
	uint64_t evidence_consecutive;
	int evidence_error;
};

/* Backends 0 .. `n_backends` − 1 are eligible and answer. cmocka's setup and teardown. */
struct bench *bench_new(unsigned n_backends, uint32_t n_connections, uint32_t n_buffers);
void bench_free(struct bench *b);

/* Parks connections past `awake_max` of them. */
void bench_park(struct bench *b, uint32_t awake_max);

/* Publishes settings and eligible backends; without `with_service` a snapshot that lacks it. */
void bench_publish(struct bench *b, bool with_service);

/* A client whose first candidate is backend `first`; bench_accept() accepts and settles. */
struct fake_socket *bench_client(struct bench *b, unsigned first);
bool bench_serve(struct bench *b, struct fake_socket *client);
struct fake_socket *bench_accept(struct bench *b, unsigned first);

/* Lets happen what happens without more time passing; false: nothing did. */
bool bench_step(struct bench *b);
void bench_settle(struct bench *b);

/* Lets time pass, timer by timer. */
void bench_pass(struct bench *b, nsec_t delay);

/* Which backend a socket of ours is connected to. */
unsigned bench_backend(const struct fake_socket *s);

/* The connection of a client that has not ended. */
struct connection *bench_connection(struct bench *b, const struct fake_socket *client);

/* The connection has ended so, and both sides were told as the reason asks for. */
void bench_expect_end(struct bench *b, const struct fake_socket *client, enum end_reason reason);

/* Of the second service. */
uint64_t bench_target_ended(const struct bench *b, enum end_reason reason);

uint64_t bench_ended(const struct bench *b, enum end_reason reason);
