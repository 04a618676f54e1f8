// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_edit.h"

#define CONTEXT 3 /* lines around a change, as diff -u has it */

void text_edits_deinit(struct text_edits *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->items[i].insert);
	free(e->items);
	*e = (struct text_edits){};
}

void text_edits_add(struct text_edits *e, size_t at, size_t length, const char *format, ...)
{
	struct text_edit *items = reallocarray(e->items, e->n + 1, sizeof(items[0]));
	struct text_edit edit = {.at = at, .length = length, .order = e->n};
	va_list args;

	if (!items) {
		e->no_memory = true;
		return;
	}
	e->items = items;
	va_start(args, format);
	if (vasprintf(&edit.insert, format, args) < 0)
		e->no_memory = true;
	else
		e->items[e->n++] = edit;
	va_end(args);
}

/* What is put in at a place comes before what is taken away there. */
static int by_place(const void *x, const void *y)
{
	const struct text_edit *a = x, *b = y;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (!a->length != !b->length)
		return a->length ? 1 : -1;
	return a->order < b->order ? -1 : 1;
}

/* The text from `from` to `to` with edits [first, last) made. */
static void render(const struct text_edits *e, size_t from, size_t to, size_t first, size_t last,
		   FILE *out)
{
	for (size_t i = first; i < last; i++) {
		const struct text_edit *edit = &e->items[i];

		fwrite(e->text + from, 1, edit->at - from, out);
		fputs(edit->insert, out);
		from = edit->at + edit->length;
	}
	fwrite(e->text + from, 1, to - from, out);
}

static char *render_text(const struct text_edits *e, size_t from, size_t to, size_t first,
			 size_t last, size_t *ret_size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_size);

	if (!out)
		return NULL;
	render(e, from, to, first, last, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

int text_edits_apply(struct text_edits *e, char **ret_text, size_t *ret_size)
{
	size_t end = 0;

	if (e->no_memory)
		return -ENOMEM;
	if (e->n)
		qsort(e->items, e->n, sizeof(e->items[0]), by_place);
	for (size_t i = 0; i < e->n; i++) {
		if (e->items[i].at < end || e->items[i].at + e->items[i].length > e->size)
			return -EINVAL;
		end = e->items[i].at + e->items[i].length;
	}
	*ret_text = render_text(e, 0, e->size, 0, e->n, ret_size);
	return *ret_text ? 0 : -ENOMEM;
}

/* --- The diff --- */

static size_t line_begin(const struct text_edits *e, size_t at)
{
	while (at > 0 && e->text[at - 1] != '\n')
		at--;
	return at;
}

/* Past the line end of the line that `at` is in. */
static size_t line_end(const struct text_edits *e, size_t at)
{
	const char *newline = at < e->size ? memchr(e->text + at, '\n', e->size - at) : NULL;

	return newline ? (size_t)(newline - e->text) + 1 : e->size;
}

static size_t count_lines(const char *text, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += text[i] == '\n';
	return n + (size > 0 && text[size - 1] != '\n');
}

static void print_lines(char mark, const char *text, size_t size, FILE *out)
{
	for (size_t at = 0; at < size;) {
		const char *newline = memchr(text + at, '\n', size - at);
		size_t end = newline ? (size_t)(newline - text) + 1 : size;

		putc(mark, out);
		fwrite(text + at, 1, end - at, out);
		if (!newline)
			fputs("\n\\ No newline at end of file\n", out);
		at = end;
	}
}

/* The bytes of whole lines that an edit touches: none where whole lines are put in. */
static void lines_of(const struct text_edits *e, const struct text_edit *edit, size_t *ret_from,
		     size_t *ret_to)
{
	size_t end = edit->at + edit->length, length = strlen(edit->insert);
	bool whole = length == 0 ? edit->length > 0 : edit->insert[length - 1] == '\n';

	*ret_from = line_begin(e, edit->at);
	*ret_to = whole && end == line_begin(e, end) ? end : line_end(e, end);
}

/* Where the last line begins; `size` is not 0. */
static size_t last_line(const char *text, size_t size)
{
	size--;
	while (size > 0 && text[size - 1] != '\n')
		size--;
	return size;
}

/* Leaves out lines that both have: `*ret_same` bytes in front, and what the sizes lose behind. */
static void narrow(const char *old, const char *new, size_t *old_size, size_t *new_size,
		   size_t *ret_same)
{
	size_t least = *old_size < *new_size ? *old_size : *new_size, same = 0;

	for (size_t i = 0; i < least && old[i] == new[i]; i++)
		if (old[i] == '\n')
			same = i + 1;
	*ret_same = same;
	while (*old_size > same && *new_size > same) {
		size_t o = last_line(old, *old_size), n = last_line(new, *new_size);

		if (o < same || n < same || *old_size - o != *new_size - n ||
		    memcmp(old + o, new + n, *old_size - o) != 0)
			return;
		*old_size = o;
		*new_size = n;
	}
}

struct change {
	size_t from, to; /* of the old text */
	size_t line;	 /* lines before `from` */
	char *new;
	size_t new_size;
};

struct changes {
	struct change *items;
	size_t n;
};

static void changes_deinit(struct changes *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->items[i].new);
	free(c->items);
}

