/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool: the backends of one service as the choice sees them. Main owns it, feeds it what
 * operators and health say, and gets the live table. No clock and no I/O.
 *
 * Backups are chosen from when no other member may be, and then they alone: all that is said of
 * bases and tables concerns the role in service. So primaries' tables do not depend on backups.
 *
 * The base table is built from the configured backends. Slots of backends that may not be chosen
 * are walked, (slot, attempt), into the same base table until one is met that may: so a failure
 * moves exactly the failed backend's share, and recovery restores the table bit for bit. When more
 * than POOL_REBUILD_PERCENT of the weight has been out for POOL_REBUILD_AFTER, the base is rebuilt
 * from what is left, for balance; it returns to the configured base when the share out is small
 * again, and is rebuilt when a backend comes back meanwhile.
 *
 * In a slow start a member that comes (back) into service takes its slots, or its weight, in
 * BALANCE_STEPS parts; see pool_table.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "config.h"
#include "maglev.h"
#include "pool_table.h"

#define POOL_REBUILD_PERCENT 10
#define POOL_REBUILD_AFTER   (60 * NSEC_PER_SEC)

enum admin_state {
	ADMIN_ENABLED,
	ADMIN_DRAINING, /* no new connections; old ones finish, for drain_timeout; checked */
	ADMIN_DISABLED, /* no new connections; old ones are left alone; not checked */
};

const char *admin_state_name(enum admin_state state);

struct pool_member {
	char *name;
	uint32_t weight;
	bool backup; /* set by pool_set_backup() */
	enum admin_state admin;
	bool failed;	  /* by checks or passive evidence */
	nsec_t failed_at; /* when `failed` became true */
	/* Could take connections when it was last looked at, in service or standing by: who could not
	 * and can begins a slow start. Cleared by the caller for a member that is another server. */
	bool fit;
	bool ramping;	/* a slow start … */
	nsec_t ramp_at; /* … since then */
	/* What pool_update() decided: */
	bool ejected;  /* failed, and taken out */
	bool braked;   /* failed, but kept in by max_eject with fail: open */
	bool eligible; /* may be chosen: enabled, weight > 0, not ejected, of the role in service */
	uint8_t steps; /* of BALANCE_STEPS parts of its weight, how many count */
	bool in_rebuilt; /* has a share of the rebuilt base */
};

struct pool {
	uint64_t seed;
	uint32_t table_size;
	enum balance_kind balance;
	unsigned max_eject_percent;
	enum fail_mode fail;
	nsec_t slow_start;
	struct pool_member *members; /* the order is the caller's; tables hold indices into it */
	size_t n_members;

	bool on_backups; /* no primary is eligible: the backups are in service */
	bool brake;	 /* max_eject is holding somebody in, or (fail: closed) was passed */
	bool rebuilt;	 /* the base is not the configured one */
	/* Counters since pool_init(). */
	uint64_t n_updates;	/* tables made */
	uint64_t n_slots_moved; /* slots whose owner a table changed, sum over all tables */
	uint64_t n_rebuilds;
	nsec_t out_since; /* since when more than POOL_REBUILD_PERCENT is out; NSEC_NEVER: is not */
	struct pool_table *table;

	/* The implementation's own. */
	uint16_t *configured_base, *rebuilt_base;
	bool stale;		      /* the configured base is not that of the members */
	bool base_changed;	      /* since `table` was made */
	uint16_t *table_map;	      /* member of `table` → member now; NULL: the same */
	struct pool_member **by_name; /* sorted */
	struct pool_member **failed;  /* room for all */
	bool *eligible;		      /* of each member, as a table wants it */
	uint8_t *steps;		      /* the same; 0: not eligible */
	bool new;		      /* never decided: its members have not come back */
};

#define POOL_INIT                                                                                  \
	{                                                                                          \
	}

/*
 * Starts with no members and no table. The caller then sets members with pool_set_members() and
 * calls pool_update(), which begins no slow start: with the service all its members are new. A pool
 * that replaces another may take over what that knows before: see pool_inherit().
 */
void pool_init(struct pool *p, uint64_t seed, const struct service_settings *settings);
void pool_deinit(struct pool *p);

/*
 * A second pool that decides as the first would, with the same table, so that the outcome of a
 * change can be seen before it is made. 0 or -ENOMEM.
 */
int pool_copy(const struct pool *from, struct pool *ret);

/* Takes new settings; balance, table_size or seed changed makes the next update build anew. */
void pool_configure(struct pool *p, uint64_t seed, const struct service_settings *settings);

/*
 * Replaces the set of members by `n` (name, weight) pairs. Names are distinct. Members known
 * by name keep admin and failed states and slow starts; new ones are enabled primaries and not
 * failed. 0 or -ENOMEM, then nothing has changed.
 */
int pool_set_members(struct pool *p, const struct maglev_member *members, size_t n);
void pool_set_backup(struct pool *p, size_t member, bool backup);

/*
 * What operators said of the members, what they are in, and what was counted, goes on in the pool
 * that takes the place of `old`: a base that was rebuilt is rebuilt at once and not a minute later.
 */
void pool_inherit(struct pool *p, struct pool *old);

/* NULL when there is none. */
struct pool_member *pool_find(struct pool *p, const char *name);

/*
 * Decides who is ejected, braked and eligible, and makes a new p->table when something changed
 * (p->table keeps its identity otherwise). Returns 1 when the table is new, 0 when it is as it was,
 * -ENOMEM, then the old table stays, the next call tries again, and pool_next_update() asks for it.
 * Costs a pass over the table, and a build only when members changed or the rebuild rule fired: give
 * it whole batches of news rather than each of them.
 *
 * Role: primaries are in service while one of them is fit, or while nobody is; backups when one of
 * them is fit and no primary, or when no primary could serve though it were well.
 *
 * Brake: of the n members in service (enabled, weight > 0, of the role in service) at most
 * n · max_eject_percent / 100, rounded up, are ejected, the earliest failed first. With fail: open
 * the others stay in, and the last one stays in in any case; with fail: closed they are ejected all
 * the same and `brake` only tells. While a backup is fit to take over, primaries have no brake. Who
 * takes no new connections anyway counts on neither side: draining, without weight or standing by it
 * is ejected when it failed, disabled it is not (nobody checks it).
 *
 * Slow start: who was not fit and is begins with one part and has all of them after slow_start; with
 * nobody eligible beside that has all parts, slow starts are over at once.
 *
 * Rebuild: the base is rebuilt from the eligible when more than POOL_REBUILD_PERCENT of the weight
 * it was built from is out for POOL_REBUILD_AFTER, or at once when nobody eligible owns a slot of
 * it. While nobody is eligible at all there is nothing to rebuild from.
 */
int pool_update(struct pool *p, nsec_t now);

/* When pool_update() should be called though nothing happens; NSEC_NEVER: not by time. */
nsec_t pool_next_update(const struct pool *p);
