// SPDX-License-Identifier: BSD-2-Clause
/* io/socket against the kernel, on loopback. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "address.h"
#include "cleanup.h"
#include "socket.h"

#include "test.h"

#define DEADLINE_MS 10000

static struct address loopback(enum address_family family)
{
	struct address a = {.family = (uint8_t)family};

	if (family == ADDRESS_IPV4)
		memcpy(a.ip, (uint8_t[]){[10] = 0xff, 0xff, 127, 0, 0, 1}, 16);
	else if (family == ADDRESS_IPV6)
		a.ip[15] = 1;
	return a;
}

static void await(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
}

static int try_connect(int fd, const struct address *to)
{
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(to, &sa);

	return connect(fd, (struct sockaddr *)&sa, length) < 0 ? -errno : 0;
}

/* A listener on a port of the kernel's choice, whose address is told. */
static int listen_at(enum address_family family, struct address *ret)
{
	struct address a = loopback(family);
	int fd = -1, r = socket_listen(&a, NULL, &fd);

	if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)
		skip(); /* no IPv6 here */
	assert_int_equal(r, 0);
	assert_int_equal(socket_local(fd, ret), 0);
	return fd;
}

struct pair {
	int client, server;
};

static struct pair connected(void)
{
	struct address at;
	_cleanup_(closep) int listener = listen_at(ADDRESS_IPV4, &at);
	struct pair p = {-1, -1};

	assert_int_equal(socket_new(&at, &p.client), 0);
	assert_int_equal(try_connect(p.client, &at), 0);
	await(listener, POLLIN);
	p.server = socket_accept_pending(listener);
	assert_true(p.server >= 0);
	return p;
}

static void accepting_does_not_block(void **state)
{
	struct address at, peer, local, mine;
	_cleanup_(closep) int listener = listen_at(ADDRESS_IPV4, &at);
	_cleanup_(closep) int client = -1, server = -1;

	(void)state;
	assert_int_equal(socket_accept_pending(listener), -EAGAIN);
	assert_int_equal(socket_new(&at, &client), 0);
	assert_int_equal(socket_peer(client, &peer), -ENOTCONN);
	assert_int_equal(try_connect(client, &at), 0);
	await(listener, POLLIN);
	server = socket_accept_pending(listener);
	assert_true(server >= 0);
	assert_int_equal(socket_accept_pending(listener), -EAGAIN);
	assert_int_equal(socket_local(server, &local), 0);
	assert_int_equal(socket_peer(server, &peer), 0);
	assert_int_equal(socket_local(client, &mine), 0);
	assert_true(address_equal(&local, &at));
	assert_true(address_equal(&peer, &mine));
}

/* Each worker has its own socket at an address; whoever does not share keeps everybody out. */
static void addresses_are_shared(void **state)
{
	struct address at;
	_cleanup_(closep) int first = listen_at(ADDRESS_IPV4, &at);
	_cleanup_(closep) int second = -1, unshared = -1;
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(&at, &sa);
	int third = -1;

	(void)state;
	assert_int_equal(socket_listen(&at, NULL, &second), 0);
	assert_int_equal(socket_claim(&at), -EADDRINUSE);
	closep(&first);
	closep(&second);
	first = second = -1;
	assert_int_equal(socket_claim(&at), 0);
	unshared = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(unshared, (struct sockaddr *)&sa, length), 0);
	assert_int_equal(listen(unshared, 1), 0);
	assert_int_equal(socket_listen(&at, NULL, &third), -EADDRINUSE);
	assert_int_equal(third, -1);
}

