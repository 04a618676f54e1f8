// SPDX-License-Identifier: BSD-2-Clause
/* What holds between routes, and between the services that they join. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_read.h"
#include "text.h"

/* By name; equals in the order of the file. */
static int compare_claims(const void *a, const void *b)
{
	const struct name_claim *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->node < y->node ? -1 : x->node > y->node;
}

static void refuse_claim(struct reader *r, const struct name_claim *first,
			 const struct name_claim *c)
{
	char quoted[QUOTED_MAX], line[24] = "";

	if (first->node->line)
		snprintf(line, sizeof(line), " on line %u", first->node->line);
	if (c->name[0])
		faults_add(r->faults, c->node->line, c->node->column,
			   "sni: %s is taken already, by the route%s",
			   faults_quote(c->name, strlen(c->name), quoted), line);
	else
		faults_add(r->faults, c->node->line, c->node->column,
			   "alpn: a protocol is taken already, by the route%s", line);
	faults_hint(r->faults, "the first route that matches takes the client; a second one is for "
			       "other protocols (alpn), or goes");
}

/* A route for a name and protocol that an earlier one takes would never be used. */
static bool rule_names(struct reader *r)
{
	struct routes_read *routes = &r->routes;
	const struct name_claim *first = NULL;
	bool good = true, all = false;
	uint64_t taken = 0;

	if (routes->n_names > 1)
		qsort(routes->names, routes->n_names, sizeof(routes->names[0]), compare_claims);
	for (size_t i = 0; i < routes->n_names; i++) {
		const struct name_claim *c = &routes->names[i];

		if (!first || strcmp(first->name, c->name)) {
			first = c;
			taken = 0;
			all = false;
		} else if (all || (taken & c->protocols)) {
			refuse_claim(r, first, c);
			good = false;
		}
		taken |= c->protocols;
		all |= c->protocols == 0;
	}
	return good;
}

/* What would be read and never be used, because another service's counts. */
static bool refuse_idle(struct reader *r, const struct reading *reading, const char *key,
			const char *why, const char *hint)
{
	const struct given *given = find_given(reading, key);

	if (!given->key || !given->good)
		return true;
	faults_add(r->faults, given->key->line, given->key->column, "%s: %s", key, why);
	faults_hint(r->faults, "%s", hint);
	return false;
}

/* Proxies are met where they connect, backends by the service that has them. */
static bool rule_where(struct reader *r, const struct reading *reading, bool listens,
		       bool has_backends)
{
	const struct service_config *service = reading->target;
	bool good = true;

	if (!listens && service->settings.proxy_from)
		good &= refuse_idle(r, reading, "proxy_in",
				    "no proxy connects to a service without listen",
				    "move it to the service whose tls_routes lead here");
	if (!has_backends && service->settings.proxy_out != PROXY_NONE)
		good &= refuse_idle(r, reading, "proxy_out",
				    "the service has no backends that would get a header",
				    "move it to the services that its tls_routes lead to");
	if (!has_backends && service->settings.source_addresses)
		good &= refuse_idle(r, reading, "source_address",
				    "the service has no backends to connect to",
				    "move it to the services that its tls_routes lead to");
	return good;
}

bool rule_tls_routes(struct reader *r, const struct reading *reading)
{
	const struct service_config *service = reading->target;
	const struct given *routes = find_given(reading, "tls_routes");
	const struct given *hello = find_given(reading, "hello");
	const struct given *backends = find_given(reading, "backends");
	struct service_mark *mark = &r->routes.services[r->routes.n_services - 1];
	bool open = reading->mapping->open, good = rule_names(r);

	mark->needs_listen = !open && !find_given(reading, "listen")->key;
	r->routes.unsure |= routes->key && !routes->good;
	if (hello->key && !routes->key && !open) {
		faults_add(r->faults, hello->key->line, hello->key->column,
			   "hello: only a service with tls_routes waits for a ClientHello");
		faults_hint(r->faults, "add tls_routes, or remove hello");
		good = false;
	}
	if (!open)
		good &= rule_where(r, reading, !mark->needs_listen, backends->key);
	if (backends->key || open)
		return good;
	if (!routes->key)
		return rule_refuse_missing(r, reading->key,
					   section_find(reading->section, "backends"));
	if (service->settings.hello_on_error == HELLO_ERROR_DEFAULT) {
		faults_add(r->faults, hello->key->line, hello->key->column,
			   "on_error: default means the service's own backends, and it has none");
		faults_hint(r->faults, "add backends, or write on_error: refuse");
		good = false;
	}
	return good;
}

