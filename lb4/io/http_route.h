/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which route of a table a request means, and what to say when it means none. Text in, answer out:
 * no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct http_request;
struct http_response;

#define HTTP_PLACEHOLDERS_MAX 4
#define HTTP_HINT_MAX	      512 /* bytes of a hint, its NUL included */

struct http_route {
	const char *method;	  /* "GET" answers HEAD too */
	const char *pattern;	  /* "/v1/services/{service}": braces take any one segment */
	const char *const *query; /* the parameters it takes, NULL-terminated; NULL: none */
	void (*handle)(void *context, const struct http_request *q, struct http_response *ret);
};

enum http_route_found {
	HTTP_ROUTE_FOUND,
	HTTP_ROUTE_NO_PATH,
	HTTP_ROUTE_NO_METHOD, /* the path is known, with other methods */
};

/* A segment of a path; `text` is not NUL-terminated. */
struct http_segment {
	const char *text;
	size_t length;
};

/*
 * On HTTP_ROUTE_FOUND *ret_route is the route and `ret_values` holds what stood for its
 * placeholders, in order, pointing into `path`.
 */
enum http_route_found http_route_find(const struct http_route *routes, size_t n_routes,
				      const char *method, const char *path,
				      const struct http_route **ret_route,
				      struct http_segment ret_values[HTTP_PLACEHOLDERS_MAX]);

/* The index of a pattern's placeholder {name} among its placeholders, or -1. */
int http_route_placeholder(const struct http_route *route, const char *name);

/* What an unknown path was most likely meant to be, and what there is beside it. */
char *http_route_hint(const struct http_route *routes, size_t n_routes, const char *path,
		      char buffer[HTTP_HINT_MAX]);

/* The methods a known path has, as the Allow header lists them. */
char *http_route_methods(const struct http_route *routes, size_t n_routes, const char *path,
			 char buffer[HTTP_HINT_MAX]);
