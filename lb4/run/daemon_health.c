// SPDX-License-Identifier: BSD-2-Clause
/* From results and evidence to who is eligible; and what is due by time. */
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "daemon_private.h"
#include "forwarding.h"
#include "log.h"
#include "report.h"

void daemon_lower_deadline(struct daemon *d, nsec_t deadline)
{
	if (deadline < d->deadline)
		d->deadline = deadline;
}

/* The backend has just been ejected: its connections fare as on_down says. */
static void eject(struct daemon *d, struct live_service *s, struct live_backend *b)
{
	bool reset = s->settings.on_down == ON_DOWN_RESET;

	daemon_leave_backend(d, b->backend, reset ? END_BACKEND_DOWN : END_NONE);
	if (s->settings.on_down == ON_DOWN_DRAIN && s->settings.drain_timeout) {
		b->down_deadline = nsec_add(d->now, s->settings.drain_timeout);
		daemon_lower_deadline(d, b->down_deadline);
	}
}

static void tell_brake(struct daemon *d, struct live_service *s)
{
	static const char *const texts[] = {
		[FAIL_OPEN] = "more backends have failed than max_eject (%u %%) lets be ejected; "
			      "fail: open keeps the others in use",
		[FAIL_CLOSED] = "more than max_eject (%u %%) of the backends have failed; "
				"fail: closed ejects them all the same",
	};
	const struct event_value values[] = {
		EVENT_NUMBER("max_eject_percent", s->settings.max_eject_percent),
		EVENT_TEXT("fail", s->settings.fail == FAIL_OPEN ? "open" : "closed"),
		{},
	};

	if (s->pool.brake == s->brake_told)
		return;
	s->brake_told = s->pool.brake;
	if (s->pool.brake)
		events_record(&d->events, EVENT_BRAKE_ON, s->service->name, NULL, values,
			      texts[s->settings.fail], s->settings.max_eject_percent);
	else
		events_record(&d->events, EVENT_BRAKE_OFF, s->service->name, NULL, values,
			      "no more backends have failed than max_eject allows");
}

static void tell_backups(struct daemon *d, struct live_service *s)
{
	if (s->pool.on_backups == s->backups_told)
		return;
	s->backups_told = s->pool.on_backups;
	if (s->backups_told)
		events_record(&d->events, EVENT_BACKUPS_ON, s->service->name, NULL, NULL,
			      "no backend is eligible but backups: they take over");
	else
		events_record(&d->events, EVENT_BACKUPS_OFF, s->service->name, NULL, NULL,
			      "backups are no longer needed; their connections may finish");
}

static void tell_deserted(struct daemon *d, struct live_service *s)
{
	/* A service of routes alone never had anybody. */
	bool deserted = s->n_backends > 0 && s->pool.table->n_eligible == 0;

	if (deserted == s->deserted_told)
		return;
	s->deserted_told = deserted;
	if (deserted)
		events_record(&d->events, EVENT_SERVICE_DESERTED, s->service->name, NULL, NULL,
			      "no backend is eligible: new clients are reset");
	else
		events_record(&d->events, EVENT_SERVICE_SERVES, s->service->name, NULL, NULL,
			      "serves new clients again");
}

/* Up, out, or down and kept in use all the same: what health says and the brake makes of it. */
static void tell_backend(struct daemon *d, struct live_service *s, size_t i)
{
	struct live_backend *b = &s->backends[i];
	const struct pool_member *m = &s->pool.members[i];
	const struct backend_health *h = &b->health;
	const char *why = health_why_name(h->why);
	enum backend_told now = !m->failed ? TOLD_IN : m->braked ? TOLD_BRAKED : TOLD_EJECTED;
	nsec_t out = d->now - b->out_since;

	if (now == b->told)
		return;
	if (b->told == TOLD_IN)
		b->out_since = d->now;
	b->told = now;
	if (now == TOLD_IN)
		events_record(&d->events, EVENT_BACKEND_BACK, s->service->name, m->name,
			      EVENT_VALUES(EVENT_NUMBER("out_ms", out / NSEC_PER_MSEC)), "is up");
	else
		events_record(&d->events,
			      now == TOLD_BRAKED ? EVENT_BACKEND_BRAKED : EVENT_BACKEND_EJECTED,
			      s->service->name, m->name,
			      EVENT_VALUES(EVENT_TEXT("why", why), EVENT_TEXT("error", h->error)),
			      "is down: %s%s%s%s", why, h->error[0] ? ": " : "", h->error,
			      now == TOLD_BRAKED ? "; max_eject keeps it in use" : "");
}

