// SPDX-License-Identifier: BSD-2-Clause
/* What nat and dsr ask of a service and of the file: only packets are there to work with. */
#include <string.h>

#include "config_read.h"

/* What takes more than looking at packets. */
struct extra {
	const char *key;
	bool used;
	const char *why; /* not, after "forward: nat" */
};

#define N_EXTRAS 10

static void list_extras(const struct service_config *service, struct extra ret[N_EXTRAS])
{
	const struct service_settings *s = &service->settings;
	const struct limits_config *l = &s->limits;
	const struct extra extras[N_EXTRAS] = {
		{"balance", s->balance != BALANCE_MAGLEV, "chooses by maglev alone"},
		{"allow", s->allow, "lets everybody in"},
		{"deny", s->deny, "lets everybody in"},
		{"limits", l->connections || l->rate || l->source_connections || l->source_rate,
		 "counts nobody's connections"},
		{"queue", s->queue_length, "lets nobody wait"},
		{"proxy_in", s->proxy_from, "does not read what clients send"},
		{"proxy_out", s->proxy_out != PROXY_NONE, "adds nothing to what clients send"},
		{"source_address", s->source_addresses || s->transparent,
		 "chooses the address by itself"},
		{"tls_routes", service->n_tls_routes, "does not read what clients send"},
		{"lifetime", forward_is_dsr(s->forward) && s->lifetime,
		 "does not know when connections began"},
	};

	memcpy(ret, extras, sizeof(extras));
}

static bool refuse_extras(struct reader *r, const struct reading *reading)
{
	const struct service_config *service = reading->target;
	const char *forward = forward_kind_name(service->settings.forward);
	struct extra extras[N_EXTRAS];
	bool good = true;

	list_extras(service, extras);
	for (size_t i = 0; i < N_EXTRAS; i++) {
		const struct yaml_node *key = find_given(reading, extras[i].key)->key;

		if (!extras[i].used)
			continue;
		faults_add(r->faults, key->line, key->column, "%s: forward: %s %s", extras[i].key,
			   forward, extras[i].why);
		faults_hint(r->faults, "remove %s, or say forward: splice, which can do it",
			    extras[i].key);
		good = false;
	}
	return good;
}

/* Packets are known by the addresses that they are for. */
static bool refuse_listens(struct reader *r, enum forward_kind forward)
{
	char text[ADDRESS_TEXT_MAX];
	bool good = true;

	for (size_t i = r->first_listen; i < r->listens.n; i++) {
		const struct claim *c = &r->listens.items[i];

		if (!address_is_wildcard(&c->address) && !c->address.scope)
			continue;
		faults_add(
			r->faults, c->node->line, c->node->column,
			"listen: \"%s\": forward: %s needs single addresses, without an interface",
			address_print(&c->address, text), forward_kind_name(forward));
		faults_hint(r->faults, "list single addresses of this machine, or say "
				       "forward: splice, which can do it");
		good = false;
	}
	return good;
}

/* Against each address that the service being read listens at; a wildcard was refused. */
static bool refuse_backend(struct reader *r, const struct backend_config *b,
			   const struct yaml_node *n, enum forward_kind forward)
{
	char texts[2][ADDRESS_TEXT_MAX];

	for (size_t i = r->first_listen; i < r->listens.n; i++) {
		const struct address *listen = &r->listens.items[i].address;
		const char *why = forward_unfit(forward, listen, &b->address);

		if (!why)
			continue;
		faults_add(r->faults, n->line, n->column,
			   "backend \"%s\": %s: forward: %s %s, and the service listens at %s",
			   b->name, address_print(&b->address, texts[0]),
			   forward_kind_name(forward), why, address_print(listen, texts[1]));
		faults_hint(r->faults, "give them a service of their own, or say forward: splice, "
				       "which can do it");
		return false;
	}
	return true;
}

static bool refuse_backends(struct reader *r, const struct service_config *service)
{
	enum forward_kind forward = service->settings.forward;
	bool good = true;

	for (size_t i = 0; i < service->n_backends && i < r->backends.n; i++) {
		const struct backend_config *b = &service->backends[i];
		const struct yaml_node *n = r->backends.items[i].node;

		if (b->max_connections) {
			faults_add(r->faults, n->line, n->column,
				   "backend \"%s\": max_connections: forward: %s counts nobody's "
				   "connections",
				   b->name, forward_kind_name(forward));
			faults_hint(r->faults, "remove max_connections, or say forward: splice, "
					       "which can do it");
			good = false;
		}
		good &= refuse_backend(r, b, n, forward);
	}
	return good;
}

bool rule_nat(struct reader *r, const struct reading *reading)
{
	const struct service_config *service = reading->target;
	bool good;

	if (service->settings.forward == FORWARD_SPLICE ||
	    service->settings.forward == FORWARD_AUTO)
		return true;
	r->routes.services[r->routes.n_services - 1].forward =
		find_given(reading, "forward")->value;
	good = refuse_extras(r, reading);
	good &= refuse_listens(r, service->settings.forward);
	good &= refuse_backends(r, service);
	return good;
}

/* What auto comes to where there are interfaces: whether nat takes nothing away. */
static bool can_nat(const struct service_config *service)
{
	struct extra extras[N_EXTRAS];
	bool can = service->n_listen > 0;

	list_extras(service, extras);
	for (size_t i = 0; i < N_EXTRAS; i++)
		can &= !extras[i].used;
	for (size_t i = 0; i < service->n_listen; i++) {
		const struct address *listen = &service->listen[i];

		can &= !address_is_wildcard(listen) && !listen->scope;
		for (size_t j = 0; j < service->n_backends; j++)
			can &= !service->backends[j].max_connections &&
			       !forward_unfit(FORWARD_NAT, listen, &service->backends[j].address);
	}
	return can;
}

static void resolve_auto(struct config *config)
{
	for (size_t i = 0; i < config->n_services; i++) {
		struct service_config *s = &config->services[i];

		if (s->settings.forward == FORWARD_AUTO)
			s->settings.forward =
				config->interfaces && can_nat(s) ? FORWARD_NAT : FORWARD_SPLICE;
	}
}

bool rule_interfaces(struct reader *r, const struct reading *reading)
{
	bool good = true;

	resolve_auto(reading->target);
	/* What broke off may have been meant. */
	if (reading->mapping->open || find_given(reading, "interfaces")->key)
		return true;
	for (size_t i = 0; i < r->routes.n_services; i++) {
		const struct yaml_node *forward = r->routes.services[i].forward;

		if (!forward)
			continue;
		faults_add(r->faults, forward->line, forward->column,
			   "forward: %.*s takes packets at interfaces, and the file names none",
			   (int)forward->length, forward->text);
		faults_hint(r->faults, "add interfaces, such as [eth0], or say forward: splice, "
				       "which can do without");
		good = false;
	}
	return good;
}

bool rule_nat_ports(struct reader *r, const struct reading *reading)
{
	const struct config *config = reading->target;
	const struct given *given = find_given(reading, "nat_ports");
	char quoted[QUOTED_MAX];

	if (!given->good || config->nat_port_high - config->nat_port_low + 1 >= NAT_PORTS_MIN)
		return true;
	faults_add(r->faults, given->value->line, given->value->column,
		   "nat_ports: %s is too few, expected at least %d ports",
		   faults_quote(given->value->text, given->value->length, quoted), NAT_PORTS_MIN);
	faults_hint(r->faults,
		    "each carries one connection to a backend at a time; the default is %s",
		    section_find(reading->section, "nat_ports")->default_text);
	return false;
}
