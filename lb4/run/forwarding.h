/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Main's side of the fast path: what nat services and their pools come to is written into the
 * programs' maps, and flows end by what they have been silent for. Whatever cannot be had (rights,
 * a kernel, an interface, a route, room) is told, and spliced instead.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "clock.h"
#include "config.h"
#include "end_reason.h"
#include "lb4_fastpath.h"

struct address;
struct backend;
struct capture;
struct check_path;
struct config;
struct connection_info;
struct daemon;
struct service;
struct snapshot_service;
struct forwarding;
struct live_backend;
struct live_service;
struct way;

/* Loads and attaches the programs, if the configuration names interfaces. */
void forwarding_start(struct daemon *d, const struct config *config);

/* Lets flows go on, if they are pinned; else resets those that are left, and detaches. */
void forwarding_stop(struct daemon *d);

/* Makes the maps say what services, pools and tables say. */
void forwarding_publish(struct daemon *d);

/* Ways are looked at and flows end; lowers the daemon's deadline. */
void forwarding_on_time(struct daemon *d);

/* When this can be read from (−1: never), there is news of interfaces, routes or neighbours: to be
 * taken, so that forwarding_on_time() acts on it. */
int forwarding_fd(const struct daemon *d);
void forwarding_take_news(struct daemon *d);

/* lb4 stops: no new flows any more. */
void forwarding_refuse(struct daemon *d);

/* How many flows would end with lb4. */
uint64_t forwarding_flows_left(const struct daemon *d);

/* Whether connections of dsr would, which nobody can count. */
bool forwarding_has_uncounted(const struct daemon *d);

/* Services that are not forwarded by dsr any more, whose connections go on. */
size_t forwarding_lingering(const struct daemon *d);

/*
 * Checks of backends of dsr go as clients' packets do, where these are forwarded: prepare, before it is
 * asked how each goes; `ret->vips` is the caller's to free. -ENOMEM.
 */
void forwarding_prepare_checks(struct daemon *d);
void forwarding_settle_checks(struct daemon *d); /* the checker has been told */
int forwarding_check_path(const struct daemon *d, const struct live_service *s,
			  const struct live_backend *b, struct check_path *ret);

/* Whether checks would have to go otherwise than as the backends say. */
bool forwarding_checks_differ(const struct daemon *d);

/* Stands for the path that a check of the backend would take now; 0: straight. */
uint64_t forwarding_check_key(const struct daemon *d, const struct live_service *s,
			      const struct live_backend *b);

/* Its flows are reset; END_NONE: they may go on. */
void forwarding_leave_backend(struct daemon *d, const struct backend *b, enum end_reason reason);

/* Whether new flows are taken; else connections are spliced, and flows that there are go on. False:
 * there is no fast path. */
bool forwarding_accept(struct daemon *d, bool accepts);
bool forwarding_is_off(const struct daemon *d); /* an operator wants it so */

/* By which packets are captured; NULL: there is no fast path. */
struct capture *forwarding_capture(const struct daemon *d);

/* How many of the ways that are lost are shown. */
#define FORWARDING_LOST_MAX 16

struct forwarding_status {
	const char *why_not; /* the programs are not loaded; NULL: they are */
	bool accepts;
	bool captures; /* packets are being captured */
	uint64_t flows, max_flows;
	uint64_t replaced; /* flows that gave way before their clients had acknowledged them */
	uint64_t untold;   /* flows that were over and gave way before that was told */
	uint64_t verdicts[LB4_VERDICT_COUNT];
	struct forwarding_interface {
		const char *name;
		const char *hook;    /* "tcx", "xdp"; NULL: not attached … */
		const char *why_not; /* … because of this */
		const char *reason;  /* why it is that hook; NULL: not attached */
	} interfaces[LB4_INTERFACES_MAX];
	size_t n_interfaces;
	size_t n_ways, n_resolved, n_lost;	     /* to addresses of backends */
	const struct way *lost[FORWARDING_LOST_MAX]; /* the first of them */
};

/* False: the configuration names no interfaces. Texts and ways live until the next call of forwarding.h. */
bool forwarding_status(const struct daemon *d, struct forwarding_status *ret);

/* How packets of nat get to the backend with that address; NULL: it is nobody's of nat. */
const struct way *forwarding_way(const struct daemon *d, const struct address *backend);

/*
 * Flows, of `only` or (NULL) of all services, are added to the `*n` connections of `*infos`, at
 * most `n_max`. -ENOMEM. What there is stays as it was then.
 */
int forwarding_connections(const struct daemon *d, const struct service *only, size_t n_max,
			   struct connection_info **infos, size_t *n);

/* Lines of flows for the connection log that were lost. */
uint64_t forwarding_lines_dropped(const struct daemon *d);

/* What the programs would do with a SYN from `client` to `local`, by what their maps say. */
struct forwarding_explanation {
	enum forward_kind path; /* as the service says … */
	const char *why_not;	/* … or it is spliced, because of this */
	bool has_slot;
	uint32_t slot;
	const struct backend *owner; /* NULL: none */
	/* Of dsr: what the slot is in, and whose flows without a way are while it moves. */
	const char *slot_state; /* "still", "moving", "pinned"; NULL: not of dsr */
	const struct backend *previous;
	struct forwarding_flow {
		bool is_there;		       /* of a connection that there is */
		const struct backend *backend; /* NULL: no longer known */
		const char *state;	       /* as of connections; "ending": it is over */
		bool has_source;	       /* unless it is of dsr … */
		struct address source;	       /* … ours, towards the backend */
		nsec_t age, idle;	       /* of dsr only `idle` is known */
	} flow;
};
void forwarding_explain(const struct daemon *d, const struct snapshot_service *s,
			const struct address *client, const struct address *local,
			struct forwarding_explanation *ret);
