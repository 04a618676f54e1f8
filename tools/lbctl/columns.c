// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"

#define GAP 2 /* between columns */

struct cell {
	char *text;
	enum colour colour;
};

struct columns {
	const struct column *columns;
	size_t n_columns;
	bool colours;
	struct cell *cells;
	size_t n_cells, n_allocated;
};

static const char *const escapes[] = {
	[COLOUR_NONE] = "",
	[COLOUR_GOOD] = "\033[32m",
	[COLOUR_DOUBT] = "\033[33m",
	[COLOUR_BAD] = "\033[31m",
};

const char *colour_begin(enum colour colour, bool colours)
{
	return colours ? escapes[colour] : "";
}

const char *colour_end(enum colour colour, bool colours)
{
	return colours && colour != COLOUR_NONE ? "\033[0m" : "";
}

struct columns *columns_new(const struct column *columns, size_t n_columns, bool colours)
{
	struct columns *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->columns = columns;
	c->n_columns = n_columns;
	c->colours = colours;
	return c;
}

struct columns *columns_free(struct columns *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_cells; i++)
		free(c->cells[i].text);
	free(c->cells);
	free(c);
	return NULL;
}

void columns_add(struct columns *c, enum colour colour, const char *format, ...)
{
	struct cell cell = {.colour = colour};
	va_list args;
	int n;

	if (!c)
		return;
	if (c->n_cells == c->n_allocated) {
		size_t wanted = c->n_allocated ? 2 * c->n_allocated : 64;
		struct cell *grown = realloc(c->cells, wanted * sizeof(*grown));

		if (!grown)
			return;
		c->cells = grown;
		c->n_allocated = wanted;
	}
	va_start(args, format);
	n = vasprintf(&cell.text, format, args);
	va_end(args);
	if (n < 0)
		cell.text = NULL;
	c->cells[c->n_cells++] = cell;
}

static const char *cell_text(const struct columns *c, size_t i)
{
	return c->cells[i].text ? c->cells[i].text : "?";
}

/* Spaces wait in *gap until something follows them, so that no line ends with one. */
static void print_cell(const struct columns *c, size_t column, const char *text, enum colour colour,
		       size_t width, size_t *gap, FILE *to)
{
	size_t padding = width - strlen(text);

	if (c->columns[column].right)
		*gap += padding;
	if (*text) {
		fprintf(to, "%*s%s%s%s", (int)*gap, "", colour_begin(colour, c->colours), text,
			colour_end(colour, c->colours));
		*gap = 0;
	}
	*gap += (c->columns[column].right ? 0 : padding) + GAP;
	if (column + 1 == c->n_columns) {
		fputc('\n', to);
		*gap = 0;
	}
}

void columns_print(const struct columns *c, FILE *to)
{
	size_t *widths = c ? calloc(c->n_columns, sizeof(*widths)) : NULL;
	size_t gap = 0;

	if (!widths) {
		fputs("lbctl: out of memory\n", stderr);
		return;
	}
	for (size_t i = 0; i < c->n_columns; i++)
		widths[i] = strlen(c->columns[i].heading);
	for (size_t i = 0; i < c->n_cells; i++)
		if (strlen(cell_text(c, i)) > widths[i % c->n_columns])
			widths[i % c->n_columns] = strlen(cell_text(c, i));
	for (size_t i = 0; i < c->n_columns; i++)
		print_cell(c, i, c->columns[i].heading, COLOUR_NONE, widths[i], &gap, to);
	for (size_t i = 0; i < c->n_cells; i++)
		print_cell(c, i % c->n_columns, cell_text(c, i), c->cells[i].colour,
			   widths[i % c->n_columns], &gap, to);
	free(widths);
}

/* `value` in the largest unit that leaves at least 1, with one decimal below 10. */
static char *print_scaled(uint64_t value, const char *const *units, char *buffer)
{
	double scaled = (double)value;

	while (scaled >= 999.5 && units[1]) {
		scaled /= 1000;
		units++;
	}
	if (scaled < 9.95 && scaled != (double)(uint64_t)scaled)
		snprintf(buffer, UNITS_TEXT_MAX, "%.1f %s", scaled, *units);
	else
		snprintf(buffer, UNITS_TEXT_MAX, "%.0f %s", scaled, *units);
	return buffer;
}

char *print_bytes(uint64_t bytes, char buffer[UNITS_TEXT_MAX])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", NULL};

	return print_scaled(bytes, units, buffer);
}

char *print_us(uint64_t us, char buffer[UNITS_TEXT_MAX])
{
	static const char *const units[] = {"us", "ms", "s", NULL};

	return print_scaled(us, units, buffer);
}

char *print_ms(uint64_t ms, char buffer[UNITS_TEXT_MAX])
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
	uint64_t seconds = ms / 1000;

	if (seconds < 60)
		return print_us(ms < 1000 ? ms * 1000 : seconds * 1000000, buffer);
	for (size_t i = 0; i + 1 < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds < units[i].seconds)
			continue;
		snprintf(buffer, UNITS_TEXT_MAX, "%" PRIu64 "%s%" PRIu64 "%s",
			 seconds / units[i].seconds, units[i].name,
			 seconds % units[i].seconds / units[i + 1].seconds, units[i + 1].name);
		break;
	}
	return buffer;
}
