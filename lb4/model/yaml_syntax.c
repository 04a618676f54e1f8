// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "yaml_syntax.h"

/* What libyaml says, and what to tell people instead. */
static const struct syntax {
	const char *problem; /* libyaml's words begin so */
	const char *context; /* … and its context holds this, or NULL */
	bool at_context;     /* the place to report is where the construct began */
	const char *message;
	const char *hint;
} syntaxes[] = {
	{"found a tab character", NULL, false, "a tab where YAML wants blanks",
	 "indent with blanks, never with tabs"},
	{"mapping values are not allowed", NULL, false,
	 "a colon that makes no key here: the line is indented too far, the line above lacks its "
	 "colon, or a value holds \": \"",
	 "check the indentation and the line above; quote a value that holds \": \""},
	{"found unexpected end of stream", "quoted scalar", true,
	 "the quote opened here is never closed", "close the quote"},
	{"found unexpected document indicator", "quoted scalar", true,
	 "the quote opened here is never closed", "close the quote"},
	{"did not find expected ',' or ']'", NULL, true,
	 "the list that begins here is not continued by \",\" nor closed by \"]\"",
	 "put a comma between entries and close the list with ]"},
	{"did not find expected ',' or '}'", NULL, true,
	 "the mapping that begins here is not continued by \",\" nor closed by \"}\"",
	 "put a comma between entries and close the mapping with }"},
	{"did not find expected key", NULL, false, "expected a key",
	 "check the indentation, and the quotes and brackets of this line and the one above"},
	{"did not find expected node content", NULL, false, "expected a value",
	 "quote a value that holds any of [ ] { } , : # & * ! | > ' \" % @ `"},
	{"did not find expected '-' indicator", NULL, false,
	 "expected \"- \", as the entries above have", "check the indentation"},
	{"block sequence entries are not allowed", NULL, false,
	 "a list with \"- \" cannot begin here",
	 "put the entries on lines of their own below the key, or write [a, b]"},
	{"did not find expected alphabetic or numeric", NULL, true,
	 "a value cannot begin with \"*\" or \"&\" (YAML's aliases and anchors)",
	 "quote it, such as \"*:80\""},
	{"found unknown escape character", NULL, false, "an unknown escape after the backslash",
	 "write \\\\ for a backslash, or use single quotes"},
	{"did not find expected hexdecimal number", NULL, false,
	 "an escape whose hexadecimal digits are not complete", "write \\x0a or \\u000a"},
	{"found incompatible YAML document", NULL, false, "a version of YAML other than 1.1",
	 "remove the line that begins with %YAML"},
	{"could not find expected ':'", NULL, true, "expected a colon and a blank after the key",
	 "write KEY: VALUE"},
	{"did not find expected <document start>", NULL, false,
	 "text after the end of the document",
	 "what stands above is whole by itself: a list in brackets, text in quotes, or a line ... "
	 "ends the document, and a line %... goes before a line ---"},
	{"control characters are not allowed", NULL, false, "a control character",
	 "save the file as plain UTF-8 text"},
	{"invalid", "", false, "not valid UTF-8", "save the file as UTF-8"},
	{"incomplete UTF-8", NULL, false, "not valid UTF-8: the last character is cut off",
	 "save the file as UTF-8"},
};

static const struct syntax *find_syntax(const char *problem, const char *context)
{
	for (size_t i = 0; i < sizeof(syntaxes) / sizeof(syntaxes[0]); i++) {
		const struct syntax *s = &syntaxes[i];

		if (!strncmp(problem, s->problem, strlen(s->problem)) &&
		    (!s->context || strstr(context, s->context)))
			return s;
	}
	return NULL;
}

struct mark yaml_mark_of_byte(const char *text, size_t size, size_t offset)
{
	struct mark m = {1, 1};

	for (size_t i = 0; i < offset && i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n' || (c == '\r' && (i + 1 == size || text[i + 1] != '\n'))) {
			m.line++;
			m.column = 1;
		} else if ((c & 0xc0) != 0x80) {
			m.column++;
		}
	}
	return m;
}

/* The byte at libyaml's `index`, which counts characters. */
static char byte_at(const char *text, size_t size, size_t index)
{
	for (size_t i = 0; i < size; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && index-- == 0)
			return text[i];
	return 0;
}

/* Whether an address in brackets, or one that begins with a colon, lacks its quotes on a line. */
static bool has_bare_address(const char *text, size_t size, unsigned line)
{
	const char *p = text, *end = text + size;
	char quote = 0;

	for (unsigned n = 1; n < line && p < end; p++)
		if (*p == '\n')
			n++;
	for (; p + 1 < end && *p != '\n' && *p != '\r'; p++) {
		if (quote)
			quote = *p == quote ? 0 : quote;
		else if (*p == '"' || *p == '\'')
			quote = *p;
		else if (p[1] == ':' && (*p == '[' || *p == ']'))
			return true;
	}
	return false;
}

/* A character that begins nothing in YAML: mostly a tab, or an @, % or ` without quotes. */
static void refuse_start(struct mark at, char c, struct faults *faults)
{
	if (c == '\t') {
		faults_add(faults, at.line, at.column,
			   "a tab where YAML wants blanks; nothing after this was read");
		faults_hint(faults, "indent with blanks, never with tabs");
		return;
	}
	faults_add(faults, at.line, at.column,
		   "a value cannot begin with \"%c\"; nothing after this was read", c);
	faults_hint(faults, "quote the value");
}

void yaml_syntax_fault(const yaml_parser_t *parser, const char *text, size_t size,
		       struct faults *faults)
{
	const char *problem = parser->problem ? parser->problem : "not understood";
	const char *context = parser->context ? parser->context : "";
	const struct syntax *s = find_syntax(problem, context);
	struct mark at = mark_of(parser->problem_mark), end = yaml_mark_of_byte(text, size, size);

	if (parser->error == YAML_MEMORY_ERROR) {
		faults->no_memory = true;
		return;
	}
	if (!strcmp(problem, "found character that cannot start any token")) {
		refuse_start(at, byte_at(text, size, parser->problem_mark.index), faults);
		return;
	}
	if (parser->error == YAML_READER_ERROR)
		at = yaml_mark_of_byte(text, size, parser->problem_offset);
	else if (s && s->at_context)
		at = mark_of(parser->context_mark);
	if (at.line > end.line)
		at = end; /* of a text without a last line end libyaml names the line after it */

	if (s)
		faults_add(faults, at.line, at.column, "%s; nothing after this was read",
			   s->message);
	else
		faults_add(faults, at.line, at.column,
			   "not YAML: %s%s%s; nothing after this was read", context,
			   *context ? ", " : "", problem);
	if (parser->error == YAML_PARSER_ERROR && has_bare_address(text, size, at.line))
		faults_hint(faults, "quote addresses, such as \":80\" or \"[2001:db8::1]:80\"");
	else
		faults_hint(faults, "%s", s ? s->hint : "check this line and the one above");
}
