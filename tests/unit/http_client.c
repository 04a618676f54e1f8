// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http_client.h"

#include "test.h"

#define PATIENCE (60 * NSEC_PER_SEC)

static void turn(struct pump *p, int client_fd, short client_events, nsec_t until)
{
	struct pollfd fds[] = {
		{.fd = p->fd(p->server), .events = POLLIN},
		{.fd = client_fd, .events = client_events},
	};
	nsec_t now = clock_now(), deadline = p->deadline(p->server, now);
	int ms;

	if (deadline > until)
		deadline = until;
	ms = deadline > now ? (int)((deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC) : 0;
	poll(fds, 2, ms);
	p->run(p->server);
	p->n_turns++;
}

bool pump_until(struct pump *p, bool (*done)(void *context), void *context)
{
	nsec_t until = clock_now() + PATIENCE;

	p->n_turns = 0;
	while (!done(context)) {
		if (clock_now() > until)
			return false;
		turn(p, -1, 0, until);
	}
	return true;
}

unsigned pump_idle(struct pump *p, unsigned turns)
{
	unsigned n;

	for (n = 0; n < turns; n++) {
		struct pollfd fd = {.fd = p->fd(p->server), .events = POLLIN};
		nsec_t now = clock_now();

		if (poll(&fd, 1, 0) == 0 && p->deadline(p->server, now) > now)
			break;
		p->run(p->server);
	}
	return n;
}

void http_client_open(struct http_client *c, const char *socket_path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	*c = (struct http_client)HTTP_CLIENT_INIT;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", socket_path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(c->fd >= 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

void http_client_deinit(struct http_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->text);
	*c = (struct http_client)HTTP_CLIENT_INIT;
}

bool http_client_send(struct pump *p, struct http_client *c, const void *data, size_t size)
{
	nsec_t until = clock_now() + PATIENCE;

	for (size_t sent = 0; sent < size;) {
		ssize_t n = send(c->fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno != EAGAIN || clock_now() > until)
			return false;
		turn(p, c->fd, POLLOUT, until);
	}
	return true;
}

static void receive(struct http_client *c)
{
	char buffer[65536];
	ssize_t n;

	while (!c->ended) {
		n = recv(c->fd, buffer, sizeof(buffer), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			c->ended = true;
			return;
		}
		c->text = realloc(c->text, c->size + (size_t)n + 1);
		assert_non_null(c->text);
		memcpy(c->text + c->size, buffer, (size_t)n);
		c->size += (size_t)n;
		c->text[c->size] = '\0';
	}
}

static void consume(struct http_client *c, size_t n)
{
	c->size -= n;
	memmove(c->text, c->text + n, c->size + 1);
}

/* Where `wanted` stands in the first `most` bytes of a text, or NULL. */
static const char *find(const char *text, size_t size, size_t most, const char *wanted)
{
	/* gcc with sanitizers believes that text + offset may be NULL. */
	if (!text)
		return NULL;
	return memmem(text, size < most ? size : most, wanted, strlen(wanted));
}

/* The value of a header within the head, or NULL; `name` ends with a colon. */
static const char *header(const char *head, size_t length, const char *name)
{
	const char *line = head;

	while ((line = memchr(line, '\n', length - (size_t)(line - head)))) {
		line++;
		if (!strncasecmp(line, name, strlen(name)))
			return line + strlen(name);
	}
	return NULL;
}

/* Decodes the chunks at `at`; false while the last is missing. */
static bool chunks(const char *text, size_t size, size_t at, char **ret_body, size_t *ret_end)
{
	static const char end[] = "0\r\n\r\n";
	char *body;
	size_t length = 0;

	/* Cheap to see, and what comes in pieces is looked at often. */
	if (size < strlen(end) || memcmp(text + size - strlen(end), end, strlen(end)))
		return false;
	body = calloc(1, size + 1);
	assert_non_null(body);
	for (;;) {
		const char *eol = at < size ? find(text + at, size - at, 32, "\r\n") : NULL;
		size_t n;

		if (!eol)
			break;
		n = strtoul(text + at, NULL, 16);
		at = (size_t)(eol + 2 - text);
		if (at + n + 2 > size)
			break;
		memcpy(body + length, text + at, n);
		length += n;
		at += n + 2;
		if (n == 0) {
			*ret_body = body;
			*ret_end = at;
			return true;
		}
	}
	free(body);
	return false;
}

static bool take_answer(struct http_client *c, int *ret_status, char **ret_body)
{
	const char *end = find(c->text, c->size, 32768, "\r\n\r\n"), *value;
	size_t head, length, whole;

	if (!end)
		return false;
	head = (size_t)(end + 4 - c->text);
	value = header(c->text, head, "Content-Length:");
	if (value) {
		length = strtoul(value, NULL, 10);
		if (c->size < head + length)
			return false;
		*ret_body = strndup(c->text + head, length);
		whole = head + length;
	} else if (header(c->text, head, "Transfer-Encoding: chunked")) {
		if (!chunks(c->text, c->size, head, ret_body, &whole))
			return false;
	} else {
		*ret_body = strdup("");
		whole = head;
	}
	snprintf(c->head, sizeof(c->head), "%.*s", (int)head, c->text);
	*ret_status = atoi(c->text + strlen("HTTP/1.1 "));
	consume(c, whole);
	return true;
}

int http_client_answer(struct pump *p, struct http_client *c, char **ret_body)
{
	nsec_t until = clock_now() + PATIENCE;
	char *body = NULL;
	int status = 0;

	for (;;) {
		receive(c);
		if (take_answer(c, &status, &body))
			break;
		if (c->ended || clock_now() > until)
			return 0;
		turn(p, c->fd, POLLIN, until);
	}
	if (status == 100) {
		free(body);
		return http_client_answer(p, c, ret_body);
	}
	if (ret_body)
		*ret_body = body;
	else
		free(body);
	return status;
}

bool http_client_wait_end(struct pump *p, struct http_client *c)
{
	nsec_t until = clock_now() + PATIENCE;

	for (;;) {
		receive(c);
		if (c->ended)
			return true;
		if (clock_now() > until)
			return false;
		turn(p, c->fd, POLLIN, until);
	}
}

int http_request_once(struct pump *p, const char *socket_path, const char *method, const char *path,
		      const char *body, char **ret_body)
{
	struct http_client c;
	char *text;
	int n, status;

	n = asprintf(&text, "%s %s HTTP/1.1\r\nHost: lb4\r\nContent-Length: %zu\r\n\r\n%s", method,
		     path, body ? strlen(body) : 0, body ? body : "");
	assert_true(n > 0);
	http_client_open(&c, socket_path);
	/* The server may answer before it has read everything. */
	http_client_send(p, &c, text, (size_t)n);
	status = http_client_answer(p, &c, ret_body);
	http_client_deinit(&c);
	free(text);
	return status;
}
