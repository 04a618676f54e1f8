// SPDX-License-Identifier: BSD-2-Clause
/* Values that are text: strings, bytes for the wire, names. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"

static bool replace_pointer(void *target, struct field field, void *take)
{
	void **p = (void **)(void *)((char *)target + field.offset);

	assert(field.size == sizeof(void *));
	free(*p);
	*p = take;
	return true;
}

bool value_read_text(const struct setting *s, const struct yaml_node *n, void *target,
		     struct faults *faults)
{
	char quoted[QUOTED_MAX];
	const char *why;
	char *copy;

	if (n->length < s->min || n->length > s->max) {
		value_refuse_kind(s, n, faults);
		return false;
	}
	why = s->refuse ? s->refuse(n->text) : NULL;
	if (why) {
		faults_add(faults, n->line, n->column, "%s: %s: %s", s->key,
			   faults_quote(n->text, n->length, quoted), why);
		return false;
	}
	copy = strdup(n->text);
	if (!copy) {
		faults->no_memory = true;
		return false;
	}
	return replace_pointer(target, s->into, copy);
}

static bool set_bytes(const struct setting *s, const uint8_t *bytes, size_t size, void *target,
		      struct faults *faults)
{
	uint8_t *copy = malloc(size);

	if (!copy) {
		faults->no_memory = true;
		return false;
	}
	memcpy(copy, bytes, size);
	field_store(target, s->also_into, size);
	return replace_pointer(target, s->into, copy);
}

bool value_read_bytes(const struct setting *s, const struct yaml_node *n, void *target,
		      struct faults *faults)
{
	if (n->length < s->min || n->length > s->max) {
		value_refuse_kind(s, n, faults);
		return false;
	}
	for (size_t i = 0; i < n->length; i++) {
		if ((unsigned char)n->text[i] < 0x80)
			continue;
		/* YAML's "\xff" is a character of two bytes, hardly what was meant. */
		faults_add(faults, n->line, n->column, "%s: a character outside ASCII", s->key);
		faults_hint(faults, "write the bytes in hexadecimal with %s_hex", s->key);
		return false;
	}
	if (!n->escaped && strchr(n->text, '\\')) {
		faults_add(faults, n->line, n->column, "%s: a backslash outside of double quotes",
			   s->key);
		faults_hint(faults, "put the text in double quotes, where escapes work");
		return false;
	}
	return set_bytes(s, (const uint8_t *)n->text, n->length, target, faults);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool value_read_hex(const struct setting *s, const struct yaml_node *n, void *target,
		    struct faults *faults)
{
	uint8_t bytes[4096];
	size_t size = 0;

	assert(s->max <= sizeof(bytes));
	for (const char *p = n->text; *p;) {
		int high, low;

		if (*p == ' ') {
			p++;
			continue;
		}
		high = hex_digit(p[0]);
		low = high < 0 ? -1 : hex_digit(p[1]);
		if (low < 0 || size == s->max) {
			value_refuse_kind(s, n, faults);
			faults_hint(faults, "two digits a byte, blanks between bytes, no 0x: "
					    "\"50 49 4e 47 0d 0a\"");
			return false;
		}
		bytes[size++] = (uint8_t)(high << 4 | low);
		p += 2;
	}
	if (size < s->min) {
		value_refuse_kind(s, n, faults);
		return false;
	}
	return set_bytes(s, bytes, size, target, faults);
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The name without what cannot stand in one, if something is left. */
static void hint_name(const struct yaml_node *n, struct faults *faults)
{
	char name[NAME_LENGTH_MAX + 1];
	size_t length = 0;
	bool gap = false;

	if (n->text[n->length - 1] == ':')
		faults_hint(faults, "a colon too many?");
	for (size_t i = 0; i < n->length; i++) {
		char c = n->text[i];

		if (!is_name_start(c) && c != '-' && c != '.') {
			gap = true;
		} else if (length > 0 || is_name_start(c)) {
			if (gap && length > 0)
				name[length++] = '-';
			name[length++] = c;
			gap = false;
		}
	}
	name[length] = '\0';
	if (length > 0)
		faults_hint(faults, "did you mean \"%s\"?", name);
	faults_hint(faults, "use ASCII letters and digits, as in web-1");
}

bool value_check_name(const char *what, const struct yaml_node *n, struct faults *faults)
{
	char quoted[QUOTED_MAX];

	faults_quote(n->text, n->length, quoted);
	if (n->length == 0) {
		faults_add(faults, n->line, n->column, "the name of a %s is empty", what);
		faults_hint(faults, "give it a name, as in web-1");
		return false;
	}
	if (n->length > NAME_LENGTH_MAX) {
		faults_add(faults, n->line, n->column, "%s %s: the name is longer than %d bytes",
			   what, quoted, NAME_LENGTH_MAX);
		faults_hint(faults, "shorten it; it stands in logs and metrics");
		return false;
	}
	/* A name goes into paths of the API and arguments of lbctl. */
	for (size_t i = 0; i < n->length; i++) {
		char c = n->text[i];

		if (is_name_start(c) || (i > 0 && (c == '-' || c == '.')))
			continue;
		faults_add(faults, n->line, n->column,
			   "%s %s: a name is made of letters, digits, \"-\", \"_\" and \".\" and "
			   "begins with a letter, a digit or \"_\"",
			   what, quoted);
		hint_name(n, faults);
		return false;
	}
	return true;
}
