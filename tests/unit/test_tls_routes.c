// SPDX-License-Identifier: BSD-2-Clause
/* model/tls_routes: which route a client takes, among a few and among thousands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls_routes.h"

#include "test.h"

#define LIST(...)                                                                                  \
	(char *[])                                                                                 \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}
#define MANY 5000

static struct client_hello hello(const char *sni, const char *alpn)
{
	struct client_hello h = {.alpn = (const uint8_t *)alpn, .alpn_size = strlen(alpn)};

	if (sni) {
		h.has_sni = true;
		assert_null(server_name_read(sni, strlen(sni), h.sni));
	}
	return h;
}

static const struct tls_route_config routes[] = {
	/* 0 */ {.sni = LIST("www.example.org", "example.org"), .target = 10},
	/* 1 */ {.sni = LIST("*.example.org"), .alpn = LIST("h2"), .target = 11},
	/* 2 */ {.sni = LIST("*.example.org", "Mail.Example.NET."), .target = 12},
	/* 3 */ {.sni = LIST("api.example.org"), .alpn = LIST("acme-tls/1", "h2"), .target = 13},
	/* 4 */ {.alpn = LIST("acme-tls/1"), .target = 14},
	/* 5 */ {.sni = LIST("*.a.example.org"), .target = 15},
	/* 6 */ {.alpn = LIST("h2", "h3"), .target = 16},
	/* 7 */ {.sni = LIST("*.org"), .target = 17},
};

#define NONE TLS_ROUTE_NONE

static const struct {
	const char *sni, *alpn;
	uint32_t route;
} cases[] = {
	/* Exact; case and last dot make no difference. */
	{"www.example.org", "", 0},
	{"WWW.EXAMPLE.ORG.", "", 0},
	{"example.org", "\x02h2", 0},
	{"mail.example.net", "", 2},
	/* One label, and no more or less. */
	{"shop.example.org", "", 2},
	{"shop.example.org", "\x02h2", 1},
	{"x.y.example.org", "", NONE},
	{"x.a.example.org", "", 5},
	{"a.example.org", "", 2},
	{"example.net", "", NONE},
	{"xmail.example.net", "", NONE},
	{"org", "", NONE},
	{"www.org", "", 7},
	/* Exact before wildcard, also when the wildcard comes first in the file. */
	{"api.example.org", "\x02h2", 3},
	{"api.example.org", "\x08http/1.1\x02h2", 3},
	/* … but only if the protocols fit; and the name before the protocol. */
	{"api.example.org", "\x08http/1.1", 2},
	{"api.example.org",
	 "\x0a"
	 "acme-tls/1",
	 3},
	{"www.example.org",
	 "\x0a"
	 "acme-tls/1",
	 0},
	/* No name that is known, or none: by protocol alone. */
	{"other.example.com",
	 "\x0a"
	 "acme-tls/1",
	 4},
	{NULL,
	 "\x0a"
	 "acme-tls/1",
	 4},
	{NULL, "\x02h3", 6},
	{NULL,
	 "\x02h2\x0a"
	 "acme-tls/1",
	 4},
	{NULL, "\x08http/1.1", NONE},
	{NULL, "", NONE},
	/* A protocol is its bytes: neither case nor a part of it. */
	{NULL, "\x02H2", NONE},
	{NULL, "\x01h", NONE},
	{NULL, "\x03h2x", NONE},
};

static void the_most_precise_name_decides(void **state)
{
	struct tls_routes *r;

	(void)state;
	assert_int_equal(tls_routes_new(routes, ARRAY_SIZE(routes), &r), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client_hello h = hello(cases[i].sni, cases[i].alpn);
		uint32_t found = tls_routes_find(r, &h);

		if (found != cases[i].route)
			fail_msg("case %zu (%s): route %u", i, cases[i].sni, found);
		if (found != NONE)
			assert_int_equal(tls_routes_target(r, found), routes[found].target);
	}
	tls_routes_unref(r);
}

/* All 64 protocols a service may name have a bit. */
static void as_many_protocols_as_allowed(void **state)
{
	static char names[TLS_PROTOCOLS_MAX][8];
	struct tls_route_config many[TLS_PROTOCOLS_MAX];
	char *lists[TLS_PROTOCOLS_MAX][2] = {};
	struct tls_routes *r;

	(void)state;
	for (size_t i = 0; i < TLS_PROTOCOLS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "p%zu", (i * 37) % TLS_PROTOCOLS_MAX);
		lists[i][0] = names[i];
		many[i] = (struct tls_route_config){.alpn = lists[i], .target = (uint32_t)i};
	}
	assert_int_equal(tls_routes_new(many, TLS_PROTOCOLS_MAX, &r), 0);
	for (size_t i = 0; i < TLS_PROTOCOLS_MAX; i++) {
		char wire[16];
		struct client_hello h;

		snprintf(wire, sizeof(wire), "%c%s", (char)strlen(names[i]), names[i]);
		h = hello(NULL, wire);
		assert_int_equal(tls_routes_find(r, &h), i);
	}
	tls_routes_unref(r);
}