/* ":PORT" serves both families, "[::]:PORT" its own. */
static void wildcards(void **state)
{
	struct address at, local, peer, to = loopback(ADDRESS_IPV4);
	_cleanup_(closep) int listener = listen_at(ADDRESS_ANY, &at);
	_cleanup_(closep) int client = -1, server = -1, six = -1, refused = -1;
	struct address only_six = {.family = ADDRESS_IPV6};

	(void)state;
	to.port = at.port;
	assert_int_equal(socket_new(&to, &client), 0);
	assert_int_equal(try_connect(client, &to), 0);
	await(listener, POLLIN);
	server = socket_accept_pending(listener);
	assert_true(server >= 0);
	assert_int_equal(socket_local(server, &local), 0);
	assert_int_equal(socket_peer(server, &peer), 0);
	assert_int_equal(local.family, ADDRESS_IPV4);
	assert_int_equal(peer.family, ADDRESS_IPV4);
	assert_true(address_equal(&local, &to));

	assert_int_equal(socket_listen(&only_six, NULL, &six), 0);
	assert_int_equal(socket_local(six, &local), 0);
	to.port = local.port;
	assert_int_equal(socket_new(&to, &refused), 0);
	assert_int_equal(try_connect(refused, &to), -ECONNREFUSED);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static void tuning(void **state)
{
	const struct service_settings all = {
		.keepalive_idle = 70 * NSEC_PER_SEC,
		.keepalive_interval = 7 * NSEC_PER_SEC,
		.keepalive_count = 4,
		.user_timeout = 12345 * NSEC_PER_MSEC,
	};
	const struct service_settings none = {};
	struct address at = loopback(ADDRESS_IPV4);
	_cleanup_(closep) int tuned = -1, plain = -1;

	(void)state;
	assert_int_equal(socket_new(&at, &tuned), 0);
	assert_int_equal(socket_tune(tuned, &all), 0);
	assert_int_not_equal(option(tuned, IPPROTO_TCP, TCP_NODELAY), 0);
	assert_int_not_equal(option(tuned, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option(tuned, IPPROTO_TCP, TCP_KEEPIDLE), 70);
	assert_int_equal(option(tuned, IPPROTO_TCP, TCP_KEEPINTVL), 7);
	assert_int_equal(option(tuned, IPPROTO_TCP, TCP_KEEPCNT), 4);
	assert_int_equal(option(tuned, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);

	assert_int_equal(socket_new(&at, &plain), 0);
	assert_int_equal(socket_tune(plain, &none), 0);
	assert_int_not_equal(option(plain, IPPROTO_TCP, TCP_NODELAY), 0);
	assert_int_equal(option(plain, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option(plain, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	assert_int_equal(socket_tune(-1, &none), -EBADF);
}

/* What a listening socket accepts is tuned from the start. */
static void listeners_tune(void **state)
{
	const struct service_settings settings = {
		.keepalive_idle = 70 * NSEC_PER_SEC,
		.keepalive_interval = 7 * NSEC_PER_SEC,
		.keepalive_count = 4,
		.user_timeout = 12345 * NSEC_PER_MSEC,
	};
	const struct service_settings others = {.keepalive_idle = 90 * NSEC_PER_SEC,
						.keepalive_interval = 9 * NSEC_PER_SEC,
						.keepalive_count = 9};
	struct address at = loopback(ADDRESS_IPV4);
	_cleanup_(closep) int listener = -1;

	(void)state;
	assert_int_equal(socket_listen(&at, &settings, &listener), 0);
	assert_int_equal(socket_local(listener, &at), 0);
	for (int i = 0; i < 2; i++) {
		_cleanup_(closep) int client = -1, server = -1;

		assert_int_equal(socket_new(&at, &client), 0);
		assert_int_equal(try_connect(client, &at), 0);
		await(listener, POLLIN);
		server = socket_accept_pending(listener);
		assert_true(server >= 0);
		assert_int_not_equal(option(server, IPPROTO_TCP, TCP_NODELAY), 0);
		assert_int_not_equal(option(server, SOL_SOCKET, SO_KEEPALIVE), 0);
		assert_int_equal(option(server, IPPROTO_TCP, TCP_KEEPIDLE), i ? 90 : 70);
		assert_int_equal(option(server, IPPROTO_TCP, TCP_KEEPCNT), i ? 9 : 4);
		assert_int_equal(option(server, IPPROTO_TCP, TCP_USER_TIMEOUT), i ? 0 : 12345);
		assert_int_equal(socket_retune(listener, &settings, &others), 0);
	}
}

static void shutdown_is_fin(void **state)
{
	struct pair p = connected();
	char byte;

	(void)state;
	assert_int_equal(send(p.client, "x", 1, 0), 1);
	socket_shutdown(p.client);
	await(p.server, POLLIN);
	assert_int_equal(recv(p.server, &byte, 1, MSG_WAITALL), 1);
	assert_int_equal(recv(p.server, &byte, 1, 0), 0);
	assert_false(socket_is_dead(p.server));
	assert_int_equal(send(p.server, "y", 1, 0), 1); /* the other half is open */
	assert_int_equal(recv(p.client, &byte, 1, 0), 1);
	assert_int_equal(byte, 'y');
	socket_close(p.client);
	socket_close(p.server);
}

static void close_is_fin(void **state)
{
	struct pair p = connected();
	char byte;

	(void)state;
	socket_close(p.server);
	assert_int_equal(recv(p.client, &byte, 1, 0), 0);
	assert_int_equal(socket_error(p.client), 0);
	assert_false(socket_is_dead(p.client));
	socket_close(p.client);
}

static void reset_is_rst(void **state)
{
	struct pair p = connected();

	(void)state;
	socket_reset(p.server);
	await(p.client, POLLERR);
	assert_true(socket_is_dead(p.client));
	assert_int_equal(socket_error(p.client), ECONNRESET);
	assert_int_equal(socket_error(p.client), 0); /* told once */
	assert_true(socket_is_dead(p.client));
	socket_close(p.client);
}

static void nothing_to_close(void **state)
{
	(void)state;
	socket_close(-1);
	socket_reset(-1);
	assert_int_equal(socket_error(-1), EBADF);
	assert_true(socket_is_dead(-1));
	assert_int_equal(socket_accept_pending(-1), -EBADF);
}

static void marked_sockets_have_a_port(void **state)
{
	static const struct address to[] = {
		{.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = 9, .family = ADDRESS_IPV4},
		{.ip = {[15] = 1}, .port = 9, .family = ADDRESS_IPV6},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		uint16_t port = 0, again;
		struct address local;
		unsigned mark = 0;
		socklen_t size = sizeof(mark);
		int fd, other;

		assert_int_equal(socket_new_marked(&to[i], 0x1234, &port, &fd), 0);
		assert_int_not_equal(port, 0);
		assert_int_equal(socket_local(fd, &local), 0);
		assert_int_equal(local.port, port);
		assert_int_equal(local.family, to[i].family);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size), 0);
		assert_int_equal(mark, 0x1234);

		/* A port that somebody listens at is refused. */
		assert_int_equal(listen(fd, 1), 0);
		again = port;
		assert_int_equal(socket_new_marked(&to[i], 0x1234, &again, &other), -EADDRINUSE);
		close(fd);
		assert_int_equal(socket_new_marked(&to[i], 0x1234, &again, &other), 0);
		assert_int_equal(again, port);
		close(other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marked_sockets_have_a_port),
		cmocka_unit_test(accepting_does_not_block),
		cmocka_unit_test(addresses_are_shared),
		cmocka_unit_test(wildcards),
		cmocka_unit_test(tuning),
		cmocka_unit_test(listeners_tune),
		cmocka_unit_test(shutdown_is_fin),
		cmocka_unit_test(close_is_fin),
		cmocka_unit_test(reset_is_rst),
		cmocka_unit_test(nothing_to_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
