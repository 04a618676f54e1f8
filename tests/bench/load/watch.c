// SPDX-License-Identifier: BSD-2-Clause
/* A window over load that others make, such as iperf3. */
#include <stdio.h>

#include "commands.h"
#include "options.h"
#include "sample.h"

static void sleep_for(nsec_t t)
{
	struct timespec ts = {.tv_sec = (time_t)(t / NSEC_PER_SEC),
			      .tv_nsec = (long)(t % NSEC_PER_SEC)};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

int watch_run(const struct options *o)
{
	struct sample begin, end;

	sleep_for(o->warmup);
	sample_take(&begin, o);
	sleep_for(o->seconds);
	sample_take(&end, o);
	putchar('{');
	sample_print(&begin, &end, o);
	puts("}");
	return 0;
}
