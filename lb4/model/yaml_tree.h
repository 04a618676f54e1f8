/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A YAML document as a tree of scalars, sequences and mappings that know where they stand. Only
 * what a configuration needs: one document, no anchors, aliases, merge keys or tags; depth, size
 * and number of nodes are limited.
 *
 * Nodes lie in one array in the order of the text, so a node's first child follows it and its next
 * sibling comes `span` further on. A mapping's children are key, value, key, value.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "faults.h"

#define YAML_TEXT_MAX  (4u << 20) /* bytes: some hundred thousand backends */
#define YAML_DEPTH_MAX 16u	  /* three times what the deepest setting needs */
#define YAML_NODES_MAX (1u << 19) /* so that such a text costs 40 MB at most */

enum node_kind {
	NODE_SCALAR,
	NODE_SEQUENCE,
	NODE_MAPPING,
	NODE_REFUSED, /* stands for what was reported already */
};

struct yaml_node {
	enum node_kind kind;
	bool plain;   /* scalar: without quotes */
	bool escaped; /* scalar: in double quotes, where escapes work */
	bool open;    /* sequence, mapping: the text broke off inside */
	bool skip;    /* key: refused already, its value is not to be read */
	bool flow;    /* sequence, mapping: in brackets or braces */
	unsigned line, column;
	uint32_t begin, end; /* bytes of the text, without the blanks and comments around */
	uint32_t span;	     /* nodes from this one to the end of its children */
	uint32_t length;     /* of `text`, which may hold NUL bytes and ends with one more */
	char *text;
};

struct yaml_tree {
	struct yaml_node *nodes; /* the root is the first */
	size_t n_nodes, n_allocated;
	size_t parents[YAML_DEPTH_MAX]; /* while building: indices of the open containers */
	unsigned depth;
};

#define YAML_TREE_INIT                                                                             \
	{                                                                                          \
	}

/*
 * Reads `text`. Faults go to `faults`; the tree then holds what was understood before the first
 * one that stops the parser, with `open` where it broke off, and n_nodes 0 when there was nothing.
 */
void yaml_tree_parse(struct yaml_tree *t, const char *text, size_t size, struct faults *faults);
void yaml_tree_deinit(struct yaml_tree *t);

/*
 * Building by hand: containers hold what is added between open and close. False when a limit or
 * memory was reached (`no_memory` of the faults tells which).
 */
struct mark {
	unsigned line, column; /* 1-based; 0: nowhere in a file */
};
bool yaml_tree_scalar(struct yaml_tree *t, const char *text, size_t length, struct mark at,
		      struct faults *faults);
bool yaml_tree_open(struct yaml_tree *t, enum node_kind kind, struct mark at,
		    struct faults *faults);
void yaml_tree_close(struct yaml_tree *t);

/* The value of a key of `mapping`; NULL when it has none, or is NULL itself. */
const struct yaml_node *yaml_find(const struct yaml_node *mapping, const char *key);

/*
 * Writes `n` on one line, as YAML that reads back the same. NULL when memory is short.
 */
char *yaml_print(const struct yaml_node *n);

/* An empty plain scalar, "~" or "null": what a key without a value has. */
bool yaml_is_null(const struct yaml_node *n);

/* NULL when there is none. */
const struct yaml_node *yaml_first(const struct yaml_node *parent);
const struct yaml_node *yaml_next(const struct yaml_node *parent, const struct yaml_node *child);

#define yaml_for_each(child, parent)                                                               \
	for (const struct yaml_node *child = yaml_first(parent); child;                            \
	     child = yaml_next(parent, child))

/* A key whose value was cut off is passed over. */
#define yaml_for_each_pair(key, value, parent)                                                     \
	for (const struct yaml_node *value, *key = yaml_first(parent);                             \
	     key && (value = yaml_next(parent, key)); key = yaml_next(parent, value))

/* Children of a sequence, pairs of a mapping. */
size_t yaml_count(const struct yaml_node *parent);
