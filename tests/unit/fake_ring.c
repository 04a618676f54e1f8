// SPDX-License-Identifier: BSD-2-Clause
/*
 * Operations of the fake kernel. One is pending until ring_wait() finds that it can complete, then
 * posted until ring_next() takes it: in between it can no longer be cancelled, and what it did to
 * the socket is done.
 *
 * As in the kernel, a socket's error is told once, to whichever operation asks first; a receive
 * that comes later reads FIN. A send takes what there is room for, and tells that.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fake_private.h"
#include "ring.h"

struct fake_op {
	struct list node;
	enum fake_kind kind;
	struct fake_socket *socket;
	uint64_t token;
	bool cancelled;
	bool multishot;
	const uint8_t *data; /* of a send */
	size_t size;
	uint64_t from;	   /* of a receive: offset of its bytes */
	unsigned n_events; /* of a watch: told so far */
	bool more;	   /* posted, and pending as well */
	int result;
};

static struct fake_op *op_start(enum fake_kind kind, int fd, uint64_t token)
{
	struct fake_socket *s = fake_find(fd);
	struct fake_op *op;

	list_for_each(node, &fake.pending)
		fake_check(container_of(node, struct fake_op, node)->token != token,
			   "token %llx is pending already", (unsigned long long)token);
	list_for_each(node, &fake.posted)
		fake_check(container_of(node, struct fake_op, node)->token != token,
			   "token %llx is pending already", (unsigned long long)token);
	fake_check(token, "token 0 is the ring's own");
	fake_check(!s->busy[kind], "a second operation of kind %d on descriptor %d", kind, fd);
	fake_check(s->connected || kind == FAKE_CONNECT || s->listening,
		   "descriptor %d is not connected", fd);

	op = calloc(1, sizeof(*op));
	assert_non_null(op);
	*op = (struct fake_op){.kind = kind, .socket = s, .token = token};
	s->busy[kind] = true;
	s->n_ops++;
	s->last_started = ++fake.n_started;
	fake.n_pending++;
	list_append(&fake.pending, &op->node);
	return op;
}

void ring_connect(struct ring *r, int fd, const struct sockaddr_storage *address, socklen_t length,
		  uint64_t token)
{
	struct fake_socket *s = op_start(FAKE_CONNECT, fd, token)->socket, *client, *last;
	struct address to;

	(void)r;
	fake_check(s->ours && !s->connected, "descriptor %d is connected already", fd);
	fake_check(length > 0 && address_from_sockaddr(address, &to) == 0, "no address");
	fake_check(address_equal(&to, &s->peer), "the address is of another backend");

	client = fake.client_of(token);
	last = client->partner;
	if (last) {
		fake_check(last->closed, "two backends at once for client %d", client->fd);
		fake_check(last->accepted == 0 && client->accepted == 0 && !client->shut,
			   "client %d goes on to another backend in the middle", client->fd);
	}
	client->partner = s;
	s->partner = client;
	fake.on_connect(s);
}

void ring_accept(struct ring *r, int fd, bool multishot, uint64_t token)
{
	struct fake_op *op = op_start(FAKE_ACCEPT, fd, token);

	(void)r;
	fake_check(op->socket->listening, "descriptor %d does not listen", fd);
	op->multishot = multishot;
}

void ring_receive(struct ring *r, int fd, size_t size, bool later, uint64_t token)
{
	struct fake_op *op = op_start(FAKE_RECEIVE, fd, token);

	(void)r;
	(void)later;
	fake_check(size > 0 && size <= RING_BUFFER_SIZE, "a receive of %zu bytes", size);
	op->size = size;
}

/* The buffer that holds `data`, or -1. */
static int buffer_of(const uint8_t *data)
{
	for (uint32_t i = 0; i < fake.n_buffers; i++) {
		const struct fake_buffer *b = &fake.buffers[i];

		if (b->data && data >= b->data && data < b->data + b->size)
			return (int)i;
	}
	return -1;
}

bool fake_is_buffer(const uint8_t *data)
{
	return buffer_of(data) >= 0;
}

