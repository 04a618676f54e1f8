// SPDX-License-Identifier: BSD-2-Clause
/* io/pipe against the kernel, between sockets on loopback. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "cleanup.h"
#include "descriptors.h"
#include "pipe.h"
#include "socket.h"

#include "test.h"

#define DEADLINE_MS 10000
#define SIZE	    300000

static void await(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
}

/* Two ends of a TCP connection, both non-blocking. */
static void connected(int ends[2])
{
	struct address at = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .family = ADDRESS_IPV4};
	_cleanup_(closep) int listener = -1;
	struct sockaddr_storage sa;
	socklen_t length;

	assert_int_equal(socket_listen(&at, NULL, &listener), 0);
	assert_int_equal(socket_local(listener, &at), 0);
	assert_int_equal(socket_new(&at, &ends[0]), 0);
	length = address_to_sockaddr(&at, &sa);
	assert_int_equal(connect(ends[0], (struct sockaddr *)&sa, length), 0);
	await(listener, POLLIN);
	ends[1] = socket_accept_pending(listener);
	assert_true(ends[1] >= 0);
	for (int i = 0; i < 2; i++)
		socket_set_nonblocking(ends[i], true);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* Source → `from`, through the pipe, to `to` → sink. */
struct stage {
	int source, from, to, sink;
	struct pipes *pipes;
	struct pipe *pipe;
};

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	int ends[2];

	assert_non_null(s);
	connected(ends);
	s->source = ends[0];
	s->from = ends[1];
	connected(ends);
	s->to = ends[0];
	s->sink = ends[1];
	s->pipes = pipes_new(2);
	assert_non_null(s->pipes);
	s->pipe = pipes_take(s->pipes);
	assert_non_null(s->pipe);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	pipes_give(s->pipes, s->pipe);
	pipes_free(s->pipes);
	socket_close(s->source);
	socket_close(s->from);
	socket_close(s->to);
	socket_close(s->sink);
	free(s);
	return 0;
}

static void bytes_arrive(void **state)
{
	struct stage *s = *state;
	_cleanup_(freep) uint8_t *sent = malloc(SIZE), *got = malloc(SIZE);
	size_t n_sent = 0, n_filled = 0, n_got = 0;
	ssize_t n;

	for (size_t i = 0; i < SIZE; i++)
		sent[i] = byte_at(i);
	while (n_got < SIZE) {
		n = n_sent < SIZE ? socket_write(s->source, sent + n_sent, SIZE - n_sent) : 0;
		assert_true(n >= 0 || n == -EAGAIN);
		n_sent += n > 0 ? (size_t)n : 0;
		if (s->pipe->size == 0 && n_filled < n_sent) {
			await(s->from, POLLIN);
			n = pipe_fill(s->pipe, s->from);
			assert_true(n > 0);
			assert_int_equal(s->pipe->size, n);
			n_filled += (size_t)n;
		}
		if (s->pipe->size > 0) {
			n = pipe_drain(s->pipe, s->to);
			assert_true(n > 0 || n == -EAGAIN);
		}
		if (n_got == n_filled - s->pipe->size)
			continue; /* all that was drained has arrived */
		await(s->sink, POLLIN);
		n = recv(s->sink, got + n_got, SIZE - n_got, 0);
		assert_true(n > 0);
		n_got += (size_t)n;
	}
	assert_memory_equal(got, sent, SIZE);
}

static void nothing_blocks(void **state)
{
	struct stage *s = *state;
	uint8_t bytes[4096] = {};
	size_t n_in = 0;
	ssize_t n = 0;

	assert_int_equal(pipe_fill(s->pipe, s->from), -EAGAIN);
	assert_int_equal(s->pipe->size, 0);
	while (n != -EAGAIN) { /* nobody reads from the sink */
		socket_write(s->source, bytes, sizeof(bytes));
		if (s->pipe->size == 0) {
			await(s->from, POLLIN);
			n = pipe_fill(s->pipe, s->from);
			assert_true(n > 0);
			n_in += (size_t)n;
		}
		n = pipe_drain(s->pipe, s->to);
		assert_true(n > 0 || n == -EAGAIN);
		assert_true(n_in < 1u << 30);
	}
	assert_true(s->pipe->size > 0);
}

