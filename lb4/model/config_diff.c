// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walks two configurations along the schema. What one number says is compared as read, so defaults
 * and spellings do not matter; the rest is compared as YAML.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_diff.h"
#include "config_read.h"
#include "config_value.h"

void setting_changes_deinit(struct setting_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->items[i].key);
		free(c->items[i].old);
		free(c->items[i].new);
	}
	free(c->items);
	*c = (struct setting_changes){};
}

static int parse(struct yaml_tree *tree, const struct config *c)
{
	struct faults faults = FAULTS_INIT;
	bool no_memory;

	if (!c || !c->text)
		return 0;
	yaml_tree_parse(tree, c->text, c->text_size, &faults);
	no_memory = faults.no_memory;
	faults_deinit(&faults);
	return no_memory ? -ENOMEM : 0;
}

int config_diff_init(struct config_diff *d, const struct config *old, const struct config *new)
{
	int r;

	*d = (struct config_diff){.old = old, .new = new};
	r = parse(&d->old_tree, old);
	return r < 0 ? r : parse(&d->new_tree, new);
}

void config_diff_deinit(struct config_diff *d)
{
	yaml_tree_deinit(&d->old_tree);
	yaml_tree_deinit(&d->new_tree);
}

/* One side of a comparison: what was written, and what came of it. */
struct side {
	const struct yaml_node *node; /* NULL: left out */
	const void *target;	      /* the struct that the section fills; NULL: there is none */
};

