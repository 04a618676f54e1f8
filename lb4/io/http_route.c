// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <string.h>

#include "http_route.h"
#include "text.h"

/* Segments of one level that a hint can list; a table that has more lists the first. */
#define NEIGHBOURS_MAX	 32
#define SEGMENT_TEXT_MAX 40

/* Cuts the next segment off *path, which stands at its '/'; false at the end. */
static bool next_segment(const char **path, struct http_segment *ret)
{
	if (**path != '/')
		return false;
	ret->text = *path + 1;
	ret->length = strcspn(ret->text, "/");
	*path = ret->text + ret->length;
	return true;
}

static bool is_placeholder(const struct http_segment *s)
{
	return s->length && s->text[0] == '{';
}

static bool segment_matches(const struct http_segment *pattern, const struct http_segment *s)
{
	if (is_placeholder(pattern))
		return s->length > 0;
	return pattern->length == s->length && !memcmp(pattern->text, s->text, s->length);
}

/* How many leading segments of `path` the pattern takes, and whether that is all of both. */
static size_t agreement(const char *pattern, const char *path, bool *ret_whole)
{
	struct http_segment p, s;
	size_t n = 0;

	*ret_whole = false;
	for (;; n++) {
		bool more_pattern = next_segment(&pattern, &p);
		bool more_path = next_segment(&path, &s);

		if (!more_pattern && !more_path) {
			*ret_whole = n > 0 && !*path;
			return n;
		}
		if (!more_pattern || !more_path || !segment_matches(&p, &s))
			return n;
	}
}

static bool path_matches(const struct http_route *route, const char *path)
{
	bool whole;

	agreement(route->pattern, path, &whole);
	return whole;
}

static bool method_matches(const struct http_route *route, const char *method)
{
	if (!strcmp(route->method, method))
		return true;
	return !strcmp(route->method, "GET") && !strcmp(method, "HEAD");
}

enum http_route_found http_route_find(const struct http_route *routes, size_t n_routes,
				      const char *method, const char *path,
				      const struct http_route **ret_route,
				      struct http_segment ret_values[HTTP_PLACEHOLDERS_MAX])
{
	enum http_route_found found = HTTP_ROUTE_NO_PATH;

	for (size_t i = 0; i < n_routes; i++) {
		const char *pattern = routes[i].pattern;
		struct http_segment p, s;
		size_t n = 0;

		if (!path_matches(&routes[i], path))
			continue;
		found = HTTP_ROUTE_NO_METHOD;
		if (!method_matches(&routes[i], method))
			continue;
		while (next_segment(&pattern, &p) && next_segment(&path, &s))
			if (is_placeholder(&p))
				ret_values[n++] = s;
		*ret_route = &routes[i];
		return HTTP_ROUTE_FOUND;
	}
	return found;
}

int http_route_placeholder(const struct http_route *route, const char *name)
{
	const char *pattern = route->pattern;
	size_t length = strlen(name);
	struct http_segment p;
	int n = 0;

	while (next_segment(&pattern, &p)) {
		if (!is_placeholder(&p))
			continue;
		if (p.length == length + 2 && !memcmp(p.text + 1, name, length))
			return n;
		n++;
	}
	return -1;
}

/* The segment `depth` of a path or pattern; false when it is shorter. */
static bool segment_at(const char *path, size_t depth, struct http_segment *ret)
{
	for (size_t i = 0; i <= depth; i++)
		if (!next_segment(&path, ret))
			return false;
	return true;
}

struct neighbours {
	char texts[NEIGHBOURS_MAX][SEGMENT_TEXT_MAX];
	const char *words[NEIGHBOURS_MAX + 1]; /* NULL-terminated, for text_nearest() */
	size_t n;
};

static void neighbours_add(struct neighbours *n, const struct http_segment *s)
{
	char text[SEGMENT_TEXT_MAX];

	snprintf(text, sizeof(text), "%.*s", (int)s->length, s->text);
	for (size_t i = 0; i < n->n; i++)
		if (!strcmp(n->texts[i], text))
			return;
	if (n->n == NEIGHBOURS_MAX)
		return;
	memcpy(n->texts[n->n], text, sizeof(text));
	n->words[n->n] = n->texts[n->n];
	n->n++;
}

/* Collects what the routes that agree longest with `path` have next; returns how long that is. */
static size_t collect_neighbours(const struct http_route *routes, size_t n_routes, const char *path,
				 struct neighbours *ret)
{
	struct http_segment next;
	size_t depth = 0, n;
	bool whole;

	for (size_t i = 0; i < n_routes; i++) {
		n = agreement(routes[i].pattern, path, &whole);
		if (n > depth)
			depth = n;
	}
	for (size_t i = 0; i < n_routes; i++) {
		n = agreement(routes[i].pattern, path, &whole);
		if (n == depth && segment_at(routes[i].pattern, depth, &next))
			neighbours_add(ret, &next);
	}
	return depth;
}

static void append(char *buffer, const char *text)
{
	size_t length = strlen(buffer);

	snprintf(buffer + length, HTTP_HINT_MAX - length, "%s", text);
}

/* The word at `depth` that `path` was most likely meant to have, or NULL. */
static const char *meant(const char *path, size_t depth, const struct neighbours *neighbours)
{
	struct http_segment segment;
	char text[SEGMENT_TEXT_MAX];

	if (!segment_at(path, depth, &segment) || segment.length >= sizeof(text))
		return NULL;
	snprintf(text, sizeof(text), "%.*s", (int)segment.length, segment.text);
	return text_nearest(text, neighbours->words);
}

char *http_route_hint(const struct http_route *routes, size_t n_routes, const char *path,
		      char buffer[HTTP_HINT_MAX])
{
	struct neighbours neighbours = {};
	size_t depth = collect_neighbours(routes, n_routes, path, &neighbours);
	const char *word = meant(path, depth, &neighbours);
	struct http_segment last;
	int known = 0; /* length of the part of the path that is right */

	if (depth && segment_at(path, depth - 1, &last))
		known = (int)(last.text + last.length - path);
	buffer[0] = '\0';
	if (word)
		snprintf(buffer, HTTP_HINT_MAX, "did you mean \"%.*s/%s\"? ", known, path, word);
	if (neighbours.n == 0) {
		append(buffer, "nothing lies below this path");
		return buffer;
	}
	snprintf(buffer + strlen(buffer), HTTP_HINT_MAX - strlen(buffer), "%.*s/ has: ", known,
		 path);
	for (size_t i = 0; i < neighbours.n; i++) {
		append(buffer, i ? ", " : "");
		append(buffer, neighbours.words[i]);
	}
	return buffer;
}

char *http_route_methods(const struct http_route *routes, size_t n_routes, const char *path,
			 char buffer[HTTP_HINT_MAX])
{
	buffer[0] = '\0';
	for (size_t i = 0; i < n_routes; i++) {
		if (!path_matches(&routes[i], path))
			continue;
		append(buffer, buffer[0] ? ", " : "");
		append(buffer, routes[i].method);
		if (!strcmp(routes[i].method, "GET"))
			append(buffer, ", HEAD");
	}
	return buffer;
}
