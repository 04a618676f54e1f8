// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "balance.h"
#include "cleanup.h"
#include "lb4_hash.h"
#include "maglev.h"

/*
 * One of those who take turns. Its k-th turn is due at (k + phase) / quota of the cycle; phases are
 * (2i + 1) / 2n, so that equals come in the order of the file and small ones are spread. Times are
 * compared as products: 2n · quota stays below 2^29, the numerator as well.
 */
struct turn {
	uint64_t due; /* in 1/2n of a turn */
	uint32_t quota;
	uint32_t taken;
	uint16_t member;
};

static bool turn_before(const struct turn *a, const struct turn *b)
{
	uint64_t x = a->due * b->quota, y = b->due * a->quota;

	return x < y || (x == y && a->member < b->member);
}

static void sift_down(struct turn *turns, size_t n, size_t at)
{
	struct turn t = turns[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= n)
			break;
		if (child + 1 < n && turn_before(&turns[child + 1], &turns[child]))
			child++;
		if (turn_before(&t, &turns[child]))
			break;
		turns[at] = turns[child];
		at = child;
	}
	turns[at] = t;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Turns of each in a cycle: exact when the cycle is short enough so, else rounded, at least one. */
static uint32_t give_quotas(const struct balance *b, struct turn *turns)
{
	uint32_t sum = b->starts[b->n], divisor = 0, total = 0;

	for (uint32_t i = 0; i < b->n; i++)
		divisor = common_divisor(divisor, b->weights[i]);
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t quota = b->weights[i] / divisor;

		if (sum / divisor > BALANCE_ORDER_MAX)
			quota = (uint32_t)((uint64_t)b->weights[i] * BALANCE_ORDER_MAX / sum);
		turns[i] = (struct turn){
			.due = 2 * i + 1,
			.quota = quota ? quota : 1,
			.member = b->members[i],
		};
		total += turns[i].quota;
	}
	return total;
}

static bool make_order(struct balance *b)
{
	_cleanup_(freep) struct turn *turns = calloc(b->n + 1, sizeof(turns[0]));
	size_t n = b->n;

	if (!turns)
		return false;
	b->n_order = n ? give_quotas(b, turns) : 0;
	b->order = calloc(b->n_order + 1, sizeof(b->order[0]));
	if (!b->order)
		return false;
	for (size_t i = n / 2; i-- > 0;)
		sift_down(turns, n, i);
	for (uint32_t i = 0; i < b->n_order; i++) {
		b->order[i] = turns[0].member;
		turns[0].due += 2 * b->n;
		if (++turns[0].taken == turns[0].quota)
			turns[0] = turns[--n];
		if (n)
			sift_down(turns, n, 0);
	}
	return true;
}

struct balance *balance_new(enum balance_kind kind, const uint32_t *weights, const uint8_t *steps,
			    uint32_t n_members)
{
	struct balance *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->kind = kind;
	b->members = calloc(n_members + 1, sizeof(b->members[0]));
	b->weights = calloc(n_members + 1, sizeof(b->weights[0]));
	b->starts = calloc(n_members + 1, sizeof(b->starts[0]));
	if (!b->members || !b->weights || !b->starts)
		return balance_free(b);
	for (uint32_t i = 0; i < n_members; i++) {
		if (!weights[i] || !steps[i])
			continue;
		assert(weights[i] <= WEIGHT_MAX && steps[i] <= BALANCE_STEPS);
		b->members[b->n] = (uint16_t)i;
		b->weights[b->n] = weights[i] * steps[i];
		b->starts[b->n + 1] = b->starts[b->n] + b->weights[b->n];
		b->n++;
	}
	if (kind == BALANCE_ROUND_ROBIN && !make_order(b))
		return balance_free(b);
	return b;
}

struct balance *balance_free(struct balance *b)
{
	if (!b)
		return NULL;
	free(b->members);
	free(b->weights);
	free(b->starts);
	free(b->order);
	free(b);
	return NULL;
}

static bool was_tried(const struct balance_question *q, uint16_t member)
{
	for (size_t i = 0; i < q->n_tried; i++)
		if (q->tried[i] == member)
			return true;
	return false;
}

