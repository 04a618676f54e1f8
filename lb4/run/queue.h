/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for a backend with room. Each worker keeps those of its own connections that wait, in the
 * order they came; the service tells all workers since when the first of each waits. Whoever leaves
 * a place gives it to the worker whose first waits longest, by ringing its bell when that is another.
 *
 * No place is left with somebody waiting: who begins to wait says so and then looks once more, who
 * leaves a place looks for waiters after that, and whoever is rung for and has nobody left who could
 * use a place passes the bell on.
 */
#pragma once

#include "connection.h"

/*
 * All candidates are full: waits, or ends when nobody may. Like all below, may end the connection.
 */
void queue_wait(struct connection *c, const struct snapshot_service *service);

/* Somebody waits already: a newcomer must not overtake them. */
bool queue_is_busy(const struct snapshot_service *service);

/* It waits no more, being served or ending. Harmless when it did not. */
void queue_leave(struct connection *c);

/* A connection has let go of a backend of `service`. */
void queue_on_room(struct splicer *s, struct service *service);

/* The bell has rung, or there is a new snapshot: serves whoever can be. */
void queue_run(struct splicer *s);
