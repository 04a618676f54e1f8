// SPDX-License-Identifier: BSD-2-Clause
/*
 * Very many connections to an echo server that are idle nearly all of the time. It opens them, a few
 * at a time, each with one echo, and prints a line once all are open. Then each line on standard
 * input is an order, answered by one line when it is done:
 *   echo     all at once send eight bytes and get them back
 *   fin N    the N oldest send eight bytes and FIN, and get the bytes and FIN back
 *   reset N  the N oldest are reset
 *   state    nothing
 * At the end of input all are closed at once.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
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

#define OPENING_MAX  256 /* at a time: fewer than a listen queue holds */
#define MESSAGE_SIZE 8

enum state {
	UNUSED,
	OPENING,
	OPEN,
	FINISHING, /* FIN was sent */
	GONE,
};

struct member {
	struct watch watch;
	enum state state;
	uint8_t skip; /* bytes before the echo: the server's name */
	uint8_t due;  /* bytes of the echo that are still to come */
	uint64_t message;
};

static struct {
	struct address_list to, from;
	uint64_t count;

	struct member *members;
	struct watch input;
	uint64_t n_started, n_opening, n_busy; /* busy: an order waits for them */
	bool told;			       /* that all are open */
	uint64_t round;

	uint64_t open, finished, reset, closed, wrong;
} run;

static void tell(void)
{
	printf("{\"open\": %" PRIu64 ", \"finished\": %" PRIu64 ", \"reset\": %" PRIu64
	       ", \"closed\": %" PRIu64 ", \"wrong\": %" PRIu64 "}\n",
	       run.open, run.finished, run.reset, run.closed, run.wrong);
	fflush(stdout);
}

static void open_more(void);

/* One member fewer that an order, or the opening, waits for. */
static void settled(void)
{
	run.n_busy--;
	if (!run.told)
		open_more();
	if (run.n_busy > 0 || (!run.told && run.n_started < run.count))
		return;
	run.told = true;
	tell();
}

static void leave(struct member *m, uint64_t *counter)
{
	bool busy = m->state == OPENING || m->state == FINISHING || m->due > 0;

	if (m->state == OPENING)
		run.n_opening--;
	else
		run.open--;
	++*counter;
	m->state = GONE;
	m->due = 0;
	loop_close(&m->watch);
	if (busy)
		settled();
}

static void say(struct member *m)
{
	m->message = (uint64_t)(m - run.members) << 24 | run.round;
	m->due = MESSAGE_SIZE;
	if (send(m->watch.fd, &m->message, MESSAGE_SIZE, 0) != MESSAGE_SIZE)
		m->due += 1; /* never comes to its end: what arrives next tells why */
	loop_change(&m->watch, EPOLLIN);
}

static bool is_echo(const struct member *m, const uint8_t *bytes, size_t n)
{
	return n <= m->due &&
	       !memcmp((const uint8_t *)&m->message + MESSAGE_SIZE - m->due, bytes, n);
}

static void take(struct member *m, const uint8_t *bytes, size_t n)
{
	size_t skipped = n < m->skip ? n : m->skip;

	m->skip -= (uint8_t)skipped;
	bytes += skipped;
	n -= skipped;
	if (n == 0)
		return;
	if (!is_echo(m, bytes, n)) {
		leave(m, &run.wrong);
		return;
	}
	m->due -= (uint8_t)n;
	if (m->due > 0 || m->state == FINISHING)
		return;
	if (m->state == OPENING) {
		m->state = OPEN;
		run.n_opening--;
		run.open++;
	}
	settled();
}

static void on_member(struct watch *w, uint32_t events)
{
	struct member *m = container_of(w, struct member, watch);
	uint8_t bytes[256];
	ssize_t n;

	if (m->state == OPENING && events & EPOLLOUT) {
		if (socket_error(w->fd))
			leave(m, &run.reset);
		else
			say(m);
		return;
	}
	n = recv(w->fd, bytes, sizeof(bytes), 0);
	if (n > 0)
		take(m, bytes, (size_t)n);
	else if (n == 0 && m->state == FINISHING && m->due == 0)
		leave(m, &run.finished);
	else if (n == 0)
		leave(m, &run.closed);
	else if (errno != EAGAIN && errno != EINTR)
		leave(m, &run.reset);
}

static void open_more(void)
{
	while (run.n_started < run.count && run.n_opening < OPENING_MAX) {
		struct member *m = &run.members[run.n_started++];
		int fd = connect_start(address_list_next(&run.to), address_list_next(&run.from));

		if (fd < 0)
			die("connect: %s", strerror(-fd));
		m->state = OPENING;
		m->skip = NAME_BLOCK;
		run.n_opening++;
		run.n_busy++;
		loop_watch(&m->watch, fd, EPOLLOUT, on_member);
	}
}

static void order_echo(struct member *m)
{
	run.n_busy++;
	say(m);
}

static void order_fin(struct member *m)
{
	run.n_busy++;
	say(m);
	m->state = FINISHING;
	shutdown(m->watch.fd, SHUT_WR);
}

static void order_reset(struct member *m)
{
	m->state = GONE;
	run.open--;
	loop_reset(&m->watch);
}

/* To the `n` oldest that are open. */
static void give_order(void (*order)(struct member *m), uint64_t n)
{
	run.n_busy++; /* the order itself, so that it ends once */
	run.round++;
	for (uint64_t i = 0; i < run.count && n > 0; i++) {
		if (run.members[i].state != OPEN)
			continue;
		order(&run.members[i]);
		n--;
	}
	settled();
}

static void on_input(struct watch *w, uint32_t events)
{
	char line[64];
	ssize_t n = read(w->fd, line, sizeof(line) - 1);

	(void)events;
	if (n <= 0) {
		loop.stop = true;
		return;
	}
	line[n] = '\0';
	if (!strcmp(line, "echo\n"))
		give_order(order_echo, UINT64_MAX);
	else if (!strncmp(line, "fin ", 4))
		give_order(order_fin, strtoull(line + 4, NULL, 10));
	else if (!strncmp(line, "reset ", 6))
		give_order(order_reset, strtoull(line + 6, NULL, 10));
	else if (!strcmp(line, "state\n"))
		tell();
	else
		die("crowd: no such order: %s", line);
}

int crowd_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"to", required_argument, NULL, 't'},
		{"from", required_argument, NULL, 'f'},
		{"count", required_argument, NULL, 'n'},
		{},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 't':
			address_list_add(&run.to, optarg);
			break;
		case 'f':
			address_list_add_ip(&run.from, optarg);
			break;
		case 'n':
			run.count = option_number("--count", optarg, 1000000);
			break;
		default:
			exit(2);
		}
	}
	if (!run.to.n || !run.count)
		die("crowd: --to and --count are needed");
	raise_descriptor_limit();
	loop_init();
	run.members = calloc(run.count, sizeof(run.members[0]));
	if (!run.members)
		die("out of memory");
	loop_watch(&run.input, STDIN_FILENO, EPOLLIN, on_input);
	open_more();
	loop_run();
	return run.wrong ? 1 : 0; /* the kernel closes them, all at once */
}
