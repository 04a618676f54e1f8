// SPDX-License-Identifier: BSD-2-Clause
/* Members and settings. What follows from them is decided by pool_rules.c. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "pool.h"

static const char *const admin_states[] = {
	[ADMIN_ENABLED] = "enabled",
	[ADMIN_DRAINING] = "draining",
	[ADMIN_DISABLED] = "disabled",
};

const char *admin_state_name(enum admin_state state)
{
	return (size_t)state < sizeof(admin_states) / sizeof(admin_states[0]) ? admin_states[state]
									      : NULL;
}

void pool_init(struct pool *p, uint64_t seed, const struct service_settings *settings)
{
	*p = (struct pool){.stale = true, .new = true, .out_since = NSEC_NEVER};
	pool_configure(p, seed, settings);
}

/* Up to the one without a name. */
static void members_free(struct pool_member *members)
{
	if (members)
		for (struct pool_member *m = members; m->name; m++)
			free(m->name);
	free(members);
}

static void members_freep(struct pool_member **members)
{
	members_free(*members);
}

void pool_deinit(struct pool *p)
{
	members_free(p->members);
	free(p->by_name);
	free(p->failed);
	free(p->eligible);
	free(p->steps);
	free(p->table_map);
	free(p->configured_base);
	free(p->rebuilt_base);
	pool_table_unref(p->table);
	*p = (struct pool)POOL_INIT;
}

void pool_configure(struct pool *p, uint64_t seed, const struct service_settings *settings)
{
	if (p->seed != seed || p->table_size != settings->table_size ||
	    p->balance != settings->balance)
		p->stale = true;
	p->seed = seed;
	p->table_size = settings->table_size;
	p->max_eject_percent = settings->max_eject_percent;
	p->fail = settings->fail;
	p->balance = settings->balance;
	p->slow_start = settings->slow_start;
}

static int by_name(const void *x, const void *y)
{
	const struct pool_member *const *a = x, *const *b = y;

	return strcmp((*a)->name, (*b)->name);
}

static struct pool_member *find(struct pool_member **sorted, size_t n, const char *name)
{
	const struct pool_member wanted = {.name = (char *)name}, *key = &wanted;
	struct pool_member **found = NULL;

	if (n)
		found = bsearch(&key, sorted, n, sizeof(struct pool_member *), by_name);
	return found ? *found : NULL;
}

struct pool_member *pool_find(struct pool *p, const char *name)
{
	return find(p->by_name, p->n_members, name);
}

static bool same_members(const struct pool *p, const struct maglev_member *members, size_t n)
{
	if (!p->members || p->n_members != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (p->members[i].weight != members[i].weight ||
		    strcmp(p->members[i].name, members[i].name) != 0)
			return false;
	return true;
}

/* What known members bring along into the new set. */
static struct pool_member *members_new(struct pool *p, const struct maglev_member *members,
				       size_t n)
{
	_cleanup_(members_freep) struct pool_member *new = calloc(n + 1, sizeof(new[0]));

	if (!new)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const struct pool_member *known = pool_find(p, members[i].name);
		char *name = strdup(members[i].name);

		if (!name)
			return NULL;
		if (known)
			new[i] = *known;
		new[i].name = name;
		new[i].weight = members[i].weight;
	}
	return take_ptr(new);
}

/* Where the members of p->table are in the new set, so that moved slots can be told. */
static uint16_t *table_map_new(const struct pool *p, struct pool_member **sorted, size_t n,
			       const struct pool_member *members)
{
	size_t n_old = p->table ? p->table->n_members : 0;
	uint16_t *map = malloc((n_old + 1) * sizeof(map[0]));

	if (!map)
		return NULL;
	for (size_t i = 0; i < n_old; i++) {
		uint16_t old = p->table_map ? p->table_map[i] : (uint16_t)i;
		const struct pool_member *m = NULL;

		if (old != MAGLEV_NONE)
			m = find(sorted, n, p->members[old].name);
		map[i] = m ? (uint16_t)(m - members) : MAGLEV_NONE;
	}
	return map;
}

#define swap(a, b)                                                                                 \
	({                                                                                         \
		__auto_type _a = (a);                                                              \
		(a) = (b);                                                                         \
		(b) = _a;                                                                          \
	})

