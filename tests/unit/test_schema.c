// SPDX-License-Identifier: BSD-2-Clause
/* The schema table agrees with itself, with lb4.yaml(5) and with the example. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "schema.h"
#include "text.h"

#include "config_files.h"
#include "test.h"

#define MANUAL	SOURCE_ROOT "/man/lb4.yaml.5"
#define EXAMPLE SOURCE_ROOT "/etc/lb4.yaml"

/* Where the manual describes the keys of a section. */
static const struct {
	const struct section *section;
	const char *heading;
} headings[] = {
	{&schema_file, ".Ss The file\n"},
	{&schema_admin, ".Ss admin\n"},
	{&schema_log, ".Ss log\n"},
	{&schema_service, ".Ss Services\n"},
	{&schema_backend, ".Ss Backends\n"},
	{&schema_hash, ".Ss hash\n"},
	{&schema_source, ".Ss source\n"},
	{&schema_check, ".Ss check\n"},
	{&schema_passive, ".Ss passive\n"},
	{&schema_keepalive, ".Ss keepalive\n"},
	{&schema_proxy_in, ".Ss proxy_in\n"},
	{&schema_limits, ".Ss limits\n"},
	{&schema_limits_source, ".Ss limits, source\n"},
	{&schema_queue, ".Ss queue\n"},
	{&schema_hello, ".Ss hello\n"},
	{&schema_tls_route, ".Ss tls_routes\n"},
	{&schema_fastpath, ".Ss fastpath\n"},
	{&schema_interface, ".Ss interfaces\n"},
};

static void table_agrees_with_itself(void **state)
{
	size_t n_sections = 0;

	(void)state;
	for (; schema_sections[n_sections]; n_sections++) {
		const struct section *section = schema_sections[n_sections];
		size_t n = 0;

		for (const struct setting *s = section->settings; s->key; s++, n++) {
			assert_ptr_equal(section_find(section, s->key), s); /* no key twice */
			assert_non_null(s->description);
			assert_true(s->min <= s->max);
			assert_false(s->required && s->default_text);
			if (s->at_most) {
				const struct setting *most = section_find(section, s->at_most);

				assert_non_null(most);
				assert_int_equal(most->type, SETTING_DURATION);
				assert_int_equal(s->type, SETTING_DURATION);
			}
			if (s->type == SETTING_SECTION)
				assert_non_null(s->section);
			if (s->type == SETTING_WORD)
				assert_non_null(s->words);
		}
		assert_in_range(n, 1, SECTION_SETTINGS_MAX - 1);
	}
	assert_int_equal(n_sections, ARRAY_SIZE(headings));
}

/* Diagnostics carry the words of base/log; the file must know the same. */
static void levels_are_those_of_the_log(void **state)
{
	const struct word *words = section_find(&schema_log, "level")->words;
	size_t n = 0;

	(void)state;
	for (; log_level_name((enum log_level)n); n++)
		assert_string_equal(words_find(words, n), log_level_name((enum log_level)n));
	assert_null(words[n].text);
}

/* The text from `begin` up to the next of two `ends`, to be freed; NULL when there is none. */
static char *cut(const char *text, const char *begin, const char *end, const char *other_end)
{
	const char *from = strstr(text, begin), *to, *other;

	if (!from)
		return NULL;
	from += strlen(begin);
	to = strstr(from, end);
	other = strstr(from, other_end);
	if (!to || (other && other < to))
		to = other;
	return to ? strndup(from, (size_t)(to - from)) : NULL;
}

static void print_range(const struct setting *s, char *buffer, size_t size)
{
	const char *zero = s->zero ? "0 or " : "";
	char least[32], most[32];

	buffer[0] = '\0';
	switch (s->type) {
	case SETTING_NUMBER:
		if (!s->numbers)
			snprintf(buffer, size, "\nRange: %s%" PRIu64 " to %" PRIu64 ".\n", zero,
				 s->min, s->max);
		break;
	case SETTING_STATUS:
	case SETTING_PORTS:
		snprintf(buffer, size, "\nRange: %" PRIu64 " to %" PRIu64 ".\n", s->min, s->max);
		break;
	case SETTING_PERCENT:
		snprintf(buffer, size, "\nRange: %" PRIu64 "%% to %" PRIu64 "%%.\n", s->min,
			 s->max);
		break;
	case SETTING_DURATION:
		snprintf(buffer, size, "\nRange: %s%s to %s.\n", zero,
			 text_print_duration(s->min, least, sizeof(least)),
			 text_print_duration(s->max, most, sizeof(most)));
		break;
	case SETTING_SIZE:
		snprintf(buffer, size, "\nRange: %s%s to %s.\n", zero,
			 text_print_size(s->min, least, sizeof(least)),
			 text_print_size(s->max, most, sizeof(most)));
		break;
	case SETTING_TEXT:
	case SETTING_BYTES:
	case SETTING_HEX:
		snprintf(buffer, size, "\nRange: %" PRIu64 " to %" PRIu64 " bytes.\n", s->min,
			 s->max);
		break;
	default:
		break;
	}
}

static bool holds(const char *entry, const char *key, const char *what)
{
	if (strstr(entry, what))
		return true;
	print_error("lb4.yaml(5), %s: not found: %s\n", key, what);
	return false;
}

