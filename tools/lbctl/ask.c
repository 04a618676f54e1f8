// SPDX-License-Identifier: BSD-2-Clause
/* Requests to the daemon and its answers: what all verbs do the same way. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "client.h"
#include "lbctl.h"

void complain(const char *hint, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("lbctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	if (hint && *hint)
		fprintf(stderr, "  %s\n", hint);
}

/* Appends "BEFORE ESCAPED" to a path. */
static char *path_append(struct lbctl *l, char *path_take, const char *before, const char *text)
{
	_cleanup_(freep) char *path = path_take;
	_cleanup_(freep) char *escaped = client_escape(l->client, text);
	char *longer;

	if (!path || !escaped || asprintf(&longer, "%s%s%s", path, before, escaped) < 0)
		return NULL;
	return longer;
}

char *path_segment(struct lbctl *l, char *path_take, const char *segment)
{
	return path_append(l, path_take, "/", segment);
}

char *path_query(struct lbctl *l, char *path_take, const char *name, const char *value)
{
	char before[64];

	if (!path_take || !value)
		return path_take;
	snprintf(before, sizeof(before), "%c%s=", strchr(path_take, '?') ? '&' : '?', name);
	return path_append(l, path_take, before, value);
}

char *path_backend(struct lbctl *l, const char *action)
{
	char *path = path_segment(l, strdup("/v1/services"), l->arguments[0]);

	path = path_segment(l, path, "backends");
	path = path_segment(l, path, l->arguments[1]);
	return action ? path_segment(l, path, action) : path;
}

const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

uint64_t number_at(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

bool true_at(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

bool given_at(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return value && !json_is_null(value);
}

void print_json(const json_t *j)
{
	json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
}

static void print_faults(const json_t *errors, const char *file)
{
	const json_t *e;
	size_t i;

	json_array_foreach(errors, i, e) {
		if (number_at(e, "line"))
			fprintf(stderr, "%s:%d:%d: %s\n", file, (int)number_at(e, "line"),
				(int)number_at(e, "column"), text_at(e, "message"));
		else
			fprintf(stderr, "%s: %s\n", file, text_at(e, "message"));
		if (given_at(e, "hint"))
			fprintf(stderr, "  hint: %s\n", text_at(e, "hint"));
	}
}

int say_unreachable(const struct lbctl *l, int r, const char *reason)
{
	const char *hint = NULL;

	if (r == -ENOENT || r == -ECONNREFUSED)
		hint = "is lb4 running? --socket or $LB4_SOCKET names another socket";
	if (r == -ETIMEDOUT)
		hint = "it is there and does not answer: stopped, or stuck; see its log";
	if (r == -EACCES || r == -EPERM)
		hint = "the socket's file permissions say who may";
	complain(hint, "lb4 is not reachable at %s: %s", l->socket, reason);
	return STATUS_UNREACHABLE;
}

/* Prints why the daemon refused; the whole answer too with --json. */
int say_refused(const struct lbctl *l, long status, const json_t *answer, const char *file)
{
	const json_t *errors = json_object_get(answer, "errors");

	if (l->options[OPTION_JSON] && answer)
		print_json(answer);
	if (given_at(answer, "path"))
		file = text_at(answer, "path");
	if (json_array_size(errors))
		print_faults(errors, file);
	if (given_at(answer, "error"))
		complain(json_array_size(errors) ? NULL : text_at(answer, "hint"), "%s",
			 text_at(answer, "error"));
	else
		complain(NULL, "the daemon answered with status %ld", status);
	return STATUS_REFUSED;
}

static int ask_text(struct lbctl *l, const char *method, const char *path, const char *body,
		    size_t size, const char *file, bool print, json_t **ret_answer)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(freep) char *text = NULL;
	struct client_answer a;
	const char *reason;
	int r;

	if (!path) {
		complain(NULL, "out of memory");
		return STATUS_REFUSED;
	}
	r = client_ask(l->client, method, path, body, size, &a, &reason);
	if (r < 0)
		return say_unreachable(l, r, reason);
	text = a.text;
	answer = json_loadb(text, a.size, 0, NULL);
	if (a.status < 200 || a.status > 299)
		return say_refused(l, a.status, answer, file);
	if (!json_is_object(answer)) {
		complain("does something else listen there?",
			 "what answers at %s does not speak lb4's API", l->socket);
		return STATUS_REFUSED;
	}
	if (given_at(answer, "kept_error"))
		complain(NULL, "done, but it would not survive lb4: %s",
			 text_at(answer, "kept_error"));
	if (print && l->options[OPTION_JSON]) {
		fwrite(text, 1, a.size, stdout);
		putchar('\n');
	}
	*ret_answer = take_ptr(answer);
	return STATUS_DONE;
}

static int ask_json(struct lbctl *l, const char *method, char *path_take, json_t *body_take,
		    bool print, json_t **ret_answer)
{
	_cleanup_(freep) char *path = path_take;
	_cleanup_(json_decrefp) json_t *body = body_take;
	_cleanup_(freep) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	/* A word that is not UTF-8 makes no JSON. */
	if (!text && !strcmp(method, "POST")) {
		complain(NULL, "an argument is not UTF-8 text");
		return STATUS_USAGE;
	}
	return ask_text(l, method, path, text, text ? strlen(text) : 0, NULL, print, ret_answer);
}

int ask_silently(struct lbctl *l, char *path_take, long *ret_status, json_t **ret_answer,
		 const char **ret_reason)
{
	_cleanup_(freep) char *path = path_take;
	_cleanup_(freep) char *text = NULL;
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct client_answer a;
	int r;

	*ret_reason = "out of memory";
	if (!path)
		return -ENOMEM;
	r = client_ask(l->client, "GET", path, NULL, 0, &a, ret_reason);
	if (r < 0)
		return r;
	text = a.text;
	answer = json_loadb(text, a.size, 0, NULL);
	*ret_status = a.status;
	*ret_answer = json_is_object(answer) ? take_ptr(answer) : NULL;
	return 0;
}

int ask(struct lbctl *l, const char *method, char *path_take, json_t *body_take,
	json_t **ret_answer)
{
	return ask_json(l, method, path_take, body_take, true, ret_answer);
}

int ask_quietly(struct lbctl *l, const char *method, char *path_take, json_t *body_take,
		json_t **ret_answer)
{
	return ask_json(l, method, path_take, body_take, false, ret_answer);
}

int ask_about_file(struct lbctl *l, const char *path, const char *text, size_t size,
		   const char *file, json_t **ret_answer)
{
	return ask_text(l, "POST", path, text, size, file, true, ret_answer);
}
