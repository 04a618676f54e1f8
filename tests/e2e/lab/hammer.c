// SPDX-License-Identifier: BSD-2-Clause
/*
 * Verified transfers, `concurrency` at a time. When all have ended, the servers' reports are
 * read from the files that hold their output, and both ends must have seen the same end.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "commands.h"
#include "common.h"
#include "list.h"
#include "peer.h"

#define COUNT_MAX    1000000
#define ID_BITS	     20 /* of the index; what is above tells one run from another */
#define SHOWN_MAX    20
#define REPORTS_WAIT (15 * NSEC_PER_SEC)

struct transfer {
	struct plan plan;
	enum peer_outcome outcome; /* PEER_RUNNING: not ended, or no report */
	enum peer_outcome reported;
};

static struct {
	struct address_list to;
	uint64_t count, concurrency, max_size, seed;
	nsec_t timeout;
	uint64_t run;

	struct rng rng;
	struct transfer *transfers;
	uint64_t started, ended, violations;
	struct tally backends;
} hammer = {
	.count = 100,
	.concurrency = 32,
	.max_size = 4 << 20,
	.timeout = 30 * NSEC_PER_SEC,
};

static void complain(uint64_t index, const char *who, const char *what)
{
	if (hammer.violations++ < SHOWN_MAX)
		fprintf(stderr, "transfer %" PRIu64 " (%s): %s: %s\n", index,
			plan_kind_names[hammer.transfers[index].plan.kind], who, what);
}

static void start_one(void);

static void on_end(struct peer *p)
{
	uint64_t index = p->plan.id & ((1 << ID_BITS) - 1);

	hammer.transfers[index].outcome = p->outcome;
	if (p->outcome == PEER_VIOLATION)
		complain(index, "client", p->why);
	if (p->received >= NAME_BLOCK)
		tally_add(&hammer.backends, p->name);
	hammer.ended++;
	free(p);
	start_one();
	if (hammer.ended == hammer.count)
		loop.stop = true;
}

static void start_one(void)
{
	struct transfer *t = &hammer.transfers[hammer.started];
	struct peer *p;
	int fd;

	if (hammer.started == hammer.count)
		return;
	plan_draw(&t->plan, &hammer.rng, hammer.run << ID_BITS | hammer.started, hammer.max_size);
	hammer.started++;
	fd = connect_start(address_list_next(&hammer.to), NULL);
	if (fd < 0)
		die("connect: %s", strerror(-fd));
	p = malloc(sizeof(*p));
	if (!p)
		die("out of memory");
	peer_start(p, PEER_CLIENT, fd, &t->plan, NULL, loop.now + hammer.timeout, on_end);
}

/* Takes "hammer ID OUTCOME WHY"; other lines and other runs' are not ours. */
static void take_report(char *line)
{
	char outcome[32], why[200] = "";
	uint64_t id, index;

	if (sscanf(line, "hammer %" SCNu64 " %31s %199[^\n]", &id, outcome, why) < 2 ||
	    id >> ID_BITS != hammer.run)
		return;
	index = id & ((1 << ID_BITS) - 1);
	if (index >= hammer.count || hammer.transfers[index].reported != PEER_RUNNING)
		return;
	for (int i = PEER_DONE; i < PEER_OUTCOMES; i++) {
		if (!strcmp(outcome, peer_outcome_names[i]))
			hammer.transfers[index].reported = i;
	}
	if (hammer.transfers[index].reported == PEER_VIOLATION)
		complain(index, "server", why);
}

static void read_reports(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[512];

	if (!f)
		die("%s: %m", path);
	while (fgets(line, sizeof(line), f))
		take_report(line);
	fclose(f);
}

static uint64_t reports_missing(void)
{
	uint64_t missing = 0;

	for (uint64_t i = 0; i < hammer.count; i++)
		missing += hammer.transfers[i].reported == PEER_RUNNING &&
			   hammer.transfers[i].outcome != PEER_VIOLATION;
	return missing;
}

