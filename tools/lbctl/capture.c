// SPDX-License-Identifier: BSD-2-Clause
/* `capture`: packets that the fast path sees, as lines or as a file. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "address.h"
#include "cleanup.h"
#include "columns.h"
#include "lbctl.h"
#include "pcapng.h"
#include "prefix.h"
#include "text.h"
#include <netinet/in.h>

/* How long the daemon keeps an answer back when there is nothing; so long takes Ctrl-C as well. */
#define WAIT "500ms"

/* Of a packet: all that the daemon keeps, or what a line tells of. */
#define BYTES_WHOLE 256
#define BYTES_LINE  128

#define PAGE	  512 /* the daemon gives no more at a time */
#define PAGES_MAX 20  /* more than the ring of the programs holds */

struct capturing {
	char id[32];
	uint64_t left;	 /* packets that are still wanted */
	nsec_t deadline; /* NSEC_NEVER: none */
	uint64_t n, lost;
	const char *file_name; /* NULL: lines are printed */
	FILE *file;
	struct pcapng pcapng;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* The second time it ends at once. A pipe that is closed is an error like others. */
static void take_signals(void)
{
	struct sigaction action = {.sa_handler = on_interrupt,
				   .sa_flags = SA_RESTART | (int)SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* A word that is no address is a service. */
static bool is_client(const char *word)
{
	struct prefix p;
	struct address a;
	const char *why;

	return strpbrk(word, ":/") || prefix_parse(word, &p, &why) == 0 ||
	       address_parse(word, false, &a, &why) == 0;
}

/* Reads -c and -t, whose value is a duration or a number of seconds. */
static int read_limits(const struct lbctl *l, struct capturing *c)
{
	const char *count = l->options[OPTION_COUNT], *time = l->options[OPTION_FOR], *why;
	uint64_t seconds;
	nsec_t duration;

	c->left = UINT64_MAX;
	c->deadline = NSEC_NEVER;
	if (count && (text_parse_unsigned(count, UINT32_MAX, &c->left) < 0 || c->left == 0)) {
		complain(NULL, "the count is not a whole number above 0: \"%s\"", count);
		return STATUS_USAGE;
	}
	if (!time)
		return STATUS_DONE;
	if (text_parse_unsigned(time, UINT32_MAX, &seconds) == 0) {
		duration = seconds * NSEC_PER_SEC;
	} else if (text_parse_duration(time, &duration, &why) < 0) {
		complain("such as 30, for seconds, or 5m", "the time is no duration: \"%s\"", time);
		return STATUS_USAGE;
	}
	c->deadline = nsec_add(clock_now(), duration);
	return STATUS_DONE;
}

static int open_file(struct capturing *c, const char *name)
{
	if (!name)
		return STATUS_DONE;
	c->file_name = name;
	c->file = strcmp(name, "-") ? fopen(name, "we") : stdout;
	if (!c->file) {
		complain(NULL, "cannot write %s: %s", name, strerror(errno));
		return STATUS_REFUSED;
	}
	pcapng_begin(&c->pcapng, c->file, BYTES_WHOLE);
	return STATUS_DONE;
}

/* "web/web1", "web", or "" where neither is known. */
static char *print_owner(const json_t *packet, char *buffer, size_t size)
{
	const char *backend = text_at(packet, "backend");

	snprintf(buffer, size, "%s%s%s", text_at(packet, "service"), *backend ? "/" : "", backend);
	return buffer;
}

/* As text_print_time() has it, to the microsecond. */
static char *print_time(nsec_t wall, char buffer[TEXT_TIME_MAX])
{
	time_t seconds = (time_t)(wall / NSEC_PER_SEC);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buffer, TEXT_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buffer + n, TEXT_TIME_MAX - n, ".%06uZ",
		 (unsigned)(wall % NSEC_PER_SEC / NSEC_PER_USEC));
	return buffer;
}

/* "SYN,ACK 0", "ICMP", "fragment of protocol 6". */
static char *print_what(const json_t *packet, char *buffer, size_t size)
{
	uint64_t protocol = number_at(packet, "protocol");
	bool fragment = true_at(packet, "fragment");

	if (given_at(packet, "flags"))
		snprintf(buffer, size, "%s %" PRIu64 "%s", text_at(packet, "flags"),
			 number_at(packet, "payload"), fragment ? " fragment" : "");
	else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		snprintf(buffer, size, "ICMP");
	else
		snprintf(buffer, size, "%sprotocol %" PRIu64, fragment ? "fragment of " : "",
			 protocol);
	return buffer;
}

static void print_packet(const struct lbctl *l, const json_t *packet)
{
	char time[TEXT_TIME_MAX], owner[160], what[80];
	const char *verdict = text_at(packet, "verdict");
	bool plain = !strcmp(verdict, "forwarded") || !strcmp(verdict, "icmp");
	enum colour colour = plain ? COLOUR_NONE : COLOUR_DOUBT;

	if (l->options[OPTION_JSON]) {
		print_json(packet);
		return;
	}
	printf("%s  %s%-10s%s  %-10s  %s → %s  %s", print_time(number_at(packet, "ns"), time),
	       colour_begin(colour, l->colours), verdict, colour_end(colour, l->colours),
	       text_at(packet, "interface"), text_at(packet, "from"), text_at(packet, "to"),
	       print_what(packet, what, sizeof(what)));
	print_owner(packet, owner, sizeof(owner));
	printf("%s%s\n", *owner ? "  " : "", owner);
}

static size_t read_bytes(const char *text, uint8_t bytes[BYTES_WHOLE])
{
	size_t n = 0;
	unsigned byte;

	for (; n < BYTES_WHOLE && sscanf(text, "%2x", &byte) == 1; text += 2)
		bytes[n++] = (uint8_t)byte;
	return n;
}

static void write_packet(struct capturing *c, const json_t *packet)
{
	const char *service = text_at(packet, "service"), *backend = text_at(packet, "backend");
	char comment[PCAPNG_TEXT_MAX];
	uint8_t bytes[BYTES_WHOLE];
	struct pcapng_packet p = {
		.wall = number_at(packet, "ns"),
		.interface = text_at(packet, "interface"),
		.comment = comment,
		.bytes = bytes,
		.kept = read_bytes(text_at(packet, "bytes"), bytes),
		.size = (uint32_t)number_at(packet, "size"),
	};

	snprintf(comment, sizeof(comment), "%s%s%s%s%s", text_at(packet, "verdict"),
		 *service ? ", service " : "", service, *backend ? ", backend " : "", backend);
	pcapng_write(&c->pcapng, &p);
}

static int begin(struct lbctl *l, struct capturing *c)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const char *word = l->arguments[0];
	json_t *body = json_object();
	int r;

	if (word)
		json_object_set_new(body, is_client(word) ? "client" : "service",
				    json_string(word));
	json_object_set_new(body, "drops", json_boolean(l->options[OPTION_DROPS]));
	json_object_set_new(body, "bytes",
			    json_integer(l->options[OPTION_WRITE] || l->options[OPTION_JSON]
						 ? BYTES_WHOLE
						 : BYTES_LINE));
	r = ask_quietly(l, "POST", strdup("/v1/capture"), body, &answer);
	if (r == STATUS_DONE)
		snprintf(c->id, sizeof(c->id), "%" PRIu64, number_at(answer, "id"));
	return r;
}

/* Asks once and shows what has come. */
static int go_on(struct lbctl *l, struct capturing *c, const char *wait)
{
	char *path = path_segment(l, strdup("/v1/capture"), c->id), limit[32];
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const json_t *packet;
	size_t i;
	int r;

	snprintf(limit, sizeof(limit), "%" PRIu64, c->left < PAGE ? c->left : PAGE);
	path = path_query(l, path, "limit", limit);
	r = ask_quietly(l, "GET", path_query(l, path, "wait", wait), NULL, &answer);
	if (r != STATUS_DONE)
		return r;
	c->lost = number_at(answer, "lost");
	json_array_foreach(json_object_get(answer, "packets"), i, packet) {
		if (c->file)
			write_packet(c, packet);
		else
			print_packet(l, packet);
		c->n++;
		c->left--;
	}
	fflush(c->file ? c->file : stdout);
	return ferror(c->file ? c->file : stdout) ? STATUS_REFUSED : STATUS_DONE;
}

static int end(struct lbctl *l, struct capturing *c)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int r = ask_quietly(l, "DELETE", path_segment(l, strdup("/v1/capture"), c->id), NULL,
			    &answer);

