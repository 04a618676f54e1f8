// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "flight.h"
#include "socket.h"
#include "text.h"
#include "token.h"
#include "watch.h"

static uint64_t token_of(const struct flight *f, enum flight_operation operation)
{
	return token_make(operation, f->slot.generation, f->slot.index);
}

bool flight_expects(const struct flight *f, uint64_t token)
{
	return f->operation != FLIGHT_NONE && token == token_of(f, f->operation);
}

static enum flight_event receive(struct flight *f)
{
	f->operation = FLIGHT_RECEIVE;
	ring_receive(f->ring, f->fd, RING_BUFFER_SIZE, token_of(f, FLIGHT_RECEIVE));
	return FLIGHT_GOES_ON;
}

int flight_init(struct flight *f, struct ring *ring, struct watch *w)
{
	socklen_t length = address_to_sockaddr(&w->address, &f->address);
	int r = socket_new(&w->address, &f->fd);

	if (r < 0)
		return r;
	f->ring = ring;
	f->watch = w;
	probe_begin(w->probe);
	f->operation = FLIGHT_CONNECT;
	ring_connect(ring, f->fd, &f->address, length, token_of(f, FLIGHT_CONNECT));
	return 0;
}

void flight_deinit(struct flight *f)
{
	socket_close(f->fd);
	f->fd = -1;
}

/* Failures of this side say nothing about the backend. */
static bool is_ours(int error)
{
	static const int ours[] = {
		-EMFILE,	-ENFILE, -ENOMEM,
		-ENOBUFS,	-EAGAIN, /* connect(2): "insufficient entries in the routing cache" */
		-EADDRNOTAVAIL,		 /* connect(2): every local port to there is taken */
		-ECANCELED,		 /* by the kernel: we say so when we cancel */
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (error == ours[i])
			return true;
	return false;
}

static enum flight_event on_failure(struct flight *f, const char *operation, int error)
{
	if (is_ours(error)) {
		f->error_number = error;
		return FLIGHT_HAMPERED;
	}
	snprintf(f->error, sizeof(f->error), "%s: %s", operation,
		 strerrordesc_np(-error) ?: "unknown error");
	return FLIGHT_BAD;
}

static enum flight_event say(struct flight *f, const void *data, size_t size)
{
	f->operation = FLIGHT_SEND;
	f->n_sending = size;
	ring_send(f->ring, f->fd, data, size, token_of(f, FLIGHT_SEND));
	return FLIGHT_GOES_ON;
}

static enum flight_event on_outcome(struct flight *f, enum probe_outcome outcome)
{
	struct probe *probe = f->watch->probe;
	const void *request;
	size_t size;

	switch (outcome) {
	case PROBE_MORE:
		return receive(f);
	case PROBE_SEND:
		request = probe_request(probe, &size);
		return say(f, request, size);
	default:
		strcpy(f->error, probe_error(probe));
		return outcome == PROBE_OK ? FLIGHT_GOOD : FLIGHT_BAD;
	}
}

static enum flight_event on_connected(struct flight *f, const struct ring_completion *c)
{
	const void *request;
	size_t size;

	if (c->result < 0)
		return on_failure(f, "connect", c->result);
	request = probe_request(f->watch->probe, &size);
	if (size == 0)
		return on_outcome(f, probe_on_sent(f->watch->probe));
	return say(f, request, size);
}

static enum flight_event on_sent(struct flight *f, const struct ring_completion *c)
{
	if (f->lingering) /* that was the farewell, after which the peer closes */
		return c->result < 0 ? FLIGHT_OVER : receive(f);
	if (c->result < 0)
		return on_failure(f, "send", c->result);
	if ((size_t)c->result < f->n_sending)
		return on_failure(f, "send", -EPIPE);
	return on_outcome(f, probe_on_sent(f->watch->probe));
}

static enum flight_event on_lingering(struct flight *f, const struct ring_completion *c)
{
	if (c->result <= 0)
		return FLIGHT_OVER;
	f->n_lingered += (size_t)c->result;
	return f->n_lingered < PROBE_HTTP_MAX ? receive(f) : FLIGHT_OVER;
}

static enum flight_event on_received(struct flight *f, const struct ring_completion *c)
{
	struct probe *probe = f->watch->probe;

	if (c->result == -ENOBUFS) /* the ring has more buffers now */
		return receive(f);
	if (f->lingering)
		return on_lingering(f, c);
	if (c->result < 0)
		return on_failure(f, "receive", c->result);
	return on_outcome(f, c->result == 0 ? probe_on_end(probe)
					    : probe_feed(probe, c->data, (size_t)c->result));
}

enum flight_event flight_on_completion(struct flight *f, const struct ring_completion *c)
{
	enum flight_operation operation = f->operation;

	f->operation = FLIGHT_NONE;
	if (f->cancelled)
		return FLIGHT_OVER;
	switch (operation) {
	case FLIGHT_CONNECT:
		return on_connected(f, c);
	case FLIGHT_SEND:
		return on_sent(f, c);
	default:
		return on_received(f, c);
	}
}

enum flight_event flight_on_deadline(struct flight *f)
{
	const struct watch *w = f->watch;
	const char *lack = "no complete answer";
	char limit[32];

	if (f->lingering)
		return flight_cancel(f);
	if (f->operation == FLIGHT_CONNECT)
		lack = "not connected";
	else if (probe_received(w->probe) == 0)
		lack = "no answer";
	snprintf(f->error, sizeof(f->error), "%s within %s", lack,
		 text_print_duration(w->check.timeout, limit, sizeof(limit)));
	return FLIGHT_BAD;
}

enum flight_event flight_finish(struct flight *f, bool linger)
{
	const void *farewell;
	size_t size;

	if (!linger)
		return flight_cancel(f);
	farewell = probe_farewell(f->watch->probe, &size);
	f->lingering = true;
	return size ? say(f, farewell, size) : receive(f);
}

enum flight_event flight_cancel(struct flight *f)
{
	if (f->operation == FLIGHT_NONE)
		return FLIGHT_OVER;
	if (!f->cancelled)
		ring_cancel(f->ring, token_of(f, f->operation));
	f->cancelled = true;
	return FLIGHT_GOES_ON;
}
