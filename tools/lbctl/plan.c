// SPDX-License-Identifier: BSD-2-Clause
/* What a file would change, and what a reload has changed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "columns.h"
#include "lbctl.h"

/* How far what changes is from what it changes to. */
#define WIDTH 18

char *print_backend_config(const json_t *config, char buffer[BACKEND_TEXT_MAX])
{
	const char *name;
	json_t *value;
	int n = snprintf(buffer, BACKEND_TEXT_MAX, "%s", text_at(config, "address"));

	json_object_foreach((json_t *)config, name, value) {
		if (!strcmp(name, "address") || n >= BACKEND_TEXT_MAX || json_is_false(value))
			continue;
		/* A limit of 0 is none. */
		if (json_integer_value(value) == 0 && json_is_integer(value) &&
		    strcmp(name, "weight") != 0)
			continue;
		if (json_is_integer(value))
			n += snprintf(buffer + n, (size_t)(BACKEND_TEXT_MAX - n), ", %s %lld", name,
				      (long long)json_integer_value(value));
		else
			n += snprintf(buffer + n, (size_t)(BACKEND_TEXT_MAX - n), ", %s%s%s", name,
				      json_is_string(value) ? " " : "",
				      json_is_string(value) ? json_string_value(value) : "");
	}
	return buffer;
}

static const char *or_nothing(const json_t *change, const char *name)
{
	return given_at(change, name) ? text_at(change, name) : "(not set)";
}

static void print_settings(const json_t *settings, const char *indent)
{
	const json_t *s;
	size_t i;

	json_array_foreach(settings, i, s)
		printf("%s%-*s %s → %s%s\n", indent, WIDTH, text_at(s, "key"), or_nothing(s, "old"),
		       or_nothing(s, "new"), true_at(s, "at_start") ? " (at the next start)" : "");
}

/* Changes at run time that the file does not have: the file wins. */
static const char *undone(const json_t *backend)
{
	const char *drift = text_at(backend, "drift");

	if (!strcmp(drift, "added"))
		return "; was added at run time";
	if (!strcmp(drift, "removed"))
		return "; was removed at run time";
	return *drift ? "; was changed at run time" : "";
}

static void print_finishing(const json_t *backend)
{
	uint64_t n = number_at(backend, "finishing");

	if (n)
		printf("; %" PRIu64 " connection%s may finish%s", n, n == 1 ? "" : "s",
		       strcmp(text_at(backend, "change"), "removed") ? " at the old address" : "");
}

static void print_changed(const json_t *backend)
{
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(backend, "settings"), i, s)
		printf("%s%s %s → %s", i ? ", " : "", text_at(s, "key"), or_nothing(s, "old"),
		       or_nothing(s, "new"));
}

static void print_backend(const struct lbctl *l, const json_t *b)
{
	const char *change = text_at(b, "change");
	bool added = !strcmp(change, "added"), removed = !strcmp(change, "removed");
	enum colour colour = added ? COLOUR_GOOD : removed ? COLOUR_BAD : COLOUR_DOUBT;
	char text[BACKEND_TEXT_MAX];

	printf("  %s%c %-*s%s ", colour_begin(colour, l->colours),
	       added	 ? '+'
	       : removed ? '-'
			 : '~',
	       WIDTH - 2, text_at(b, "name"), colour_end(colour, l->colours));
	if (added || removed)
		fputs(print_backend_config(json_object_get(b, "is"), text), stdout);
	else
		print_changed(b);
	print_finishing(b);
	printf("%s\n", undone(b));
}

static double percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

static void print_slots(const json_t *slots)
{
	uint64_t size = number_at(slots, "size"), moved = number_at(slots, "moved");
	uint64_t at_once = number_at(slots, "at_once");
	double redirected = json_number_value(json_object_get(slots, "redirected"));

	printf("  %-*s %" PRIu64 " of %" PRIu64 " move, %.1f %%; the least possible is %" PRIu64
	       "\n",
	       WIDTH, "slots", moved, size, percent((double)moved, (double)size),
	       number_at(slots, "minimum"));
	if (at_once != moved)
		printf("  %-*s %" PRIu64 " until what is new has passed its first check\n", WIDTH,
		       "", at_once);
	printf("  %-*s %.1f %% of new connections go to another backend%s\n", WIDTH, "clients",
	       100 * redirected,
	       true_at(slots, "redrawn") ? ": the hash or the seed is another" : "");
}

