// SPDX-License-Identifier: BSD-2-Clause
/* Verbs that show the daemon, its services, backends and connections. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "columns.h"
#include "lbctl.h"
#include "text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* "2 of 3 up", and how many of them may be chosen when that is another number (some are drained, or
 * kept in by the brake): what is down stands out. */
static void print_up(const struct lbctl *l, const char *heading, const json_t *counts)
{
	uint64_t up = number_at(counts, "up"), total = number_at(counts, "total");
	uint64_t eligible = number_at(counts, "eligible");
	enum colour colour = up == total ? COLOUR_GOOD : COLOUR_BAD;

	printf("%-13s%s%" PRIu64 " of %" PRIu64 " up%s", heading, colour_begin(colour, l->colours),
	       up, total, colour_end(colour, l->colours));
	if (given_at(counts, "eligible") && eligible != up)
		printf(", %s%" PRIu64 " eligible%s", colour_begin(COLOUR_DOUBT, l->colours),
		       eligible, colour_end(COLOUR_DOUBT, l->colours));
	putchar('\n');
}

static void print_brakes(const struct lbctl *l, const json_t *brake)
{
	const json_t *name;
	size_t i;

	if (json_array_size(brake) == 0)
		return;
	printf("%-13s%smore have failed than max_eject allows:", "brake",
	       colour_begin(COLOUR_BAD, l->colours));
	json_array_foreach(brake, i, name)
		printf(" %s", json_string_value(name));
	printf("%s\n", colour_end(COLOUR_BAD, l->colours));
}

static void print_on_backups(const struct lbctl *l, const json_t *services)
{
	const json_t *name;
	size_t i;

	if (json_array_size(services) == 0)
		return;
	printf("%-13s%sin use, for no other backend is eligible:", "backups",
	       colour_begin(COLOUR_DOUBT, l->colours));
	json_array_foreach(services, i, name)
		printf(" %s", json_string_value(name));
	printf("%s\n", colour_end(COLOUR_DOUBT, l->colours));
}

/* Counters of what should not happen, when it has. */
static void print_trouble(const struct lbctl *l, json_t *trouble)
{
	const char *name, *begin = colour_begin(COLOUR_DOUBT, l->colours);
	json_t *value;

	json_object_foreach(trouble, name, value)
		if (json_integer_value(value))
			printf("%-13s%s%s: %lld%s\n", "trouble", begin, name,
			       (long long)json_integer_value(value),
			       colour_end(COLOUR_DOUBT, l->colours));
}

/* How full lb4 is: connections, and the descriptors that those not parked take. */
static void print_connections(const json_t *a)
{
	const json_t *descriptors = json_object_get(a, "descriptors");

	printf("%-13s%" PRIu64 " of %" PRIu64, "connections", number_at(a, "active"),
	       number_at(a, "max_connections"));
	if (number_at(a, "parked"))
		printf(", %" PRIu64 " parked", number_at(a, "parked"));
	putchar('\n');
	if (given_at(descriptors, "used"))
		printf("%-13s%" PRIu64 " of %" PRIu64 "\n", "descriptors",
		       number_at(descriptors, "used"), number_at(descriptors, "limit"));
}

/* Against the ceiling as the file has it, in whole units of 1024. */
static void print_memory(const json_t *a)
{
	uint64_t most = number_at(a, "max_memory");
	char text[32];

	if (most)
		printf("%-13s%" PRIu64 "M of %s\n", "memory",
		       (number_at(a, "memory") + (1 << 20) - 1) >> 20,
		       text_print_size(most, text, sizeof(text)));
}

static void print_state_file(const struct lbctl *l, const json_t *file)
{
	const char *path = given_at(file, "path") ? text_at(file, "path") : "none";

	if (given_at(file, "error"))
		printf("%-13s%s: %s%s%s\n", "state file", path,
		       colour_begin(COLOUR_BAD, l->colours), text_at(file, "error"),
		       colour_end(COLOUR_BAD, l->colours));
	else
		printf("%-13s%s\n", "state file", path);
}

