// SPDX-License-Identifier: BSD-2-Clause
/*
 * One scripted connection. Each step has --within to happen; the first that does not ends the talk
 * with status 1 and says what came instead. Every step's time is printed, so that scenarios can
 * judge timeouts.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "common.h"

enum arrival {
	ARRIVED_NOTHING, /* in time */
	ARRIVED_BYTES,
	ARRIVED_EOF,
	ARRIVED_RESET,
	ARRIVED_OTHER, /* another error, in `error` */
};

static struct {
	int fd;
	nsec_t start, within;
	int error;
	bool reset_early; /* before the first step */
	char bytes[65536];
	ssize_t n;
} talk = {.within = 5 * NSEC_PER_SEC};

static const char *arrival_text(enum arrival a)
{
	static const char *const texts[] = {"nothing", "bytes", "FIN", "a reset"};

	return a == ARRIVED_OTHER ? strerror(talk.error) : texts[a];
}

/* Waits until `deadline` for at most `size` bytes or an end. */
static enum arrival await(size_t size, nsec_t deadline)
{
	for (;;) {
		struct pollfd p = {.fd = talk.fd, .events = POLLIN};
		nsec_t now = clock_now();

		if (talk.reset_early)
			return ARRIVED_RESET;
		if (now >= deadline)
			return ARRIVED_NOTHING;
		/* Rounded up, so that it never spins. */
		if (poll(&p, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1) <= 0)
			continue;
		talk.n = recv(talk.fd, talk.bytes, size, 0);
		if (talk.n > 0)
			return ARRIVED_BYTES;
		if (talk.n == 0)
			return ARRIVED_EOF;
		talk.error = errno;
		if (errno != EAGAIN && errno != EINTR)
			return errno == ECONNRESET || errno == EPIPE ? ARRIVED_RESET
								     : ARRIVED_OTHER;
	}
}

/* Sends all; false when it could not within the time. */
static bool send_all(const char *bytes, size_t n)
{
	nsec_t deadline = clock_now() + talk.within;

	while (n > 0 && clock_now() < deadline) {
		struct pollfd p = {.fd = talk.fd, .events = POLLOUT};
		ssize_t sent = send(talk.fd, bytes, n, 0);

		if (sent > 0) {
			bytes += sent;
			n -= (size_t)sent;
		} else if (errno == EAGAIN) {
			poll(&p, 1, 10);
		} else {
			talk.error = errno;
			return false;
		}
	}
	return n == 0;
}

static bool step_send(const char *text)
{
	return send_all(text, strlen(text));
}

static bool step_fill(const char *text)
{
	static const char zeros[65536];

	for (uint64_t n = option_number("fill", text, UINT32_MAX); n > 0;) {
		size_t part = n < sizeof(zeros) ? n : sizeof(zeros);

		if (!send_all(zeros, part))
			return false;
		n -= part;
	}
	return true;
}

/* Takes exactly `n` bytes; `expected` unless NULL. */
static bool take(uint64_t n, const char *expected)
{
	nsec_t deadline = clock_now() + talk.within;

	for (uint64_t got = 0; got < n; got += (uint64_t)talk.n) {
		uint64_t left = n - got;
		enum arrival a =
			await(left < sizeof(talk.bytes) ? left : sizeof(talk.bytes), deadline);

		if (a != ARRIVED_BYTES) {
			fprintf(stderr, "talk: %s after %" PRIu64 " of %" PRIu64 " bytes\n",
				arrival_text(a), got, n);
			return false;
		}
		if (expected && memcmp(talk.bytes, expected + got, (size_t)talk.n) != 0) {
			fprintf(stderr, "talk: other bytes than \"%s\"\n", expected);
			return false;
		}
	}
	return true;
}

static bool step_take(const char *text)
{
	return take(option_number("take", text, UINT32_MAX), NULL);
}

static bool step_recv(const char *text)
{
	return take(strlen(text), text);
}

static bool step_name(const char *text)
{
	char name[NAME_BLOCK + 1] = "";

	(void)text;
	for (size_t got = 0; got < NAME_BLOCK; got += (size_t)talk.n) {
		if (await(NAME_BLOCK - got, clock_now() + talk.within) != ARRIVED_BYTES)
			return false;
		memcpy(name + got, talk.bytes, (size_t)talk.n);
	}
	printf("name %s\n", name);
	return true;
}

