/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parts of pool_update(). */
#pragma once

#include "pool.h"

/* Who is ejected, braked and eligible, and how much of its weight counts. Never fails. */
void pool_decide(struct pool *p, nsec_t now);

/* When the next step of a slow start is due; NSEC_NEVER: nobody is in one. */
nsec_t pool_next_step(const struct pool *p);