	if (r == STATUS_DONE)
		c->lost = number_at(answer, "lost");
	return r;
}

/* The file is whole, if there is one. */
static int close_file(struct capturing *c, int status)
{
	bool failed;

	if (!c->file || c->file == stdout)
		return status;
	failed = ferror(c->file);
	failed |= fclose(c->file) != 0;
	if (failed) {
		complain(NULL, "cannot write %s: %s", c->file_name, strerror(errno));
		return STATUS_REFUSED;
	}
	printf("%s: %" PRIu64 " packet%s\n", c->file_name, c->n, c->n == 1 ? "" : "s");
	return status;
}

static bool is_over(const struct capturing *c)
{
	return interrupted || c->left == 0 || clock_now() >= c->deadline;
}

/* What has come until now, and is still waiting. */
static int take_rest(struct lbctl *l, struct capturing *c)
{
	int r = STATUS_DONE;

	for (int i = 0; i < PAGES_MAX && r == STATUS_DONE && c->left > 0; i++) {
		uint64_t before = c->n;

		r = go_on(l, c, "0");
		if (c->n - before < PAGE)
			break;
	}
	return r;
}

/* Until it is enough, or cannot go on. */
static int run(struct lbctl *l, struct capturing *c)
{
	int r = open_file(c, l->options[OPTION_WRITE]);
	bool opened = r == STATUS_DONE;

	while (r == STATUS_DONE && !is_over(c))
		r = go_on(l, c, WAIT);
	if (r == STATUS_DONE)
		r = take_rest(l, c);
	/* What has ended by itself was told already. */
	if (r == STATUS_DONE || !opened || ferror(c->file ? c->file : stdout))
		end(l, c);
	if (c->lost)
		complain("a capture of one client, or of --drops, has less to keep up with",
			 "packets that were lost: %" PRIu64, c->lost);
	return close_file(c, r);
}

int capture(struct lbctl *l)
{
	struct capturing c = {};
	int r = read_limits(l, &c);

	if (r != STATUS_DONE)
		return r;
	take_signals();
	/* A file is not touched for a capture that cannot be had. */
	r = begin(l, &c);
	return r == STATUS_DONE ? run(l, &c) : r;
}
