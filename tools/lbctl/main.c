// SPDX-License-Identifier: BSD-2-Clause
/* lbctl: the command table, the command line, and help. What verbs do stands in other files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "lbctl.h"
#include "text.h"

#define SOCKET_DEFAULT	"/run/lb4/lb4.sock"
#define SOCKET_VARIABLE "LB4_SOCKET"

const struct option_info options[N_OPTIONS] = {
	[OPTION_SOCKET] = {"--socket", "PATH",
			   "the daemon's socket (else $" SOCKET_VARIABLE ", " SOCKET_DEFAULT ")"},
	[OPTION_JSON] = {"--json", NULL, "print the daemon's answer as JSON"},
	[OPTION_HELP] = {"--help", NULL, "print help and exit", 'h'},
	[OPTION_VERSION] = {"--version", NULL, "print the version and exit", 'V'},
	[OPTION_WEIGHT] = {"--weight", "N", "its weight, 0 to 65535 (1)"},
	[OPTION_BACKUP] = {"--backup", NULL, "used only when no other backend is eligible"},
	[OPTION_TIMEOUT] = {"--timeout", "T", "reset what is left after T, such as 30s"},
	[OPTION_WAIT] = {"--wait", NULL, "wait until no connection is left"},
	[OPTION_FORCE] = {"--force", NULL,
			  "even when that removes most backends of a service, or services"},
	[OPTION_LIMIT] = {"--limit", "N", "show at most N (1000; of sources 20)"},
	[OPTION_DRY_RUN] = {"--dry-run", NULL,
			    "print what would change in the file, and write nothing"},
	[OPTION_LOCAL] = {"--local", "ADDRESS:PORT", "the address the client connects to"},
	[OPTION_SNI] = {"--sni", "NAME", "the server name it asks for, for tls_routes"},
	[OPTION_ALPN] = {"--alpn", "PROTOCOL,…", "the protocols it offers, for tls_routes"},
	[OPTION_FOLLOW] = {"--follow", NULL, "go on with what happens from now on (-f)", 'f'},
	[OPTION_SINCE] = {"--since", "ID", "only what happened after the event ID"},
	[OPTION_LAST] = {"--last", "N", "only the last N (all; with --follow 10) (-n)", 'n'},
	[OPTION_WRITE] = {"--write", "FILE", "write a pcapng file, not lines (-w)", 'w'},
	[OPTION_COUNT] = {"--count", "N", "end after N packets (-c)", 'c'},
	[OPTION_FOR] = {"--for", "T", "end after T, such as 30 (seconds) or 5m (-t)", 't'},
	[OPTION_DROPS] = {"--drops", NULL, "only packets that are dropped"},
};

static verb_function help;

const struct command commands[] = {
	{"status", "", 0, show_status, "the daemon as a whole"},
	{"services", "[SERVICE]", 0, show_services, "the services, or one of them in full"},
	{"backends", "[SERVICE]", 0, show_backends, "the backends and how they are"},
	{"connections", "[SERVICE]", BIT(OPTION_LIMIT), show_connections,
	 "the connections there are now"},
	{"sources", "SERVICE", BIT(OPTION_LIMIT), show_sources,
	 "the sources with most connections, where sources have limits"},
	{"explain", "SERVICE CLIENT:PORT", BIT(OPTION_LOCAL) | BIT(OPTION_SNI) | BIT(OPTION_ALPN),
	 show_explain, "which backend a connection gets, and why"},
	{"table", "SERVICE", 0, show_table, "who owns how much of the live table"},
	{"events", "[SERVICE]", BIT(OPTION_FOLLOW) | BIT(OPTION_SINCE) | BIT(OPTION_LAST),
	 show_events, "what happened, and when"},
	{"check", "FILE", 0, check_file, "judge a configuration file (-: standard input)"},
	{"plan", "[FILE]", 0, show_plan,
	 "what a reload would change (of FILE, or of the configuration file)"},
	{"drift", "[SERVICE]", 0, show_drift,
	 "what was changed at run time and is not so in the file"},
	{"reload", "", BIT(OPTION_FORCE), reload, "make the configuration file hold"},
	{"add", "SERVICE NAME ADDRESS:PORT", BIT(OPTION_WEIGHT) | BIT(OPTION_BACKUP), add_backend,
	 "add a backend"},
	{"remove", "SERVICE NAME", 0, remove_backend,
	 "remove a backend; its connections may finish"},
	{"weight", "SERVICE NAME N", 0, set_weight, "change a backend's weight"},
	{"drain", "SERVICE NAME", BIT(OPTION_TIMEOUT) | BIT(OPTION_WAIT), drain_backend,
	 "give a backend no new connections; old ones finish"},
	{"undrain", "SERVICE NAME", 0, undrain_backend, "end a drain"},
	{"disable", "SERVICE NAME", 0, disable_backend,
	 "give a backend no new connections and no checks"},
	{"enable", "SERVICE NAME", 0, enable_backend, "take a backend into service again"},
	{"save", "", BIT(OPTION_DRY_RUN), save, "write what was changed at run time into the file"},
	{"fastpath", "[on|off]", 0, fastpath,
	 "the fast path: how it is, or whether it takes new flows"},
	{"capture", "[SERVICE|CLIENT]",
	 BIT(OPTION_WRITE) | BIT(OPTION_COUNT) | BIT(OPTION_FOR) | BIT(OPTION_DROPS), capture,
	 "the packets that the fast path sees, and what becomes of them"},
	{"stop", "", BIT(OPTION_TIMEOUT), stop_daemon, "stop lb4 once connections have ended"},
	{"help", "[VERB]", 0, help, "explain a verb"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

const size_t n_commands = N_COMMANDS;

const struct command *find_command(const char *verb)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].verb, verb))
			return &commands[i];
	return NULL;
}

/* Says that a verb is none, and which was meant; STATUS_USAGE. */
static int wrong_verb(const char *verb)
{
	const char *words[N_COMMANDS + 1] = {};
	const char *near;

	for (size_t i = 0; i < N_COMMANDS; i++)
		words[i] = commands[i].verb;
	near = text_nearest(verb, words);
	fprintf(stderr, "lbctl: there is no verb \"%s\"\n", verb);
	if (near)
		fprintf(stderr, "  did you mean \"%s\"?\n", near);
	fputs("  verbs:", stderr);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(stderr, " %s", words[i]);
	fputc('\n', stderr);
	return STATUS_USAGE;
}