/* What stands in the text, else what holds without it; NULL in *ret: nothing. */
static int print_side(const struct setting *s, const struct side *side, char **ret)
{
	char buffer[VALUE_TEXT_MAX];
	const char *text = s->default_text;

	*ret = NULL;
	if (side->node) {
		*ret = yaml_print(side->node);
		return *ret ? 0 : -ENOMEM;
	}
	if (text && side->target && value_is_simple(s))
		text = value_print(s, side->target, buffer);
	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int add(struct setting_changes *c, const struct setting *s, const char *prefix,
	       const struct side *old, const struct side *new)
{
	struct setting_change *items = reallocarray(c->items, c->n + 1, sizeof(items[0]));
	struct setting_change *item;
	int r;

	if (!items)
		return -ENOMEM;
	c->items = items;
	item = &items[c->n++];
	*item = (struct setting_change){.setting = s};
	if (asprintf(&item->key, "%s%s", prefix, s->key) < 0) {
		item->key = NULL;
		return -ENOMEM;
	}
	r = print_side(s, old, &item->old);
	return r < 0 ? r : print_side(s, new, &item->new);
}

static bool same_address(const struct yaml_node *a, const struct yaml_node *b)
{
	struct address x, y;
	const char *why;

	return address_parse(a->text, true, &x, &why) == 0 &&
	       address_parse(b->text, true, &y, &why) == 0 && address_equal(&x, &y);
}

static bool same_node(const struct setting *s, const struct yaml_node *a,
		      const struct yaml_node *b);

static bool same_entries(const struct setting *s, const struct yaml_node *a,
			 const struct yaml_node *b)
{
	const struct yaml_node *other = yaml_first(b);

	if (yaml_count(a) != yaml_count(b))
		return false;
	yaml_for_each(entry, a) {
		if (!same_node(s, entry, other))
			return false;
		other = yaml_next(b, other);
	}
	return true;
}

/* The order of keys says nothing. */
static bool same_pairs(const struct setting *s, const struct yaml_node *a,
		       const struct yaml_node *b)
{
	if (yaml_count(a) != yaml_count(b))
		return false;
	yaml_for_each_pair(key, value, a) {
		const struct yaml_node *other = yaml_find(b, key->text);

		if (!other || !same_node(s, value, other))
			return false;
	}
	return true;
}

static bool same_node(const struct setting *s, const struct yaml_node *a, const struct yaml_node *b)
{
	/* A list of one may stand without brackets. */
	if (a->kind == NODE_SEQUENCE && b->kind != NODE_SEQUENCE)
		return yaml_count(a) == 1 && same_node(s, yaml_first(a), b);
	if (b->kind == NODE_SEQUENCE && a->kind != NODE_SEQUENCE)
		return same_node(s, b, a);
	if (a->kind != b->kind)
		return false;
	if (a->kind == NODE_SEQUENCE)
		return same_entries(s, a, b);
	if (a->kind == NODE_MAPPING)
		return same_pairs(s, a, b);
	if (a->length == b->length && !memcmp(a->text, b->text, a->length))
		return true;
	return s->type == SETTING_LISTEN && same_address(a, b);
}

/* One is left out: what is written there may be the default. */
static bool is_default(const struct setting *s, const struct yaml_node *n)
{
	return n && n->kind == NODE_SCALAR && s->default_text && !strcmp(n->text, s->default_text);
}

static bool is_same(const struct setting *s, const struct side *old, const struct side *new)
{
	if (value_is_simple(s) && old->target && new->target)
		return value_equal(s, old->target, new->target);
	if (old->node && new->node)
		return same_node(s, old->node, new->node);
	return is_default(s, old->node ? old->node : new->node);
}

static bool is_mapping(const struct yaml_node *n)
{
	return n && n->kind == NODE_MAPPING;
}

/* Key by key where both are mappings, and where a section without a word of its own is left out. */
static bool goes_deeper(const struct setting *s, const struct yaml_node *old,
			const struct yaml_node *new)
{
	if (s->type != SETTING_SECTION)
		return false;
	if (is_mapping(old) && is_mapping(new))
		return true;
	return !s->default_text && (!old || !new);
}

static int diff_section(const struct section *section, const char *prefix, const struct side *old,
			const struct side *new, struct setting_changes *ret);

static const void *target_below(const struct side *side, const struct setting *s)
{
	return side->target ? (const char *)side->target + s->base : NULL;
}

static int diff_setting(const struct setting *s, const char *prefix, const struct side *old,
			const struct side *new, struct setting_changes *ret)
{
	_cleanup_(freep) char *below = NULL;
	struct side from = {yaml_find(old->node, s->key), old->target};
	struct side to = {yaml_find(new->node, s->key), new->target};

	if (s->type == SETTING_SERVICES || s->type == SETTING_BACKENDS)
		return 0;
	if (!from.node && !to.node)
		return 0;
	if (!goes_deeper(s, from.node, to.node))
		return is_same(s, &from, &to) ? 0 : add(ret, s, prefix, &from, &to);
	if (asprintf(&below, "%s%s.", prefix, s->key) < 0) {
		below = NULL;
		return -ENOMEM;
	}
	from.target = target_below(old, s);
	to.target = target_below(new, s);
	return diff_section(s->section, below, &from, &to, ret);
}

static int diff_section(const struct section *section, const char *prefix, const struct side *old,
			const struct side *new, struct setting_changes *ret)
{
	for (const struct setting *s = section->settings; s->key; s++) {
		int r = diff_setting(s, prefix, old, new, ret);

		if (r < 0)
			return r;
	}
	return 0;
}

static const struct yaml_node *root_of(const struct yaml_tree *t)
{
	return t->n_nodes ? t->nodes : NULL;
}

int config_diff_file(const struct config_diff *d, struct setting_changes *ret)
{
	const struct side old = {root_of(&d->old_tree), d->old};
	const struct side new = {root_of(&d->new_tree), d->new};

	*ret = (struct setting_changes){};
	return diff_section(&schema_file, "", &old, &new, ret);
}

static struct side service_side(const struct config *c, const struct yaml_tree *t, const char *name)
{
	return (struct side){
		.node = yaml_find(yaml_find(root_of(t), "services"), name),
		.target = c ? config_find_service(c, name) : NULL,
	};
}

int config_diff_service(const struct config_diff *d, const char *name, struct setting_changes *ret)
{
	const struct side old = service_side(d->old, &d->old_tree, name);
	const struct side new = service_side(d->new, &d->new_tree, name);

	*ret = (struct setting_changes){};
	return diff_section(&schema_service, "", &old, &new, ret);
}

int backend_config_diff(const struct backend_config *old, const struct backend_config *new,
			struct setting_changes *ret)
{
	const struct side from = {NULL, old}, to = {NULL, new};

	*ret = (struct setting_changes){};
	for (const struct setting *s = schema_backend.settings; s->key; s++) {
		int r = value_equal(s, old, new) ? 0 : add(ret, s, "", &from, &to);

		if (r < 0)
			return r;
	}
	return 0;
}

bool backend_config_equal(const struct backend_config *a, const struct backend_config *b)
{
	for (const struct setting *s = schema_backend.settings; s->key; s++)
		if (!value_equal(s, a, b))
			return false;
	return true;
}
