// SPDX-License-Identifier: BSD-2-Clause
#include "refusal_lines.h"

bool refusal_lines_want(struct refusal_lines *l, enum end_reason reason, nsec_t now)
{
	/* What is untold keeps its second until it is told. */
	if (now >= l->reasons[reason].until && l->reasons[reason].n_more == 0) {
		l->reasons[reason].until = nsec_add(now, NSEC_PER_SEC);
		l->reasons[reason].n_written = 0;
	}
	if (l->reasons[reason].n_written < REFUSAL_LINES) {
		l->reasons[reason].n_written++;
		return true;
	}
	l->reasons[reason].n_more++;
	return false;
}

nsec_t refusal_lines_next(const struct refusal_lines *l)
{
	nsec_t next = NSEC_NEVER;

	for (unsigned i = 0; i < END_REASONS; i++)
		if (l->reasons[i].n_more && l->reasons[i].until < next)
			next = l->reasons[i].until;
	return next;
}

enum end_reason refusal_lines_take(struct refusal_lines *l, nsec_t now, uint64_t *ret_more)
{
	for (unsigned i = 0; i < END_REASONS; i++) {
		if (!l->reasons[i].n_more || now < l->reasons[i].until)
			continue;
		*ret_more = l->reasons[i].n_more;
		l->reasons[i].n_more = 0;
		return (enum end_reason)i;
	}
	return END_NONE;
}
