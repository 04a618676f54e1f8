/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of forwarding.h share. */
#pragma once

#include "capture.h"
#include "check_programs.h"
#include "daemon_private.h"
#include "fastpath.h"
#include "flow_table.h"
#include "flow_teller.h"
#include "forwarding.h"
#include "pins.h"
#include "placement.h"
#include "raw.h"
#include "ways.h"

struct forwarding {
	struct fastpath *fastpath;
	const struct fastpath_maps *maps;
	struct placement *placement;
	struct capture *capture;
	struct check_programs *checks; /* NULL: not wanted so far, or not to be had: */
	int checks_error;	       /* as last told */
	uint32_t check_interfaces[CHECK_INTERFACES_MAX]; /* where they are wanted … */
	size_t n_check_interfaces;			 /* … since that was last asked */
	struct flow_table table;
	struct flow_teller teller;
	struct raw raw;
	struct pins pins;
	bool pinned;  /* flows outlive lb4 */
	bool accepts; /* what the operator wants */
	struct attached {
		char *name;
		enum hook_wish wish;
		uint32_t index;
		const char *hook; /* NULL: not attached … */
		int error;	  /* … because of this */
		char reason[sizeof(((struct fastpath_attached *)0)->reason)]; /* of the hook */
	} interfaces[LB4_INTERFACES_MAX];
	size_t n_interfaces;
	int error; /* why there are no programs */
	uint32_t max_flows;
	struct ways_rules rules;
	struct ways *ways;
	int watch;		     /* news of the kernel's; −1: there are none */
	bool ways_changed;	     /* since they were told to the programs */
	nsec_t look_next;	     /* at interfaces and ways … */
	nsec_t look_not_before;	     /* … and not earlier, whatever the news */
	uint32_t walk_at, glance_at; /* places of the table */
	bool glance_found;	     /* something, since it began at the first place … */
	uint64_t glance_news;	     /* … when there was this news */
	uint32_t ways_at;	     /* line of the other table */
	nsec_t walk_next;
	size_t n_homeless; /* services that found no room, as last told */
	size_t n_lingering;

	/* For those whose flows are being reset: */
	const struct backend *leaving;
	enum end_reason reason;
	nsec_t now;
};

/* Why there are no programs, or none at an interface. */
const char *forwarding_why(int error);

struct address forwarding_address(const uint8_t ip[16], __be16 port);

/* --- forwarding_flows.c: how flows end --- */

/* Goes on looking at flows: those whose end is to be told, and a part of all of them. `f->now` is
 * set. */
void forwarding_look_on(struct forwarding *f);

/* What is to be told before lb4 ends; flows that would end with it are reset. */
void forwarding_tell_last(struct forwarding *f);
