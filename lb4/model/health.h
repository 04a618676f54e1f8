/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is up and who is down, as pure rules. Two parts, each owned by one thread:
 *
 * `struct verdict` belongs to the checker: what the results of one probe amount to, and when the
 * next is due. `struct backend_health` belongs to main: verdicts and passive evidence from workers
 * combined into the one bit the pool is told, `failed`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "config.h"

#define HEALTH_ERROR_MAX 160 /* bytes of an error text, its NUL included */

/* The first round of a set of probes is spread over this, or over the interval when shorter. */
#define HEALTH_SPREAD_MAX (500 * NSEC_PER_MSEC)

enum verdict_state {
	VERDICT_UNKNOWN, /* no result yet: the first one decides */
	VERDICT_UP,
	VERDICT_DOWN,
};

const char *verdict_name(enum verdict_state state);

struct verdict {
	enum verdict_state state;
	unsigned successes, failures; /* in a row; one of them is 0 */
};

#define VERDICT_INIT                                                                               \
	{                                                                                          \
	}

/* Returns whether the state changed. */
bool verdict_on_result(struct verdict *v, const struct check_config *check, bool ok);

/* Passive evidence: down at once, and only `rise` successes lead back. */
void verdict_suspect(struct verdict *v);

/* The last result does not confirm the state; then probing is fast. */
bool verdict_in_doubt(const struct verdict *v);

/*
 * When a probe is due: first, and again after the one begun at `started`. `random` is any 32 bits.
 * Jitter only shortens: the interval is a promise about how late a failure may be seen.
 */
nsec_t verdict_first_due(const struct check_config *check, nsec_t now, uint32_t random);
nsec_t verdict_next_due(const struct verdict *v, const struct check_config *check, nsec_t started,
			uint32_t random);

enum health_why {
	HEALTH_GOOD,	  /* not failed */
	HEALTH_UNCHECKED, /* presumed down until the first good result */
	HEALTH_CHECK,	  /* the active check says so */
	HEALTH_PASSIVE,	  /* connections of clients failed */
};

const char *health_why_name(enum health_why why);

struct backend_health {
	/* What the pool and people are told. */
	bool failed;
	enum health_why why;
	nsec_t since; /* when `failed` last changed, or health_init() */

	/* The active check. */
	bool checked; /* one is configured */
	enum verdict_state verdict;
	bool result_ok;	    /* the last result */
	nsec_t latency;	    /* of the last result */
	nsec_t result_at;   /* of the last result; 0: none yet */
	nsec_t result_wall; /* the same for people */

	/* Passive evidence. */
	bool held;	    /* ejected by it, and not back yet */
	nsec_t held_until;  /* the earliest return; 0: never held */
	unsigned strikes;   /* ejections in a row; each doubles the hold */
	nsec_t evidence_at; /* last evidence; 0: none yet */

	char error[HEALTH_ERROR_MAX]; /* the last one, of either kind; "" before the first */
	nsec_t error_at;

	uint64_t n_results, n_failures; /* of the check */
	uint64_t n_evidence, n_ejections;

	/* The rules' own. */
	struct passive_config passive;
	unsigned rise;
	bool presumed_down;
	unsigned successes; /* in a row, of probes begun since the ejection */
	nsec_t ejected_at;
	nsec_t trial_until; /* back without a check to vouch: any evidence ejects */
};

/*
 * A backend that nobody knows yet. With `presumed_down` it is failed until the first good result;
 * without a check nothing could ever raise it, so then it is presumed up all the same.
 */
void health_init(struct backend_health *h, const struct check_config *check,
		 const struct passive_config *passive, bool presumed_down, nsec_t now);

/* What of it outlives the process. */
struct health_kept {
	enum verdict_state verdict;
	bool result_ok, presumed_down;
	nsec_t since;

	bool held;
	nsec_t held_until, ejected_at, evidence_at, trial_until; /* 0: never */
	uint32_t strikes;

	char error[HEALTH_ERROR_MAX];
	nsec_t error_at;
};

void health_keep(const struct backend_health *h, struct health_kept *ret);

/*
 * A backend that a process before knew. While `fresh` its verdict holds until results change it; one
 * that is older is no longer believed: who was down stays so until the first good result, and of
 * others the first result decides. No hold is longer than the settings have it, whatever clocks say.
 */
void health_restore(struct backend_health *h, const struct check_config *check,
		    const struct passive_config *passive, const struct health_kept *kept,
		    bool fresh, nsec_t now);

/* That something speaks against it: it is not merely presumed to be down. */
bool health_known_failed(const struct backend_health *h);

/* The functions below return whether `failed` or health_known_failed() changed. */

/*
 * Settings changed by reload; what is known stays. A check that is gone no longer holds the
 * backend down, nor does passive evidence that is switched off.
 */
bool health_configure(struct backend_health *h, const struct check_config *check,
		      const struct passive_config *passive, nsec_t now);

/* A result of the check at `at`, `latency` after the probe began; `error` when not `ok`. */
bool health_on_result(struct backend_health *h, bool ok, enum verdict_state verdict, nsec_t latency,
		      nsec_t at, nsec_t wall, const char *error);

/* A worker saw `consecutive` failed connects or instant resets, the last one with `error`. */
bool health_on_passive(struct backend_health *h, unsigned consecutive, const char *error,
		       nsec_t now);

/* To be called at health_next(), and harmless at any other time. */
bool health_on_time(struct backend_health *h, nsec_t now);
nsec_t health_next(const struct backend_health *h);
