// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections that do not take part: "pull" asks and never reads, "push" writes until nothing more
 * is taken, "idle" does neither. Prints one line once nothing has moved for a second, then holds
 * them until SIGTERM, prints how many had ended by then, and resets the others.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "commands.h"
#include "common.h"
#include "list.h"
#include "loop.h"

#define QUIET NSEC_PER_SEC

struct stalled {
	struct watch watch;
	bool connected;
};

static struct {
	struct address_list to, from;
	uint64_t count;
	const char *manner;

	struct stalled *connections;
	struct alarm quiet;
	nsec_t last_move;
	bool reported;
	uint64_t connected, ended, bytes;
} run = {.quiet.timer = TIMER_INIT};

static void report(void)
{
	printf("{\"count\": %" PRIu64 ", \"connected\": %" PRIu64 ", \"ended\": %" PRIu64
	       ", \"bytes\": %" PRIu64 "}\n",
	       run.count, run.connected, run.ended, run.bytes);
	fflush(stdout);
}

static void on_quiet(struct alarm *a)
{
	if (loop.now - run.last_move < QUIET) {
		loop_arm(a, run.last_move + QUIET, on_quiet);
		return;
	}
	run.reported = true;
	report();
}

static void end(struct stalled *s)
{
	run.ended++;
	run.last_move = loop.now;
	loop_close(&s->watch);
}

static void on_stalled(struct watch *w, uint32_t events)
{
	static const uint8_t bytes[65536];
	struct stalled *s = container_of(w, struct stalled, watch);
	ssize_t n;

	if (!s->connected) {
		if (socket_error(w->fd)) {
			end(s);
			return;
		}
		s->connected = true;
		run.connected++;
		run.last_move = loop.now;
	} else if (events & (EPOLLERR | EPOLLHUP)) {
		end(s);
		return;
	}
	if (strcmp(run.manner, "push") != 0) {
		/* One byte asks; what comes back stays where it is. */
		if (!strcmp(run.manner, "pull"))
			run.bytes += send(w->fd, bytes, 1, 0) == 1;
		loop_change(w, 0);
		return;
	}
	n = send(w->fd, bytes, sizeof(bytes), 0);
	if (n > 0) {
		run.bytes += (uint64_t)n;
		run.last_move = loop.now;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		end(s);
	}
}

static void start_one(struct stalled *s)
{
	int fd = connect_start(address_list_next(&run.to), address_list_next(&run.from));

	if (fd < 0)
		die("connect: %s", strerror(-fd));
	loop_watch(&s->watch, fd, EPOLLOUT, on_stalled);
}

static void parse_options(int argc, char **argv)
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
			run.count = option_number("--count", optarg, 100000);
			break;
		default:
			exit(2);
		}
	}
	run.manner = optind < argc ? argv[optind] : "";
	if (!run.to.n || !run.count ||
	    (strcmp(run.manner, "pull") && strcmp(run.manner, "push") &&
	     strcmp(run.manner, "idle")))
		die("stall: --to, --count and pull, push or idle are needed");
}

int stall_main(int argc, char **argv)
{
	parse_options(argc, argv);
	raise_descriptor_limit();
	loop_init();
	run.connections = calloc(run.count, sizeof(*run.connections));
	if (!run.connections)
		die("out of memory");
	for (uint64_t i = 0; i < run.count; i++)
		start_one(&run.connections[i]);
	run.last_move = loop.now;
	loop_arm(&run.quiet, loop.now + QUIET, on_quiet);
	loop_run();
	report();
	for (uint64_t i = 0; i < run.count; i++)
		loop_reset(&run.connections[i].watch);
	free(run.connections);
	heap_deinit(&loop.alarms);
	return 0;
}
