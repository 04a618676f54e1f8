// SPDX-License-Identifier: BSD-2-Clause
/* Verbs that change something, and `check`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "lbctl.h"
#include "text.h"

/* The daemon takes no more. */
#define FILE_MAX ((size_t)4 << 20)

static int out_of_memory(void)
{
	complain(NULL, "out of memory");
	return STATUS_REFUSED;
}

int read_file(const char *name, char **ret_text, size_t *ret_size)
{
	_cleanup_(freep) char *text = malloc(FILE_MAX + 1);
	FILE *f = strcmp(name, "-") ? fopen(name, "re") : stdin;
	size_t size;
	bool failed;

	if (!f) {
		complain(NULL, "cannot open %s: %s", name, strerror(errno));
		free(take_ptr(text));
		return STATUS_REFUSED;
	}
	errno = 0;
	size = text ? fread(text, 1, FILE_MAX + 1, f) : 0;
	failed = ferror(f);
	if (failed)
		complain(NULL, "cannot read %s: %s", name, strerror(errno));
	if (f != stdin)
		fclose(f);
	if (!text)
		return out_of_memory();
	if (failed)
		return STATUS_REFUSED;
	if (size > FILE_MAX) {
		complain("a configuration has at most 4 MiB", "%s is too large", name);
		return STATUS_REFUSED;
	}
	*ret_text = take_ptr(text);
	*ret_size = size;
	return STATUS_DONE;
}

int check_file(struct lbctl *l)
{
	const char *file = strcmp(l->arguments[0], "-") ? l->arguments[0] : "(standard input)";
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(freep) char *text = NULL;
	int r, services, backends;
	size_t size;

	r = read_file(l->arguments[0], &text, &size);

	if (r != STATUS_DONE)
		return r;
	r = ask_about_file(l, "/v1/check", text, size, file, &answer);
	services = (int)number_at(answer, "services");
	backends = (int)number_at(answer, "backends");
	if (r == STATUS_DONE && !l->options[OPTION_JSON])
		printf("%s is good: %d service%s, %d backend%s\n", file, services,
		       services == 1 ? "" : "s", backends, backends == 1 ? "" : "s");
	return r;
}

/* Reads a weight; the daemon judges its range. */
static bool parse_weight(const char *text, uint64_t *ret)
{
	if (text_parse_unsigned(text, INT64_MAX, ret) == 0)
		return true;
	complain("such as 10; 0 takes no new connections",
		 "the weight is not a whole number: \"%s\"", text);
	return false;
}

/* Why a backend that operators want in service gets no connections all the same. */
static void say_if_out(const json_t *backend)
{
	const char *error = text_at(backend, "last_error");

	if (!given_at(backend, "eligible") || true_at(backend, "eligible"))
		return;
	if (!strcmp(text_at(backend, "why"), "unchecked"))
		fputs("; connections come with the first good check", stdout);
	else if (given_at(backend, "why"))
		printf("; takes no new connections, it is down: %s%s%s", text_at(backend, "why"),
		       *error ? ": " : "", error);
	else if (number_at(backend, "weight") == 0)
		fputs("; takes no new connections", stdout);
	else
		fputs(true_at(backend, "backup") ? "; stands by as a backup"
						 : "; backups are in use",
		      stdout);
}

/* Asks for a change of a backend and says what was done. */
static int change_backend(struct lbctl *l, const char *method, char *path_take, json_t *body_take,
			  const char *done)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int r = ask(l, method, path_take, body_take, &answer);
	const json_t *backend;

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	printf("%s/%s %s", l->arguments[0], l->arguments[1], done);
	backend = json_object_get(answer, "backend");
	if (!strcmp(text_at(backend, "admin"), "enabled"))
		say_if_out(backend);
	putchar('\n');
	return r;
}

int add_backend(struct lbctl *l)
{
	uint64_t weight = 1;
	char *path;

	if (l->options[OPTION_WEIGHT] && !parse_weight(l->options[OPTION_WEIGHT], &weight))
		return STATUS_USAGE;
	path = path_segment(l, strdup("/v1/services"), l->arguments[0]);
	path = path_segment(l, path, "backends");
	return change_backend(l, "POST", path,
			      json_pack("{s:s, s:s, s:I, s:b}", "name", l->arguments[1], "address",
					l->arguments[2], "weight", (json_int_t)weight, "backup",
					l->options[OPTION_BACKUP] != NULL),
			      "is added");
}

int remove_backend(struct lbctl *l)
{
	return change_backend(l, "DELETE", path_backend(l, NULL), NULL,
			      "is removed; its connections may finish");
}

int set_weight(struct lbctl *l)
{
	char done[64];
	uint64_t weight;

	if (!parse_weight(l->arguments[2], &weight))
		return STATUS_USAGE;
	snprintf(done, sizeof(done), "has weight %llu", (unsigned long long)weight);
	return change_backend(l, "POST", path_backend(l, "weight"),
			      json_pack("{s:I}", "weight", (json_int_t)weight), done);
}

int undrain_backend(struct lbctl *l)
{
	return change_backend(l, "POST", path_backend(l, "undrain"), json_object(),
			      "is no longer draining");
}

int disable_backend(struct lbctl *l)
{
	return change_backend(l, "POST", path_backend(l, "disable"), json_object(), "is disabled");
}

int enable_backend(struct lbctl *l)
{
	return change_backend(l, "POST", path_backend(l, "enable"), json_object(), "is enabled");
}

int stop_daemon(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	json_t *body = json_object();
	int r;

	if (l->options[OPTION_TIMEOUT])
		json_object_set_new(body, "timeout", json_string(l->options[OPTION_TIMEOUT]));
	r = ask(l, "POST", strdup("/v1/stop"), body, &answer);
	if (r == STATUS_DONE && !l->options[OPTION_JSON])
		printf("lb4 stops; connections have %s to finish\n", text_at(answer, "timeout"));
	return r;
}
