// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/config: any text is either a configuration, of which every value is what the schema and
 * the rules allow, or a list of faults, each at a place within the text.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "config.h"
#include "config_value.h"
#include "schema.h"
#include "text.h"
#include "tls_routes.h"

#include "fuzz.h"

static bool is_word(const struct setting *s, uint64_t value)
{
	for (const struct word *w = s->words; w && w->text; w++)
		if (w->value == value)
			return true;
	return false;
}

static void check_number(const struct setting *s, const void *target)
{
	uint64_t value = field_load(target, s->into);
	bool listed = false;

	for (const uint32_t *n = s->numbers; n && *n; n++)
		listed |= *n == value;
	if (s->numbers)
		assert(listed || is_word(s, value));
	else if (value != 0 || s->default_text)
		assert((value >= s->min && value <= s->max) || (s->zero && value == 0) ||
		       is_word(s, value)); /* else it was not given */
	assert(!s->step || value % s->step == 0);
}

static void check_text(const struct setting *s, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	if (!text)
		return;
	assert(length >= s->min && length <= s->max);
	assert(!s->refuse || !s->refuse(text));
}

static void check_texts(const struct setting *s, char *const *list)
{
	assert(text_list_length(list) <= s->max);
	for (size_t i = 0; list && list[i]; i++)
		assert(!s->refuse || !s->refuse(list[i]));
}

static void check_section(const struct section *section, const void *target);

static void check_setting(const struct setting *s, const void *target)
{
	const void *into = (const char *)target + s->into.offset;

	switch (s->type) {
	case SETTING_WORD:
		assert(s->into.size == 0 || is_word(s, field_load(target, s->into)));
		break;
	case SETTING_NUMBER:
	case SETTING_DURATION:
	case SETTING_PERCENT:
		check_number(s, target);
		break;
	case SETTING_STATUS:
	case SETTING_PORTS:
		check_number(s, target);
		assert(field_load(target, s->into) <= field_load(target, s->also_into));
		assert(field_load(target, s->also_into) <= s->max);
		break;
	case SETTING_TEXT:
		check_text(s, *(char *const *)into);
		break;
	case SETTING_TEXTS:
		check_texts(s, *(char *const *const *)into);
		break;
	case SETTING_BYTES:
	case SETTING_HEX:
		assert(field_load(target, s->also_into) <= s->max);
		assert(!*(void *const *)into == !field_load(target, s->also_into));
		break;
	case SETTING_SECTION:
		/* What is off, or a kind without further settings, keeps nothing of them. */
		if (s->into.size == 0 || field_load(target, s->into) != 0)
			check_section(s->section, (const char *)target + s->base);
		break;
	default:
		break; /* lists of things, looked at below */
	}
}

static void check_section(const struct section *section, const void *target)
{
	for (const struct setting *s = section->settings; s->key; s++) {
		const struct setting *most = s->at_most ? section_find(section, s->at_most) : NULL;

		check_setting(s, target);
		if (most)
			assert(field_load(target, s->into) <= field_load(target, most->into));
	}
}

static void check_name(const char *name)
{
	assert(*name && strlen(name) <= NAME_LENGTH_MAX);
	assert(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
	       strlen(name));
}

static void check_address(const struct address *a, bool wildcard)
{
	char printed[ADDRESS_TEXT_MAX];
	struct address again;
	const char *why;

	assert(address_parse(address_print(a, printed), wildcard, &again, &why) == 0);
	assert(address_equal(a, &again));
}

static void check_check(const struct check_config *c)
{
	struct check_config copy;

	assert(check_kind_name(c->kind));
	assert((c->kind == CHECK_HTTP) == (c->http_path != NULL));
	assert((c->kind == CHECK_SEND_EXPECT) == (c->send_size + c->expect_size > 0));
	assert(check_config_copy(c, &copy) == 0 && check_config_equal(c, &copy));
	check_config_deinit(&copy);
}

static bool is_routed_to(const struct config *c, const struct service_config *to)
{
	for (size_t i = 0; i < c->n_services; i++)
		for (size_t j = 0; j < c->services[i].n_tls_routes; j++)
			if (&c->services[c->services[i].tls_routes[j].target] == to)
				return true;
	return false;
}

