/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The health thread. It probes the targets main gives it, on a ring of its own, and reports each
 * result to main; it never acts on one. All calls come from main and none of them blocks, but for
 * starting and stopping.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "clock.h"
#include "config.h"
#include "health.h"
#include "report.h"

struct checker;
struct lb4_check;

/* How a check gets to its address. */
struct check_path {
	/* FORWARD_SPLICE: straight; dsr: as packets of clients for the VIPs, which it takes in turn;
	 * where it fails it stays until it succeeds. */
	enum forward_kind forward;
	const struct address *vips; /* of the address's family, and with its port */
	size_t n_vips;
	struct lb4_check
		*entries; /* LB4_CHECKS, where programs are told of it; outlive the checker */
};

struct check_target {
	uint64_t id; /* the caller's name for it, the same for as long as the backend lives */
	struct address address;
	struct check_path path;
	struct check_config check; /* targets with CHECK_NONE are left out */
	/* What a probe that is new begins with: of a process before. Targets that share one and do
	 * not agree leave it to the first result. */
	enum verdict_state verdict;
};

/* One result for one target. */
struct check_report {
	struct report report;
	uint64_t id;
	bool ok;
	enum verdict_state verdict;   /* with this result taken into account */
	nsec_t latency;		      /* since the probe began; of a timeout, the timeout */
	nsec_t at, wall;	      /* when it was known, CLOCK_MONOTONIC and CLOCK_REALTIME */
	char error[HEALTH_ERROR_MAX]; /* "" when ok */
};

struct checker_stats {
	uint64_t n_results;   /* of probes, before they are multiplied by targets */
	uint64_t n_dropped;   /* reports that main's full mailbox refused */
	uint64_t n_postponed; /* probes put off: no descriptor, port or memory on this side */
	uint64_t n_late;      /* completions of something that had ended */
};

/* Starts the thread; results are posted to `reports` as struct check_report. -errno. */
int checker_start(struct mailbox *reports, struct checker **ret);

/* Ends all probes, joins the thread, frees. */
struct checker *checker_stop(struct checker *c);

/*
 * Replaces the set of targets; the array is copied, texts and all. Targets of equal address, path and
 * check are one probe on the wire. Probes that stay keep verdict and schedule; a target that joins
 * one with a result is told that result at once, and one whose check changed keeps the verdict of
 * the old check until results change it. -ENOMEM or -ENOBUFS: nothing has changed.
 */
int checker_set_targets(struct checker *c, const struct check_target *targets, size_t n);

/*
 * Passive evidence against a target: the verdict of its probe becomes down and needs `rise`
 * successes, and it is probed soon. Nothing happens when the target is not known (any more).
 * -ENOMEM or -ENOBUFS.
 */
int checker_suspect(struct checker *c, uint64_t id);

/* Are you alive? Then checker_answer() becomes `question`. -ENOMEM or -ENOBUFS. */
int checker_ask(struct checker *c, uint64_t question);
uint64_t checker_answer(const struct checker *c);

void checker_stats(const struct checker *c, struct checker_stats *ret);
