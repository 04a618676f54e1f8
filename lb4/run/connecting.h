/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding a backend for a connection: candidates in the order of the choice, within tries and
 * budget. Until a byte has been exchanged, a backend that is lost is replaced by the next.
 */
#pragma once

#include "connection.h"

/* Tries the next candidate. Like all below, may end the connection. */
void connecting_begin(struct connection *c);

/*
 * The next candidate that has room, as a member of the service: a place there is taken and must be
 * used by connecting_to(). MAGLEV_NONE: *ret_full tells whether there would be one with room.
 */
uint16_t connecting_choose(const struct connection *c, const struct snapshot_service *service,
			   bool *ret_full);
void connecting_to(struct connection *c, const struct snapshot_service *service, uint16_t member);

/* The connect has completed. */
void connecting_done(struct connection *c, int result);

/* The time of a try, a pause or a wait is over. */
void connecting_expire(struct connection *c);

/* The backend has left the table while it was being connected to. */
void connecting_abandon(struct connection *c);

/* Descriptors have become free: connections that wait for one look again. */
void connecting_wake(struct splicer *s);

/*
 * The backend reset the connection. When no byte was exchanged yet, the next candidate is tried
 * (once the operations on its socket have completed) and true is returned.
 */
bool connection_lose_backend(struct connection *c, int error);

/*
 * The backend has failed by other evidence. As above: true when the connection leaves it for the
 * next candidate.
 */
bool connection_move(struct connection *c);

/* An operation on the lost backend's socket has completed. */
void connection_lost_step(struct connection *c);
