// SPDX-License-Identifier: BSD-2-Clause
#include <limits.h>
#include <stdio.h>

#include "health.h"

static const char *const verdict_names[] = {
	[VERDICT_UNKNOWN] = "unknown",
	[VERDICT_UP] = "up",
	[VERDICT_DOWN] = "down",
};

static const char *const why_names[] = {
	[HEALTH_GOOD] = "good",
	[HEALTH_UNCHECKED] = "unchecked",
	[HEALTH_CHECK] = "check",
	[HEALTH_PASSIVE] = "passive",
};

const char *verdict_name(enum verdict_state state)
{
	return verdict_names[state];
}

const char *health_why_name(enum health_why why)
{
	return why_names[why];
}

static void count_up(unsigned *n)
{
	if (*n < UINT_MAX)
		(*n)++;
}

bool verdict_on_result(struct verdict *v, const struct check_config *check, bool ok)
{
	enum verdict_state before = v->state;

	if (ok) {
		v->failures = 0;
		count_up(&v->successes);
		if (v->state == VERDICT_UNKNOWN || v->successes >= check->rise)
			v->state = VERDICT_UP;
	} else {
		v->successes = 0;
		count_up(&v->failures);
		if (v->state == VERDICT_UNKNOWN || v->failures >= check->fall)
			v->state = VERDICT_DOWN;
	}
	return v->state != before;
}

void verdict_suspect(struct verdict *v)
{
	*v = (struct verdict){.state = VERDICT_DOWN};
}

bool verdict_in_doubt(const struct verdict *v)
{
	switch (v->state) {
	case VERDICT_UP:
		return v->failures > 0;
	case VERDICT_DOWN:
		/* Also when nothing has confirmed it yet, right after passive evidence. */
		return v->failures == 0;
	case VERDICT_UNKNOWN:
		break;
	}
	return true;
}

/* `random` / 2^32 of `range`, without overflow for any range. */
static nsec_t fraction(nsec_t range, uint32_t random)
{
	return (nsec_t)(((unsigned __int128)range * random) >> 32);
}

nsec_t verdict_first_due(const struct check_config *check, nsec_t now, uint32_t random)
{
	nsec_t spread = check->interval < HEALTH_SPREAD_MAX ? check->interval : HEALTH_SPREAD_MAX;

	return nsec_add(now, fraction(spread, random));
}

nsec_t verdict_next_due(const struct verdict *v, const struct check_config *check, nsec_t started,
			uint32_t random)
{
	nsec_t interval = verdict_in_doubt(v) ? check->fast_interval : check->interval;

	return nsec_add(started, interval - fraction(interval / 10, random));
}

void health_init(struct backend_health *h, const struct check_config *check,
		 const struct passive_config *passive, bool presumed_down, nsec_t now)
{
	bool checked = check->kind != CHECK_NONE;

	*h = (struct backend_health){
		.failed = presumed_down && checked,
		.why = presumed_down && checked ? HEALTH_UNCHECKED : HEALTH_GOOD,
		.since = now,
		.checked = checked,
		.passive = *passive,
		.rise = check->rise,
		.presumed_down = presumed_down && checked,
	};
}

bool health_known_failed(const struct backend_health *h)
{
	return h->failed && h->why != HEALTH_UNCHECKED;
}

static enum health_why why_failed(const struct backend_health *h)
{
	/* A check that fails now tells more than the evidence that came before it. */
	if (h->verdict == VERDICT_DOWN && !h->result_ok)
		return HEALTH_CHECK;
	if (h->held)
		return HEALTH_PASSIVE;
	return h->verdict == VERDICT_DOWN ? HEALTH_CHECK : HEALTH_UNCHECKED;
}

static bool check_says_down(const struct backend_health *h)
{
	return h->verdict == VERDICT_DOWN || (h->verdict == VERDICT_UNKNOWN && h->presumed_down);
}

/* Draws the conclusion from all that is known. Returns whether it is another one. */
static bool conclude(struct backend_health *h, nsec_t now)
{
	bool check_down = check_says_down(h);
	bool before = h->failed, known = health_known_failed(h);

	h->failed = h->held || check_down;
	h->why = h->failed ? why_failed(h) : HEALTH_GOOD;
	if (h->failed != before)
		h->since = now;
	return h->failed != before || health_known_failed(h) != known;
}

/* All that a held backend still waits for is the end of its hold. */
static bool vouched_for(const struct backend_health *h)
{
	return !h->checked || (h->verdict == VERDICT_UP && h->successes >= h->rise);
}

static void release(struct backend_health *h, nsec_t now)
{
	if (!h->held || now < h->held_until || !vouched_for(h))
		return;
	h->held = false;
	h->trial_until = h->checked ? 0 : nsec_add(now, h->held_until - h->ejected_at);
}

