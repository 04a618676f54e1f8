// SPDX-License-Identifier: BSD-2-Clause
/*
 * pool_update(): the brake, the rebuild rule, and a new table when they ask for one. What walks the
 * base is pool_table.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "pool.h"

static int by_failure(const void *x, const void *y)
{
	const struct pool_member *const *a = x, *const *b = y;

	if ((*a)->failed_at != (*b)->failed_at)
		return (*a)->failed_at < (*b)->failed_at ? -1 : 1;
	return strcmp((*a)->name, (*b)->name);
}

/* Who is ejected, braked and eligible: from what members are now, not from what was decided. */
static void decide(struct pool *p)
{
	size_t n_serving = 0, n_failed = 0, allowed, n_ejected;

	for (size_t i = 0; i < p->n_members; i++) {
		struct pool_member *m = &p->members[i];
		bool serving = m->admin == ADMIN_ENABLED && m->weight > 0;

		m->ejected = m->failed && m->admin != ADMIN_DISABLED;
		m->braked = false;
		n_serving += serving;
		if (serving && m->failed)
			p->failed[n_failed++] = m;
	}

	allowed = n_serving * p->max_eject_percent / 100;
	if (p->fail == FAIL_OPEN && n_serving && allowed > n_serving - 1)
		allowed = n_serving - 1;
	p->brake = n_failed > allowed;
	n_ejected = p->brake && p->fail == FAIL_OPEN ? allowed : n_failed;
	if (n_ejected < n_failed)
		qsort(p->failed, n_failed, sizeof(struct pool_member *), by_failure);
	for (size_t i = n_ejected; i < n_failed; i++) {
		p->failed[i]->ejected = false;
		p->failed[i]->braked = true;
	}

	for (size_t i = 0; i < p->n_members; i++) {
		struct pool_member *m = &p->members[i];

		m->eligible = m->admin == ADMIN_ENABLED && m->weight > 0 && !m->ejected;
		p->eligible[i] = m->eligible;
	}
}

static bool anybody_eligible(const struct pool *p)
{
	for (size_t i = 0; i < p->n_members; i++)
		if (p->members[i].eligible)
			return true;
	return false;
}

/* Whether more than POOL_REBUILD_PERCENT of the weight in the base is out. */
static bool much_is_out(const struct pool *p, bool rebuilt)
{
	uint64_t total = 0, out = 0;

	for (size_t i = 0; i < p->n_members; i++) {
		const struct pool_member *m = &p->members[i];

		if (rebuilt && !m->in_rebuilt)
			continue;
		total += m->weight;
		out += m->eligible ? 0 : m->weight;
	}
	return out * 100 > total * POOL_REBUILD_PERCENT;
}

/* Whether an eligible member owns a slot: tiny weights in a small table may own none. */
static bool serves(const struct pool *p, const uint16_t *base)
{
	for (uint32_t slot = 0; slot < p->table_size; slot++)
		if (base[slot] != MAGLEV_NONE && p->members[base[slot]].eligible)
			return true;
	return false;
}

/* Whether somebody came back who has no share of the rebuilt base. */
static bool somebody_is_back(const struct pool *p)
{
	for (size_t i = 0; i < p->n_members; i++)
		if (p->members[i].eligible && !p->members[i].in_rebuilt)
			return true;
	return false;
}

/* A base of all members, or of the eligible alone. */
static int build(const struct pool *p, bool eligible_only, uint16_t **ret_base)
{
	_cleanup_(freep) struct maglev_member *members =
		calloc(p->n_members + 1, sizeof(members[0]));
	_cleanup_(freep) uint16_t *base = calloc(p->table_size, sizeof(base[0]));
	int r;

	if (!members || !base)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_members; i++) {
		const struct pool_member *m = &p->members[i];

		members[i].name = m->name;
		members[i].weight = eligible_only && !m->eligible ? 0 : m->weight;
	}
	r = maglev_build(base, p->table_size, p->seed, members, p->n_members);
	if (r < 0)
		return r;
	free(*ret_base);
	*ret_base = take_ptr(base);
	return 0;
}

static int rebuild(struct pool *p)
{
	int r = build(p, true, &p->rebuilt_base);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n_members; i++)
		p->members[i].in_rebuilt = p->members[i].eligible;
	p->rebuilt = true;
	p->base_changed = true;
	p->out_since = NSEC_NEVER;
	p->n_rebuilds++;
	return 0;
}

static void use_configured(struct pool *p)
{
	if (!p->rebuilt)
		return;
	for (size_t i = 0; i < p->n_members; i++)
		p->members[i].in_rebuilt = false;
	p->rebuilt = false;
	p->base_changed = true;
	free(p->rebuilt_base);
	p->rebuilt_base = NULL;
}

/* The rebuild rule: decides which base is in use. */
static int settle_base(struct pool *p, nsec_t now)
{
	bool at_once = p->rebuilt && (p->stale || somebody_is_back(p));
	int r;

	if (p->stale) {
		r = build(p, false, &p->configured_base);
		if (r < 0)
			return r;
		use_configured(p); /* the rebuilt one was of other members */
		p->stale = false;
		p->base_changed = true;
	}

	if (!much_is_out(p, p->rebuilt))
		p->out_since = NSEC_NEVER;
	else if (p->out_since == NSEC_NEVER)
		p->out_since = now;
	if (!anybody_eligible(p))
		return 0;

	if (!much_is_out(p, false) && serves(p, p->configured_base)) {
		use_configured(p);
		p->out_since = NSEC_NEVER;
		return 0;
	}
	if (!at_once && serves(p, p->rebuilt ? p->rebuilt_base : p->configured_base) &&
	    now < nsec_add(p->out_since, POOL_REBUILD_AFTER))
		return 0;
	return rebuild(p);
}

static int make_table(struct pool *p)
{
	struct pool_table *t;

	if (p->table && !p->base_changed &&
	    memcmp(p->table->eligible, p->eligible, p->n_members) == 0)
		return 0;

	t = pool_table_new(p->seed, p->rebuilt ? p->rebuilt_base : p->configured_base,
			   p->table_size, p->eligible, (uint32_t)p->n_members);
	if (!t)
		return -ENOMEM;
	if (p->table)
		p->n_slots_moved += pool_table_moved(t, p->table, p->table_map);
	pool_table_unref(p->table);
	p->table = t;
	free(p->table_map);
	p->table_map = NULL;
	p->base_changed = false;
	p->n_updates++;
	return 1;
}

int pool_update(struct pool *p, nsec_t now)
{
	int r;

	decide(p);
	r = settle_base(p, now);
	if (r == 0)
		r = make_table(p);
	if (r < 0)
		p->out_since = now; /* pool_next_update() asks again, but not at once */
	return r;
}

nsec_t pool_next_update(const struct pool *p)
{
	if (p->out_since == NSEC_NEVER || !anybody_eligible(p))
		return NSEC_NEVER;
	return nsec_add(p->out_since, POOL_REBUILD_AFTER);
}
