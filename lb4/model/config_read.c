// SPDX-License-Identifier: BSD-2-Clause
/* Walks the tree along the schema. Faults are recorded and the walk goes on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_read.h"
#include "config_value.h"
#include "text.h"

static bool refuse_missing(struct reader *r, const struct setting *s, const struct yaml_node *n)
{
	faults_add(r->faults, n->line, n->column, "%s: %s", s->key, s->required);
	faults_hint(r->faults, "%s: %s; see lb4.yaml(5)", s->key, s->description);
	return false;
}

bool count_fits(struct reader *r, const struct setting *s, const struct yaml_node *n)
{
	size_t count = yaml_count(n);

	if (count < s->min)
		return n->open ? false : refuse_missing(r, s, n);
	if (count <= s->max)
		return true;
	faults_add(r->faults, n->line, n->column, "%s: %zu are too many, at most %u are supported",
		   s->key, count, (unsigned)s->max);
	if (s->type == SETTING_HOOKS)
		faults_hint(r->faults, "%s: %s", s->key, s->description);
	else
		faults_hint(r->faults, s->type == SETTING_SERVICES
					       ? "run another lb4 for the others"
					       : "divide them among several services");
	return false;
}

static bool read_listen_one(struct reader *r, const struct setting *s, const struct yaml_node *n,
			    struct service_config *service)
{
	struct address *address = &service->listen[service->n_listen];

	if (n->kind == NODE_REFUSED)
		return false;
	if (n->kind != NODE_SCALAR || yaml_is_null(n)) {
		value_refuse_kind(s, n, r->faults);
		faults_hint(r->faults, "quote the address, such as \":80\" or "
				       "\"[2001:db8::1]:80\"");
		return false;
	}
	if (!value_read_address(s->key, n, true, address, r->faults))
		return false;
	service->n_listen++;
	claims_add(&r->listens, address, n, service->name, r->faults);
	return true;
}

static bool read_listen(struct reader *r, const struct setting *s, const struct yaml_node *n,
			struct service_config *service)
{
	bool good = true;

	if (n->kind == NODE_SEQUENCE && !count_fits(r, s, n))
		return false;
	service->listen =
		calloc(n->kind == NODE_SEQUENCE ? yaml_count(n) : 1, sizeof(service->listen[0]));
	if (!service->listen) {
		r->faults->no_memory = true;
		return false;
	}
	if (n->kind != NODE_SEQUENCE)
		return read_listen_one(r, s, n, service);
	yaml_for_each(entry, n)
		good &= read_listen_one(r, s, entry, service);
	return good;
}

/* Lists and bare text where names are wanted are what other software has there. */
static bool is_mapping_of_names(struct reader *r, const struct setting *s,
				const struct yaml_node *n)
{
	if (n->kind == NODE_MAPPING)
		return true;
	value_refuse_kind(s, n, r->faults);
	faults_hint(r->faults, s->type == SETTING_BACKENDS
				       ? "give each a name: {web1: \"10.0.0.11:8080\"}"
				       : "give each a name and its settings below it");
	return false;
}

static bool read_backend(struct reader *r, const struct setting *s, const struct yaml_node *key,
			 const struct yaml_node *value, struct backend_config *backend)
{
	const struct setting *address = section_find(s->section, "address");
	bool good;

	if (!section_defaults(s->section, backend)) {
		r->faults->no_memory = true;
		return false;
	}
	good = value_check_name("backend", key, r->faults);
	if (value->kind == NODE_REFUSED)
		return false;
	if (yaml_is_null(value))
		return refuse_missing(r, address, value);
	if (value->kind == NODE_MAPPING)
		return read_section(r, s->section, key, value, backend) && good;
	if (value->kind == NODE_SCALAR)
		return value_read(address, value, backend, r->faults) && good;
	value_refuse_kind(address, value, r->faults);
	faults_hint(r->faults, "a backend has one address; name another backend");
	return false;
}

