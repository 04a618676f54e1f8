// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "plan_world.h"

#include "test.h"

struct plan *plan(struct daemon *d, const char *text)
{
	_cleanup_(config_freep) struct config *config = parse(text);
	_cleanup_(freep) char *error = NULL;
	struct plan *p;

	assert_int_equal(daemon_plan(d, config, &p, &error), 0);
	return p;
}

struct plan *reload(struct daemon *d, const char *text)
{
	struct config_errors errors;
	struct plan *done = NULL;
	char *error = NULL;

	d->config_path = (char *)text;
	if (daemon_reload(d, true, &done, &errors, &error) < 0)
		fail_msg("%s", error);
	config_errors_deinit(&errors);
	return done;
}

const struct plan_service *service_of(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (!strcmp(p->services[i].name, name))
			return &p->services[i];
	return NULL;
}

/* --- Tables by name --- */

struct owners owners_of(const struct live_service *s)
{
	const struct pool_table *t = s->pool.table;
	struct owners o = {t->size, calloc(t->size, NAME_LENGTH_MAX + 1)};

	for (uint32_t slot = 0; slot < t->size; slot++)
		if (t->live[slot] != MAGLEV_NONE)
			strcpy(o.names[slot], s->pool.members[t->live[slot]].name);
	return o;
}

uint32_t count_moved(const struct owners *before, const struct live_service *after)
{
	struct owners now = owners_of(after);
	uint32_t moved = 0;

	for (uint32_t slot = 0; slot < now.size && now.size == before->size; slot++)
		moved += strcmp(before->names[slot], now.names[slot]) != 0;
	moved = now.size == before->size ? moved : now.size;
	free(now.names);
	return moved;
}
