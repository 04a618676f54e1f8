// SPDX-License-Identifier: BSD-2-Clause
/* The interfaces of the fast path: each a name, or a mapping with its name. */
#include <stdlib.h>
#include <string.h>

#include "config_read.h"
#include "config_value.h"

static bool refuse_kind(struct reader *r, const struct setting *s, const struct yaml_node *n)
{
	value_refuse_kind(s, n, r->faults);
	faults_hint(r->faults, "such as [eth0, {name: eth1, hook: tc}]");
	return false;
}

static bool read_bare(struct reader *r, const struct setting *s, const struct yaml_node *n,
		      struct interface_config *interface)
{
	struct setting name = *section_find(s->section, "name");

	if (n->kind == NODE_REFUSED)
		return false;
	if (n->kind != NODE_SCALAR || yaml_is_null(n))
		return refuse_kind(r, s, n);
	name.key = s->key;
	if (value_read(&name, n, interface, r->faults))
		return true;
	if (faults_want_hint(r->faults))
		faults_hint(r->faults, "%s: %s", s->key, s->description);
	return false;
}

static bool read_interface(struct reader *r, const struct setting *s, const struct yaml_node *n,
			   struct interface_config *interface)
{
	const struct yaml_node key = {.text = (char *)s->key, .line = n->line, .column = n->column};

	if (!section_defaults(s->section, interface)) {
		r->faults->no_memory = true;
		return false;
	}
	return n->kind == NODE_MAPPING ? read_section(r, s->section, &key, n, interface)
				       : read_bare(r, s, n, interface);
}

/* The last of them is what `n` says. */
static bool is_new(struct reader *r, const struct setting *s, const struct yaml_node *n,
		   const struct config *config)
{
	const char *name = config->interfaces[config->n_interfaces - 1].name;
	char quoted[QUOTED_MAX];

	for (size_t i = 0; i + 1 < config->n_interfaces; i++) {
		if (!config->interfaces[i].name || strcmp(config->interfaces[i].name, name) != 0)
			continue;
		faults_add(r->faults, n->line, n->column, "%s: %s stands here twice", s->key,
			   faults_quote(name, strlen(name), quoted));
		faults_hint(r->faults, "remove one of them");
		return false;
	}
	return true;
}

static bool read_next(struct reader *r, const struct setting *s, const struct yaml_node *n,
		      struct config *config)
{
	return read_interface(r, s, n, &config->interfaces[config->n_interfaces++]) &&
	       is_new(r, s, n, config);
}

bool read_interfaces(struct reader *r, const struct setting *s, const struct yaml_node *n,
		     struct config *config)
{
	size_t count = n->kind == NODE_SEQUENCE ? yaml_count(n) : 1;
	bool good = true;

	if (count == 0)
		return n->open ? false : refuse_kind(r, s, n);
	if (n->kind == NODE_SEQUENCE && !count_fits(r, s, n))
		return false;
	config->interfaces = calloc(count, sizeof(config->interfaces[0]));
	if (!config->interfaces) {
		r->faults->no_memory = true;
		return false;
	}
	if (n->kind != NODE_SEQUENCE)
		return read_next(r, s, n, config);
	yaml_for_each(entry, n)
		good &= read_next(r, s, entry, config);
	return good;
}
