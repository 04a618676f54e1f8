// SPDX-License-Identifier: BSD-2-Clause
/*
 * What staged services change of those that run. A reload stages, is told this, and commits; a plan
 * stages, is told this, and lets go: so one cannot say anything but what the other does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_private.h"
#include "drift.h"
#include "plan.h"
#include "table_change.h"

static uint64_t active_on(const struct backend *b)
{
	struct backend_counters sum;

	backend_sum(b, &sum);
	return counter_read(sum.active);
}

static uint64_t active_of(const struct service *s)
{
	struct service_counters sum;

	service_sum(s, &sum);
	return counter_read(sum.active);
}

/* --- Backends --- */

static struct plan_backend *add_backend(struct plan_service *p, enum plan_kind kind,
					const struct backend_config *config)
{
	struct plan_backend *b =
		reallocarray(p->backends, p->n_backends_changed + 1, sizeof(p->backends[0]));

	if (!b)
		return NULL;
	p->backends = b;
	b += p->n_backends_changed;
	*b = (struct plan_backend){.kind = kind, .config = *config};
	b->config.name = strdup(config->name);
	if (!b->config.name)
		return NULL;
	p->n_backends_changed++;
	return b;
}

static int plan_kept_backend(struct plan_service *p, const struct live_backend *old,
			     const struct live_backend *new, enum drift_kind drift)
{
	struct plan_backend *b;

	if (backend_config_equal(&old->config, &new->config))
		return 0;
	b = add_backend(p, PLAN_CHANGED, &new->config);
	if (!b)
		return -ENOMEM;
	b->drift = drift;
	if (new->backend != old->backend) /* another address: another server */
		b->finishing = active_on(old->backend);
	p->finishing += b->finishing;
	return backend_config_diff(&old->config, &new->config, &b->changes);
}

static int plan_gone_backend(struct plan_service *p, const struct live_backend *old,
			     enum drift_kind drift)
{
	struct plan_backend *b = add_backend(p, PLAN_REMOVED, &old->config);

	if (!b)
		return -ENOMEM;
	b->drift = drift;
	b->finishing = active_on(old->backend);
	p->finishing += b->finishing;
	return 0;
}

static int plan_backends(const struct daemon *d, const struct live_service *old,
			 const struct live_service *new, struct plan_service *p)
{
	int r = 0;

	for (size_t i = 0; i < new->n_backends &&r >= 0; i++) {
		const struct live_backend *b = &new->backends[i];
		const struct live_backend *known = live_service_find_backend(old, b->config.name);
		struct plan_backend *added;

		if (known) {
			r = plan_kept_backend(p, known, b, live_backend_drift(d, old, known).kind);
			continue;
		}
		added = add_backend(p, PLAN_ADDED, &b->config);
		if (!added)
			return -ENOMEM;
		if (live_service_file_backend(d, old, b->config.name))
			added->drift = DRIFT_REMOVED;
	}
	for (size_t i = 0; i < old->n_backends && r >= 0; i++) {
		const struct live_backend *b = &old->backends[i];

		if (!live_service_find_backend(new, b->config.name))
			r = plan_gone_backend(p, b, live_backend_drift(d, old, b).kind);
	}
	return r;
}

/* --- Slots --- */

/* Where the members of one pool are in the other, by name. */
static uint16_t *map_members(const struct pool *old, struct pool *new)
{
	uint16_t *map = malloc((old->n_members + 1) * sizeof(map[0]));

	for (size_t i = 0; map && i < old->n_members; i++) {
		const struct pool_member *known = pool_find(new, old->members[i].name);

		map[i] = known ? (uint16_t)(known - new->members) : MAGLEV_NONE;
	}
	return map;
}

static bool same_key(const struct daemon *d, const struct staged *staged,
		     const struct service_settings *a, const struct service_settings *b)
{
	if (d->config->seed != staged->config->seed || a->hash != b->hash)
		return false;
	return a->hash != HASH_SOURCE ||
	       (a->mask_ipv4 == b->mask_ipv4 && a->mask_ipv6 == b->mask_ipv6);
}

/* New to this lb4. */
static bool comes(const struct live_service *old, const struct live_backend *b)
{
	const struct live_backend *known = live_service_find_backend(old, b->config.name);

	return !known || known->backend != b->backend;
}

/* The pool as it will be once every new backend has passed its first check, and has begun slowly. */
static int settle(const struct live_service *old, const struct live_service *new,
		  const struct pool *pool, nsec_t now, struct pool *ret)
{
	int r = pool_copy(pool, ret);

	if (r < 0)
		return r;
	for (size_t i = 0; i < new->n_backends; i++) {
		if (comes(old, &new->backends[i])) {
			const struct backend_health *h = &new->backends[i].health;

			ret->members[i].failed = h->failed && h->why != HEALTH_UNCHECKED;
			ret->members[i].fit = true;
			ret->members[i].ramping = false;
		}
	}
	return pool_update(ret, now);
}

static int plan_slots(const struct daemon *d, const struct staged *staged,
		      const struct live_service *old, struct live_service *new,
		      struct plan_service *p)
{
	struct pool *pool = new->pool.table ? &new->pool : (struct pool *)&old->pool;
	_cleanup_(pool_deinit) struct pool settled = POOL_INIT;
	_cleanup_(freep) uint16_t *map = NULL;
	struct table_change change;
	int r;

