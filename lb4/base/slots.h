/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool of equal objects named by index. Objects never move (they come in chunks), freed ones are
 * used again last in, first out, and each use of an index has another generation, so that a late
 * reference is recognised. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SLOTS_PER_CHUNK 256u
#define SLOT_NONE	UINT32_MAX

/* First member of every object kept in slots. */
struct slot {
	uint32_t index;
	uint32_t generation; /* odd while in use */
	uint32_t next_free;
	uint32_t unused;
};

struct slots {
	size_t object_size;
	uint32_t n_max; /* objects, all told */
	uint32_t n_used;
	uint32_t n_made; /* indices below this were used at least once */
	uint32_t first_free;
	void **chunks;
};

/* Up to `n_max` objects of `object_size` bytes, which start with a struct slot. -ENOMEM. */
int slots_init(struct slots *s, size_t object_size, uint32_t n_max);
void slots_deinit(struct slots *s);

/* A zeroed object (but for its struct slot), or NULL when all are used or memory is short. */
void *slots_new(struct slots *s);
void slots_free(struct slots *s, void *object);

/* The object in use at `index` with the low 24 bits of its generation, or NULL. */
void *slots_find(const struct slots *s, uint32_t index, uint32_t generation24);

/* Fetches the first `size` bytes of the object at `index` into the cache, if there is one. */
void slots_prefetch(const struct slots *s, uint32_t index, size_t size);

/* The object in use at `index`, or NULL: for walking 0 .. n_made − 1. */
void *slots_at(const struct slots *s, uint32_t index);
