// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "probe_kind.h"

static const struct probe_kind probe_tcp = {};

static const struct probe_kind *const kinds[] = {
	[CHECK_TCP] = &probe_tcp,
	[CHECK_HTTP] = &probe_http,
	[CHECK_SEND_EXPECT] = &probe_send_expect,
	[CHECK_REDIS] = &probe_redis,
	[CHECK_POSTGRES] = &probe_postgres,
	[CHECK_MYSQL] = &probe_mysql,
	[CHECK_MEMCACHED] = &probe_memcached,
	[CHECK_AMQP] = &probe_amqp,
	[CHECK_SMTP] = &probe_smtp,
	[CHECK_EXEC] = &probe_exec,
};

static void probe_freep(struct probe **p)
{
	probe_free(*p);
}

int probe_new(const struct check_config *check, const struct address *address, struct probe **ret)
{
	_cleanup_(probe_freep) struct probe *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->check = check;
	p->kind = kinds[check->kind];
	if (p->kind->init) {
		r = p->kind->init(p, address);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(p);
	return 0;
}

struct probe *probe_free(struct probe *p)
{
	if (!p)
		return NULL;
	needle_deinit(&p->needle);
	free(p->request_text);
	free(p);
	return NULL;
}

void probe_begin(struct probe *p)
{
	p->n_received = 0;
	p->n_head = 0;
	p->farewell_size = 0;
	p->error[0] = '\0';
	needle_restart(&p->needle);
	if (p->kind->begin)
		p->kind->begin(p);
}

const void *probe_request(const struct probe *p, size_t *ret_size)
{
	*ret_size = p->request_size;
	return p->request;
}

enum probe_outcome probe_on_sent(struct probe *p)
{
	/* Bytes are sent, and none are expected back: `send` alone. */
	bool satisfied = p->kind == &probe_send_expect && p->needle.size == 0;

	return !p->kind->feed || satisfied ? PROBE_OK : PROBE_MORE;
}

enum probe_outcome probe_feed(struct probe *p, const void *data, size_t size)
{
	size_t room = p->kind->received_max - p->n_received;
	enum probe_outcome outcome;

	if (size > room)
		size = room;
	p->n_received += size;
	outcome = p->kind->feed(p, data, size);
	if (outcome == PROBE_MORE && p->n_received == p->kind->received_max)
		return p->kind->on_limit(p);
	return outcome;
}

enum probe_outcome probe_on_end(struct probe *p)
{
	if (p->n_received == 0)
		return probe_fail(p, "closed without an answer");
	return p->kind->on_end(p);
}

size_t probe_received(const struct probe *p)
{
	return p->n_received;
}

bool probe_lingers(const struct probe *p)
{
	return p->kind->lingers;
}

const void *probe_farewell(const struct probe *p, size_t *ret_size)
{
	*ret_size = p->farewell_size;
	return p->farewell;
}

const char *probe_error(const struct probe *p)
{
	return p->error;
}

enum probe_outcome probe_fail(struct probe *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->error, sizeof(p->error), format, args);
	va_end(args);
	return PROBE_FAILED;
}

void probe_keep_head(struct probe *p, const uint8_t *data, size_t size)
{
	size_t room = sizeof(p->head) - p->n_head;

	if (size > room)
		size = room;
	memcpy(p->head + p->n_head, data, size);
	p->n_head += size;
}

/* The text of one byte, at most four characters. */
static size_t escape_byte(char out[8], uint8_t byte)
{
	static const char shorts[] = "\r\n\t\\\"", letters[] = "rnt\\\"";
	const char *s = byte ? strchr(shorts, byte) : NULL;

	if (s)
		return (size_t)snprintf(out, 8, "\\%c", letters[s - shorts]);
	if (byte >= 0x20 && byte < 0x7f)
		return (size_t)snprintf(out, 8, "%c", byte);
	return (size_t)snprintf(out, 8, "\\x%02x", byte);
}

char *probe_escape(char *buffer, size_t buffer_size, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	size_t length = 0;
	size_t safe = 0; /* as far as "..." still fits behind */

	for (size_t i = 0; i < size; i++) {
		char text[8];
		size_t n = escape_byte(text, bytes[i]);

		if (length + 4 <= buffer_size)
			safe = length;
		if (length + n >= buffer_size) {
			strcpy(buffer + safe, "...");
			return buffer;
		}
		memcpy(buffer + length, text, n);
		length += n;
	}
	buffer[length] = '\0';
	return buffer;
}

char *probe_head_text(const struct probe *p, char buffer[PROBE_HEAD_TEXT_MAX])
{
	char text[PROBE_EXCERPT_MAX];

	if (p->n_head == 0)
		return strcpy(buffer, "nothing");
	sprintf(buffer, "\"%s\"", probe_escape(text, sizeof(text), p->head, p->n_head));
	return buffer;
}
