// SPDX-License-Identifier: BSD-2-Clause
/* Services and backends of the running configuration: making them, and taking over by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_private.h"
#include "socket.h"

struct live_service *live_service_free(struct live_service *s, unsigned n_workers)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n_listeners; i++) {
		for (unsigned j = 0; s->listeners[i].fds && j < n_workers; j++)
			socket_close(s->listeners[i].fds[j]);
		free(s->listeners[i].fds);
	}
	free(s->listeners);
	for (size_t i = 0; i < s->n_backends; i++)
		backend_unref(s->backends[i].backend);
	free(s->backends);
	check_config_deinit(&s->check);
	pool_deinit(&s->pool);
	service_unref(s->service);
	free(s);
	return NULL;
}

struct live_backend *live_service_find_backend(const struct live_service *s, const char *name)
{
	for (size_t i = 0; i < s->n_backends; i++)
		if (!strcmp(s->backends[i].backend->name, name))
			return &s->backends[i];
	return NULL;
}

/* Fills `b` for `config`; what `old` (or NULL) knew stays, unless the address is another. */
static int live_backend_init(struct daemon *d, struct live_backend *b, const char *service,
			     const struct backend_config *config, const struct live_backend *old,
			     const struct live_service *s, bool presumed_down)
{
	if (old && address_equal(&old->backend->address, &config->address)) {
		*b = *old;
		b->backend = backend_ref(old->backend);
		health_configure(&b->health, &s->check, &s->settings.passive, d->now);
		return 0;
	}
	b->backend = backend_new(service, config->name, &config->address, d->n_workers);
	if (!b->backend)
		return -ENOMEM;
	health_init(&b->health, &s->check, &s->settings.passive, presumed_down, d->now);
	b->target_id = ++d->next_id;
	b->drain_deadline = old ? old->drain_deadline : NSEC_NEVER;
	b->drifted = b->was_ejected = false;
	return 0;
}

static void free_backends(struct live_backend *backends, size_t n)
{
	for (size_t i = 0; i < n; i++)
		backend_unref(backends[i].backend);
	free(backends);
}

static int make_backends(struct daemon *d, const struct live_service *s,
			 const struct live_service *old, const struct backend_config *configs,
			 size_t n, struct live_backend **ret)
{
	struct live_backend *backends = calloc(n ? n : 1, sizeof(backends[0]));

	if (!backends)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct live_backend *known =
			old ? live_service_find_backend(old, configs[i].name) : NULL;
		int r = live_backend_init(d, &backends[i], s->service->name, &configs[i], known, s,
					  old != NULL);

		if (r < 0) {
			free_backends(backends, i);
			return r;
		}
	}
	*ret = backends;
	return 0;
}

/* Sets the members of `pool`, whose states it knows by name, and hears health anew. */
static int set_members(struct pool *pool, const struct backend_config *configs,
		       const struct live_backend *backends, size_t n)
{
	_cleanup_(freep) struct maglev_member *members = calloc(n ? n : 1, sizeof(members[0]));
	int r;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		members[i] = (struct maglev_member){configs[i].name, configs[i].weight};
	r = pool_set_members(pool, members, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		pool->members[i].failed = backends[i].health.failed;
		pool->members[i].failed_at = backends[i].health.since;
	}
	return 0;
}

bool live_service_keeps_pool(const struct live_service *old, const struct service_config *config,
			     uint64_t seed)
{
	if (!old || old->pool.seed != seed || old->n_backends != config->n_backends ||
	    old->pool.table_size != config->settings.table_size)
		return false;
	for (size_t i = 0; i < config->n_backends; i++)
		if (strcmp(old->pool.members[i].name, config->backends[i].name) ||
		    old->pool.members[i].weight != config->backends[i].weight)
			return false;
	return true;
}

/* A pool for other members than the old one's; what operators said of them stays. */
static int new_pool(struct daemon *d, struct live_service *s, const struct service_config *config,
		    uint64_t seed, const struct live_service *old)
{
	int r;

	pool_init(&s->pool, seed, &config->settings);
	r = set_members(&s->pool, config->backends, s->backends, s->n_backends);
	if (r < 0)
		return r;
	for (size_t i = 0; old && i < s->pool.n_members; i++) {
		struct live_service *was = (struct live_service *)old;
		const struct pool_member *known = pool_find(&was->pool, s->pool.members[i].name);

		if (known)
			s->pool.members[i].admin = known->admin;
	}
	if (old) {
		s->pool.n_updates = old->pool.n_updates;
		s->pool.n_rebuilds = old->pool.n_rebuilds;
		s->pool.n_slots_moved = old->pool.n_slots_moved;
		s->pool.out_since = old->pool.out_since;
		s->pool.rebuilt = old->pool.rebuilt; /* or a reload would move slots twice */
	}
	r = pool_update(&s->pool, d->now);
	return r < 0 ? r : 0;
}

int live_service_new(struct daemon *d, const struct service_config *config, uint64_t seed,
		     const struct live_service *old, struct live_service **ret)
{
	struct live_service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->pool = (struct pool)POOL_INIT;
	s->settings = config->settings;
	s->service = old ? service_ref(old->service) : service_new(config->name, d->n_workers);
	r = s->service ? check_config_copy(&config->check, &s->check) : -ENOMEM;
	if (r >= 0)
		r = make_backends(d, s, old, config->backends, config->n_backends, &s->backends);
	if (r >= 0)
		s->n_backends = config->n_backends;
	if (r >= 0 && !live_service_keeps_pool(old, config, seed))
		r = new_pool(d, s, config, seed, old);
	if (r < 0) {
		live_service_free(s, d->n_workers);
		return r;
	}
	*ret = s;
	return 0;
}

int live_service_set_backends(struct daemon *d, struct live_service *s,
			      const struct backend_config *configs, size_t n)
{
	struct live_backend *backends;
	int r = make_backends(d, s, s, configs, n, &backends);

	if (r < 0)
		return r;
	r = set_members(&s->pool, configs, backends, n);
	if (r < 0) {
		free_backends(backends, n);
		return r;
	}
	free_backends(s->backends, s->n_backends);
	s->backends = backends;
	s->n_backends = n;
	return 0;
}
