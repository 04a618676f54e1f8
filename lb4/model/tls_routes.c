// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "tls_routes.h"

/* One way to a route. */
struct entry {
	char *name; /* of a wildcard, what follows "*."; NULL: any name, or none */
	bool wildcard;
	uint32_t route;
	uint64_t protocols; /* any of these must be offered; 0: nothing is asked */
};

struct tls_routes {
	_Atomic uint32_t refs;
	uint32_t *targets;     /* one a route */
	struct entry *entries; /* without a name first; of a name, exact first; then by route */
	size_t n_entries, n_unnamed;
	char *protocols[TLS_PROTOCOLS_MAX]; /* sorted; bit i of a set stands for the i-th */
	size_t n_protocols;
};

static struct tls_routes *routes_free(struct tls_routes *r)
{
	for (size_t i = 0; i < r->n_entries; i++)
		free(r->entries[i].name);
	for (size_t i = 0; i < r->n_protocols; i++)
		free(r->protocols[i]);
	free(r->entries);
	free(r->targets);
	free(r);
	return NULL;
}

struct tls_routes *tls_routes_ref(struct tls_routes *r)
{
	if (r)
		atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

struct tls_routes *tls_routes_unref(struct tls_routes *r)
{
	if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
		routes_free(r);
	return NULL;
}

/* Where `name` stands among the protocols, or the place before which it would. */
static size_t protocol_place(const struct tls_routes *r, const void *name, size_t length,
			     bool *ret_found)
{
	size_t from = 0, to = r->n_protocols;

	*ret_found = false;
	while (from < to && !*ret_found) {
		size_t middle = from + (to - from) / 2, other = strlen(r->protocols[middle]);
		int order = memcmp(name, r->protocols[middle], length < other ? length : other);

		if (order == 0 && length == other) {
			*ret_found = true;
			return middle;
		}
		if (order > 0 || (order == 0 && length > other))
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static int add_protocol(struct tls_routes *r, const char *name)
{
	bool known;
	size_t at = protocol_place(r, name, strlen(name), &known);
	char *copy;

	if (known)
		return 0;
	assert(r->n_protocols < TLS_PROTOCOLS_MAX);
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	memmove(&r->protocols[at + 1], &r->protocols[at],
		(r->n_protocols - at) * sizeof(r->protocols[0]));
	r->protocols[at] = copy;
	r->n_protocols++;
	return 0;
}

static uint64_t protocol_bit(const struct tls_routes *r, const void *name, size_t length)
{
	bool known;
	size_t at = protocol_place(r, name, length, &known);

	return known ? UINT64_C(1) << at : 0;
}

/* `name` is NULL for a route that asks for none. */
static int add_entry(struct tls_routes *r, const struct tls_route_config *route, uint32_t index,
		     const char *name)
{
	struct entry *e = &r->entries[r->n_entries];
	char plain[SERVER_NAME_MAX + 1];

	*e = (struct entry){.route = index};
	for (char *const *p = route->alpn; p && *p; p++)
		e->protocols |= protocol_bit(r, *p, strlen(*p));
	if (name) {
		e->wildcard = name[0] == '*';
		name += e->wildcard ? 2 : 0;
		if (server_name_read(name, strlen(name), plain))
			assert(!"a name of a checked configuration");
		e->name = strdup(plain);
		if (!e->name)
			return -ENOMEM;
	}
	r->n_unnamed += !name;
	r->n_entries++;
	return 0;
}

static int compare_names(const char *a, bool a_wildcard, const char *b, bool b_wildcard)
{
	int order = strcmp(a, b);

	return order ? order : (int)a_wildcard - (int)b_wildcard;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order;

	if (!x->name != !y->name)
		return x->name ? 1 : -1;
	order = x->name ? compare_names(x->name, x->wildcard, y->name, y->wildcard) : 0;
	if (order)
		return order;
	return x->route < y->route ? -1 : x->route > y->route;
}

static size_t count_entries(const struct tls_route_config *routes, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		count += !routes[i].sni;
		for (char *const *name = routes[i].sni; name && *name; name++)
			count++;
	}
	return count;
}

static int fill(struct tls_routes *r, const struct tls_route_config *routes, size_t n)
{
	int error = 0;

	r->entries = calloc(count_entries(routes, n) + 1, sizeof(r->entries[0]));
	r->targets = calloc(n + 1, sizeof(r->targets[0]));
	if (!r->entries || !r->targets)
		return -ENOMEM;
	/* All protocols before the first set of them. */
	for (size_t i = 0; i < n; i++)
		for (char *const *p = routes[i].alpn; p && *p && error >= 0; p++)
			error = add_protocol(r, *p);
	for (size_t i = 0; i < n && error >= 0; i++) {
		r->targets[i] = routes[i].target;
		if (!routes[i].sni)
			error = add_entry(r, &routes[i], (uint32_t)i, NULL);
		for (char *const *name = routes[i].sni; name && *name && error >= 0; name++)
			error = add_entry(r, &routes[i], (uint32_t)i, *name);
	}
	return error;
}

int tls_routes_new(const struct tls_route_config *routes, size_t n, struct tls_routes **ret)
{
	struct tls_routes *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	atomic_init(&r->refs, 1);
	error = fill(r, routes, n);
	if (error < 0) {
		routes_free(r);
		return error;
	}
	qsort(r->entries, r->n_entries, sizeof(r->entries[0]), compare_entries);
	*ret = r;
	return 0;
}

/* The protocols of ours that the client offers. */
static uint64_t offered(const struct tls_routes *r, const struct client_hello *hello)
{
	uint64_t set = 0;

	if (r->n_protocols == 0)
		return 0;
	for (size_t at = 0; at < hello->alpn_size; at += 1 + (size_t)hello->alpn[at])
		set |= protocol_bit(r, &hello->alpn[at + 1], hello->alpn[at]);
	return set;
}

static bool may_take(const struct entry *e, uint64_t protocols)
{
	return e->protocols == 0 || (e->protocols & protocols);
}

/* The first route of that name that takes the protocols. */
static uint32_t find_named(const struct tls_routes *r, const char *name, bool wildcard,
			   uint64_t protocols)
{
	size_t from = r->n_unnamed, to = r->n_entries;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct entry *e = &r->entries[middle];

		if (compare_names(e->name, e->wildcard, name, wildcard) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	for (; from < r->n_entries; from++) {
		const struct entry *e = &r->entries[from];

		if (compare_names(e->name, e->wildcard, name, wildcard) != 0)
			break;
		if (may_take(e, protocols))
			return e->route;
	}
	return TLS_ROUTE_NONE;
}

uint32_t tls_routes_find(const struct tls_routes *r, const struct client_hello *hello)
{
	uint64_t protocols = offered(r, hello);
	uint32_t route = TLS_ROUTE_NONE;
	const char *dot;

	if (hello->has_sni) {
		route = find_named(r, hello->sni, false, protocols);
		dot = strchr(hello->sni, '.');
		if (route == TLS_ROUTE_NONE && dot)
			route = find_named(r, dot + 1, true, protocols);
	}
	for (size_t i = 0; i < r->n_unnamed && route == TLS_ROUTE_NONE; i++)
		if (may_take(&r->entries[i], protocols))
			route = r->entries[i].route;
	return route;
}

uint32_t tls_routes_target(const struct tls_routes *r, uint32_t route)
{
	return r->targets[route];
}