static int compare_services(const void *a, const void *b)
{
	return strcmp((*(const struct service_config *const *)a)->name,
		      (*(const struct service_config *const *)b)->name);
}

static const struct service_config *find_target(const struct service_config **sorted, size_t n,
						const char *name)
{
	const struct service_config key = {.name = (char *)name}, *wanted = &key;
	const struct service_config **found =
		n ? bsearch(&wanted, sorted, n, sizeof(sorted[0]), compare_services) : NULL;

	return found ? *found : NULL;
}

static void refuse_unknown(struct reader *r, const struct config *config,
			   const struct route_mark *mark)
{
	_cleanup_(freep) const char **names = NULL;
	char quoted[QUOTED_MAX];
	const char *meant;

	faults_add(r->faults, mark->node->line, mark->node->column,
		   "service: there is no service %s",
		   faults_quote(mark->route->service, strlen(mark->route->service), quoted));
	if (!faults_want_hint(r->faults))
		return; /* too many already */
	names = calloc(config->n_services + 1, sizeof(names[0]));
	for (size_t i = 0; names && i < config->n_services; i++)
		names[i] = config->services[i].name;
	meant = names ? text_nearest(mark->route->service, names) : NULL;
	if (meant)
		faults_hint(r->faults, "did you mean \"%s\"?", meant);
	else
		faults_hint(r->faults,
			    "a route leads to a service of this file; one without listen "
			    "is reached by routes alone");
}

/* Where a route leads: to another service, which has no routes of its own. */
static bool judge_target(struct reader *r, const struct config *config,
			 const struct route_mark *mark, const struct service_config *target)
{
	const struct service_config *owner = &config->services[mark->service];

	if (!target) {
		r->routes.unsure = true; /* one word for a slip of the pen is enough */
		refuse_unknown(r, config, mark);
		return false;
	}
	mark->route->target = (uint32_t)(target - config->services);
	r->routes.services[mark->route->target].routed = true;
	if (target == owner) {
		faults_add(r->faults, mark->node->line, mark->node->column,
			   "service: \"%s\" is the service of the route itself", target->name);
		faults_hint(r->faults, "give its backends a service of their own, without listen");
		return false;
	}
	if (target->n_tls_routes == 0)
		return true;
	faults_add(r->faults, mark->node->line, mark->node->column,
		   "service: \"%s\" has tls_routes of its own", target->name);
	faults_hint(r->faults, "routes lead to services with backends; write those of \"%s\" here",
		    target->name);
	return false;
}

/* A service that nobody reaches. */
static bool rule_reached(struct reader *r)
{
	const struct setting *listen = section_find(&schema_service, "listen");
	bool good = true;

	for (size_t i = 0; i < r->routes.n_services; i++) {
		const struct service_mark *s = &r->routes.services[i];

		if (!s->needs_listen || s->routed || r->routes.unsure)
			continue;
		faults_add(r->faults, s->key->line, s->key->column, "%s: %s", s->key->text,
			   listen->required);
		faults_hint(r->faults, "add listen%s",
			    r->routes.n_marks ? ", or a route to it in tls_routes of another" : "");
		good = false;
	}
	return good;
}

bool rule_targets(struct reader *r, const struct reading *reading)
{
	const struct config *config = reading->target;
	const struct given *services = find_given(reading, "services");
	_cleanup_(freep) const struct service_config **sorted =
		calloc(config->n_services + 1, sizeof(sorted[0]));
	bool good = true;

	/* What broke off may have been meant. */
	if (reading->mapping->open || !services->key || services->value->open)
		return true;
	if (!sorted) {
		r->faults->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < config->n_services; i++)
		sorted[i] = &config->services[i];
	qsort(sorted, config->n_services, sizeof(sorted[0]), compare_services);
	for (size_t i = 0; i < r->routes.n_marks; i++) {
		const struct route_mark *mark = &r->routes.marks[i];

		good &= judge_target(r, config, mark,
				     find_target(sorted, config->n_services, mark->route->service));
	}
	return rule_reached(r) && good;
}
