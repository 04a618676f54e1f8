/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lock for critical sections of a few dozen instructions that never block, such as one bucket of
 * a table that all workers share. Whoever has spun for long gives the CPU away: the holder may be
 * waiting for just that.
 */
#pragma once

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#define SPINLOCK_PATIENCE 200

struct spinlock {
	_Atomic uint32_t held;
};

static inline void spinlock_lock(struct spinlock *l)
{
	while (atomic_exchange_explicit(&l->held, 1, memory_order_acquire))
		for (unsigned spins = 0; atomic_load_explicit(&l->held, memory_order_relaxed);)
			if (++spins % SPINLOCK_PATIENCE == 0)
				sched_yield();
}

static inline void spinlock_unlock(struct spinlock *l)
{
	atomic_store_explicit(&l->held, 0, memory_order_release);
}