/* The same for an option; `command` NULL when the verb is not known. */
static int wrong_option(const char *option, const struct command *command)
{
	const char *words[N_OPTIONS + 1] = {};
	unsigned allowed = command ? COMMON | command->options : UINT32_MAX;
	const char *near;
	size_t n = 0;

	for (size_t i = 0; i < N_OPTIONS; i++)
		if (allowed & BIT(i))
			words[n++] = options[i].name;
	near = text_nearest(option, words);
	if (command)
		fprintf(stderr, "lbctl: %s has no option \"%s\"\n", command->verb, option);
	else
		fprintf(stderr, "lbctl: there is no option \"%s\"\n", option);
	if (near)
		fprintf(stderr, "  did you mean \"%s\"?\n", near);
	fputs("  options:", stderr);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, " %s", words[i]);
	fputc('\n', stderr);
	return STATUS_USAGE;
}

static void print_option(size_t i)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%s%s", options[i].name, options[i].value ? " " : "",
		 options[i].value ? options[i].value : "");
	/* The ellipsis is three bytes wide and one column. */
	printf("  %-*s  %s\n", strstr(left, "…") ? 23 : 21, left, options[i].what);
}

static void print_usage_line(const struct command *c, FILE *to)
{
	fprintf(to, "usage: lbctl [--socket PATH] [--json] %s", c->verb);
	if (c->arguments[0])
		fprintf(to, " %s", c->arguments);
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (c->options & BIT(i))
			fprintf(to, " [%s%s%s]", options[i].name, options[i].value ? " " : "",
				options[i].value ? options[i].value : "");
	fputc('\n', to);
}

static int help_all(void)
{
	puts("usage: lbctl [--socket PATH] [--json] VERB …\n\nverbs:");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", commands[i].verb, commands[i].arguments);
		printf("  %-29s  %s\n", left, commands[i].what);
	}
	puts("\noptions of all verbs:");
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (COMMON & BIT(i))
			print_option(i);
	puts("\nexit status: 0 done, 1 refused or failed, 2 usage, 3 daemon not reachable");
	return STATUS_DONE;
}

static int help_command(const struct command *c)
{
	print_usage_line(c, stdout);
	printf("\n%s\n", c->what);
	if (c->options)
		putchar('\n');
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (c->options & BIT(i))
			print_option(i);
	return STATUS_DONE;
}

static int help(struct lbctl *l)
{
	const struct command *c;

	if (!l->arguments[0])
		return help_all();
	c = find_command(l->arguments[0]);
	return c ? help_command(c) : wrong_verb(l->arguments[0]);
}

/* The number of words in a command's arguments, all or only those that must be given. */
static size_t count_arguments(const struct command *c, bool required)
{
	size_t n = 0;

	for (const char *p = c->arguments; *p; p += strspn(p, " ")) {
		n += !required || *p != '[';
		p += strcspn(p, " ");
	}
	return n;
}

size_t find_option(const char *word)
{
	size_t length = strcspn(word, "=");

	for (size_t o = 0; o < N_OPTIONS; o++) {
		if (strlen(options[o].name) == length && !strncmp(options[o].name, word, length))
			return o;
		if (options[o].letter && word[0] == '-' && word[1] == options[o].letter &&
		    (!word[2] || options[o].value))
			return o;
	}
	return N_OPTIONS;
}

