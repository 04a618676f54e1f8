// SPDX-License-Identifier: BSD-2-Clause
/*
 * Backends in braces. Between two pairs stand a comma, blanks and perhaps comments. What is behind a
 * pair up to the comma, and a comment on the same line, is its trail; what is before it is its lead.
 */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_edit_private.h"

struct pair {
	const struct yaml_node *key, *value;
	size_t lead;	/* where its lead begins */
	size_t trail;	/* where its trail ends */
	size_t comma;	/* where its comma is; 0: it has none */
	bool commented; /* its trail ends in a comment: nothing may stand behind it on that line */
	bool kept;
};

static size_t skip_blanks(const struct editor *e, size_t at, size_t end)
{
	while (at < end && (e->edits.text[at] == ' ' || e->edits.text[at] == '\t'))
		at++;
	return at;
}

static size_t skip_comment(const struct editor *e, size_t at, size_t end)
{
	if (at < end && e->edits.text[at] == '#')
		while (at < end && e->edits.text[at] != '\n' && e->edits.text[at] != '\r')
			at++;
	return at;
}

/* The comma between `at` and `end`; 0: none. What it meets besides is blank or comment. */
static size_t find_comma(struct editor *e, size_t at, size_t end, const struct yaml_node *n)
{
	while (at < end) {
		char c = e->edits.text[at];

		if (c == ',')
			return at;
		if (c == '#') {
			at = skip_comment(e, at, end);
		} else if (strchr(" \t\r\n", c)) {
			at++;
		} else {
			editor_stuck(e, n);
			return 0;
		}
	}
	return 0;
}

/* Fills `p` with `n` pairs of the mapping. */
static void measure(struct editor *e, const struct yaml_node *mapping, struct pair *p, size_t n)
{
	size_t at = mapping->begin + 1;

	for (size_t i = 0; i < n; i++) {
		size_t end = i + 1 < n ? p[i + 1].key->begin : mapping->end - 1;
		size_t trail;

		p[i].lead = at;
		p[i].comma = find_comma(e, p[i].value->end, end, p[i].value);
		trail = skip_blanks(e, p[i].comma ? p[i].comma + 1 : p[i].value->end, end);
		at = skip_comment(e, trail, end);
		p[i].commented = at != trail;
		if (!p[i].commented) /* the blanks are the next one's */
			at = p[i].comma ? p[i].comma + 1 : p[i].value->end;
		p[i].trail = at;
	}
}

static bool has_newline(const struct editor *e, size_t from, size_t to)
{
	return memchr(e->edits.text + from, '\n', to - from) != NULL;
}

/* On one line the first that stays stands where the first stood. */
static void move_lead(struct editor *e, const struct pair *first, const struct pair *kept)
{
	if (first != kept && !has_newline(e, kept->lead, kept->key->begin))
		text_edits_add(&e->edits, kept->lead, kept->key->begin - kept->lead, "%.*s",
			       (int)(first->key->begin - first->lead), e->edits.text + first->lead);
}

/* Blanks that the line of `at` begins with. */
static const char *indent_of(const struct editor *e, size_t at, int *ret_length)
{
	size_t begin = editor_line_begin(e, at);

	*ret_length = (int)(skip_blanks(e, begin, at) - begin);
	return e->edits.text + begin;
}

/* What was put behind a comment, had it no line of its own, would be part of it. */
static bool follows_comment(const struct pair *pairs, const struct pair *p)
{
	return p > pairs && p[-1].commented;
}

/* Pairs from `from` to before `to`, between two that stay or at an end. */
static void remove_pairs(struct editor *e, const struct pair *pairs, const struct pair *from,
			 const struct pair *to, bool more)
{
	size_t begin = from->lead, end = to[-1].trail;
	bool own_line = strchr("\r\n", e->edits.text[skip_blanks(e, end, e->edits.size)]) != NULL;
	int length = 0;
	const char *indent = indent_of(e, from->key->begin, &length);

	if (follows_comment(pairs, from) && !own_line && !more)
		text_edits_add(&e->edits, begin, end - begin, "%s%.*s", e->newline, length, indent);
	else
		text_edits_add(&e->edits, begin, end - begin, "%s", "");
}

/* Behind `last`, or in its place, as it stands: on a line of its own, or on the same. */
static void add_pairs(struct editor *e, const struct pair *last, bool after_comment,
		      const struct backend_config *const *added, size_t n_added)
{
	bool lines = after_comment || has_newline(e, last->lead, last->key->begin);
	int length = 1;
	const char *indent = lines ? indent_of(e, last->key->begin, &length) : " ";

	for (size_t i = 0; i < n_added; i++) {
		_cleanup_(freep) char *text = print_backend(added[i], quote_of(e, last->key));

		if (!text)
			e->edits.no_memory = true;
		else
			text_edits_add(&e->edits, last->trail, 0, "%s%.*s%s%s",
				       lines ? e->newline : "", length, indent, text,
				       i + 1 < n_added || last->comma ? "," : "");
	}
}

static void edit_pairs(struct editor *e, const struct pair *p, size_t n,
		       const struct backend_config *const *added, size_t n_added)
{
	const struct pair *first_kept = NULL, *last_kept = NULL, *last = &p[n - 1];
	const struct pair *gone = p; /* all from here to the present one */

	for (const struct pair *at = p; at <= last; at++) {
		if (!at->kept)
			continue;
		if (gone < at)
			remove_pairs(e, p, gone, at, false);
		first_kept = first_kept ? first_kept : at;
		last_kept = at;
		gone = at + 1;
	}
	if (gone <= last)
		remove_pairs(e, p, gone, last + 1, n_added > 0);
	if (first_kept)
		move_lead(e, p, first_kept);
	/* A comma behind the last one only where there was one. */
	if (last_kept && n_added && !last_kept->comma)
		text_edits_add(&e->edits, last_kept->value->end, 0, ",");
	else if (last_kept && !n_added && last_kept->comma && !last->comma)
		text_edits_add(&e->edits, last_kept->comma, 1, "%s", "");
	add_pairs(e, last, gone <= last ? follows_comment(p, gone) : last->commented, added,
		  n_added);
}

void edit_flow_backends(struct editor *e, const struct backends_edit *b)
{
	size_t n = yaml_count(b->mapping), n_added = 0, i = 0;
	_cleanup_(freep) struct pair *pairs = calloc(n + 1, sizeof(pairs[0]));
	_cleanup_(freep) const struct backend_config **added =
		calloc(b->wanted->n_backends + 1, sizeof(added[0]));

	if (!pairs || !added) {
		e->edits.no_memory = true;
		return;
	}
	yaml_for_each_pair(key, value, b->mapping)
		pairs[i++] = (struct pair){
			.key = key,
			.value = value,
			.kept = wanted_find(b->wanted, key->text) != NULL,
		};
	measure(e, b->mapping, pairs, n);
	for (size_t k = 0; k < b->wanted->n_backends; k++)
		if (!service_config_find_backend(b->file, b->wanted->backends[k].name))
			added[n_added++] = &b->wanted->backends[k];
	edit_pairs(e, pairs, n, added, n_added);
}
