// SPDX-License-Identifier: BSD-2-Clause
/* From results and evidence to who is eligible; and what is due by time. */
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "daemon_private.h"
#include "log.h"
#include "report.h"

static void lower_deadline(struct daemon *d, nsec_t deadline)
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
		lower_deadline(d, b->down_deadline);
	}
}

static void tell_brake(struct live_service *s)
{
	if (s->pool.brake == s->brake_told)
		return;
	s->brake_told = s->pool.brake;
	if (!s->pool.brake)
		log_info("service %s: no more backends have failed than max_eject allows",
			 s->service->name);
	else if (s->settings.fail == FAIL_OPEN)
		log_warning("service %s: more backends have failed than max_eject (%u %%) lets be "
			    "ejected; fail: open keeps the others in use",
			    s->service->name, s->settings.max_eject_percent);
	else
		log_warning("service %s: more than max_eject (%u %%) of the backends have failed; "
			    "fail: closed ejects them all the same",
			    s->service->name, s->settings.max_eject_percent);
}

static void tell_deserted(struct live_service *s)
{
	bool deserted = s->pool.table->n_eligible == 0;

	if (deserted == s->deserted_told)
		return;
	s->deserted_told = deserted;
	if (deserted)
		log_error("service %s: no backend is eligible: new clients are reset",
			  s->service->name);
	else
		log_info("service %s: serves new clients again", s->service->name);
}

void daemon_update_pool(struct daemon *d, struct live_service *s)
{
	uint64_t rebuilds = s->pool.n_rebuilds, moved = s->pool.n_slots_moved;
	int r = pool_update(&s->pool, d->now);

	lower_deadline(d, pool_next_update(&s->pool));
	if (r < 0) {
		log_error("service %s: out of memory for a new table; the old one stays",
			  s->service->name);
		s->update_wanted = true;
		lower_deadline(d, nsec_add(d->now, NSEC_PER_SEC));
		return;
	}
	tell_brake(s);
	tell_deserted(s);
	if (r > 0) {
		d->publish_wanted = true;
		log_info("service %s: %llu of %u slots have moved%s", s->service->name,
			 (unsigned long long)(s->pool.n_slots_moved - moved), s->pool.table_size,
			 s->pool.n_rebuilds != rebuilds ? " (rebuilt for balance)" : "");
	}
	for (size_t i = 0; i < s->n_backends; i++) {
		struct live_backend *b = &s->backends[i];
		bool ejected = s->pool.members[i].ejected;

		if (ejected == b->was_ejected)
			continue;
		b->was_ejected = ejected;
		if (ejected) {
			if (d->publish_wanted)
				daemon_publish(d); /* before connections look for another */
			eject(d, s, b);
		} else {
			b->down_deadline = NSEC_NEVER;
		}
	}
}

/* Health says `failed` has changed. */
static void failed_changed(struct live_service *s, size_t i)
{
	const struct backend_health *h = &s->backends[i].health;
	struct pool_member *m = &s->pool.members[i];

	m->failed = h->failed;
	m->failed_at = h->since;
	if (h->failed)
		log_warning("service %s: backend %s is down: %s: %s", s->service->name, m->name,
			    health_why_name(h->why), h->error);
	else
		log_info("service %s: backend %s is up", s->service->name, m->name);
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
	changed = health_on_result(h, report->ok, report->verdict, report->latency, report->at,
				   report->wall, report->error);
	lower_deadline(d, health_next(h));
	if (changed)
		failed_changed(t->service, t->backend);
}

static void on_passive(struct daemon *d, const struct passive_report *report)
{
	struct live_service *s = daemon_find_service(d, report->backend->service_name);
	struct live_backend *b = s ? live_service_find_backend(s, report->backend->name) : NULL;
	unsigned consecutive =
		report->consecutive > UINT32_MAX ? UINT32_MAX : (unsigned)report->consecutive;
	bool changed;

	if (!b || b->backend != report->backend)
		return;
	changed =
		health_on_passive(&b->health, consecutive, strerrordesc_np(report->error), d->now);
	lower_deadline(d, health_next(&b->health));
	if (!changed)
		return;
	if (s->check.kind != CHECK_NONE)
		checker_suspect(d->checker, b->target_id);
	failed_changed(s, (size_t)(b - s->backends));
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
	if (*deadline <= d->now) {
		*deadline = NSEC_NEVER;
		log_info("service %s: the drain timeout of backend %s is over", s->service->name,
			 b->backend->name);
		daemon_leave_backend(d, b->backend, END_DRAIN_TIMEOUT);
	}
	lower_deadline(d, *deadline);
}

static void backend_on_time(struct daemon *d, struct live_service *s, size_t i)
{
	struct live_backend *b = &s->backends[i];

	if (health_on_time(&b->health, d->now))
		failed_changed(s, i);
	lower_deadline(d, health_next(&b->health));
	drain_on_time(d, s, b, &b->drain_deadline);
	drain_on_time(d, s, b, &b->down_deadline);
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
		lower_deadline(d, pool_next_update(&s->pool));
		for (size_t j = 0; j < s->n_backends; j++)
			backend_on_time(d, s, j);
	}
	update_pools(d);
}
