// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"

const struct event_kind_info event_kinds[N_EVENT_KINDS] = {
	[EVENT_START] = {"start", LOG_INFO, "lb4 is ready"},
	[EVENT_STOPPING] = {"stopping", LOG_INFO, "lb4 takes no new connections any more"},
	[EVENT_STOP_TIMEOUT] = {"stop-timeout", LOG_INFO,
				"the stop timeout is over, what is left is reset"},
	[EVENT_STOPPED] = {"stopped", LOG_INFO, "lb4 ends"},
	[EVENT_RELOAD] = {"reload", LOG_INFO, "the configuration file was read and holds"},
	[EVENT_RELOAD_REFUSED] = {"reload-refused", LOG_WARNING,
				  "a reload was refused, nothing has changed"},
	[EVENT_RESTART_NEEDED] = {"restart-needed", LOG_WARNING,
				  "a setting that changed takes effect at the next start"},
	[EVENT_SAVE] = {"save", LOG_INFO, "the configuration file was made to say what runs"},
	[EVENT_SERVICE_ADDED] = {"service-added", LOG_INFO, "a reload has brought it"},
	[EVENT_SERVICE_REMOVED] = {"service-removed", LOG_INFO, "a reload has taken it away"},
	[EVENT_SERVICE_DESERTED] = {"service-deserted", LOG_ERROR,
				    "no backend is eligible, new clients are reset"},
	[EVENT_SERVICE_SERVES] = {"service-serves", LOG_INFO, "a backend is eligible again"},
	[EVENT_BRAKE_ON] = {"brake-on", LOG_WARNING, "more have failed than max_eject allows"},
	[EVENT_BRAKE_OFF] = {"brake-off", LOG_INFO, "no more have failed than max_eject allows"},
	[EVENT_BACKUPS_ON] = {"backups-on", LOG_WARNING, "no backend but backups is eligible"},
	[EVENT_BACKUPS_OFF] = {"backups-off", LOG_INFO, "another backend is eligible again"},
	[EVENT_BACKEND_ADDED] = {"backend-added", LOG_INFO, "a backend has come"},
	[EVENT_BACKEND_REMOVED] = {"backend-removed", LOG_INFO,
				   "it has gone, its connections may finish"},
	[EVENT_BACKEND_ADDRESS] = {"backend-address", LOG_INFO, "it has another address"},
	[EVENT_BACKEND_WEIGHT] = {"backend-weight", LOG_INFO, "it has another weight"},
	[EVENT_BACKEND_ENABLED] = {"backend-enabled", LOG_INFO,
				   "an operator takes it into service"},
	[EVENT_BACKEND_DISABLED] = {"backend-disabled", LOG_INFO,
				    "an operator takes it out: no new connections, no checks"},
	[EVENT_DRAIN_BEGUN] = {"drain-begun", LOG_INFO,
			       "an operator drains it: no new connections"},
	[EVENT_DRAIN_FINISHED] = {"drain-finished", LOG_INFO,
				  "the last connection of a draining backend has ended"},
	[EVENT_DRAIN_TIMEOUT] = {"drain-timeout", LOG_INFO,
				 "a drain has taken too long, what is left is reset"},
	[EVENT_BACKEND_EJECTED] = {"backend-ejected", LOG_WARNING,
				   "it is down and gets no new connections"},
	[EVENT_BACKEND_BRAKED] = {"backend-braked", LOG_WARNING,
				  "it is down, and max_eject keeps it in use"},
	[EVENT_BACKEND_BACK] = {"backend-back", LOG_INFO, "it is up again"},
	[EVENT_SLOTS_MOVED] = {"slots-moved", LOG_INFO, "slots have another owner"},
	[EVENT_TABLE_REBUILT] = {"table-rebuilt", LOG_INFO,
				 "slots have another owner, for balance"},
	[EVENT_ACCEPT_PAUSED] = {"accept-paused", LOG_WARNING,
				 "connections or descriptors ran out, clients wait"},
	[EVENT_LINES_DROPPED] = {"lines-dropped", LOG_WARNING,
				 "whoever reads standard output is too slow"},
	[EVENT_FASTPATH_ON] = {"fastpath-on", LOG_INFO,
			       "an operator lets the fast path take new connections"},
	[EVENT_FASTPATH_OFF] = {"fastpath-off", LOG_INFO,
				"an operator has new connections spliced"},
	[EVENT_WAY_LOST] = {"way-lost", LOG_WARNING,
			    "the fast path does not lead to it: new connections are spliced"},
	[EVENT_WAY_FOUND] = {"way-found", LOG_INFO, "the fast path leads to it again"},
	[EVENT_THREAD_STUCK] = {"thread-stuck", LOG_ERROR,
				"a thread does not answer, which a watchdog will end"},
	[EVENT_THREAD_BACK] = {"thread-back", LOG_INFO, "a thread answers again"},
	[EVENT_STATE_RESTORED] = {"state-restored", LOG_INFO,
				  "lb4 goes on with the state that was kept"},
	[EVENT_STATE_IGNORED] = {"state-ignored", LOG_WARNING,
				 "the state file cannot be used, lb4 starts without it"},
	[EVENT_STATE_UNWRITTEN] = {"state-unwritten", LOG_WARNING,
				   "the state file cannot be written"},
	[EVENT_STATE_WRITTEN] = {"state-written", LOG_INFO,
				 "the state file could be written again"},
};

