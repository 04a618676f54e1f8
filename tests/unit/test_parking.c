// SPDX-License-Identifier: BSD-2-Clause
/* io/parking against the kernel: TCP connections on loopback whose descriptors come and go. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "address.h"
#include "descriptors.h"
#include "parking.h"
#include "ring.h"
#include "socket.h"

#include "test.h"

enum { TOKEN_A = 1, TOKEN_B };

/* The two sockets of a connection, and what the peers of each hold. */
struct pair {
	int fds[PARKED_FILES], peers[PARKED_FILES];
};

static void connect_one(int *ret_fd, int *ret_peer)
{
	struct sockaddr_storage sa;
	struct address any, local;
	socklen_t length;
	const char *why;
	int listener;

	assert_int_equal(address_parse("127.0.0.1:1", false, &any, &why), 0);
	any.port = 0;
	assert_int_equal(socket_listen(&any, NULL, &listener), 0);
	assert_int_equal(socket_local(listener, &local), 0);
	assert_int_equal(socket_new(&local, ret_fd), 0);
	length = address_to_sockaddr(&local, &sa);
	assert_int_equal(connect(*ret_fd, (struct sockaddr *)&sa, length), 0);
	*ret_peer = accept(listener, NULL, NULL);
	assert_true(*ret_peer >= 0);
	close(listener);
}

static struct pair make_pair(void)
{
	struct pair p;

	for (unsigned i = 0; i < PARKED_FILES; i++)
		connect_one(&p.fds[i], &p.peers[i]);
	return p;
}

static void close_pair(const int fds[PARKED_FILES])
{
	for (unsigned i = 0; i < PARKED_FILES; i++)
		close(fds[i]);
}

/* What the peer reads without waiting: bytes, 0 for FIN, or -errno; nothing is not an answer. */
static ssize_t peer_reads(int peer)
{
	char bytes[16];
	ssize_t n = recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

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

static int setup(void **state)
{
	*state = parking_new(10000);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	parking_free(*state);
	return 0;
}

static void files_outlive_their_descriptors(void **state)
{
	struct parking *p = *state;
	struct pair c = make_pair();
	int woken[PARKED_FILES];

	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(parking_holds(p, 9999), round > 0);
		assert_int_equal(parking_enter(p, 9999, round ? woken : c.fds), 0);
		assert_true(parking_holds(p, 9999));
		assert_int_equal(parking_used(p), 1);
		for (unsigned i = 0; i < PARKED_FILES; i++) {
			assert_false(is_open(c.fds[i]));
			assert_int_equal(peer_reads(c.peers[i]), -EAGAIN);
		}
		assert_int_equal(parking_wake(p, 9999, woken), 0);
		for (unsigned i = 0; i < PARKED_FILES; i++) {
			assert_int_equal(fcntl(woken[i], F_GETFD), FD_CLOEXEC);
			assert_int_equal(send(woken[i], "abc", i + 1, 0), i + 1);
			assert_int_equal(peer_reads(c.peers[i]), i + 1);
		}
	}

	/* Awake, the files leave their place and nothing else. */
	parking_leave(p, 9999);
	assert_false(parking_holds(p, 9999));
	assert_int_equal(parking_used(p), 0);
	for (unsigned i = 0; i < PARKED_FILES; i++)
		assert_int_equal(peer_reads(c.peers[i]), -EAGAIN);
	socket_close(woken[0]);
	socket_reset(woken[1]);
	assert_int_equal(peer_reads(c.peers[0]), 0);
	assert_int_equal(peer_reads(c.peers[1]), -ECONNRESET);
	close_pair(c.peers);
}

static void leaving_says_fin(void **state)
{
	struct pair c = make_pair();

	assert_int_equal(parking_enter(*state, 0, c.fds), 0);
	parking_leave(*state, 0);
	for (unsigned i = 0; i < PARKED_FILES; i++)
		assert_int_equal(peer_reads(c.peers[i]), 0);
	close_pair(c.peers);
}

static void resetting_says_rst(void **state)
{
	struct pair c = make_pair();

	assert_int_equal(parking_enter(*state, 0, c.fds), 0);
	parking_reset(*state, 0);
	assert_false(parking_holds(*state, 0));
	for (unsigned i = 0; i < PARKED_FILES; i++)
		assert_int_equal(peer_reads(c.peers[i]), -ECONNRESET);
	close_pair(c.peers);
}

/* One side is dead already, and one is in the middle of its end. */
static void ends_what_is_dead(void **state)
{
	struct pair c = make_pair();

	assert_int_equal(parking_enter(*state, 0, c.fds), 0);
	socket_reset(c.peers[0]);
	socket_shutdown(c.peers[1]);
	parking_reset(*state, 0);
	assert_int_equal(peer_reads(c.peers[1]), -ECONNRESET);
	close(c.peers[1]);
}

