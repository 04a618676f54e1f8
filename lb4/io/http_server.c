// SPDX-License-Identifier: BSD-2-Clause
/*
 * libmicrohttpd in its external epoll mode does the parsing and sending. Accepting is ours: it goes
 * on with a spare descriptor when the process has no more, because that is when operators come, and
 * pauses rather than spins when even that is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "http_exchange.h"
#include "list.h"

#define ACCEPT_RETRY (100 * NSEC_PER_MSEC)
#define CLOSE_TIME   (500 * NSEC_PER_MSEC) /* for answers under way */

struct http_server {
	struct http_server_options options;
	struct http_exchanges exchanges;
	struct MHD_Daemon *mhd;
	int epoll_fd; /* holds the listening socket and MHD's own epoll descriptor */
	int listen_fd;
	int spare_fd;	 /* given up to accept one more when descriptors run out */
	bool listening;	 /* the listening socket is in the epoll set */
	nsec_t retry_at; /* when to accept again after a failure; 0: no failure */
	bool woken;	 /* requests that wait are to be asked again */
	nsec_t now;
	struct list connections; /* the one to be ended next comes first */
	unsigned n_connections;
	unsigned n_followers; /* of them `follows` */
};

struct http_connection {
	struct list node;
	int fd; /* MHD's */
	nsec_t deadline;
	bool follows; /* it has waited, and will most likely ask again */
};

static void set_follows(struct http_server *s, struct http_connection *c, bool follows)
{
	if (c->follows == follows)
		return;
	c->follows = follows;
	s->n_followers += follows ? 1 : -1;
}

static void arm(struct http_server *s, struct http_connection *c)
{
	c->deadline = nsec_add(s->now, s->options.request_time);
	list_unlink(&c->node);
	list_append(&s->connections, &c->node);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
			 enum MHD_RequestTerminationCode code)
{
	struct http_server *s = context;
	const union MHD_ConnectionInfo *info;

	http_exchange_on_completed(&s->exchanges, request_context);
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && info && info->socket_context)
		arm(s, info->socket_context);
}

/*
 * A wait begins like a request: with all the time that one may take. Who was answered while the
 * server closes has had the last word.
 */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *data, size_t *size, void **request_context)
{
	struct http_server *s = context;
	enum MHD_Result r = http_exchange_on_request(&s->exchanges, connection, path, method,
						     version, data, size, request_context);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_connection *c = info ? info->socket_context : NULL;

	if (c && http_exchange_waits(*request_context)) {
		arm(s, c);
		set_follows(s, c, true);
	} else if (c && s->exchanges.closing && http_exchange_answered(*request_context)) {
		set_follows(s, c, false);
	}
	return r;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = context;
	struct http_connection *c = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
				 ->connect_fd;

		s->n_connections++;
		c = *socket_context = calloc(1, sizeof(*c));
		if (!c) {
			shutdown(fd, SHUT_RDWR); /* nothing lives without a deadline */
			return;
		}
		c->fd = fd;
		list_init(&c->node);
		arm(s, c);
		return;
	}
	s->n_connections--;
	if (c) {
		list_unlink(&c->node);
		set_follows(s, c, false);
	}
	free(c);
	*socket_context = NULL;
}

/* MHD sees the end of the stream and closes. */
static void end_overdue(struct http_server *s)
{
	list_for_each_safe(node, &s->connections) {
		struct http_connection *c = container_of(node, struct http_connection, node);

		if (c->deadline > s->now)
			return;
		list_unlink(node);
		shutdown(c->fd, SHUT_RDWR);
	}
}

static void set_listening(struct http_server *s, bool on)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = s->listen_fd};

	if (on == s->listening)
		return;
	if (epoll_ctl(s->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->listen_fd, &event) == 0)
		s->listening = on;
}

static void accept_connections(struct http_server *s)
{
	while (s->n_connections < s->options.connections_max) {
		struct sockaddr_storage peer = {};
		socklen_t length = sizeof(peer);
		int fd = accept4(s->listen_fd, (struct sockaddr *)&peer, &length,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			/* Closes it when it fails. */
			MHD_add_connection(s->mhd, fd, (struct sockaddr *)&peer, length);
		} else if (errno == EAGAIN) {
			return;
		} else if ((errno == EMFILE || errno == ENFILE) && s->spare_fd >= 0) {
			close(take_fd(s->spare_fd));
		} else if (errno != EINTR && errno != ECONNABORTED) {
			s->retry_at = nsec_add(s->now, ACCEPT_RETRY);
			return;
		}
	}
}

