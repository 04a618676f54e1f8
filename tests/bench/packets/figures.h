/* SPDX-License-Identifier: BSD-2-Clause */
/* What was measured, and how it is told. */
#pragma once

#include <stdio.h>

#include "cases.h"

#define ROUNDS_MAX 1000

struct figures {
	struct series {
		const struct packet_case *of;
		double net[ROUNDS_MAX], gross[ROUNDS_MAX]; /* sorted in the end */
	} * series;
	size_t n_series;
	unsigned rounds;

	/* Of the table that was filled, if one was: flows that were begun, and that were not. */
	uint32_t begun, homeless;
	uint64_t memory; /* bytes that the tables take */
	uint64_t left;	 /* places that are taken when all flows have ended */
	nsec_t walk;	 /* CPU time to look at all of them, and end them */
};

/* Once all rounds are there. */
void figures_sort(struct figures *f);

void figures_print(const struct figures *f, FILE *to);
void figures_print_json(const struct figures *f, FILE *to);
