/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a watchdog may be told that all is well: not while time passes, but when every part (a
 * thread) has answered what it was asked in the round before. Main asks and ticks; a part that is
 * stuck never answers, so its round never ends and the watchdog hears nothing more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "config.h"

#define WATCHDOG_PARTS_MAX (WORKERS_MAX + 1) /* the workers and the checker */

struct watchdog_part {
	uint64_t asked, answered; /* rounds */
	bool stuck;		  /* and that was told */
};

struct watchdog {
	nsec_t period;	/* of rounds: 4 in the time the watchdog waits; 0: there is none */
	nsec_t due;	/* the next tick */
	nsec_t begun;	/* the round */
	uint64_t round; /* under way; 0: none yet */
	unsigned n_parts;
	struct watchdog_part parts[WATCHDOG_PARTS_MAX];
};

/* `timeout` is how long the watchdog waits before it acts; 0: there is none. */
void watchdog_init(struct watchdog *w, nsec_t timeout, unsigned n_parts, nsec_t now);

/* When to tick; NSEC_NEVER without a watchdog. */
nsec_t watchdog_next(const struct watchdog *w);

/* The part has answered this round's question, or one before. */
void watchdog_answered(struct watchdog *w, unsigned part, uint64_t round);

/*
 * At the time of watchdog_next(), after the answers: whether all have answered, so that the
 * watchdog is to be told. Then the next round begins; else this one goes on. After that the parts
 * of watchdog_unasked() are to be asked for w->round.
 */
bool watchdog_tick(struct watchdog *w, nsec_t now);

/* Not asked in this round yet: it is new, or asking failed. */
bool watchdog_unasked(const struct watchdog *w, unsigned part);
void watchdog_asked(struct watchdog *w, unsigned part);

enum watchdog_news {
	WATCHDOG_NOTHING,
	WATCHDOG_STUCK, /* no answer for half of the watchdog's time: told once */
	WATCHDOG_BACK,	/* it answers again */
};

/* What is new about a part, after a tick. */
enum watchdog_news watchdog_news(struct watchdog *w, unsigned part, nsec_t now);
