/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors of established connections, when there are fewer than connections. A worker has so
 * many connections awake, with their two descriptors; past that the coldest are parked: their
 * sockets stay, what is under way on them goes on, and the next event wakes them.
 *
 *   established ─→ awake ⇄ parked ─→ ending      anything else: always awake
 *
 * Who enters a connection by an event (a completion, a timer, an order of main) wakes it, and parks
 * others only; so while an event is handled the connection has its descriptors, and nothing else
 * needs to know of parking.
 */
#pragma once

#include <stdbool.h>

#include "connection.h"

/* It is established, and may be parked from now on. */
void connection_may_park(struct connection *c);

/* It is ending, and needs no descriptor any more: the first to be parked, should there be need. */
void connection_may_sleep(struct connection *c);

/* It is looking for another backend, and keeps the descriptors that it has. */
void connection_stays_awake(struct connection *c);

/*
 * An event on an established connection. False: there were no descriptors, and it has been ended for
 * that; `c` may be freed.
 */
bool connection_wake(struct connection *c);

/*
 * Descriptors ran out, though some are kept for everything else: parks a few connections other than
 * `c`. False when there is none to park.
 */
bool connection_need_descriptors(const struct connection *c);

/* Closes both sockets, with RST if `reset`; no operation is under way on them. */
void connection_close(struct connection *c, bool reset);

/* Closes the backend's socket with RST. The connection is awake. */
void connection_close_server(struct connection *c);
