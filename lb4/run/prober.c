// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flight.h"
#include "log.h"
#include "prober.h"
#include "token.h"

/* Between two probes of a watch, whatever the file says: no check may turn into a busy loop. */
#define PAUSE_MIN NSEC_PER_MSEC

/* What a plain connection may delay the next probe by. */
#define PLAIN_TIME (100 * NSEC_PER_MSEC)

/* So long it is believed that a plain connection is as it was. */
#define PLAIN_FRESH (5 * NSEC_PER_SEC)

/* Between two log lines about what this side lacks. */
#define COMPLAIN_INTERVAL (60 * NSEC_PER_SEC)

_Static_assert(PROBE_ERROR_MAX <= HEALTH_ERROR_MAX, "error texts are passed on whole");
_Static_assert(FLIGHTS_MAX <= SLOTS_PER_CHUNK, "prober_init() gets memory for all flights");

int prober_init(struct prober *p, struct ring *ring, struct mailbox *reports, uint64_t seed)
{
	void *first;
	int r;

	*p = (struct prober){.ring = ring, .reports = reports, .random = seed};
	list_init(&p->waiting);
	list_init(&p->waiting_children);
	r = slots_init(&p->flights, sizeof(struct flight), FLIGHTS_MAX);
	if (r < 0)
		return r;
	/* Memory for all of them now: later only their number can be short. */
	first = slots_new(&p->flights);
	if (!first) {
		slots_deinit(&p->flights);
		return -ENOMEM;
	}
	slots_free(&p->flights, first);
	return 0;
}

void prober_deinit(struct prober *p)
{
	watch_set_deinit(&p->set);
	slots_deinit(&p->flights);
}

bool prober_idle(const struct prober *p)
{
	return p->flights.n_used == 0;
}

nsec_t prober_next(const struct prober *p)
{
	return heap_next(&p->set.heap);
}

