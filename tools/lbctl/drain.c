// SPDX-License-Identifier: BSD-2-Clause
/* `drain`, and waiting for its end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "columns.h"
#include "lbctl.h"

#define POLL_INTERVAL (200 * NSEC_PER_MSEC)

enum wait_end {
	WAIT_GOES_ON,
	WAIT_EMPTY,   /* no connection is left */
	WAIT_TIMEOUT, /* some were, and lb4 resets them */
	WAIT_UNDONE,  /* it no longer drains */
	WAIT_GONE,    /* it was removed */
};

struct wait {
	nsec_t deadline;
	uint64_t active; /* connections, when last looked at before the deadline */
};

/* Our backend in the answer of GET /v1/backends, or NULL. */
static json_t *find_backend(const json_t *answer, const char *name)
{
	const json_t *list = json_object_get(answer, "backends");
	json_t *b;
	size_t i;

	json_array_foreach(list, i, b)
		if (!strcmp(text_at(b, "name"), name))
			return b;
	return NULL;
}

static void begin(struct wait *w, const json_t *backend, nsec_t now)
{
	w->active = number_at(backend, "active");
	w->deadline = NSEC_NEVER;
	if (given_at(backend, "drain_left_ms"))
		w->deadline = nsec_add(now, number_at(backend, "drain_left_ms") * NSEC_PER_MSEC);
}

/* After the deadline the daemon resets what was left: then 0 says nothing any more. */
static enum wait_end judge(struct wait *w, const json_t *backend, nsec_t now)
{
	uint64_t active;

	if (!backend)
		return WAIT_GONE;
	active = number_at(backend, "active");
	if (now < w->deadline) {
		w->active = active;
		if (active == 0)
			return WAIT_EMPTY;
	} else {
		return w->active ? WAIT_TIMEOUT : WAIT_EMPTY;
	}
	return strcmp(text_at(backend, "admin"), "draining") ? WAIT_UNDONE : WAIT_GOES_ON;
}

static void show_progress(const struct lbctl *l, const struct wait *w, nsec_t now)
{
	char left[UNITS_TEXT_MAX] = "";

	if (!isatty(STDERR_FILENO))
		return;
	if (w->deadline != NSEC_NEVER)
		print_ms((w->deadline > now ? w->deadline - now : 0) / NSEC_PER_MSEC, left);
	fprintf(stderr, "\r\033[K%s/%s: connections left: %" PRIu64 "%s%s", l->arguments[0],
		l->arguments[1], w->active, left[0] ? ", time left: " : "", left);
}

static void clear_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void pause_until(nsec_t when)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(when / NSEC_PER_SEC),
		.tv_nsec = (long)(when % NSEC_PER_SEC),
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* Looks again and again until it is over; `*backend` is what was last seen. */
static int watch(struct lbctl *l, struct wait *w, json_t **backend, enum wait_end *ret_end)
{
	nsec_t now = clock_now(), next;

	while ((*ret_end = judge(w, *backend, now)) == WAIT_GOES_ON) {
		_cleanup_(json_decrefp) json_t *answer = NULL;
		int r;

		show_progress(l, w, now);
		next = nsec_add(now, POLL_INTERVAL);
		pause_until(next < w->deadline ? next : w->deadline);
		r = ask_quietly(l, "GET",
				path_query(l, strdup("/v1/backends"), "service", l->arguments[0]),
				NULL, &answer);
		if (r != STATUS_DONE)
			return r;
		json_decref(*backend);
		*backend = json_incref(find_backend(answer, l->arguments[1]));
		now = clock_now();
	}
	return STATUS_DONE;
}

static int report(struct lbctl *l, const struct wait *w, enum wait_end end, json_t *backend)
{
	const char *service = l->arguments[0], *name = l->arguments[1];

	if (l->options[OPTION_JSON]) {
		json_t *o = json_pack("{s:b, s:I, s:O?}", "ok", end == WAIT_EMPTY, "left",
				      (json_int_t)w->active, "backend", backend);

		print_json(o);
		json_decref(o);
	}
	switch (end) {
	case WAIT_EMPTY:
		if (!l->options[OPTION_JSON])
			printf("%s/%s is drained\n", service, name);
		return STATUS_DONE;
	case WAIT_TIMEOUT:
		complain("lb4 resets them",
			 "%s/%s: the timeout passed with connections left: "
			 "%" PRIu64,
			 service, name, w->active);
		return STATUS_REFUSED;
	case WAIT_UNDONE:
		complain(NULL, "%s/%s is no longer draining: somebody ended it", service, name);
		return STATUS_REFUSED;
	case WAIT_GONE:
		complain(NULL, "%s/%s is no longer there: somebody removed it", service, name);
		return STATUS_REFUSED;
	case WAIT_GOES_ON:
		break;
	}
	return STATUS_REFUSED;
}

int drain_backend(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *answer = NULL, *backend = NULL;
	bool wait_for_it = l->options[OPTION_WAIT] != NULL;
	json_t *body = json_object();
	struct wait w = {};
	enum wait_end end;
	int r;

	if (l->options[OPTION_TIMEOUT])
		json_object_set_new(body, "timeout", json_string(l->options[OPTION_TIMEOUT]));
	r = (wait_for_it ? ask_quietly : ask)(l, "POST", path_backend(l, "drain"), body, &answer);
	if (r != STATUS_DONE)
		return r;
	backend = json_incref(json_object_get(answer, "backend"));
	if (!wait_for_it) {
		if (!l->options[OPTION_JSON])
			printf("%s/%s is draining; connections left: %" PRIu64 "\n",
			       l->arguments[0], l->arguments[1], number_at(backend, "active"));
		return r;
	}
	begin(&w, backend, clock_now());
	r = watch(l, &w, &backend, &end);
	clear_progress();
	return r == STATUS_DONE ? report(l, &w, end, backend) : r;
}
