// SPDX-License-Identifier: BSD-2-Clause
/*
 * A flood of SYNs from addresses and ports that are nobody's: of 198.18.0.0/15, which is for such
 * tests (RFC 2544). Whoever answers is not heard. IPv4; needs a raw socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "common.h"
#include "loop.h"

#define RATE_MAX 1000000
#define TICK	 NSEC_PER_MSEC

#define SOURCES	     0xc6120000u /* 198.18.0.0 */
#define SOURCES_MASK 0x0001ffffu

static struct {
	struct address to;
	uint64_t rate, sent, refused;
	nsec_t duration, start;
	struct rng rng;
	struct alarm tick;
	int fd;
} run = {.tick.timer = TIMER_INIT};

struct syn {
	struct iphdr ip;
	struct tcphdr tcp;
};

static uint32_t sum_words(const void *data, size_t size, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

/* The kernel fills in the checksum of the IP header. */
static void make_syn(struct syn *s)
{
	uint32_t sum;

	*s = (struct syn){
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP},
		.tcp = {.doff = 5, .syn = 1, .window = htons(1024)},
	};
	s->ip.tot_len = htons(sizeof(*s));
	s->ip.saddr = htonl(SOURCES | ((uint32_t)rng_next(&run.rng) & SOURCES_MASK));
	memcpy(&s->ip.daddr, run.to.ip + 12, 4);
	s->tcp.source = htons((uint16_t)(1024 + rng_below(&run.rng, 64000)));
	s->tcp.dest = htons(run.to.port);
	s->tcp.seq = htonl((uint32_t)rng_next(&run.rng));
	sum = sum_words(&s->ip.saddr, 8, IPPROTO_TCP + sizeof(s->tcp));
	sum = sum_words(&s->tcp, sizeof(s->tcp), sum);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	s->tcp.check = htons((uint16_t)~sum);
}

static void send_one(const struct sockaddr_in *to)
{
	struct syn s;

	make_syn(&s);
	if (sendto(run.fd, &s, sizeof(s), 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
		run.refused++;
	else
		run.sent++;
}

static void on_tick(struct alarm *a)
{
	nsec_t passed = loop.now - run.start;
	uint64_t due = passed / NSEC_PER_MSEC * run.rate / 1000;
	struct sockaddr_in to = {.sin_family = AF_INET};

	memcpy(&to.sin_addr, run.to.ip + 12, 4);
	while (run.sent + run.refused < due)
		send_one(&to);
	if (passed >= run.duration)
		loop.stop = true;
	else
		loop_arm(a, loop.now + TICK, on_tick);
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"to", required_argument, NULL, 't'},
		{"rate", required_argument, NULL, 'r'},
		{"duration", required_argument, NULL, 'd'},
		{"seed", required_argument, NULL, 's'},
		{},
	};
	int option;

	if (getrandom(&run.rng.state, sizeof(run.rng.state), 0) < 0)
		die("getrandom: %m");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 't':
			run.to = option_address("--to", optarg, 0);
			break;
		case 'r':
			run.rate = option_number("--rate", optarg, RATE_MAX);
			break;
		case 'd':
			run.duration = option_duration("--duration", optarg);
			break;
		case 's':
			run.rng.state = option_number("--seed", optarg, UINT64_MAX);
			break;
		default:
			exit(2);
		}
	}
	if (run.to.family != ADDRESS_IPV4 || !run.rate || !run.duration || optind < argc)
		die("flood: --to (of IPv4), --rate and --duration are needed");
}

int flood_main(int argc, char **argv)
{
	parse_options(argc, argv);
	loop_init();
	run.fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (run.fd < 0)
		die("a raw socket: %m");
	run.start = loop.now;
	loop_arm(&run.tick, loop.now, on_tick);
	loop_run();
	close(run.fd);
	printf("{\"sent\": %" PRIu64 ", \"refused\": %" PRIu64 "}\n", run.sent, run.refused);
	heap_deinit(&loop.alarms);
	return run.sent == 0;
}
