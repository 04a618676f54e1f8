// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "lb4_place.h"
#include "vip_table.h"

#define SEEDS_MAX 100

static void clear(struct lb4_vip_bucket *half)
{
	for (size_t i = 0; i < LB4_VIP_BUCKETS; i++)
		for (size_t j = 0; j < LB4_VIP_WAYS; j++)
			half[i].way[j] = (struct lb4_vip_key){.vip = LB4_VIP_NONE};
}

static bool enter(struct lb4_vip_bucket *half, const struct vip_entry *e, uint32_t seed)
{
	struct lb4_vip_bucket *bucket =
		&half[lb4_vip_place(seed, e->address, e->port, LB4_VIP_BUCKETS)];

	for (size_t i = 0; i < LB4_VIP_WAYS; i++) {
		struct lb4_vip_key *key = &bucket->way[i];

		if (key->vip != LB4_VIP_NONE)
			continue;
		memcpy(key->address, e->address, sizeof(key->address));
		key->port = e->port;
		key->vip = e->vip;
		return true;
	}
	return false;
}

int vip_table_build(struct lb4_vip_bucket *half, const struct vip_entry *entries, size_t n,
		    uint32_t first_seed, uint32_t *ret_seed)
{
	for (uint32_t i = 0; i < SEEDS_MAX; i++) {
		size_t entered = 0;

		clear(half);
		while (entered < n && enter(half, &entries[entered], first_seed + i))
			entered++;
		if (entered == n) {
			*ret_seed = first_seed + i;
			return 0;
		}
	}
	return -ENOSPC;
}
