/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptors of this process, all told. */
#pragma once

#include <stdint.h>

/* Raises the soft limit to the hard one. 0 and *ret_limit, or -errno. */
int descriptors_raise(uint64_t *ret_limit);

/* How many are open; 0 when /proc does not tell. */
uint64_t descriptors_used(void);
