// SPDX-License-Identifier: BSD-2-Clause
/*
 * pool_update(): the rebuild rule, and a new table when it or pool_decide.c asks for one. What walks
 * the base is pool_table.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "pool_private.h"

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

		if (m->backup != p->on_backups || (rebuilt && !m->in_rebuilt))
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

/* A base of all members of the role in service, or of the eligible alone. */
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
		if (m->backup == p->on_backups && (m->eligible || !eligible_only))
			members[i].weight = m->weight;
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

static struct pool_table *balanced_table(const struct pool *p)
{
	_cleanup_(freep) uint32_t *weights = calloc(p->n_members + 1, sizeof(weights[0]));

	if (!weights)
		return NULL;
	for (size_t i = 0; i < p->n_members; i++)
		weights[i] = p->members[i].weight;
	return pool_table_new_balanced(p->balance, weights, p->eligible, p->steps,
				       (uint32_t)p->n_members);
}

static int make_table(struct pool *p)
{
	struct pool_table *t;

	if (p->table && !p->base_changed &&
	    !memcmp(p->table->eligible, p->eligible, p->n_members) &&
	    !memcmp(p->table->steps, p->steps, p->n_members))
		return 0;

	if (p->balance == BALANCE_MAGLEV)
		t = pool_table_new(p->seed, p->rebuilt ? p->rebuilt_base : p->configured_base,
				   p->table_size, p->eligible, p->steps, (uint32_t)p->n_members);
	else
		t = balanced_table(p);
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

/* Without slots there is no base to settle: weights and who is eligible are all. */
static int settle(struct pool *p, nsec_t now)
{
	if (p->balance == BALANCE_MAGLEV)
		return settle_base(p, now);
	p->base_changed |= p->stale;
	p->stale = p->rebuilt = false;
	p->out_since = NSEC_NEVER;
	return 0;
}

int pool_update(struct pool *p, nsec_t now)
{
	int r;

	pool_decide(p, now);
	r = settle(p, now);
	if (r == 0)
		r = make_table(p);
	if (r < 0)
		p->out_since = now; /* pool_next_update() asks again, but not at once */
	return r;
}

nsec_t pool_next_update(const struct pool *p)
{
	nsec_t step = pool_next_step(p), rebuild = NSEC_NEVER;

	if (p->out_since != NSEC_NEVER && anybody_eligible(p))
		rebuild = nsec_add(p->out_since, POOL_REBUILD_AFTER);
	return step < rebuild ? step : rebuild;
}
