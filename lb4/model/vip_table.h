/* SPDX-License-Identifier: BSD-2-Clause */
/* The hash table by which the fast path's programs know the addresses they forward. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lb4_fastpath.h"

/* Port 0 stands for all that is sent to the address. */
struct vip_entry {
	uint8_t address[16];
	uint16_t port; /* as in packets */
	uint16_t vip;  /* its place in the array of VIPs */
};

/*
 * Fills `half` (LB4_VIP_BUCKETS) with the entries, which are distinct, so that no bucket overflows:
 * *ret_seed is the seed that it took, `first_seed` or a later one. -ENOSPC: a hundred seeds did not
 * do.
 */
int vip_table_build(struct lb4_vip_bucket *half, const struct vip_entry *entries, size_t n,
		    uint32_t first_seed, uint32_t *ret_seed);
