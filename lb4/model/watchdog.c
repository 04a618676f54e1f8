// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>

#include "watchdog.h"

#define ROUNDS 4

void watchdog_init(struct watchdog *w, nsec_t timeout, unsigned n_parts, nsec_t now)
{
	assert(n_parts <= WATCHDOG_PARTS_MAX);
	*w = (struct watchdog){.period = timeout / ROUNDS, .n_parts = n_parts, .due = now};
	if (timeout && !w->period)
		w->period = 1;
}

nsec_t watchdog_next(const struct watchdog *w)
{
	return w->period ? w->due : NSEC_NEVER;
}

void watchdog_answered(struct watchdog *w, unsigned part, uint64_t round)
{
	if (round > w->parts[part].answered)
		w->parts[part].answered = round;
}

static bool all_answered(const struct watchdog *w)
{
	for (unsigned i = 0; i < w->n_parts; i++)
		if (w->parts[i].answered < w->round)
			return false;
	return true;
}

bool watchdog_tick(struct watchdog *w, nsec_t now)
{
	bool well = all_answered(w);

	w->due = nsec_add(now, w->period); /* not w->due: a pause is not made up for */
	if (!well)
		return false;
	w->begun = now;
	return ++w->round > 1; /* at the first tick nobody has been asked */
}

bool watchdog_unasked(const struct watchdog *w, unsigned part)
{
	return w->parts[part].asked < w->round;
}

void watchdog_asked(struct watchdog *w, unsigned part)
{
	w->parts[part].asked = w->round;
}

enum watchdog_news watchdog_news(struct watchdog *w, unsigned part, nsec_t now)
{
	struct watchdog_part *p = &w->parts[part];
	bool answered = p->answered >= w->round || w->begun == now;

	if (p->stuck && answered) {
		p->stuck = false;
		return WATCHDOG_BACK;
	}
	if (!p->stuck && !answered && now >= nsec_add(w->begun, ROUNDS / 2 * w->period)) {
		p->stuck = true;
		return WATCHDOG_STUCK;
	}
	return WATCHDOG_NOTHING;
}
