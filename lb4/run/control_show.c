// SPDX-License-Identifier: BSD-2-Clause
/* What the control API shows of the daemon as a whole and of connections. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checker.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "descriptors.h"
#include "drift.h"
#include "forwarding.h"
#include "text.h"
#include "worker.h"

#define CONNECTIONS_DEFAULT 1000
#define CONNECTIONS_MAX	    10000 /* about 20 MB while the answer is made */

struct live_service *control_named_service(const struct daemon *d, const struct http_request *q,
					   bool *ret_named, struct http_response *ret_refusal)
{
	const char *name = http_request_value(q, "service");
	char error[CONTROL_TEXT_MAX], hint[CONTROL_TEXT_MAX];
	struct live_service *s;

	*ret_named = name != NULL;
	if (!name)
		return NULL;
	s = daemon_find_service(d, name);
	if (!s) {
		snprintf(error, sizeof(error), "there is no service \"%.100s\"", name);
		control_refuse(404, error, control_nearest_hint(d, q, hint, sizeof(hint)),
			       ret_refusal);
	}
	return s;
}

struct live_service *control_required_service(const struct daemon *d, const struct http_request *q,
					      struct http_response *ret_refusal)
{
	bool named;
	struct live_service *s = control_named_service(d, q, &named, ret_refusal);

	if (!named)
		control_refuse(400, "the parameter \"service\" is missing", NULL, ret_refusal);
	return s;
}

static json_t *services_up_of(uint64_t up, uint64_t total)
{
	json_t *o = json_object();

	control_put(&o, "up", control_number(up));
	control_put(&o, "total", control_number(total));
	return o;
}

static void put_totals(json_t **o, const struct daemon *d)
{
	uint64_t services_up = 0, backends = 0, up = 0, eligible = 0, active = 0, drift = 0;
	json_t *brake = json_array(), *on_backups = json_array();

	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];
		struct service_counters sum;

		service_sum(s->service, &sum);
		active += counter_read(sum.active);
		/* Somebody may be chosen, or nobody ever is: it has routes alone. */
		services_up += control_count_eligible(s) > 0 || s->n_backends == 0;
		backends += s->n_backends;
		up += control_count_up(s);
		eligible += control_count_eligible(s);
		drift += live_service_count_drift(d, s);
		if (s->pool.brake)
			control_append(&brake, json_string(s->service->name));
		if (s->pool.on_backups)
			control_append(&on_backups, json_string(s->service->name));
	}
	control_put(o, "active", control_number(active));
	control_put(o, "services", services_up_of(services_up, d->n_services));
	control_put(o, "backends", control_backends_up(up, eligible, backends));
	control_put(o, "brake", brake);
	control_put(o, "on_backups", on_backups);
	control_put(o, "drift", control_number(drift));
}

/* What should not happen and is counted: zeroes on a good day. */
static json_t *show_trouble(const struct daemon *d)
{
	uint64_t accept_pauses = 0, memory_pauses = 0, starved = 0,
		 lines_dropped = forwarding_lines_dropped(d), reports_dropped = 0,
		 parking_failures = 0, pipe_shortages = 0;
	struct checker_stats checker;
	json_t *o = json_object();

	for (unsigned i = 0; i < d->n_workers; i++) {
		const struct worker_counters *c = worker_counters(d->workers[i]);

		accept_pauses += counter_read(c->accept_pauses);
		memory_pauses += counter_read(c->memory_pauses);
		starved += counter_read(c->starved);
		lines_dropped += counter_read(c->lines_dropped);
		reports_dropped += counter_read(c->reports_dropped);
		parking_failures += counter_read(c->parking_failures);
		pipe_shortages += counter_read(c->pipe_shortages);
	}
	checker_stats(d->checker, &checker);
	control_put(&o, "accept_pauses", control_number(accept_pauses));
	control_put(&o, "memory_pauses", control_number(memory_pauses));
	control_put(&o, "starved", control_number(starved));
	control_put(&o, "lines_dropped", control_number(lines_dropped));
	control_put(&o, "reports_dropped", control_number(reports_dropped + checker.n_dropped));
	control_put(&o, "checks_postponed", control_number(checker.n_postponed));
	control_put(&o, "parking_failures", control_number(parking_failures));
	control_put(&o, "pipe_shortages", control_number(pipe_shortages));
	return o;
}

static uint64_t count_parked(const struct daemon *d)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < d->n_workers; i++)
		n += counter_read(worker_counters(d->workers[i])->parked);
	return n;
}

static json_t *show_pipes(const struct daemon *d)
{
	uint64_t used = 0;
	json_t *o = json_object();

	for (unsigned i = 0; i < d->n_workers; i++)
		used += counter_read(worker_counters(d->workers[i])->pipes);
	control_put(&o, "used", control_number(used));
	control_put(&o, "limit", control_number(d->limit.pipes));
	return o;
}

