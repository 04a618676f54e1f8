// SPDX-License-Identifier: BSD-2-Clause
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "text.h"

#define COUNT_MAX 1000000
#define PID_MAX	  (1 << 22)

static const struct option table[] = {
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"to", required_argument, NULL, OPTION_TO},
	{"from", required_argument, NULL, OPTION_FROM},
	{"in-flight", required_argument, NULL, OPTION_IN_FLIGHT},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"size", required_argument, NULL, OPTION_SIZE},
	{"seconds", required_argument, NULL, OPTION_SECONDS},
	{"warmup", required_argument, NULL, OPTION_WARMUP},
	{"pid", required_argument, NULL, OPTION_PID},
	{"device", required_argument, NULL, OPTION_DEVICE},
	{},
};

void die(const char *format, ...)
{
	va_list arguments;

	fputs("lb4-load: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}

static struct address parse_address(const char *text)
{
	struct address a;
	const char *why;

	if (address_parse(text, true, &a, &why) < 0)
		die("%s: %s", text, why);
	return a;
}

/* Without a port: the kernel picks one. */
static struct address parse_ip(const char *text)
{
	char with_port[ADDRESS_TEXT_MAX];
	struct address a;

	snprintf(with_port, sizeof(with_port), strchr(text, ':') ? "[%s]:1" : "%s:1", text);
	a = parse_address(with_port);
	a.port = 0;
	return a;
}

static size_t parse_number(const char *text, size_t min, size_t max)
{
	uint64_t value;

	if (text_parse_unsigned(text, max, &value) < 0 || value < min)
		die("%s: expected a whole number from %zu to %zu", text, min, max);
	return value;
}

static nsec_t parse_seconds(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= 3600))
		die("%s: expected seconds, such as 2 or 0.3", text);
	return (nsec_t)(value * (double)NSEC_PER_SEC);
}

static size_t *next(size_t *n)
{
	if (*n == LIST_MAX)
		die("an option is given more than %d times", LIST_MAX);
	return n;
}

static void take(struct options *o, int option)
{
	switch (option) {
	case OPTION_LISTEN:
		o->listen = parse_address(optarg);
		break;
	case OPTION_TO:
		o->to[(*next(&o->n_to))++] = parse_address(optarg);
		break;
	case OPTION_FROM:
		o->from[(*next(&o->n_from))++] = parse_ip(optarg);
		break;
	case OPTION_IN_FLIGHT:
	case OPTION_CONNECTIONS:
		o->count = parse_number(optarg, 1, COUNT_MAX);
		break;
	case OPTION_SIZE:
		o->size = parse_number(optarg, SIZE_MIN, SIZE_MAX_BYTES);
		break;
	case OPTION_SECONDS:
		o->seconds = parse_seconds(optarg);
		break;
	case OPTION_WARMUP:
		o->warmup = parse_seconds(optarg);
		break;
	case OPTION_PID:
		o->pids[(*next(&o->n_pids))++] = (pid_t)parse_number(optarg, 1, PID_MAX);
		break;
	case OPTION_DEVICE:
		o->device = optarg;
		break;
	}
}

static const char *name_of(int option)
{
	const struct option *t = table;

	while (t->name && t->val != option)
		t++;
	return t->name;
}

void options_parse(struct options *o, int argc, char **argv, unsigned needs, unsigned takes)
{
	unsigned given = 0;
	int option;

	*o = (struct options){.size = 64};
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (option == '?')
			exit(2);
		if (!((unsigned)option & (needs | takes)))
			die("%s does not take --%s", argv[0], name_of(option));
		given |= (unsigned)option;
		take(o, option);
	}
	if (optind < argc)
		die("%s: nothing is expected here", argv[optind]);
	for (const struct option *t = table; t->name; t++) {
		if ((unsigned)t->val & needs & ~given)
			die("%s needs --%s", argv[0], t->name);
	}
}