int show_status(struct lbctl *l)
{
	_cleanup_(json_decrefp) json_t *a = NULL;
	char text[UNITS_TEXT_MAX];
	int r = ask(l, "GET", strdup("/v1/status"), NULL, &a);

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	printf("lb4 %s, pid %" PRIu64 ", up %s, workers %" PRIu64 "\n", text_at(a, "version"),
	       number_at(a, "pid"), print_ms(number_at(a, "uptime_ms"), text),
	       number_at(a, "workers"));
	printf("%-13s%s", "config", given_at(a, "config") ? text_at(a, "config") : "none");
	if (number_at(a, "drift"))
		printf(" (backends changed at run time: %" PRIu64 "; lbctl drift)",
		       number_at(a, "drift"));
	putchar('\n');
	print_connections(a);
	print_memory(a);
	if (given_at(a, "fastpath"))
		print_fastpath(l, json_object_get(a, "fastpath"));
	print_up(l, "services", json_object_get(a, "services"));
	print_up(l, "backends", json_object_get(a, "backends"));
	print_brakes(l, json_object_get(a, "brake"));
	print_on_backups(l, json_object_get(a, "on_backups"));
	if (given_at(a, "state_file"))
		print_state_file(l, json_object_get(a, "state_file"));
	if (given_at(a, "reload_error"))
		printf("%-13s%sfailed: %s%s\n", "last reload", colour_begin(COLOUR_BAD, l->colours),
		       text_at(a, "reload_error"), colour_end(COLOUR_BAD, l->colours));
	print_trouble(l, json_object_get(a, "trouble"));
	if (true_at(a, "stopping"))
		printf("%-13s%sin %s at the latest%s\n", "stops",
		       colour_begin(COLOUR_DOUBT, l->colours),
		       print_ms(number_at(a, "stop_in_ms"), text),
		       colour_end(COLOUR_DOUBT, l->colours));
	return r;
}

/* The first of a service's addresses, and how many more. */
static void add_listen(struct columns *c, const json_t *listen)
{
	const char *first = json_string_value(json_array_get(listen, 0));
	size_t n = json_array_size(listen);

	if (n > 1)
		columns_add(c, COLOUR_NONE, "%s +%zu", first ? first : "-", n - 1);
	else
		columns_add(c, COLOUR_NONE, "%s", first ? first : "-");
}

static void add_service(struct columns *c, const json_t *s)
{
	const json_t *counts = json_object_get(s, "backends");
	uint64_t up = number_at(counts, "up"), total = number_at(counts, "total");
	size_t n_routes = json_array_size(json_object_get(s, "tls_routes"));
	bool brake = true_at(s, "brake"), nobody = number_at(counts, "eligible") == 0 && total > 0;
	const char *forward = text_at(json_object_get(s, "settings"), "forward");
	uint64_t n_spliced = number_at(s, "accepted") - number_at(s, "forwarded");
	char routes[48] = "", drift[32] = "", spliced[48] = "";
	const struct {
		bool holds;
		const char *text;
	} notes[] = {
		{nobody, "nobody eligible"},
		{brake, "brake"},
		{true_at(s, "on_backups"), "on backups"},
		{true_at(s, "rebuilt"), "rebuilt"},
		{n_routes > 0, routes},
		{number_at(s, "drift") > 0, drift},
		{n_spliced > 0 && strcmp(forward, "splice") != 0, spliced},
	};
	char text[128] = "";
	size_t n = 0;
	char in[UNITS_TEXT_MAX], out[UNITS_TEXT_MAX];

	columns_add(c, COLOUR_NONE, "%s", text_at(s, "name"));
	add_listen(c, json_object_get(s, "listen"));
	columns_add(c, COLOUR_NONE, "%s%s%s", text_at(s, "balance"), given_at(s, "hash") ? "/" : "",
		    text_at(s, "hash"));
	columns_add(c, up == total ? COLOUR_GOOD : COLOUR_BAD, "%" PRIu64 "/%" PRIu64, up, total);
	columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(s, "active"));
	columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(s, "accepted"));
	columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(s, "retries"));
	columns_add(c, COLOUR_NONE, "%s", print_bytes(number_at(s, "bytes_in"), in));
	columns_add(c, COLOUR_NONE, "%s", print_bytes(number_at(s, "bytes_out"), out));
	if (n_routes)
		snprintf(routes, sizeof(routes), "%zu route%s", n_routes, n_routes > 1 ? "s" : "");
	if (number_at(s, "drift"))
		snprintf(drift, sizeof(drift), "drift %" PRIu64, number_at(s, "drift"));
	snprintf(spliced, sizeof(spliced), "%" PRIu64 " spliced", n_spliced);
	for (size_t i = 0; i < N(notes); i++)
		if (notes[i].holds)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "",
					      notes[i].text);
	columns_add(c, brake || nobody ? COLOUR_BAD : COLOUR_DOUBT, "%s", text);
}

