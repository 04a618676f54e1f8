/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ceiling in bytes that several threads share. `used` never passes it by budget_take(); what has
 * to be counted in any case (budget_add()) may.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct budget {
	_Atomic uint64_t used;
	_Atomic uint64_t max; /* 0: no ceiling */
};

static inline uint64_t budget_left(const struct budget *b)
{
	uint64_t max = atomic_load_explicit(&b->max, memory_order_relaxed);
	uint64_t used = atomic_load_explicit(&b->used, memory_order_relaxed);

	if (max == 0)
		return UINT64_MAX;
	return used < max ? max - used : 0;
}

static inline void budget_add(struct budget *b, uint64_t size)
{
	atomic_fetch_add_explicit(&b->used, size, memory_order_relaxed);
}

static inline void budget_give(struct budget *b, uint64_t size)
{
	atomic_fetch_sub_explicit(&b->used, size, memory_order_relaxed);
}

static inline bool budget_take(struct budget *b, uint64_t size)
{
	uint64_t max = atomic_load_explicit(&b->max, memory_order_relaxed);
	uint64_t used = atomic_load_explicit(&b->used, memory_order_relaxed);

	do {
		if (max && (used > max || size > max - used))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&b->used, &used, used + size, memory_order_relaxed, memory_order_relaxed));
	return true;
}
