// SPDX-License-Identifier: BSD-2-Clause
/* What the control API shows of backends, and the names it suggests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "drift.h"
#include "forwarding.h"
#include "text.h"

int control_shares(const struct live_service *s, double **ret)
{
	const struct pool_table *t = s->pool.table;
	double *shares = calloc(s->n_backends ? s->n_backends : 1, sizeof(*shares));

	if (!shares)
		return -ENOMEM;
	for (uint32_t slot = 0; t && slot < t->size; slot++)
		if (t->live[slot] < s->n_backends)
			shares[t->live[slot]]++;
	for (size_t i = 0; t && i < s->n_backends; i++)
		shares[i] =
			t->balance ? balance_share(t->balance, (uint16_t)i) : shares[i] / t->size;
	*ret = shares;
	return 0;
}

static const char *state_name(const struct backend_health *h)
{
	if (h->failed)
		return "down";
	if (h->checked && h->verdict == VERDICT_UNKNOWN)
		return "unknown";
	return "up";
}

/* What is left until `deadline`, null when there is none. */
static json_t *ms_left(nsec_t deadline, nsec_t now)
{
	if (deadline == NSEC_NEVER)
		return json_null();
	return control_number(deadline > now ? (deadline - now) / NSEC_PER_MSEC : 0);
}

static void put_health(json_t **o, const struct backend_health *h, nsec_t now)
{
	nsec_t held_until = h->held ? h->held_until : NSEC_NEVER;

	control_put(o, "state", json_string(state_name(h)));
	control_put(o, "since_ms", control_number((now - h->since) / NSEC_PER_MSEC));
	control_put(o, "why", h->failed ? json_string(health_why_name(h->why)) : json_null());
	control_put(o, "last_error", h->error[0] ? control_text(h->error) : json_null());
	control_put(o, "last_error_ms",
		    h->error[0] ? control_number((now - h->error_at) / NSEC_PER_MSEC)
				: json_null());
	control_put(o, "checked", json_boolean(h->checked));
	control_put(o, "check_latency_us",
		    h->result_at ? control_number(h->latency / NSEC_PER_USEC) : json_null());
	control_put(o, "held_for_ms", ms_left(held_until, now));
}

static void put_counters(json_t **o, const struct backend *b)
{
	struct backend_counters sum;
	uint64_t connects;

	backend_sum(b, &sum);
	connects = counter_read(sum.connects);
	control_put(o, "in_use", control_number(backend_in_use(b)));
	control_put(o, "active", control_number(counter_read(sum.active)));
	control_put(o, "connections", control_number(counter_read(sum.connections)));
	control_put(o, "connect_failures", control_number(counter_read(sum.connect_failures)));
	control_put(o, "instant_resets", control_number(counter_read(sum.instant_resets)));
	control_put(o, "bytes_in", control_number(counter_read(sum.bytes_in)));
	control_put(o, "bytes_out", control_number(counter_read(sum.bytes_out)));
	control_put(
		o, "connect_us",
		connects ? control_number(counter_read(sum.connect_nsec) / connects / NSEC_PER_USEC)
			 : json_null());
}

/* Where its check goes; null when it has none. */
static json_t *show_check_address(const struct live_service *s, const struct live_backend *b)
{
	struct address target;

	if (!b->health.checked)
		return json_null();
	target = check_config_target(&s->check, &b->backend->address);
	return control_address(&target);
}

/* How its check gets there; null when it has none. */
static json_t *show_check_path(const struct live_backend *b)
{
	if (!b->health.checked)
		return json_null();
	return json_string(forward_is_dsr(b->check_path) ? forward_kind_name(b->check_path)
							 : "straight");
}

