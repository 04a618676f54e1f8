// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "slots.h"

int slots_init(struct slots *s, size_t object_size, uint32_t n_max)
{
	assert(object_size >= sizeof(struct slot));
	*s = (struct slots){
		.object_size = object_size,
		.n_max = n_max,
		.first_free = SLOT_NONE,
		.chunks = calloc(n_max / SLOTS_PER_CHUNK + 1, sizeof(void *)),
	};
	return s->chunks ? 0 : -ENOMEM;
}

void slots_deinit(struct slots *s)
{
	if (s->chunks)
		for (uint32_t i = 0; i <= s->n_max / SLOTS_PER_CHUNK; i++)
			free(s->chunks[i]);
	free(s->chunks);
	*s = (struct slots){};
}

static struct slot *slot_of(const struct slots *s, uint32_t index)
{
	char *chunk = s->chunks[index / SLOTS_PER_CHUNK];

	return (struct slot *)(chunk + (index % SLOTS_PER_CHUNK) * s->object_size);
}

void *slots_new(struct slots *s)
{
	struct slot *slot;
	uint32_t index, generation;

	if (s->first_free != SLOT_NONE) {
		index = s->first_free;
		slot = slot_of(s, index);
		s->first_free = slot->next_free;
	} else {
		if (s->n_made == s->n_max)
			return NULL;
		index = s->n_made;
		if (index % SLOTS_PER_CHUNK == 0) {
			void *chunk = calloc(SLOTS_PER_CHUNK, s->object_size);

			if (!chunk)
				return NULL;
			s->chunks[index / SLOTS_PER_CHUNK] = chunk;
		}
		s->n_made++;
		slot = slot_of(s, index);
	}

	generation = slot->generation + 1;
	memset(slot, 0, s->object_size);
	slot->index = index;
	slot->generation = generation;
	s->n_used++;
	return slot;
}

void slots_free(struct slots *s, void *object)
{
	struct slot *slot = object;

	assert(slot->generation & 1);
	slot->generation++;
	slot->next_free = s->first_free;
	s->first_free = slot->index;
	s->n_used--;
}

#define CACHE_LINE 64

void slots_prefetch(const struct slots *s, uint32_t index, size_t size)
{
	const char *object;

	if (index >= s->n_made)
		return;
	object = (const char *)slot_of(s, index);
	for (size_t i = 0; i < size; i += CACHE_LINE)
		__builtin_prefetch(object + i, 1);
}

void *slots_at(const struct slots *s, uint32_t index)
{
	struct slot *slot;

	if (index >= s->n_made)
		return NULL;
	slot = slot_of(s, index);
	return slot->generation & 1 ? slot : NULL;
}

void *slots_find(const struct slots *s, uint32_t index, uint32_t generation24)
{
	struct slot *slot = slots_at(s, index);

	return slot && (slot->generation & 0xffffff) == generation24 ? slot : NULL;
}