static void the_end_is_told(void **state)
{
	struct stage *s = *state;

	assert_int_equal(socket_write(s->source, "last", 4), 4);
	socket_shutdown(s->source);
	await(s->from, POLLRDHUP);
	assert_int_equal(pipe_fill(s->pipe, s->from), 4);
	assert_int_equal(pipe_drain(s->pipe, s->to), 4);
	assert_int_equal(pipe_fill(s->pipe, s->from), 0);

	/* A reset is an error of whoever reads, or writes. */
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	socket_reset(s->sink);
	s->sink = -1;
	await(s->to, POLLHUP);
	assert_int_equal(pipe_fill(s->pipe, s->to), -ECONNRESET);
	s->pipe->size = 1;
	assert_true(pipe_drain(s->pipe, s->to) < 0);
}

/* Urgent data is read around, and blocks nobody. */
static void urgent_data(void **state)
{
	struct stage *s = *state;
	ssize_t n;

	assert_int_equal(send(s->source, "!", 1, MSG_OOB), 1);
	await(s->from, POLLPRI);
	n = pipe_fill(s->pipe, s->from);
	assert_true(n == -EAGAIN || n == 0 || n == 1);
	if (n == 1)
		assert_int_equal(pipe_drain(s->pipe, s->to), 1);
}

static void pools_are_bounded(void **state)
{
	struct stage *s = *state;
	uint64_t before = descriptors_used();
	struct pipe *second = pipes_take(s->pipes);

	assert_non_null(second);
	assert_false(pipes_available(s->pipes));
	assert_null(pipes_take(s->pipes));
	assert_int_equal(pipes_taken(s->pipes), 2);
	pipes_give(s->pipes, second);
	assert_true(pipes_available(s->pipes));
	assert_ptr_equal(pipes_take(s->pipes), second); /* it was kept */
	pipes_give(s->pipes, second);
	assert_int_equal(descriptors_used(), before + PIPE_DESCRIPTORS);
	assert_true(pipes_trim(s->pipes)); /* it was in use since the last trim */
	pipes_trim(s->pipes);
	assert_int_equal(descriptors_used(), before);
}

/* One with bytes of somebody is not for the next. */
static void leftovers_are_lost(void **state)
{
	struct stage *s = *state;

	assert_int_equal(socket_write(s->source, "rest", 4), 4);
	await(s->from, POLLIN);
	assert_int_equal(pipe_fill(s->pipe, s->from), 4);
	pipes_give(s->pipes, s->pipe);
	assert_int_equal(pipes_taken(s->pipes), 0);
	s->pipe = pipes_take(s->pipes);
	assert_non_null(s->pipe);
	assert_int_equal(socket_write(s->source, "next", 4), 4);
	await(s->from, POLLIN);
	assert_int_equal(pipe_fill(s->pipe, s->from), 4);
	assert_int_equal(pipe_drain(s->pipe, s->to), 4);
	await(s->sink, POLLIN);

	char got[8];

	assert_int_equal(recv(s->sink, got, sizeof(got), 0), 4);
	assert_memory_equal(got, "next", 4);
}

static void none(void **state)
{
	struct pipes *p = pipes_new(0);

	(void)state;
	assert_non_null(p);
	assert_null(pipes_take(p));
	assert_false(pipes_available(p));
	assert_false(pipes_available(NULL));
	assert_false(pipes_trim(p));
	assert_null(pipes_free(p));
	assert_null(pipes_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_arrive, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(urgent_data, setup, teardown),
		cmocka_unit_test_setup_teardown(pools_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(leftovers_are_lost, setup, teardown),
		cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
