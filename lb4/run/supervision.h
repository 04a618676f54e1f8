/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the service manager (systemd) is told: when lb4 is ready, reloads and stops, how it is, and,
 * when its watchdog waits for that, that main, every worker and the checker are alive. Without a
 * service manager all of this does nothing. Main's alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "notify.h"
#include "watchdog.h"

struct daemon;

struct supervision {
	struct notify notify;
	struct watchdog watchdog; /* of d->n_workers workers and the checker, in this order */
	char status[160];	  /* as last told */
	uint64_t status_of;	  /* the last event that it takes into account */
	nsec_t status_at;	  /* when it may be told again */
	nsec_t extend_at;	  /* when to ask for more time to stop */
	bool ready, failed;	  /* told once that the manager was not reached */
};

/* Takes the environment, and takes it away: programs that lb4 starts are not meant by it. */
void supervision_init(struct supervision *s);
void supervision_deinit(struct supervision *s);

void supervision_ready(struct daemon *d);
void supervision_reloading(struct daemon *d);
void supervision_reloaded(struct daemon *d);
void supervision_stopping(struct daemon *d);

/* In every round of the loop, and at the deadline. */
void supervision_run(struct daemon *d);
nsec_t supervision_deadline(const struct daemon *d);
