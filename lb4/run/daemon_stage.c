// SPDX-License-Identifier: BSD-2-Clause
/*
 * What can fail about making a configuration hold, done beside what runs: services with their pools
 * and tables, and sockets. A plan stages the same services and pools, and then lets them go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "daemon_private.h"
#include "socket.h"
#include "source_check.h"

void staged_deinit(struct staged *s)
{
	for (size_t i = 0; i < s->n_services; i++)
		live_service_free(s->services[i], s->n_workers);
	free(s->services);
	s->services = NULL;
	s->n_services = 0;
}

int daemon_stage(struct daemon *d, const struct config *config, struct staged *ret,
		 char **ret_error)
{
	*ret = (struct staged){.config = config, .n_workers = d->n_workers};
	ret->services = calloc(config->n_services, sizeof(ret->services[0]));
	if (!ret->services)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_services; i++) {
		struct service_config c = config->services[i];
		int r;

		daemon_recalled_backends(d, i, &c);
		r = source_check(&c, ret_error);
		if (r >= 0)
			r = live_service_new(d, &c, config->seed, daemon_find_service(d, c.name),
					     &ret->services[i]);
		if (r < 0)
			return r;
		ret->n_services++;
	}
	return 0;
}

struct live_listener *daemon_find_listener(const struct daemon *d, const struct address *address,
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

static int refuse_listen(const struct address *address, int r, char **ret_error)
{
	char text[ADDRESS_TEXT_MAX];

	return daemon_refuse(ret_error, r, "cannot listen on %s: %s", address_print(address, text),
			     strerrordesc_np(-r));
}

static int open_listener(struct daemon *d, const struct address *address,
			 const struct service_settings *settings, struct live_listener *listener,
			 char **ret_error)
{
	int r = claim(d, address);

	if (r < 0)
		return refuse_listen(address, r, ret_error);
	listener->fds = malloc(d->n_workers * sizeof(listener->fds[0]));
	if (!listener->fds)
		return -ENOMEM;
	for (unsigned i = 0; i < d->n_workers; i++)
		listener->fds[i] = -1;
	for (unsigned i = 0; i < d->n_workers; i++) {
		r = socket_listen(address, settings, &listener->fds[i]);
		if (r < 0)
			return refuse_listen(address, r, ret_error);
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
		const struct live_listener *known =
			daemon_find_listener(d, &config->listen[i], &owner);
		int r;

		listener->address = config->listen[i];
		if (known) {
			listener->id = known->id;
			continue;
		}
		listener->id = ++d->next_id;
		r = open_listener(d, &listener->address, &config->settings, listener, ret_error);
		if (r < 0)
			return r;
	}
	return 0;
}

int daemon_stage_listeners(struct daemon *d, struct staged *s, char **ret_error)
{
	for (size_t i = 0; i < s->n_services; i++) {
		int r = stage_listeners(d, &s->config->services[i], s->services[i], ret_error);

		if (r < 0)
			return r;
	}
	return 0;
}

int daemon_try_listeners(struct daemon *d, const struct config *config, char **ret_error)
{
	for (size_t i = 0; i < config->n_services; i++) {
		const struct service_config *c = &config->services[i];

		for (size_t j = 0; j < c->n_listen; j++) {
			struct live_service *owner;
			int r = 0;

			if (!daemon_find_listener(d, &c->listen[j], &owner))
				r = claim(d, &c->listen[j]);
			if (r < 0)
				return refuse_listen(&c->listen[j], r, ret_error);
		}
	}
	return 0;
}
