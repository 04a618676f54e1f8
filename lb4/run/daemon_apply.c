// SPDX-License-Identifier: BSD-2-Clause
/*
 * Making a configuration hold, all or nothing. First everything that can fail is staged beside what
 * runs: services, tables, sockets. Then the staged parts take the place of the old ones; what stays
 * by name and address keeps its identity, so its connections never notice.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_private.h"
#include "log.h"
#include "socket.h"
#include "source_check.h"
#include "worker.h"

struct staged {
	struct config *config;
	struct live_service **services; /* in the order of config->services */
	size_t n_services;
	unsigned n_workers;
	struct daemon_change change;
};

static void staged_deinit(struct staged *s)
{
	for (size_t i = 0; i < s->n_services; i++)
		live_service_free(s->services[i], s->n_workers);
	free(s->services);
}

/* Of any service that runs: an address belongs to one. */
static struct live_listener *find_listener(const struct daemon *d, const struct address *address,
					   struct live_service **ret_service)
{
	for (size_t i = 0; i < d->n_services; i++) {
		struct live_service *s = d->services[i];

		for (size_t j = 0; j < s->n_listeners; j++) {
			if (!address_equal(&s->listeners[j].address, address))
				continue;
			*ret_service = s;
			return &s->listeners[j];
		}
	}
	return NULL;
}

/* Addresses of ours with that port are about to go, or share it by the file's rules. */
static bool port_is_ours(const struct daemon *d, uint16_t port)
{
	for (size_t i = 0; i < d->n_services; i++)
		for (size_t j = 0; j < d->services[i]->n_listeners; j++)
			if (d->services[i]->listeners[j].address.port == port)
				return true;
	return false;
}

/*
 * Sees to it that no other program listens there. Sockets of a process that was killed, or of a
 * reload a moment ago, may still be closing.
 */
static int claim(const struct daemon *d, const struct address *address)
{
	const struct timespec pause = {.tv_nsec = 10 * NSEC_PER_MSEC};
	unsigned patience = d->config ? 20 : 300;
	int r;

	if (port_is_ours(d, address->port))
		return 0;
	while ((r = socket_claim(address)) == -EADDRINUSE && patience-- > 0)
		nanosleep(&pause, NULL);
	return r;
}

static int open_listener(struct daemon *d, const struct address *address,
			 struct live_listener *listener, char **ret_error)
{
	char text[ADDRESS_TEXT_MAX];
	int r = claim(d, address);

	if (r < 0)
		return daemon_refuse(ret_error, r, "cannot listen on %s: %s",
				     address_print(address, text), strerrordesc_np(-r));
	listener->fds = malloc(d->n_workers * sizeof(listener->fds[0]));
	if (!listener->fds)
		return -ENOMEM;
	for (unsigned i = 0; i < d->n_workers; i++)
		listener->fds[i] = -1;
	for (unsigned i = 0; i < d->n_workers; i++) {
		r = socket_listen(address, &listener->fds[i]);
		if (r < 0)
			return daemon_refuse(ret_error, r, "cannot listen on %s: %s",
					     address_print(address, text), strerrordesc_np(-r));
	}
	return 0;
}

/* Addresses there were are marked by their id and move later; others are opened now. */
static int stage_listeners(struct daemon *d, const struct service_config *config,
			   struct live_service *s, char **ret_error)
{
	s->listeners = calloc(config->n_listen ? config->n_listen : 1, sizeof(s->listeners[0]));
	if (!s->listeners)
		return -ENOMEM;
	s->n_listeners = config->n_listen;
	for (size_t i = 0; i < config->n_listen; i++) {
		struct live_listener *listener = &s->listeners[i];
		struct live_service *owner;
		const struct live_listener *known = find_listener(d, &config->listen[i], &owner);
		int r;

		listener->address = config->listen[i];
		if (known) {
			listener->id = known->id;
			continue;
		}
		listener->id = ++d->next_id;
		r = open_listener(d, &listener->address, listener, ret_error);
		if (r < 0)
			return r;
	}
	return 0;
}