/* Edits that share a line are one change. */
static bool gather(const struct text_edits *e, struct changes *c)
{
	size_t last, line = 0, counted = 0;

	c->items = calloc(e->n + 1, sizeof(c->items[0]));
	if (!c->items)
		return false;
	for (size_t i = 0; i < e->n; i = last) {
		struct change *change = &c->items[c->n];
		size_t from, to, same;

		lines_of(e, &e->items[i], &change->from, &change->to);
		for (last = i + 1; last < e->n; last++) {
			lines_of(e, &e->items[last], &from, &to);
			if (from > change->to)
				break;
			if (to > change->to)
				change->to = to;
		}
		change->new = render_text(e, change->from, change->to, i, last, &change->new_size);
		if (!change->new)
			return false;
		c->n++;
		to = change->to - change->from;
		narrow(e->text + change->from, change->new, &to, &change->new_size, &same);
		memmove(change->new, change->new + same, change->new_size - same);
		change->new_size -= same;
		change->to = change->from + to;
		change->from += same;
		line += count_lines(e->text + counted, change->from - counted);
		counted = change->from;
		change->line = line;
	}
	return true;
}

static size_t back(const struct text_edits *e, size_t at, size_t n)
{
	while (n-- > 0 && at > 0)
		at = line_begin(e, at - 1);
	return at;
}

static size_t forth(const struct text_edits *e, size_t at, size_t n)
{
	while (n-- > 0 && at < e->size)
		at = line_end(e, at);
	return at;
}

static void print_range(char sign, size_t first, size_t n, FILE *out)
{
	fprintf(out, " %c%zu", sign, n ? first + 1 : first);
	if (n != 1)
		fprintf(out, ",%zu", n);
}

/* Changes [i, last) and the lines between and around them. Returns by how many lines it grew. */
static long print_hunk(const struct text_edits *e, const struct changes *c, size_t i, size_t last,
		       long grown, FILE *out)
{
	size_t from = back(e, c->items[i].from, CONTEXT), at = from;
	size_t to = forth(e, c->items[last - 1].to, CONTEXT);
	size_t first = c->items[i].line - count_lines(e->text + from, c->items[i].from - from);
	size_t n_old = count_lines(e->text + from, to - from);
	long more = 0;

	for (size_t k = i; k < last; k++) {
		const struct change *change = &c->items[k];

		more += (long)count_lines(change->new, change->new_size) -
			(long)count_lines(e->text + change->from, change->to - change->from);
	}
	fputs("@@", out);
	print_range('-', first, n_old, out);
	print_range('+', (size_t)((long)first + grown), (size_t)((long)n_old + more), out);
	fputs(" @@\n", out);
	for (size_t k = i; k < last; k++) {
		const struct change *change = &c->items[k];

		print_lines(' ', e->text + at, change->from - at, out);
		print_lines('-', e->text + change->from, change->to - change->from, out);
		print_lines('+', change->new, change->new_size, out);
		at = change->to;
	}
	print_lines(' ', e->text + at, to - at, out);
	return more;
}

static void print_hunks(const struct text_edits *e, const struct changes *c, FILE *out)
{
	long grown = 0;
	size_t last;

	for (size_t i = 0; i < c->n; i = last) {
		for (last = i + 1; last < c->n; last++)
			if (back(e, c->items[last].from, CONTEXT) >
			    forth(e, c->items[last - 1].to, CONTEXT))
				break;
		grown += print_hunk(e, c, i, last, grown, out);
	}
}

char *text_edits_diff(const struct text_edits *e, const char *name)
{
	struct changes c = {};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool good = out && gather(e, &c);

	if (good && c.n) {
		fprintf(out, "--- %s\n+++ %s\n", name, name);
		print_hunks(e, &c, out);
	}
	changes_deinit(&c);
	if (out && fclose(out) == 0 && good)
		return text;
	free(text);
	return NULL;
}
