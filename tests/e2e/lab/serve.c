// SPDX-License-Identifier: BSD-2-Clause
/*
 * A backend: one process that listens on several ports, each with its own manner. Prints "ready"
 * once all listen. SIGUSR1 makes it ill: its page says 503, and new connections are closed at once;
 * old ones go on. SIGUSR2 makes it well again.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "common.h"
#include "list.h"
#include "loop.h"
#include "peer.h"

#define OUTPUT_MAX     65536
#define ACCEPT_BATCH   64
#define HAMMER_GIVE_UP (60 * NSEC_PER_SEC)

struct connection;

/* What a port does with its connections; unset callbacks do nothing. */
struct manner {
	const char *name;
	void (*on_open)(struct connection *c);
	/* Takes input; what it wants sent goes to the output. */
	void (*on_input)(struct connection *c, const uint8_t *bytes, size_t n);
	void (*on_eof)(struct connection *c);
	bool deaf;	/* never reads */
	bool endless;	/* fills the output whenever it is empty */
	bool stays;	/* does not close when the client has */
	bool aborts;	/* resets at the first byte */
	bool is_reset;	/* resets at once */
	bool is_hammer; /* a verified transfer */
	bool is_page;	/* tells about illness by itself */
};

struct connection {
	struct watch watch;
	const struct manner *manner;
	uint64_t received;
	bool eof, close_after_output;
	size_t output_from, output_to;
	uint8_t output[OUTPUT_MAX];
};

struct port {
	struct watch watch;
	const struct manner *manner;
};

static struct {
	char name[NAME_BLOCK];
	uint8_t filler[OUTPUT_MAX];
} server;
static volatile sig_atomic_t is_ill;

static void output(struct connection *c, const void *bytes, size_t n)
{
	if (n > OUTPUT_MAX - c->output_to)
		die("a reply larger than the output");
	memcpy(c->output + c->output_to, bytes, n);
	c->output_to += n;
}

static void say_name(struct connection *c)
{
	output(c, server.name, NAME_BLOCK);
}

/* One name block for each block received. */
static void on_input_id(struct connection *c, const uint8_t *bytes, size_t n)
{
	uint64_t before = c->received / NAME_BLOCK;

	(void)bytes;
	for (uint64_t i = before; i < (c->received + n) / NAME_BLOCK; i++)
		say_name(c);
}

static void on_input_echo(struct connection *c, const uint8_t *bytes, size_t n)
{
	if (c->received == 0)
		say_name(c);
	output(c, bytes, n);
}

static void on_eof_count(struct connection *c)
{
	char line[100];
	int n = snprintf(line, sizeof(line), "%" PRIu64 " bytes\n", c->received);

	output(c, line, (size_t)n);
}

static void on_input_http(struct connection *c, const uint8_t *bytes, size_t n)
{
	char page[300];
	int length;

	/* Requests have no body, and checks send theirs in one piece. */
	if (n < 4 || memcmp(bytes + n - 4, "\r\n\r\n", 4))
		return;
	length = snprintf(page, sizeof(page),
			  "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
			  "Connection: close\r\n\r\n%s\n",
			  is_ill ? "503 Service Unavailable" : "200 OK", strlen(server.name) + 1,
			  server.name);
	output(c, page, (size_t)length);
	c->close_after_output = true;
}

static const struct manner manners[] = {
	{"id", .on_input = on_input_id},
	{"greet", .on_open = say_name, .on_input = on_input_id},
	{"echo", .on_input = on_input_echo},
	{"count", .on_eof = on_eof_count},
	{"open", .on_input = on_input_echo, .stays = true},
	{"source", .endless = true},
	{"deaf", .deaf = true},
	{"abort", .aborts = true},
	{"reset", .is_reset = true},
	{"http", .on_input = on_input_http, .is_page = true},
	{"hammer", .is_hammer = true},
};

static void free_connection(struct connection *c)
{
	loop_close(&c->watch);
	free(c);
}

/* False when the connection has ended. */
static bool write_output(struct connection *c)
{
	while (c->output_from < c->output_to) {
		ssize_t n = send(c->watch.fd, c->output + c->output_from,
				 c->output_to - c->output_from, 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n < 0) {
			free_connection(c);
			return false;
		}
		c->output_from += (size_t)n;
	}
	c->output_from = c->output_to = 0;
	if ((c->eof && !c->manner->stays) || c->close_after_output) {
		free_connection(c);
		return false;
	}
	return true;
}

