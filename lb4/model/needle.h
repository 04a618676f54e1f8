/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds a byte string in a stream that comes in pieces, without keeping the stream: the automaton
 * of Knuth, Morris and Pratt, one step a byte whatever the bytes are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct needle {
	const uint8_t *bytes;
	size_t size;
	size_t matched;	  /* bytes of the needle that the stream now ends with */
	uint16_t *border; /* of each prefix: the longest proper prefix that is a suffix as well */
};

#define NEEDLE_INIT                                                                                \
	{                                                                                          \
	}

/* `bytes` must outlive the needle; 1 ≤ `size` ≤ UINT16_MAX. -ENOMEM. */
int needle_init(struct needle *n, const void *bytes, size_t size);
void needle_deinit(struct needle *n);

/* Begins a new stream. */
void needle_restart(struct needle *n);

/* True once the stream has held the needle. */
bool needle_feed(struct needle *n, const uint8_t *data, size_t size);
