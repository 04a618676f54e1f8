// SPDX-License-Identifier: BSD-2-Clause
/* Where a client would go: the choice of a worker, asked by an operator. */
#include <errno.h>

#include "daemon.h"

int daemon_explain(const struct daemon *d, const struct live_service *s,
		   const struct address *client, const struct address *local,
		   struct daemon_explanation *ret)
{
	const struct snapshot_service *view = snapshot_find(d->snapshot, s->service);
	struct daemon_explanation e = {};

	if (!view)
		return -ENOENT;
	e.hash = snapshot_service_hash(view, client, local);
	e.slot = snapshot_service_slot(view, client, local);
	e.owner = view->table->base[e.slot];
	while (e.n_candidates < view->settings.tries &&
	       e.n_candidates < sizeof(e.candidates) / sizeof(e.candidates[0])) {
		uint16_t next =
			pool_table_choose(view->table, e.slot, e.candidates, e.n_candidates);

		if (next == MAGLEV_NONE)
			break;
		e.candidates[e.n_candidates++] = next;
	}
	*ret = e;
	return 0;
}
