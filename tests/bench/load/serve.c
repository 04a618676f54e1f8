// SPDX-License-Identifier: BSD-2-Clause
/*
 * The server: sends back what it receives, at once, and closes when the client has. It keeps
 * nothing about a connection, whose descriptor is its tag.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"
#include "socket.h"

#define BATCH	256
#define BACKLOG 4096

static uint8_t buffer[16 * SIZE_MAX_BYTES];

static int listen_at(const struct address *a)
{
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(a, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int yes = 1;

	if (fd < 0)
		die("socket: %m");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)); /* accepted ones inherit it */
	if (bind(fd, (struct sockaddr *)&sa, length) < 0)
		die("bind: %m");
	if (listen(fd, BACKLOG) < 0)
		die("listen: %m");
	return fd;
}

static void accept_some(int listener)
{
	for (int i = 0; i < BATCH; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			socket_watch(fd, EPOLLIN | EPOLLRDHUP | EPOLLET, (uint32_t)fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE)
			die("accept: %m");
		return;
	}
}

/* A FIN that comes after the event is an event of its own; one from before it is in `events`. */
static void answer(int fd, uint32_t events)
{
	ssize_t n;

	do {
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n) {
			close(fd);
			return;
		}
	} while (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) || (size_t)n == sizeof(buffer));
}

int serve_run(const struct options *o)
{
	struct epoll_event events[BATCH];
	int listener;

	sockets_init();
	listener = listen_at(&o->listen);
	socket_watch(listener, EPOLLIN, (uint32_t)listener);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = sockets_wait(events, BATCH, -1);

		for (int i = 0; i < n; i++) {
			int fd = (int)events[i].data.u32;

			if (fd == listener)
				accept_some(listener);
			else
				answer(fd, events[i].events);
		}
	}
}
