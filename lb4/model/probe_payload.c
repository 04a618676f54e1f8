// SPDX-License-Identifier: BSD-2-Clause
/* Probes whose answer is a few bytes: send/expect, and the preset postgres. */
#include <string.h>

#include "probe_kind.h"

static int send_expect_init(struct probe *p, const struct address *address)
{
	const struct check_config *check = p->check;

	(void)address;
	p->request = check->send;
	p->request_size = check->send_size;
	return check->expect_size ? needle_init(&p->needle, check->expect, check->expect_size) : 0;
}

static enum probe_outcome send_expect_feed(struct probe *p, const uint8_t *data, size_t size)
{
	probe_keep_head(p, data, size);
	return needle_feed(&p->needle, data, size) ? PROBE_OK : PROBE_MORE;
}

static enum probe_outcome send_expect_missed(struct probe *p, const char *where)
{
	char expected[PROBE_EXCERPT_MAX], got[PROBE_HEAD_TEXT_MAX];

	probe_escape(expected, sizeof(expected), p->check->expect, p->check->expect_size);
	return probe_fail(p, "expected \"%s\"%s, got %s", expected, where, probe_head_text(p, got));
}

static enum probe_outcome send_expect_end(struct probe *p)
{
	return send_expect_missed(p, " before the end");
}

static enum probe_outcome send_expect_limit(struct probe *p)
{
	return send_expect_missed(p, " in the first 4 KiB");
}

const struct probe_kind probe_send_expect = {
	.init = send_expect_init,
	.feed = send_expect_feed,
	.on_end = send_expect_end,
	.received_max = PROBE_EXPECT_MAX,
	.on_limit = send_expect_limit,
};

static int postgres_init(struct probe *p, const struct address *address)
{
	/*
	 * Length 8 and the code 1234.5679: SSLRequest, the shortest question that is answered
	 * without a user name. A server with TLS notes in its log that no handshake followed.
	 */
	static const uint8_t ssl_request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};

	(void)address;
	p->request = ssl_request;
	p->request_size = sizeof(ssl_request);
	return 0;
}

static enum probe_outcome postgres_feed(struct probe *p, const uint8_t *data, size_t size)
{
	char got[PROBE_EXCERPT_MAX];

	/* One byte, no more: a greeting such as "SSH-2.0" is not an answer. */
	if (size == 1 && (data[0] == 'S' || data[0] == 'N'))
		return PROBE_OK;
	if (data[0] == 'E')
		return probe_fail(p, "the server answered with an error: %s",
				  probe_escape(got, sizeof(got), data + 1, size - 1));
	return probe_fail(p, "expected S or N, got \"%s\"",
			  probe_escape(got, sizeof(got), data, size));
}

/* The first byte decides: there is no end or limit to be met later. */
const struct probe_kind probe_postgres = {
	.init = postgres_init,
	.feed = postgres_feed,
	.received_max = PROBE_EXPECT_MAX,
};
