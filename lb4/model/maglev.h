/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
 * NSDI 2016, §3.4) with exact proportional weights.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MAGLEV_NONE UINT16_MAX /* a slot nobody owns: no member has weight */

struct maglev_member {
	const char *name; /* its permutation comes from the name and the seed, nothing else */
	uint32_t weight;  /* 0 .. 65535; 0 owns no slot */
};

/* The sizes a table may have, all prime, ending with 0; the first is the default. */
extern const uint32_t maglev_sizes[];

/*
 * Fills `table` (`size` entries, a prime) with indices into `members`. A member of weight w owns
 * size · w / W slots, rounded by largest remainder. The result depends on the set of (name,
 * weight), the seed and the size, never on the order of `members`. Returns 0 or -ENOMEM.
 */
int maglev_build(uint16_t *table, uint32_t size, uint64_t seed, const struct maglev_member *members,
		 size_t n_members);
