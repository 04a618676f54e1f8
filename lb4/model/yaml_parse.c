// SPDX-License-Identifier: BSD-2-Clause
/* The tree from libyaml's events. */
#include <stdlib.h>
#include <string.h>

#include "yaml_syntax.h"

struct parse {
	struct yaml_tree *tree;
	struct faults *faults;
	const char *text;
	size_t size;
	size_t skipped;	 /* bytes before `text` */
	struct mark end; /* of the text */
	bool seen_document;
	uint32_t last_end; /* of what was read last */
	/* Where libyaml's index of characters has last been found as one of bytes. */
	size_t characters, bytes;
};

/* Of a text without a last line end libyaml names the line after it. */
static struct mark mark_in(const struct parse *p, yaml_mark_t m)
{
	struct mark at = mark_of(m);

	return at.line > p->end.line ? p->end : at;
}

/* Marks come in the order of the text, so this walks it once. */
static uint32_t byte_of(struct parse *p, size_t index)
{
	if (index < p->characters)
		p->characters = p->bytes = 0;
	while (p->characters < index && p->bytes < p->size) {
		do
			p->bytes++;
		while (p->bytes < p->size && ((unsigned char)p->text[p->bytes] & 0xc0) == 0x80);
		p->characters++;
	}
	return (uint32_t)(p->skipped + p->bytes);
}

/* libyaml ends a block scalar where the next line begins. */
static uint32_t trim(const struct parse *p, uint32_t begin, uint32_t end)
{
	while (end > begin && strchr(" \t\r\n", p->text[end - p->skipped - 1]))
		end--;
	return end;
}

static void refuse_decoration(struct parse *p, struct mark at, const yaml_char_t *anchor,
			      const yaml_char_t *tag)
{
	if (anchor) {
		faults_add(p->faults, at.line, at.column, "anchors (&) are not supported");
		faults_hint(p->faults,
			    "write the settings out where they are needed, or quote the value");
	}
	if (tag) {
		faults_add(p->faults, at.line, at.column, "tags (!) are not supported");
		faults_hint(p->faults, "every setting knows its type; remove the tag");
	}
}

static bool on_scalar(struct parse *p, const yaml_event_t *e)
{
	struct mark at = mark_in(p, e->start_mark);
	struct yaml_node *n;

	refuse_decoration(p, at, e->data.scalar.anchor, e->data.scalar.tag);
	if (!yaml_tree_scalar(p->tree, (const char *)e->data.scalar.value, e->data.scalar.length,
			      at, p->faults))
		return false;
	n = &p->tree->nodes[p->tree->n_nodes - 1];
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->escaped = e->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	n->begin = byte_of(p, e->start_mark.index);
	n->end = trim(p, n->begin, byte_of(p, e->end_mark.index));
	p->last_end = n->end;
	return true;
}

static bool on_alias(struct parse *p, const yaml_event_t *e)
{
	struct mark at = mark_in(p, e->start_mark);

	faults_add(p->faults, at.line, at.column, "aliases (*) are not supported");
	faults_hint(p->faults, "write the settings out where they are needed, or quote the value");
	if (!yaml_tree_scalar(p->tree, "", 0, at, p->faults))
		return false;
	p->tree->nodes[p->tree->n_nodes - 1].kind = NODE_REFUSED;
	return true;
}

static bool on_open(struct parse *p, const yaml_event_t *e, enum node_kind kind, bool flow)
{
	struct yaml_node *n;

	if (!yaml_tree_open(p->tree, kind, mark_in(p, e->start_mark), p->faults))
		return false;
	n = &p->tree->nodes[p->tree->n_nodes - 1];
	n->flow = flow;
	n->begin = byte_of(p, e->start_mark.index);
	return true;
}

/* Without braces it ends with what it holds: comments that follow are not its. */
static void on_close(struct parse *p, const yaml_event_t *e)
{
	struct yaml_node *n = &p->tree->nodes[p->tree->parents[p->tree->depth - 1]];

	if (n->flow)
		p->last_end = byte_of(p, e->end_mark.index);
	n->end = p->last_end;
	yaml_tree_close(p->tree);
}

/* False ends the reading. */
static bool on_event(struct parse *p, const yaml_event_t *e)
{
	struct mark at = mark_in(p, e->start_mark);

	switch (e->type) {
	case YAML_STREAM_END_EVENT:
		return false;
	case YAML_DOCUMENT_START_EVENT:
		if (p->seen_document) {
			faults_add(p->faults, at.line, at.column,
				   "a second document begins here; nothing after this was read");
			faults_hint(p->faults, "one file is one document: remove this line");
			return false;
		}
		p->seen_document = true;
		return true;
	case YAML_SCALAR_EVENT:
		return on_scalar(p, e);
	case YAML_ALIAS_EVENT:
		return on_alias(p, e);
	case YAML_SEQUENCE_START_EVENT:
		refuse_decoration(p, at, e->data.sequence_start.anchor, e->data.sequence_start.tag);
		return on_open(p, e, NODE_SEQUENCE,
			       e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
	case YAML_MAPPING_START_EVENT:
		refuse_decoration(p, at, e->data.mapping_start.anchor, e->data.mapping_start.tag);
		return on_open(p, e, NODE_MAPPING,
			       e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_close(p, e);
		return true;
	default:
		return true;
	}
}

/*
 * The parser stopped within the text. What ends there may be meant to go on, and the last scalar is
 * often the one that swallowed what follows: it is not judged.
 */
static void break_off(struct yaml_tree *t)
{
	while (t->depth > 0)
		yaml_tree_close(t);
	for (size_t i = 0; i < t->n_nodes; i++)
		t->nodes[i].open = i + t->nodes[i].span == t->n_nodes;
	if (t->n_nodes > 0 && t->nodes[t->n_nodes - 1].kind == NODE_SCALAR)
		t->nodes[t->n_nodes - 1].kind = NODE_REFUSED;
}

static void read_events(struct parse *p)
{
	yaml_parser_t parser;
	bool more = true, broken = false;

	if (!yaml_parser_initialize(&parser)) {
		p->faults->no_memory = true;
		return;
	}
	p->end = yaml_mark_of_byte(p->text, p->size, p->size);
	/* Not guessed: a UTF-16 file is to be told, not read. */
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)p->text, p->size);
	while (more) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			yaml_syntax_fault(&parser, p->text, p->size, p->faults);
			broken = true;
			break;
		}
		more = on_event(p, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);

	if (broken || p->tree->depth > 0)
		break_off(p->tree);
}