static void print_members(json_t *object, int depth)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) {
		_cleanup_(freep) char *text = json_dumps(value, JSON_ENCODE_ANY);

		if (json_is_null(value))
			continue;
		if (json_is_object(value)) {
			printf("%*s%s:\n", 2 * depth, "", name);
			print_members(value, depth + 1);
		} else {
			printf("%*s%-*s %s\n", 2 * depth, "", 24 - 2 * depth, name,
			       json_is_string(value) ? json_string_value(value) : text);
		}
	}
}

/* Reasons that no connection ended for are left out. */
static void print_ended(json_t *ended)
{
	const char *name;
	json_t *value;
	bool any = false;

	json_object_foreach(ended, name, value) {
		if (!json_integer_value(value))
			continue;
		printf("%s  %-22s %lld\n", any ? "" : "ended:\n", name,
		       (long long)json_integer_value(value));
		any = true;
	}
}

/* "a.example.org, b.example.org", or "any" */
static void add_texts(struct columns *c, const json_t *list)
{
	char buffer[1024] = "any";
	const json_t *text;
	size_t i, n = 0;

	json_array_foreach(list, i, text)
		if (n < sizeof(buffer))
			n += (size_t)snprintf(buffer + n, sizeof(buffer) - n, "%s%s", i ? ", " : "",
					      json_string_value(text));
	columns_add(c, COLOUR_NONE, "%s%s", buffer, n >= sizeof(buffer) ? "…" : "");
}

static void print_routes(const struct lbctl *l, const json_t *s)
{
	static const struct column columns[] = {{"ROUTE", true}, {"SNI"}, {"ALPN"}, {"SERVICE"}};
	const json_t *list = json_object_get(s, "tls_routes"), *route;
	struct columns *c;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	printf("hello:\n");
	print_members(json_object_get(s, "hello"), 1);
	printf("routed %" PRIu64 " of %" PRIu64 " accepted:\n", number_at(s, "routed"),
	       number_at(s, "accepted"));
	c = columns_new(columns, N(columns), l->colours);
	json_array_foreach(list, i, route) {
		columns_add(c, COLOUR_NONE, "%zu", i + 1);
		add_texts(c, json_object_get(route, "sni"));
		add_texts(c, json_object_get(route, "alpn"));
		columns_add(c, COLOUR_NONE, "%s", text_at(route, "service"));
	}
	columns_print(c, stdout);
	columns_free(c);
}

