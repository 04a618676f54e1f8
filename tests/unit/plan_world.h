/* SPDX-License-Identifier: BSD-2-Clause */
/* Plans of a daemon that only tells, and tables by name. */
#pragma once

#include "daemon_world.h"
#include "plan.h"

/* What is planned, and what is done, for the configuration `text`. Neither fails. */
struct plan *plan(struct daemon *d, const char *text);
struct plan *reload(struct daemon *d, const char *text);

/* NULL when the plan has none of that name. */
const struct plan_service *service_of(const struct plan *p, const char *name);

/* Who owns each slot of the live table; free() the names. */
struct owners {
	uint32_t size;
	char (*names)[NAME_LENGTH_MAX + 1];
};
struct owners owners_of(const struct live_service *s);

/* Slots that another name owns now; all of them when the size is another. */
uint32_t count_moved(const struct owners *before, const struct live_service *after);