static int compare_keys(const void *a, const void *b)
{
	const struct yaml_node *x = *(struct yaml_node *const *)a,
			       *y = *(struct yaml_node *const *)b;
	uint32_t length = x->length < y->length ? x->length : y->length;
	int order = memcmp(x->text, y->text, length);

	if (order)
		return order;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return x < y ? -1 : 1; /* nodes lie in the order of the text */
}

static void refuse_repeated(struct yaml_node **keys, size_t n, struct faults *faults)
{
	const struct yaml_node *first = NULL;
	char quoted[QUOTED_MAX];

	qsort(keys, n, sizeof(keys[0]), compare_keys);
	for (size_t i = 0; i < n; i++) {
		struct yaml_node *key = keys[i];

		if (!first || first->length != key->length ||
		    memcmp(first->text, key->text, key->length)) {
			first = key;
			continue;
		}
		key->skip = true;
		faults_add(faults, key->line, key->column, "%s is given twice, first on line %u",
			   faults_quote(key->text, key->length, quoted), first->line);
		faults_hint(faults, "remove one of them");
	}
}

static bool refuse_key(struct yaml_node *key, struct faults *faults)
{
	if (key->kind == NODE_SCALAR && strcmp(key->text, "<<"))
		return false;
	key->skip = true;
	if (key->kind == NODE_SCALAR) {
		faults_add(faults, key->line, key->column, "merge keys (<<) are not supported");
		faults_hint(faults, "write the settings out where they are needed");
	} else if (key->kind != NODE_REFUSED) {
		faults_add(faults, key->line, key->column, "expected a word as key, found a %s",
			   key->kind == NODE_MAPPING ? "mapping" : "sequence");
		faults_hint(faults, "a template that was not filled in? braces begin a mapping");
	}
	return true;
}

static void check_keys(struct yaml_tree *t, struct faults *faults)
{
	/* No mapping has more keys than the tree has nodes. */
	struct yaml_node **keys = calloc(t->n_nodes / 2 + 1, sizeof(keys[0]));

	if (!keys) {
		faults->no_memory = true;
		return;
	}
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct yaml_node *mapping = &t->nodes[i];
		size_t n = 0;

		if (mapping->skip)
			i += mapping->span - 1; /* a refused key has keys of its own */
		if (mapping->skip || mapping->kind != NODE_MAPPING)
			continue;
		yaml_for_each_pair(key, value, mapping) {
			struct yaml_node *k = &t->nodes[key - t->nodes];

			if (!refuse_key(k, faults))
				keys[n++] = k;
		}
		refuse_repeated(keys, n, faults);
	}
	free(keys);
}

/* Ends of lines for YAML, yet not for editors: every line told after one would be wrong. */
static bool refuse_hidden_end(struct parse *p)
{
	static const struct {
		const char *bytes, *name;
	} ends[] = {{"\xc2\x85", "U+0085"}, {"\xe2\x80\xa8", "U+2028"}, {"\xe2\x80\xa9", "U+2029"}};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const char *found = memmem(p->text, p->size, ends[i].bytes, strlen(ends[i].bytes));
		struct mark at;

		if (!found)
			continue;
		at = yaml_mark_of_byte(p->text, p->size, (size_t)(found - p->text));
		faults_add(p->faults, at.line, at.column,
			   "the character %s ends a line for YAML, though editors do not show it; "
			   "nothing was read",
			   ends[i].name);
		faults_hint(p->faults, "remove it");
		return true;
	}
	return false;
}

void yaml_tree_parse(struct yaml_tree *t, const char *text, size_t size, struct faults *faults)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct parse p = {.tree = t, .faults = faults, .text = size ? text : "", .size = size};

	if (size > YAML_TEXT_MAX) {
		faults_add(faults, 0, 0, "the file has %zu bytes, more than %u", size,
			   YAML_TEXT_MAX);
		faults_hint(faults, "is it the right file? divide it among several lb4 if it is");
		return;
	}
	/* libyaml takes it for the first column. */
	if (size >= 3 && !memcmp(text, byte_order_mark, 3)) {
		p.text += 3;
		p.size -= 3;
		p.skipped = 3;
	}
	if (refuse_hidden_end(&p))
		return;
	read_events(&p);
	check_keys(t, faults);
}
