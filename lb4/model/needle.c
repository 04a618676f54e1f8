// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "needle.h"

/* The state after `byte` came in state `matched`, which is not yet the whole needle. */
static size_t step(const struct needle *n, size_t matched, uint8_t byte)
{
	while (matched > 0 && n->bytes[matched] != byte)
		matched = n->border[matched - 1];
	return n->bytes[matched] == byte ? matched + 1 : 0;
}

int needle_init(struct needle *n, const void *bytes, size_t size)
{
	assert(size >= 1 && size <= UINT16_MAX);
	*n = (struct needle){
		.bytes = bytes,
		.size = size,
		.border = calloc(size, sizeof(n->border[0])),
	};
	if (!n->border)
		return -ENOMEM;
	for (size_t i = 1; i < size; i++)
		n->border[i] = (uint16_t)step(n, n->border[i - 1], n->bytes[i]);
	return 0;
}

void needle_deinit(struct needle *n)
{
	free(n->border);
	*n = (struct needle)NEEDLE_INIT;
}

void needle_restart(struct needle *n)
{
	n->matched = 0;
}

bool needle_feed(struct needle *n, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size && n->matched < n->size; i++)
		n->matched = step(n, n->matched, data[i]);
	return n->matched == n->size;
}
