// SPDX-License-Identifier: BSD-2-Clause
/*
 * lb4-lab: the clients and servers of the end-to-end scenarios. Each command is one process with
 * one thread; results are JSON on standard output. Exit status: 0 as it should be, 1 a violation
 * was seen, 2 the lab itself failed.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{"serve", serve_main,
	 "NAME KIND=ADDRESS…: a backend; kinds: id greet echo count open "
	 "source deaf abort reset http hammer"},
	{"short", short_main,
	 "--to A --rate N --duration T [--from A…] [--greet] [--timeout T] "
	 "[--failures FILE]: open-loop short connections"},
	{"stream", stream_main,
	 "--to A --count N --duration T [--from A…] [--interval T] "
	 "[--size N] [--start-within T] [--max-gap T]: long-lived echoes"},
	{"hammer", hammer_main,
	 "--to A… --count N [--concurrency N] [--max-size N] [--seed N] "
	 "[--timeout T] REPORT…: verified transfers; servers' outputs"},
	{"stall", stall_main,
	 "--to A --count N pull|push|idle: peers that do not read; until "
	 "SIGTERM"},
	{"notify", notify_main, "PATH: a service manager's socket; prints what it is told"},
	{"crowd", crowd_main,
	 "--to A --count N [--from A…]: connections that are idle but for orders on standard "
	 "input"},
	{"flood", flood_main,
	 "--to A --rate N --duration T [--seed N]: SYNs from addresses that are nobody's"},
	{"talk", talk_main,
	 "[--from A [--port N]] [--within T] ADDRESS STEP…: one scripted connection; "
	 "send=TEXT fill=N recv=TEXT name take=N fin rst eof reset end "
	 "quiet=T"},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	fputs("usage: lb4-lab COMMAND …\n", stderr);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "  %-7s %s\n", commands[i].name, commands[i].usage);
	return 2;
}