static bool read_backends(struct reader *r, const struct setting *s, const struct yaml_node *n,
			  struct service_config *service)
{
	bool good = true;

	if (!is_mapping_of_names(r, s, n) || !count_fits(r, s, n))
		return false;
	service->backends = calloc(yaml_count(n), sizeof(service->backends[0]));
	if (!service->backends) {
		r->faults->no_memory = true;
		return false;
	}
	yaml_for_each_pair(key, value, n) {
		struct backend_config backend = {};

		if (key->skip || !read_backend(r, s, key, value, &backend)) {
			good = false;
			continue;
		}
		backend.name = strdup(key->text);
		if (!backend.name) {
			r->faults->no_memory = true;
			return false;
		}
		service->backends[service->n_backends++] = backend;
		claims_add(&r->backends, &backend.address, key, key->text, r->faults);
	}
	return good;
}

static void read_service(struct reader *r, const struct setting *s, const struct yaml_node *key,
			 const struct yaml_node *value, struct service_config *service)
{
	service->name = strdup(key->text);
	if (!service->name || !section_defaults(s->section, service)) {
		r->faults->no_memory = true;
		return;
	}
	routes_read_service(&r->routes, key);
	r->first_listen = r->listens.n;
	r->backends.n = 0;
	value_check_name("service", key, r->faults);
	if (value->kind == NODE_REFUSED)
		return;
	if (value->kind != NODE_MAPPING) {
		value_refuse_kind(&(struct setting){key->text, SETTING_SECTION}, value, r->faults);
		faults_hint(r->faults, "a service has settings, listen and backends at least");
		return;
	}
	read_section(r, s->section, key, value, service);
}

static bool read_services(struct reader *r, const struct setting *s, const struct yaml_node *n,
			  struct config *config)
{
	if (!is_mapping_of_names(r, s, n) || !count_fits(r, s, n))
		return false;
	config->services = calloc(yaml_count(n), sizeof(config->services[0]));
	if (!config->services || !routes_read_init(&r->routes, yaml_count(n))) {
		r->faults->no_memory = true;
		return false;
	}
	yaml_for_each_pair(key, value, n) {
		if (!key->skip)
			read_service(r, s, key, value, &config->services[config->n_services++]);
	}
	return true;
}

static bool read_setting(struct reader *r, const struct setting *s, const struct yaml_node *key,
			 const struct yaml_node *value, void *target)
{
	if (value->kind == NODE_REFUSED)
		return false;
	if (yaml_is_null(value)) {
		if (s->required)
			return refuse_missing(r, s, value);
		value_refuse_kind(s, value, r->faults);
		faults_hint(r->faults, "give it a value, or leave the key out for its default");
		return false;
	}
	switch (s->type) {
	case SETTING_LISTEN:
		return read_listen(r, s, value, target);
	case SETTING_BACKENDS:
		return read_backends(r, s, value, target);
	case SETTING_ROUTES:
		return read_tls_routes(r, s, value, target);
	case SETTING_HOOKS:
		return read_interfaces(r, s, value, target);
	case SETTING_SERVICES:
		return read_services(r, s, value, target);
	case SETTING_TEXTS:
	case SETTING_PREFIXES:
		if (value->kind != NODE_SCALAR)
			return value_read_list(s, value, target, r->faults);
		break; /* perhaps a word */
	default:
		break;
	}
	if (value->kind == NODE_MAPPING && s->type == SETTING_SECTION)
		return read_section(r, s->section, key, value, (char *)target + s->base);
	if (value->kind == NODE_SCALAR)
		return value_read(s, value, target, r->faults);
	value_refuse_kind(s, value, r->faults);
	faults_hint(r->faults, "%s: %s", s->key, s->description);
	return false;
}

static void hint_keys(struct reader *r, const char *const *keys)
{
	char list[512] = "";

	for (size_t length = 0; *keys && length < sizeof(list); keys++)
		length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s",
					   length ? ", " : "", *keys);
	faults_hint(r->faults, "expected one of %s", list);
}