/* One service in full. */
static void print_service(const struct lbctl *l, const json_t *s)
{
	const json_t *listen = json_object_get(s, "listen"), *address;
	size_t i;

	fputs(json_array_size(listen) ? "\nlisten:\n" : "\nlisten: reached by tls_routes\n",
	      stdout);
	json_array_foreach(listen, i, address)
		printf("  %s\n", json_string_value(address));
	print_routes(l, s);
	puts("settings:");
	print_members(json_object_get(s, "settings"), 1);
	puts("check:");
	print_members(json_object_get(s, "check"), 1);
	puts("held:");
	print_members(json_object_get(s, "held"), 1);
	printf("  %-22s %" PRIu64 "\n", "spilled, ever", number_at(s, "spilled"));
	printf("  %-22s %" PRIu64 "\n", "queued, ever", number_at(s, "queued"));
	print_ended(json_object_get(s, "ended"));
}

int show_services(struct lbctl *l)
{
	static const struct column columns[] = {
		{"SERVICE"},	  {"LISTEN"},	      {"BALANCE"},	 {"UP", true},
		{"ACTIVE", true}, {"ACCEPTED", true}, {"RETRIES", true}, {"IN", true},
		{"OUT", true},	  {"NOTES"},
	};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	char *path = path_query(l, strdup("/v1/services"), "service", l->arguments[0]);
	int r = ask(l, "GET", path, NULL, &answer);
	const json_t *list, *s;
	struct columns *c;
	size_t i;

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	list = json_object_get(answer, "services");
	c = columns_new(columns, N(columns), l->colours);
	json_array_foreach(list, i, s)
		add_service(c, s);
	columns_print(c, stdout);
	columns_free(c);
	if (l->arguments[0] && json_array_size(list) == 1)
		print_service(l, json_array_get(list, 0));
	return r;
}

/* What an operator set comes first, then what health says. */
static void add_state(struct columns *c, const json_t *b)
{
	const char *admin = text_at(b, "admin"), *state = text_at(b, "state");
	enum colour colour = COLOUR_DOUBT; /* unknown */
	bool down = !strcmp(state, "down");

	if (down)
		colour = COLOUR_BAD;
	else if (!strcmp(state, "up"))
		colour = COLOUR_GOOD;
	if (strcmp(admin, "enabled") != 0)
		columns_add(c, COLOUR_DOUBT, "%s%s", admin, down ? ", down" : "");
	else if (given_at(b, "slow_start_percent"))
		columns_add(c, colour, "%s, slow start %" PRIu64 "%%", state,
			    number_at(b, "slow_start_percent"));
	else
		columns_add(c, colour, "%s", true_at(b, "braked") ? "braked" : state);
}

/* For so long the last error of a backend that is up is worth a note: it may be flapping. */
#define RECENT_MS (60 * 60 * 1000)

/* How it differs from the file. */
static void print_drift(const json_t *drift, char *buffer, size_t size)
{
	const json_t *setting;
	size_t i, n = 0;

	if (!strcmp(text_at(drift, "kind"), "added"))
		snprintf(buffer, size, "added at run time; ");
	json_array_foreach(json_object_get(drift, "settings"), i, setting)
		if (n < size)
			n += (size_t)snprintf(buffer + n, size - n, "%s %s in the file; ",
					      text_at(setting, "key"), text_at(setting, "file"));
}

