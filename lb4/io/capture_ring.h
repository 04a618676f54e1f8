/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring that the fast path's programs put captured packets into, as userspace reads it. One
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lb4_capture.h"

struct capture_ring;

/* `map` is the ring's descriptor, which stays the caller's. -errno. */
int capture_ring_open(int map, struct capture_ring **ret);

/* NULL is ignored. */
struct capture_ring *capture_ring_close(struct capture_ring *r);

/* Whether there is a packet. */
bool capture_ring_has(const struct capture_ring *r);

/* Takes packets out, the oldest first, until `visit` says false or there are no more. Those that it
 * was shown are gone. */
typedef bool capture_visit(void *context, const struct lb4_captured *p);
void capture_ring_take(struct capture_ring *r, capture_visit *visit, void *context);
