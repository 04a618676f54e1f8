// SPDX-License-Identifier: BSD-2-Clause
/* tools/lbctl/columns: alignment, and numbers with units. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "columns.h"

#include "test.h"

static void prints_units(void **state)
{
	static const struct {
		char *(*print)(uint64_t value, char *buffer);
		uint64_t value;
		const char *text;
	} cases[] = {
		{print_bytes, 0, "0 B"},
		{print_bytes, 17, "17 B"},
		{print_bytes, 999, "999 B"},
		{print_bytes, 1000, "1 kB"},
		{print_bytes, 1234, "1.2 kB"},
		{print_bytes, 9949, "9.9 kB"},
		{print_bytes, 9999, "10 kB"},
		{print_bytes, 999499, "999 kB"},
		{print_bytes, 999500, "1.0 MB"},
		{print_bytes, 1200000000, "1.2 GB"},
		{print_bytes, UINT64_MAX, "18 EB"},
		{print_us, 0, "0 us"},
		{print_us, 350, "350 us"},
		{print_us, 2500, "2.5 ms"},
		{print_us, 12000000, "12 s"},
		{print_us, 5000000000, "5000 s"},
		{print_ms, 0, "0 us"},
		{print_ms, 350, "350 ms"},
		{print_ms, 59999, "59 s"},
		{print_ms, 60000, "1m0s"},
		{print_ms, 312000, "5m12s"},
		{print_ms, 11520000, "3h12m"},
		{print_ms, 356400000, "4d3h"},
		{print_ms, UINT64_MAX, "213503982334d14h"},
	};
	char buffer[UNITS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(cases[i].print(cases[i].value, buffer), cases[i].text);
}

static char *print_table(struct columns *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	columns_print(c, f);
	fclose(f);
	columns_free(c);
	return text;
}

static struct columns *make_table(bool colours)
{
	static const struct column columns[] = {{"NAME"}, {"N", true}, {"NOTES"}};
	struct columns *c = columns_new(columns, ARRAY_SIZE(columns), colours);

	columns_add(c, COLOUR_NONE, "a");
	columns_add(c, COLOUR_BAD, "%d", 12345);
	columns_add(c, COLOUR_NONE, "%s", "");
	columns_add(c, COLOUR_NONE, "longer");
	columns_add(c, COLOUR_NONE, "%d", 7);
	columns_add(c, COLOUR_NONE, "%s", "something");
	return c;
}

static void aligns(void **state)
{
	_cleanup_(freep) char *text = print_table(make_table(false));

	(void)state;
	/* No line ends with a blank. */
	assert_string_equal(text, "NAME        N  NOTES\n"
				  "a       12345\n"
				  "longer      7  something\n");
}

static void colours(void **state)
{
	_cleanup_(freep) char *text = print_table(make_table(true));

	(void)state;
	/* They take no width. */
	assert_string_equal(text, "NAME        N  NOTES\n"
				  "a       \033[31m12345\033[0m\n"
				  "longer      7  something\n");
}

static void empty_tables(void **state)
{
	static const struct column columns[] = {{"NAME"}, {"N", true}};
	_cleanup_(freep) char *text = print_table(columns_new(columns, ARRAY_SIZE(columns), false));

	(void)state;
	assert_string_equal(text, "NAME  N\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_units),
		cmocka_unit_test(aligns),
		cmocka_unit_test(colours),
		cmocka_unit_test(empty_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