/* All that is out of the ordinary. */
static void add_notes(struct columns *c, const json_t *b)
{
	char notes[512] = "", text[UNITS_TEXT_MAX];
	size_t n = 0;

	if (given_at(b, "why") && n < sizeof(notes))
		n += (size_t)snprintf(notes + n, sizeof(notes) - n, "%s: %s; ", text_at(b, "why"),
				      given_at(b, "last_error") ? text_at(b, "last_error")
								: "no result yet");
	else if (given_at(b, "last_error") && number_at(b, "last_error_ms") < RECENT_MS)
		n += (size_t)snprintf(notes + n, sizeof(notes) - n, "%s ago: %s; ",
				      print_ms(number_at(b, "last_error_ms"), text),
				      text_at(b, "last_error"));
	if (given_at(b, "why") && given_at(b, "check_address") && n < sizeof(notes) &&
	    strcmp(text_at(b, "check_address"), text_at(b, "address")) != 0)
		n += (size_t)snprintf(notes + n, sizeof(notes) - n, "checked at %s; ",
				      text_at(b, "check_address"));
	if (number_at(b, "max_connections") && n < sizeof(notes) &&
	    number_at(b, "in_use") >= number_at(b, "max_connections"))
		n += (size_t)snprintf(notes + n, sizeof(notes) - n,
				      "full: max_connections %" PRIu64 "; ",
				      number_at(b, "max_connections"));
	if (number_at(b, "held_for_ms") && n < sizeof(notes))
		n += (size_t)snprintf(notes + n, sizeof(notes) - n, "held for %s; ",
				      print_ms(number_at(b, "held_for_ms"), text));
	if (given_at(b, "drain_left_ms") && n < sizeof(notes))
		n += (size_t)snprintf(notes + n, sizeof(notes) - n, "connections reset in %s; ",
				      print_ms(number_at(b, "drain_left_ms"), text));
	if (true_at(b, "backup") && n < sizeof(notes))
		n += (size_t)snprintf(notes + n, sizeof(notes) - n, "backup%s; ",
				      true_at(b, "eligible") ? ", in use" : "");
	if (given_at(b, "drift") && n < sizeof(notes))
		print_drift(json_object_get(b, "drift"), notes + n, sizeof(notes) - n);
	n = strlen(notes);
	if (n >= 2 && !strcmp(notes + n - 2, "; "))
		notes[n - 2] = '\0';
	columns_add(c, COLOUR_NONE, "%s", notes);
}

/* A time that may not have been measured yet. */
static void add_us(struct columns *c, const json_t *b, const char *name)
{
	char text[UNITS_TEXT_MAX];

	columns_add(c, COLOUR_NONE, "%s",
		    given_at(b, name) ? print_us(number_at(b, name), text) : "-");
}

static void add_backend_row(struct columns *c, const json_t *b)
{
	uint64_t failed = number_at(b, "connect_failures") + number_at(b, "instant_resets");
	char text[UNITS_TEXT_MAX];

	columns_add(c, COLOUR_NONE, "%s", text_at(b, "service"));
	columns_add(c, COLOUR_NONE, "%s", text_at(b, "name"));
	columns_add(c, COLOUR_NONE, "%s", text_at(b, "address"));
	add_state(c, b);
	columns_add(c, COLOUR_NONE, "%s", print_ms(number_at(b, "since_ms"), text));
	columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(b, "weight"));
	columns_add(c, COLOUR_NONE, "%.1f%%", 100 * json_number_value(json_object_get(b, "share")));
	columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(b, "active"));
	columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(b, "connections"));
	columns_add(c, failed ? COLOUR_DOUBT : COLOUR_NONE, "%" PRIu64, failed);
	columns_add(c, COLOUR_NONE, "%s", print_bytes(number_at(b, "bytes_in"), text));
	columns_add(c, COLOUR_NONE, "%s", print_bytes(number_at(b, "bytes_out"), text));
	add_us(c, b, "connect_us");
	add_us(c, b, "check_latency_us");
	add_notes(c, b);
}

int show_backends(struct lbctl *l)
{
	static const struct column columns[] = {
		{"SERVICE"},	   {"BACKEND"},	     {"ADDRESS"},     {"STATE"},
		{"SINCE", true},   {"WEIGHT", true}, {"SHARE", true}, {"ACTIVE", true},
		{"BEGUN", true},   {"FAILED", true}, {"IN", true},    {"OUT", true},
		{"CONNECT", true}, {"CHECK", true},  {"NOTES"},
	};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	char *path = path_query(l, strdup("/v1/backends"), "service", l->arguments[0]);
	int r = ask(l, "GET", path, NULL, &answer);
	char removed[BACKEND_TEXT_MAX];
	const json_t *b;
	struct columns *c;
	size_t i;

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	c = columns_new(columns, N(columns), l->colours);
	json_array_foreach(json_object_get(answer, "backends"), i, b)
		add_backend_row(c, b);
	columns_print(c, stdout);
	columns_free(c);
	json_array_foreach(json_object_get(answer, "removed"), i, b)
		printf("removed at run time: %s/%s (%s)\n", text_at(b, "service"),
		       text_at(b, "name"),
		       print_backend_config(json_object_get(b, "file"), removed));
	return r;
}

