// SPDX-License-Identifier: BSD-2-Clause
/* Verbs that explain the choice: for one connection, and the live table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "columns.h"
#include "lbctl.h"

static void print_candidates(const struct lbctl *l, const json_t *list)
{
	static const struct column columns[] = {{"TRY", true}, {"BACKEND"}, {"ADDRESS"}, {"WHY"}};
	struct columns *c = columns_new(columns, 4, l->colours);
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		columns_add(c, COLOUR_NONE, "%zu", i + 1);
		columns_add(c, i == 0 ? COLOUR_GOOD : COLOUR_NONE, "%s", text_at(o, "name"));
		columns_add(c, COLOUR_NONE, "%s", text_at(o, "address"));
		columns_add(c, COLOUR_NONE, "%s", text_at(o, "reason"));
	}
	columns_print(c, stdout);
	columns_free(c);
}

/* Whose turn it is, of each worker. */
static void print_next(const json_t *next)
{
	const json_t *name;
	size_t i;

	json_array_foreach(next, i, name)
		printf("%s%s", i ? ", " : "next in turn, by worker: ",
		       json_is_string(name) ? json_string_value(name) : "nobody");
	if (i)
		putchar('\n');
}

/* Which way packets go, where the fast path has a say in it. */
static void print_path(const json_t *a)
{
	const json_t *maps = json_object_get(a, "maps"), *flow = json_object_get(a, "flow");
	char age[UNITS_TEXT_MAX], idle[UNITS_TEXT_MAX];

	if (json_is_object(maps) || given_at(a, "path_why"))
		printf("path %s%s%s", text_at(a, "path"), given_at(a, "path_why") ? ": " : "",
		       given_at(a, "path_why") ? text_at(a, "path_why") : "");
	if (json_is_object(maps))
		printf("; in the maps slot %" PRIu64 ", owner %s", number_at(maps, "slot"),
		       given_at(maps, "owner") ? text_at(maps, "owner") : "none");
	if (given_at(maps, "state"))
		printf(", %s%s%s", text_at(maps, "state"),
		       given_at(maps, "previous") ? ", previous owner " : "",
		       given_at(maps, "previous") ? text_at(maps, "previous") : "");
	if (json_is_object(maps) || given_at(a, "path_why"))
		putchar('\n');
	if (!json_is_object(flow))
		return;
	printf("flow there is: to %s",
	       given_at(flow, "backend") ? text_at(flow, "backend") : "(gone)");
	if (given_at(flow, "source"))
		printf(" from %s", text_at(flow, "source"));
	printf(", %s", text_at(flow, "state"));
	if (given_at(flow, "age_ms"))
		printf(", age %s", print_ms(number_at(flow, "age_ms"), age));
	printf(", idle %s\n", print_ms(number_at(flow, "idle_ms"), idle));
}

int show_explain(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *a = NULL;
	char *path = path_query(l, strdup("/v1/explain"), "service", l->arguments[0]);
	const json_t *note, *moved;
	size_t i;
	int r;

	path = path_query(l, path, "client", l->arguments[1]);
	path = path_query(l, path, "local", l->options[OPTION_LOCAL]);
	path = path_query(l, path, "sni", l->options[OPTION_SNI]);
	path = path_query(l, path, "alpn", l->options[OPTION_ALPN]);
	r = ask(l, "GET", path, NULL, &a);
	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	printf("%s from %s to %s: ", text_at(a, "service"), text_at(a, "client"),
	       text_at(a, "local"));
	if (given_at(a, "refused"))
		printf("%srefused (%s)%s\n", colour_begin(COLOUR_BAD, l->colours),
		       text_at(a, "refused"), colour_end(COLOUR_BAD, l->colours));
	else if (given_at(a, "backend"))
		printf("backend %s\n", text_at(a, "backend"));
	else if (json_array_size(json_object_get(a, "candidates")))
		puts("who comes first below, or an equal one");
	else
		printf("%sno backend may be chosen%s\n", colour_begin(COLOUR_BAD, l->colours),
		       colour_end(COLOUR_BAD, l->colours));
	if (given_at(a, "hash"))
		printf("hash (%s) %s, slot %" PRIu64 ", owner %s\n", text_at(a, "hash_by"),
		       text_at(a, "hash"), number_at(a, "slot"),
		       given_at(a, "owner") ? text_at(a, "owner") : "none");
	print_path(a);
	print_next(json_object_get(a, "next"));
	moved = json_object_get(a, "moved");
	if (json_is_object(moved))
		printf("moved from %s: %s\n", text_at(a, "owner"), text_at(moved, "why"));
	json_array_foreach(json_object_get(a, "notes"), i, note)
		printf("note: %s\n", json_string_value(note));
	if (json_array_size(json_object_get(a, "candidates"))) {
		putchar('\n');
		print_candidates(l, json_object_get(a, "candidates"));
	}
	return r;
}

struct owner {
	const char *name; /* NULL: nobody */
	size_t n_slots;
};

static int compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x ? *x : "", *y ? *y : "");
}

static int compare_owners(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	if (x->n_slots != y->n_slots)
		return x->n_slots < y->n_slots ? 1 : -1;
	return strcmp(x->name ? x->name : "", y->name ? y->name : "");
}

/* Turns the sorted `names` into owners, in place of a table with an entry a slot. */
static size_t count_owners(const char **names, size_t n_names, struct owner *owners)
{
	size_t n = 0;

	for (size_t i = 0; i < n_names; i++) {
		if (n == 0 || compare_names(&names[i], &owners[n - 1].name))
			owners[n++] = (struct owner){.name = names[i]};
		owners[n - 1].n_slots++;
	}
	return n;
}

static void print_owners(const struct lbctl *l, struct owner *owners, size_t n, size_t n_slots)
{
	static const struct column columns[] = {{"BACKEND"}, {"SLOTS", true}, {"SHARE", true}};
	struct columns *c = columns_new(columns, 3, l->colours);

	qsort(owners, n, sizeof(*owners), compare_owners);
	for (size_t i = 0; i < n; i++) {
		columns_add(c, owners[i].name ? COLOUR_NONE : COLOUR_BAD, "%s",
			    owners[i].name ? owners[i].name : "(nobody)");
		columns_add(c, COLOUR_NONE, "%zu", owners[i].n_slots);
		columns_add(c, COLOUR_NONE, "%.2f%%",
			    100 * (double)owners[i].n_slots / (double)n_slots);
	}
	columns_print(c, stdout);
	columns_free(c);
}

int show_table(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(freep) const char **names = NULL;
	_cleanup_(freep) struct owner *owners = NULL;
	char *path = path_query(l, strdup("/v1/table"), "service", l->arguments[0]);
	int r = ask(l, "GET", path, NULL, &answer);
	const json_t *slots;
	size_t n;

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	slots = json_object_get(answer, "slots");
	n = json_array_size(slots);
	names = calloc(n + 1, sizeof(*names));
	owners = calloc(n + 1, sizeof(*owners));
	if (!names || !owners) {
		complain(NULL, "out of memory");
		return STATUS_REFUSED;
	}
	for (size_t i = 0; i < n; i++)
		names[i] = json_string_value(json_array_get(slots, i));
	qsort(names, n, sizeof(*names), compare_names);
	printf("%s: %zu slots\n", text_at(answer, "service"), n);
	print_owners(l, owners, count_owners(names, n, owners), n);
	return r;
}
