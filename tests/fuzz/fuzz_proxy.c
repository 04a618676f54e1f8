// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/proxy_header: the first bytes of a connection, and what they are read as at each length. No
 * verdict is taken back when more bytes come, nothing past a header is looked at, and what was read
 * prints to a header that says the same.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_header.h"

#include "fuzz.h"

/* On a copy of exactly this size, so that a sanitizer sees who reads on. */
static enum proxy_result read_copy(const uint8_t *data, size_t size, struct proxy_header *ret)
{
	uint8_t *copy = malloc(size ? size : 1);
	const char *why = NULL;
	enum proxy_result result;

	assert(copy);
	if (size > 0)
		memcpy(copy, data, size);
	*ret = (struct proxy_header){};
	result = proxy_header_read(copy, size, ret, &why);
	assert(result != PROXY_BROKEN || (why && fuzz_is_printable(why)));
	assert(result != PROXY_READ || ret->size <= size);
	if (result == PROXY_READ && ret->unique_id)
		assert(ret->unique_id >= copy &&
		       ret->unique_id + ret->unique_id_size <= copy + size);
	ret->unique_id = ret->unique_id ? data + (ret->unique_id - copy) : NULL;
	free(copy);
	return result;
}

static void check_same(const struct proxy_header *a, const struct proxy_header *b)
{
	assert(a->has_addresses == b->has_addresses);
	if (!a->has_addresses)
		return;
	assert(address_equal(&a->source, &b->source));
	assert(address_equal(&a->destination, &b->destination));
}

/* One family is what a header of TCP has. */
static bool is_printable(const struct proxy_header *h)
{
	return !h->has_addresses || h->source.family == h->destination.family;
}

static void check_printed(const struct proxy_header *read, enum proxy_version version)
{
	struct proxy_header h = *read, again;
	uint8_t buffer[PROXY_HEADER_SIZE_MAX];
	size_t size;

	h.version = version;
	if (h.unique_id_size > PROXY_UNIQUE_ID_MAX)
		h.unique_id_size = PROXY_UNIQUE_ID_MAX;
	size = proxy_header_print(&h, buffer);
	assert(size > 0 && size <= sizeof(buffer));
	assert(read_copy(buffer, size, &again) == PROXY_READ && again.size == size);
	check_same(&h, &again);
	assert(again.version == version);
	if (version == PROXY_V2 && h.unique_id && h.unique_id_size > 0) {
		assert(again.unique_id && again.unique_id_size == h.unique_id_size);
		assert(!memcmp(again.unique_id, h.unique_id, h.unique_id_size));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header, prefix;
	enum proxy_result result = read_copy(data, size, &header);

	/* Most lengths of a long input say nothing new. */
	for (size_t n = 0; n < size; n += n < 300 ? 1 : 97) {
		enum proxy_result before = read_copy(data, n, &prefix);

		if (before != PROXY_MORE)
			assert(before == result);
		if (before == PROXY_READ)
			assert(prefix.size == header.size);
		if (result == PROXY_READ && n < header.size)
			assert(before == PROXY_MORE);
	}
	if (result == PROXY_READ && is_printable(&header)) {
		check_printed(&header, PROXY_V1);
		check_printed(&header, PROXY_V2);
	}
	return 0;
}
