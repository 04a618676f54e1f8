// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "heap.h"

void heap_deinit(struct heap *h)
{
	free(h->timers);
	*h = (struct heap)HEAP_INIT;
}

int heap_reserve(struct heap *h, size_t n)
{
	size_t wanted = h->n_allocated ? h->n_allocated : 64;
	struct timer **timers;

	while (wanted < n)
		wanted *= 2;
	if (wanted <= h->n_allocated)
		return 0;
	timers = reallocarray(h->timers, wanted, sizeof(struct timer *));
	if (!timers)
		return -ENOMEM;
	h->timers = timers;
	h->n_allocated = wanted;
	return 0;
}

static void put(struct heap *h, size_t position, struct timer *t)
{
	h->timers[position] = t;
	t->position = (uint32_t)position;
}

static void sift_up(struct heap *h, size_t position, struct timer *t)
{
	while (position > 0) {
		size_t parent = (position - 1) / 2;

		if (h->timers[parent]->deadline <= t->deadline)
			break;
		put(h, position, h->timers[parent]);
		position = parent;
	}
	put(h, position, t);
}

static void sift_down(struct heap *h, size_t position, struct timer *t)
{
	for (;;) {
		size_t child = 2 * position + 1;

		if (child >= h->n_timers)
			break;
		if (child + 1 < h->n_timers &&
		    h->timers[child + 1]->deadline < h->timers[child]->deadline)
			child++;
		if (t->deadline <= h->timers[child]->deadline)
			break;
		put(h, position, h->timers[child]);
		position = child;
	}
	put(h, position, t);
}

void heap_arm(struct heap *h, struct timer *t, nsec_t deadline)
{
	nsec_t before = t->deadline;

	t->deadline = deadline;
	if (t->position == TIMER_IDLE) {
		assert(h->n_timers < h->n_allocated);
		sift_up(h, h->n_timers++, t);
	} else if (deadline < before) {
		sift_up(h, t->position, t);
	} else {
		sift_down(h, t->position, t);
	}
}

void heap_disarm(struct heap *h, struct timer *t)
{
	struct timer *last;
	size_t position = t->position;

	if (t->position == TIMER_IDLE)
		return;
	t->position = TIMER_IDLE;
	last = h->timers[--h->n_timers];
	if (last == t)
		return;
	if (position > 0 && last->deadline < h->timers[(position - 1) / 2]->deadline)
		sift_up(h, position, last);
	else
		sift_down(h, position, last);
}

nsec_t heap_next(const struct heap *h)
{
	return h->n_timers ? h->timers[0]->deadline : NSEC_NEVER;
}

struct timer *heap_pop(struct heap *h, nsec_t now)
{
	struct timer *first;

	if (h->n_timers == 0 || h->timers[0]->deadline > now)
		return NULL;
	first = h->timers[0];
	heap_disarm(h, first);
	return first;
}