/* Returns the key of this section that was probably meant, or NULL. */
static const char *refuse_key(struct reader *r, const struct section *section,
			      const struct yaml_node *key)
{
	const char *keys[SECTION_SETTINGS_MAX], *meant;
	char quoted[QUOTED_MAX];
	size_t n = 0;

	faults_add(r->faults, key->line, key->column, "unknown key %s in %s",
		   faults_quote(key->text, key->length, quoted), section->name);
	if (!faults_want_hint(r->faults))
		return NULL; /* too many already */
	for (const struct setting *s = section->settings; s->key; s++)
		keys[n++] = s->key;
	keys[n] = NULL;

	if (strlen(key->text) != key->length) {
		hint_keys(r, keys);
		return NULL;
	}
	meant = schema_synonym(section, key->text);
	if (meant) {
		faults_hint(r->faults, "did you mean \"%s\"?", meant);
		return meant;
	}
	for (size_t i = 0; schema_sections[i]; i++)
		if (section_find(schema_sections[i], key->text)) {
			faults_hint(r->faults, "\"%s\" is a key of %s; check the indentation",
				    key->text, schema_sections[i]->name);
			return NULL;
		}
	meant = text_nearest(key->text, keys);
	if (meant)
		faults_hint(r->faults, "did you mean \"%s\"?", meant);
	else
		hint_keys(r, keys);
	return meant;
}

static bool read_pair(struct reader *r, struct reading *reading, const struct yaml_node *key,
		      const struct yaml_node *value)
{
	const struct section *section = reading->section;
	const struct setting *s;
	const char *meant;
	struct given *given;

	if (key->skip)
		return false;
	s = strlen(key->text) == key->length ? section_find(section, key->text) : NULL;
	if (s) {
		given = &reading->given[s - section->settings];
		*given =
			(struct given){key, value, read_setting(r, s, key, value, reading->target)};
		return given->good;
	}
	/* A misspelt key is not reported again as missing. */
	meant = refuse_key(r, section, key);
	if (meant) {
		given = &reading->given[section_find(section, meant) - section->settings];
		if (!given->key)
			*given = (struct given){key, value, false};
	}
	return false;
}

bool read_section(struct reader *r, const struct section *section, const struct yaml_node *key,
		  const struct yaml_node *mapping, void *target)
{
	struct reading reading = {section, mapping, key, target};
	bool good = true;

	yaml_for_each_pair(k, value, mapping)
		good &= read_pair(r, &reading, k, value);
	return rules_apply(r, &reading) && good;
}

static void read_file(struct reader *r, const struct yaml_tree *tree, struct config *config)
{
	const struct yaml_node *root = tree->nodes;

	if (tree->n_nodes > 0 && root->kind == NODE_MAPPING) {
		read_section(r, &schema_file, NULL, root, config);
	} else if (r->faults->found.n_errors > 0) {
		/* The first fault stopped the parser, or stands where the root should. */
	} else if (tree->n_nodes == 0 || yaml_is_null(root)) {
		faults_add(r->faults, 0, 0, "the file is empty");
		faults_hint(r->faults,
			    "it needs services at least; see the example in lb4.yaml(5)");
	} else {
		faults_add(r->faults, root->line, root->column,
			   "expected a mapping of settings, found %s",
			   root->kind == NODE_SEQUENCE ? "a sequence" : "bare text");
		faults_hint(r->faults, "a key is followed by a colon and a blank, as in services:");
	}
}

int config_read(const struct yaml_tree *tree, struct config **ret, struct faults *faults)
{
	_cleanup_(config_freep) struct config *config = config_new();
	struct reader r = {.faults = faults};

	if (!config)
		return -ENOMEM;
	read_file(&r, tree, config);
	free(r.listens.items);
	free(r.backends.items);
	routes_read_deinit(&r.routes);
	if (faults->no_memory)
		return -ENOMEM;
	if (faults->found.n_errors > 0)
		return -EINVAL;
	*ret = take_ptr(config);
	return 0;
}