/* When good behaviour wipes out the strikes. */
static nsec_t forgiven_at(const struct backend_health *h)
{
	nsec_t quiet_since = h->since > h->evidence_at ? h->since : h->evidence_at;

	return h->strikes && !h->failed ? nsec_add(quiet_since, h->passive.hold_max) : NSEC_NEVER;
}

static void forgive(struct backend_health *h, nsec_t now)
{
	if (now >= forgiven_at(h))
		h->strikes = 0;
}

static void eject(struct backend_health *h, nsec_t now)
{
	nsec_t hold = h->passive.hold;

	for (unsigned i = 0; i < h->strikes && hold > 0 && hold < h->passive.hold_max; i++)
		hold = nsec_add(hold, hold);
	if (hold > h->passive.hold_max)
		hold = h->passive.hold_max;

	count_up(&h->strikes);
	h->n_ejections++;
	h->held = true;
	h->ejected_at = now;
	h->held_until = nsec_add(now, hold);
	h->successes = 0;
}

static void note_error(struct backend_health *h, const char *error, nsec_t now)
{
	snprintf(h->error, sizeof(h->error), "%s", error);
	h->error_at = now;
}

bool health_configure(struct backend_health *h, const struct check_config *check,
		      const struct passive_config *passive, nsec_t now)
{
	h->checked = check->kind != CHECK_NONE;
	h->rise = check->rise;
	h->passive = *passive;
	if (!h->checked) {
		h->verdict = VERDICT_UNKNOWN;
		h->presumed_down = false;
	}
	if (!passive->enabled) {
		h->held = false;
		h->strikes = 0;
	}
	return health_on_time(h, now);
}

void health_keep(const struct backend_health *h, struct health_kept *ret)
{
	*ret = (struct health_kept){
		.verdict = h->verdict,
		.result_ok = h->result_ok,
		.presumed_down = h->presumed_down,
		.since = h->since,
		.held = h->held,
		.held_until = h->held_until,
		.ejected_at = h->ejected_at,
		.evidence_at = h->evidence_at,
		.trial_until = h->trial_until,
		.strikes = h->strikes,
		.error_at = h->error_at,
	};
	snprintf(ret->error, sizeof(ret->error), "%s", h->error);
}

static nsec_t at_most(nsec_t a, nsec_t b)
{
	return a < b ? a : b;
}

void health_restore(struct backend_health *h, const struct check_config *check,
		    const struct passive_config *passive, const struct health_kept *kept,
		    bool fresh, nsec_t now)
{
	nsec_t hold_end = nsec_add(now, passive->hold_max);
	bool down;

	health_init(h, check, passive, false, now);
	h->verdict = kept->verdict;
	h->result_ok = kept->result_ok;
	h->presumed_down = kept->presumed_down;
	h->since = at_most(kept->since, now);
	h->held = kept->held;
	h->held_until = at_most(kept->held_until, hold_end);
	h->ejected_at = at_most(kept->ejected_at, now);
	h->evidence_at = at_most(kept->evidence_at, now);
	h->trial_until = at_most(kept->trial_until, hold_end);
	h->strikes = kept->strikes;
	note_error(h, kept->error, at_most(kept->error_at, now));

	down = check_says_down(h);
	if (!fresh) {
		h->verdict = VERDICT_UNKNOWN;
		h->presumed_down = down;
	}
	/* Not news: `since` stays. */
	h->failed = h->held || down;
	h->why = h->failed ? why_failed(h) : HEALTH_GOOD;
	health_configure(h, check, passive, now);
}

bool health_on_result(struct backend_health *h, bool ok, enum verdict_state verdict, nsec_t latency,
		      nsec_t at, nsec_t wall, const char *error)
{
	nsec_t began = at > latency ? at - latency : 0;

	if (!h->checked) /* under way when the check was taken out of the file */
		return false;

	h->verdict = verdict;
	h->result_ok = ok;
	h->latency = latency;
	h->result_at = at;
	h->result_wall = wall;
	h->n_results++;
	if (!ok) {
		h->n_failures++;
		h->successes = 0;
		note_error(h, error, at);
	} else if (began >= h->ejected_at) {
		count_up(&h->successes);
	}
	return health_on_time(h, at);
}

bool health_on_passive(struct backend_health *h, unsigned consecutive, const char *error,
		       nsec_t now)
{
	bool trial;

	if (!h->passive.enabled || consecutive == 0)
		return false;
	forgive(h, now);
	trial = !h->checked && h->strikes > 0 && now < h->trial_until;
	h->n_evidence++;
	h->evidence_at = now;
	note_error(h, error, now);
	/* Connections that were under way when it was ejected add nothing to what is known. */
	if (!h->held && (trial || consecutive >= h->passive.fall))
		eject(h, now);
	return conclude(h, now);
}

bool health_on_time(struct backend_health *h, nsec_t now)
{
	release(h, now);
	forgive(h, now);
	return conclude(h, now);
}

nsec_t health_next(const struct backend_health *h)
{
	if (h->held)
		return vouched_for(h) ? h->held_until : NSEC_NEVER;
	return forgiven_at(h);
}