nsec_t http_server_deadline(const struct http_server *s, nsec_t now)
{
	nsec_t deadline = http_exchanges_deadline(&s->exchanges);
	MHD_UNSIGNED_LONG_LONG ms;

	if (s->woken && s->exchanges.n_waiting)
		return now;
	if (s->retry_at && s->retry_at < deadline)
		deadline = s->retry_at;
	if (!list_empty(&s->connections)) {
		nsec_t next =
			container_of(s->connections.next, struct http_connection, node)->deadline;

		if (next < deadline)
			deadline = next;
	}
	if (MHD_get_timeout(s->mhd, &ms) == MHD_YES) {
		nsec_t next = nsec_add(now, ms * NSEC_PER_MSEC);

		if (next < deadline)
			deadline = next;
	}
	return deadline;
}

int http_server_fd(const struct http_server *s)
{
	return s->epoll_fd;
}

void http_server_run(struct http_server *s, nsec_t now)
{
	s->now = s->exchanges.now = now;
	if (s->retry_at <= now) {
		s->retry_at = 0;
		accept_connections(s);
	}
	end_overdue(s);
	/* MHD_run() takes them up; nothing else would tell that they are to be. */
	http_exchanges_resume(&s->exchanges, s->woken);
	s->woken = false;
	MHD_run(s->mhd);
	if (s->spare_fd < 0)
		s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	set_listening(s, !s->retry_at && s->n_connections < s->options.connections_max);
}

void http_server_wake(struct http_server *s)
{
	s->woken = true;
}

unsigned http_server_waiting(const struct http_server *s)
{
	return s->exchanges.n_waiting;
}

/* Leaves escaped what would cut a text short, so that it matches nothing. */
static size_t unescape(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

/* MHD's own words go nowhere: what it refuses, it tells the client. */
static void ignore_log(void *context, const char *format, va_list args)
{
	(void)context;
	(void)format;
	(void)args;
}

static int start_mhd(struct http_server *s)
{
	const struct http_server_options *o = &s->options;
	const union MHD_DaemonInfo *info;
	struct epoll_event event = {.events = EPOLLIN};

	errno = 0;
	s->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
			MHD_ALLOW_SUSPEND_RESUME,
		0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
		MHD_OPTION_CONNECTION_LIMIT, o->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		o->header_max, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_UNESCAPE_CALLBACK,
		unescape, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!s->mhd)
		return errno ? -errno : -ENOMEM;
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EOPNOTSUPP;
	event.data.fd = info->epoll_fd;
	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, info->epoll_fd, &event) < 0 ? -errno : 0;
}

int http_server_open(const struct http_server_options *options, int listen_fd_take,
		     struct http_server **ret)
{
	_cleanup_(closep) int listen_fd = listen_fd_take;
	struct http_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->exchanges.options = &s->options;
	list_init(&s->exchanges.waiting);
	s->listen_fd = take_fd(listen_fd);
	list_init(&s->connections);
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->exchanges.epoll_fd = s->epoll_fd;
	if (s->epoll_fd < 0) {
		r = -errno;
	} else {
		r = start_mhd(s);
		set_listening(s, true);
	}
	if (r >= 0 && !s->listening)
		r = -ENOMEM;
	if (r < 0) {
		http_server_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* Nobody else turns the loop by now. */
static void finish_answers(struct http_server *s)
{
	struct pollfd p = {.fd = s->epoll_fd, .events = POLLIN};
	nsec_t end = nsec_add(clock_now(), CLOSE_TIME);

	s->exchanges.closing = true;
	http_exchanges_resume(&s->exchanges, true);
	MHD_run(s->mhd);
	while ((s->exchanges.n_answers || s->n_followers) && clock_now() < end) {
		poll(&p, 1, 10);
		MHD_run(s->mhd);
	}
}

struct http_server *http_server_close(struct http_server *s)
{
	if (!s)
		return NULL;
	if (s->mhd) {
		set_listening(s, false);
		finish_answers(s);
		MHD_stop_daemon(s->mhd);
	}
	closep(&s->epoll_fd);
	closep(&s->listen_fd);
	closep(&s->spare_fd);
	free(s);
	return NULL;
}