static bool step_fin(const char *text)
{
	(void)text;
	return shutdown(talk.fd, SHUT_WR) == 0;
}

static bool step_rst(const char *text)
{
	struct linger linger = {.l_onoff = 1};

	(void)text;
	setsockopt(talk.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(talk.fd);
	talk.fd = -1;
	return true;
}

/* Bytes that come before the end are discarded. */
static enum arrival await_end(void)
{
	nsec_t deadline = clock_now() + talk.within;
	enum arrival a;

	do
		a = await(sizeof(talk.bytes), deadline);
	while (a == ARRIVED_BYTES);
	return a;
}

static bool expect_end(enum arrival expected)
{
	enum arrival a = await_end();

	if (a != expected)
		fprintf(stderr, "talk: expected %s, got %s\n", arrival_text(expected),
			arrival_text(a));
	return a == expected;
}

static bool step_eof(const char *text)
{
	(void)text;
	return expect_end(ARRIVED_EOF);
}

static bool step_reset(const char *text)
{
	(void)text;
	return expect_end(ARRIVED_RESET);
}

/* Whichever it is. */
static bool step_end(const char *text)
{
	enum arrival a = await_end();

	(void)text;
	printf("ended with %s\n", arrival_text(a));
	return a != ARRIVED_NOTHING;
}

static bool step_quiet(const char *text)
{
	enum arrival a = await(1, clock_now() + option_duration("quiet", text));

	if (a != ARRIVED_NOTHING)
		fprintf(stderr, "talk: expected nothing, got %s\n", arrival_text(a));
	return a == ARRIVED_NOTHING;
}

static const struct {
	const char *name;
	bool (*run)(const char *text);
} steps[] = {
	{"send", step_send},   {"fill", step_fill},   {"recv", step_recv}, {"take", step_take},
	{"name", step_name},   {"fin", step_fin},     {"rst", step_rst},   {"eof", step_eof},
	{"reset", step_reset}, {"quiet", step_quiet}, {"end", step_end},
};

static bool do_step(char *text)
{
	char *argument = strchr(text, '=');
	size_t length = argument ? (size_t)(argument - text) : strlen(text);

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		nsec_t begin = clock_now();
		bool done;

		if (strlen(steps[i].name) != length || strncmp(steps[i].name, text, length) != 0)
			continue;
		done = steps[i].run(argument ? argument + 1 : "");
		printf("%s %s %" PRIu64 " ms\n", steps[i].name, done ? "ok" : "failed",
		       (clock_now() - begin) / NSEC_PER_MSEC);
		fflush(stdout);
		return done;
	}
	die("%s: no such step", text);
}

static bool open_connection(const struct address *to, const struct address *from)
{
	struct pollfd p = {.events = POLLOUT};
	char own[ADDRESS_TEXT_MAX];
	int error;

	talk.fd = connect_start(to, from);
	if (talk.fd < 0) {
		printf("connect failed: %s\n", strerror(-talk.fd));
		return false;
	}
	p.fd = talk.fd;
	error = poll(&p, 1, (int)(talk.within / NSEC_PER_MSEC)) == 1 ? socket_error(talk.fd)
								     : ETIMEDOUT;
	talk.reset_early = error == ECONNRESET;
	if (error && !talk.reset_early) {
		printf("connect failed: %s\n", strerror(error));
		return false;
	}
	printf("client %s\n", own_address(talk.fd, own));
	return true;
}

int talk_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"from", required_argument, NULL, 'f'},
		{"port", required_argument, NULL, 'p'},
		{"within", required_argument, NULL, 'w'},
		{},
	};
	struct address_list from = {};
	struct address to;
	uint64_t port = 0;
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			address_list_add_ip(&from, optarg);
			break;
		case 'p':
			port = option_number("--port", optarg, 65535);
			break;
		case 'w':
			talk.within = option_duration("--within", optarg);
			break;
		default:
			exit(2);
		}
	}
	if (optind == argc)
		die("talk: an address is needed");
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	to = option_address("address", argv[optind], false);
	if (from.n)
		from.items[0].port = (uint16_t)port;
	if (!open_connection(&to, address_list_next(&from)))
		return 1;
	for (int i = optind + 1; i < argc; i++) {
		if (!do_step(argv[i]))
			return 1;
	}
	if (talk.fd >= 0)
		close(talk.fd);
	return 0;
}