static void add_connection(struct columns *c, const json_t *o)
{
	static const char *const texts[] = {"state",  "service", "backend",
					    "client", "local",	 "server"};
	char text[UNITS_TEXT_MAX];

	columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(o, "id"));
	for (size_t i = 0; i < N(texts); i++)
		columns_add(c, COLOUR_NONE, "%s",
			    given_at(o, texts[i]) ? text_at(o, texts[i]) : "-");
	if (given_at(o, "relay")) {
		columns_add(c, COLOUR_NONE, "%s", text_at(o, "relay"));
		columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(o, "worker"));
	} else {
		columns_add(c, COLOUR_NONE, "%s", text_at(o, "path"));
		columns_add(c, COLOUR_NONE, "-");
	}
	columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(o, "tries"));
	columns_add(c, COLOUR_NONE, "%s", print_ms(number_at(o, "age_ms"), text));
	columns_add(c, COLOUR_NONE, "%s", print_ms(number_at(o, "idle_ms"), text));
	columns_add(c, COLOUR_NONE, "%s", print_bytes(number_at(o, "bytes_in"), text));
	columns_add(c, COLOUR_NONE, "%s", print_bytes(number_at(o, "bytes_out"), text));
}

int show_connections(struct lbctl *l)
{
	static const struct column columns[] = {
		{"ID", true},  {"STATE"},      {"SERVICE"},  {"BACKEND"},      {"CLIENT"},
		{"LOCAL"},     {"SERVER"},     {"RELAY"},    {"WORKER", true}, {"TRIES", true},
		{"AGE", true}, {"IDLE", true}, {"IN", true}, {"OUT", true},
	};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	char *path = path_query(l, strdup("/v1/connections"), "service", l->arguments[0]);
	int r = ask(l, "GET", path_query(l, path, "limit", l->options[OPTION_LIMIT]), NULL,
		    &answer);
	const json_t *list, *o;
	struct columns *c;
	size_t i;

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	list = json_object_get(answer, "connections");
	c = columns_new(columns, N(columns), l->colours);
	json_array_foreach(list, i, o)
		add_connection(c, o);
	columns_print(c, stdout);
	columns_free(c);
	if (json_array_size(list) == number_at(answer, "limit") &&
	    number_at(answer, "active") > json_array_size(list))
		fprintf(stderr,
			"lbctl: shown are %zu of %" PRIu64 " connections\n"
			"  --limit N shows more\n",
			json_array_size(list), number_at(answer, "active"));
	return r;
}

int show_sources(struct lbctl *l)
{
	static const struct column columns[] = {{"SOURCE"}, {"CONNECTIONS", true}};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	char *path = path_query(l, strdup("/v1/sources"), "service", l->arguments[0]);
	int r = ask(l, "GET", path_query(l, path, "limit", l->options[OPTION_LIMIT]), NULL,
		    &answer);
	const json_t *list, *o;
	struct columns *c;
	size_t i;

	if (r != STATUS_DONE || l->options[OPTION_JSON])
		return r;
	list = json_object_get(answer, "sources");
	if (json_array_size(list) == 0)
		fprintf(stderr,
			"lbctl: no connection is counted for its source\n"
			"  where a service has limits: {source: …}, those begun since are\n");
	c = columns_new(columns, N(columns), l->colours);
	json_array_foreach(list, i, o) {
		columns_add(c, COLOUR_NONE, "%s", text_at(o, "source"));
		columns_add(c, COLOUR_NONE, "%" PRIu64, number_at(o, "connections"));
	}
	columns_print(c, stdout);
	columns_free(c);
	return r;
}