static bool read_input(struct connection *c)
{
	/* One name block goes before an echo, and one byte completes one block: there is room. */
	static uint8_t buffer[(OUTPUT_MAX - NAME_BLOCK) / 2];
	ssize_t n = recv(c->watch.fd, buffer, sizeof(buffer), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0) {
		free_connection(c);
		return false;
	}
	if (n == 0) {
		c->eof = true;
		if (c->manner->on_eof)
			c->manner->on_eof(c);
		return true;
	}
	if (c->manner->aborts) {
		loop_reset(&c->watch);
		free_connection(c);
		return false;
	}
	if (c->manner->on_input)
		c->manner->on_input(c, buffer, (size_t)n);
	c->received += (uint64_t)n;
	return true;
}

static void on_connection(struct watch *w, uint32_t events)
{
	struct connection *c = container_of(w, struct connection, watch);
	uint32_t wanted = 0;

	if ((events & (EPOLLERR | EPOLLHUP)) && (c->eof || c->manner->deaf || c->output_to)) {
		free_connection(c);
		return;
	}
	if ((events & EPOLLIN) && !read_input(c))
		return;
	if (c->manner->endless && c->output_to == 0)
		output(c, server.filler, OUTPUT_MAX);
	if (!write_output(c))
		return;
	if (c->output_to || c->manner->endless)
		wanted |= EPOLLOUT;
	if (!c->output_to && !c->eof && !c->manner->deaf)
		wanted |= EPOLLIN;
	loop_change(w, wanted);
}

static void on_hammer_end(struct peer *p)
{
	printf("hammer %" PRIu64 " %s %s\n", p->plan.id, peer_outcome_names[p->outcome], p->why);
	free(p);
}

static void open_connection(const struct manner *manner, int fd)
{
	int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (manner->is_reset) {
		struct watch w = {.fd = fd};

		loop_reset(&w);
	} else if (is_ill && !manner->is_page) {
		close(fd);
	} else if (manner->is_hammer) {
		struct peer *p = malloc(sizeof(*p));

		if (!p)
			die("out of memory");
		peer_start(p, PEER_SERVER, fd, NULL, server.name, loop.now + HAMMER_GIVE_UP,
			   on_hammer_end);
	} else {
		struct connection *c = malloc(sizeof(*c));

		if (!c)
			die("out of memory");
		memset(c, 0, offsetof(struct connection, output));
		c->manner = manner;
		loop_watch(&c->watch, fd, 0, on_connection);
		if (manner->on_open)
			manner->on_open(c);
		on_connection(&c->watch, 0);
	}
}

static void on_port(struct watch *w, uint32_t events)
{
	struct port *port = container_of(w, struct port, watch);

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		open_connection(port->manner, fd);
	}
}

static int listen_on(const struct address *a)
{
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(a, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int yes = 1;

	if (fd < 0)
		die("socket: %m");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&sa, length) < 0 || listen(fd, 4096) < 0)
		die("listen: %m");
	return fd;
}

/* KIND=ADDRESS */
static void open_port(char *text)
{
	char *address = strchr(text, '=');
	struct port *port = calloc(1, sizeof(*port));

	if (!address || !port)
		die("%s: expected KIND=ADDRESS", text);
	*address++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(manners); i++) {
		struct address a;

		if (strcmp(text, manners[i].name))
			continue;
		a = option_address(text, address, true);
		port->manner = &manners[i];
		loop_watch(&port->watch, listen_on(&a), EPOLLIN, on_port);
		return;
	}
	die("%s: no such kind", text);
}

static void on_health_signal(int number)
{
	is_ill = number == SIGUSR1;
}

int serve_main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_health_signal, .sa_flags = SA_RESTART};

	if (argc < 3)
		die("serve: a name and KIND=ADDRESS are needed");
	raise_descriptor_limit();
	setvbuf(stdout, NULL, _IOLBF, 0);
	loop_init();
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	snprintf(server.name, sizeof(server.name), "%s", argv[1]);
	pattern_fill(1, 0, server.filler, sizeof(server.filler));
	for (int i = 2; i < argc; i++)
		open_port(argv[i]);
	puts("ready");
	loop_run();
	return 0;
}
