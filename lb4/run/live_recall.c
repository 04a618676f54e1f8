// SPDX-License-Identifier: BSD-2-Clause
/* Services and backends as a process before has left them, for those of this one to take over from. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_private.h"

static nsec_t or_never(nsec_t t)
{
	return t ? t : NSEC_NEVER;
}

static nsec_t at_most(nsec_t a, nsec_t b)
{
	return a < b ? a : b;
}

/* No drain takes longer than it was meant to, though clocks have jumped meanwhile. */
static void recall_drain(struct daemon *d, const struct state_backend *saved,
			 struct live_backend *b)
{
	nsec_t begun = saved->drain_begun, deadline = saved->drain_deadline;

	daemon_watch_drain(d, b, saved->drain_watched);
	b->drain_begun = at_most(begun, d->now);
	b->drain_deadline = or_never(deadline);
	if (deadline > begun)
		b->drain_deadline = at_most(deadline, nsec_add(d->now, deadline - begun));
}

static int recall_backend(struct daemon *d, const struct live_service *s,
			  const struct backend_config *config, const struct state_backend *saved,
			  const struct address *address, bool fresh, struct live_backend *b)
{
	const struct service_settings *settings = &s->settings;

	b->backend = backend_new(s->service->name, config->name, address, d->n_workers);
	if (!b->backend)
		return -ENOMEM;
	b->config = *config;
	b->config.name = b->backend->name;
	b->config.address = *address;
	health_restore(&b->health, &s->check, &settings->passive, &saved->health, fresh, d->now);
	b->verdict_kept = saved->admin != ADMIN_DISABLED;
	b->target_id = ++d->next_id;
	recall_drain(d, saved, b);
	b->down_deadline = or_never(saved->down_deadline);
	if (saved->down_deadline && settings->drain_timeout)
		b->down_deadline =
			at_most(saved->down_deadline, nsec_add(d->now, settings->drain_timeout));
	b->was_left = saved->left;
	b->told = saved->told;
	b->out_since = at_most(saved->out_since, d->now);
	return 0;
}

/* As much of the pool as pool_inherit() looks at. */
static int recall_pool(struct live_service *s, const struct state_service *saved,
		       const struct state_backend *const *known, nsec_t now)
{
	_cleanup_(freep) struct maglev_member *members =
		calloc(s->n_backends + 1, sizeof(members[0]));
	int r;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_backends; i++)
		members[i] = (struct maglev_member){s->backends[i].config.name,
						    s->backends[i].config.weight};
	r = pool_set_members(&s->pool, members, s->n_backends);
	for (size_t i = 0; r >= 0 && i < s->n_backends; i++) {
		struct pool_member *m = &s->pool.members[i];

		m->admin = known[i]->admin;
		m->fit = known[i]->fit;
		m->ramping = known[i]->ramping;
		m->ramp_at = at_most(known[i]->ramp_at, now);
	}
	s->pool.on_backups = saved->on_backups;
	s->pool.rebuilt = saved->rebuilt;
	s->pool.out_since = saved->out_since ? at_most(saved->out_since, now) : NSEC_NEVER;
	return r;
}

static int recall_backends(struct daemon *d, struct live_service *s,
			   const struct service_config *config, const struct state_service *saved,
			   bool fresh)
{
	_cleanup_(freep) const struct state_backend **known =
		calloc(config->n_backends + 1, sizeof(*known));
	size_t hint = 0;
	int r = 0;

	s->backends = calloc(config->n_backends + 1, sizeof(s->backends[0]));
	if (!known || !s->backends)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < config->n_backends; i++) {
		const struct backend_config *c = &config->backends[i];
		const struct state_backend *b = state_find_backend(saved, c->name, &hint);
		struct address address;
		const char *why;

		/* An address may be of an interface that is gone. */
		if (!b || address_parse(b->address, false, &address, &why) < 0)
			continue;
		known[s->n_backends] = b;
		r = recall_backend(d, s, c, b, &address, fresh, &s->backends[s->n_backends]);
		s->n_backends += r >= 0;
	}
	return r < 0 ? r : recall_pool(s, saved, known, d->now);
}

int live_service_recall(struct daemon *d, const struct service_config *config,
			const struct state_service *saved, bool fresh, struct live_service **ret)
{
	struct live_service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->settings = service_settings_ref(&config->settings);
	s->brake_told = saved->brake_told;
	s->backups_told = saved->backups_told;
	s->deserted_told = saved->deserted_told;
	pool_init(&s->pool, 0, &s->settings);
	s->service = service_new(config->name, d->n_workers);
	r = s->service ? check_config_copy(&config->check, &s->check) : -ENOMEM;
	if (r >= 0)
		r = recall_backends(d, s, config, saved, fresh);
	if (r < 0) {
		live_service_free(s, d->n_workers);
		return r;
	}
	*ret = s;
	return 0;
}