static json_t *show_descriptors(const struct daemon *d)
{
	uint64_t used = descriptors_used();
	json_t *o = json_object();

	control_put(&o, "used", used ? control_number(used) : json_null());
	control_put(&o, "limit", control_number(d->limit.descriptors));
	return o;
}

void control_get_status(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	nsec_t now = clock_now();
	json_t *o = json_object(), *left = json_null();

	(void)q;
	if (d->stopping)
		left = control_number(
			d->stop_deadline > now ? (d->stop_deadline - now) / NSEC_PER_MSEC : 0);
	control_put(&o, "version", json_string(LB4_VERSION));
	control_put(&o, "pid", json_integer(getpid()));
	control_put(&o, "started_ms", control_number(d->started_wall / NSEC_PER_MSEC));
	control_put(&o, "uptime_ms", control_number((now - d->started_at) / NSEC_PER_MSEC));
	control_put(&o, "workers", control_number(d->n_workers));
	control_put(&o, "config", control_text(d->config_path));
	control_put(&o, "max_connections", control_number(d->limit.max));
	control_put(&o, "max_memory", control_number(atomic_load(&d->memory.max)));
	control_put(&o, "memory", control_number(atomic_load(&d->memory.used)));
	put_totals(&o, d);
	control_put(&o, "parked", control_number(count_parked(d)));
	control_put(&o, "descriptors", show_descriptors(d));
	control_put(&o, "pipes", show_pipes(d));
	control_put(&o, "fastpath", control_show_fastpath(d));
	control_put(&o, "state_file", control_show_state_file(d));
	control_put(&o, "reloads", control_number(d->n_reloads));
	control_put(&o, "reload_error", control_text(d->reload_error));
	control_put(&o, "trouble", show_trouble(d));
	control_put(&o, "stopping", json_boolean(d->stopping));
	control_put(&o, "stop_in_ms", left);
	control_answer(o, ret);
}

static json_t *show_connection(const struct connection_info *c)
{
	json_t *o = json_object();

	control_put(&o, "id", control_number(c->id));
	control_put(&o, "state", json_string(c->state));
	control_put(&o, "service", json_string(c->service->name));
	control_put(&o, "via", control_text(c->via ? c->via->name : NULL));
	control_put(&o, "sni", control_text(c->sni));
	control_put(&o, "backend", control_text(c->backend ? c->backend->name : NULL));
	control_put(&o, "client", control_address(&c->client));
	control_put(&o, "peer", control_address(&c->peer));
	control_put(&o, "local", control_address(&c->local));
	control_put(&o, "server", c->backend ? control_address(&c->backend->address) : json_null());
	control_put(&o, "path", json_string(c->relay ? "splice" : "nat"));
	control_put(&o, "relay", control_text(c->relay));
	control_put(&o, "worker", c->relay ? control_number(c->worker) : json_null());
	control_put(&o, "tries", control_number(c->tries));
	control_put(&o, "age_ms", control_number(c->age / NSEC_PER_MSEC));
	control_put(&o, "idle_ms", control_number(c->idle / NSEC_PER_MSEC));
	control_put(&o, "bytes_in", control_number(c->bytes_in));
	control_put(&o, "bytes_out", control_number(c->bytes_out));
	return o;
}

static uint64_t count_active(const struct daemon *d, const struct live_service *only)
{
	uint64_t active = 0;

	for (size_t i = 0; i < d->n_services; i++) {
		struct service_counters sum;

		if (only && d->services[i] != only)
			continue;
		service_sum(d->services[i]->service, &sum);
		active += counter_read(sum.active);
	}
	return active;
}

void control_get_connections(void *context, const struct http_request *q, struct http_response *ret)
{
	struct daemon *d = context;
	const char *limit_text = http_request_value(q, "limit");
	uint64_t limit = CONNECTIONS_DEFAULT;
	struct connection_info *infos;
	json_t *o, *list;
	bool named;
	const struct live_service *only = control_named_service(d, q, &named, ret);
	size_t n;
	int r;

	if (named && !only)
		return;
	if (limit_text && text_parse_unsigned(limit_text, CONNECTIONS_MAX, &limit) < 0) {
		control_refuse(400, "\"limit\": expected a whole number from 0 to 10000", NULL,
			       ret);
		return;
	}
	r = daemon_connections(d, only ? only->service->name : NULL, limit, &infos, &n);
	if (r < 0) {
		control_refuse_errno(r, "the workers did not tell their connections", "try again",
				     ret);
		return;
	}
	o = json_object();
	list = json_array();
	for (size_t i = 0; i < n && i < limit; i++)
		control_append(&list, show_connection(&infos[i]));
	connection_infos_free(infos, n);
	control_put(&o, "connections", list);
	control_put(&o, "limit", control_number(limit));
	control_put(&o, "active", control_number(count_active(d, only)));
	control_answer(o, ret);
}
