// SPDX-License-Identifier: BSD-2-Clause
/* Reads the routes of a service, and remembers what the rules about them look at. */
#include <stdlib.h>
#include <string.h>

#include "config_read.h"
#include "config_value.h"
#include "server_name.h"

bool routes_read_init(struct routes_read *routes, size_t n)
{
	routes->services = calloc(n ? n : 1, sizeof(routes->services[0]));
	return routes->services;
}

static void forget_names(struct routes_read *routes)
{
	for (size_t i = 0; i < routes->n_names; i++)
		free(routes->names[i].name);
	routes->n_names = 0;
	routes->n_protocols = 0;
}

void routes_read_deinit(struct routes_read *routes)
{
	forget_names(routes);
	free(routes->services);
	free(routes->marks);
	free(routes->names);
	*routes = (struct routes_read){};
}

void routes_read_service(struct routes_read *routes, const struct yaml_node *key)
{
	forget_names(routes);
	routes->services[routes->n_services++] = (struct service_mark){.key = key};
}

/* Makes room for one more. False, remembered, when memory is short. */
static bool grow(void *items, size_t n, size_t *n_allocated, size_t size, struct faults *faults)
{
	void **p = items, *more;

	if (n < *n_allocated)
		return true;
	more = reallocarray(*p, n ? 2 * n : 16, size);
	if (!more) {
		faults->no_memory = true;
		return false;
	}
	*p = more;
	*n_allocated = n ? 2 * n : 16;
	return true;
}

/* In lower case, without a last dot; a wildcard keeps its "*.". NULL when memory is short. */
static char *plain_name(const char *text)
{
	char name[2 + SERVER_NAME_MAX + 1] = "*.";
	bool wildcard = text && !strncmp(text, "*.", 2);

	if (!text)
		return strdup("");
	if (wildcard)
		text += 2;
	if (server_name_read(text, strlen(text), wildcard ? name + 2 : name))
		return strdup(text); /* refused already */
	return strdup(name);
}

static bool claim_name(struct reader *r, const char *name, uint64_t protocols,
		       const struct yaml_node *node)
{
	struct routes_read *routes = &r->routes;
	char *plain;

	if (!grow(&routes->names, routes->n_names, &routes->n_names_allocated,
		  sizeof(routes->names[0]), r->faults))
		return false;
	plain = plain_name(name);
	if (!plain) {
		r->faults->no_memory = true;
		return false;
	}
	routes->names[routes->n_names++] = (struct name_claim){plain, protocols, node};
	return true;
}

/* The protocols as a set. False when a service has too many different ones. */
static bool number_protocols(struct reader *r, char *const *alpn, const struct yaml_node *node,
			     uint64_t *ret)
{
	struct routes_read *routes = &r->routes;
	uint64_t set = 0;

	for (; alpn && *alpn; alpn++) {
		size_t i = 0;

		while (i < routes->n_protocols && strcmp(routes->protocols[i], *alpn))
			i++;
		if (i == TLS_PROTOCOLS_MAX) {
			faults_add(r->faults, node->line, node->column,
				   "alpn: \"%s\" is one protocol too many, the routes of a service "
				   "may name %d",
				   *alpn, TLS_PROTOCOLS_MAX);
			faults_hint(r->faults, "give some of the routes a service with a listen "
					       "address of its own");
			return false;
		}
		if (i == routes->n_protocols)
			routes->protocols[routes->n_protocols++] = *alpn;
		set |= UINT64_C(1) << i;
	}
	*ret = set;
	return true;
}

static const struct yaml_node *value_of(const struct yaml_node *mapping, const char *key)
{
	yaml_for_each_pair(k, value, mapping) {
		if (!strcmp(k->text, key))
			return value;
	}
	return mapping;
}

/* Remembers what the rules below look at, of a route without a fault. */
static bool note_route(struct reader *r, const struct yaml_node *mapping,
		       struct tls_route_config *route)
{
	const struct yaml_node *names = value_of(mapping, "sni"), *name = names;
	const struct yaml_node *alpn = value_of(mapping, "alpn");
	struct routes_read *routes = &r->routes;
	uint64_t protocols;

	if (!number_protocols(r, route->alpn, alpn, &protocols))
		return false;
	if (!route->sni && !claim_name(r, NULL, protocols, alpn))
		return false;
	if (names->kind == NODE_SEQUENCE)
		name = yaml_first(names);
	for (char *const *text = route->sni; text && *text; text++) {
		if (!claim_name(r, *text, protocols, name))
			return false;
		name = yaml_next(names, name);
	}
	if (!grow(&routes->marks, routes->n_marks, &routes->n_marks_allocated,
		  sizeof(routes->marks[0]), r->faults))
		return false;
	routes->marks[routes->n_marks++] = (struct route_mark){
		.route = route,
		.node = value_of(mapping, "service"),
		.service = routes->n_services - 1,
	};
	return true;
}

static bool read_route(struct reader *r, const struct setting *s, const struct yaml_node *n,
		       struct tls_route_config *route)
{
	const struct yaml_node key = {.text = (char *)s->key, .line = n->line, .column = n->column};

	if (n->kind == NODE_REFUSED)
		return false;
	if (n->kind != NODE_MAPPING) {
		value_refuse_kind(&(struct setting){s->key, SETTING_SECTION}, n, r->faults);
		faults_hint(r->faults, "such as {sni: [www.example.org], service: web}");
		return false;
	}
	if (!read_section(r, s->section, &key, n, route))
		return false;
	if (!route->sni && !route->alpn) {
		faults_add(r->faults, n->line, n->column, "%s: a route needs sni, alpn or both",
			   s->key);
		faults_hint(r->faults, "clients that no route matches go to the service's own "
				       "backends");
		return false;
	}
	return note_route(r, n, route);
}

bool read_tls_routes(struct reader *r, const struct setting *s, const struct yaml_node *n,
		     struct service_config *service)
{
	bool good = true;

	if (n->kind != NODE_SEQUENCE) {
		value_refuse_kind(s, n, r->faults);
		faults_hint(r->faults, "such as [{sni: [www.example.org], service: web}]");
		return false;
	}
	if (yaml_count(n) == 0 && !n->open) {
		faults_add(r->faults, n->line, n->column, "%s: the list is empty", s->key);
		faults_hint(r->faults, "leave the key out");
		return false;
	}
	if (!count_fits(r, s, n))
		return false;
	service->tls_routes = calloc(yaml_count(n), sizeof(service->tls_routes[0]));
	if (!service->tls_routes) {
		r->faults->no_memory = true;
		return false;
	}
	yaml_for_each(entry, n)
		good &= read_route(r, s, entry, &service->tls_routes[service->n_tls_routes++]);
	return good;
}
