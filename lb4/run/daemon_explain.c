// SPDX-License-Identifier: BSD-2-Clause
/* Where a client would go: the choice of a worker, asked by an operator. */
#include <errno.h>

#include "daemon.h"
#include "lb4_hash.h"

/*
 * Whom a connection meets, candidate by candidate, without taking anybody's turn. Loads order the
 * candidates of two-choices too: whom chance draws is not for anybody to know.
 */
static uint16_t next_candidate(const struct snapshot_service *view,
			       const struct daemon_explanation *e)
{
	struct balance_question q = {
		.tried = e->candidates,
		.n_tried = e->n_candidates,
		.load = snapshot_service_load,
		.context = view,
	};
	struct balance by_load;

	if (!view->table->balance)
		return pool_table_choose(view->table, e->slot, e->candidates, e->n_candidates);
	by_load = *view->table->balance;
	if (by_load.kind == BALANCE_ROUND_ROBIN)
		q.turn = snapshot_service_turn(view, 0) + e->n_candidates;
	else
		by_load.kind = BALANCE_LEAST_CONNECTIONS;
	return balance_choose(&by_load, &q);
}

static void explain_slot(const struct snapshot_service *view, const struct address *client,
			 const struct address *local, struct daemon_explanation *e)
{
	const struct pool_table *t = view->table;

	e->hash = snapshot_service_hash(view, client, local);
	e->slot = snapshot_service_slot(view, client, local);
	e->owner = t->base[e->slot];
	e->owner_waits = e->owner != MAGLEV_NONE && !pool_table_is_taken(t, e->slot);
}

static void explain_turns(const struct snapshot_service *view, struct daemon_explanation *e)
{
	struct balance_question q = {};

	e->n_next = view->service->n_workers;
	for (unsigned i = 0; i < e->n_next; i++) {
		q.turn = snapshot_service_turn(view, i);
		e->next[i] = balance_choose(view->table->balance, &q);
	}
}

int daemon_explain(const struct daemon *d, const struct live_service *s,
		   const struct address *client, const struct address *local,
		   struct daemon_explanation *ret)
{
	const struct snapshot_service *view = snapshot_find(d->snapshot, s->service);
	struct daemon_explanation e = {.owner = MAGLEV_NONE};

	if (!view)
		return -ENOENT;
	if (view->table->balance)
		e.balance = view->table->balance->kind;
	else
		explain_slot(view, client, local, &e);
	if (e.balance == BALANCE_ROUND_ROBIN)
		explain_turns(view, &e);
	while (e.n_candidates < view->settings.tries &&
	       e.n_candidates < sizeof(e.candidates) / sizeof(e.candidates[0])) {
		uint16_t next = next_candidate(view, &e);

		if (next == MAGLEV_NONE)
			break;
		e.loads[e.n_candidates] = snapshot_service_load(view, next);
		e.candidates[e.n_candidates++] = next;
	}
	*ret = e;
	return 0;
}
