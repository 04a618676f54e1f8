/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happened, and when: the last EVENTS_KEPT events, for operators who come later. Recording one
 * also writes its line to the log, so that the two tell the same. Main's alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "log.h"

#define EVENTS_KEPT	 4096
#define EVENT_VALUES_MAX 6
#define EVENT_TEXT_MAX	 1024 /* bytes of a sentence, its NUL included; the rest is cut off */

/* Names, levels and meanings stand in event_kinds[]; docs/API.md and lbctl(8) list them. */
enum event_kind {
	EVENT_START,
	EVENT_STOPPING,
	EVENT_STOP_TIMEOUT,
	EVENT_STOPPED,
	EVENT_RELOAD,
	EVENT_RELOAD_REFUSED,
	EVENT_RESTART_NEEDED,
	EVENT_SAVE,
	EVENT_SERVICE_ADDED,
	EVENT_SERVICE_REMOVED,
	EVENT_SERVICE_DESERTED,
	EVENT_SERVICE_SERVES,
	EVENT_BRAKE_ON,
	EVENT_BRAKE_OFF,
	EVENT_BACKUPS_ON,
	EVENT_BACKUPS_OFF,
	EVENT_BACKEND_ADDED,
	EVENT_BACKEND_REMOVED,
	EVENT_BACKEND_ADDRESS,
	EVENT_BACKEND_WEIGHT,
	EVENT_BACKEND_ENABLED,
	EVENT_BACKEND_DISABLED,
	EVENT_DRAIN_BEGUN,
	EVENT_DRAIN_FINISHED,
	EVENT_DRAIN_TIMEOUT,
	EVENT_BACKEND_EJECTED,
	EVENT_BACKEND_BRAKED,
	EVENT_BACKEND_BACK,
	EVENT_SLOTS_MOVED,
	EVENT_TABLE_REBUILT,
	EVENT_ACCEPT_PAUSED,
	EVENT_LINES_DROPPED,
	EVENT_FASTPATH_ON,
	EVENT_FASTPATH_OFF,
	EVENT_WAY_LOST,
	EVENT_WAY_FOUND,
	EVENT_THREAD_STUCK,
	EVENT_THREAD_BACK,
	EVENT_STATE_RESTORED,
	EVENT_STATE_IGNORED,
	EVENT_STATE_UNWRITTEN,
	EVENT_STATE_WRITTEN,
	N_EVENT_KINDS,
};

struct event_kind_info {
	const char *name;
	enum log_level level; /* of the line in the log */
	const char *what;     /* for people */
};

extern const struct event_kind_info event_kinds[N_EVENT_KINDS];

/* A number, or a text when there is one. The name is static. */
struct event_value {
	const char *name;
	uint64_t number;
	const char *text;
};

struct event {
	uint64_t id;
	nsec_t wall;
	enum event_kind kind;
	const char *service, *backend; /* NULL: it concerns none */
	const char *text;	       /* as in the log */
	struct event_value values[EVENT_VALUES_MAX];
	size_t n_values;
	char texts[];
};

/* All zero is good to begin with, and numbers events from 1. */
struct events {
	struct event *kept[EVENTS_KEPT]; /* by id; NULL: none yet, or memory was short */
	uint64_t before;		 /* the id before the first */
	uint64_t last;			 /* given; `before`: none was */
};

/*
 * Ids go up by one, and over restarts too: the first of a process comes from its wall clock, in
 * milliseconds, which is ahead of what the process before gave.
 */
void events_init(struct events *e, nsec_t wall);
void events_deinit(struct events *e);

/*
 * `service` and `backend` may be NULL; what is said of them begins with their names. `values` ends
 * with one without a name, or is NULL. All texts are copied.
 */
void events_record(struct events *e, enum event_kind kind, const char *service, const char *backend,
		   const struct event_value *values, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* The arguments `values` of events_record(). */
#define EVENT_NUMBER(value_name, value)                                                            \
	{                                                                                          \
		.name = (value_name), .number = (value)                                            \
	}
#define EVENT_TEXT(value_name, value)                                                              \
	{                                                                                          \
		.name = (value_name), .text = (value)                                              \
	}
#define EVENT_VALUES(...) ((const struct event_value[EVENT_VALUES_MAX + 1]){__VA_ARGS__})

/*
 * An id that was never given here is one of a process before: then all that is kept comes after it.
 * This makes it 0 and leaves others alone.
 */
uint64_t events_known(const struct events *e, uint64_t after);

/* The oldest that is kept of those after `after`, or NULL. */
const struct event *events_next(const struct events *e, uint64_t after);

/* How many after `after` are no longer kept. */
uint64_t events_dropped(const struct events *e, uint64_t after);