/* splitmix64 (Steele, Lea, Flood, 2014): enough for jitter. */
static uint32_t draw(struct prober *p)
{
	uint64_t z = p->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void check_report_free(struct message *m)
{
	free(container_of(m, struct check_report, report.message));
}

/* The last result of what `s` subscribed to. */
static void tell(struct prober *p, struct subscriber *s)
{
	const struct watch *w = s->watch;
	struct check_report *report = calloc(1, sizeof(*report));

	s->told = true;
	if (!report) {
		count(&p->n_dropped);
		return;
	}
	report->report.message.free = check_report_free;
	report->report.kind = REPORT_CHECK;
	report->id = s->id;
	report->ok = w->last.ok;
	report->verdict = w->verdict.state;
	report->latency = w->last.latency;
	report->at = w->last.at;
	report->wall = w->last.wall;
	strcpy(report->error, w->last.error);
	if (mailbox_post(p->reports, &report->report.message) < 0) {
		/* The next result carries the news, for each says the verdict. */
		count(&p->n_dropped);
		free(report);
	}
}

static void arm(struct prober *p, struct watch *w, nsec_t deadline)
{
	heap_arm(&p->set.heap, &w->timer, deadline);
}

/* Puts a probe off, without a result: what is lacking is lacking here. */
static void postpone(struct prober *p, struct watch *w, int error, nsec_t now)
{
	static const struct verdict unknown = VERDICT_INIT;
	char text[ADDRESS_TEXT_MAX];

	count(&p->n_postponed);
	w->due = verdict_next_due(&unknown, &w->check, now, draw(p));
	if (now < p->complain_at)
		return;
	p->complain_at = nsec_add(now, COMPLAIN_INTERVAL);
	log_warning("checks are put off, such as that of %s: %s", address_print(&w->address, text),
		    strerrordesc_np(-error));
}

static void schedule(struct prober *p, struct watch *w)
{
	w->due = verdict_next_due(&w->verdict, &w->check, w->started, draw(p));
}

/* What failed, and by which path, if it was not the straight one. Cut off where it is too long. */
static void describe(const struct watch *w, const char *error, char ret[HEALTH_ERROR_MAX])
{
	static const char *const plain[] = {
		[PLAIN_UNKNOWN] = "",
		[PLAIN_ANSWERS] = "; its own address answers",
		[PLAIN_SILENT] = "; nor does its own address answer",
	};
	char vip[ADDRESS_TEXT_MAX];
	int n = snprintf(ret, HEALTH_ERROR_MAX, "%s", error);

	if (w->path.n_vips > 0 && n < HEALTH_ERROR_MAX)
		snprintf(ret + n, (size_t)(HEALTH_ERROR_MAX - n), ": %s by %s%s",
			 address_print(&w->path.vips[w->vip], vip),
			 forward_kind_name(w->path.forward), plain[w->plain]);
}

/* The next VIP's turn, unless this one has yet to be reached. */
static void walk_on(struct watch *w)
{
	w->plain = PLAIN_UNKNOWN;
	if (w->path.n_vips > 0)
		w->vip = (w->vip + 1) % w->path.n_vips;
}

static void record(struct prober *p, struct watch *w, bool ok, const char *error, nsec_t now,
		   nsec_t wall)
{
	verdict_on_result(&w->verdict, &w->check, ok);
	w->last.ok = ok;
	w->last.latency = now - w->started;
	w->last.at = now;
	w->last.wall = wall;
	if (ok)
		walk_on(w);
	if (ok)
		w->last.error[0] = '\0';
	else
		describe(w, error, w->last.error);
	count(&p->n_results);
	for (struct subscriber *s = w->subscribers; s; s = s->next)
		tell(p, s);
	schedule(p, w);
}

static bool runs_program(const struct watch *w)
{
	return w->check.kind == CHECK_EXEC;
}

static void launch(struct prober *p, struct watch *w, nsec_t now, nsec_t wall)
{
	bool program = runs_program(w), crowded = program && p->n_children == CHILDREN_MAX;
	struct flight *f = crowded ? NULL : slots_new(&p->flights);
	enum flight_event event;

	if (!f) {
		list_append(crowded ? &p->waiting_children : &p->waiting, &w->waiting);
		return;
	}
	w->started = now;
	event = flight_init(f, p->ring, &p->ports, w);
	if (event == FLIGHT_GOES_ON) {
		p->n_children += program;
		w->flight = f;
		arm(p, w, nsec_add(now, w->check.timeout));
		return;
	}
	if (event == FLIGHT_BAD)
		record(p, w, false, f->error, now, wall);
	else
		postpone(p, w, f->error_number, now);
	flight_deinit(f);
	slots_free(&p->flights, f);
	arm(p, w, nsec_add(w->due, PAUSE_MIN));
}

/* Whoever waits for a flight gets one, or goes on to wait for a program's turn. */
static void launch_waiting(struct prober *p, struct list *waiting, nsec_t now, nsec_t wall)
{
	struct watch *next = container_of(waiting->next, struct watch, waiting);

	list_unlink(&next->waiting);
	launch(p, next, now, wall);
}

/*
 * Is the backend well but for the path? That helps whoever reads the error. Asked while nothing else is
 * to be done; if it is not known at all, the next probe waits a moment for it. Whether it is under way.
 */
static bool ask_plainly(struct prober *p, struct watch *w, nsec_t now)
{
	bool wanted = w->wants_plain;
	bool is_known = w->plain != PLAIN_UNKNOWN && now - w->plain_at < PLAIN_FRESH;
	nsec_t until = is_known ? now : nsec_add(now, PLAIN_TIME);
	struct flight *f;

	w->wants_plain = false;
	if (w->due > until)
		until = w->due;
	/* Others may be waiting to be asked at all. */
	if (!wanted || until <= now || !list_empty(&p->waiting))
		return false;
	f = slots_new(&p->flights);
	if (!f)
		return false;
	if (flight_init_plain(f, p->ring, w) != FLIGHT_GOES_ON) {
		flight_deinit(f);
		slots_free(&p->flights, f);
		return false;
	}
	w->flight = f;
	if (until > nsec_add(now, w->check.timeout))
		until = nsec_add(now, w->check.timeout);
	arm(p, w, until);
	return true;
}

/* The flight is over: its watch waits for the next. */
static void land(struct prober *p, struct flight *f, nsec_t now, nsec_t wall)
{
	struct watch *w = f->watch;
	nsec_t earliest = nsec_add(now, PAUSE_MIN);

	p->n_children -= runs_program(w);
	flight_deinit(f);
	slots_free(&p->flights, f);
	w->flight = NULL;
	if (w->gone)
		watch_free(w);
	else if (!ask_plainly(p, w, now))
		arm(p, w, w->due > earliest ? w->due : earliest);

	while (!list_empty(&p->waiting) && p->flights.n_used < FLIGHTS_MAX)
		launch_waiting(p, &p->waiting, now, wall);
	while (!list_empty(&p->waiting_children) && p->n_children < CHILDREN_MAX &&
	       p->flights.n_used < FLIGHTS_MAX)
		launch_waiting(p, &p->waiting_children, now, wall);
}

/* Ends the flight, or lets it linger until the next one is due at the latest. */
static enum flight_event finish(struct prober *p, struct flight *f, bool linger)
{
	struct watch *w = f->watch;

	if (!linger)
		heap_disarm(&p->set.heap, &w->timer);
	else if (w->due < w->timer.deadline)
		arm(p, w, w->due);
	return flight_finish(f, linger);
}

static enum flight_event on_plain_event(struct prober *p, struct flight *f, enum flight_event event,
					nsec_t now)
{
	if (event == FLIGHT_GOES_ON || event == FLIGHT_OVER)
		return event;
	f->watch->plain = event == FLIGHT_GOOD	? PLAIN_ANSWERS
			  : event == FLIGHT_BAD ? PLAIN_SILENT
						: PLAIN_UNKNOWN;
	f->watch->plain_at = now;
	return finish(p, f, false);
}

static enum flight_event on_probe_event(struct prober *p, struct flight *f, enum flight_event event,
					nsec_t now, nsec_t wall)
{
	struct watch *w = f->watch;

	switch (event) {
	case FLIGHT_GOOD:
		record(p, w, true, "", now, wall);
		return finish(p, f, probe_lingers(w->probe));
	case FLIGHT_BAD:
		record(p, w, false, f->error, now, wall);
		w->wants_plain = w->path.n_vips > 0 && flight_was_unconnected(f);
		return finish(p, f, false);
	case FLIGHT_HAMPERED:
		postpone(p, w, f->error_number, now);
		return finish(p, f, false);
	default:
		return event;
	}
}

static void on_event(struct prober *p, struct flight *f, enum flight_event event, nsec_t now,
		     nsec_t wall)
{
	event = f->plain ? on_plain_event(p, f, event, now)
			 : on_probe_event(p, f, event, now, wall);
	if (event == FLIGHT_OVER)
		land(p, f, now, wall);
}

void prober_on_completion(struct prober *p, const struct ring_completion *c, nsec_t now,
			  nsec_t wall)
{
	struct flight *f =
		slots_find(&p->flights, token_index(c->token), token_generation(c->token));

	if (f && flight_expects(f, c->token))
		on_event(p, f, flight_on_completion(f, c), now, wall);
	else
		count(&p->n_late);
	if (c->data)
		ring_buffer_return(p->ring, c->buffer);
}

void prober_on_time(struct prober *p, nsec_t now, nsec_t wall)
{
	struct timer *t;

	while ((t = heap_pop(&p->set.heap, now))) {
		struct watch *w = container_of(t, struct watch, timer);

		if (w->flight)
			on_event(p, w->flight, flight_on_deadline(w->flight), now, wall);
		else
			launch(p, w, now, wall);
	}
}

static void drop(struct watch *w)
{
	list_unlink(&w->waiting);
	w->gone = true;
	if (w->flight)
		flight_cancel(w->flight); /* lands when the completion has come */
	else
		watch_free(w);
}

void prober_set(struct prober *p, struct watch_set *set_take, nsec_t now)
{
	struct watch_set old = p->set;

	p->set = *set_take;
	*set_take = (struct watch_set)WATCH_SET_INIT;
	watch_set_adopt(&p->set, &old);
	for (size_t i = 0; i < old.n_watches; i++)
		drop(old.watches[i]);
	old.n_watches = 0;
	watch_set_deinit(&old);

	for (size_t i = 0; i < p->set.n_watches; i++) {
		struct watch *w = p->set.watches[i];

		if (!w->fresh)
			continue;
		w->fresh = false;
		w->due = verdict_first_due(&w->check, now, draw(p));
		arm(p, w, w->due);
	}
	for (size_t i = 0; i < p->set.n_subscribers; i++) {
		struct subscriber *s = &p->set.subscribers[i];

		if (!s->told && s->watch->last.at)
			tell(p, s);
	}
}

void prober_suspect(struct prober *p, uint64_t id, nsec_t now)
{
	for (size_t i = 0; i < p->set.n_subscribers; i++) {
		struct watch *w = p->set.subscribers[i].watch;
		nsec_t due_before = w->due;

		if (p->set.subscribers[i].id != id)
			continue;
		verdict_suspect(&w->verdict);
		schedule(p, w);
		if (w->due < now)
			w->due = now;
		if (w->due > due_before)
			w->due = due_before;
		/* Under way or in line: its turn comes by itself. */
		if (w->timer.position != TIMER_IDLE && (!w->flight || w->flight->plain))
			arm(p, w, w->due);
	}
}
