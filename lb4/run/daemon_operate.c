// SPDX-License-Identifier: BSD-2-Clause
/* What operators ask for. Every refusal is one sentence that says what to do. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_private.h"
#include "forwarding.h"
#include "log.h"
#include "worker.h"

int daemon_refuse(char **ret_error, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(ret_error, format, args) < 0)
		*ret_error = NULL;
	va_end(args);
	return error;
}

struct live_service *daemon_find_service(const struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->n_services; i++)
		if (!strcmp(d->services[i]->service->name, name))
			return d->services[i];
	return NULL;
}

static int find(struct daemon *d, const char *service, const char *name, struct live_service **ret,
		struct live_backend **ret_backend, char **ret_error)
{
	struct live_service *s = daemon_find_service(d, service);

	if (!s)
		return daemon_refuse(ret_error, -ENOENT, "there is no service %s", service);
	*ret = s;
	if (!name)
		return 0;
	*ret_backend = live_service_find_backend(s, name);
	if (!*ret_backend)
		return daemon_refuse(ret_error, -ENOENT, "service %s has no backend %s", service,
				     name);
	return 0;
}

/* The backends as they are now; borrows names. */
static struct backend_config *present_backends(const struct live_service *s, size_t room)
{
	struct backend_config *configs = calloc(s->n_backends + room, sizeof(configs[0]));

	for (size_t i = 0; configs && i < s->n_backends; i++)
		configs[i] = s->backends[i].config;
	return configs;
}

/* The set of backends has changed. */
static int set_backends(struct daemon *d, struct live_service *s,
			const struct backend_config *configs, size_t n, char **ret_error)
{
	uint64_t before = s->pool.n_slots_moved;
	int r = live_service_set_backends(d, s, configs, n);

	if (r < 0)
		return daemon_refuse(ret_error, r, "out of memory; nothing has changed");
	daemon_tell_slots(d, s, s->pool.n_slots_moved - before, false);
	daemon_publish(d);
	daemon_update_pool(d, s);
	daemon_set_targets(d);
	d->deadline = 0;
	return 0;
}

/* What keeps packets of the service from getting to such a backend; NULL: nothing. */
static const char *find_unfit(const struct live_service *s, const struct address *backend)
{
	const char *why = NULL;

	for (size_t i = 0; i < s->n_listeners && !why; i++)
		why = forward_unfit(s->settings.forward, &s->listeners[i].address, backend);
	return why;
}

int daemon_add_backend(struct daemon *d, const char *service, const char *name, const char *address,
		       uint32_t weight, bool backup, char **ret_error)
{
	_cleanup_(backend_config_deinit) struct backend_config added = {};
	_cleanup_(freep) struct backend_config *configs = NULL;
	char text[ADDRESS_TEXT_MAX];
	struct live_service *s = NULL;
	const char *why;
	size_t n;
	int r = find(d, service, NULL, &s, NULL, ret_error);

	if (r < 0)
		return r;
	r = backend_config_parse(name, address, weight, &added, ret_error);
	if (r < 0)
		return r;
	n = s->n_backends;
	if (n >= BACKENDS_MAX)
		return daemon_refuse(ret_error, -EINVAL, "service %s has %d backends, the most",
				     service, BACKENDS_MAX);
	for (size_t i = 0; i < n; i++) {
		const struct backend *b = s->backends[i].backend;

		if (!strcmp(b->name, name))
			return daemon_refuse(ret_error, -EEXIST,
					     "service %s has a backend %s already", service, name);
		if (address_equal(&b->address, &added.address))
			return daemon_refuse(ret_error, -EEXIST,
					     "%s is the address of backend %s already",
					     address_print(&b->address, text), b->name);
	}
	why = find_unfit(s, &added.address);
	if (why)
		return daemon_refuse(ret_error, -EINVAL, "service %s has forward: %s, which %s",
				     service, forward_kind_name(s->settings.forward), why);
	configs = present_backends(s, 1);
	if (!configs)
		return -ENOMEM;
	added.backup = backup;
	configs[n] = added;
	r = set_backends(d, s, configs, n + 1, ret_error);
	if (r < 0)
		return r;
	events_record(&d->events, EVENT_BACKEND_ADDED, service, name,
		      EVENT_VALUES(EVENT_TEXT("address", address_print(&added.address, text)),
				   EVENT_NUMBER("weight", weight)),
		      "was added: %s, weight %u%s", text, weight, backup ? ", backup" : "");
	return 0;
}

int daemon_remove_backend(struct daemon *d, const char *service, const char *name, char **ret_error)
{
	_cleanup_(freep) struct backend_config *configs = NULL;
	struct live_service *s = NULL;
	struct live_backend *b = NULL;
	struct backend *removed;
	size_t i;
	int r = find(d, service, name, &s, &b, ret_error);

	if (r < 0)
		return r;
	/* Without any, clients that no route matches are reset, as the file may have it, too. */
	if (s->n_backends == 1 && !s->tls_routes)
		return daemon_refuse(ret_error, -EINVAL,
				     "%s is the last backend of service %s; disable it instead",
				     name, service);
	configs = present_backends(s, 0);
	if (!configs)
		return -ENOMEM;
	i = (size_t)(b - s->backends);
	memmove(&configs[i], &configs[i + 1], (s->n_backends - i - 1) * sizeof(configs[0]));
	removed = backend_ref(b->backend);
	r = set_backends(d, s, configs, s->n_backends - 1, ret_error);
	if (r >= 0) {
		daemon_leave_backend(d, removed, END_NONE);
		events_record(&d->events, EVENT_BACKEND_REMOVED, service, removed->name,
			      EVENT_VALUES(EVENT_NUMBER("connections", daemon_active(removed))),
			      "was removed; its connections may finish");
	}
	backend_unref(removed);
	return r;
}

