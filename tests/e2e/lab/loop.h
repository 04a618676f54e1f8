/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A level-triggered epoll loop with alarms. A callback may close and free its own watch or alarm,
 * never another's watch: one batch holds at most one event of each descriptor, so that nothing in
 * the batch points at what is gone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "heap.h"

struct watch {
	int fd;
	uint32_t events; /* what epoll was last told */
	void (*on_event)(struct watch *w, uint32_t events);
};

struct alarm {
	struct timer timer;
	void (*on_alarm)(struct alarm *a);
};

struct loop {
	int epoll;
	struct heap alarms;
	nsec_t now; /* read once a round */
	bool stop;  /* set by SIGINT and SIGTERM, or by the command */
};

extern struct loop loop;

/* Programs die with a message when the loop cannot be made or grown. */
void loop_init(void);

/* The descriptor is non-blocking. */
void loop_watch(struct watch *w, int fd, uint32_t events,
		void (*on_event)(struct watch *w, uint32_t events));
void loop_change(struct watch *w, uint32_t events);

/* Forgets the watch and closes its descriptor; harmless twice. */
void loop_close(struct watch *w);

/* Closes with RST instead. */
void loop_reset(struct watch *w);

void loop_arm(struct alarm *a, nsec_t deadline, void (*on_alarm)(struct alarm *a));
void loop_disarm(struct alarm *a);

/* Until `stop`. */
void loop_run(void);
