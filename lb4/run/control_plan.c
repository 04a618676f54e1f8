// SPDX-License-Identifier: BSD-2-Clause
/* What a file would change, and what a reload has changed: told in the same words. */
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "plan.h"

json_t *control_setting_changes(const struct setting_changes *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n; i++) {
		const struct setting_change *change = &c->items[i];
		json_t *o = json_object();

		control_put(&o, "key", control_text(change->key));
		control_put(&o, "old", control_text(change->old));
		control_put(&o, "new", control_text(change->new));
		control_put(&o, "at_start", json_boolean(change->setting->at_start));
		control_append(&list, o);
	}
	return list;
}

static json_t *show_totals(const struct plan_totals *t)
{
	json_t *o = json_object();

	control_put(&o, "services_added", control_number(t->services_added));
	control_put(&o, "services_removed", control_number(t->services_removed));
	control_put(&o, "backends_added", control_number(t->backends_added));
	control_put(&o, "backends_removed", control_number(t->backends_removed));
	control_put(&o, "backends_changed", control_number(t->backends_changed));
	control_put(&o, "slots_moved", control_number(t->slots_moved));
	return o;
}

static json_t *show_backend(const struct plan_backend *b)
{
	json_t *o = json_object();

	control_put(&o, "name", json_string(b->config.name));
	control_put(&o, "change", json_string(plan_kind_name(b->kind)));
	control_put(&o, "is", control_backend_config(&b->config));
	control_put(&o, "settings", control_setting_changes(&b->changes));
	control_put(&o, "drift", control_text(drift_kind_name(b->drift)));
	control_put(&o, "finishing", control_number(b->finishing));
	return o;
}

static json_t *show_slots(const struct plan_service *s)
{
	json_t *o;

	if (!s->has_table)
		return json_null();
	o = json_object();
	control_put(&o, "size", control_number(s->size));
	control_put(&o, "moved", control_number(s->moved));
	control_put(&o, "minimum", control_number(s->minimum));
	control_put(&o, "at_once", control_number(s->at_once));
	control_put(&o, "redirected", json_real(s->redirected));
	control_put(&o, "redrawn", json_boolean(s->redrawn));
	return o;
}

static json_t *show_connections(const struct plan_service *s)
{
	json_t *o = json_object();

	control_put(&o, "active", control_number(s->active));
	control_put(&o, "finishing", control_number(s->finishing));
	control_put(&o, "reset", control_number(s->reset));
	control_put(&o, "deadlined", control_number(s->deadlined));
	return o;
}

static json_t *show_service(const struct plan_service *s)
{
	json_t *o = json_object(), *backends = json_array();

	for (size_t i = 0; i < s->n_backends_changed; i++)
		control_append(&backends, show_backend(&s->backends[i]));
	control_put(&o, "name", json_string(s->name));
	control_put(&o, "change", json_string(plan_kind_name(s->kind)));
	control_put(&o, "total", control_number(s->n_backends));
	control_put(&o, "settings", control_setting_changes(&s->settings));
	control_put(&o, "backends", backends);
	control_put(&o, "slots", show_slots(s));
	control_put(&o, "connections", show_connections(s));
	return o;
}

static void put_plan(json_t **o, const struct plan *plan)
{
	json_t *services = json_array();

	for (size_t i = 0; i < plan->n_services; i++)
		control_append(&services, show_service(&plan->services[i]));
	control_put(o, "changes", show_totals(&plan->totals));
	control_put(o, "settings", control_setting_changes(&plan->settings));
	control_put(o, "services", services);
}

/* What to do about a file that is good and cannot hold. NULL: the error says it. */
static const char *reload_hint(int r)
{
	switch (-r) {
	case EPERM:
		return "when it is meant: --force (\"force\": true)";
	case EADDRNOTAVAIL:
		return "no interface has that address: add it, or set net.ipv4.ip_nonlocal_bind";
	case EADDRINUSE:
		return "ss -ltnp shows who listens there";
	default:
		return NULL;
	}
}

void control_post_plan(void *context, const struct http_request *q, struct http_response *ret)
{
	_cleanup_(config_errors_deinit) struct config_errors errors = {};
	_cleanup_(config_freep) struct config *config = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_cleanup_(freep) char *error = NULL;
	struct daemon *d = context;
	json_t *o;
	int r;

	r = config_parse(q->body, q->body_size, &config, &errors);
	if (r < 0 && errors.n_errors) {
		control_refuse_config(NULL, &errors, ret);
		return;
	}
	if (r >= 0)
		r = daemon_plan(d, config, &plan, &error);
	if (r < 0) {
		control_refuse_errno(r, error, reload_hint(r), ret);
		return;
	}
	o = json_object();
	control_put(&o, "ok", json_true());
	put_plan(&o, plan);
	control_put(&o, "losses", control_text(plan->losses));
	control_answer(o, ret);
}

struct reload_request {
	bool force;
};

void control_post_reload(void *context, const struct http_request *q, struct http_response *ret)
{
	static const struct control_field fields[] = {
		{"force", CONTROL_BOOL, .offset = offsetof(struct reload_request, force)},
	};
	struct daemon *d = context;
	struct reload_request request = {};
	_cleanup_(json_decrefp) json_t *body =
		control_parse_body(q, fields, sizeof(fields) / sizeof(fields[0]), &request, ret);
	_cleanup_(config_errors_deinit) struct config_errors errors = {};
	_cleanup_(freep) char *error = NULL;
	_cleanup_(plan_freep) struct plan *done = NULL;
	json_t *o;
	int r;

	if (!body)
		return;
	r = daemon_reload(d, request.force, &done, &errors, &error);
	if (r < 0 && errors.n_errors) {
		control_refuse_config(d->config_path, &errors, ret);
		return;
	}
	if (r < 0) {
		control_refuse_errno(r, error, reload_hint(r), ret);
		return;
	}
	o = json_object();
	control_put(&o, "ok", json_true());
	control_put(&o, "path", control_text(d->config_path));
	put_plan(&o, done);
	control_answer_kept(d, o, ret);
}
