// SPDX-License-Identifier: BSD-2-Clause
/* A tree as text again, on one line: what people are shown, and what a quick start was asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yaml_tree.h"

/* Reads as itself wherever it stands; anything else is quoted. */
static bool is_plain(const struct yaml_node *n)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./%-";

	return n->length > 0 && strspn(n->text, safe) == n->length && n->text[0] != '-' &&
	       n->text[0] != '%' && n->text[0] != '.';
}

static void print_scalar(const struct yaml_node *n, FILE *to)
{
	if (is_plain(n)) {
		fputs(n->text, to);
		return;
	}
	putc('"', to);
	for (uint32_t i = 0; i < n->length; i++) {
		unsigned char c = (unsigned char)n->text[i];

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c == '\n' || c == '\r' || c == '\t')
			fprintf(to, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (c < ' ' || c == 0x7f)
			fprintf(to, "\\x%02x", c);
		else
			putc(c, to);
	}
	putc('"', to);
}

static void print(const struct yaml_node *n, FILE *to)
{
	const char *separator = "";

	switch (n->kind) {
	case NODE_SCALAR:
		print_scalar(n, to);
		break;
	case NODE_SEQUENCE:
		putc('[', to);
		yaml_for_each(entry, n) {
			fputs(separator, to);
			print(entry, to);
			separator = ", ";
		}
		putc(']', to);
		break;
	case NODE_MAPPING:
		putc('{', to);
		yaml_for_each_pair(key, value, n) {
			fputs(separator, to);
			print(key, to);
			fputs(": ", to);
			print(value, to);
			separator = ", ";
		}
		putc('}', to);
		break;
	case NODE_REFUSED:
		break; /* of a file that is not used */
	}
}

char *yaml_print(const struct yaml_node *n)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	print(n, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}
