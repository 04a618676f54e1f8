/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of the prober share: a prober, its mailbox, a ring that the test plays, and a clock. */
#pragma once

#include "fake_probe_ring.h"
#include "prober.h"

#include "test.h"

#define MS   NSEC_PER_MSEC
#define S    NSEC_PER_SEC
#define WALL (1000000 * S) /* what the wall clock is ahead */

/* interval 2s, fast 500ms, timeout 1s, rise 2, fall 3 */
extern const struct check_config check_tcp, check_redis, check_http, check_smtp, check_exec;

struct world {
	struct ring *ring;
	struct mailbox reports;
	struct prober prober;
	nsec_t now;
};

void world_init(struct world *w);

/* Ends all probes; nothing may be left, no report either. */
void world_deinit(struct world *w);

struct check_target target(uint64_t id, uint16_t port, const struct check_config *check);
void set(struct world *w, const struct check_target *targets, size_t n);
void set_one(struct world *w, uint64_t id, uint16_t port, const struct check_config *check);

/* Goes to the next deadline and lets it happen. Returns the time that passed. */
nsec_t pass(struct world *w);

/* Completes the nth operation: with a result, with bytes received, with a text received. */
void complete(struct world *w, size_t nth, int result);
void complete_bytes(struct world *w, size_t nth, int result, const void *bytes);
void receive(struct world *w, size_t nth, const char *text);

/* Of the only probe under way: launches it and lets its connect have `result`; sends it all. */
void connect_next(struct world *w, int result);
void send_all(struct world *w);

/* The next report, all of which must be of the fields given; `error` NULL: ok. */
void expect_report(struct world *w, uint64_t id, enum verdict_state verdict, const char *error);
void expect_no_report(struct world *w);