void ring_send(struct ring *r, int fd, const void *data, size_t size, uint64_t token)
{
	struct fake_op *op = op_start(FAKE_SEND, fd, token);

	(void)r;
	fake_check(!op->socket->shut, "a send to descriptor %d after FIN", fd);
	fake_check(size > 0 && buffer_of(data) >= 0, "a send of no buffer to descriptor %d", fd);
	op->data = data;
	op->size = size;
}

void ring_watch(struct ring *r, int fd, unsigned events, uint64_t token)
{
	(void)r;
	if (events & POLLOUT)
		op_start(FAKE_ROOM, fd, token)->n_events = UINT_MAX; /* what is there is told */
	else
		op_start(FAKE_WATCH, fd, token);
}

void ring_poll(struct ring *r, int fd, unsigned events, uint64_t token)
{
	(void)r;
	op_start(events == POLLIN ? FAKE_POLL_IN : FAKE_POLL_OUT, fd, token);
}

void ring_cancel(struct ring *r, uint64_t token)
{
	(void)r;
	list_for_each(node, &fake.pending) {
		struct fake_op *op = container_of(node, struct fake_op, node);

		if (op->token == token)
			op->cancelled = true;
	}
}

static void check_unsent(const struct list *ops, uint16_t buffer)
{
	list_for_each(node, ops) {
		const struct fake_op *op = container_of(node, struct fake_op, node);

		fake_check(op->kind != FAKE_SEND || buffer_of(op->data) != buffer,
			   "buffer %u is returned under a send", buffer);
	}
}

void ring_buffer_return(struct ring *r, uint16_t buffer)
{
	struct fake_buffer *b = &fake.buffers[buffer];

	(void)r;
	fake_check(buffer < fake.n_buffers && b->data, "buffer %u is not handed out", buffer);
	check_unsent(&fake.pending, buffer);
	check_unsent(&fake.posted, buffer);
	free(b->data);
	*b = (struct fake_buffer){};
	fake.n_out--;
}

/* Like the ring's, it does not know of buffers whose completions were not taken yet. */
bool ring_has_buffers(struct ring *r)
{
	(void)r;
	return fake.n_out < fake.n_buffers;
}

/* Its buffers are limited by their number. */
void ring_set_budget(struct ring *r, struct budget *b)
{
	(void)r;
	(void)b;
}

static int take_error(struct fake_socket *s, int otherwise)
{
	int error = s->error ? -s->error : otherwise;

	s->error = 0;
	return error;
}

static bool run_connect(struct fake_op *op)
{
	struct fake_socket *s = op->socket;

	if (s->outcome == FAKE_HANG)
		return false;
	op->result = s->outcome;
	s->connected = s->outcome == 0;
	return true;
}

/* A buffer is taken first, so that a shortage shows even where there is nothing to receive. */
static bool run_receive(struct fake_op *op)
{
	struct fake_socket *s = op->socket;
	uint64_t n = s->written - s->read;

	if (fake.n_out + fake.n_filled >= fake.n_buffers) {
		op->result = -ENOBUFS;
		return true;
	}
	if (n > 0) {
		n = n < op->size ? n : op->size;
		if (fake.chaos && fake_chance(30))
			n = 1 + fake_random((uint32_t)n);
		op->from = s->read;
		op->result = (int)n;
		s->read += n;
		fake.n_filled++;
		return true;
	}
	if (!s->fin && !s->dead)
		return false;
	op->result = s->fin ? 0 : take_error(s, 0);
	return true;
}

uint8_t fake_peer_byte(const struct fake_socket *s, uint64_t offset)
{
	return offset < s->n_first ? s->first[offset] : fake_byte(s->id, offset);
}

void fake_accept_bytes(struct fake_socket *s, const uint8_t *data, uint64_t n)
{
	struct fake_socket *from = s->partner;

	fake_check(from, "descriptor %d has no partner", s->fd);
	fake_check(from->swallowed + s->accepted + n <= from->read,
		   "descriptor %d got more than was received", s->fd);
	for (uint64_t i = 0; i < n; i++)
		fake_check(data[i] == fake_peer_byte(from, from->swallowed + s->accepted + i),
			   "byte %llu to descriptor %d is wrong",
			   (unsigned long long)(s->accepted + i), s->fd);
	s->accepted += n;
	if (s->room != UINT64_MAX)
		s->room -= n;
}