void daemon_tell_slots(struct daemon *d, const struct live_service *s, uint64_t moved, bool rebuilt)
{
	if (!moved && !rebuilt)
		return;
	events_record(
		&d->events, rebuilt ? EVENT_TABLE_REBUILT : EVENT_SLOTS_MOVED, s->service->name,
		NULL,
		EVENT_VALUES(EVENT_NUMBER("slots", moved), EVENT_NUMBER("of", s->pool.table_size)),
		"%llu of %u slots have moved%s", (unsigned long long)moved, s->pool.table_size,
		rebuilt ? " (rebuilt for balance)" : "");
}

/*
 * A backend may have had connections before lb4 began to know it: flows of an earlier start, or of
 * the time before it was removed and added again. That nobody has checked it yet does not harm these.
 */
bool daemon_is_left(const struct live_backend *b, const struct pool_member *m)
{
	return m->ejected && health_known_failed(&b->health);
}

void daemon_update_pool(struct daemon *d, struct live_service *s)
{
	uint64_t rebuilds = s->pool.n_rebuilds, moved = s->pool.n_slots_moved;
	int r = pool_update(&s->pool, d->now);

	daemon_state_changed(d);
	daemon_lower_deadline(d, pool_next_update(&s->pool));
	for (size_t i = 0; i < s->n_backends; i++)
		tell_backend(d, s, i);
	if (r < 0) {
		log_error("service %s: out of memory for a new table; the old one stays",
			  s->service->name);
		s->update_wanted = true;
		daemon_lower_deadline(d, nsec_add(d->now, NSEC_PER_SEC));
		return;
	}
	tell_brake(d, s);
	tell_backups(d, s);
	tell_deserted(d, s);
	if (r > 0) {
		d->publish_wanted = true;
		daemon_tell_slots(d, s, s->pool.n_slots_moved - moved,
				  s->pool.n_rebuilds != rebuilds);
	}
	for (size_t i = 0; i < s->n_backends; i++) {
		struct live_backend *b = &s->backends[i];
		bool left = daemon_is_left(b, &s->pool.members[i]);

		if (left == b->was_left)
			continue;
		b->was_left = left;
		if (left) {
			if (d->publish_wanted)
				daemon_publish(d); /* before connections look for another */
			eject(d, s, b);
		} else {
			b->down_deadline = NSEC_NEVER;
		}
	}
}

/* Health has another opinion; what becomes of that is told when the pool has decided. */
static void failed_changed(struct live_service *s, size_t i)
{
	const struct backend_health *h = &s->backends[i].health;
	struct pool_member *m = &s->pool.members[i];

	m->failed = h->failed;
	m->failed_at = h->since;
	s->update_wanted = true;
}

/* The news of a whole round make one table. */
static void update_pools(struct daemon *d)
{
	for (size_t i = 0; i < d->n_services; i++) {
		if (!d->services[i]->update_wanted)
			continue;
		d->services[i]->update_wanted = false;
		daemon_update_pool(d, d->services[i]);
	}
}

static void on_check(struct daemon *d, const struct check_report *report)
{
	const struct target *t = NULL;
	size_t low = 0, high = d->n_targets;
	enum verdict_state before;
	struct backend_health *h;
	bool changed;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (d->targets[middle].id < report->id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == d->n_targets || d->targets[low].id != report->id)
		return; /* of a backend that was removed meanwhile */
	t = &d->targets[low];
	h = &t->service->backends[t->backend].health;
	before = h->verdict;
	changed = health_on_result(h, report->ok, report->verdict, report->latency, report->at,
				   report->wall, report->error);
	daemon_lower_deadline(d, health_next(h));
	if (h->verdict != before)
		daemon_state_changed(d);
	if (changed)
		failed_changed(t->service, t->backend);
}

