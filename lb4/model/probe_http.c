// SPDX-License-Identifier: BSD-2-Clause
/*
 * The HTTP probe: one GET, the status line judged strictly, and the body searched where a text is
 * expected in it. Asks in HTTP/1.1, which virtual hosts and strict servers want, with Connection:
 * close; understands answers that are chunked, counted, or end with the connection.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe_kind.h"
#include "text.h"

static int http_init(struct probe *p, const struct address *address)
{
	const struct check_config *check = p->check;
	struct address unscoped = *address;
	char host[ADDRESS_TEXT_MAX];
	int n;

	unscoped.scope = 0; /* means nothing to the server */
	n = asprintf(&p->request_text,
		     "GET %s HTTP/1.1\r\n"
		     "Host: %s\r\n"
		     "User-Agent: lb4/" LB4_VERSION "\r\n"
		     "Accept: */*\r\n"
		     "Connection: close\r\n"
		     "\r\n",
		     check->http_path,
		     check->http_host ? check->http_host : address_print(&unscoped, host));
	if (n < 0) {
		p->request_text = NULL;
		return -ENOMEM;
	}
	p->request = p->request_text;
	p->request_size = (size_t)n;
	if (!check->http_body || !*check->http_body)
		return 0;
	return needle_init(&p->needle, check->http_body, strlen(check->http_body));
}

static void expect_line(struct probe_http *h, enum http_part part)
{
	h->part = part;
	h->n_line = 0;
}

static void http_begin(struct probe *p)
{
	p->http = (struct probe_http){.part = HTTP_STATUS_LINE, .left = UINT64_MAX};
	p->n_head = 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static enum probe_outcome not_http(struct probe *p)
{
	char got[PROBE_HEAD_TEXT_MAX];

	return probe_fail(p, "not an HTTP answer: %s", probe_head_text(p, got));
}

static enum probe_outcome bad_status(struct probe *p)
{
	unsigned min = p->check->status_min, max = p->check->status_max;

	if (min == max)
		return probe_fail(p, "HTTP status %u, expected %u", p->http.status, min);
	return probe_fail(p, "HTTP status %u, expected %u-%u", p->http.status, min, max);
}

/* "HTTP/1.1 200 OK"; the reason may be missing, and by old habit the space before it. */
static enum probe_outcome on_status_line(struct probe *p)
{
	struct probe_http *h = &p->http;
	const char *s = h->line;

	if (h->n_line < 12 || memcmp(s, "HTTP/1.", 7) || !(s[7] == '0' || s[7] == '1') ||
	    s[8] != ' ' || s[9] < '1' || s[9] > '5' || !is_digit(s[10]) || !is_digit(s[11]) ||
	    !(h->n_line == 12 || s[12] == ' '))
		return not_http(p);
	h->status = (unsigned)(s[9] - '0') * 100 + (unsigned)(s[10] - '0') * 10 +
		    (unsigned)(s[11] - '0');
	/* 1xx is followed by the answer proper; but 101 ends HTTP, and nobody asked for that. */
	if ((h->status >= 200 || h->status == 101) &&
	    (h->status < p->check->status_min || h->status > p->check->status_max))
		return bad_status(p);
	expect_line(h, HTTP_HEADER);
	return PROBE_MORE;
}

static bool is_interim(const struct probe_http *h)
{
	return h->status < 200 && h->status != 101;
}

static enum probe_outcome body_ended(struct probe *p, const char *where)
{
	char expected[PROBE_EXCERPT_MAX], got[PROBE_HEAD_TEXT_MAX];

	probe_escape(expected, sizeof(expected), p->check->http_body, strlen(p->check->http_body));
	return probe_fail(p, "expected \"%s\" in the body%s, got %s", expected, where,
			  probe_head_text(p, got));
}

static enum probe_outcome on_header_end(struct probe *p)
{
	struct probe_http *h = &p->http;

	if (is_interim(h)) {
		http_begin(p);
		return PROBE_MORE;
	}
	if (p->needle.size == 0)
		return PROBE_OK;
	p->n_head = 0; /* now of the body */
	if (h->status == 204 || h->status == 304 || (!h->chunked && h->left == 0))
		return body_ended(p, "");
	if (h->chunked)
		expect_line(h, HTTP_CHUNK_SIZE);
	else
		h->part = HTTP_BODY;
	return PROBE_MORE;
}

/* The value of header `name` when the line is one of that name, or NULL. */
static char *header_value(char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) || line[n] != ':')
		return NULL;
	line += n + 1;
	return line + strspn(line, " \t");
}

static bool ends_with_chunked(const char *value)
{
	static const char word[] = "chunked";
	size_t length = strlen(value), n = sizeof(word) - 1;

	return length >= n && !strcasecmp(value + length - n, word);
}

/* Only two headers matter, and only to find the end of the body. */
static enum probe_outcome read_header(struct probe *p)
{
	struct probe_http *h = &p->http;
	size_t n = h->n_line;
	char *value;

	while (n > 0 && (h->line[n - 1] == ' ' || h->line[n - 1] == '\t'))
		n--;
	h->line[n] = '\0';

	value = header_value(h->line, "transfer-encoding");
	if (value && ends_with_chunked(value))
		h->chunked = true;
	value = header_value(h->line, "content-length");
	if (value && (strspn(value, "0123456789") != strlen(value) ||
		      text_parse_unsigned(value, UINT64_MAX - 1, &h->left) < 0)) {
		char got[PROBE_EXCERPT_MAX];

		return probe_fail(p, "Content-Length \"%s\" is not a number",
				  probe_escape(got, sizeof(got), value, strlen(value)));
	}
	return PROBE_MORE;
}

