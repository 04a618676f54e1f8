// SPDX-License-Identifier: BSD-2-Clause
/*
 * Long-lived echo streams: each sends one frame an interval and waits for its echo. Recorded are
 * the longest time any frame was under way (a stall) and every stream that broke. Ends after the
 * duration, or at SIGTERM.
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

#define SIZE_MAX_FRAME 16384

struct stream {
	struct watch watch;
	struct alarm alarm;
	uint64_t seed, sent, echoed; /* bytes */
	size_t named;		     /* bytes of the name block */
	nsec_t frame_start;	     /* 0: no frame under way */
	bool connected, broken;
	char name[NAME_BLOCK];
};

static struct {
	struct address_list to, from;
	uint64_t count, size;
	nsec_t duration, interval, start_within, max_gap;

	struct stream *streams;
	struct alarm end;
	uint64_t broken, started;
	nsec_t longest_gap, longest_start;
} run = {
	.size = 256,
	.interval = 10 * NSEC_PER_MSEC,
	.start_within = 5 * NSEC_PER_SEC,
	.end.timer = TIMER_INIT,
};

static void break_stream(struct stream *s, const char *why)
{
	char own[ADDRESS_TEXT_MAX];

	fprintf(stderr, "stream %s to %s broke: %s\n", own_address(s->watch.fd, own),
		s->named == NAME_BLOCK ? s->name : "nobody yet", why);
	s->broken = true;
	run.broken++;
	loop_disarm(&s->alarm);
	loop_close(&s->watch);
	if (run.broken == run.count)
		loop.stop = true;
}

static void on_alarm(struct alarm *a);

static void send_frame(struct stream *s)
{
	uint8_t frame[SIZE_MAX_FRAME];
	uint64_t done = s->sent % run.size;
	ssize_t n;

	if (!s->frame_start)
		s->frame_start = loop.now;
	pattern_fill(s->seed, s->sent, frame, run.size - done);
	n = send(s->watch.fd, frame, run.size - done, 0);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		break_stream(s, strerror(errno));
		return;
	}
	s->sent += n > 0 ? (uint64_t)n : 0;
	loop_change(&s->watch, EPOLLIN | (s->sent % run.size ? EPOLLOUT : 0));
}

static void frame_echoed(struct stream *s)
{
	nsec_t gap = loop.now - s->frame_start;

	if (s->echoed == run.size) {
		run.started++;
		if (gap > run.longest_start)
			run.longest_start = gap;
	} else if (gap > run.longest_gap) {
		run.longest_gap = gap;
	}
	loop_arm(&s->alarm, s->frame_start + run.interval, on_alarm);
	s->frame_start = 0;
}

static void receive_echo(struct stream *s)
{
	uint8_t bytes[SIZE_MAX_FRAME];
	ssize_t n;

	if (s->named < NAME_BLOCK) {
		n = recv(s->watch.fd, s->name + s->named, NAME_BLOCK - s->named, 0);
		s->named += n > 0 ? (size_t)n : 0;
	} else {
		n = recv(s->watch.fd, bytes, sizeof(bytes), 0);
		if (n > 0 && (s->echoed + (uint64_t)n > s->sent ||
			      pattern_check(s->seed, s->echoed, bytes, (size_t)n) != (size_t)n)) {
			break_stream(s, "wrong bytes came back");
			return;
		}
		s->echoed += n > 0 ? (uint64_t)n : 0;
		if (n > 0 && s->echoed == s->sent && s->echoed % run.size == 0)
			frame_echoed(s);
	}
	if (n == 0)
		break_stream(s, "closed");
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		break_stream(s, strerror(errno));
}

static void on_stream(struct watch *w, uint32_t events)
{
	struct stream *s = container_of(w, struct stream, watch);

	if (!s->connected) {
		int error = socket_error(w->fd);

		if (error) {
			break_stream(s, strerror(error));
			return;
		}
		s->connected = true;
	}
	if (events & EPOLLOUT)
		send_frame(s);
	if (!s->broken && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		receive_echo(s);
}

/* The next frame is due, or the first one never came back. */
static void on_alarm(struct alarm *a)
{
	struct stream *s = container_of(a, struct stream, alarm);

	if (s->echoed == 0)
		break_stream(s, s->connected ? "no first echo in time" : "no connect in time");
	else
		send_frame(s);
}

static void on_end(struct alarm *a)
{
	(void)a;
	loop.stop = true;
}

static void start_stream(struct stream *s, uint64_t index)
{
	int fd = connect_start(address_list_next(&run.to), address_list_next(&run.from));

	if (fd < 0)
		die("connect: %s", strerror(-fd));
	s->alarm.timer.position = TIMER_IDLE;
	s->seed = index + 1;
	s->frame_start = loop.now;
	loop_watch(&s->watch, fd, EPOLLOUT, on_stream);
	loop_arm(&s->alarm, loop.now + run.start_within, on_alarm);
}

/* A frame under way at the end counts for as long as it has been. */
static void print_summary(void)
{
	struct tally tally = {};

	for (uint64_t i = 0; i < run.count; i++) {
		struct stream *s = &run.streams[i];

		if (s->named == NAME_BLOCK)
			tally_add(&tally, s->name);
		if (!s->broken && s->echoed && s->frame_start &&
		    loop.now - s->frame_start > run.longest_gap)
			run.longest_gap = loop.now - s->frame_start;
	}
	printf("{\"streams\": %" PRIu64 ", \"started\": %" PRIu64 ", \"broken\": %" PRIu64
	       ", \"longest_gap_ms\": %.1f, \"longest_start_ms\": %.1f, \"by_backend\": ",
	       run.count, run.started, run.broken, (double)run.longest_gap / NSEC_PER_MSEC,
	       (double)run.longest_start / NSEC_PER_MSEC);
	tally_print(&tally);
	printf("}\n");
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"to", required_argument, NULL, 't'},
		{"from", required_argument, NULL, 'f'},
		{"count", required_argument, NULL, 'n'},
		{"size", required_argument, NULL, 's'},
		{"duration", required_argument, NULL, 'd'},
		{"interval", required_argument, NULL, 'i'},
		{"start-within", required_argument, NULL, 'w'},
		{"max-gap", required_argument, NULL, 'g'},
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
		case 's':
			run.size = option_number("--size", optarg, SIZE_MAX_FRAME);
			break;
		case 'd':
			run.duration = option_duration("--duration", optarg);
			break;
		case 'i':
			run.interval = option_duration("--interval", optarg);
			break;
		case 'w':
			run.start_within = option_duration("--start-within", optarg);
			break;
		case 'g':
			run.max_gap = option_duration("--max-gap", optarg);
			break;
		default:
			exit(2);
		}
	}
	if (!run.to.n || !run.count || !run.duration || !run.size || optind < argc)
		die("stream: --to, --count and --duration are needed");
}

int stream_main(int argc, char **argv)
{
	parse_options(argc, argv);
	raise_descriptor_limit();
	loop_init();
	run.streams = calloc(run.count, sizeof(*run.streams));
	if (!run.streams)
		die("out of memory");
	for (uint64_t i = 0; i < run.count; i++)
		start_stream(&run.streams[i], i);
	loop_arm(&run.end, loop.now + run.duration, on_end);
	loop_run();
	print_summary();
	free(run.streams);
	heap_deinit(&loop.alarms);
	return run.broken || run.started < run.count ||
			       (run.max_gap && run.longest_gap > run.max_gap)
		       ? 1
		       : 0;
}
