/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a client is let in: allow and deny, then the limits of its source, then those of the
 * service. Asked as soon as the client's address is known, before it costs anything. Any worker;
 * what is counted is shared by all of them and belongs to the service, so it outlives snapshots.
 */
#pragma once

#include "clock.h"
#include "end_reason.h"
#include "source_table.h"

struct address;
struct service;
struct snapshot_service;

/* What an admitted connection holds until it ends. Zeroed: nothing. */
struct admission {
	struct service *service; /* referenced */
	struct source_hold source;
};

/* END_NONE and what is held in *ret, or why the client is refused: then nothing is held. */
enum end_reason admission_check(const struct snapshot_service *s, const struct address *client,
				nsec_t now, struct admission *ret);

/* The connection has ended. Nothing is held then; harmless when nothing was. */
void admission_release(struct admission *a);

/* The source of `client` as the service counts it: its address without the bits that do not count. */
void admission_source(const struct snapshot_service *s, const struct address *client,
		      uint8_t ret[16]);
