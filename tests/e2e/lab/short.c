// SPDX-License-Identifier: BSD-2-Clause
/*
 * Short connections at a fixed rate, whether or not earlier ones have finished: connect, send one
 * block, get the server's name, close. With --greet the server's name comes first. Latency counts
 * from when a connection was due. Every failure is told apart by what had happened before it.
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

#define TICK	 (200 * NSEC_PER_USEC)
#define RATE_MAX 1000000

enum failure {
	REFUSED,      /* the connect was refused */
	UNREACHABLE,  /* the connect failed otherwise */
	RESET_BEFORE, /* reset or closed before a byte was sent or received */
	RESET_AFTER,  /* reset after that */
	CLOSED_AFTER, /* closed after that, before the whole answer */
	SLOW_CONNECT, /* the timeout was over before the connect was */
	SLOW_ANSWER,
	FAILURES,
};

static const char *const failure_names[FAILURES] = {
	[REFUSED] = "refused",		 [UNREACHABLE] = "unreachable",
	[RESET_BEFORE] = "reset_before", [RESET_AFTER] = "reset_after",
	[CLOSED_AFTER] = "closed_after", [SLOW_CONNECT] = "slow_connect",
	[SLOW_ANSWER] = "slow_answer",
};

struct attempt {
	struct watch watch;
	struct alarm alarm;
	nsec_t due;
	bool connected;
	size_t sent, received;
	char name[NAME_BLOCK];
};

static struct {
	struct address_list to, from;
	uint64_t rate;
	nsec_t duration, timeout;
	bool greet;
	FILE *failures_file;

	nsec_t start;
	struct alarm tick;
	uint64_t started, running, ok, not_started, failures[FAILURES];
	uint64_t *latencies; /* of the good ones, µs */
	uint64_t total;	     /* to start */
	struct tally backends;
} run = {.timeout = 10 * NSEC_PER_SEC, .tick.timer = TIMER_INIT};

static void finish(struct attempt *a)
{
	loop_disarm(&a->alarm);
	loop_close(&a->watch);
	free(a);
	run.running--;
	if (run.running == 0 && run.started == run.total)
		loop.stop = true;
}

static void fail(struct attempt *a, enum failure failure)
{
	char own[ADDRESS_TEXT_MAX];

	run.failures[failure]++;
	if (run.failures_file)
		fprintf(run.failures_file,
			"{\"client\": \"%s\", \"class\": \"%s\", \"sent\": %zu, \"received\": %zu, "
			"\"after_ms\": %" PRIu64 ", \"at_ms\": %" PRIu64 "}\n",
			own_address(a->watch.fd, own), failure_names[failure], a->sent, a->received,
			(loop.now - a->due) / NSEC_PER_MSEC, clock_wall() / NSEC_PER_MSEC);
	finish(a);
}

static void succeed(struct attempt *a)
{
	tally_add(&run.backends, a->name);
	run.latencies[run.ok++] = (loop.now - a->due) / NSEC_PER_USEC;
	finish(a);
}

static void on_timeout(struct alarm *alarm)
{
	struct attempt *a = container_of(alarm, struct attempt, alarm);

	fail(a, a->connected ? SLOW_ANSWER : SLOW_CONNECT);
}

static bool nothing_passed(const struct attempt *a)
{
	return a->sent == 0 && a->received == 0;
}

static bool may_send(const struct attempt *a)
{
	return a->sent < NAME_BLOCK && (!run.greet || a->received >= NAME_BLOCK);
}

/* False when the attempt has ended, as below. */
static bool send_request(struct attempt *a)
{
	static const char request[NAME_BLOCK] = "who are you?";
	ssize_t n = send(a->watch.fd, request + a->sent, sizeof(request) - a->sent, 0);

	if (n < 0) {
		fail(a, nothing_passed(a) ? RESET_BEFORE : RESET_AFTER);
		return false;
	}
	a->sent += (size_t)n;
	return true;
}

static bool receive_answer(struct attempt *a)
{
	ssize_t n = recv(a->watch.fd, a->name + a->received % NAME_BLOCK,
			 NAME_BLOCK - a->received % NAME_BLOCK, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		fail(a, nothing_passed(a) ? RESET_BEFORE : n < 0 ? RESET_AFTER : CLOSED_AFTER);
		return false;
	}
	a->received += (size_t)n;
	if (a->received < (run.greet ? 2 * NAME_BLOCK : NAME_BLOCK))
		return true;
	succeed(a);
	return false;
}

