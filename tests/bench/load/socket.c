// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket.h"

static int epoll = -1;

struct endpoint {
	struct sockaddr_storage sa;
	socklen_t length;
};

struct turn {
	struct endpoint items[LIST_MAX];
	size_t n, next;
};

static struct turn to, from;

void sockets_init(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		die("epoll_create1: %m");
}

static void turn_fill(struct turn *t, const struct address *addresses, size_t n)
{
	t->n = n;
	for (size_t i = 0; i < n; i++)
		t->items[i].length = address_to_sockaddr(&addresses[i], &t->items[i].sa);
}

static const struct endpoint *turn_next(struct turn *t)
{
	if (t->next >= t->n)
		t->next = 0;
	return &t->items[t->next++];
}

void sockets_target(const struct options *o)
{
	turn_fill(&to, o->to, o->n_to);
	turn_fill(&from, o->from, o->n_from);
}

/* connect() picks the port, as it knows the destination: every pair of addresses has all ports. */
static int bind_next(int fd)
{
	const struct endpoint *e = turn_next(&from);
	int yes = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
	return bind(fd, (const struct sockaddr *)&e->sa, e->length);
}

int socket_connect(uint32_t tag)
{
	const struct endpoint *e = turn_next(&to);
	int fd = socket(e->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if ((from.n && bind_next(fd) < 0) ||
	    (connect(fd, (const struct sockaddr *)&e->sa, e->length) < 0 && errno != EINPROGRESS)) {
		int saved = errno;

		close(fd);
		return -saved;
	}
	socket_watch(fd, EPOLLIN | EPOLLOUT | EPOLLET, tag);
	return fd;
}

int socket_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return errno;
	return error;
}

void socket_watch(int fd, uint32_t events, uint32_t tag)
{
	struct epoll_event event = {.events = events, .data.u32 = tag};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl: %m");
}

void socket_reset(int fd)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

int sockets_wait(struct epoll_event *events, int max, int timeout_ms)
{
	int n = epoll_wait(epoll, events, max, timeout_ms);

	if (n < 0 && errno != EINTR)
		die("epoll_wait: %m");
	return n < 0 ? 0 : n;
}