static void print_connections(const json_t *c)
{
	printf("  %-*s %" PRIu64 " now; %" PRIu64 " finish on what goes, %" PRIu64
	       " are reset, %" PRIu64 " get a deadline\n",
	       WIDTH, "connections", number_at(c, "active"), number_at(c, "finishing"),
	       number_at(c, "reset"), number_at(c, "deadlined"));
}

static void print_service(const struct lbctl *l, const json_t *s)
{
	const char *change = text_at(s, "change");
	bool changed = !strcmp(change, "changed");
	const json_t *backend;
	size_t i;

	printf("service %s%s%s\n", text_at(s, "name"), changed ? "" : " is ",
	       changed ? "" : change);
	print_settings(json_object_get(s, "settings"), "  ");
	if (!changed)
		printf("  %-*s %" PRIu64 "\n", WIDTH, "backends", number_at(s, "total"));
	json_array_foreach(json_object_get(s, "backends"), i, backend)
		print_backend(l, backend);
	if (given_at(s, "slots"))
		print_slots(json_object_get(s, "slots"));
	if (strcmp(change, "added") != 0)
		print_connections(json_object_get(s, "connections"));
}

static void print_plan(const struct lbctl *l, const json_t *plan)
{
	const json_t *settings = json_object_get(plan, "settings"), *s;
	const json_t *services = json_object_get(plan, "services");
	size_t i;

	if (json_array_size(settings) == 0 && json_array_size(services) == 0)
		puts("nothing changes");
	print_settings(settings, "");
	json_array_foreach(services, i, s)
		print_service(l, s);
	if (given_at(plan, "losses"))
		printf("reload will ask for --force: %s\n", text_at(plan, "losses"));
}

/* The file that the daemon was started with; NULL when there is none, or it was not reached. */
static int configured_file(struct lbctl *l, char **ret)
{
	_cleanup_(json_decrefp) json_t *status = NULL;
	int r = ask_quietly(l, "GET", strdup("/v1/status"), NULL, &status);

	if (r != STATUS_DONE)
		return r;
	if (!given_at(status, "config")) {
		complain("lbctl plan FILE", "lb4 was started without a file");
		return STATUS_REFUSED;
	}
	*ret = strdup(text_at(status, "config"));
	return STATUS_DONE;
}

int show_plan(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(freep) char *configured = NULL, *text = NULL;
	const char *name = l->arguments[0], *shown;
	size_t size;
	int r;

	if (!name) {
		r = configured_file(l, &configured);
		if (r != STATUS_DONE)
			return r;
		name = configured;
	}
	shown = strcmp(name, "-") ? name : "(standard input)";
	r = read_file(name, &text, &size);
	if (r == STATUS_DONE)
		r = ask_about_file(l, "/v1/plan", text, size, shown, &answer);
	if (r == STATUS_DONE && !l->options[OPTION_JSON])
		print_plan(l, answer);
	return r;
}

/* What was changed at run time and is no more. */
static void print_dropped(const json_t *services)
{
	const json_t *s, *b;
	size_t i, j;

	json_array_foreach(services, i, s)
		json_array_foreach(json_object_get(s, "backends"), j, b)
			if (given_at(b, "drift"))
				printf("dropped: %s/%s was %s at run time\n", text_at(s, "name"),
				       text_at(b, "name"), text_at(b, "drift"));
}

int reload(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	json_t *body = json_pack("{s:b}", "force", l->options[OPTION_FORCE] != NULL), *c;
	int r = ask(l, "POST", strdup("/v1/reload"), body, &answer);

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	c = json_object_get(answer, "changes");
	printf("reloaded %s: services +%d -%d, backends +%d -%d, %d changed, %llu slots moved\n",
	       text_at(answer, "path"), (int)number_at(c, "services_added"),
	       (int)number_at(c, "services_removed"), (int)number_at(c, "backends_added"),
	       (int)number_at(c, "backends_removed"), (int)number_at(c, "backends_changed"),
	       (unsigned long long)number_at(c, "slots_moved"));
	print_dropped(json_object_get(answer, "services"));
	return r;
}
