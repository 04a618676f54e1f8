// SPDX-License-Identifier: BSD-2-Clause
/* io/ring against the kernel, on socket pairs and loopback. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "ring.h"
#include "socket.h"

#include "test.h"

enum { TOKEN_A = 1, TOKEN_B, TOKEN_C };

/* Waits, at most ten seconds, for the next completion. */
static struct ring_completion completion(struct ring *r)
{
	struct ring_completion c = {};
	nsec_t deadline = clock_now() + 10 * NSEC_PER_SEC;

	while (!ring_next(r, &c)) {
		assert_int_equal(ring_wait(r, deadline), 0);
		assert_true(clock_now() < deadline);
	}
	return c;
}

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

static void receives_sends_and_sees_the_end(void **state)
{
	struct ring *r;
	struct ring_completion c;
	struct ring_stats stats;
	int fds[2];

	(void)state;
	pair(fds);
	assert_int_equal(ring_open(8, 64, &r), 0);

	ring_receive(r, fds[0], RING_BUFFER_SIZE, false, TOKEN_A);
	ring_send(r, fds[1], "hello", 5, TOKEN_B);
	for (int i = 0; i < 2; i++) {
		c = completion(r);
		assert_int_equal(c.result, 5);
		if (c.token == TOKEN_B)
			continue;
		assert_memory_equal(c.data, "hello", 5);
		ring_buffer_return(r, c.buffer);
	}

	ring_receive(r, fds[0], RING_BUFFER_SIZE, false, TOKEN_A);
	close(fds[1]);
	c = completion(r);
	assert_int_equal(c.result, 0);
	assert_null(c.data);
	ring_stats(r, &stats);
	assert_int_equal(stats.buffers_out, 0);
	close(fds[0]);
	ring_close(r);
}

static void cancels(void **state)
{
	struct ring *r;
	struct ring_completion c;
	int fds[2];

	(void)state;
	pair(fds);
	assert_int_equal(ring_open(8, 64, &r), 0);
	ring_receive(r, fds[0], RING_BUFFER_SIZE, false, TOKEN_A);
	ring_poll(r, fds[0], POLLIN, TOKEN_B);
	ring_cancel(r, TOKEN_A);
	c = completion(r);
	assert_int_equal(c.token, TOKEN_A);
	assert_int_equal(c.result, -ECANCELED);
	ring_cancel(r, TOKEN_C); /* of nothing: no completion */
	assert_int_equal(ring_wait(r, 0), 0);
	assert_false(ring_next(r, &c));
	assert_int_equal(write(fds[1], "x", 1), 1);
	c = completion(r);
	assert_int_equal(c.token, TOKEN_B);
	assert_true(c.result & POLLIN);
	close(fds[0]);
	close(fds[1]);
	ring_close(r);
}