static enum probe_outcome on_header_line(struct probe *p)
{
	enum probe_outcome outcome = PROBE_MORE;

	if (p->http.n_line == 0)
		return on_header_end(p);
	if (p->needle.size > 0)
		outcome = read_header(p);
	expect_line(&p->http, HTTP_HEADER);
	return outcome;
}

static enum probe_outcome bad_chunk(struct probe *p)
{
	char got[PROBE_EXCERPT_MAX];

	return probe_fail(p, "bad chunk in the body: \"%s\"",
			  probe_escape(got, sizeof(got), p->http.line, p->http.n_line));
}

static enum probe_outcome on_chunk_size(struct probe *p)
{
	struct probe_http *h = &p->http;
	uint64_t size = 0;
	size_t n = 0;

	for (; n < h->n_line; n++) {
		char c = h->line[n];
		unsigned digit;

		if (is_digit(c))
			digit = (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (unsigned)((c | 0x20) - 'a' + 10);
		else
			break;
		if (size > UINT64_MAX / 16)
			return bad_chunk(p);
		size = size * 16 + digit;
	}
	/* Extensions are allowed, and nobody uses them. */
	if (n == 0 || (n < h->n_line && !memchr("; \t", h->line[n], 3)))
		return bad_chunk(p);
	if (size == 0)
		return body_ended(p, "");
	h->left = size;
	h->part = HTTP_CHUNK;
	return PROBE_MORE;
}

static enum probe_outcome on_chunk_end(struct probe *p)
{
	if (p->http.n_line > 0)
		return bad_chunk(p);
	expect_line(&p->http, HTTP_CHUNK_SIZE);
	return PROBE_MORE;
}

static enum probe_outcome (*const on_line[])(struct probe *p) = {
	[HTTP_STATUS_LINE] = on_status_line,
	[HTTP_HEADER] = on_header_line,
	[HTTP_CHUNK_SIZE] = on_chunk_size,
	[HTTP_CHUNK_END] = on_chunk_end,
};

/* Adds bytes to the line, up to its end; takes what it returns in *ret_taken. */
static enum probe_outcome feed_line(struct probe *p, const uint8_t *data, size_t size,
				    size_t *ret_taken)
{
	struct probe_http *h = &p->http;
	const uint8_t *newline = memchr(data, '\n', size);
	size_t n = newline ? (size_t)(newline - data) : size;
	size_t room = sizeof(h->line) - 1 - h->n_line;

	if (h->part == HTTP_STATUS_LINE)
		probe_keep_head(p, data, n);
	memcpy(h->line + h->n_line, data, n < room ? n : room);
	h->n_line += n < room ? n : room;
	*ret_taken = newline ? n + 1 : n;
	if (!newline) {
		/* What does not speak HTTP need not end its lines. */
		size_t seen = h->n_line < 7 ? h->n_line : 7;

		return h->part == HTTP_STATUS_LINE && memcmp(h->line, "HTTP/1.", seen) ? not_http(p)
										       : PROBE_MORE;
	}
	if (h->n_line > 0 && h->line[h->n_line - 1] == '\r')
		h->n_line--;
	h->line[h->n_line] = '\0';
	return on_line[h->part](p);
}

static enum probe_outcome feed_body(struct probe *p, const uint8_t *data, size_t size,
				    size_t *ret_taken)
{
	struct probe_http *h = &p->http;
	size_t n = size < h->left ? size : (size_t)h->left;

	*ret_taken = n;
	probe_keep_head(p, data, n);
	if (needle_feed(&p->needle, data, n))
		return PROBE_OK;
	if (h->left != UINT64_MAX)
		h->left -= n;
	if (h->left > 0)
		return PROBE_MORE;
	if (h->part == HTTP_BODY)
		return body_ended(p, "");
	expect_line(h, HTTP_CHUNK_END);
	return PROBE_MORE;
}

static enum probe_outcome http_feed(struct probe *p, const uint8_t *data, size_t size)
{
	enum probe_outcome outcome = PROBE_MORE;

	while (size > 0 && outcome == PROBE_MORE) {
		bool body = p->http.part == HTTP_BODY || p->http.part == HTTP_CHUNK;
		size_t taken;

		outcome = (body ? feed_body : feed_line)(p, data, size, &taken);
		data += taken;
		size -= taken;
	}
	return outcome;
}

static bool in_body(const struct probe_http *h)
{
	return h->part != HTTP_STATUS_LINE && h->part != HTTP_HEADER;
}

static enum probe_outcome http_end(struct probe *p)
{
	if (in_body(&p->http))
		return body_ended(p, "");
	return probe_fail(p, "closed within the HTTP header, after %zu bytes", p->n_received);
}

static enum probe_outcome http_limit(struct probe *p)
{
	if (in_body(&p->http))
		return body_ended(p, " within 16 KiB");
	return probe_fail(p, "the HTTP header does not end within 16 KiB");
}

const struct probe_kind probe_http = {
	.init = http_init,
	.begin = http_begin,
	.feed = http_feed,
	.on_end = http_end,
	.received_max = PROBE_HTTP_MAX,
	.on_limit = http_limit,
	.lingers = true,
};
