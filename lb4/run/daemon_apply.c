// SPDX-License-Identifier: BSD-2-Clause
/*
 * Making a configuration hold, all or nothing. Everything that can fail has been staged beside what
 * runs (daemon_stage.c). Then the staged parts take the place of the old ones; what stays by name
 * and address keeps its identity, so its connections never notice.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_private.h"
#include "log.h"
#include "plan.h"
#include "worker.h"

/* Takes over what could not be staged: the pool that stays. */
static void take_over(struct live_service *old, struct live_service *new)
{
	if (new->pool.table)
		return;
	new->pool = old->pool;
	old->pool = (struct pool)POOL_INIT;
}

/* The sockets in use stay open, also those of an address that another service has now. */
static void take_over_listeners(struct daemon *d, struct live_service *new)
{
	for (size_t i = 0; i < new->n_listeners; i++) {
		struct live_listener *l = &new->listeners[i];
		struct live_service *owner;
		struct live_listener *known = daemon_find_listener(d, &l->address, &owner);

		if (!known)
			continue;
		l->fds = take_ptr(known->fds);
		l->moved = known->moved || owner->service != new->service;
	}
}

static void move_listeners(struct daemon *d, struct live_service *s)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		struct live_listener *l = &s->listeners[i];
		bool told = l->moved;

		for (unsigned j = 0; l->moved && j < d->n_workers; j++)
			told &= worker_move_listener(d->workers[j], l->id, s->service) >= 0;
		if (told)
			l->moved = false;
		else if (l->moved)
			log_error("service %s: a worker could not be told to serve its new "
				  "address: out of memory",
				  s->service->name);
	}
}

static void give_listeners(struct daemon *d, struct live_service *s)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		struct live_listener *l = &s->listeners[i];

		for (unsigned j = 0; j < d->n_workers; j++) {
			if (l->fds[j] < 0)
				continue;
			if (worker_listen(d->workers[j], l->id, s->service, &l->address,
					  l->fds[j]) >= 0)
				l->fds[j] = -1;
			else
				log_error("service %s: worker %u could not be told to listen: "
					  "out of memory",
					  s->service->name, j);
		}
	}
}

/* What the old services had and the new ones have not. */
static void drop_old(struct daemon *d, struct live_service *old, const struct live_service *new)
{
	for (size_t i = 0; i < old->n_listeners; i++) {
		struct live_service *owner;

		if (daemon_find_listener(d, &old->listeners[i].address, &owner))
			continue;
		for (unsigned j = 0; j < d->n_workers; j++)
			worker_unlisten(d->workers[j], old->listeners[i].id);
	}
	/* Connects under way for a service that is gone have no other candidate: they go on. */
	for (size_t i = 0; new &&i < old->n_backends; i++) {
		struct backend *b = old->backends[i].backend;
		const struct live_backend *known = live_service_find_backend(new, b->name);

		if (!known || known->backend != b)
			daemon_leave_backend(d, b, END_NONE);
	}
}

static void set_policies(struct daemon *d, const struct config *config)
{
	log_set_level(config->log_level);
	atomic_store_explicit(&d->line_policy.connections, config->log_connections,
			      memory_order_relaxed);
	atomic_store_explicit(&d->memory.max, config->max_memory, memory_order_relaxed);
	atomic_store_explicit(&d->line_policy.sample, config->log_sample, memory_order_relaxed);
}

static void tell_what_waits_for_a_restart(struct daemon *d, const struct plan *plan)
{
	for (size_t i = 0; i < plan->settings.n; i++) {
		const struct setting_change *c = &plan->settings.items[i];

		if (c->setting->at_start)
			events_record(&d->events, EVENT_RESTART_NEEDED, NULL, NULL,
				      EVENT_VALUES(EVENT_TEXT("setting", c->key)),
				      "%s: takes effect at the next start", c->key);
	}
}

static void commit(struct daemon *d, struct staged *staged, struct config *config)
{
	struct live_service **old_services = d->services;
	size_t n_old = d->n_services;
	struct config *old_config = d->config;

	for (size_t i = 0; i < staged->n_services; i++) {
		struct live_service *old =
			daemon_find_service(d, staged->services[i]->service->name);

		if (old)
			take_over(old, staged->services[i]);
		take_over_listeners(d, staged->services[i]);
	}
	d->services = take_ptr(staged->services);
	d->n_services = staged->n_services;
	staged->n_services = 0;
	d->config = config;
	set_policies(d, d->config);

	if (old_config)
		daemon_tell_changes(d, old_services, n_old);

	/*
	 * Tables, then sockets: no worker meets a connection for a service it does not know. Those
	 * that change hands before that, since the service they were of may be gone from the tables.
	 */
	for (size_t i = 0; i < d->n_services; i++)
		move_listeners(d, d->services[i]);
	daemon_publish(d);
	for (size_t i = 0; i < d->n_services; i++) {
		give_listeners(d, d->services[i]);
		daemon_update_pool(d, d->services[i]);
	}
	daemon_set_targets(d);
	for (size_t i = 0; i < n_old; i++) {
		struct live_service *new = daemon_find_service(d, old_services[i]->service->name);

		drop_old(d, old_services[i], new);
		live_service_free(old_services[i], d->n_workers);
	}
	free(old_services);
	config_free(old_config);
	daemon_state_changed(d);
	d->deadline = 0; /* looked at anew */
}

int daemon_apply(struct daemon *d, struct config *config, struct plan **ret, char **ret_error)
{
	_cleanup_(staged_deinit) struct staged staged = {};
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int r = daemon_stage(d, config, &staged, ret_error);

	if (r >= 0 && ret)
		r = daemon_plan_staged(d, &staged, &plan);
	/* Sockets last: a connection may arrive at one at once. */
	if (r >= 0)
		r = daemon_stage_listeners(d, &staged, ret_error);
	if (r == -ENOMEM && !*ret_error)
		return daemon_refuse(ret_error, r, "out of memory; nothing has changed");
	if (r < 0)
		return r;
	commit(d, &staged, config);
	if (ret) {
		tell_what_waits_for_a_restart(d, plan);
		*ret = take_ptr(plan);
	}
	return 0;
}
