// SPDX-License-Identifier: BSD-2-Clause
/* Backends one a line, or with a line for each setting: whole lines come and go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_edit_private.h"
#include "config_read.h"
#include "config_value.h"

/* Past the newline. */
static size_t next_line(const struct editor *e, size_t at)
{
	at = editor_line_end(e, at);
	while (at < e->edits.size && e->edits.text[at] != '\n')
		at++;
	return at < e->edits.size ? at + 1 : at;
}

/* Its lines, with what is said behind it; comments above it may be about more and stay. */
static void remove_lines(struct editor *e, const struct yaml_node *key,
			 const struct yaml_node *value)
{
	size_t begin = editor_line_begin(e, key->begin), end = next_line(e, value->end);

	if (editor_is_blank(e, begin, key->begin))
		text_edits_add(&e->edits, begin, end - begin, "%s", "");
	else
		editor_stuck(e, key);
}

/* How the last pair is written, which new ones follow. */
struct pattern {
	const char *indent; /* of the key, `indent_length` bytes */
	int indent_length;
	const char *inner; /* of the keys below it, when they have lines of their own; else NULL */
	int inner_length;
	const char *quote;
};

static struct pattern pattern_of(struct editor *e, const struct yaml_node *key,
				 const struct yaml_node *value)
{
	size_t begin = editor_line_begin(e, key->begin);
	struct pattern p = {
		.indent = e->edits.text + begin,
		.indent_length = (int)(key->begin - begin),
		.quote = quote_of(e, key),
	};

	if (!editor_is_blank(e, begin, key->begin))
		editor_stuck(e, key);
	if (value->kind == NODE_MAPPING && !value->flow) {
		const struct yaml_node *first = yaml_first(value);

		begin = editor_line_begin(e, first->begin);
		p.inner = e->edits.text + begin;
		p.inner_length = (int)(first->begin - begin);
		if (!editor_is_blank(e, begin, first->begin))
			editor_stuck(e, first);
	}
	return p;
}

/* Puts in a line at `at`: behind the line that ends there, or before the one that begins there. */
static void add_line(struct editor *e, size_t at, bool behind, const char *indent, int length,
		     const char *line)
{
	text_edits_add(&e->edits, at, 0, "%s%.*s%s%s", behind ? e->newline : "", length, indent,
		       line, behind ? "" : e->newline);
}

static void add_settings(struct editor *e, size_t at, bool behind, const struct pattern *p,
			 const struct backend_config *b)
{
	struct backend_config none = {};

	for (const struct setting *s = schema_backend.settings; s->key; s++) {
		bool quoted = s->type == SETTING_ADDRESS;
		char text[VALUE_TEXT_MAX], line[VALUE_TEXT_MAX + 64];

		if (!quoted && value_default(s, &none) && value_equal(s, b, &none))
			continue;
		snprintf(line, sizeof(line), "%s%s%s: %s%s%s", p->quote, s->key, p->quote,
			 quoted ? "\"" : "", value_print(s, b, text), quoted ? "\"" : "");
		add_line(e, at, behind, p->inner, p->inner_length, line);
	}
}

static void add_backend(struct editor *e, size_t at, bool behind, const struct pattern *p,
			const struct backend_config *b)
{
	_cleanup_(freep) char *text = NULL;

	if (p->inner) {
		char line[NAME_LENGTH_MAX + 8];

		snprintf(line, sizeof(line), "%s%s%s:", p->quote, b->name, p->quote);
		add_line(e, at, behind, p->indent, p->indent_length, line);
		add_settings(e, at, behind, p, b);
		return;
	}
	text = print_backend(b, p->quote);
	if (text)
		add_line(e, at, behind, p->indent, p->indent_length, text);
	else
		e->edits.no_memory = true;
}

void edit_block_backends(struct editor *e, const struct backends_edit *b)
{
	const struct yaml_node *last = NULL, *last_value = NULL;
	struct pattern p;
	bool behind;
	size_t at;

	yaml_for_each_pair(key, value, b->mapping) {
		last = key;
		last_value = value;
		if (!wanted_find(b->wanted, key->text))
			remove_lines(e, key, value);
	}
	p = pattern_of(e, last, last_value);
	/* Behind the last one; in its place, when it goes. */
	behind = wanted_find(b->wanted, last->text) != NULL;
	at = behind ? editor_line_end(e, last_value->end) : editor_line_begin(e, last->begin);
	for (size_t i = 0; i < b->wanted->n_backends; i++)
		if (!service_config_find_backend(b->file, b->wanted->backends[i].name))
			add_backend(e, at, behind, &p, &b->wanted->backends[i]);
}
