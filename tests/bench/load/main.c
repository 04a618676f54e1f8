// SPDX-License-Identifier: BSD-2-Clause
/*
 * lb4-load: the load generator and server of the benchmark, single-threaded and as cheap for each
 * operation as epoll allows. Results are one line of JSON. Exit status: 0 as it should be, 1 errors
 * were counted, 2 the command line or the machine did not allow a measurement.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "options.h"

#define CLIENT (OPTION_TO | OPTION_FROM | OPTION_SIZE)
#define WINDOW (OPTION_SECONDS | OPTION_WARMUP | OPTION_PID | OPTION_DEVICE)

static const struct {
	const char *name;
	int (*run)(const struct options *o);
	unsigned needs, takes; /* OPTION_… */
	const char *usage;
} commands[] = {
	{"serve", serve_run, OPTION_LISTEN, 0, "--listen ADDRESS: sends back what it receives"},
	{"short", short_run, OPTION_TO | OPTION_IN_FLIGHT | OPTION_SECONDS, CLIENT | WINDOW,
	 "--to ADDRESS… --in-flight N --seconds S: connect, request, reply, close, N at once"},
	{"pingpong", pingpong_run, OPTION_TO | OPTION_CONNECTIONS | OPTION_SECONDS, CLIENT | WINDOW,
	 "--to ADDRESS… --connections N --seconds S: one request at a time on each"},
	{"idle", idle_run, OPTION_TO | OPTION_CONNECTIONS, CLIENT,
	 "--to ADDRESS… --connections N: one request on each, then they are held until the end of\n"
	 "            standard input or SIGTERM"},
	{"watch", watch_run, OPTION_SECONDS, WINDOW,
	 "--seconds S: no load, only what the window held"},
	{"yardstick", yardstick_run, 0, 0, "how long each CPU takes for a fixed piece of work"},
};

static int usage(void)
{
	fputs("usage: lb4-load COMMAND OPTION…\n", stderr);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "  %-9s %s\n", commands[i].name, commands[i].usage);
	fputs("where it makes sense:\n"
	      "  --from IP…    source addresses, used in turn, as --to is\n"
	      "  --size N      bytes of a request and of its reply (64)\n"
	      "  --warmup S    load before the measured window (0)\n"
	      "  --pid PID…    processes whose CPU time is reported\n"
	      "  --device DEV  an interface whose traffic is reported\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct options o;

		if (strcmp(argv[1], commands[i].name))
			continue;
		options_parse(&o, argc - 1, argv + 1, commands[i].needs, commands[i].takes);
		signal(SIGPIPE, SIG_IGN);
		return commands[i].run(&o);
	}
	return usage();
}
