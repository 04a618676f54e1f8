/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a configuration changes of what runs, told before it holds (a plan) and when it does (a
 * reload). Filled by run/daemon_plan.c from the same staged parts that a reload puts in place.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config_diff.h"

enum plan_kind {
	PLAN_SAME,
	PLAN_ADDED,
	PLAN_REMOVED,
	PLAN_CHANGED,
};

/* How a backend differs from the file that was loaded. */
enum drift_kind {
	DRIFT_NONE,
	DRIFT_ADDED,
	DRIFT_REMOVED,
	DRIFT_CHANGED,
};

/* "added", "removed", "changed"; NULL of the first of each. */
const char *plan_kind_name(enum plan_kind kind);
const char *drift_kind_name(enum drift_kind kind);

struct plan_backend {
	enum plan_kind kind;
	struct backend_config config;	/* as it will be; of one that is removed, as it is */
	enum drift_kind drift;		/* a change at run time that this undoes */
	struct setting_changes changes; /* of one that is changed */
	uint64_t finishing; /* connections that it, or its old address, has and may finish */
};

struct plan_service {
	enum plan_kind kind;
	char *name;
	size_t n_backends;		 /* it will have; of one that is removed, it has */
	struct setting_changes settings; /* of one that is added, its listen addresses */
	struct plan_backend *backends;	 /* that change, unless the whole service comes or goes */
	size_t n_backends_changed;

	bool has_table;	   /* before and after: slots can be compared */
	uint32_t size;	   /* slots of the table after */
	uint32_t at_once;  /* slots that move when the configuration begins to hold */
	uint32_t moved;	   /* … and when what is new has passed its first check */
	uint32_t minimum;  /* the least that any table would move for that */
	double redirected; /* share of new connections that change owner by then */
	bool redrawn;	   /* by another hash or seed: every client meets another slot */

	/* Connections there are now, and what becomes of them. */
	uint64_t active;
	uint64_t finishing; /* on backends, or by a service, that go: they may finish */
	uint64_t reset;	    /* on_down: reset of a backend that max_eject kept in */
	uint64_t deadlined; /* on_down: drain of such a one, with a drain_timeout */
};

struct plan_totals {
	unsigned services_added, services_removed;
	unsigned backends_added, backends_removed, backends_changed;
	uint64_t slots_moved; /* at once */
};

struct plan {
	struct plan_totals totals;
	struct setting_changes settings; /* outside of services */
	struct plan_service *services;	 /* without those that stay as they are */
	size_t n_services;
	char *losses; /* why a reload wants to be told that this is meant, or NULL */
};

struct plan *plan_free(struct plan *p);
void plan_freep(struct plan **p);