static bool holds_word(const char *entry, const char *key, const char *word)
{
	for (const char *p = entry; (p = strstr(p, word)); p++)
		if ((p[-1] == ' ' || p[-1] == '|') && strchr(" |\n", p[strlen(word)]))
			return true;
	print_error("lb4.yaml(5), %s: word not found: %s\n", key, word);
	return false;
}

static bool entry_agrees(const struct setting *s, const char *entry)
{
	char text[256];
	bool good = true;

	print_range(s, text, sizeof(text));
	good &= holds(entry, s->key, text);
	if (s->numbers) {
		size_t n = (size_t)snprintf(text, sizeof(text), "\nOne of ");

		for (const uint32_t *number = s->numbers; *number; number++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%" PRIu32 "%s", *number,
					      number[1] ? ", " : ".\n");
		good &= holds(entry, s->key, text);
	}
	if (s->default_text)
		snprintf(text, sizeof(text), "\nDefault: %s.\n", s->default_text);
	else
		snprintf(text, sizeof(text), "%s",
			 s->required && !s->perhaps ? "\nRequired.\n" : "");
	good &= holds(entry, s->key, text);
	if (!s->default_text && strstr(entry, "Default:"))
		good = holds(entry, s->key, "no default");
	for (const struct word *w = s->words; w && w->text; w++)
		good &= holds_word(entry, s->key, w->text);
	return good;
}

static bool section_agrees(const struct section *section, const char *text)
{
	size_t n = 0, n_in_manual = 0;
	bool good = true;

	for (const struct setting *s = section->settings; s->key; s++, n++) {
		char begin[64];
		char *entry;

		snprintf(begin, sizeof(begin), "\n.It Ic %s :", s->key);
		entry = cut(text, begin, "\n.It ", "\n.El");
		if (!entry) {
			print_error("lb4.yaml(5): no %s in %s\n", s->key, section->name);
			good = false;
			continue;
		}
		/* The last line of an entry ends where the next begins. */
		entry = realloc(entry, strlen(entry) + 2);
		strcat(entry, "\n");
		good &= entry_agrees(s, entry);
		free(entry);
	}
	for (const char *p = text; (p = strstr(p, "\n.It Ic ")); p++)
		n_in_manual++;
	assert_int_equal(n_in_manual, n);
	return good;
}

static void manual_agrees_with_the_table(void **state)
{
	size_t size;
	char *manual = read_file(MANUAL, &size);
	bool good = true;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(headings); i++) {
		char *text = cut(manual, headings[i].heading, "\n.Ss ", "\n.Sh ");

		if (!text)
			fail_msg("lb4.yaml(5): no %s", headings[i].heading);
		good &= section_agrees(headings[i].section, text);
		free(text);
	}
	free(manual);
	assert_true(good);
}

static void assert_parses(const char *text, size_t size)
{
	struct config_errors errors;
	struct config *c = NULL;
	int r = config_parse(text, size, &c, &errors);

	for (size_t i = 0; i < errors.n_errors; i++)
		print_error("%u: %s\n", errors.errors[i].line, errors.errors[i].message);
	assert_int_equal(r, 0);
	config_errors_deinit(&errors);
	config_free(c);
}

static void manual_example_parses(void **state)
{
	size_t size;
	char *manual = read_file(MANUAL, &size), *example, *to;

	(void)state;
	example = cut(strstr(manual, ".Sh EXAMPLES"), ".Bd -literal\n", ".Ed", ".Sh");
	assert_non_null(example);
	/* roff's escape for a backslash */
	to = example;
	for (const char *from = example; *from; from++) {
		*to++ = *from;
		if (from[0] == '\\' && from[1] == 'e')
			from++;
	}
	assert_non_null(strstr(example, "services:"));
	assert_parses(example, (size_t)(to - example));
	free(example);
	free(manual);
}

static void example_is_complete(void **state)
{
	static const struct section *const sections[] = {
		&schema_file,	  &schema_admin,     &schema_log,	    &schema_service,
		&schema_source,	  &schema_passive,   &schema_keepalive,	    &schema_backend,
		&schema_proxy_in, &schema_limits,    &schema_limits_source, &schema_queue,
		&schema_hello,	  &schema_tls_route, &schema_fastpath,	    &schema_interface,
	};
	size_t size;
	char *example = read_file(EXAMPLE, &size);

	(void)state;
	assert_parses(example, size);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		for (const struct setting *s = sections[i]->settings; s->key; s++) {
			char key[64];

			snprintf(key, sizeof(key), "%s: ", s->key);
			if (s->type == SETTING_SECTION || s->type == SETTING_SERVICES ||
			    s->type == SETTING_BACKENDS || s->type == SETTING_ROUTES)
				key[strlen(s->key) + 1] = '\0';
			if (!strstr(example, key))
				fail_msg("etc/lb4.yaml does not show %s", s->key);
		}
	free(example);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_agrees_with_itself),
		cmocka_unit_test(levels_are_those_of_the_log),
		cmocka_unit_test(manual_agrees_with_the_table),
		cmocka_unit_test(manual_example_parses),
		cmocka_unit_test(example_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
