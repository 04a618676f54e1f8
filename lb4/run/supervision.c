// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "daemon_private.h"
#include "log.h"
#include "worker.h"

/* The status line changes at most this often. */
#define STATUS_INTERVAL NSEC_PER_SEC

/* A stop that goes on asks for this much more time, this often. */
#define EXTEND_BY	(20 * NSEC_PER_SEC)
#define EXTEND_INTERVAL (5 * NSEC_PER_SEC)

void supervision_init(struct supervision *s)
{
	static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
	const char *wrong = NULL;
	int r;

	*s = (struct supervision){.extend_at = NSEC_NEVER};
	r = notify_init(&s->notify, getenv(names[0]), getenv(names[1]), getenv(names[2]), &wrong);
	if (r < 0)
		log_warning("the service manager is not told all: %s in the environment: %s", wrong,
			    strerrordesc_np(-r));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

void supervision_deinit(struct supervision *s)
{
	notify_deinit(&s->notify);
}

static void send_text(struct supervision *s, bool patience, const char *text)
{
	int r = notify_send(&s->notify, patience, text);

	if (r < 0 && !s->failed)
		log_warning("cannot tell the service manager: %s", strerrordesc_np(-r));
	s->failed = r < 0;
}

/* "services 2 of 2 up, backends 5 of 6 up". */
static void print_status(const struct daemon *d, char *buffer, size_t size)
{
	size_t n_services = 0, n_backends = 0, n_up = 0;

	if (d->stopping) {
		char left[DAEMON_LEFT_TEXT_MAX];

		daemon_print_left(d, left);
		snprintf(buffer, size, "stopping; connections left: %s", left);
		return;
	}
	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];

		n_services += s->pool.table->n_eligible > 0;
		n_backends += s->n_backends;
		for (size_t j = 0; j < s->n_backends; j++)
			n_up += !s->backends[j].health.failed;
	}
	snprintf(buffer, size, "services %zu of %zu up, backends %zu of %zu up", n_services,
		 d->n_services, n_up, n_backends);
}

/* Sends `head` with the status line below it. */
static void send_state(struct daemon *d, const char *head)
{
	struct supervision *s = &d->supervision;
	char text[256];

	print_status(d, s->status, sizeof(s->status));
	s->status_of = d->events.last;
	s->status_at = nsec_add(d->now, STATUS_INTERVAL);
	snprintf(text, sizeof(text), "%s\nSTATUS=%s", head, s->status);
	send_text(s, true, text);
}

void supervision_ready(struct daemon *d)
{
	struct supervision *s = &d->supervision;

	watchdog_init(&s->watchdog, s->notify.watchdog_usec * NSEC_PER_USEC, d->n_workers + 1,
		      d->now);
	s->ready = true;
	send_state(d, "READY=1");
}

void supervision_reloading(struct daemon *d)
{
	char head[80];

	if (d->stopping) /* which has been told and holds */
		return;
	snprintf(head, sizeof(head), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 clock_now() / NSEC_PER_USEC);
	send_state(d, head);
}

void supervision_reloaded(struct daemon *d)
{
	if (!d->stopping)
		send_state(d, "READY=1");
}

static void extend(struct daemon *d, const char *first)
{
	char head[80];

	snprintf(head, sizeof(head), "%sEXTEND_TIMEOUT_USEC=%" PRIu64, first,
		 EXTEND_BY / NSEC_PER_USEC);
	send_state(d, head);
	d->supervision.extend_at = nsec_add(d->now, EXTEND_INTERVAL);
}

void supervision_stopping(struct daemon *d)
{
	extend(d, "STOPPING=1\n");
}

/*
 * Connections may take until the stop's deadline. Past that nothing should take long: whoever waits
 * for lb4 loses patience then.
 */
static void extend_on_time(struct daemon *d)
{
	if (d->now < d->supervision.extend_at)
		return;
	if (d->stop_deadline == NSEC_NEVER)
		d->supervision.extend_at = NSEC_NEVER;
	else
		extend(d, "");
}

static void tell_status(struct daemon *d)
{
	struct supervision *s = &d->supervision;
	char status[sizeof(s->status)], text[256];

	/* What changes the line is an event. */
	if (s->status_of == d->events.last || d->now < s->status_at)
		return;
	s->status_of = d->events.last;
	print_status(d, status, sizeof(status));
	if (!strcmp(status, s->status))
		return;
	strcpy(s->status, status);
	s->status_at = nsec_add(d->now, STATUS_INTERVAL);
	snprintf(text, sizeof(text), "STATUS=%s", status);
	send_text(s, false, text);
}

static bool is_worker(const struct daemon *d, unsigned part)
{
	return part < d->n_workers;
}

static uint64_t answer_of(const struct daemon *d, unsigned part)
{
	return is_worker(d, part) ? worker_answer(d->workers[part]) : checker_answer(d->checker);
}

static void ask(struct daemon *d, unsigned part)
{
	struct watchdog *w = &d->supervision.watchdog;
	int r = is_worker(d, part) ? worker_ask(d->workers[part], w->round)
				   : checker_ask(d->checker, w->round);

	if (r >= 0)
		watchdog_asked(w, part);
}

static void tell_news(struct daemon *d, unsigned part)
{
	static const struct {
		enum event_kind kind;
		const char *what;
	} news[] = {
		[WATCHDOG_STUCK] = {EVENT_THREAD_STUCK, "does not answer"},
		[WATCHDOG_BACK] = {EVENT_THREAD_BACK, "answers again"},
	};
	enum watchdog_news n = watchdog_news(&d->supervision.watchdog, part, d->now);
	char name[32] = "the health thread";

	if (n == WATCHDOG_NOTHING)
		return;
	if (is_worker(d, part))
		snprintf(name, sizeof(name), "worker %u", part);
	events_record(&d->events, news[n].kind, NULL, NULL,
		      EVENT_VALUES(EVENT_TEXT("thread", name)), "%s %s", name, news[n].what);
}

static void watch(struct daemon *d)
{
	struct supervision *s = &d->supervision;

	if (d->now < watchdog_next(&s->watchdog))
		return;
	for (unsigned i = 0; i < s->watchdog.n_parts; i++)
		watchdog_answered(&s->watchdog, i, answer_of(d, i));
	if (watchdog_tick(&s->watchdog, d->now))
		send_text(s, false, "WATCHDOG=1");
	for (unsigned i = 0; i < s->watchdog.n_parts; i++) {
		tell_news(d, i);
		if (watchdog_unasked(&s->watchdog, i))
			ask(d, i);
	}
}

void supervision_run(struct daemon *d)
{
	if (!d->supervision.ready || !d->supervision.notify.socket)
		return;
	watch(d);
	extend_on_time(d);
	tell_status(d);
}

nsec_t supervision_deadline(const struct daemon *d)
{
	const struct supervision *s = &d->supervision;
	nsec_t deadline = s->extend_at;

	if (!s->ready || !s->notify.socket)
		return NSEC_NEVER;
	if (watchdog_next(&s->watchdog) < deadline)
		deadline = watchdog_next(&s->watchdog);
	if (s->status_of != d->events.last && s->status_at < deadline)
		deadline = s->status_at;
	return deadline;
}