int pool_set_members(struct pool *p, const struct maglev_member *members, size_t n)
{
	_cleanup_(members_freep) struct pool_member *new = NULL;
	_cleanup_(freep) struct pool_member **sorted = NULL, **failed = NULL;
	_cleanup_(freep) uint16_t *map = NULL;
	_cleanup_(freep) bool *eligible = NULL;
	_cleanup_(freep) uint8_t *steps = NULL;

	assert(n < MAGLEV_NONE);
	if (same_members(p, members, n))
		return 0;

	new = members_new(p, members, n);
	sorted = calloc(n + 1, sizeof(struct pool_member *));
	failed = calloc(n + 1, sizeof(struct pool_member *));
	eligible = calloc(n + 1, sizeof(eligible[0]));
	steps = calloc(n + 1, sizeof(steps[0]));
	if (!new || !sorted || !failed || !eligible || !steps)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = &new[i];
	qsort(sorted, n, sizeof(struct pool_member *), by_name);
	map = table_map_new(p, sorted, n, new);
	if (!map)
		return -ENOMEM;

	/* What is replaced dies with the locals. */
	swap(p->members, new);
	swap(p->by_name, sorted);
	swap(p->failed, failed);
	swap(p->eligible, eligible);
	swap(p->steps, steps);
	swap(p->table_map, map);
	p->n_members = n;
	p->stale = true;
	return 0;
}

static int copy_members(const struct pool *from, struct pool *p)
{
	size_t n = from->n_members;

	p->members = calloc(n + 1, sizeof(p->members[0]));
	p->by_name = calloc(n + 1, sizeof(p->by_name[0]));
	p->failed = calloc(n + 1, sizeof(p->failed[0]));
	p->eligible = calloc(n + 1, sizeof(p->eligible[0]));
	p->steps = calloc(n + 1, sizeof(p->steps[0]));
	if (!p->members || !p->by_name || !p->failed || !p->eligible || !p->steps)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		char *name = strdup(from->members[i].name);

		if (!name)
			return -ENOMEM;
		p->members[i] = from->members[i];
		p->members[i].name = name;
		p->by_name[i] = &p->members[from->by_name[i] - from->members];
	}
	return 0;
}

static int copy_slots(const uint16_t *from, size_t n, uint16_t **ret)
{
	if (!from)
		return 0;
	*ret = malloc(n * sizeof(from[0]));
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, from, n * sizeof(from[0]));
	return 0;
}

int pool_copy(const struct pool *from, struct pool *ret)
{
	_cleanup_(pool_deinit) struct pool p = *from;
	int r;

	p.members = NULL;
	p.by_name = p.failed = NULL;
	p.eligible = NULL;
	p.steps = NULL;
	p.configured_base = p.rebuilt_base = p.table_map = NULL;
	p.table = NULL;
	r = copy_members(from, &p);
	if (r >= 0 && !from->stale) /* else they are built anew, and may be of another size */
		r = copy_slots(from->configured_base, p.table_size, &p.configured_base);
	if (r >= 0 && !from->stale)
		r = copy_slots(from->rebuilt_base, p.table_size, &p.rebuilt_base);
	if (r >= 0 && from->table)
		r = copy_slots(from->table_map, (size_t)from->table->n_members + 1, &p.table_map);
	if (r < 0)
		return r;
	if (from->table)
		p.table = pool_table_ref(from->table);
	*ret = p;
	p = (struct pool)POOL_INIT;
	return 0;
}

void pool_set_backup(struct pool *p, size_t member, bool backup)
{
	struct pool_member *m = &p->members[member];

	if (m->backup != backup)
		p->stale = true;
	m->backup = backup;
}

void pool_inherit(struct pool *p, struct pool *old)
{
	for (size_t i = 0; i < p->n_members; i++) {
		struct pool_member *m = &p->members[i];
		const struct pool_member *known = pool_find(old, m->name);

		if (!known)
			continue;
		m->admin = known->admin;
		m->fit = known->fit;
		m->ramping = known->ramping;
		m->ramp_at = known->ramp_at;
	}
	p->new = false;
	p->on_backups = old->on_backups;
	p->n_updates = old->n_updates;
	p->n_rebuilds = old->n_rebuilds;
	p->n_slots_moved = old->n_slots_moved;
	p->out_since = old->out_since;
	p->rebuilt = old->rebuilt;
}
