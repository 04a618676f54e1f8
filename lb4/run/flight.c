// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "check_ports.h"
#include "fastpath_maps.h"
#include "flight.h"
#include "socket.h"
#include "text.h"
#include "token.h"
#include "watch.h"

/* Of a program's output, at a time and between two looks at other things. */
#define READ_SIZE 4096
#define READS_MAX 16

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
	ring_receive(f->ring, f->fd, RING_BUFFER_SIZE, true, token_of(f, FLIGHT_RECEIVE));
	return FLIGHT_GOES_ON;
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

static enum flight_event poll_child(struct flight *f)
{
	f->operation = FLIGHT_CHILD;
	ring_poll(f->ring, f->child.events, POLLIN, token_of(f, FLIGHT_CHILD));
	return FLIGHT_GOES_ON;
}

static enum flight_event run_program(struct flight *f)
{
	struct probe *probe = f->watch->probe;
	int r = child_start(probe_program(probe), probe_environment(probe), &f->child);

	return r < 0 ? on_failure(f, "exec", r) : poll_child(f);
}

/* A socket whose packets the programs find by its port: told of it before there is one. */
static int open_on_path(struct flight *f)
{
	const struct watch *w = f->watch;
	struct lb4_check *e;
	uint16_t port;
	int r = check_ports_take(f->ports, &w->address, &f->fd, &port);

	if (r < 0)
		return r;
	f->entry = r;
	e = &w->path.entries[f->entry];
	/* Nobody's while it changes. */
	__atomic_store_n(&e->own_port, 0, __ATOMIC_SEQ_CST);
	memcpy(e->vip, w->path.vips[w->vip].ip, sizeof(e->vip));
	memcpy(e->backend, w->address.ip, sizeof(e->backend));
	e->port = htons(w->address.port);
	e->forward = w->path.forward == FORWARD_DSR_L2 ? LB4_FORWARD_DSR_L2 : LB4_FORWARD_DSR_IPIP;
	__atomic_store_n(&e->own_port, htons(port), __ATOMIC_RELEASE);
	return 0;
}

static enum flight_event connect_socket(struct flight *f)
{
	const struct address *address = &f->watch->address;
	socklen_t length = address_to_sockaddr(address, &f->address);
	bool on_path = f->watch->path.n_vips > 0 && !f->plain;
	int r = on_path ? open_on_path(f) : socket_new(address, &f->fd);

	if (r < 0) {
		f->error_number = r;
		return FLIGHT_HAMPERED;
	}
	f->operation = FLIGHT_CONNECT;
	ring_connect(f->ring, f->fd, &f->address, length, token_of(f, FLIGHT_CONNECT));
	return FLIGHT_GOES_ON;
}

static void init(struct flight *f, struct ring *ring, struct watch *w)
{
	f->ring = ring;
	f->watch = w;
	f->fd = -1;
	f->entry = -1;
	f->child = (struct child)CHILD_INIT;
}

enum flight_event flight_init(struct flight *f, struct ring *ring, struct check_ports *ports,
			      struct watch *w)
{
	init(f, ring, w);
	f->ports = ports;
	probe_begin(w->probe);
	return w->check.kind == CHECK_EXEC ? run_program(f) : connect_socket(f);
}

enum flight_event flight_init_plain(struct flight *f, struct ring *ring, struct watch *w)
{
	init(f, ring, w);
	f->plain = true;
	return connect_socket(f);
}

void flight_deinit(struct flight *f)
{
	if (f->entry >= 0)
		check_ports_release(f->ports, (unsigned)f->entry);
	f->entry = -1;
	child_deinit(&f->child);
	socket_close(f->fd);
	f->fd = -1;
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

/* Tells a backend that wants to be told that nobody but lb4 itself is speaking. */
static int introduce(const struct flight *f)
{
	const struct proxy_header header = {.version = f->watch->check.proxy, .local = true};
	uint8_t buffer[PROXY_HEADER_SIZE_MAX];

	if (header.version == PROXY_NONE)
		return 0;
	return socket_send(f->fd, buffer, proxy_header_print(&header, buffer));
}

static enum flight_event on_connected(struct flight *f, const struct ring_completion *c)
{
	const void *request;
	size_t size;
	int r;

	if (c->result < 0)
		return on_failure(f, "connect", c->result);
	f->connected = true;
	if (f->plain)
		return FLIGHT_GOOD;
	r = introduce(f);
	if (r < 0)
		return on_failure(f, "send", r);

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

/* Takes what the program says, but no more at a time than leaves others their turn. */
static bool hear_child(struct flight *f, struct child_end *ret)
{
	uint8_t buffer[READ_SIZE];
	bool ended = child_has_ended(&f->child, ret); /* what it said before is there by now */
	size_t n;

	for (int i = 0; i < READS_MAX; i++) {
		n = child_read(&f->child, buffer, sizeof(buffer));
		if (n == 0)
			break;
		if (!f->cancelled)
			probe_feed(f->watch->probe, buffer, n);
	}
	return ended;
}

static enum flight_event on_child(struct flight *f)
{
	struct child_end end;

	if (!hear_child(f, &end))
		return poll_child(f);
	if (f->cancelled)
		return FLIGHT_OVER;
	return on_outcome(f, probe_on_exit(f->watch->probe, end.status, end.signal));
}

enum flight_event flight_on_completion(struct flight *f, const struct ring_completion *c)
{
	enum flight_operation operation = f->operation;

	f->operation = FLIGHT_NONE;
	if (operation == FLIGHT_CHILD)
		return on_child(f);
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
	if (f->operation == FLIGHT_CHILD)
		lack = "the program has not ended";
	else if (f->operation == FLIGHT_CONNECT)
		lack = "not connected";
	else if (probe_received(w->probe) == 0)
		lack = "no answer";
	snprintf(f->error, sizeof(f->error), "%s within %s", lack,
		 text_print_duration(w->check.timeout, limit, sizeof(limit)));
	return FLIGHT_BAD;
}

bool flight_was_unconnected(const struct flight *f)
{
	return f->fd >= 0 && !f->connected;
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
	if (!f->cancelled && f->operation == FLIGHT_CHILD)
		child_kill(&f->child); /* which ends the poll too */
	else if (!f->cancelled)
		ring_cancel(f->ring, token_of(f, f->operation));
	f->cancelled = true;
	return FLIGHT_GOES_ON;
}
