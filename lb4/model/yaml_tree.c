// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "yaml_tree.h"

void yaml_tree_deinit(struct yaml_tree *t)
{
	for (size_t i = 0; i < t->n_nodes; i++)
		free(t->nodes[i].text);
	free(t->nodes);
	*t = (struct yaml_tree)YAML_TREE_INIT;
}

static struct yaml_node *append(struct yaml_tree *t, enum node_kind kind, struct mark at,
				struct faults *faults)
{
	struct yaml_node *node;

	if (t->n_nodes == YAML_NODES_MAX) {
		faults_add(faults, at.line, at.column,
			   "more than %u keys and values; nothing after this was read",
			   YAML_NODES_MAX);
		faults_hint(faults, "is it the right file? divide it among several lb4 if it is");
		return NULL;
	}
	if (t->n_nodes == t->n_allocated) {
		size_t n = t->n_allocated ? 2 * t->n_allocated : 64;

		node = reallocarray(t->nodes, n, sizeof(*node));
		if (!node) {
			faults->no_memory = true;
			return NULL;
		}
		t->nodes = node;
		t->n_allocated = n;
	}
	node = &t->nodes[t->n_nodes++];
	*node = (struct yaml_node){.kind = kind, .line = at.line, .column = at.column, .span = 1};
	return node;
}

bool yaml_tree_scalar(struct yaml_tree *t, const char *text, size_t length, struct mark at,
		      struct faults *faults)
{
	struct yaml_node *node = append(t, NODE_SCALAR, at, faults);

	if (!node)
		return false;
	node->text = malloc(length + 1);
	if (!node->text) {
		t->n_nodes--;
		faults->no_memory = true;
		return false;
	}
	memcpy(node->text, text, length);
	node->text[length] = '\0';
	node->length = (uint32_t)length;
	return true;
}

bool yaml_tree_open(struct yaml_tree *t, enum node_kind kind, struct mark at, struct faults *faults)
{
	if (t->depth == YAML_DEPTH_MAX) {
		faults_add(faults, at.line, at.column,
			   "nested deeper than %u levels; nothing after this was read",
			   YAML_DEPTH_MAX);
		faults_hint(faults, "no setting stands that deep; see lb4.yaml(5)");
		return false;
	}
	if (!append(t, kind, at, faults))
		return false;
	t->parents[t->depth++] = t->n_nodes - 1;
	return true;
}

void yaml_tree_close(struct yaml_tree *t)
{
	size_t parent = t->parents[--t->depth];

	t->nodes[parent].span = (uint32_t)(t->n_nodes - parent);
}

bool yaml_is_null(const struct yaml_node *n)
{
	return n->kind == NODE_SCALAR && n->plain &&
	       (!n->length || !strcmp(n->text, "~") || !strcmp(n->text, "null") ||
		!strcmp(n->text, "Null") || !strcmp(n->text, "NULL"));
}

const struct yaml_node *yaml_first(const struct yaml_node *parent)
{
	return parent->span > 1 ? parent + 1 : NULL;
}

const struct yaml_node *yaml_next(const struct yaml_node *parent, const struct yaml_node *child)
{
	const struct yaml_node *next = child + child->span;

	return next < parent + parent->span ? next : NULL;
}

size_t yaml_count(const struct yaml_node *parent)
{
	size_t n = 0;

	yaml_for_each(child, parent)
		n++;
	return parent->kind == NODE_MAPPING ? n / 2 : n;
}

const struct yaml_node *yaml_find(const struct yaml_node *mapping, const char *key)
{
	if (!mapping || mapping->kind != NODE_MAPPING)
		return NULL;
	yaml_for_each_pair(k, value, mapping)
		if (k->text && !strcmp(k->text, key))
			return value;
	return NULL;
}
