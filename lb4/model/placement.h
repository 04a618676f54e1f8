/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where services, listen addresses and backends stand in the fast path's maps. A flow refers to a
 * place by its number for as long as it lives, so a place keeps its meaning until its last flow has
 * ended: a backend that moved, or is reached from another address of ours, gets another place; a
 * listen address that is gone takes no new flows and keeps those that it has. Main's; no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "fastpath_maps.h"
#include "flow_account.h"
#include "snapshot.h"

struct placement;

/* How packets get to a backend, at this time. */
struct backend_way {
	bool reachable;
	bool returns; /* answers come in where the program is, which nat needs */
	uint32_t interface;
	uint16_t mss_max;
	struct address source; /* ours */
	bool has_gateway;
	struct address gateway;
	bool resolved; /* these are known: */
	uint8_t next_mac[6], own_mac[6];
};

/* A service of the snapshot that is to be forwarded, with its listen addresses and its backends'
 * ways. */
struct placed_service {
	const struct snapshot_service *service;
	const struct address *listen;
	size_t n_listen;
	const struct backend_way *ways; /* service->n_backends */
};

/*
 * The maps are empty, or `adopted`: as another process has left them, with flows in them and a
 * program that goes by them. Until the first update that goes on; then services take the place of
 * those that were there, and backends and listen addresses find their flows again by address and
 * port. NULL: no memory.
 */
struct placement *placement_new(const struct fastpath_maps *maps, bool adopted);

/* Lets go of all; flows are left as they are. NULL is ignored. */
struct placement *placement_free(struct placement *p);

/*
 * Makes the maps say so, at the tick `now`. `synchronize` returns when no program runs any more that ran when it was
 * called. Returns how many services found no room, and are not forwarded.
 */
size_t placement_update(struct placement *p, const struct placed_service *services, size_t n,
			uint32_t now, void (*synchronize)(void));

/* What a flow's backend and service are; NULL: nothing that is known. */
struct backend *placement_backend(const struct placement *p, const struct lb4_flow *f);
struct service *placement_service(const struct placement *p, const struct lb4_flow *f);
const struct service_settings *placement_settings(const struct placement *p,
						  const struct lb4_flow *f);

/* What stands at these places of the maps; NULL: nothing that is known. */
struct service *placement_service_at(const struct placement *p, uint32_t place);
struct backend *placement_backend_at(const struct placement *p, uint32_t place);

/* Where the service stands; LB4_SERVICES_MAX: nowhere. */
uint32_t placement_find_service(const struct placement *p, const struct service *s);

/*
 * A walk over all flows counts them: begin, a call for each flow, end. At its end places without
 * flows are free again.
 */
void placement_begin_count(struct placement *p);
void placement_count(struct placement *p, const struct lb4_flow *f);

/* The same of a way of dsr: how long it may be silent, in ticks. */
uint32_t placement_count_way(struct placement *p, const struct lb4_way *way);

/* The counters have been told. */
void placement_end_count(struct placement *p, uint32_t now);

/* Connections of dsr that this backend has are those of whom their slots belong to, until it may be
 * chosen again. */
void placement_leave(struct placement *p, const struct backend *b);

/* Brings the counters of backends and services up to what the maps' counters say. */
void placement_tell_counters(struct placement *p, nsec_t now);

/*
 * A flow has ended for that reason. `evidence` of flow_evidence(): returns how many ends in a row
 * have spoken against the backend since its last byte; 0: this one does not. A SYN that was not
 * answered does not where the backend has answered others since.
 */
uint64_t placement_tell_end(struct placement *p, const struct lb4_flow *f,
			    const struct flow_account *a, enum end_reason reason, int evidence,
			    nsec_t now);

/* Counts on when flows have begun or are over, as counters were last told. */
uint64_t placement_news(const struct placement *p);

/* Flows that gave way to others before their clients had acknowledged them. */
uint64_t placement_replaced(const struct placement *p);

/* Where the programs find a listen address; LB4_VIP_NONE: nowhere. */
uint32_t placement_find_vip(const struct placement *p, const struct address *a);

/* Something has ended that others wait for the place of: an update will see to it. */
bool placement_wants_update(const struct placement *p);

/* Services that linger. */
size_t placement_lingering(const struct placement *p);

/* Flows that there are now. */
uint64_t placement_flows(const struct placement *p);

/* Whether connections of dsr have begun: some may be there, as nobody sees how they end. */
bool placement_has_uncounted(const struct placement *p);
