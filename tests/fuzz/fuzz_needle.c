// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/needle against memmem(): a byte for the length of what is searched, its bytes, and the
 * stream, which is fed whole, byte by byte, and cut at random.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "needle.h"

#include "fuzz.h"

/* Where the stream, cut at random, has held the needle: bytes read by then; 0: nowhere. */
static size_t find(struct needle *n, const uint8_t *data, size_t size, size_t most, uint64_t state)
{
	needle_restart(n);
	for (size_t at = 0; at < size;) {
		size_t left = size - at, step = fuzz_cut(&state, most < left ? most : left);

		at += step;
		if (needle_feed(n, data + at - step, step))
			return at;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t length = fuzz_take_byte(&in), end;
	const uint8_t *bytes = in.data, *found;
	struct needle n;

	if (length == 0 || length > in.size)
		return 0;
	in.data += length;
	in.size -= length;
	assert(needle_init(&n, bytes, length) == 0);
	found = memmem(in.data, in.size, bytes, length);
	end = found ? (size_t)(found - in.data) + length : 0;

	assert(find(&n, in.data, in.size, 1, 0) == end);
	assert(!find(&n, in.data, in.size, in.size, length) == !end);
	assert(!find(&n, in.data, in.size, 1 + size / 4, size) == !end);
	if (in.size > 0) {
		needle_restart(&n);
		assert(needle_feed(&n, in.data, in.size) == (end > 0));
	}
	needle_deinit(&n);
	return 0;
}