void daemon_on_evidence(struct daemon *d, const struct backend *backend, uint64_t consecutive,
			int error)
{
	struct live_service *s = daemon_find_service(d, backend->service_name);
	struct live_backend *b = s ? live_service_find_backend(s, backend->name) : NULL;
	uint64_t ejections;
	bool changed;

	if (!b || b->backend != backend)
		return;
	if (consecutive > UINT32_MAX)
		consecutive = UINT32_MAX;
	ejections = b->health.n_ejections;
	changed = health_on_passive(&b->health, (unsigned)consecutive, strerrordesc_np(error),
				    d->now);
	daemon_lower_deadline(d, health_next(&b->health));
	if (b->health.n_ejections != ejections)
		daemon_state_changed(d);
	if (!changed)
		return;
	if (s->check.kind != CHECK_NONE)
		checker_suspect(d->checker, b->target_id);
	failed_changed(s, (size_t)(b - s->backends));
}

static void on_passive(struct daemon *d, const struct passive_report *report)
{
	daemon_on_evidence(d, report->backend, report->consecutive, report->error);
}

static void take(struct daemon *d, struct report *report)
{
	switch (report->kind) {
	case REPORT_CHECK:
		on_check(d, container_of(report, struct check_report, report));
		break;
	case REPORT_PASSIVE:
		on_passive(d, container_of(report, struct passive_report, report));
		break;
	case REPORT_WORKER:
		d->n_workers_running--;
		break;
	case REPORT_TROUBLE:
		daemon_on_trouble(d);
		break;
	}
}

void daemon_take_reports(struct daemon *d)
{
	struct list messages = LIST_INIT(messages);

	mailbox_take(&d->reports, &messages);
	list_for_each_safe(node, &messages) {
		struct report *report = container_of(node, struct report, message.node);

		list_unlink(node);
		take(d, report);
		report->message.free(&report->message);
	}
	update_pools(d);
}

static void drain_on_time(struct daemon *d, struct live_service *s, struct live_backend *b,
			  nsec_t *deadline)
{
	uint64_t left;

	if (*deadline <= d->now) {
		*deadline = NSEC_NEVER;
		left = daemon_active(b->backend);
		events_record(&d->events, EVENT_DRAIN_TIMEOUT, s->service->name, b->backend->name,
			      EVENT_VALUES(EVENT_NUMBER("connections", left)),
			      "has drained long enough; connections left, now reset: %llu",
			      (unsigned long long)left);
		daemon_leave_backend(d, b->backend, END_DRAIN_TIMEOUT);
		daemon_state_changed(d);
	}
	daemon_lower_deadline(d, *deadline);
}

static void backend_on_time(struct daemon *d, struct live_service *s, size_t i)
{
	struct live_backend *b = &s->backends[i];

	if (health_on_time(&b->health, d->now))
		failed_changed(s, i);
	daemon_lower_deadline(d, health_next(&b->health));
	drain_on_time(d, s, b, &b->drain_deadline);
	drain_on_time(d, s, b, &b->down_deadline);
	daemon_look_at_drain(d, s, b);
}

void daemon_on_time(struct daemon *d)
{
	if (d->now < d->deadline)
		return;
	d->deadline = NSEC_NEVER;
	for (size_t i = 0; i < d->n_services; i++) {
		struct live_service *s = d->services[i];

		if (pool_next_update(&s->pool) <= d->now)
			daemon_update_pool(d, s);
		daemon_lower_deadline(d, pool_next_update(&s->pool));
		for (size_t j = 0; j < s->n_backends; j++)
			backend_on_time(d, s, j);
	}
	daemon_look_at_trouble(d);
	forwarding_on_time(d);
	update_pools(d);
}
