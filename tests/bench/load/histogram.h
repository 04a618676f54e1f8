/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Durations counted in log-linear buckets: each power of two is cut into 128, so that what is read
 * back is off by less than half a percent, whatever the range.
 */
#pragma once

#include <stdint.h>

#include "clock.h"

#define HISTOGRAM_BITS	  7
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
	uint64_t total;
	nsec_t max; /* exact */
	uint64_t counts[HISTOGRAM_BUCKETS];
};

/* Values below 2^BITS are their own bucket; above, the leading BITS + 1 bits tell which it is. */
static inline unsigned histogram_bucket(nsec_t value)
{
	unsigned shift;

	if (value >> HISTOGRAM_BITS == 0)
		return (unsigned)value;
	shift = 63 - HISTOGRAM_BITS - (unsigned)__builtin_clzll(value);
	return (shift << HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

static inline void histogram_add(struct histogram *h, nsec_t value)
{
	h->counts[histogram_bucket(value)]++;
	h->total++;
	if (value > h->max)
		h->max = value;
}

/* The value that a share `q` of all do not exceed; 0 when there are none. */
nsec_t histogram_quantile(const struct histogram *h, double q);