/* The value within the word: "--limit=5" or "-n5"; NULL when there is none. */
static const char *value_within(const char *word)
{
	const char *equals = strchr(word, '=');

	if (word[1] == '-')
		return equals ? equals + 1 : NULL;
	return word[2] ? word + 2 : NULL;
}

/* Takes the option at argv[*i], and its value, which may be the next word. */
static int take_option(struct lbctl *l, char **argv, int *i, const char **ret_wrong)
{
	const char *word = argv[*i], *value = value_within(word);
	size_t o = find_option(word);

	if (o == N_OPTIONS) {
		if (!*ret_wrong)
			*ret_wrong = word;
		return STATUS_DONE;
	}
	if (!options[o].value && value) {
		fprintf(stderr, "lbctl: %s takes no value\n", options[o].name);
		return STATUS_USAGE;
	}
	if (options[o].value && !value && !argv[*i + 1]) {
		fprintf(stderr, "lbctl: %s needs a value: %s %s\n", options[o].name,
			options[o].name, options[o].value);
		return STATUS_USAGE;
	}
	if (!options[o].value)
		value = "";
	else if (!value)
		value = argv[++*i];
	l->options[o] = value;
	return STATUS_DONE;
}

/* What may be given to `c` and what must be. */
static int check_usage(const struct lbctl *l, const struct command *c, size_t n_arguments)
{
	for (size_t o = 0; o < N_OPTIONS; o++)
		if (l->options[o] && !((COMMON | c->options) & BIT(o)))
			return wrong_option(options[o].name, c);
	for (size_t i = 0; i < ARGUMENTS_MAX && l->arguments[i]; i++) {
		if (*l->arguments[i])
			continue;
		fprintf(stderr, "lbctl: an argument is empty\n");
		return STATUS_USAGE;
	}
	if (n_arguments >= count_arguments(c, true) && n_arguments <= count_arguments(c, false))
		return STATUS_DONE;
	fprintf(stderr, "lbctl: %s takes %s\n", c->verb,
		c->arguments[0] ? c->arguments : "no arguments");
	print_usage_line(c, stderr);
	return STATUS_USAGE;
}

/* "-" is a file and "-1" a number, a wrong one: whoever takes it says so. */
static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] && !(word[1] >= '0' && word[1] <= '9');
}

/* Reads the command line; the options may stand anywhere. On STATUS_DONE *ret_command is set, or
 * NULL when the options said all. */
static int parse(struct lbctl *l, char **argv, const struct command **ret_command)
{
	const struct command *command = NULL;
	const char *verb = NULL, *wrong = NULL;
	size_t n_arguments = 0;
	bool only_words = false;
	int r;

	for (int i = 1; argv[i]; i++) {
		if (!only_words && !strcmp(argv[i], "--")) {
			only_words = true;
		} else if (!only_words && is_option(argv[i])) {
			r = take_option(l, argv, &i, &wrong);
			if (r != STATUS_DONE)
				return r;
		} else if (!verb) {
			verb = argv[i];
		} else if (n_arguments++ < ARGUMENTS_MAX) {
			l->arguments[n_arguments - 1] = argv[i];
		}
	}
	if (verb) {
		command = find_command(verb);
		if (!command)
			return wrong_verb(verb);
	}
	if (wrong)
		return wrong_option(wrong, command);
	*ret_command = command;
	if (!command || l->options[OPTION_HELP] || l->options[OPTION_VERSION])
		return STATUS_DONE;
	return check_usage(l, command, n_arguments);
}

const char *choose_socket(const char *given)
{
	const char *socket = given ? given : getenv(SOCKET_VARIABLE);

	return socket && *socket ? socket : SOCKET_DEFAULT;
}

static int run(struct lbctl *l, const struct command *command)
{
	int status;

	if (l->options[OPTION_VERSION]) {
		puts("lbctl " LB4_VERSION);
		return STATUS_DONE;
	}
	if (l->options[OPTION_HELP])
		return command ? help_command(command) : help_all();
	if (!command) {
		fputs("usage: lbctl [--socket PATH] [--json] VERB …\n"
		      "  lbctl --help lists the verbs\n",
		      stderr);
		return STATUS_USAGE;
	}
	l->socket = choose_socket(l->options[OPTION_SOCKET]);
	l->client = client_new(l->socket);
	if (!l->client) {
		complain(NULL, "out of memory");
		return STATUS_REFUSED;
	}
	status = command->run(l);
	l->client = client_free(l->client);
	return status;
}

int main(int argc, char **argv)
{
	struct lbctl l = {.colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
	const struct command *command = NULL;
	int status;

	if (argc > 1 && !strcmp(argv[1], "--complete"))
		return complete(argv + 2);
	status = parse(&l, argv, &command);
	if (status == STATUS_DONE)
		status = run(&l, command);
	if (fflush(stdout) || ferror(stdout)) {
		complain(NULL, "cannot write to standard output: %s", strerror(errno));
		return status ? status : STATUS_REFUSED;
	}
	return status;
}
