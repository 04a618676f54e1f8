// SPDX-License-Identifier: BSD-2-Clause
/* Who may be chosen: the role in service, the brake, and slow starts. */
#include <stdlib.h>
#include <string.h>

#include "pool_private.h"

/* Operators want it to take connections. */
static bool is_wanted(const struct pool_member *m)
{
	return m->admin == ADMIN_ENABLED && m->weight > 0;
}

static int by_failure(const void *x, const void *y)
{
	const struct pool_member *const *a = x, *const *b = y;

	if ((*a)->failed_at != (*b)->failed_at)
		return (*a)->failed_at < (*b)->failed_at ? -1 : 1;
	return strcmp((*a)->name, (*b)->name);
}

/* How many of a role are wanted, and how many of those are well. */
static size_t count(const struct pool *p, bool backup, size_t *ret_well)
{
	size_t n = 0, well = 0;

	for (size_t i = 0; i < p->n_members; i++) {
		const struct pool_member *m = &p->members[i];

		if (m->backup != backup || !is_wanted(m))
			continue;
		n++;
		well += !m->failed;
	}
	*ret_well = well;
	return n;
}

/* When everybody has failed it is the checks that are doubted: primaries, if there are any. */
static bool choose_role(size_t primaries, size_t primaries_well, size_t backups,
			size_t backups_well)
{
	if (primaries_well)
		return false;
	if (backups_well)
		return true;
	return primaries == 0 && backups > 0;
}

/* Of `n` in service; at least one, unless it is switched off. */
static size_t allowed_to_be_ejected(const struct pool *p, size_t n)
{
	size_t allowed = (n * p->max_eject_percent + 99) / 100;

	if (p->fail == FAIL_OPEN && n && allowed > n - 1)
		allowed = n - 1;
	return allowed;
}

static void brake(struct pool *p, size_t n_serving)
{
	size_t n_failed = 0, allowed = allowed_to_be_ejected(p, n_serving);

	for (size_t i = 0; i < p->n_members; i++) {
		struct pool_member *m = &p->members[i];

		if (m->backup == p->on_backups && is_wanted(m) && m->failed)
			p->failed[n_failed++] = m;
	}
	p->brake = n_failed > allowed;
	if (!p->brake || p->fail == FAIL_CLOSED)
		return;
	qsort(p->failed, n_failed, sizeof(struct pool_member *), by_failure);
	for (size_t i = allowed; i < n_failed; i++) {
		p->failed[i]->ejected = false;
		p->failed[i]->braked = true;
	}
}

/*
 * The parts at `now`: one at first, one more with each (BALANCE_STEPS - 1)-th of the time, all of
 * them when it is over.
 */
static uint8_t steps_at(const struct pool *p, const struct pool_member *m, nsec_t now)
{
	nsec_t since = now > m->ramp_at ? now - m->ramp_at : 0;

	if (!m->ramping || since >= p->slow_start)
		return BALANCE_STEPS;
	return (uint8_t)(1 + since * (BALANCE_STEPS - 1) / p->slow_start);
}

static void slow_start(struct pool *p, nsec_t now)
{
	bool somebody_whole = false;

	for (size_t i = 0; i < p->n_members; i++) {
		struct pool_member *m = &p->members[i];
		bool fit = is_wanted(m) && !m->ejected;

		if (fit && !m->fit && !p->new && p->slow_start) {
			m->ramping = true;
			m->ramp_at = now;
		}
		m->fit = fit;
		m->steps = steps_at(p, m, now);
		m->ramping = fit && m->steps < BALANCE_STEPS;
		somebody_whole |= m->eligible && !m->ramping;
	}
	for (size_t i = 0; i < p->n_members; i++) {
		struct pool_member *m = &p->members[i];

		/* Nobody is there to carry what it does not take. */
		if (m->eligible && !somebody_whole)
			m->ramping = false;
		if (!m->ramping)
			m->steps = BALANCE_STEPS;
		p->steps[i] = m->eligible ? m->steps : 0;
	}
	p->new = false;
}

void pool_decide(struct pool *p, nsec_t now)
{
	size_t primaries_well, backups_well;
	size_t primaries = count(p, false, &primaries_well);
	size_t backups = count(p, true, &backups_well);
	bool on_backups = choose_role(primaries, primaries_well, backups, backups_well);

	if (on_backups != p->on_backups)
		p->stale = true;
	p->on_backups = on_backups;
	for (size_t i = 0; i < p->n_members; i++) {
		struct pool_member *m = &p->members[i];

		m->ejected = m->failed && m->admin != ADMIN_DISABLED;
		m->braked = false;
	}
	if (!on_backups && backups_well)
		p->brake = false;
	else
		brake(p, on_backups ? backups : primaries);

	for (size_t i = 0; i < p->n_members; i++) {
		struct pool_member *m = &p->members[i];

		m->eligible = is_wanted(m) && !m->ejected && m->backup == on_backups;
		p->eligible[i] = m->eligible;
	}
	slow_start(p, now);
}

nsec_t pool_next_step(const struct pool *p)
{
	nsec_t next = NSEC_NEVER;

	for (size_t i = 0; i < p->n_members; i++) {
		const struct pool_member *m = &p->members[i];
		nsec_t at;

		if (!m->ramping)
			continue;
		at = (m->steps * p->slow_start + BALANCE_STEPS - 2) / (BALANCE_STEPS - 1);
		at = nsec_add(m->ramp_at, at);
		next = at < next ? at : next;
	}
	return next;
}
