/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checker does, without its thread: launches the probes of a set of watches when they are
 * due, keeps verdicts, posts results. The caller runs the loop and reads the clocks.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "check_ports.h"
#include "clock.h"
#include "list.h"
#include "mailbox.h"
#include "ring.h"
#include "slots.h"
#include "watch.h"

/* Further probes wait in line: descriptors in use have a limit, and programs run at a time. */
#define FLIGHTS_MAX  256
#define CHILDREN_MAX 32

/* Tokens with this in the highest byte are the caller's. */
#define PROBER_FOREIGN_TOKEN ((uint64_t)0xff << 56)

struct prober {
	struct ring *ring;
	struct mailbox *reports;
	struct watch_set set;
	struct slots flights;
	struct check_ports ports;
	unsigned n_children;	      /* of the flights */
	struct list waiting;	      /* watches that are due and found all flights taken */
	struct list waiting_children; /* those with a program that found too many at work */
	uint64_t random;
	nsec_t complain_at; /* the earliest time of the next log line */
	_Atomic uint64_t n_results, n_dropped, n_postponed, n_late; /* anyone reads */
};

/* `seed` makes the jitter differ from one lb4 to the next. -ENOMEM. */
int prober_init(struct prober *p, struct ring *ring, struct mailbox *reports, uint64_t seed);

/* Nothing is under way any more. */
void prober_deinit(struct prober *p);

/* Replaces what is watched; `set_take` is left empty. */
void prober_set(struct prober *p, struct watch_set *set_take, nsec_t now);

/* Passive evidence against the target `id`. */
void prober_suspect(struct prober *p, uint64_t id, nsec_t now);

void prober_on_completion(struct prober *p, const struct ring_completion *completion, nsec_t now,
			  nsec_t wall);

/* To be called at prober_next(), and harmless at any other time. */
void prober_on_time(struct prober *p, nsec_t now, nsec_t wall);
nsec_t prober_next(const struct prober *p);

/* Nothing is under way. */
bool prober_idle(const struct prober *p);
