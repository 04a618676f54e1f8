// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the shell asks at a TAB: `lbctl --complete WORD…`, the last word being the one under the
 * cursor, as far as it is written. Candidates come from the tables that lbctl itself obeys, and
 * names from the daemon, when it answers fast. A line "\tfiles" asks the shell for names of files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "client.h"
#include "lbctl.h"

/* Whoever presses TAB does not wait longer for a daemon that is stuck. */
#define PATIENCE_MS 1000L

/* The command line as far as it goes. */
struct line {
	struct lbctl lbctl; /* its arguments and options hold what was given */
	const struct command *command;
	size_t n_arguments;
	size_t value_of; /* the option whose value the word is; N_OPTIONS: it is none */
	bool only_words; /* after "--" */
	const char *word;
};

static void offer(const char *candidate, const char *word)
{
	if (!strncmp(candidate, word, strlen(word)))
		puts(candidate);
}

static void offer_files(void)
{
	puts("\tfiles");
}

static void take_word(struct line *line, const char *word)
{
	if (!line->command)
		line->command = find_command(word);
	else if (line->n_arguments < ARGUMENTS_MAX)
		line->lbctl.arguments[line->n_arguments++] = word;
	else
		line->n_arguments++;
}

/* An option that is there, and the word that is its value. */
static void take_option(struct line *line, char **words, size_t *i)
{
	size_t o = find_option(words[*i]);
	const char *equals = strchr(words[*i], '=');

	if (o == N_OPTIONS)
		return;
	line->lbctl.options[o] = equals ? equals + 1 : "";
	if (!options[o].value || equals || (words[*i][1] != '-' && words[*i][2]))
		return;
	++*i;
	line->lbctl.options[o] = words[*i];
	if (!words[*i + 1])
		line->value_of = o;
}

/* `words` holds one at least; the last is the one to be completed. */
static void read_line(struct line *line, char **words)
{
	line->value_of = N_OPTIONS;
	for (size_t i = 0; words[i]; i++) {
		line->word = words[i];
		if (!words[i + 1])
			return;
		if (!line->only_words && !strcmp(words[i], "--"))
			line->only_words = true;
		else if (!line->only_words && words[i][0] == '-')
			take_option(line, words, &i);
		else
			take_word(line, words[i]);
		line->word = words[i];
	}
}

static void offer_verbs(const char *word)
{
	for (size_t i = 0; i < n_commands; i++)
		offer(commands[i].verb, word);
}

/* Those that have not been given yet. */
static void offer_options(const struct line *line)
{
	unsigned allowed = COMMON | (line->command ? line->command->options : 0);

	for (size_t o = 0; o < N_OPTIONS; o++)
		if (allowed & BIT(o) && !line->lbctl.options[o])
			offer(options[o].name, line->word);
}

/* Numbers, times and addresses are the operator's own. */
static void offer_value(size_t option)
{
	if (option == OPTION_SOCKET || option == OPTION_WRITE)
		offer_files();
}

/* The names in a list of the daemon's answer. */
static void offer_names(struct line *line, const char *list, const char *path, const char *service)
{
	struct lbctl *l = &line->lbctl;
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const char *reason;
	const json_t *o;
	long status;
	size_t i;

	l->socket = choose_socket(l->options[OPTION_SOCKET]);
	l->client = client_new(l->socket);
	if (!l->client)
		return;
	client_hurry(l->client, PATIENCE_MS);
	if (ask_silently(l, path_query(l, strdup(path), "service", service), &status, &answer,
			 &reason) >= 0)
		json_array_foreach(json_object_get(answer, list), i, o)
			offer(text_at(o, "name"), line->word);
	l->client = client_free(l->client);
}

/* The word of `arguments` at `n`, without its brackets; "" past the last. */
static void argument_at(const char *arguments, size_t n, char *buffer, size_t size)
{
	const char *p = arguments;
	size_t length;

	for (; n > 0 && *p; n--) {
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	p += *p == '[';
	length = strcspn(p, " ]");
	snprintf(buffer, size, "%.*s", (int)length, p);
}

static void offer_switch(const char *word)
{
	offer("on", word);
	offer("off", word);
}

static void offer_argument(struct line *line)
{
	const char *arguments = line->command->arguments;
	char what[32];

	argument_at(arguments, line->n_arguments, what, sizeof(what));
	if (!strcmp(what, "VERB"))
		offer_verbs(line->word);
	else if (!strcmp(what, "FILE"))
		offer_files();
	else if (!strcmp(what, "SERVICE") || !strcmp(what, "SERVICE|CLIENT"))
		offer_names(line, "services", "/v1/services", NULL);
	else if (!strcmp(what, "NAME") && !strstr(arguments, " ADDRESS:PORT"))
		offer_names(line, "backends", "/v1/backends", line->lbctl.arguments[0]);
	else if (!strcmp(what, "on|off"))
		offer_switch(line->word);
	/* What is added has a name of its own. */
}

int complete(char **words)
{
	struct line line = {};

	if (!words[0])
		return STATUS_DONE;
	read_line(&line, words);
	if (line.value_of != N_OPTIONS)
		offer_value(line.value_of);
	else if (!line.only_words && line.word[0] == '-' && strchr(line.word, '='))
		offer_value(find_option(line.word));
	else if (!line.only_words && line.word[0] == '-')
		offer_options(&line);
	else if (!line.command)
		offer_verbs(line.word);
	else
		offer_argument(&line);
	return STATUS_DONE;
}