static void collect_reports(char **files)
{
	nsec_t deadline = clock_now() + REPORTS_WAIT;
	struct timespec pause = {.tv_nsec = 100 * (long)NSEC_PER_MSEC};

	for (;;) {
		for (char **file = files; *file; file++)
			read_reports(*file);
		if (reports_missing() == 0 || clock_now() > deadline)
			break;
		nanosleep(&pause, NULL);
	}
	for (uint64_t i = 0; i < hammer.count; i++) {
		struct transfer *t = &hammer.transfers[i];
		char what[100];

		if (t->outcome == PEER_VIOLATION || t->reported == PEER_VIOLATION ||
		    t->reported == peer_counterpart(t->outcome))
			continue;
		snprintf(what, sizeof(what), "the client's end was %s, the server's %s",
			 peer_outcome_names[t->outcome],
			 t->reported == PEER_RUNNING ? "never reported"
						     : peer_outcome_names[t->reported]);
		complain(i, "both", what);
	}
}

static void print_summary(nsec_t took)
{
	uint64_t done = 0, up = 0, down = 0, by_client = 0, by_server = 0, kinds[PLAN_KINDS] = {};

	for (uint64_t i = 0; i < hammer.count; i++) {
		const struct transfer *t = &hammer.transfers[i];

		kinds[t->plan.kind]++;
		by_client += t->outcome == PEER_RESET_SENT;
		by_server += t->outcome == PEER_RESET_SEEN;
		if (t->outcome != PEER_DONE)
			continue;
		done++;
		up += t->plan.up + NAME_BLOCK;
		down += t->plan.down + NAME_BLOCK;
	}
	printf("{\"seed\": \"0x%" PRIx64 "\", \"transfers\": %" PRIu64 ", \"violations\": %" PRIu64
	       ", \"done\": %" PRIu64 ", \"client_reset\": %" PRIu64 ", \"server_reset\": %" PRIu64
	       ", \"bytes_up\": %" PRIu64 ", \"bytes_down\": %" PRIu64 ", \"seconds\": %.3f",
	       hammer.seed, hammer.count, hammer.violations, done, by_client, by_server, up, down,
	       (double)took / NSEC_PER_SEC);
	printf(", \"kinds\": {");
	for (int i = 0; i < PLAN_KINDS; i++)
		printf("%s\"%s\": %" PRIu64, i ? ", " : "", plan_kind_names[i], kinds[i]);
	printf("}, \"by_backend\": ");
	tally_print(&hammer.backends);
	printf("}\n");
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"to", required_argument, NULL, 't'},
		{"count", required_argument, NULL, 'n'},
		{"concurrency", required_argument, NULL, 'c'},
		{"max-size", required_argument, NULL, 'm'},
		{"seed", required_argument, NULL, 's'},
		{"timeout", required_argument, NULL, 'T'},
		{},
	};
	int option;

	if (getrandom(&hammer.seed, sizeof(hammer.seed), 0) != sizeof(hammer.seed))
		die("getrandom: %m");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 't':
			address_list_add(&hammer.to, optarg);
			break;
		case 'n':
			hammer.count = option_number("--count", optarg, COUNT_MAX);
			break;
		case 'c':
			hammer.concurrency = option_number("--concurrency", optarg, 10000);
			break;
		case 'm':
			hammer.max_size = option_number("--max-size", optarg, 1 << 30);
			break;
		case 's':
			hammer.seed = option_number("--seed", optarg, UINT64_MAX);
			break;
		case 'T':
			hammer.timeout = option_duration("--timeout", optarg);
			break;
		default:
			exit(2);
		}
	}
	if (!hammer.to.n || !hammer.count || !hammer.concurrency || optind == argc)
		die("hammer: --to, --count and the servers' outputs are needed");
}

int hammer_main(int argc, char **argv)
{
	nsec_t start, took;

	parse_options(argc, argv);
	raise_descriptor_limit();
	loop_init();
	start = loop.now;
	hammer.rng.state = hammer.seed;
	hammer.run = clock_wall() >> ID_BITS;
	hammer.transfers = calloc(hammer.count, sizeof(*hammer.transfers));
	if (!hammer.transfers)
		die("out of memory");
	for (uint64_t i = 0; i < hammer.concurrency; i++)
		start_one();
	loop_run();
	took = loop.now - start;
	if (hammer.ended < hammer.count)
		die("interrupted");
	collect_reports(argv + optind);
	print_summary(took);
	free(hammer.transfers);
	heap_deinit(&loop.alarms);
	return hammer.violations ? 1 : 0;
}
