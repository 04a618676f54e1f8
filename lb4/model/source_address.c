// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "source_address.h"

static uint64_t range_size(const struct prefix *p)
{
	unsigned free_bits = 128u - p->bits;

	return free_bits < 32 ? 1ull << free_bits : 1ull << 32;
}

uint64_t source_address_count(const struct prefix_list *l, enum address_family family)
{
	uint64_t n = 0;

	for (size_t i = 0; l && i < l->n; i++)
		if (l->items[i].family == family)
			n += range_size(&l->items[i]);
	return n;
}

/* Ranges are small, so that only the last four bytes differ. */
static void set(const struct prefix *p, uint64_t n, struct address *ret)
{
	*ret = (struct address){.family = p->family};
	memcpy(ret->ip, p->ip, sizeof(ret->ip));
	for (unsigned i = 0; i < 4; i++)
		ret->ip[15 - i] |= (uint8_t)(n >> 8 * i);
}

bool source_address_pick(const struct prefix_list *l, enum address_family family, uint64_t n,
			 struct address *ret)
{
	uint64_t count = source_address_count(l, family);

	if (count == 0)
		return false;
	n %= count;
	for (size_t i = 0; i < l->n; i++) {
		const struct prefix *p = &l->items[i];

		if (p->family != family)
			continue;
		if (n < range_size(p)) {
			set(p, n, ret);
			return true;
		}
		n -= range_size(p);
	}
	return false;
}