static bool run_send(struct fake_op *op)
{
	struct fake_socket *s = op->socket;
	uint64_t n = op->size < s->room ? op->size : s->room;

	if (s->dead) {
		op->result = take_error(s, -EPIPE);
		return true;
	}
	if (n == 0)
		return false;
	if (fake.chaos && fake_chance(30))
		n = 1 + fake_random((uint32_t)n);
	fake_accept_bytes(s, op->data, n);
	op->result = (int)n;
	return true;
}

/*
 * Each change is told, the one before the watch too; several may be told as one. In chaos memory is
 * short now and then, and the watch ends.
 */
static bool run_watch(struct fake_op *op)
{
	const struct fake_socket *s = op->socket;

	if (op->n_events == s->n_events)
		return false;
	op->n_events = s->n_events;
	op->result = POLLRDHUP | (s->error ? POLLERR : 0) | (s->dead ? POLLHUP : 0);
	op->more = !fake.chaos || fake_chance(80);
	return true;
}

/* What a poll says in any case. */
static int poll_state(const struct fake_socket *s)
{
	return (s->fin ? POLLRDHUP : 0) | (s->error ? POLLERR : 0) | (s->dead ? POLLHUP : 0);
}

static bool run_poll(struct fake_op *op)
{
	const struct fake_socket *s = op->socket;

	op->result = poll_state(s);
	if (op->kind == FAKE_POLL_IN && (s->read < s->written || s->fin || s->dead))
		op->result |= POLLIN;
	if (op->kind == FAKE_POLL_OUT && (s->room > 0 || s->dead))
		op->result |= POLLOUT;
	return op->result != 0;
}

/* As run_watch(), but of room too. */
static bool run_room(struct fake_op *op)
{
	const struct fake_socket *s = op->socket;

	if (op->n_events == s->n_events + s->n_rooms)
		return false;
	op->n_events = s->n_events + s->n_rooms;
	op->result = poll_state(s) | (s->room > 0 || s->dead ? POLLOUT : 0);
	op->more = !fake.chaos || fake_chance(80);
	return op->result != 0;
}

static bool run_accept(struct fake_op *op)
{
	struct fake_socket *listener = op->socket, *client = fake_arrive(listener);

	if (!client && listener->n_arrived == 0)
		return false;
	op->result = client ? client->fd : fake.new_error;
	op->more = client && op->multishot;
	return true;
}

/* An error that has nothing to do with the peer, and passes. */
static bool run_passing_error(struct fake_op *op)
{
	static const int errors[] = {-EINTR, -EAGAIN, -ENOBUFS};
	int *injected = &op->socket->inject[op->kind];

	if (*injected) {
		op->result = *injected;
		*injected = 0;
		return true;
	}
	if (!fake.chaos || (op->kind != FAKE_RECEIVE && op->kind != FAKE_SEND) || !fake_chance(2))
		return false;
	op->result = errors[fake_random(op->kind == FAKE_RECEIVE ? 3 : 2)];
	return true;
}

static bool run(struct fake_op *op)
{
	static bool (*const runs[])(struct fake_op *) = {
		[FAKE_CONNECT] = run_connect, [FAKE_RECEIVE] = run_receive,
		[FAKE_SEND] = run_send,	      [FAKE_WATCH] = run_watch,
		[FAKE_ACCEPT] = run_accept,   [FAKE_POLL_IN] = run_poll,
		[FAKE_POLL_OUT] = run_poll,   [FAKE_ROOM] = run_room,
	};

	if (op->cancelled && (fake.race == FAKE_CANCEL_WINS ||
			      (fake.race == FAKE_CANCEL_RANDOM && fake_chance(50)))) {
		op->result = -ECANCELED;
		return true;
	}
	if (run_passing_error(op) || runs[op->kind](op))
		return true;
	if (!op->cancelled)
		return false;
	op->result = -ECANCELED;
	return true;
}

/* In chaos, before others that completed earlier: only those of one operation keep their order. */
static void post(struct fake_op *op)
{
	struct list *before = &fake.posted;

	while (fake.chaos && before->prev != &fake.posted && fake_chance(30) &&
	       container_of(before->prev, struct fake_op, node)->token != op->token)
		before = before->prev;
	list_append(before, &op->node);
}

