/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fuzz targets share. A target is one function over bytes: libFuzzer calls it with bytes that
 * it makes up (tools/fuzz), replay.c with those of its corpus, in every build. What must hold is
 * asserted; a target keeps nothing between two calls.
 *
 * Corpora are in corpus/TARGET. Where a target needs more than one value, the first line or the
 * first bytes choose, so that a corpus file can be written by hand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes of an input, taken from its front. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

/* The next byte; 0 when there is none left. */
uint8_t fuzz_take_byte(struct fuzz_input *in);

/*
 * Up to the next `end`, which is taken too, or all that is left: a C string to be freed. It ends
 * earlier for whoever reads it when it holds a NUL.
 */
char *fuzz_take_text(struct fuzz_input *in, char end);

/* All that is left, as above. */
char *fuzz_take_rest(struct fuzz_input *in);

/* Printable ASCII and UTF-8 with no control character in it. */
bool fuzz_is_printable(const char *text);

/* A size from 1 to `most` ≥ 1, out of *state: where a stream is cut. */
size_t fuzz_cut(uint64_t *state, size_t most);
