// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/headers: a frame, cut off anywhere. Nothing past its end is looked at, and what its
 * beginning says, more of it says too.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "headers.h"

#include "fuzz.h"

/* On a copy of exactly this size, so that a sanitizer sees who reads on. */
static void read_copy(const uint8_t *data, size_t size, uint32_t whole, struct headers *ret)
{
	uint8_t *copy = malloc(size ? size : 1);
	char flags[TCP_FLAGS_MAX];

	assert(copy);
	if (size > 0)
		memcpy(copy, data, size);
	headers_read(copy, size, whole, ret);
	free(copy);
	assert(!ret->has_ports || ret->is_ip);
	assert(!ret->has_tcp || ret->has_ports);
	assert(!ret->is_ip || ret->from.family == ret->to.family);
	assert(strlen(headers_print_flags(ret->flags, flags)) < sizeof(flags));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct headers all, part;

	read_copy(data, size, (uint32_t)size, &all);
	for (size_t n = 0; n < size && n < 200; n++) {
		read_copy(data, n, (uint32_t)size, &part);
		assert(!part.is_ip ||
		       (all.is_ip && !memcmp(part.to.ip, all.to.ip, sizeof(all.to.ip))));
		assert(!part.has_tcp || (all.has_tcp && part.payload == all.payload));
	}
	return 0;
}
