// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/probe: what a server answers to a check. The first byte chooses the check, the rest is the
 * answer. It comes whole, byte by byte, and cut at random: the verdict must be the same, and the
 * text of an error one printable line.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

#include "fuzz.h"

static const struct {
	char letter;
	/* The first read decides what the answer was: one byte, and nothing more. */
	bool first_read_decides;
	struct check_config check;
} checks[] = {
	{'h', .check = {CHECK_HTTP, .http_path = "/", .status_min = 200, .status_max = 399}},
	{'b', .check = {CHECK_HTTP, .http_path = "/", .status_min = 200, .status_max = 299,
			.http_body = "abcabd"}},
	{'s', .check = {CHECK_HTTP, .http_path = "/", .http_host = "x", .status_min = 101,
			.status_max = 101}},
	{'e', .check = {CHECK_SEND_EXPECT, .expect = (uint8_t *)"abab\r\n", .expect_size = 6}},
	{'x', .check = {CHECK_SEND_EXPECT, .send = (uint8_t *)"hi", .send_size = 2,
			.expect = (uint8_t *)"\0\xff\0", .expect_size = 3}},
	{'r', .check = {CHECK_REDIS}},
	{'p', true, {CHECK_POSTGRES}},
	{'m', .check = {CHECK_MYSQL}},
	{'u', .check = {CHECK_MYSQL, .mysql_user = "probe"}},
	{'c', .check = {CHECK_MEMCACHED}},
	{'a', .check = {CHECK_AMQP}},
	{'t', .check = {CHECK_SMTP}},
};
#define N_CHECKS (sizeof(checks) / sizeof(checks[0]))

struct verdict {
	enum probe_outcome outcome;
	bool talked; /* had more to say: what had come with the bytes before that is dropped */
	char error[PROBE_ERROR_MAX];
};

/* Pieces of at most `most` bytes, then the end. */
static void judge(struct probe *p, const struct fuzz_input *in, size_t most, uint64_t state,
		  struct verdict *ret)
{
	enum probe_outcome outcome;
	size_t at = 0, request_size;

	*ret = (struct verdict){};
	probe_begin(p);
	outcome = probe_on_sent(p);
	while ((outcome == PROBE_MORE || outcome == PROBE_SEND) && at < in->size) {
		size_t left = in->size - at, n = left;

		if (most < left)
			n = fuzz_cut(&state, most);
		outcome = probe_feed(p, in->data + at, n);
		at += n;
		assert(probe_received(p) <= at);
		if (outcome == PROBE_SEND) {
			ret->talked = true;
			assert(probe_request(p, &request_size) && request_size > 0);
		}
	}
	if (outcome == PROBE_MORE || outcome == PROBE_SEND)
		outcome = probe_on_end(p);
	assert(outcome == PROBE_OK || outcome == PROBE_FAILED);
	ret->outcome = outcome;
	if (outcome == PROBE_FAILED) {
		assert(strlen(probe_error(p)) < sizeof(ret->error));
		strcpy(ret->error, probe_error(p));
		assert(ret->error[0] && fuzz_is_printable(ret->error));
	}
}

static size_t choose(uint8_t letter)
{
	for (size_t i = 0; i < N_CHECKS; i++)
		if (checks[i].letter == (char)letter)
			return i;
	return letter % N_CHECKS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct address address = {.ip = {[15] = 1}, .port = 80, ADDRESS_IPV6};
	struct fuzz_input in = {data, size};
	size_t i = choose(fuzz_take_byte(&in));
	struct verdict whole, bytes, pieces;
	struct probe *p = NULL;

	assert(probe_new(&checks[i].check, &address, &p) == 0);
	judge(p, &in, SIZE_MAX, 0, &whole);
	judge(p, &in, 1, 0, &bytes);
	judge(p, &in, 1 + size / 2, size, &pieces);
	if (!checks[i].first_read_decides && !whole.talked && !bytes.talked && !pieces.talked) {
		assert(bytes.outcome == whole.outcome);
		assert(pieces.outcome == whole.outcome);
	}
	probe_free(p);
	return 0;
}
