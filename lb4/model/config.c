// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_read.h"
#include "config_value.h"
#include "prefix_list.h"
#include "text.h"

bool section_defaults(const struct section *section, void *target)
{
	for (const struct setting *s = section->settings; s->key; s++) {
		if (!value_default(s, target))
			return false;
		if (s->type == SETTING_SECTION &&
		    !section_defaults(s->section, (char *)target + s->base))
			return false;
	}
	return true;
}

struct config *config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c || !section_defaults(&schema_file, c))
		return config_free(c);
	return c;
}

void check_config_deinit(struct check_config *c)
{
	free(c->http_path);
	free(c->http_host);
	free(c->http_body);
	free(c->send);
	free(c->expect);
	free(c->mysql_user);
	text_list_free(c->exec);
	*c = (struct check_config){};
}

void backend_config_deinit(struct backend_config *b)
{
	free(b->name);
	*b = (struct backend_config){};
}

struct service_settings service_settings_ref(const struct service_settings *s)
{
	prefix_list_ref(s->proxy_from);
	prefix_list_ref(s->source_addresses);
	prefix_list_ref(s->allow);
	prefix_list_ref(s->deny);
	return *s;
}

void service_settings_unref(struct service_settings *s)
{
	prefix_list_unref(s->proxy_from);
	prefix_list_unref(s->source_addresses);
	prefix_list_unref(s->allow);
	prefix_list_unref(s->deny);
	*s = (struct service_settings){};
}

static void tls_route_config_deinit(struct tls_route_config *route)
{
	text_list_free(route->sni);
	text_list_free(route->alpn);
	free(route->service);
}

void service_config_deinit(struct service_config *s)
{
	for (size_t i = 0; i < s->n_tls_routes; i++)
		tls_route_config_deinit(&s->tls_routes[i]);
	free(s->tls_routes);
	for (size_t i = 0; i < s->n_backends; i++)
		backend_config_deinit(&s->backends[i]);
	check_config_deinit(&s->check);
	service_settings_unref(&s->settings);
	free(s->backends);
	free(s->listen);
	free(s->name);
	*s = (struct service_config){};
}

struct config *config_free(struct config *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_services; i++)
		service_config_deinit(&c->services[i]);
	free(c->services);
	free(c->socket_path);
	free(c->pins);
	free(c->state_file);
	for (size_t i = 0; i < c->n_interfaces; i++)
		free(c->interfaces[i].name);
	free(c->interfaces);
	free(c->text);
	free(c);
	return NULL;
}

void config_freep(struct config **c)
{
	*c = config_free(*c);
}

const struct service_config *config_find_service(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_services; i++)
		if (!strcmp(c->services[i].name, name))
			return &c->services[i];
	return NULL;
}

const struct backend_config *service_config_find_near(const struct service_config *s,
						      const char *name, size_t *hint)
{
	for (size_t i = 0; i < s->n_backends; i++) {
		size_t at = (*hint + i) % s->n_backends;

		if (strcmp(s->backends[at].name, name))
			continue;
		*hint = at + 1;
		return &s->backends[at];
	}
	return NULL;
}

const struct backend_config *service_config_find_backend(const struct service_config *s,
							 const char *name)
{
	for (size_t i = 0; i < s->n_backends; i++)
		if (!strcmp(s->backends[i].name, name))
			return &s->backends[i];
	return NULL;
}

static bool equal_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool equal_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	return a_size == b_size && (a_size == 0 || !memcmp(a, b, a_size));
}

struct address check_config_target(const struct check_config *c, const struct address *backend)
{
	struct address target = *backend;

	if (!address_is_wildcard(&c->address)) {
		target = c->address;
		target.port = backend->port;
	}
	if (c->port)
		target.port = (uint16_t)c->port;
	return target;
}