static void on_attempt(struct watch *w, uint32_t events)
{
	struct attempt *a = container_of(w, struct attempt, watch);

	if (!a->connected) {
		int error = socket_error(w->fd);

		if (error) {
			fail(a, error == ECONNREFUSED ? REFUSED
				: error == ECONNRESET ? RESET_BEFORE
						      : UNREACHABLE);
			return;
		}
		a->connected = true;
	}
	if ((events & EPOLLOUT) && may_send(a) && !send_request(a))
		return;
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !receive_answer(a))
		return;
	loop_change(w, may_send(a) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void start_attempt(nsec_t due)
{
	int fd = connect_start(address_list_next(&run.to), address_list_next(&run.from));
	struct attempt *a;

	run.started++;
	if (fd < 0) {
		if (run.not_started++ == 0)
			fprintf(stderr, "lb4-lab: connect: %s\n", strerror(-fd));
		return;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		die("out of memory");
	a->alarm.timer.position = TIMER_IDLE;
	a->due = due;
	run.running++;
	loop_watch(&a->watch, fd, EPOLLOUT, on_attempt);
	loop_arm(&a->alarm, due + run.timeout, on_timeout);
}

static void on_tick(struct alarm *tick)
{
	uint64_t due = (loop.now - run.start) * run.rate / NSEC_PER_SEC + 1;

	if (due > run.total)
		due = run.total;
	while (run.started < due)
		start_attempt(run.start + run.started * NSEC_PER_SEC / run.rate);
	if (run.started < run.total)
		loop_arm(tick, loop.now + TICK, on_tick);
	else if (run.running == 0)
		loop.stop = true;
}

static void print_summary(void)
{
	uint64_t failed = run.not_started;

	for (int i = 0; i < FAILURES; i++)
		failed += run.failures[i];
	qsort(run.latencies, run.ok, sizeof(*run.latencies), compare_u64);
	printf("{\"started\": %" PRIu64 ", \"ok\": %" PRIu64 ", \"failed\": %" PRIu64
	       ", \"not_started\": %" PRIu64,
	       run.started, run.ok, failed, run.not_started);
	for (int i = 0; i < FAILURES; i++)
		printf(", \"%s\": %" PRIu64, failure_names[i], run.failures[i]);
	printf(", \"p50_us\": %" PRIu64 ", \"p99_us\": %" PRIu64 ", \"max_us\": %" PRIu64
	       ", \"by_backend\": ",
	       percentile(run.latencies, run.ok, 0.5), percentile(run.latencies, run.ok, 0.99),
	       percentile(run.latencies, run.ok, 1));
	tally_print(&run.backends);
	printf("}\n");
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"to", required_argument, NULL, 't'},
		{"from", required_argument, NULL, 'f'},
		{"rate", required_argument, NULL, 'r'},
		{"duration", required_argument, NULL, 'd'},
		{"timeout", required_argument, NULL, 'T'},
		{"failures", required_argument, NULL, 'F'},
		{"greet", no_argument, NULL, 'g'},
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
		case 'r':
			run.rate = option_number("--rate", optarg, RATE_MAX);
			break;
		case 'd':
			run.duration = option_duration("--duration", optarg);
			break;
		case 'T':
			run.timeout = option_duration("--timeout", optarg);
			break;
		case 'F':
			run.failures_file = fopen(optarg, "we");
			if (!run.failures_file)
				die("%s: %m", optarg);
			break;
		case 'g':
			run.greet = true;
			break;
		default:
			exit(2);
		}
	}
	if (!run.to.n || !run.rate || !run.duration || optind < argc)
		die("short: --to, --rate and --duration are needed");
}

int short_main(int argc, char **argv)
{
	parse_options(argc, argv);
	raise_descriptor_limit();
	loop_init();
	run.total = run.duration / NSEC_PER_MSEC * run.rate / 1000;
	run.latencies = calloc(run.total + 1, sizeof(*run.latencies));
	if (!run.latencies)
		die("out of memory");
	run.start = loop.now;
	loop_arm(&run.tick, loop.now, on_tick);
	loop_run();
	print_summary();
	if (run.failures_file)
		fclose(run.failures_file);
	free(run.latencies);
	heap_deinit(&loop.alarms);
	return run.ok == run.started ? 0 : 1;
}
