// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>

#include "plan.h"

static const char *const plan_kinds[] = {
	[PLAN_SAME] = NULL,
	[PLAN_ADDED] = "added",
	[PLAN_REMOVED] = "removed",
	[PLAN_CHANGED] = "changed",
};

static const char *const drift_kinds[] = {
	[DRIFT_NONE] = NULL,
	[DRIFT_ADDED] = "added",
	[DRIFT_REMOVED] = "removed",
	[DRIFT_CHANGED] = "changed",
};

const char *plan_kind_name(enum plan_kind kind)
{
	return plan_kinds[kind];
}

const char *drift_kind_name(enum drift_kind kind)
{
	return drift_kinds[kind];
}

struct plan *plan_free(struct plan *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->n_services; i++) {
		struct plan_service *s = &p->services[i];

		for (size_t j = 0; j < s->n_backends_changed; j++) {
			backend_config_deinit(&s->backends[j].config);
			setting_changes_deinit(&s->backends[j].changes);
		}
		setting_changes_deinit(&s->settings);
		free(s->backends);
		free(s->name);
	}
	setting_changes_deinit(&p->settings);
	free(p->services);
	free(p->losses);
	free(p);
	return NULL;
}

void plan_freep(struct plan **p)
{
	*p = plan_free(*p);
}