bool check_config_equal(const struct check_config *a, const struct check_config *b)
{
	return a->kind == b->kind && a->interval == b->interval &&
	       a->fast_interval == b->fast_interval && a->timeout == b->timeout &&
	       a->rise == b->rise && a->fall == b->fall && equal_text(a->http_path, b->http_path) &&
	       equal_text(a->http_host, b->http_host) && a->status_min == b->status_min &&
	       a->status_max == b->status_max && equal_text(a->http_body, b->http_body) &&
	       equal_bytes(a->send, a->send_size, b->send, b->send_size) &&
	       equal_bytes(a->expect, a->expect_size, b->expect, b->expect_size) &&
	       a->proxy == b->proxy && equal_text(a->mysql_user, b->mysql_user) &&
	       text_list_equal(a->exec, b->exec);
}

static int copy_text(const char *from, char **ret)
{
	*ret = from ? strdup(from) : NULL;
	return from && !*ret ? -ENOMEM : 0;
}

static int copy_bytes(const uint8_t *from, size_t size, uint8_t **ret)
{
	*ret = NULL;
	if (size == 0)
		return 0;
	*ret = malloc(size);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, from, size);
	return 0;
}

int check_config_copy(const struct check_config *from, struct check_config *ret)
{
	struct check_config copy = *from;
	int failed = 0;

	failed |= copy_text(from->http_path, &copy.http_path);
	failed |= copy_text(from->http_host, &copy.http_host);
	failed |= copy_text(from->http_body, &copy.http_body);
	failed |= copy_bytes(from->send, from->send_size, &copy.send);
	failed |= copy_bytes(from->expect, from->expect_size, &copy.expect);
	failed |= copy_text(from->mysql_user, &copy.mysql_user);
	copy.exec = text_list_copy(from->exec);
	failed |= from->exec && !copy.exec;
	if (failed) {
		check_config_deinit(&copy);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

int config_parse(const char *text, size_t size, struct config **ret,
		 struct config_errors *ret_errors)
{
	_cleanup_(config_freep) struct config *c = NULL;
	struct yaml_tree tree = YAML_TREE_INIT;
	struct faults faults = FAULTS_INIT;
	int r;

	yaml_tree_parse(&tree, text, size, &faults);
	r = config_read(&tree, &c, &faults);
	yaml_tree_deinit(&tree);
	*ret_errors = faults.found;
	if (r < 0)
		return r;
	c->text = malloc(size + 1);
	if (!c->text)
		return -ENOMEM;
	memcpy(c->text, text, size);
	c->text[size] = '\0';
	c->text_size = size;
	*ret = take_ptr(c);
	return 0;
}

const char *check_kind_name(enum check_kind kind)
{
	static const char *const names[] = {
		[CHECK_NONE] = "none",	 [CHECK_TCP] = "tcp",
		[CHECK_HTTP] = "http",	 [CHECK_SEND_EXPECT] = "send/expect",
		[CHECK_REDIS] = "redis", [CHECK_POSTGRES] = "postgres",
		[CHECK_MYSQL] = "mysql", [CHECK_MEMCACHED] = "memcached",
		[CHECK_AMQP] = "amqp",	 [CHECK_SMTP] = "smtp",
		[CHECK_EXEC] = "exec",
	};

	return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}

const char *balance_kind_name(enum balance_kind kind)
{
	return words_find(schema_balance_words, kind);
}

const char *forward_kind_name(enum forward_kind kind)
{
	return words_find(schema_forward_words, kind);
}

const char *forward_unfit(enum forward_kind kind, const struct address *listen,
			  const struct address *backend)
{
	bool wraps = kind == FORWARD_DSR_IPIP && listen->family == ADDRESS_IPV4;

	if (kind == FORWARD_SPLICE || listen->family == ADDRESS_ANY)
		return NULL;
	if (listen->family != backend->family && !wraps)
		return "does not translate between IPv4 and IPv6";
	if (forward_is_dsr(kind) && listen->port != backend->port)
		return "does not change ports";
	return NULL;
}

const char *hash_kind_name(enum hash_kind kind)
{
	return words_find(schema_hash_words, kind);
}

const char *on_down_name(enum on_down on_down)
{
	return words_find(schema_on_down_words, on_down);
}

const char *fail_mode_name(enum fail_mode fail)
{
	return words_find(schema_fail_words, fail);
}

const char *proxy_version_name(enum proxy_version version)
{
	return words_find(schema_proxy_words, version);
}

const char *hello_error_name(enum hello_error on_error)
{
	return words_find(schema_hello_error_words, on_error);
}
