// SPDX-License-Identifier: BSD-2-Clause
/* What was changed at run time, and writing that into the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "columns.h"
#include "lbctl.h"

/* One side: all of a backend that only this side has, else what the sides disagree about. */
static void add_side(struct columns *c, const json_t *drift, const char *side)
{
	const json_t *settings = json_object_get(drift, "settings"), *s;
	char text[BACKEND_TEXT_MAX] = "-";
	size_t i;
	int n = 0;

	if (json_array_size(settings) == 0) {
		if (given_at(drift, side))
			print_backend_config(json_object_get(drift, side), text);
		columns_add(c, COLOUR_NONE, "%s", text);
		return;
	}
	json_array_foreach(settings, i, s)
		if (n < BACKEND_TEXT_MAX)
			n += snprintf(text + n, (size_t)(BACKEND_TEXT_MAX - n), "%s%s %s",
				      i ? ", " : "", text_at(s, "key"), text_at(s, side));
	columns_add(c, COLOUR_NONE, "%s", text);
}

static void print_drift(const struct lbctl *l, const json_t *list)
{
	static const struct column columns[] = {
		{"SERVICE"}, {"BACKEND"}, {"DRIFT"}, {"RUNNING"}, {"FILE"},
	};
	struct columns *c = columns_new(columns, sizeof(columns) / sizeof(columns[0]), l->colours);
	const json_t *d;
	size_t i;

	json_array_foreach(list, i, d) {
		columns_add(c, COLOUR_NONE, "%s", text_at(d, "service"));
		columns_add(c, COLOUR_NONE, "%s", text_at(d, "backend"));
		columns_add(c, COLOUR_DOUBT, "%s", text_at(d, "kind"));
		add_side(c, d, "running");
		add_side(c, d, "file");
	}
	columns_print(c, stdout);
	columns_free(c);
}

int show_drift(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	char *path = path_query(l, strdup("/v1/drift"), "service", l->arguments[0]);
	int r = ask(l, "GET", path, NULL, &answer);
	const json_t *list;

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	list = json_object_get(answer, "drift");
	if (json_array_size(list))
		print_drift(l, list);
	else
		printf("no drift: backends run as %s\n",
		       given_at(answer, "path") ? "the file says" : "they were given at the start");
	if (true_at(answer, "file_differs"))
		printf("%s was edited since lb4 read it: lbctl plan shows what that changes\n",
		       text_at(answer, "path"));
	return r;
}

static void print_dry_run(const json_t *answer)
{
	if (number_at(answer, "backends"))
		fputs(text_at(answer, "diff"), stdout);
	else
		puts("nothing to save");
	if (true_at(answer, "file_differs"))
		complain("merge by hand, then reload",
			 "%s was edited since lb4 read it: save would refuse; the lines above are "
			 "against what lb4 read",
			 text_at(answer, "path"));
}

int save(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	bool dry_run = l->options[OPTION_DRY_RUN] != NULL;
	int r = ask(l, "POST", strdup("/v1/save"), json_pack("{s:b}", "dry_run", dry_run), &answer);
	unsigned long long n;

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	n = number_at(answer, "backends");
	if (dry_run)
		print_dry_run(answer);
	else if (n == 0)
		printf("nothing to save: backends run as %s says\n", text_at(answer, "path"));
	else
		printf("saved %s: %llu backend%s\n%s", text_at(answer, "path"), n,
		       n == 1 ? "" : "s", text_at(answer, "diff"));
	return r;
}