/* The place of a member in the list, or n. */
static uint32_t place_of(const struct balance *b, uint16_t member)
{
	uint32_t low = 0, high = b->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (b->members[middle] < member)
			low = middle + 1;
		else
			high = middle;
	}
	return low < b->n && b->members[low] == member ? low : b->n;
}

/* Places that may not be drawn, ascending, each once. */
struct excluded {
	uint32_t places[BALANCE_TRIED_MAX + 1];
	uint32_t n;
	uint32_t weight; /* of all of them */
};

static void exclude(const struct balance *b, struct excluded *e, uint32_t place)
{
	uint32_t at = e->n;

	for (uint32_t i = 0; i < e->n; i++)
		if (e->places[i] == place)
			return;
	for (; at > 0 && e->places[at - 1] > place; at--)
		e->places[at] = e->places[at - 1];
	e->places[at] = place;
	e->n++;
	e->weight += b->weights[place];
}

static struct excluded excluded_of(const struct balance *b, const struct balance_question *q)
{
	struct excluded e = {};

	assert(q->n_tried <= BALANCE_TRIED_MAX);
	for (size_t i = 0; i < q->n_tried; i++) {
		uint32_t place = place_of(b, q->tried[i]);

		if (place < b->n)
			exclude(b, &e, place);
	}
	return e;
}

/* A place by weight, none of the excluded; there is one. */
static uint32_t draw(const struct balance *b, const struct excluded *e, uint64_t random)
{
	uint32_t x = lb4_slot(random, b->starts[b->n] - e->weight), low = 0, high = b->n;

	for (uint32_t i = 0; i < e->n; i++)
		if (x >= b->starts[e->places[i]])
			x += b->weights[e->places[i]];
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (b->starts[middle] <= x)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static uint32_t load_at(const struct balance *b, const struct balance_question *q, uint32_t place)
{
	return q->load(q->context, b->members[place]);
}

static uint16_t choose_of_two(const struct balance *b, const struct balance_question *q,
			      struct excluded *e)
{
	uint32_t first = draw(b, e, q->random), second;

	exclude(b, e, first);
	if (e->n == b->n)
		return b->members[first];
	second = draw(b, e, lb4_mix64(q->random + 1));
	if (balance_less(load_at(b, q, second), b->weights[second], load_at(b, q, first),
			 b->weights[first]))
		return b->members[second];
	return b->members[first];
}

static uint16_t choose_in_turn(const struct balance *b, const struct balance_question *q)
{
	uint32_t at = (uint32_t)(q->turn % b->n_order);

	while (was_tried(q, b->order[at]))
		at = at + 1 < b->n_order ? at + 1 : 0;
	return b->order[at];
}

/* Each load is looked at once, for others change it meanwhile. */
static uint16_t choose_least(const struct balance *b, const struct balance_question *q)
{
	uint32_t best = b->n, best_load = 0, tied = 0;
	uint64_t random = q->random;

	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t load, weight = b->weights[i];

		if (was_tried(q, b->members[i]))
			continue;
		load = load_at(b, q, i);
		if (best == b->n || balance_less(load, weight, best_load, b->weights[best])) {
			tied = weight;
		} else if (balance_less(best_load, b->weights[best], load, weight)) {
			continue;
		} else {
			/* One more of the least: it is the one with probability weight / tied. */
			tied += weight;
			random = lb4_mix64(random + i);
			if (lb4_slot(random, tied) >= weight)
				continue;
		}
		best = i;
		best_load = load;
	}
	return b->members[best];
}

uint16_t balance_choose(const struct balance *b, const struct balance_question *q)
{
	struct excluded e = excluded_of(b, q);

	if (e.n == b->n)
		return MAGLEV_NONE;
	switch (b->kind) {
	case BALANCE_ROUND_ROBIN:
		return choose_in_turn(b, q);
	case BALANCE_LEAST_CONNECTIONS:
		return choose_least(b, q);
	case BALANCE_TWO_CHOICES:
		return choose_of_two(b, q, &e);
	case BALANCE_MAGLEV:
		break;
	}
	assert(!"a table has its own choice");
	return MAGLEV_NONE;
}

double balance_share(const struct balance *b, uint16_t member)
{
	uint32_t place = place_of(b, member);

	return place < b->n ? (double)b->weights[place] / b->starts[b->n] : 0;
}
