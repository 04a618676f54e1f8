// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>

#include "histogram.h"

/* The middle of a bucket. */
static nsec_t value_of(unsigned bucket)
{
	unsigned shift;

	if (bucket >> HISTOGRAM_BITS == 0)
		return bucket;
	shift = (bucket >> HISTOGRAM_BITS) - 1;
	return ((nsec_t)(bucket - (shift << HISTOGRAM_BITS)) << shift) + ((nsec_t)1 << shift) / 2;
}

nsec_t histogram_quantile(const struct histogram *h, double q)
{
	uint64_t rank = (uint64_t)ceil(q * (double)h->total), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->total; i++) {
		seen += h->counts[i];
		if (h->counts[i] && seen >= rank)
			return value_of(i) < h->max ? value_of(i) : h->max;
	}
	return 0;
}