/* Many more receivers than supplied buffers: every one is served in the end. */
static void a_burst_gets_more_buffers(void **state)
{
	enum { N = 200 };
	struct ring *r;
	struct ring_stats stats;
	struct ring_completion c;
	int fds[N][2];
	uint16_t held[N];
	int n = 0;

	(void)state;
	assert_int_equal(ring_open(64, N, &r), 0);
	for (int i = 0; i < N; i++) {
		pair(fds[i]);
		assert_int_equal(write(fds[i][1], &i, sizeof(i)), sizeof(i));
		ring_receive(r, fds[i][0], RING_BUFFER_SIZE, false, (uint64_t)i + 1);
	}
	while (n < N) {
		c = completion(r);
		if (c.result == -ENOBUFS) {
			ring_receive(r, fds[c.token - 1][0], RING_BUFFER_SIZE, false, c.token);
			continue;
		}
		assert_int_equal(c.result, sizeof(int));
		assert_int_equal(*(int *)c.data, c.token - 1);
		held[n++] = c.buffer; /* kept: all are out at once */
	}
	ring_stats(r, &stats);
	assert_int_equal(stats.buffers_out, N);
	assert_true(stats.buffer_shortages > 0);
	for (int i = 0; i < N; i++) {
		ring_buffer_return(r, held[i]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	ring_stats(r, &stats);
	assert_int_equal(stats.buffers_out, 0);
	assert_true(stats.buffers_made <= N);
	ring_close(r);
}

/* Many shortages in one round are one shortage, and what a burst took is given back. */
static void supply_follows_the_load(void **state)
{
	enum { N = 64 };
	struct ring *r;
	struct ring_stats stats;
	struct ring_completion c;
	int fds[N][2];
	int n = 0;

	(void)state;
	assert_int_equal(ring_open(256, 4096, &r), 0);
	for (int i = 0; i < N; i++) {
		pair(fds[i]);
		assert_int_equal(write(fds[i][1], &i, sizeof(i)), sizeof(i));
		ring_receive(r, fds[i][0], RING_BUFFER_SIZE, false, (uint64_t)i + 1);
	}
	while (n < N) {
		c = completion(r);
		if (c.result == -ENOBUFS) {
			ring_receive(r, fds[c.token - 1][0], RING_BUFFER_SIZE, false, c.token);
			continue;
		}
		n++;
		ring_buffer_return(r, c.buffer);
	}
	ring_stats(r, &stats);
	assert_true(stats.buffer_shortages > 8);
	assert_true(stats.buffers_made <= 2 * N);

	/* The first trim counts the burst, the next one silence. */
	ring_trim(r);
	assert_false(ring_trim(r));
	for (int i = 0; i < N; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
	ring_close(r);
}

/* A crowd that is ready all at once is served without each of it trying again and again. */
static void a_crowd_is_fed(void **state)
{
	enum { N = 2000 };
	struct ring *r;
	struct ring_stats stats;
	struct ring_completion c;
	int(*fds)[2] = calloc(N, sizeof(fds[0]));

	(void)state;
	assert_non_null(fds);
	assert_int_equal(ring_open(4096, 4 * N, &r), 0);
	for (int i = 0; i < N; i++) {
		pair(fds[i]);
		ring_receive(r, fds[i][0], RING_BUFFER_SIZE, false, (uint64_t)i + 1);
	}
	assert_int_equal(ring_submit(r), 0);
	for (int i = 0; i < N; i++)
		assert_int_equal(write(fds[i][1], &i, sizeof(i)), sizeof(i));
	for (int n = 0; n < N;) {
		c = completion(r);
		if (c.result == -ENOBUFS) {
			ring_receive(r, fds[c.token - 1][0], RING_BUFFER_SIZE, false, c.token);
			continue;
		}
		n++;
		ring_buffer_return(r, c.buffer);
	}
	ring_stats(r, &stats);
	assert_in_range(stats.submissions, N, 4 * N);
	for (int i = 0; i < N; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
	free(fds);
	ring_close(r);
}

static void accepts_and_connects(void **state)
{
	struct sockaddr_storage sa;
	struct address any, local;
	struct ring *r;
	struct ring_completion c;
	socklen_t length;
	const char *why;
	int listener, client, accepted = -1;

	(void)state;
	assert_int_equal(address_parse("127.0.0.1:1", false, &any, &why), 0);
	any.port = 0;
	assert_int_equal(socket_listen(&any, NULL, &listener), 0);
	assert_int_equal(socket_local(listener, &local), 0);
	assert_int_equal(socket_new(&local, &client), 0);
	length = address_to_sockaddr(&local, &sa);

	assert_int_equal(ring_open(8, 8, &r), 0);
	ring_accept(r, listener, true, TOKEN_A);
	ring_connect(r, client, &sa, length, TOKEN_B);
	for (int i = 0; i < 2; i++) {
		c = completion(r);
		assert_true(c.result >= 0);
		if (c.token == TOKEN_A) {
			assert_true(c.more);
			accepted = c.result;
		}
	}
	ring_cancel(r, TOKEN_A);
	c = completion(r);
	assert_int_equal(c.result, -ECANCELED);
	assert_false(c.more);

	/* A watch sees the RST, also behind a FIN. */
	socket_shutdown(accepted);
	ring_receive(r, client, RING_BUFFER_SIZE, false, TOKEN_B);
	assert_int_equal(completion(r).result, 0);
	ring_watch(r, client, 0, TOKEN_C);
	assert_int_equal(ring_wait(r, 0), 0);
	while (ring_next(r, &c)) {
		assert_int_equal(c.token, TOKEN_C);
		assert_true(c.more);
		assert_int_equal(socket_error(client), 0);
	}
	socket_reset(accepted);
	c = completion(r);
	assert_int_equal(c.token, TOKEN_C);
	assert_int_equal(socket_error(client), EPIPE);
	socket_close(client);
	socket_close(listener);
	ring_close(r);
}

/* Two connected TCP sockets. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_storage sa;
	struct address any, local;
	struct pollfd arrived;
	const char *why;
	int listener;
	socklen_t length;

	assert_int_equal(address_parse("127.0.0.1:1", false, &any, &why), 0);
	any.port = 0;
	assert_int_equal(socket_listen(&any, NULL, &listener), 0);
	assert_int_equal(socket_local(listener, &local), 0);
	assert_int_equal(socket_new(&local, &fds[0]), 0);
	length = address_to_sockaddr(&local, &sa);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&sa, length), 0);
	arrived = (struct pollfd){.fd = listener, .events = POLLIN};
	assert_int_equal(poll(&arrived, 1, 10000), 1);
	fds[1] = socket_accept_pending(listener);
	assert_true(fds[1] >= 0);
	socket_close(listener);
}

/* Whether it looks at once or waits first, a receive finds what is there and what comes. */
static void receives_now_and_later(void **state)
{
	struct ring *r;
	struct ring_completion c;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	assert_int_equal(ring_open(8, 8, &r), 0);
	for (int i = 0; i < 4; i++) {
		bool later = i & 1, there = i & 2;

		if (there)
			assert_int_equal(write(fds[1], "123456789", 9), 9);
		ring_receive(r, fds[0], 4, later, TOKEN_A);
		assert_int_equal(ring_submit(r), 0);
		if (!there)
			assert_int_equal(write(fds[1], "123456789", 9), 9);
		c = completion(r);
		assert_int_equal(c.result, 4);
		assert_memory_equal(c.data, "1234", 4);
		assert_true(c.rest);
		ring_buffer_return(r, c.buffer);
		ring_receive(r, fds[0], RING_BUFFER_SIZE, later, TOKEN_A);
		c = completion(r);
		assert_int_equal(c.result, 5);
		assert_false(c.rest);
		ring_buffer_return(r, c.buffer);
	}

	/* On a non-blocking socket it waits as well. */
	socket_set_nonblocking(fds[0], true);
	ring_receive(r, fds[0], 4, false, TOKEN_A);
	assert_int_equal(ring_submit(r), 0);
	assert_int_equal(write(fds[1], "1234", 4), 4);
	c = completion(r);
	assert_int_equal(c.result, 4);
	ring_buffer_return(r, c.buffer);
	socket_close(fds[0]);
	socket_close(fds[1]);
	ring_close(r);
}

/* A poll of a socket that has received FIN completes at once, a watch tells when there is room. */
static void room_behind_a_fin(void **state)
{
	static const uint8_t bytes[65536];
	struct ring *r;
	struct ring_completion c;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	assert_int_equal(ring_open(8, 8, &r), 0);
	socket_shutdown(fds[1]);
	ring_poll(r, fds[0], POLLIN, TOKEN_A);
	completion(r);
	while (socket_write(fds[0], bytes, sizeof(bytes)) > 0)
		;
	ring_poll(r, fds[0], POLLOUT, TOKEN_A);
	assert_int_equal(completion(r).result, POLLRDHUP);
	ring_watch(r, fds[0], POLLOUT, TOKEN_B);
	assert_int_equal(ring_wait(r, clock_now() + 20 * NSEC_PER_MSEC), 0);
	while (ring_next(r, &c)) {
		assert_int_equal(c.result, POLLRDHUP);
		assert_true(c.more);
	}
	assert_int_equal(socket_write(fds[0], bytes, 1), -EAGAIN);
	for (c.result = 0; !(c.result & POLLOUT);) {
		uint8_t sink[65536];

		while (recv(fds[1], sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
		assert_int_equal(ring_wait(r, clock_now() + 20 * NSEC_PER_MSEC), 0);
		while (ring_next(r, &c) && !(c.result & POLLOUT))
			;
	}
	assert_true(c.more);
	assert_true(socket_write(fds[0], bytes, 1) > 0);
	socket_close(fds[0]);
	socket_close(fds[1]);
	ring_close(r);
}

/* Buffers for system calls are of the same lot. */
static void buffers_are_taken(void **state)
{
	enum { N = 40 };
	struct ring *r;
	struct ring_stats stats;
	uint16_t buffers[N];
	uint32_t n = 0;
	char *memory;

	(void)state;
	assert_int_equal(ring_open(8, N, &r), 0);
	while (n < N && (memory = ring_buffer_take(r, &buffers[n]))) {
		memset(memory, (int)n, RING_BUFFER_SIZE);
		n++;
	}
	assert_in_range(n, 1, N - 1); /* some were supplied to the kernel before */
	ring_stats(r, &stats);
	assert_int_equal(stats.buffers_out, n);
	while (n > 0)
		ring_buffer_return(r, buffers[--n]);
	assert_non_null(ring_buffer_take(r, &buffers[0]));
	ring_buffer_return(r, buffers[0]);
	ring_stats(r, &stats);
	assert_int_equal(stats.buffers_out, 0);
	ring_close(r);
}

/* One completion at a time, or several. */
static void knows_when_it_is_quiet(void **state)
{
	struct ring *r;
	struct ring_completion c;
	int fds[2];

	(void)state;
	pair(fds);
	assert_int_equal(ring_open(8, 8, &r), 0);
	assert_int_equal(ring_peek(r), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (int i = 0; i < 3; i++) {
		ring_poll(r, fds[0], POLLIN, TOKEN_A);
		assert_false(ring_is_quiet(r)); /* something is queued */
		completion(r);
		assert_true(ring_is_quiet(r));
	}
	ring_poll(r, fds[0], POLLIN, TOKEN_A);
	ring_poll(r, fds[1], POLLOUT, TOKEN_B);
	assert_int_equal(ring_wait(r, 0), 0);
	assert_true(ring_next(r, &c));
	assert_int_equal(ring_peek(r), c.token == TOKEN_A ? TOKEN_B : TOKEN_A);
	assert_false(ring_is_quiet(r));
	assert_true(ring_next(r, &c));
	assert_false(ring_is_quiet(r));
	ring_poll(r, fds[0], POLLIN, TOKEN_A);
	completion(r);
	assert_false(ring_is_quiet(r)); /* the last round had two */
	close(fds[0]);
	close(fds[1]);
	ring_close(r);
}

static void waits_until_the_deadline(void **state)
{
	struct ring *r;
	struct ring_completion c;
	nsec_t before = clock_now();

	(void)state;
	assert_int_equal(ring_open(8, 0, &r), 0);
	assert_int_equal(ring_wait(r, before + 30 * NSEC_PER_MSEC), 0);
	assert_true(clock_now() >= before + 30 * NSEC_PER_MSEC);
	assert_false(ring_next(r, &c));
	ring_close(r);
}

/* More operations than the submission queue holds. */
static void a_full_queue_is_submitted(void **state)
{
	enum { N = 100 };
	struct ring *r;
	int fds[2], n = 0;

	(void)state;
	pair(fds);
	assert_int_equal(ring_open(4, 64, &r), 0);
	for (int i = 0; i < N; i++)
		ring_poll(r, fds[0], POLLIN, (uint64_t)i + 1);
	assert_int_equal(write(fds[1], "x", 1), 1);
	while (n < N)
		n += completion(r).result > 0;
	close(fds[0]);
	close(fds[1]);
	ring_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receives_sends_and_sees_the_end),
		cmocka_unit_test(cancels),
		cmocka_unit_test(a_burst_gets_more_buffers),
		cmocka_unit_test(receives_now_and_later),
		cmocka_unit_test(room_behind_a_fin),
		cmocka_unit_test(buffers_are_taken),
		cmocka_unit_test(knows_when_it_is_quiet),
		cmocka_unit_test(supply_follows_the_load),
		cmocka_unit_test(a_crowd_is_fed),
		cmocka_unit_test(accepts_and_connects),
		cmocka_unit_test(waits_until_the_deadline),
		cmocka_unit_test(a_full_queue_is_submitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
