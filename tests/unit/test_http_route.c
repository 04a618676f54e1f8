// SPDX-License-Identifier: BSD-2-Clause
/* io/http_route: routing by table, and hints. */
#include <string.h>

#include "http_route.h"

#include "test.h"

static const struct http_route routes[] = {
	{"GET", "/v1/echo"},
	{"POST", "/v1/echo"},
	{"GET", "/v1/stream"},
	{"POST", "/v1/things/{a}/parts/{b}"},
	{"DELETE", "/v1/things/{a}/parts/{b}"},
	{"POST", "/v1/things/{a}/parts/{b}/drain"},
	{"POST", "/v1/things/{a}/parts/{b}/disable"},
};

static void finds_routes(void **state)
{
	static const struct {
		const char *method, *path;
		enum http_route_found found;
		size_t route;
		const char *a, *b;
	} cases[] = {
		{"GET", "/v1/echo", HTTP_ROUTE_FOUND, 0},
		{"HEAD", "/v1/echo", HTTP_ROUTE_FOUND, 0},
		{"POST", "/v1/echo", HTTP_ROUTE_FOUND, 1},
		{"DELETE", "/v1/things/x/parts/yy", HTTP_ROUTE_FOUND, 4, "x", "yy"},
		{"POST", "/v1/things/x/parts/y/drain", HTTP_ROUTE_FOUND, 5, "x", "y"},
		{"HEAD", "/v1/things/x/parts/y", HTTP_ROUTE_NO_METHOD},
		{"PUT", "/v1/echo", HTTP_ROUTE_NO_METHOD},
		{"get", "/v1/echo", HTTP_ROUTE_NO_METHOD},
		{"GET", "/v1/echo/", HTTP_ROUTE_NO_PATH},
		{"GET", "//v1/echo", HTTP_ROUTE_NO_PATH},
		{"GET", "v1/echo", HTTP_ROUTE_NO_PATH},
		{"GET", "/v1/ech", HTTP_ROUTE_NO_PATH},
		{"GET", "/v1", HTTP_ROUTE_NO_PATH},
		{"GET", "/", HTTP_ROUTE_NO_PATH},
		{"GET", "", HTTP_ROUTE_NO_PATH},
		{"OPTIONS", "*", HTTP_ROUTE_NO_PATH},
		{"DELETE", "/v1/things//parts/y", HTTP_ROUTE_NO_PATH},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_segment values[HTTP_PLACEHOLDERS_MAX] = {};
		const struct http_route *route = NULL;
		enum http_route_found found = http_route_find(
			routes, ARRAY_SIZE(routes), cases[i].method, cases[i].path, &route, values);

		if (found != cases[i].found)
			fail_msg("%s %s", cases[i].method, cases[i].path);
		if (found != HTTP_ROUTE_FOUND)
			continue;
		assert_ptr_equal(route, &routes[cases[i].route]);
		if (!cases[i].a)
			continue;
		assert_int_equal(http_route_placeholder(route, "a"), 0);
		assert_int_equal(http_route_placeholder(route, "b"), 1);
		assert_int_equal(http_route_placeholder(route, "c"), -1);
		assert_int_equal(values[0].length, strlen(cases[i].a));
		assert_memory_equal(values[0].text, cases[i].a, values[0].length);
		assert_int_equal(values[1].length, strlen(cases[i].b));
		assert_memory_equal(values[1].text, cases[i].b, values[1].length);
	}
}

static void hints_at_routes(void **state)
{
	static const struct {
		const char *path, *hint;
	} cases[] = {
		{"/v1/ecko", "did you mean \"/v1/echo\"? /v1/ has: echo, stream, things"},
		{"/v1/zzzzzz", "/v1/ has: echo, stream, things"},
		{"/v1", "/v1/ has: echo, stream, things"},
		{"/", "/ has: v1"},
		{"", "/ has: v1"},
		{"*", "/ has: v1"},
		{"/v2/echo", "did you mean \"/v1\"? / has: v1"},
		{"/v1/echo/more", "nothing lies below this path"},
		{"/v1/things/x", "/v1/things/x/ has: parts"},
		{"/v1/things/x/parts/y/drian", "did you mean \"/v1/things/x/parts/y/drain\"? "
					       "/v1/things/x/parts/y/ has: drain, disable"},
	};
	char hint[HTTP_HINT_MAX], long_path[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(
			http_route_hint(routes, ARRAY_SIZE(routes), cases[i].path, hint),
			cases[i].hint);
	memset(long_path, 'x', sizeof(long_path));
	memcpy(long_path, "/v1/things/", 11);
	long_path[sizeof(long_path) - 1] = '\0';
	http_route_hint(routes, ARRAY_SIZE(routes), long_path, hint);
	assert_int_equal(strlen(hint), HTTP_HINT_MAX - 1);
	assert_string_equal(http_route_methods(routes, ARRAY_SIZE(routes), "/v1/echo", hint),
			    "GET, HEAD, POST");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_routes),
		cmocka_unit_test(hints_at_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
