// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long each CPU takes for a fixed piece of work: mostly system calls, as everything here is. On
 * a shared machine it tells when others slow it down in ways that are not accounted as steal.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"

#define EXCHANGES 4000

/* CPU time, so that other processes do not count. */
static nsec_t work(int pair[2])
{
	nsec_t begin = clock_read(CLOCK_PROCESS_CPUTIME_ID);
	char bytes[64] = {};

	for (int i = 0; i < EXCHANGES; i++) {
		if (write(pair[0], bytes, sizeof(bytes)) != sizeof(bytes) ||
		    read(pair[1], bytes, sizeof(bytes)) != sizeof(bytes))
			die("socketpair: %m");
	}
	return clock_read(CLOCK_PROCESS_CPUTIME_ID) - begin;
}

int yardstick_run(const struct options *o)
{
	cpu_set_t all, one;
	const char *comma = "";
	int pair[2];

	(void)o;
	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		die("sched_getaffinity: %m");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair: %m");
	fputs("{\"yardstick_us\": [", stdout);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			die("sched_setaffinity: %m");
		printf("%s%" PRIu64, comma, work(pair) / NSEC_PER_USEC);
		comma = ", ";
	}
	puts("]}");
	return 0;
}
