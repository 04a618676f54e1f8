// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "socket.h"

/*
 * A burst of this many waits for a worker. No more, since a multishot accept takes them all at
 * once, and descriptors for them must be left (see ACCEPT_MARGIN of the worker).
 */
#define LISTEN_BACKLOG 2048

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* A bound socket; the address may be shared with others of ours when `shared`. */
static int bound_socket(const struct address *address, bool shared, int *ret_fd)
{
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(address, &sa);
	_cleanup_(closep) int fd = -1;
	int r;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r >= 0 && shared)
		r = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r >= 0 && sa.ss_family == AF_INET6)
		r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, address->family != ADDRESS_ANY);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&sa, length) < 0)
		return -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

int socket_claim(const struct address *address)
{
	_cleanup_(closep) int fd = -1;

	return bound_socket(address, false, &fd);
}

int socket_listen(const struct address *address, const struct service_settings *settings,
		  int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	int r = bound_socket(address, true, &fd);

	if (r >= 0 && settings)
		r = socket_tune(fd, settings);
	if (r < 0)
		return r;
	if (listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

int socket_new(const struct address *address, int *ret_fd)
{
	int family = address->family == ADDRESS_IPV4 ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int socket_new_marked(const struct address *address, uint32_t mark, uint16_t *port, int *ret_fd)
{
	struct address any = {.family = address->family, .port = *port}, local;
	struct sockaddr_storage sa;
	_cleanup_(closep) int fd = -1;
	socklen_t length;
	int r;

	if (any.family == ADDRESS_IPV4)
		any.ip[10] = any.ip[11] = 0xff;
	length = address_to_sockaddr(&any, &sa);
	r = socket_new(address, &fd);
	if (r >= 0)
		r = set_int(fd, SOL_SOCKET, SO_MARK, (int)mark);
	if (r >= 0)
		r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r >= 0 && any.family == ADDRESS_IPV6)
		r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&sa, length) < 0)
		return -errno;
	r = socket_local(fd, &local);
	if (r < 0)
		return r;
	*port = local.port;
	*ret_fd = take_fd(fd);
	return 0;
}

int socket_tune_new(int fd, const struct service_settings *s)
{
	int r = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	if (r >= 0 && s->user_timeout)
		r = set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
			    (int)(s->user_timeout / NSEC_PER_MSEC));
	return r;
}

int socket_tune_keepalive(int fd, const struct keepalive *k)
{
	int r = 0;

	if (k->idle) {
		r = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		if (r >= 0)
			r = set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, k->idle);
		if (r >= 0)
			r = set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, k->interval);
		if (r >= 0)
			r = set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, k->count);
	}
	return r;
}

int socket_tune(int fd, const struct service_settings *s)
{
	const struct keepalive keepalive = keepalive_of(s);
	int r = socket_tune_new(fd, s);

	return r < 0 ? r : socket_tune_keepalive(fd, &keepalive);
}

int socket_bind_source(int fd, const struct address *source, bool foreign)
{
	bool ipv4 = source->family == ADDRESS_IPV4;
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(source, &sa);
	int r = 0;

	if (foreign)
		r = ipv4 ? set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1)
			 : set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
	else if (!ipv4) /* IPv6 does not ask the routes whether a range is ours */
		r = set_int(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);

	/* The port is chosen by connect(2), which may use one towards several backends. */
	if (r >= 0)
		r = set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (r < 0)
		return r;
	return bind(fd, (struct sockaddr *)&sa, length) < 0 ? -errno : 0;
}

int socket_retune(int fd, const struct service_settings *from, const struct service_settings *to)
{
	int r = 0;

	if (from->keepalive_idle == to->keepalive_idle &&
	    from->keepalive_interval == to->keepalive_interval &&
	    from->keepalive_count == to->keepalive_count && from->user_timeout == to->user_timeout)
		return 0;
	if (from->keepalive_idle && !to->keepalive_idle)
		r = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
	if (r >= 0 && from->user_timeout && !to->user_timeout)
		r = set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
	return r < 0 ? r : socket_tune(fd, to);
}

static int name_of(int fd, int (*get)(int, struct sockaddr *, socklen_t *), struct address *ret)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	if (get(fd, (struct sockaddr *)&sa, &length) < 0)
		return -errno;
	return address_from_sockaddr(&sa, ret);
}

int socket_peer(int fd, struct address *ret)
{
	return name_of(fd, getpeername, ret);
}

int socket_local(int fd, struct address *ret)
{
	return name_of(fd, getsockname, ret);
}

int socket_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return errno;
	return error;
}

bool socket_is_dead(int fd)
{
	struct tcp_info info = {};
	socklen_t length = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ||
	       info.tcpi_state == TCP_CLOSE;
}

int socket_accept_pending(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	int accepted;

	if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		return -errno;
	accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	return accepted < 0 ? -errno : accepted;
}

ssize_t socket_read(int fd, void *data, size_t size)
{
	ssize_t n = recv(fd, data, size, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

ssize_t socket_write(int fd, const void *data, size_t size)
{
	ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

int socket_send(int fd, const void *data, size_t size)
{
	ssize_t n = socket_write(fd, data, size);

	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : -EAGAIN;
}

void socket_set_nonblocking(int fd, bool nonblocking)
{
	int value = nonblocking;

	ioctl(fd, FIONBIO, &value);
}

void socket_shutdown(int fd)
{
	shutdown(fd, SHUT_WR);
}

void socket_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void socket_reset(int fd)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}
