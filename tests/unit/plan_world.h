/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon before workers, a checker and sockets that only remember what they were told; its
 * configuration "file" is the text that its path is.
 */
#pragma once

#include <stdint.h>

#include "daemon_private.h"
#include "plan.h"

#define N_WORKERS 2

extern struct plan_world {
	struct snapshot *obeyed[N_WORKERS];
	uint64_t reset;	  /* connections that the first worker was told to reset */
	int claim_result; /* of socket_claim() */
	int listened;	  /* sockets opened */
} heard;

struct config *parse_text(const char *text);

void begin(struct daemon *d, const char *text);
void end(struct daemon *d);

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
