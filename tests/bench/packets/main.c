// SPDX-License-Identifier: BSD-2-Clause
/*
 * lb4-packets: what a packet costs in the programs of the fast path, in nanoseconds of CPU time, and
 * what a full table takes. Exit status: 0 all figures are there, 1 something did not do what it
 * should, 2 the command line or the machine did not allow a measurement.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"

struct options {
	unsigned rounds;
	uint32_t packets;
	int cpu; /* −1: the last one */
	const char *json;
	const char *only; /* NULL: all */
};

static int usage(void)
{
	fputs("usage: lb4-packets [--rounds N] [--packets N] [--cpu N] [--only TEXT] [--json "
	      "FILE]\n"
	      "  --rounds N    measurements of each (11)\n"
	      "  --packets N   in each, at least (300000)\n"
	      "  --cpu N       that they run on (the last one)\n"
	      "  --only TEXT   cases with that in their names, and floors; no table is filled\n"
	      "  --json FILE   results for programs\n",
	      stderr);
	return 2;
}

static bool parse_number(const char *text, unsigned long low, unsigned long high,
			 unsigned long *ret)
{
	char *end;

	*ret = strtoul(text, &end, 10);
	return *text && !*end && *ret >= low && *ret <= high;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{"rounds", required_argument, NULL, 'r'}, {"packets", required_argument, NULL, 'p'},
		{"cpu", required_argument, NULL, 'c'},	  {"only", required_argument, NULL, 'o'},
		{"json", required_argument, NULL, 'j'},	  {}};
	unsigned long rounds = 11, packets = 300000, cpu = 0;
	bool good = true;
	int c;

	*o = (struct options){.cpu = -1};
	while (good && (c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c == 'r')
			good = parse_number(optarg, 1, ROUNDS_MAX, &rounds);
		else if (c == 'p')
			good = parse_number(optarg, 1, 10000000, &packets);
		else if (c == 'c' && (good = parse_number(optarg, 0, CPU_SETSIZE - 1, &cpu)))
			o->cpu = (int)cpu;
		else if (c == 'o')
			o->only = optarg;
		else if (c == 'j')
			o->json = optarg;
		else
			good = false;
	}
	o->rounds = (unsigned)rounds;
	o->packets = (uint32_t)packets;
	return good && optind == argc;
}

static bool pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0 && sched_getaffinity(0, sizeof(set), &set) == 0)
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &set))
				cpu = i;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		return true;
	perror("sched_setaffinity");
	return false;
}

static void choose(const struct options *o, struct figures *f)
{
	f->rounds = o->rounds;
	for (size_t i = 0; i < n_cases; i++)
		if (!o->only || case_is_floor(&cases[i]) || strstr(cases[i].name, o->only))
			f->series[f->n_series++].of = &cases[i];
}

static bool open_worlds(const struct figures *f, struct world *worlds, uint32_t *ret_failed)
{
	for (size_t i = 0; i < f->n_series; i++) {
		enum case_world which = f->series[i].of->world;
		uint32_t failed;

		if (worlds[which].fastpath)
			continue;
		if (case_open_world(which, &worlds[which], &failed) < 0)
			return false;
		if (which == CASE_FULL)
			*ret_failed = failed;
	}
	return true;
}

/* Round by round, so that what drifts hits all. */
static bool measure(const struct options *o, struct figures *f, struct world *worlds)
{
	struct case_result result;

	for (unsigned round = 0; round < o->rounds; round++) {
		for (size_t i = 0; i < f->n_series; i++) {
			struct series *s = &f->series[i];

			if (case_measure(s->of, &worlds[s->of->world], o->packets, &result) < 0)
				return false;
			s->net[round] = result.net;
			s->gross[round] = result.gross;
		}
	}
	figures_sort(f);
	return true;
}

/* All flows of a full table end. */
static bool empty(struct figures *f, struct world *full)
{
	f->begun = full->n_flows;
	f->memory = world_memory(full);
	if (world_disconnect(full) < 0)
		return false;
	world_walk(full, &f->left, &f->walk);
	return f->left == 0;
}

static bool write_json(const char *path, const struct figures *f)
{
	FILE *file = fopen(path, "we");

	if (file) {
		figures_print_json(f, file);
		if (fclose(file) == 0)
			return true;
	}
	perror(path);
	return false;
}

static int run(const struct options *o, struct figures *f, struct world *worlds)
{
	bool good;

	choose(o, f);
	if (!open_worlds(f, worlds, &f->homeless))
		return 2;
	if (!measure(o, f, worlds))
		return 1;
	good = o->only || empty(f, &worlds[CASE_FULL]);
	figures_print(f, stdout);
	if (o->json && !write_json(o->json, f))
		return 2;
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct world worlds[N_CASE_WORLDS] = {};
	struct figures figures = {};
	struct options o;
	int status;

	if (!parse_options(argc, argv, &o))
		return usage();
	if (!pin(o.cpu))
		return 2;
	figures.series = calloc(n_cases, sizeof(figures.series[0]));
	status = figures.series ? run(&o, &figures, worlds) : 2;
	for (enum case_world i = 0; i < N_CASE_WORLDS; i++)
		world_close(&worlds[i]);
	free(figures.series);
	return status;
}
