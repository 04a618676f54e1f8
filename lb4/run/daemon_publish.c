// SPDX-License-Identifier: BSD-2-Clause
/* What workers and the checker are told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "checker.h"
#include "cleanup.h"
#include "daemon_private.h"
#include "forwarding.h"
#include "log.h"
#include "worker.h"

/* None is made when no backend has such a limit, which then is not asked for. */
static int fill_backend_max(const struct live_service *s, struct snapshot_service *ret)
{
	bool limited = false;

	for (size_t i = 0; i < s->n_backends; i++)
		limited |= s->backends[i].config.max_connections > 0;
	if (!limited)
		return 0;
	ret->backend_max = calloc(s->n_backends, sizeof(ret->backend_max[0]));
	if (!ret->backend_max)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_backends; i++)
		ret->backend_max[i] = s->backends[i].config.max_connections;
	return 0;
}

static int fill_service(const struct live_service *s, uint64_t seed, struct snapshot_service *ret)
{
	ret->backends = calloc(s->n_backends ? s->n_backends : 1, sizeof(ret->backends[0]));
	if (!ret->backends)
		return -ENOMEM;
	ret->service = service_ref(s->service);
	ret->settings = service_settings_ref(&s->settings);
	lb4_hash_key_init(&ret->key, seed);
	ret->access = access_ref(s->access);
	ret->table = pool_table_ref(s->pool.table);
	for (size_t i = 0; i < s->n_backends; i++)
		ret->backends[i] = backend_ref(s->backends[i].backend);
	ret->n_backends = s->n_backends;
	ret->tls_routes = tls_routes_ref(s->tls_routes); /* services are in the file's order */
	return fill_backend_max(s, ret);
}

static int build_snapshot(struct daemon *d, struct snapshot **ret)
{
	struct snapshot *snapshot = snapshot_new(d->n_services);

	if (!snapshot)
		return -ENOMEM;
	for (size_t i = 0; i < d->n_services; i++) {
		int r = fill_service(d->services[i], d->config->seed, &snapshot->services[i]);

		if (r < 0) {
			snapshot_unref(snapshot);
			return r;
		}
	}
	snapshot->generation = ++d->n_snapshots;
	*ret = snapshot;
	return 0;
}

static int give_snapshot(struct daemon *d, struct snapshot *snapshot)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		int r = worker_publish(d->workers[i], snapshot_ref(snapshot));

		if (r < 0) {
			snapshot_unref(snapshot);
			return r;
		}
	}
	return 0;
}

void daemon_publish(struct daemon *d)
{
	struct snapshot *snapshot = NULL;
	int r = build_snapshot(d, &snapshot);

	if (r >= 0) {
		snapshot_unref(d->snapshot);
		d->snapshot = snapshot;
		r = give_snapshot(d, snapshot);
		forwarding_publish(d);
	}
	d->publish_wanted = r < 0;
	if (r < 0)
		log_error("a worker could not be given the new tables: out of memory; trying on");
}

void daemon_leave_backend(struct daemon *d, struct backend *b, enum end_reason reason)
{
	forwarding_leave_backend(d, b, reason);
	for (unsigned i = 0; i < d->n_workers; i++)
		if (worker_leave_backend(d->workers[i], b, reason) < 0)
			log_error("backend %s of %s: worker %u could not be told: out of memory",
				  b->name, b->service_name, i);
}

static int compare_targets(const void *a, const void *b)
{
	uint64_t x = ((const struct target *)a)->id, y = ((const struct target *)b)->id;

	return x < y ? -1 : x > y;
}

static size_t count_backends(const struct daemon *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_services; i++)
		n += d->services[i]->n_backends;
	return n;
}

/* A disabled backend is not checked, and one without a check is known by evidence alone. */
static bool is_checked(const struct live_service *s, size_t backend)
{
	return s->check.kind != CHECK_NONE && s->pool.members[backend].admin != ADMIN_DISABLED;
}

/* Whom the checker is told to probe; texts are the services'. */
struct checks {
	struct check_target *all;
	size_t n;
};

static void free_checks(struct checks *c)
{
	for (size_t i = 0; i < c->n; i++)
		free((void *)c->all[i].path.vips);
	free(c->all);
}

static int add_check(struct daemon *d, const struct live_service *s, struct live_backend *b,
		     struct checks *c)
{
	struct check_target *t = &c->all[c->n];
	int r;

	*t = (struct check_target){
		.id = b->target_id,
		.address = check_config_target(&s->check, &b->backend->address),
		.check = s->check, /* copied by the checker */
		.verdict = b->verdict_kept ? b->health.verdict : VERDICT_UNKNOWN,
	};
	r = forwarding_check_path(d, s, b, &t->path);
	if (r < 0)
		return r;
	b->check_path = t->path.forward;
	c->n++;
	return 0;
}

static int set_targets(struct daemon *d)
{
	size_t n_max = count_backends(d);
	_cleanup_(free_checks) struct checks checks = {calloc(n_max + 1, sizeof(checks.all[0]))};
	int r;

	/* The old ones lead to services that may be gone. */
	free(d->targets);
	d->n_targets = 0;
	d->targets = calloc(n_max + 1, sizeof(d->targets[0]));
	if (!d->targets || !checks.all)
		return -ENOMEM;
	forwarding_prepare_checks(d);
	for (size_t i = 0; i < d->n_services; i++) {
		struct live_service *s = d->services[i];

		for (size_t j = 0; j < s->n_backends; j++) {
			s->backends[j].check_key = forwarding_check_key(d, s, &s->backends[j]);
			if (!is_checked(s, j))
				continue;
			d->targets[checks.n] = (struct target){s->backends[j].target_id, s, j};
			r = add_check(d, s, &s->backends[j], &checks);
			if (r < 0)
				return r;
		}
	}
	qsort(d->targets, checks.n, sizeof(d->targets[0]), compare_targets);
	d->n_targets = checks.n;
	r = checker_set_targets(d->checker, checks.all, checks.n);
	for (size_t i = 0; r >= 0 && i < checks.n; i++)
		d->targets[i].service->backends[d->targets[i].backend].verdict_kept = false;
	if (r >= 0)
		forwarding_settle_checks(d);
	return r;
}

void daemon_set_targets(struct daemon *d)
{
	int r = set_targets(d);

	d->targets_wanted = r < 0;
	if (r < 0)
		log_error("the checker could not be told whom to probe: %s; trying on",
			  strerrordesc_np(-r));
}
