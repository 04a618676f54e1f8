/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool: the backends of one service as the choice sees them. Main owns it, feeds it what
 * operators and health say, and gets the live table. No clock and no I/O.
 *
 * The base table is built from the configured backends. Slots of backends that may not be chosen
 * are walked, (slot, attempt), into the same base table until one is met that may: so a failure
 * moves exactly the failed backend's share, and recovery restores the table bit for bit. When more
 * than POOL_REBUILD_PERCENT of the weight has been out for POOL_REBUILD_AFTER, the base is rebuilt
 * from what is left, for balance; it returns to the configured base when the share out is small
 * again, and is rebuilt when a backend comes back meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "config.h"
#include "lb4_hash.h"
#include "maglev.h"

#define POOL_REBUILD_PERCENT 10
#define POOL_REBUILD_AFTER   (60 * NSEC_PER_SEC)
#define POOL_WALK_MAX	     64 /* attempts, then a linear search from the slot */

enum admin_state {
	ADMIN_ENABLED,
	ADMIN_DRAINING, /* no new connections; old ones finish, for drain_timeout; checked */
	ADMIN_DISABLED, /* no new connections; old ones are left alone; not checked */
};

const char *admin_state_name(enum admin_state state);

struct pool_member {
	char *name;
	uint32_t weight;
	enum admin_state admin;
	bool failed;	  /* by checks or passive evidence */
	nsec_t failed_at; /* when `failed` became true */
	/* What pool_update() decided: */
	bool ejected;  /* failed, and taken out */
	bool braked;   /* failed, but kept in by max_eject with fail: open */
	bool eligible; /* may be chosen: enabled, weight > 0, not ejected */
};

/* What data paths look connections up in: immutable, counted, made by the pool. */
struct pool_table {
	_Atomic uint32_t refs;
	uint32_t size;
	uint32_t n_members;
	bool *eligible; /* of each member, when the table was made */
	uint16_t *base; /* walked for further candidates */
	uint16_t *live; /* slot → member, MAGLEV_NONE when nobody is eligible */
	uint64_t seed;
};

struct pool_table *pool_table_ref(struct pool_table *t);
struct pool_table *pool_table_unref(struct pool_table *t);

struct pool {
	uint64_t seed;
	uint32_t table_size;
	unsigned max_eject_percent;
	enum fail_mode fail;
	struct pool_member *members; /* the order is the caller's; tables hold indices into it */
	size_t n_members;

	bool brake;   /* max_eject is holding somebody in, or (fail: closed) was passed */
	bool rebuilt; /* the base is not the configured one */
	uint64_t n_rebuilds, n_slots_moved, n_updates; /* counters since pool_init() */
	nsec_t out_since; /* since when more than POOL_REBUILD_PERCENT is out; NSEC_NEVER: is not */
	struct pool_table *table;
	/* The implementation's own: the configured base and the rebuilt one. */
	uint16_t *configured_base, *rebuilt_base;
};

#define POOL_INIT                                                                                  \
	{                                                                                          \
	}

/*
 * Starts with no members and no table. The caller then sets members with pool_set_members() and
 * calls pool_update().
 */
void pool_init(struct pool *p, uint64_t seed, const struct service_settings *settings);
void pool_deinit(struct pool *p);

/* Takes new settings; table_size or seed changed makes the next update build anew. */
void pool_configure(struct pool *p, uint64_t seed, const struct service_settings *settings);

/*
 * Replaces the set of members by `n` (name, weight) pairs. Members known by name keep admin and
 * failed states; new ones are enabled and not failed. 0 or -ENOMEM, then nothing has changed.
 */
int pool_set_members(struct pool *p, const struct maglev_member *members, size_t n);

/* NULL when there is none. */
struct pool_member *pool_find(struct pool *p, const char *name);

/*
 * Decides who is ejected, braked and eligible, and makes a new p->table when something changed
 * (p->table keeps its identity otherwise). Returns 1 when the table is new, 0 when it is as it was,
 * -ENOMEM, then the old table stays.
 *
 * Brake: at most floor(n_members · max_eject_percent / 100) members are ejected, the earliest
 * failed first, and the last eligible backend is never ejected with fail: open.
 */
int pool_update(struct pool *p, nsec_t now);

/* When pool_update() should be called again though nothing happened (the rebuild rule). */
nsec_t pool_next_update(const struct pool *p);

/*
 * The candidates for one connection, in order: the slot's owner, then the walk. `tried` lists the
 * `n_tried` members already tried; the answer is none of them. MAGLEV_NONE when nobody is left.
 * Any thread that holds a reference to `t`.
 */
uint16_t pool_table_choose(const struct pool_table *t, uint32_t slot, const uint16_t *tried,
			   size_t n_tried);
