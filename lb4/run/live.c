// SPDX-License-Identifier: BSD-2-Clause
/* Services and backends of the running configuration: making them, and taking over by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cleanup.h"
#include "daemon_private.h"
#include "socket.h"

/* Sources that one service tells apart: 36 bytes each. */
#define SOURCES_MIN 4096
#define SOURCES_MAX (1u << 20)

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
	tls_routes_unref(s->tls_routes);
	service_settings_unref(&s->settings);
	access_unref(s->access);
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
		b->config = *config;
		b->config.name = b->backend->name;
		b->is_new = false;
		health_configure(&b->health, &s->check, &s->settings.passive, d->now);
		if (s->settings.on_down != ON_DOWN_DRAIN)
			b->down_deadline = NSEC_NEVER;
		return 0;
	}
	b->backend = backend_new(service, config->name, &config->address, d->n_workers);
	if (!b->backend)
		return -ENOMEM;
	health_init(&b->health, &s->check, &s->settings.passive, presumed_down, d->now);
	b->config = *config;
	b->config.name = b->backend->name;
	b->target_id = ++d->next_id;
	b->drain_deadline = old ? old->drain_deadline : NSEC_NEVER;
	b->down_deadline = NSEC_NEVER;
	b->drain_begun = old ? old->drain_begun : 0;
	b->drain_look = old ? old->drain_look : NSEC_NEVER;
	/* That a new one is down until its first good result is no news. */
	b->told = b->health.failed ? TOLD_EJECTED : TOLD_IN;
	b->out_since = d->now;
	b->was_left = false;
	b->is_new = true;
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

void live_backends_tell_pool(const struct live_backend *backends, struct pool *pool)
{
	for (size_t i = 0; i < pool->n_members; i++) {
		pool->members[i].failed = backends[i].health.failed;
		pool->members[i].failed_at = backends[i].health.since;
		if (backends[i].is_new) /* though the name be known */
			pool->members[i].fit = false;
	}
}

/* The members are as they were, in the same order: so is the base of the table. */
static bool same_members(const struct live_service *old, const struct service_config *config,
			 uint64_t seed)
{
	if (!old || !old->pool.table || old->pool.seed != seed ||
	    old->n_backends != config->n_backends ||
	    old->pool.table_size != config->settings.table_size ||
	    old->pool.balance != config->settings.balance)
		return false;
	for (size_t i = 0; i < config->n_backends; i++)
		if (strcmp(old->pool.members[i].name, config->backends[i].name) ||
		    old->pool.members[i].weight != config->backends[i].weight ||
		    old->pool.members[i].backup != config->backends[i].backup)
			return false;
	return true;
}

/* Nothing that a pool decides by has changed, nor is it about to decide by time. */
static bool same_decisions(const struct live_service *old, const struct live_service *new,
			   nsec_t now)
{
	const struct pool *p = &old->pool;

	if (p->max_eject_percent != new->settings.max_eject_percent ||
	    p->fail != new->settings.fail || p->slow_start != new->settings.slow_start ||
	    old->update_wanted || pool_next_update(p) <= now)
		return false;
	for (size_t i = 0; i < p->n_members; i++)
		if (new->backends[i].is_new ||
		    p->members[i].failed != new->backends[i].health.failed ||
		    p->members[i].failed_at != new->backends[i].health.since)
			return false;
	return true;
}

/* The same members judged anew. */
static int judge_pool(const struct live_service *old, struct live_service *new, nsec_t now)
{
	int r = pool_copy(&old->pool, &new->pool);

	if (r < 0)
		return r;
	pool_configure(&new->pool, old->pool.seed, &new->settings);
	live_backends_tell_pool(new->backends, &new->pool);
	return pool_update(&new->pool, now);
}

