// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "text.h"

void config_errors_deinit(struct config_errors *e)
{
	for (size_t i = 0; i < e->n_errors; i++) {
		free(e->errors[i].message);
		free(e->errors[i].hint);
	}
	free(e->errors);
	*e = (struct config_errors){};
}

void faults_deinit(struct faults *f)
{
	config_errors_deinit(&f->found);
	*f = (struct faults)FAULTS_INIT;
}

static char *print(struct faults *f, const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0) {
		f->no_memory = true;
		return NULL;
	}
	return text_make_printable(text); /* it may quote what the file or an operator gave */
}

static bool is_before(const struct config_error *e, unsigned line, unsigned column)
{
	return e->line != line ? e->line < line : e->column <= column;
}

/* Faults mostly come in the order of the file already, so the search starts at the end. */
static struct config_error *insert(struct config_errors *e, unsigned line, unsigned column)
{
	size_t i = e->n_errors;

	while (i > 0 && !is_before(&e->errors[i - 1], line, column))
		i--;
	memmove(&e->errors[i + 1], &e->errors[i], (e->n_errors - i) * sizeof(e->errors[0]));
	e->errors[i] = (struct config_error){.line = line, .column = column};
	e->n_errors++;
	return &e->errors[i];
}

void faults_add(struct faults *f, unsigned line, unsigned column, const char *format, ...)
{
	struct config_errors *e = &f->found;
	va_list args;
	char *message;

	f->last = NULL;
	if (f->full || f->no_memory)
		return;
	if (!e->errors) {
		e->errors = calloc(FAULTS_MAX + 1, sizeof(e->errors[0]));
		if (!e->errors) {
			f->no_memory = true;
			return;
		}
	}
	if (e->n_errors == FAULTS_MAX) {
		f->full = true;
		format = "there are more faults than these; they are not shown";
		line = e->errors[e->n_errors - 1].line;
		column = e->errors[e->n_errors - 1].column;
	}

	va_start(args, format);
	message = print(f, format, args);
	va_end(args);
	if (!message)
		return;
	f->last = insert(e, line, column);
	f->last->message = message;
	if (f->full) {
		faults_hint(f, "correct these first");
		f->last = NULL;
	}
}

bool faults_want_hint(const struct faults *f)
{
	return f->last && !f->last->hint;
}

void faults_hint(struct faults *f, const char *format, ...)
{
	va_list args;

	if (!faults_want_hint(f))
		return;
	va_start(args, format);
	f->last->hint = print(f, format, args);
	va_end(args);
}

char *faults_quote(const char *text, size_t length, char buffer[QUOTED_MAX])
{
	static const char ellipsis[] = "…";
	size_t room = QUOTED_MAX - sizeof("\"\"") - (sizeof(ellipsis) - 1), n = 0;
	bool cut = length > room;

	if (cut) {
		length = room;
		/* Not in the middle of a character. */
		while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	buffer[n++] = '"';
	for (size_t i = 0; i < length; i++)
		buffer[n++] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	strcpy(buffer + n, cut ? ellipsis : "");
	strcat(buffer + n, "\"");
	return buffer;
}
