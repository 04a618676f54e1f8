/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel's routing would do with a packet, asked over rtnetlink(7). Blocks for a moment. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "address.h"

/*
 * Whether a packet from `source`, coming in where packets to `source` go out, is delivered to this
 * machine when it is for `destination` and carries `mark` (0: none). 1 or 0, or -errno; -ENETUNREACH
 * when there is no way to `source`.
 */
int route_is_local(const struct address *source, const struct address *destination, uint32_t mark);

/* Whether packets to `a` are delivered here: its own address, or of a range of type local. 1 or 0,
 * or -errno. */
int route_is_here(const struct address *a);

/* The firewall marks that routing rules of that family look at: up to `n_max`, returns how many, or
 * -errno. */
int route_rule_marks(enum address_family family, uint32_t *marks, size_t n_max);