/* Slots whose owner, by name, is another than before. */
static uint64_t slots_moved(const struct pool *old, struct pool *new)
{
	_cleanup_(freep) uint16_t *map = malloc((old->n_members + 1) * sizeof(map[0]));

	if (!map)
		return 0; /* a figure for people, no more */
	for (size_t i = 0; i < old->n_members; i++) {
		const struct pool_member *known = pool_find(new, old->members[i].name);

		map[i] = known ? (uint16_t)(known - new->members) : MAGLEV_NONE;
	}
	return pool_table_moved(new->table, old->table, map);
}

/*
 * A pool and its table for `backends`, beside the one that is in use (`old`, or NULL), so that a
 * failure leaves that alone.
 */
static int make_pool(const struct service_settings *settings, uint64_t seed,
		     const struct backend_config *configs, const struct live_backend *backends,
		     size_t n, struct pool *old, nsec_t now, struct pool *ret)
{
	_cleanup_(freep) struct maglev_member *members = calloc(n ? n : 1, sizeof(members[0]));
	_cleanup_(pool_deinit) struct pool p = POOL_INIT;
	int r;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		members[i] = (struct maglev_member){configs[i].name, configs[i].weight};
	pool_init(&p, seed, settings);
	r = pool_set_members(&p, members, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		pool_set_backup(&p, i, configs[i].backup);
	if (old)
		pool_inherit(&p, old);
	live_backends_tell_pool(backends, &p);
	r = pool_update(&p, now);
	if (r < 0)
		return r;
	if (old && old->table)
		p.n_slots_moved += slots_moved(old, &p);
	*ret = p;
	p = (struct pool)POOL_INIT;
	return 0;
}

/*
 * Four entries for each connection there may be: then sets are seldom full, though every connection
 * had a source of its own. Only those that are used cost memory.
 */
static int track_sources(const struct daemon *d, struct live_service *s)
{
	const struct limits_config *limits = &s->settings.limits;
	uint32_t n = d->limit.max < SOURCES_MAX / 4 ? 4 * d->limit.max : SOURCES_MAX;

	if (!limits->source_connections && !limits->source_rate)
		return 0;
	return service_track_sources(s->service, n > SOURCES_MIN ? n : SOURCES_MIN, d->secret);
}

int live_service_new(struct daemon *d, const struct service_config *config, uint64_t seed,
		     struct live_service *old, struct live_service **ret)
{
	struct live_service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->pool = (struct pool)POOL_INIT;
	s->settings = service_settings_ref(&config->settings);
	s->brake_told = old && old->brake_told;
	s->deserted_told = old && old->deserted_told;
	s->backups_told = old && old->backups_told;
	s->service = old ? service_ref(old->service) : service_new(config->name, d->n_workers);
	r = s->service ? check_config_copy(&config->check, &s->check) : -ENOMEM;
	if (r >= 0 && config->n_tls_routes)
		r = tls_routes_new(config->tls_routes, config->n_tls_routes, &s->tls_routes);
	if (r >= 0)
		r = access_new(s->settings.allow, s->settings.deny, &s->access);
	if (r >= 0)
		r = track_sources(d, s);
	if (r >= 0)
		r = make_backends(d, s, old, config->backends, config->n_backends, &s->backends);
	if (r >= 0)
		s->n_backends = config->n_backends;
	if (r >= 0 && !same_members(old, config, seed))
		r = make_pool(&s->settings, seed, config->backends, s->backends, s->n_backends,
			      old ? &old->pool : NULL, d->now, &s->pool);
	else if (r >= 0 && !same_decisions(old, s, d->now))
		r = judge_pool(old, s, d->now);
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
	struct pool pool;
	int r = make_backends(d, s, s, configs, n, &backends);

	if (r < 0)
		return r;
	r = make_pool(&s->settings, s->pool.seed, configs, backends, n, &s->pool, d->now, &pool);
	if (r < 0) {
		free_backends(backends, n);
		return r;
	}
	pool_deinit(&s->pool);
	s->pool = pool;
	free_backends(s->backends, s->n_backends);
	s->backends = backends;
	s->n_backends = n;
	return 0;
}
