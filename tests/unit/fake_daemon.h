/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon without workers or checker, for tests of the control API and of lbctl: the functions of
 * daemon.h over structs filled by hand. It does what it is asked in the simplest way and remembers
 * it.
 *
 * Its services: "web" (by connection, two listen addresses; web1 up, web2 down and its slots moved,
 * web3 disabled) and "cache" (by source, a wildcard; redis1, braked).
 */
#pragma once

#include "capture.h"
#include "daemon.h"
#include "forwarding.h"

/* How long ago everything began, 3h12m; half a minute more, so that tests have time. */
#define FAKE_AGE ((192 * 60 + 30) * NSEC_PER_SEC)

struct fake_daemon {
	struct daemon daemon; /* first: the functions are given this */
	char asked[256];      /* the last change asked for, as text */
	int reload_result;    /* what daemon_reload() returns */
	size_t n_faults;      /* and how many faults it finds with -EINVAL */
	bool nothing_changes; /* by daemon_plan(), in daemon_save() */
	bool file_differs;    /* from the one that was loaded */
	size_t n_connections; /* there are */
	int connections_result;
	uint64_t flow_lines_dropped;
	struct forwarding_explanation path;    /* as forwarding_explain() tells */
	struct forwarding_status *fastpath;    /* NULL: the file names no interfaces */
	uint64_t capture;		       /* the id of the one there is; 0: none */
	nsec_t capture_patience;	       /* as last asked for */
	const struct captured_packet *packets; /* that have come, and were not shown yet */
	size_t n_packets;
	uint64_t packets_lost;
	const struct way *way; /* to every backend */
	bool disk_is_slow;     /* what is given to be kept is not written yet */
};

void fake_daemon_init(struct fake_daemon *f);
void fake_daemon_deinit(struct fake_daemon *f);

/* "web", "web1" → the backend; NULL when there is none. */
struct live_backend *fake_backend(struct fake_daemon *f, const char *service, const char *name);
struct pool_member *fake_member(struct fake_daemon *f, const char *service, const char *name);

/* Replaces the live table of a service by one of `size` slots, owned in turn. */
void fake_table(struct fake_daemon *f, const char *service, uint32_t size);