static void count_changes(struct staged *staged, const struct live_service *old,
			  const struct service_config *config)
{
	for (size_t i = 0; i < config->n_backends; i++) {
		const struct backend_config *b = &config->backends[i];
		const struct live_backend *known = live_service_find_backend(old, b->name);

		if (!known)
			staged->change.backends_added++;
		else if (!address_equal(&known->backend->address, &b->address) ||
			 old->pool.members[known - old->backends].weight != b->weight)
			staged->change.backends_changed++;
	}
	for (size_t i = 0; i < old->n_backends; i++)
		if (!service_config_find_backend(config, old->backends[i].backend->name))
			staged->change.backends_removed++;
}

static int stage(struct daemon *d, struct staged *staged, char **ret_error)
{
	const struct config *config = staged->config;

	staged->services = calloc(config->n_services, sizeof(staged->services[0]));
	if (!staged->services)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_services; i++) {
		const struct service_config *c = &config->services[i];
		struct live_service *old = daemon_find_service(d, c->name);
		int r = source_check(c, ret_error);

		if (r >= 0)
			r = live_service_new(d, c, config->seed, old, &staged->services[i]);
		if (r < 0)
			return r;
		staged->n_services++;
		if (old)
			count_changes(staged, old, c);
		else
			staged->change.services_added++;
	}
	/* Sockets last: a connection may arrive at one at once. */
	for (size_t i = 0; i < config->n_services; i++) {
		int r = stage_listeners(d, &config->services[i], staged->services[i], ret_error);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Takes over what could not be staged: the pool that stays. */
static void take_over(struct staged *staged, struct live_service *old, struct live_service *new)
{
	if (!new->pool.table) {
		new->pool = old->pool;
		old->pool = (struct pool)POOL_INIT;
		pool_configure(&new->pool, staged->config->seed, &new->settings);
	} else {
		staged->change.slots_moved += new->pool.n_slots_moved - old->pool.n_slots_moved;
	}
	live_backends_tell_pool(new->backends, &new->pool);
	for (size_t i = 0; i < new->n_backends; i++)
		new->backends[i].drifted = false;
}

/* The sockets in use stay open, also those of an address that another service has now. */
static void take_over_listeners(struct daemon *d, struct live_service *new)
{
	for (size_t i = 0; i < new->n_listeners; i++) {
		struct live_listener *l = &new->listeners[i];
		struct live_service *owner;
		struct live_listener *known = find_listener(d, &l->address, &owner);

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

		if (find_listener(d, &old->listeners[i].address, &owner))
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

static void tell_restart_needed(struct daemon *d, const char *setting)
{
	events_record(&d->events, EVENT_RESTART_NEEDED, NULL, NULL,
		      EVENT_VALUES(EVENT_TEXT("setting", setting)),
		      "%s: takes effect at the next start", setting);
}

static void tell_what_waits_for_a_restart(struct daemon *d, const struct config *old,
					  const struct config *new)
{
	if (old->workers != new->workers)
		tell_restart_needed(d, "workers");
	if (old->max_connections != new->max_connections)
		tell_restart_needed(d, "max_connections");
	if (strcmp(old->socket_path, new->socket_path))
		tell_restart_needed(d, "admin: socket");
}

static void commit(struct daemon *d, struct staged *staged)
{
	struct live_service **old_services = d->services;
	size_t n_old = d->n_services;
	struct config *old_config = d->config;

	for (size_t i = 0; i < staged->n_services; i++) {
		struct live_service *old =
			daemon_find_service(d, staged->services[i]->service->name);

		if (old)
			take_over(staged, old, staged->services[i]);
		take_over_listeners(d, staged->services[i]);
	}
	d->services = take_ptr(staged->services);
	d->n_services = staged->n_services;
	staged->n_services = 0;
	d->config = take_ptr(staged->config);
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

		staged->change.services_removed += new == NULL;
		drop_old(d, old_services[i], new);
		live_service_free(old_services[i], d->n_workers);
	}
	free(old_services);
	if (old_config)
		tell_what_waits_for_a_restart(d, old_config, d->config);
	config_free(old_config);
	d->deadline = 0; /* looked at anew */
}

int daemon_apply(struct daemon *d, struct config *config, struct daemon_change *ret,
		 char **ret_error)
{
	_cleanup_(staged_deinit) struct staged staged = {.config = config,
							 .n_workers = d->n_workers};
	int r = stage(d, &staged, ret_error);

	if (r == -ENOMEM)
		return daemon_refuse(ret_error, r, "out of memory; nothing has changed");
	if (r < 0)
		return r;
	commit(d, &staged);
	*ret = staged.change;
	return 0;
}
