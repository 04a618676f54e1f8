/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that stay: opened a few at a time, each proven by one request and its reply. */
#pragma once

#include <stddef.h>

#include "clock.h"
#include "request.h"

struct persistent {
	int fd;
	bool open; /* its first reply is there */
	nsec_t sent_at;
	struct request request;
};

/* All `o->count` of them. False when one failed: an error was counted. */
bool persistent_open(const struct options *o, struct persistent **ret);

/* Sends the next request on an open one; false when that failed, which is counted. */
bool persistent_send(struct persistent *p, nsec_t now);

void persistent_reset(struct persistent *all, size_t n);
