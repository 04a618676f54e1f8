// SPDX-License-Identifier: BSD-2-Clause
/* The verb that shows the fast path, and switches it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "columns.h"
#include "lbctl.h"

static enum colour state_colour(const char *state)
{
	return !strcmp(state, "on")    ? COLOUR_GOOD
	       : !strcmp(state, "off") ? COLOUR_DOUBT
				       : COLOUR_BAD;
}

void print_fastpath(const struct lbctl *l, const json_t *fastpath)
{
	const char *state = text_at(fastpath, "state");
	const json_t *interface;
	size_t i;

	printf("%-13s%s%s%s", "fast path", colour_begin(state_colour(state), l->colours), state,
	       colour_end(COLOUR_NONE, l->colours));
	if (given_at(fastpath, "error"))
		printf(": %s", text_at(fastpath, "error"));
	else
		printf(", %" PRIu64 " of %" PRIu64 " flows", number_at(fastpath, "flows"),
		       number_at(fastpath, "max_flows"));
	putchar('\n');
	json_array_foreach(json_object_get(fastpath, "interfaces"), i, interface) {
		bool attached = given_at(interface, "hook");

		printf("%-13s%s: %s%s%s\n", i ? "" : "interfaces", text_at(interface, "name"),
		       colour_begin(attached ? COLOUR_NONE : COLOUR_BAD, l->colours),
		       attached ? text_at(interface, "hook") : text_at(interface, "error"),
		       colour_end(attached ? COLOUR_NONE : COLOUR_BAD, l->colours));
	}
}

/* Packets by what became of them, where there are any. */
static void print_packets(json_t *packets)
{
	const char *word, *heading = "packets";
	json_t *value;

	json_object_foreach(packets, word, value) {
		if (json_integer_value(value) == 0)
			continue;
		printf("%-13s%s: %lld\n", heading, word, (long long)json_integer_value(value));
		heading = "";
	}
}

/* Flows that gave their places to others; nothing on a good day. */
static void print_lost(const json_t *fastpath)
{
	if (number_at(fastpath, "replaced") || number_at(fastpath, "untold"))
		printf("%-13sreplaced: %" PRIu64 ", untold: %" PRIu64 "\n", "flows",
		       number_at(fastpath, "replaced"), number_at(fastpath, "untold"));
}

static int switch_fastpath(struct lbctl *l, bool on)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int r = ask(l, "POST", strdup("/v1/fastpath"), json_pack("{s:b}", "on", on), &answer);

	if (r == STATUS_DONE && !l->options[OPTION_JSON])
		printf(on ? "the fast path takes new flows\n"
			  : "the fast path takes no new flows: connections are spliced; flows that "
			    "there "
			    "are go on\n");
	return r;
}

int fastpath(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *status = NULL;
	const char *word = l->arguments[0];
	json_t *shown;
	int r;

	if (word && !strcmp(word, "on"))
		return switch_fastpath(l, true);
	if (word && !strcmp(word, "off"))
		return switch_fastpath(l, false);
	if (word) {
		complain("lbctl fastpath [on|off]", "fastpath is on or off, not \"%s\"", word);
		return STATUS_USAGE;
	}
	r = ask_quietly(l, "GET", strdup("/v1/status"), NULL, &status);
	if (r != STATUS_DONE)
		return r;
	shown = json_object_get(status, "fastpath");
	if (l->options[OPTION_JSON]) {
		_cleanup_(json_decrefp) json_t *o = json_pack("{s:O?}", "fastpath", shown);

		print_json(o);
	} else if (json_is_object(shown)) {
		print_fastpath(l, shown);
		print_lost(shown);
		print_packets(json_object_get(shown, "packets"));
	} else {
		printf("%-13snone: the configuration names no interfaces\n", "fast path");
	}
	return STATUS_DONE;
}
