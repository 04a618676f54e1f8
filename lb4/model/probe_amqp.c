// SPDX-License-Identifier: BSD-2-Clause
/*
 * The AMQP probe: a protocol header for version 0-9-1, answered by a frame with the method
 * Connection.Start. A server that does not speak that version answers with a header of its own.
 */
#include <string.h>

#include "probe_kind.h"

/* Properties of a server that introduces itself take some 500 bytes. */
#define AMQP_MAX 16384

#define FRAME_HEADER 7 /* type, channel, size of the payload */
#define FRAME_METHOD 1
#define FRAME_END    0xce
#define START_HEAD   (FRAME_HEADER + 6) /* class and method, the version's two numbers */

static const uint8_t protocol_header[] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};

static int amqp_init(struct probe *p, const struct address *address)
{
	(void)address;
	p->request = protocol_header;
	p->request_size = sizeof(protocol_header);
	return 0;
}

static enum probe_outcome not_start(struct probe *p)
{
	char got[PROBE_HEAD_TEXT_MAX];

	return probe_fail(p, "expected Connection.Start, got %s", probe_head_text(p, got));
}

static enum probe_outcome other_version(struct probe *p)
{
	const uint8_t *v = p->head + 4;

	if (p->n_head < sizeof(protocol_header))
		return PROBE_MORE;
	return probe_fail(p, "the server wants AMQP %u-%u-%u (protocol %u), not 0-9-1", v[1], v[2],
			  v[3], v[0]);
}

static size_t frame_size(const uint8_t *head)
{
	return FRAME_HEADER + 1 +
	       ((size_t)head[3] << 24 | (size_t)head[4] << 16 | (size_t)head[5] << 8 | head[6]);
}

/* The bytes before `data`, all in the head while that is what decides, are judged already. */
static enum probe_outcome amqp_feed(struct probe *p, const uint8_t *data, size_t size)
{
	static const uint8_t start[] = {0, 10, 0, 10, 0, 9};
	size_t before = p->n_received - size, total;

	probe_keep_head(p, data, size);
	if (p->head[0] == 'A')
		return memcmp(p->head, protocol_header, p->n_head < 4 ? p->n_head : 4)
			       ? not_start(p)
			       : other_version(p);
	if (p->head[0] != FRAME_METHOD)
		return not_start(p);
	if (p->n_head < START_HEAD)
		return PROBE_MORE;
	total = frame_size(p->head);
	if (p->head[1] || p->head[2] || memcmp(p->head + FRAME_HEADER, start, sizeof(start)) ||
	    total <= START_HEAD || total > AMQP_MAX)
		return not_start(p);
	if (p->n_received < total)
		return PROBE_MORE;
	if (total <= before || data[total - 1 - before] != FRAME_END)
		return probe_fail(p, "the frame of Connection.Start does not end as it should");
	return PROBE_OK;
}

static enum probe_outcome amqp_end(struct probe *p)
{
	char got[PROBE_HEAD_TEXT_MAX];

	return probe_fail(p, "closed within Connection.Start, after %zu bytes: %s", p->n_received,
			  probe_head_text(p, got));
}

const struct probe_kind probe_amqp = {
	.init = amqp_init,
	.feed = amqp_feed,
	.on_end = amqp_end,
	.received_max = AMQP_MAX,
	.on_limit = not_start,
};
