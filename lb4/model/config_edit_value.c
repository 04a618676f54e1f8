// SPDX-License-Identifier: BSD-2-Clause
/* What stands behind the name of a backend: printed anew, or changed where it stands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_edit_private.h"
#include "config_read.h"
#include "config_value.h"

/* A value as it stands in a file: an address needs quotes. */
static const char *print_value(const struct setting *s, const struct backend_config *b,
			       char buffer[VALUE_TEXT_MAX + 2])
{
	char text[VALUE_TEXT_MAX];

	snprintf(buffer, VALUE_TEXT_MAX + 2, s->type == SETTING_ADDRESS ? "\"%s\"" : "%s",
		 value_print(s, b, text));
	return buffer;
}

static bool is_default(const struct setting *s, const struct backend_config *b)
{
	struct backend_config none = {};

	return s->type != SETTING_ADDRESS && value_default(s, &none) && value_equal(s, b, &none);
}

bool has_only_address(const struct backend_config *b)
{
	for (const struct setting *s = schema_backend.settings; s->key; s++)
		if (s->type != SETTING_ADDRESS && !is_default(s, b))
			return false;
	return true;
}

/* "{address: …, weight: …}", with `address` in place of that of `b` unless it is NULL. */
static void print_long(const struct backend_config *b, const char *quote, const char *address,
		       FILE *to)
{
	char text[VALUE_TEXT_MAX + 2];
	const char *separator = "";

	putc('{', to);
	for (const struct setting *s = schema_backend.settings; s->key; s++) {
		if (is_default(s, b))
			continue;
		fprintf(to, "%s%s%s%s: %s", separator, quote, s->key, quote,
			s->type == SETTING_ADDRESS && address ? address : print_value(s, b, text));
		separator = ", ";
	}
	putc('}', to);
}

static void print_short(const struct backend_config *b, FILE *to)
{
	char text[ADDRESS_TEXT_MAX];

	fprintf(to, "\"%s\"", address_print(&b->address, text));
}

/* What open_memstream() gave, or NULL. */
static char *finish(FILE *to, char **text)
{
	if (fclose(to) == 0)
		return *text;
	free(*text);
	return NULL;
}

char *print_backend(const struct backend_config *b, const char *quote)
{
	/* A bare null is no name to other readers of YAML. */
	const char *around = !strcasecmp(b->name, "null") ? "\"" : quote;
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	fprintf(to, "%s%s%s: ", around, b->name, around);
	if (has_only_address(b))
		print_short(b, to);
	else
		print_long(b, quote, NULL, to);
	return finish(to, &text);
}

/* The address as it is written, when it is quoted; bare it would not read the same in braces. */
static char *raw_address(const struct editor *e, const struct yaml_node *n)
{
	const char *raw = e->edits.text + n->begin;
	char *text = NULL;

	if (*raw == '"' || *raw == '\'')
		return strndup(raw, n->end - n->begin);
	return asprintf(&text, "\"%s\"", n->text) < 0 ? NULL : text;
}

/* "ADDRESS" becomes {address: "ADDRESS", …}. */
static void lengthen(struct editor *e, const struct yaml_node *key, const struct yaml_node *value,
		     const struct backend_config *from, const struct backend_config *to)
{
	_cleanup_(freep) char *address = NULL;
	_cleanup_(freep) char *printed = NULL;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (address_equal(&from->address, &to->address))
		address = raw_address(e, value);
	out = open_memstream(&text, &size);
	if (!out) {
		e->edits.no_memory = true;
		return;
	}
	print_long(to, quote_of(e, key), address, out);
	printed = finish(out, &text);
	if (printed)
		text_edits_add(&e->edits, value->begin, value->end - value->begin, "%s", printed);
	else
		e->edits.no_memory = true;
}

/* A key that was left out: behind the last one, in the same way. */
static void insert_key(struct editor *e, const struct yaml_node *mapping, const char *key,
		       const char *value)
{
	const struct yaml_node *first = yaml_first(mapping), *last = NULL;
	const char *quote = quote_of(e, first);
	size_t begin = editor_line_begin(e, first->begin);

	yaml_for_each_pair(k, v, mapping)
		last = v;
	if (mapping->flow) {
		text_edits_add(&e->edits, last->end, 0, ", %s%s%s: %s", quote, key, quote, value);
		return;
	}
	if (!editor_is_blank(e, begin, first->begin)) {
		editor_stuck(e, first);
		return;
	}
	text_edits_add(&e->edits, editor_line_end(e, last->end), 0, "%s%.*s%s%s%s: %s", e->newline,
		       (int)(first->begin - begin), e->edits.text + begin, quote, key, quote,
		       value);
}

void edit_backend_value(struct editor *e, const struct yaml_node *key,
			const struct yaml_node *value, const struct backend_config *from,
			const struct backend_config *to)
{
	for (const struct setting *s = schema_backend.settings; s->key; s++) {
		const struct yaml_node *n = value;
		char text[VALUE_TEXT_MAX + 2];

		if (value_equal(s, from, to))
			continue;
		if (value->kind == NODE_MAPPING) {
			n = yaml_find(value, s->key);
		} else if (s->type != SETTING_ADDRESS || !has_only_address(to)) {
			lengthen(e, key, value, from, to);
			return;
		}
		print_value(s, to, text);
		if (n)
			text_edits_add(&e->edits, n->begin, n->end - n->begin, "%s", text);
		else
			insert_key(e, value, s->key, text);
	}
}