json_t *control_backend(const struct daemon *d, const struct live_service *s,
			const struct live_backend *b, double share)
{
	struct drift drift = live_backend_drift(d, s, b);
	const struct pool_member *m = &s->pool.members[b - s->backends];
	nsec_t now = clock_now();
	json_t *o = json_object();

	control_put(&o, "service", json_string(s->service->name));
	control_put(&o, "name", json_string(b->backend->name));
	control_put(&o, "address", control_address(&b->backend->address));
	control_put(&o, "weight", control_number(m->weight));
	control_put(&o, "max_connections", control_number(b->config.max_connections));
	control_put(&o, "backup", json_boolean(m->backup));
	control_put(&o, "admin", json_string(admin_state_name(m->admin)));
	put_health(&o, &b->health, now);
	control_put(&o, "check_address", show_check_address(s, b));
	control_put(&o, "check_path", show_check_path(b));
	control_put(&o, "eligible", json_boolean(m->eligible));
	control_put(&o, "braked", json_boolean(m->braked));
	control_put(&o, "slow_start_percent",
		    m->ramping ? control_number(m->steps * 100u / BALANCE_STEPS) : json_null());
	control_put(&o, "share", json_real(share));
	control_put(&o, "drifted", json_boolean(drift.kind != DRIFT_NONE));
	control_put(&o, "drift", control_drift(&drift));
	/* Of an operator's drain, or of on_down: drain. */
	control_put(&o, "drain_left_ms", ms_left(b->drain_deadline, now));
	control_put(&o, "way", control_show_way(forwarding_way(d, &b->backend->address)));
	put_counters(&o, b->backend);
	return o;
}

static void append_backends(json_t **list, const struct daemon *d, const struct live_service *s)
{
	_cleanup_(freep) double *shares = NULL;

	if (control_shares(s, &shares) < 0) {
		control_append(list, NULL);
		return;
	}
	for (size_t i = 0; i < s->n_backends; i++)
		control_append(list, control_backend(d, s, &s->backends[i], shares[i]));
}

/* Those the file has and nobody serves with, since they were removed at run time. */
static void append_removed(json_t **list, const struct daemon *d, const struct live_service *s)
{
	_cleanup_(freep) struct drift *drifts = NULL;
	size_t n;

	if (live_service_drift(d, s, &drifts, &n) < 0) {
		control_append(list, NULL);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		json_t *o;

		if (drifts[i].kind != DRIFT_REMOVED)
			continue;
		o = json_object();
		control_put(&o, "service", json_string(s->service->name));
		control_put(&o, "name", json_string(drifts[i].file->name));
		control_put(&o, "file", control_backend_config(drifts[i].file));
		control_append(list, o);
	}
}

static void append_both(json_t **list, json_t **removed, const struct daemon *d,
			const struct live_service *s)
{
	append_backends(list, d, s);
	append_removed(removed, d, s);
}

void control_get_backends(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	json_t *o, *list, *removed;
	bool named;
	const struct live_service *only = control_named_service(d, q, &named, ret);

	if (named && !only)
		return;
	o = json_object();
	list = json_array();
	removed = json_array();
	for (size_t i = 0; i < d->n_services; i++)
		if (!named || d->services[i] == only)
			append_both(&list, &removed, d, d->services[i]);
	control_put(&o, "backends", list);
	control_put(&o, "removed", removed);
	control_answer(o, ret);
}

/* The names of the services, or of the backends of `s`: NULL-terminated, to be free()d. */
static const char **list_names(const struct daemon *d, const struct live_service *s)
{
	size_t n = s ? s->n_backends : d->n_services;
	const char **names = calloc(n + 1, sizeof(*names));

	for (size_t i = 0; names && i < n; i++)
		names[i] = s ? s->backends[i].backend->name : d->services[i]->service->name;
	return names;
}

char *control_nearest_hint(const struct daemon *d, const struct http_request *q, char *buffer,
			   size_t size)
{
	const char *service = http_request_value(q, "service");
	const struct live_service *s = service ? daemon_find_service(d, service) : NULL;
	const char *given = s ? http_request_value(q, "name") : service, *near;
	_cleanup_(freep) const char **names = list_names(d, s);
	size_t length;

	if (!names || !given)
		return NULL;
	near = text_nearest(given, names);
	if (near) {
		snprintf(buffer, size, "did you mean \"%s\"?", near);
		return buffer;
	}
	length = (size_t)snprintf(buffer, size, "there %s", names[0] ? "is " : "are none");
	for (size_t i = 0; names[i] && length + NAME_LENGTH_MAX + 8 < size; i++) {
		bool last = length + 2 * (NAME_LENGTH_MAX + 8) >= size;

		length += (size_t)snprintf(buffer + length, size - length, "%s%s", i ? ", " : "",
					   last ? "…" : names[i]);
	}
	return buffer;
}