void events_init(struct events *e, nsec_t wall)
{
	*e = (struct events){};
	e->before = e->last = wall / NSEC_PER_MSEC;
}

void events_deinit(struct events *e)
{
	for (size_t i = 0; i < EVENTS_KEPT; i++) {
		free(e->kept[i]);
		e->kept[i] = NULL;
	}
}

/* "service web: backend web1 is up", the names coming first. */
static void print_text(char text[EVENT_TEXT_MAX], const char *service, const char *backend,
		       const char *format, va_list args)
{
	int n = 0;

	if (service && backend)
		n = snprintf(text, EVENT_TEXT_MAX, "service %s: backend %s ", service, backend);
	else if (service)
		n = snprintf(text, EVENT_TEXT_MAX, "service %s: ", service);
	if (n >= 0 && n < EVENT_TEXT_MAX)
		vsnprintf(text + n, EVENT_TEXT_MAX - (size_t)n, format, args);
}

static const char *copy_text(char **room, const char *text)
{
	char *copy = *room;

	if (!text)
		return NULL;
	*room = stpcpy(copy, text) + 1;
	return copy;
}

static size_t room_for(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static struct event *event_new(const char *service, const char *backend, const char *text,
			       const struct event_value *values)
{
	size_t size = room_for(service) + room_for(backend) + room_for(text);
	struct event *event;
	size_t n = 0;
	char *room;

	for (; values && values[n].name; n++)
		size += room_for(values[n].text);
	event = malloc(sizeof(*event) + size);
	if (!event)
		return NULL;
	room = event->texts;
	event->service = copy_text(&room, service);
	event->backend = copy_text(&room, backend);
	event->text = copy_text(&room, text);
	event->n_values = n;
	for (size_t i = 0; i < n; i++) {
		event->values[i] = values[i];
		event->values[i].text = copy_text(&room, values[i].text);
	}
	return event;
}

void events_record(struct events *e, enum event_kind kind, const char *service, const char *backend,
		   const struct event_value *values, const char *format, ...)
{
	char text[EVENT_TEXT_MAX];
	struct event *event, **place;
	va_list args;

	va_start(args, format);
	print_text(text, service, backend, format, args);
	va_end(args);
	log_at(event_kinds[kind].level, "%s", text);

	/* What memory is too short for leaves a gap in the ids, as what is dropped does. */
	event = event_new(service, backend, text, values);
	e->last++;
	place = &e->kept[e->last % EVENTS_KEPT];
	free(*place);
	*place = event;
	if (!event)
		return;
	event->id = e->last;
	event->wall = clock_wall();
	event->kind = kind;
}

uint64_t events_known(const struct events *e, uint64_t after)
{
	return after > e->last ? 0 : after;
}

/* The id before the first that may be kept. */
static uint64_t before_kept(const struct events *e)
{
	return e->last - e->before > EVENTS_KEPT ? e->last - EVENTS_KEPT : e->before;
}

const struct event *events_next(const struct events *e, uint64_t after)
{
	uint64_t id = before_kept(e);

	if (id < after)
		id = after;
	while (id < e->last) {
		const struct event *event = e->kept[++id % EVENTS_KEPT];

		if (event)
			return event;
	}
	return NULL;
}

uint64_t events_dropped(const struct events *e, uint64_t after)
{
	uint64_t from = after > e->before ? after : e->before;
	uint64_t dropped = 0;

	if (from < before_kept(e)) {
		dropped = before_kept(e) - from;
		from = before_kept(e);
	}
	for (uint64_t id = from; id < e->last; id++)
		dropped += !e->kept[(id + 1) % EVENTS_KEPT];
	return dropped;
}
