// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lb4_hash.h"

#include "fuzz.h"

uint8_t fuzz_take_byte(struct fuzz_input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

static char *take(struct fuzz_input *in, size_t size, size_t skip)
{
	char *text = malloc(size + 1);

	assert(text);
	if (size > 0)
		memcpy(text, in->data, size);
	text[size] = '\0';
	in->data += size + skip;
	in->size -= size + skip;
	return text;
}

char *fuzz_take_text(struct fuzz_input *in, char end)
{
	const uint8_t *at = in->size ? memchr(in->data, end, in->size) : NULL;

	return at ? take(in, (size_t)(at - in->data), 1) : fuzz_take_rest(in);
}

char *fuzz_take_rest(struct fuzz_input *in)
{
	return take(in, in->size, 0);
}

/* Bytes of the UTF-8 sequence at `p`, 0 when it is none. */
static size_t sequence(const uint8_t *p)
{
	size_t n = *p < 0x80		     ? 1
		   : *p >= 0xc2 && *p < 0xe0 ? 2
		   : *p >= 0xe0 && *p < 0xf0 ? 3
		   : *p >= 0xf0 && *p < 0xf5 ? 4
					     : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool fuzz_is_printable(const char *text)
{
	const uint8_t *p = (const uint8_t *)text;

	while (*p) {
		size_t n = sequence(p);
		bool control = *p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);

		if (n == 0 || control)
			return false;
		p += n;
	}
	return true;
}

size_t fuzz_cut(uint64_t *state, size_t most)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return 1 + (size_t)(lb4_mix64(*state) % most);
}
