/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choosing a backend without a hash: least-connections, round-robin, two-choices, all by weight.
 * What they choose from is made by a pool on main, immutable afterwards; any thread that holds it
 * reads it. Loads, random numbers and turns are the caller's: no clock, no state, no chance here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

/* A weight counts in parts of this, so that a slow start has whole numbers to go through. */
#define BALANCE_STEPS 10

/* A cycle of round robin is at most so long: weights that ask for more are rounded. */
#define BALANCE_ORDER_MAX 65536

/* Candidates that one connection was refused by or passes over, at most. */
#define BALANCE_TRIED_MAX 16

struct balance {
	enum balance_kind kind; /* not BALANCE_MAGLEV */
	uint32_t n;		/* those that may be chosen … */
	uint16_t *members;	/* … ascending, as the caller counts members */
	uint32_t *weights;	/* of each, in BALANCE_STEPS of a unit, never 0 */
	uint32_t *starts;	/* the weights before each; the last entry is the sum of all */
	uint16_t *order;	/* of round robin: a smooth cycle of members, each in it */
	uint32_t n_order;
};

/*
 * Of member i, `steps[i]` of BALANCE_STEPS parts of weights[i] count; 0 of either: it may not be
 * chosen. NULL when memory is short.
 */
struct balance *balance_new(enum balance_kind kind, const uint32_t *weights, const uint8_t *steps,
			    uint32_t n_members);
struct balance *balance_free(struct balance *b);

struct balance_question {
	const uint16_t *tried; /* members that are not to be chosen again */
	size_t n_tried;
	uint64_t random; /* 64 random bits, other ones each time */
	uint64_t turn;	 /* of round robin: which place of the cycle, around and around */
	/* Connections that a member has now. */
	uint32_t (*load)(const void *context, uint16_t member);
	const void *context;
};

/*
 * Who takes the next connection, MAGLEV_NONE when nobody is left. Allocates nothing.
 *
 * round-robin: whose turn it is, or the next in turn who was not tried.
 * least-connections: the fewest connections for its weight; of several, one at random by weight.
 * two-choices: of two different ones drawn by weight, that with fewer connections for its weight.
 */
uint16_t balance_choose(const struct balance *b, const struct balance_question *q);

/* Whether `x` connections weigh less on weight `x_weight` than `y` on `y_weight`: exactly. */
static inline bool balance_less(uint32_t x, uint32_t x_weight, uint32_t y, uint32_t y_weight)
{
	return (uint64_t)x * y_weight < (uint64_t)y * x_weight;
}

/* The part of new connections that a member gets when all loads are alike, 0 to 1. */
double balance_share(const struct balance *b, uint16_t member);