/*
 * A receive that was begun before goes on beneath a parked file, also while others of its table come
 * and go: their ends are seen at once.
 */
static void operations_go_on(void **state)
{
	struct parking *p = *state;
	struct pair c = make_pair(), other = make_pair();
	struct ring_completion done;
	int woken[PARKED_FILES];
	struct ring *r;

	assert_int_equal(ring_open(8, 8, &r), 0);
	ring_receive(r, c.fds[0], RING_BUFFER_SIZE, false, TOKEN_A);
	ring_receive(r, c.fds[1], RING_BUFFER_SIZE, false, TOKEN_B);
	assert_int_equal(ring_submit(r), 0);
	assert_int_equal(parking_enter(p, 1, c.fds), 0);
	assert_int_equal(parking_enter(p, 2, other.fds), 0);
	parking_reset(p, 2);
	assert_int_equal(peer_reads(other.peers[0]), -ECONNRESET);

	assert_int_equal(send(c.peers[0], "hello", 5, 0), 5);
	done = completion(r);
	assert_int_equal(done.token, TOKEN_A);
	assert_int_equal(done.result, 5);
	assert_memory_equal(done.data, "hello", 5);
	ring_buffer_return(r, done.buffer);

	/* What is begun after it has woken uses the new descriptors. */
	assert_int_equal(parking_wake(p, 1, woken), 0);
	ring_receive(r, woken[0], RING_BUFFER_SIZE, false, TOKEN_A);
	assert_int_equal(ring_submit(r), 0);
	assert_int_equal(parking_enter(p, 1, woken), 0);
	socket_shutdown(c.peers[0]);
	done = completion(r);
	assert_int_equal(done.token, TOKEN_A);
	assert_int_equal(done.result, 0);

	/* With an operation under way until just now, the end is still seen at once. */
	ring_cancel(r, TOKEN_B);
	assert_int_equal(completion(r).result, -ECANCELED);
	parking_leave(p, 1);
	assert_int_equal(peer_reads(c.peers[0]), 0);
	assert_int_equal(peer_reads(c.peers[1]), 0);
	close_pair(c.peers);
	close_pair(other.peers);
	ring_close(r);
}

/* Far more files than there may be descriptors; both ends of each pair are parked. */
static void holds_more_than_the_limit(void **state)
{
	enum { N = 300 };
	struct rlimit before, limit;
	struct parking *p;
	uint64_t used;
	int fds[PARKED_FILES], spare;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	p = parking_new(N);
	assert_non_null(p);
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		assert_int_equal(write(fds[1], &i, sizeof(i)), sizeof(i));
		assert_int_equal(parking_enter(p, i, fds), 0);
	}
	assert_int_equal(parking_used(p), N);
	used = descriptors_used();
	assert_in_range(used, 4, 63);
	spare = dup(0);
	assert_int_equal(descriptors_used(), used + 1);
	close(spare);
	for (uint32_t i = N; i-- > 0;) {
		uint32_t got = N;

		assert_int_equal(parking_wake(p, i, fds), 0);
		assert_int_equal(read(fds[0], &got, sizeof(got)), sizeof(got));
		assert_int_equal(got, i);
		close_pair(fds);
		parking_leave(p, i);
	}
	assert_int_equal(parking_used(p), 0);
	parking_free(p);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Without a descriptor nothing wakes, nothing enters a new table, and nothing is lost. */
static void survives_without_descriptors(void **state)
{
	struct parking *p = *state;
	struct pair c = make_pair(), late = make_pair();
	struct rlimit before, none;
	int fds[PARKED_FILES], spare;

	assert_int_equal(parking_enter(p, 0, c.fds), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(parking_wake(p, 0, fds), -EMFILE);
	assert_int_equal(parking_enter(p, 9999, late.fds), -EMFILE);
	assert_false(parking_holds(p, 9999));
	assert_true(is_open(late.fds[0]) && is_open(late.fds[1]));

	/* One descriptor is not enough, and is given back. */
	spare = dup(late.peers[0]);
	assert_int_equal(spare, -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	spare = dup(late.peers[0]);
	none.rlim_cur = (rlim_t)spare + 1;
	close(spare);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(parking_wake(p, 0, fds), -EMFILE);
	assert_int_equal(dup(late.peers[0]), spare);
	close(spare);

	/* Ending needs none. */
	parking_reset(p, 0);
	assert_int_equal(peer_reads(c.peers[0]), -ECONNRESET);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close_pair(late.fds);
	close_pair(late.peers);
	close_pair(c.peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_outlive_their_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(leaving_says_fin, setup, teardown),
		cmocka_unit_test_setup_teardown(resetting_says_rst, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_what_is_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(operations_go_on, setup, teardown),
		cmocka_unit_test(holds_more_than_the_limit),
		cmocka_unit_test_setup_teardown(survives_without_descriptors, setup, teardown),
	};

	if (parking_probe() < 0) {
		print_message("the kernel cannot park\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