static void check_routes(const struct config *c, const struct service_config *s)
{
	struct tls_routes *routes;

	for (size_t i = 0; i < s->n_tls_routes; i++) {
		const struct tls_route_config *route = &s->tls_routes[i];
		const struct service_config *to = config_find_service(c, route->service);

		check_section(&schema_tls_route, route);
		assert(route->sni || route->alpn);
		assert(to && to != s && to->n_tls_routes == 0);
		assert(to == &c->services[route->target]);
	}
	assert(tls_routes_new(s->tls_routes, s->n_tls_routes, &routes) == 0);
	tls_routes_unref(routes);
}

/* Nothing that takes more than rewriting packets. */
static void check_nat(const struct config *c, const struct service_config *s)
{
	const struct service_settings *t = &s->settings;
	const struct limits_config *l = &t->limits;

	assert(c->n_interfaces > 0 && s->n_tls_routes == 0 && t->balance == BALANCE_MAGLEV);
	assert(!t->allow && !t->deny && !t->queue_length);
	assert(!l->connections && !l->rate && !l->source_connections && !l->source_rate);
	assert(!t->proxy_from && t->proxy_out == PROXY_NONE);
	assert(!t->source_addresses && !t->transparent);
	for (size_t i = 0; i < s->n_listen; i++)
		assert(!address_is_wildcard(&s->listen[i]) && !s->listen[i].scope);
	for (size_t i = 0; i < s->n_backends; i++) {
		assert(!s->backends[i].max_connections);
		for (size_t j = 0; j < s->n_listen; j++)
			assert(s->backends[i].address.family == s->listen[j].family);
	}
}

static void check_service(const struct config *c, const struct service_config *s)
{
	check_name(s->name);
	check_section(&schema_service, s);
	check_check(&s->check);
	check_routes(c, s);
	assert(s->settings.forward != FORWARD_AUTO);
	if (s->settings.forward == FORWARD_NAT)
		check_nat(c, s);
	assert(s->n_listen <= LISTEN_MAX && (s->n_listen > 0 || is_routed_to(c, s)));
	for (size_t i = 0; i < s->n_listen; i++)
		check_address(&s->listen[i], true);
	assert(s->n_backends <= BACKENDS_MAX && (s->n_backends > 0 || s->n_tls_routes > 0));
	for (size_t i = 0; i < s->n_backends; i++) {
		const struct backend_config *b = &s->backends[i];

		check_name(b->name);
		check_address(&b->address, false);
		check_section(&schema_backend, b);
		assert(service_config_find_backend(s, b->name) == b);
		for (size_t j = 0; j < i; j++)
			assert(!address_equal(&b->address, &s->backends[j].address));
	}
}

static void check_interfaces(const struct config *c)
{
	assert(c->n_interfaces <= INTERFACES_MAX);
	for (size_t i = 0; i < c->n_interfaces; i++) {
		assert(c->interfaces[i].name);
		check_section(&schema_interface, &c->interfaces[i]);
		for (size_t j = 0; j < i; j++)
			assert(strcmp(c->interfaces[i].name, c->interfaces[j].name));
	}
}

static void check_config(const struct config *c)
{
	check_section(&schema_file, c);
	check_interfaces(c);
	assert(c->nat_port_high - c->nat_port_low + 1 >= NAT_PORTS_MIN);
	assert(c->n_services > 0 && c->n_services <= SERVICES_MAX);
	for (size_t i = 0; i < c->n_services; i++) {
		check_service(c, &c->services[i]);
		assert(config_find_service(c, c->services[i].name) == &c->services[i]);
	}
}

/* As an editor counts them; a fault may be told at the very end. */
static size_t count_lines(const uint8_t *data, size_t size)
{
	size_t n = 1;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n' || (data[i] == '\r' && (i + 1 == size || data[i + 1] != '\n'));
	return n;
}

static void check_errors(const struct config_errors *errors, size_t n_lines)
{
	assert(errors->n_errors > 0);
	for (size_t i = 0; i < errors->n_errors; i++) {
		const struct config_error *e = &errors->errors[i];

		assert(e->line <= n_lines);
		assert((e->line == 0) == (e->column == 0));
		assert(i == 0 || errors->errors[i - 1].line <= e->line);
		assert(*e->message && fuzz_is_printable(e->message));
		assert(e->hint && *e->hint && fuzz_is_printable(e->hint));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errors;
	struct config *c = NULL;
	int r = config_parse((const char *)data, size, &c, &errors);

	if (r == 0) {
		assert(c && errors.n_errors == 0);
		check_config(c);
	} else {
		assert(r == -EINVAL && !c);
		check_errors(&errors, count_lines(data, size));
	}
	config_errors_deinit(&errors);
	config_free(c);
	return 0;
}
