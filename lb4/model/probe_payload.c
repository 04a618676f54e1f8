// SPDX-License-Identifier: BSD-2-Clause
/* Probes whose answer is a few bytes: send/expect, and the presets redis and postgres. */
#include <string.h>

#include "probe_kind.h"

/* Longest line of an answer that matters; errors of Redis are shorter. */
#define REDIS_LINE_MAX 256

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

static int redis_init(struct probe *p, const struct address *address)
{
	/* As an array: proxies do not know the inline form. */
	static const char ping[] = "*1\r\n$4\r\nPING\r\n";

	(void)address;
	p->request = ping;
	p->request_size = sizeof(ping) - 1;
	return 0;
}

/*
 * Answers of a server that serves those who may log in. Others that begin with '-', such as
 * LOADING, MASTERDOWN, MISCONF or "ERR max number of clients reached", say that it does not.
 */
static const char *const redis_alive[] = {"+PONG", "-NOAUTH ", "-NOPERM "};

static enum probe_outcome redis_line(struct probe *p)
{
	const char *line = (const char *)p->head;
	size_t length = p->n_head;
	char got[PROBE_EXCERPT_MAX];

	while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
		length--;
	if (length == strlen(redis_alive[0]) && !memcmp(line, redis_alive[0], length))
		return PROBE_OK;
	for (size_t i = 1; i < sizeof(redis_alive) / sizeof(redis_alive[0]); i++) {
		size_t n = strlen(redis_alive[i]);

		if (length >= n && !memcmp(line, redis_alive[i], n))
			return PROBE_OK;
	}
	return probe_fail(p, "expected +PONG, got %s",
			  probe_escape(got, sizeof(got), line, length));
}

static enum probe_outcome redis_feed(struct probe *p, const uint8_t *data, size_t size)
{
	const uint8_t *newline = memchr(data, '\n', size);

	probe_keep_head(p, data, newline ? (size_t)(newline - data) + 1 : size);
	/* What is not an answer of Redis may well not have lines. */
	return newline || (p->head[0] != '+' && p->head[0] != '-') ? redis_line(p) : PROBE_MORE;
}

const struct probe_kind probe_redis = {
	.init = redis_init,
	.feed = redis_feed,
	.on_end = redis_line,
	.received_max = REDIS_LINE_MAX,
	.on_limit = redis_line,
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
