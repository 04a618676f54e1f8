// SPDX-License-Identifier: BSD-2-Clause
/* Reading the file again, and telling beforehand what that would change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_file.h"
#include "daemon_private.h"
#include "drift.h"
#include "forwarding.h"
#include "log.h"
#include "plan.h"
#include "supervision.h"

/* A truncated file is still valid YAML: too large a loss needs the operator's word. */
static int check_losses(const struct daemon *d, const struct config *config, char **ret_error)
{
	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];
		const struct service_config *new = config_find_service(config, s->service->name);
		size_t lost = 0;

		if (!new)
			return daemon_refuse(ret_error, -EPERM,
					     "the file has no service %s any more",
					     s->service->name);
		for (size_t j = 0; j < s->n_backends; j++)
			lost += !service_config_find_backend(new, s->backends[j].backend->name);
		if (2 * lost > s->n_backends)
			return daemon_refuse(
				ret_error, -EPERM,
				"the file removes %zu of the %zu backends of service %s", lost,
				s->n_backends, s->service->name);
	}
	return 0;
}

/* Connections of dsr are known by the slot that the seed gives them, and by nothing else. */
static int check_seed(const struct daemon *d, const struct config *config, char **ret_error)
{
	if (config->seed == d->config->seed)
		return 0;
	if (forwarding_lingering(d) > 0)
		return daemon_refuse(ret_error, -EPERM,
				     "the file has another seed, and connections of a service that "
				     "had forward: dsr, which go on, would get to other backends");
	for (size_t i = 0; i < d->n_services; i++)
		if (forward_is_dsr(d->services[i]->settings.forward))
			return daemon_refuse(
				ret_error, -EPERM,
				"the file has another seed, and connections of service %s, which "
				"has forward: %s, would get to other backends",
				d->services[i]->service->name,
				forward_kind_name(d->services[i]->settings.forward));
	return 0;
}

/* Listeners opened now would keep it from ever ending. */
static int refuse_while_stopping(const struct daemon *d, char **ret_error)
{
	return d->stopping ? daemon_refuse(ret_error, -ESHUTDOWN, "lb4 is stopping") : 0;
}

int daemon_plan(struct daemon *d, const struct config *config, struct plan **ret, char **ret_error)
{
	_cleanup_(staged_deinit) struct staged staged = {};
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int r = refuse_while_stopping(d, ret_error);

	if (r < 0)
		return r;
	r = daemon_stage(d, config, &staged, ret_error);
	if (r >= 0)
		r = daemon_plan_staged(d, &staged, &plan);
	if (r >= 0)
		r = daemon_try_listeners(d, config, ret_error);
	if (r < 0)
		return r;
	if (check_losses(d, config, &plan->losses) == 0)
		check_seed(d, config, &plan->losses);
	*ret = take_ptr(plan);
	return 0;
}

static int reload(struct daemon *d, bool force, struct plan **ret, struct config_errors *ret_errors,
		  char **ret_error)
{
	_cleanup_(config_freep) struct config *config = NULL;
	int r = refuse_while_stopping(d, ret_error);

	if (r < 0)
		return r;
	if (!d->config_path)
		return daemon_refuse(ret_error, -EINVAL,
				     "lb4 was started without a file; there is nothing to reload");
	r = config_file_read(d->config_path, &config, ret_errors);
	if (r == -EINVAL)
		return daemon_refuse(ret_error, r, "%s has %zu fault%s; nothing has changed",
				     d->config_path, ret_errors->n_errors,
				     ret_errors->n_errors == 1 ? "" : "s");
	if (r < 0)
		return daemon_refuse(ret_error, r, "cannot read %s: %s", d->config_path,
				     strerrordesc_np(-r));
	if (!force) {
		r = check_losses(d, config, ret_error);
		if (r >= 0)
			r = check_seed(d, config, ret_error);
		if (r < 0)
			return r;
	}
	r = daemon_apply(d, config, ret, ret_error);
	if (r >= 0)
		config = NULL; /* the daemon's now */
	return r;
}

static void tell_refusal(struct daemon *d, int r, const struct config_errors *errors)
{
	events_record(&d->events, EVENT_RELOAD_REFUSED, NULL, NULL,
		      EVENT_VALUES(EVENT_NUMBER("faults", errors->n_errors)), "reload refused: %s",
		      d->reload_error ?: strerrordesc_np(-r));
	for (size_t i = 0; i < errors->n_errors; i++)
		log_warning("%s:%u:%u: %s (%s)", d->config_path, errors->errors[i].line,
			    errors->errors[i].column, errors->errors[i].message,
			    errors->errors[i].hint ?: "nothing has changed");
}

static void tell_reload(struct daemon *d, const struct plan_totals *t)
{
	events_record(&d->events, EVENT_RELOAD, NULL, NULL,
		      EVENT_VALUES(EVENT_NUMBER("services_added", t->services_added),
				   EVENT_NUMBER("services_removed", t->services_removed),
				   EVENT_NUMBER("backends_added", t->backends_added),
				   EVENT_NUMBER("backends_removed", t->backends_removed),
				   EVENT_NUMBER("backends_changed", t->backends_changed),
				   EVENT_NUMBER("slots_moved", t->slots_moved)),
		      "reloaded: services +%u -%u, backends +%u -%u, %u changed, %llu slots moved",
		      t->services_added, t->services_removed, t->backends_added,
		      t->backends_removed, t->backends_changed, (unsigned long long)t->slots_moved);
}

/* The file wins: what operators changed at run time and did not save. */
static void tell_dropped(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_services; i++) {
		const struct plan_service *s = &plan->services[i];

		for (size_t j = 0; j < s->n_backends_changed; j++)
			if (s->backends[j].drift != DRIFT_NONE)
				log_warning("service %s: backend %s was %s at run time; that is "
					    "dropped, the file says otherwise",
					    s->name, s->backends[j].config.name,
					    drift_kind_name(s->backends[j].drift));
	}
}

int daemon_reload(struct daemon *d, bool force, struct plan **ret, struct config_errors *ret_errors,
		  char **ret_error)
{
	char *error = NULL;
	int r;

	supervision_reloading(d);
	r = reload(d, force, ret, ret_errors, &error);
	free(d->reload_error);
	d->reload_error = NULL;
	if (r < 0) {
		d->reload_error = error ? strdup(error) : NULL;
		tell_refusal(d, r, ret_errors);
		*ret_error = error;
	} else {
		d->n_reloads++;
		tell_reload(d, &(*ret)->totals);
		tell_dropped(*ret);
	}
	supervision_reloaded(d);
	return r < 0 ? r : 0;
}