int daemon_set_weight(struct daemon *d, const char *service, const char *name, uint32_t weight,
		      char **ret_error)
{
	_cleanup_(freep) struct backend_config *configs = NULL;
	struct live_service *s = NULL;
	struct live_backend *b = NULL;
	uint32_t before;
	size_t i;
	int r = find(d, service, name, &s, &b, ret_error);

	if (r < 0)
		return r;
	if (weight > WEIGHT_MAX)
		return daemon_refuse(ret_error, -EINVAL, "a weight is 0 to %d", WEIGHT_MAX);
	i = (size_t)(b - s->backends);
	before = s->pool.members[i].weight;
	if (before == weight)
		return 0;
	configs = present_backends(s, 0);
	if (!configs)
		return -ENOMEM;
	configs[i].weight = weight;
	r = set_backends(d, s, configs, s->n_backends, ret_error);
	if (r < 0)
		return r;
	events_record(&d->events, EVENT_BACKEND_WEIGHT, service, name,
		      EVENT_VALUES(EVENT_NUMBER("weight", weight), EVENT_NUMBER("before", before)),
		      "has weight %u now", weight);
	return 0;
}

static void tell_admin(struct daemon *d, const struct live_service *s, const struct live_backend *b,
		       enum admin_state state, nsec_t drain_timeout)
{
	static const struct {
		enum event_kind kind;
		const char *what;
	} states[] = {
		[ADMIN_ENABLED] = {EVENT_BACKEND_ENABLED, "is enabled"},
		[ADMIN_DRAINING] = {EVENT_DRAIN_BEGUN,
				    "is draining: no new connections, old ones may finish"},
		[ADMIN_DISABLED] = {EVENT_BACKEND_DISABLED,
				    "is disabled: no new connections, no checks"},
	};
	const struct event_value values[] = {
		EVENT_NUMBER("connections", daemon_active(b->backend)),
		EVENT_NUMBER(drain_timeout ? "timeout_ms" : NULL, drain_timeout / NSEC_PER_MSEC),
		{},
	};

	events_record(&d->events, states[state].kind, s->service->name, b->backend->name, values,
		      "%s", states[state].what);
}

int daemon_set_admin(struct daemon *d, const char *service, const char *name,
		     enum admin_state state, nsec_t drain_timeout, char **ret_error)
{
	struct live_service *s = NULL;
	struct live_backend *b = NULL;
	size_t i;
	int r = find(d, service, name, &s, &b, ret_error);

	if (r < 0)
		return r;
	i = (size_t)(b - s->backends);
	if (state == ADMIN_DRAINING && drain_timeout == 0)
		drain_timeout = s->settings.drain_timeout;
	b->drain_deadline = state == ADMIN_DRAINING && drain_timeout
				    ? nsec_add(d->now, drain_timeout)
				    : NSEC_NEVER;
	d->deadline = 0;
	daemon_state_changed(d);
	if (s->pool.members[i].admin == state)
		return 0;
	s->pool.members[i].admin = state;
	tell_admin(d, s, b, state, state == ADMIN_DRAINING ? drain_timeout : 0);
	daemon_watch_drain(d, b, state == ADMIN_DRAINING);
	daemon_update_pool(d, s);
	/* At once: by what becomes of slots now the answer tells whether somebody may be left. */
	if (d->publish_wanted)
		daemon_publish(d);
	daemon_set_targets(d);
	return 0;
}

void daemon_stop(struct daemon *d, nsec_t timeout)
{
	nsec_t deadline = nsec_add(d->now, timeout);

	if (d->stopping && deadline >= d->stop_deadline)
		return;
	d->stop_deadline = deadline;
	if (d->stopping)
		return;
	d->stopping = true;
	events_record(&d->events, EVENT_STOPPING, NULL, NULL,
		      EVENT_VALUES(EVENT_NUMBER("timeout_ms", timeout / NSEC_PER_MSEC)),
		      "stopping: no new connections; what is established may finish");
	supervision_stopping(d);
	forwarding_refuse(d);
	for (unsigned i = 0; i < d->n_workers; i++)
		if (worker_stop(d->workers[i]) < 0)
			log_error("worker %u could not be told to stop: out of memory", i);
}

/* --- questions --- */

uint64_t daemon_print_left(const struct daemon *d, char ret[DAEMON_LEFT_TEXT_MAX])
{
	uint64_t n = atomic_load_explicit(&d->limit.active, memory_order_relaxed) +
		     forwarding_flows_left(d);

	snprintf(ret, DAEMON_LEFT_TEXT_MAX, "%" PRIu64 "%s", n,
		 forwarding_has_uncounted(d) ? ", and those of dsr, which are not counted" : "");
	return n;
}

int daemon_connections(struct daemon *d, const char *service, size_t n_max,
		       struct connection_info **ret, size_t *ret_n)
{
	struct live_service *s = service ? daemon_find_service(d, service) : NULL;
	int r;

	if (service && !s)
		return -ENOENT;
	r = workers_list(d->workers, d->n_workers, s ? s->service : NULL, n_max, ret, ret_n);
	if (r < 0)
		return r;
	r = forwarding_connections(d, s ? s->service : NULL, n_max, ret, ret_n);
	if (r < 0)
		connection_infos_free(*ret, *ret_n);
	return r;
}