/* The same, the slow and plain way. */
static bool name_matches(const char *pattern, const char *name)
{
	const char *dot = strchr(name, '.');

	if (pattern[0] == '*')
		return dot && !strcmp(dot + 1, pattern + 2);
	return !strcmp(pattern, name);
}

static uint32_t find_slowly(char names[][32], size_t n, const char *name)
{
	for (int wildcards = 0; wildcards < 2; wildcards++)
		for (size_t i = 0; i < n; i++)
			if ((names[i][0] == '*') == wildcards && name_matches(names[i], name))
				return (uint32_t)i;
	return NONE;
}

static void thousands_of_names(void **state)
{
	static char names[MANY][32], *lists[MANY][2];
	static struct tls_route_config many[MANY];
	unsigned seed = (unsigned)time(NULL);
	struct tls_routes *r;

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "%sh%d.d%d.test", rand() % 3 ? "" : "*.",
			 rand() % 70, rand() % 70);
		lists[i][0] = names[i];
		many[i] = (struct tls_route_config){.sni = lists[i], .target = (uint32_t)i};
	}
	assert_int_equal(tls_routes_new(many, MANY, &r), 0);
	for (unsigned i = 0; i < 5000; i++) {
		struct client_hello h = hello("x", "");

		snprintf(h.sni, sizeof(h.sni), "%sh%d.d%d.test", rand() % 2 ? "" : "www.",
			 rand() % 70, rand() % 70);
		assert_int_equal(tls_routes_find(r, &h), find_slowly(names, MANY, h.sni));
	}
	tls_routes_unref(r);
}

/* From the file to the route: what the reader makes of names, protocols and services. */
static void a_file_becomes_routes(void **state)
{
	static const char text[] = "services:\n"
				   "  last: {listen: \":1\", backends: {a: \"10.0.0.1:1\"}}\n"
				   "  front:\n"
				   "    listen: \":443\"\n"
				   "    hello: {bytes: 4096, on_error: refuse}\n"
				   "    tls_routes:\n"
				   "      - {sni: [WWW.Example.org., '*.a.test'], service: pool}\n"
				   "      - {sni: b.test, alpn: [h2, http/1.1], service: last}\n"
				   "      - {sni: b.test, service: pool}\n"
				   "      - {alpn: h2, service: pool}\n"
				   "  pool: {backends: {a: \"10.0.0.1:1\"}}\n";
	struct client_hello www = hello("www.example.org", ""), b = hello("b.test", "\x02h2"),
			    b_bare = hello("b.test", "");
	const struct service_config *front;
	struct config_errors errors;
	struct config *c = NULL;
	struct tls_routes *r;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), &c, &errors), 0);
	config_errors_deinit(&errors);
	front = config_find_service(c, "front");
	assert_int_equal(front->n_tls_routes, 4);
	assert_int_equal(front->n_backends, 0);
	assert_int_equal(config_find_service(c, "pool")->n_listen, 0);
	assert_int_equal(front->settings.hello_timeout, 3 * NSEC_PER_SEC);
	assert_int_equal(front->settings.hello_bytes, 4096);
	assert_int_equal(front->settings.hello_on_error, HELLO_ERROR_REFUSE);
	assert_int_equal(tls_routes_new(front->tls_routes, front->n_tls_routes, &r), 0);
	assert_int_equal(tls_routes_target(r, tls_routes_find(r, &www)), 2);
	assert_int_equal(tls_routes_target(r, tls_routes_find(r, &b)), 0);
	assert_int_equal(tls_routes_target(r, tls_routes_find(r, &b_bare)), 2);
	tls_routes_unref(r);
	config_free(c);
}

static void it_is_counted(void **state)
{
	struct client_hello h = hello("example.org", "");
	struct tls_routes *r;

	(void)state;
	assert_int_equal(tls_routes_new(routes, 1, &r), 0);
	tls_routes_unref(tls_routes_ref(r));
	assert_int_equal(tls_routes_find(r, &h), 0);
	assert_null(tls_routes_unref(r));
	assert_null(tls_routes_ref(NULL));
	assert_null(tls_routes_unref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_precise_name_decides),
		cmocka_unit_test(as_many_protocols_as_allowed),
		cmocka_unit_test(thousands_of_names),
		cmocka_unit_test(a_file_becomes_routes),
		cmocka_unit_test(it_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
