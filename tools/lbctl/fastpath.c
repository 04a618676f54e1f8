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

static void print_interface(const struct lbctl *l, const char *heading, const json_t *interface)
{
	bool attached = given_at(interface, "hook");
	enum colour colour = attached ? COLOUR_NONE : COLOUR_BAD;

	printf("%-13s%s: %s%s%s", heading, text_at(interface, "name"),
	       colour_begin(colour, l->colours),
	       attached ? text_at(interface, "hook") : text_at(interface, "error"),
	       colour_end(colour, l->colours));
	if (attached && given_at(interface, "reason"))
		printf(" (%s)", text_at(interface, "reason"));
	putchar('\n');
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
	json_array_foreach(json_object_get(fastpath, "interfaces"), i, interface)
		print_interface(l, i ? "" : "interfaces", interface);
	if (true_at(fastpath, "captures"))
		printf("%-13spackets are being captured\n", "capture");
}

/* How many ways there are to backends, and the first of those that are lost. */
static void print_ways(const struct lbctl *l, const json_t *ways)
{
	uint64_t known = number_at(ways, "known"), lost = number_at(ways, "lost");
	const json_t *first = json_object_get(ways, "first_lost"), *way;
	size_t i;

	if (known == 0)
		return;
	printf("%-13s%" PRIu64 " known, next hops resolved: %" PRIu64 "\n", "ways", known,
	       number_at(ways, "resolved"));
	json_array_foreach(first, i, way)
		printf("%-13s%s/%s: %s%s%s\n", "", text_at(way, "service"), text_at(way, "backend"),
		       colour_begin(COLOUR_BAD, l->colours), text_at(way, "why"),
		       colour_end(COLOUR_BAD, l->colours));
	if (lost > json_array_size(first))
		printf("%-13sand %" PRIu64 " more\n", "", lost - json_array_size(first));
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
		print_ways(l, json_object_get(shown, "ways"));
		print_packets(json_object_get(shown, "packets"));
	} else {
		printf("%-13snone: the configuration names no interfaces\n", "fast path");
	}
	return STATUS_DONE;
}
