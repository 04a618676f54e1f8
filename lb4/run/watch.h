/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checker watches: a watch is one check of one address, with everybody who wants to know;
 * a set of them is made by main from targets and then handed to the checker, so that all that can
 * fail fails where somebody can be told.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "checker.h"
#include "config.h"
#include "health.h"
#include "heap.h"
#include "list.h"
#include "probe.h"

struct flight;
struct watch;

struct subscriber {
	uint64_t id; /* of the target */
	bool told;   /* the last result, or there is none */
	struct watch *watch;
	struct subscriber *next; /* of the same watch */
};

/* Of the path of clients' packets: whether the backend itself has answered a plain connection. */
enum watch_plain {
	PLAIN_UNKNOWN,
	PLAIN_ANSWERS,
	PLAIN_SILENT,
};

struct watch {
	struct address address;
	struct check_path path; /* its own */
	size_t vip;		/* whose turn it is */
	bool wants_plain; /* the last probe was not even connected: how is it without the path? */
	nsec_t plain_at;  /* when that was last known */
	enum watch_plain plain; /* since then */
	struct check_config check;
	struct probe *probe;
	struct subscriber *subscribers; /* in the set's array */
	struct verdict verdict;

	struct timer timer; /* no flight: when the next is due; else what limits the flight */
	nsec_t started;	    /* the last probe */
	nsec_t due;	    /* the next probe */
	struct flight *flight;
	struct list waiting; /* linked when due while no flight is to be had */
	bool fresh;	     /* never scheduled */
	bool gone;	     /* in no set: ends with its flight */
	bool disputed;	     /* its targets begin with different verdicts */
	struct watch *twin;  /* scratch of watch_set_adopt() */

	/* The last result, of which `at` is 0 before the first. */
	struct {
		bool ok;
		nsec_t latency, at, wall;
		char error[HEALTH_ERROR_MAX];
	} last;
};

void watch_free(struct watch *w);

struct watch_set {
	struct watch **watches; /* ordered by address; no two are equal */
	size_t n_watches;
	struct subscriber *subscribers;
	size_t n_subscribers;
	struct heap heap; /* with room for the timer of each watch */
};

#define WATCH_SET_INIT                                                                             \
	{                                                                                          \
	}

/* -ENOMEM. */
int watch_set_init(struct watch_set *s, const struct check_target *targets, size_t n);

/* Ends the set and its watches, none of which is in flight. */
void watch_set_deinit(struct watch_set *s);

/*
 * Puts into `s` the watches of `old` that are equal to its own, with timers and all, and lets
 * those that are new inherit verdicts by target. What stays in `old` are watches that nobody wants
 * any more, with idle timers and without subscribers; it has no other use than to be emptied.
 */
void watch_set_adopt(struct watch_set *s, struct watch_set *old);