	if (!old->pool.table || !old->pool.table->size || !pool->table || !pool->table->size)
		return 0; /* chosen without a table */
	p->has_table = true;
	p->size = pool->table->size;
	map = map_members(&old->pool, pool);
	if (!map)
		return -ENOMEM;
	p->at_once = pool_table_moved(pool->table, old->pool.table, map);
	r = settle(old, new, pool, d->now, &settled);
	if (r < 0)
		return r;
	p->redrawn = !same_key(d, staged, &old->settings, &new->settings);
	r = table_change_measure(old->pool.table, settled.table, map, p->redrawn, &change);
	if (r < 0)
		return r;
	p->moved = change.moved;
	p->minimum = change.minimum;
	p->redirected = change.redirected;
	return 0;
}

/* --- Connections --- */

/* As daemon_update_pool() will treat those it finds ejected. */
static void plan_ejections(const struct live_service *old, const struct live_service *new,
			   struct plan_service *p)
{
	const struct pool *pool = new->pool.table ? &new->pool : &old->pool;

	for (size_t i = 0; i < new->n_backends; i++) {
		const struct live_backend *b = &new->backends[i];

		if (!daemon_is_left(b, &pool->members[i]) || b->was_left)
			continue;
		if (new->settings.on_down == ON_DOWN_RESET)
			p->reset += active_on(b->backend);
		else if (new->settings.on_down == ON_DOWN_DRAIN &&new->settings.drain_timeout)
			p->deadlined += active_on(b->backend);
	}
}

/* --- Services --- */

/* Of a service that comes only where it listens is worth telling; the rest is in the file. */
static void keep_listen(struct setting_changes *c)
{
	struct setting_changes rest = {.items = c->items};

	for (size_t i = 0; i < c->n; i++) {
		if (c->items[i].setting->type == SETTING_LISTEN) {
			c->items[rest.n++] = c->items[i];
			continue;
		}
		free(c->items[i].key);
		free(c->items[i].old);
		free(c->items[i].new);
	}
	*c = rest;
}

static int plan_service(const struct daemon *d, const struct staged *staged,
			const struct config_diff *diff, struct live_service *new,
			struct plan_service *p)
{
	struct live_service *old = daemon_find_service(d, new->service->name);
	int r;

	p->name = strdup(new->service->name);
	if (!p->name)
		return -ENOMEM;
	p->n_backends = new->n_backends;
	r = config_diff_service(diff, p->name, &p->settings);
	if (r < 0)
		return r;
	if (!old) {
		p->kind = PLAN_ADDED;
		keep_listen(&p->settings);
		return 0;
	}
	p->active = active_of(old->service);
	r = plan_backends(d, old, new, p);
	if (r >= 0)
		r = plan_slots(d, staged, old, new, p);
	if (r < 0)
		return r;
	plan_ejections(old, new, p);
	if (p->settings.n || p->n_backends_changed || p->at_once || p->redirected > 0 || p->reset ||
	    p->deadlined)
		p->kind = PLAN_CHANGED;
	return 0;
}

static int plan_gone_service(const struct live_service *old, struct plan_service *p)
{
	p->kind = PLAN_REMOVED;
	p->name = strdup(old->service->name);
	p->n_backends = old->n_backends;
	p->active = p->finishing = active_of(old->service);
	return p->name ? 0 : -ENOMEM;
}

static void add_totals(const struct plan_service *p, struct plan_totals *t)
{
	t->services_added += p->kind == PLAN_ADDED;
	t->services_removed += p->kind == PLAN_REMOVED;
	t->slots_moved += p->at_once;
	for (size_t i = 0; i < p->n_backends_changed; i++) {
		t->backends_added += p->backends[i].kind == PLAN_ADDED;
		t->backends_removed += p->backends[i].kind == PLAN_REMOVED;
		t->backends_changed += p->backends[i].kind == PLAN_CHANGED;
	}
}

/* What stays as it is takes no place in the plan. */
static void close_service(struct plan *plan)
{
	struct plan_service *p = &plan->services[plan->n_services];

	add_totals(p, &plan->totals);
	if (p->kind != PLAN_SAME)
		plan->n_services++;
	else
		free(p->name);
	if (p->kind == PLAN_SAME)
		*p = (struct plan_service){};
}

static int plan_services(const struct daemon *d, const struct staged *staged,
			 const struct config_diff *diff, struct plan *plan)
{
	int r = 0;

	plan->services = calloc(staged->n_services + d->n_services + 1, sizeof(plan->services[0]));
	if (!plan->services)
		return -ENOMEM;
	for (size_t i = 0; i < staged->n_services && r >= 0; i++) {
		r = plan_service(d, staged, diff, staged->services[i],
				 &plan->services[plan->n_services]);
		if (r < 0)
			plan->n_services++; /* to be freed */
		else
			close_service(plan);
	}
	for (size_t i = 0; i < d->n_services && r >= 0; i++) {
		const struct live_service *old = d->services[i];

		if (config_find_service(staged->config, old->service->name))
			continue;
		r = plan_gone_service(old, &plan->services[plan->n_services]);
		close_service(plan);
	}
	return r;
}

int daemon_plan_staged(const struct daemon *d, const struct staged *staged, struct plan **ret)
{
	_cleanup_(plan_freep) struct plan *plan = calloc(1, sizeof(*plan));
	_cleanup_(config_diff_deinit) struct config_diff diff = {};
	int r;

	if (!plan)
		return -ENOMEM;
	r = config_diff_init(&diff, d->config, staged->config);
	if (r >= 0)
		r = config_diff_file(&diff, &plan->settings);
	if (r >= 0)
		r = plan_services(d, staged, &diff, plan);
	if (r < 0)
		return r;
	*ret = take_ptr(plan);
	return 0;
}