static void post_if_done(struct fake_op *op)
{
	while (run(op)) {
		struct fake_op *told;

		if (!op->more) {
			list_unlink(&op->node);
			post(op);
			return;
		}
		told = malloc(sizeof(*told));
		assert_non_null(told);
		*told = *op;
		post(told);
		op->more = false;
	}
}

static void run_newest_first(void)
{
	struct list *node = fake.pending.prev, *before;

	for (; node != &fake.pending; node = before) {
		before = node->prev;
		post_if_done(container_of(node, struct fake_op, node));
	}
}

/* In any order, and many take their time. */
static void run_in_chaos(void)
{
	struct fake_op **ops = calloc(fake.n_pending + 1, sizeof(struct fake_op *));
	size_t n = 0;

	assert_non_null(ops);
	list_for_each(node, &fake.pending)
		ops[n++] = container_of(node, struct fake_op, node);
	while (n > 0) {
		size_t i = fake_random((uint32_t)n);

		if (!fake_chance(40))
			post_if_done(ops[i]);
		ops[i] = ops[--n];
	}
	free(ops);
}

bool fake_is_queued(const struct fake_socket *s)
{
	return s->last_started > fake.n_submitted;
}

int ring_submit(struct ring *r)
{
	(void)r;
	if (fake.chaos && fake_chance(5))
		return -EAGAIN;
	fake.n_submitted = fake.n_started;
	return 0;
}

int ring_wait(struct ring *r, nsec_t deadline)
{
	(void)r;
	(void)deadline;
	fake.n_submitted = fake.n_started;
	if (fake.chaos)
		run_in_chaos();
	else if (fake.newest_first)
		run_newest_first();
	else
		list_for_each_safe(node, &fake.pending)
			post_if_done(container_of(node, struct fake_op, node));
	return 0;
}

void *ring_buffer_take(struct ring *r, uint16_t *ret_buffer)
{
	uint16_t i = 0;

	(void)r;
	if (fake.n_out + fake.n_filled >= fake.n_buffers || (fake.chaos && fake_chance(5)))
		return NULL;
	while (fake.buffers[i].data)
		i++;
	fake.buffers[i] = (struct fake_buffer){malloc(RING_BUFFER_SIZE), RING_BUFFER_SIZE};
	assert_non_null(fake.buffers[i].data);
	fake.n_out++;
	*ret_buffer = i;
	return fake.buffers[i].data;
}

/* Exactly as large as its bytes, so that a sanitizer sees who reads on; or with room for more. */
static void hand_out(const struct fake_op *op, struct ring_completion *ret)
{
	uint16_t i = 0;
	size_t size = fake.roomy ? RING_BUFFER_SIZE : (size_t)op->result;
	uint8_t *data = malloc(size);

	assert_non_null(data);
	while (fake.buffers[i].data)
		i++;
	for (int n = 0; n < op->result; n++)
		data[n] = fake_peer_byte(op->socket, op->from + (uint64_t)n);
	fake.buffers[i] = (struct fake_buffer){data, size};
	fake.n_filled--;
	fake.n_out++;
	ret->data = data;
	ret->buffer = i;
}

bool ring_is_quiet(const struct ring *r)
{
	(void)r;
	return list_empty(&fake.posted) && fake.n_submitted == fake.n_started;
}

bool ring_next(struct ring *r, struct ring_completion *ret)
{
	struct fake_op *op;

	(void)r;
	if (list_empty(&fake.posted))
		return false;
	op = container_of(fake.posted.next, struct fake_op, node);
	list_unlink(&op->node);
	*ret = (struct ring_completion){.token = op->token, .result = op->result, .more = op->more};
	if (op->kind == FAKE_RECEIVE && op->result > 0) {
		hand_out(op, ret);
		ret->rest = op->socket->read < op->socket->written;
	}
	if (!op->more) {
		op->socket->busy[op->kind] = false;
		op->socket->n_ops--;
		fake.n_pending--;
	}
	free(op);
	return true;
}

bool fake_is_pending(const struct fake_socket *s, enum fake_kind kind)
{
	return s->busy[kind];
}
