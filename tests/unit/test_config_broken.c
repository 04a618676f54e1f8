// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/config: broken files. Each of config/broken says in its first lines what is to be reported
 * about it, all of it and nothing else:
 *
 *	# expect: LINE: PART OF THE MESSAGE
 *	# hint: PART OF THE HINT		(of the line above, if it matters)
 *
 * Files that cannot begin with a comment, since the first bytes are what is wrong, have theirs in a
 * file of the same name that ends with .expect instead of .yaml.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "faults.h"
#include "yaml_tree.h"

#include "config_files.h"
#include "test.h"

static bool starts(const char *line, const char *with, const char **ret_rest)
{
	size_t n = strlen(with);

	if (strncmp(line, with, n))
		return false;
	*ret_rest = line + n;
	return true;
}

static bool is_utf8(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t more = *p < 0x80	  ? 0
			      : *p < 0xc2 ? SIZE_MAX
			      : *p < 0xe0 ? 1
			      : *p < 0xf0 ? 2
			      : *p < 0xf5 ? 3
					  : SIZE_MAX;

		if (more == SIZE_MAX)
			return false;
		for (p++; more > 0; more--, p++)
			if ((*p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* True when the file's errors are those that its comments tell. */
static bool matches(const char *text, const struct config_errors *errors)
{
	const char *line = text, *rest;
	size_t n = 0;
	bool good = true;

	for (; *line == '#'; line = strchr(line, '\n') + 1) {
		char want[512];

		snprintf(want, sizeof(want), "%.*s", (int)strcspn(line, "\n"), line);
		if (starts(want, "# expect: ", &rest)) {
			char *end;
			unsigned long at = strtoul(rest, &end, 10);

			assert_true(starts(end, ": ", &rest));
			if (n < errors->n_errors)
				good &= errors->errors[n].line == at &&
					strstr(errors->errors[n].message, rest);
			n++;
		} else if (starts(want, "# hint: ", &rest)) {
			assert_true(n > 0);
			if (n <= errors->n_errors)
				good &= errors->errors[n - 1].hint &&
					strstr(errors->errors[n - 1].hint, rest);
		}
	}
	assert_true(n > 0);
	return good && n == errors->n_errors;
}

static unsigned n_wrong;

/* What is expected: of the file itself, or of its neighbour. */
static char *read_expected(const char *path)
{
	char beside[1024];
	size_t size;

	snprintf(beside, sizeof(beside), "%.*s.expect", (int)(strrchr(path, '.') - path), path);
	return read_file(access(beside, F_OK) == 0 ? beside : path, &size);
}

static void file_is_refused(const char *path)
{
	size_t size;
	char *text = read_file(path, &size), *expected = read_expected(path);
	struct config_errors errors;
	struct config *c = NULL;
	bool good = config_parse(text, size, &c, &errors) == -EINVAL && !c;

	good &= matches(expected, &errors);
	for (size_t i = 0; i < errors.n_errors; i++) {
		const struct config_error *e = &errors.errors[i];

		good &= is_utf8(e->message) && e->hint && *e->hint && is_utf8(e->hint);
		good &= i == 0 || errors.errors[i - 1].line <= e->line;
		good &= (e->line == 0) == (e->column == 0);
	}
	if (!good) {
		print_error("%s\n", path);
		for (size_t i = 0; i < errors.n_errors; i++)
			print_error("  %u:%u: %s (%s)\n", errors.errors[i].line,
				    errors.errors[i].column, errors.errors[i].message,
				    errors.errors[i].hint ? errors.errors[i].hint : "");
		n_wrong++;
	}
	config_errors_deinit(&errors);
	config_free(c);
	free(expected);
	free(text);
}

static void broken_files(void **state)
{
	(void)state;
	assert_true(each_broken_file(file_is_refused) >= 200);
	assert_int_equal(n_wrong, 0);
}

/* The text is refused, for this among other things. */
static void assert_refused(const char *text, size_t size, const char *message)
{
	struct config_errors errors;
	struct config *c = NULL;
	bool found = false;

	assert_int_equal(config_parse(text, size, &c, &errors), -EINVAL);
	assert_null(c);
	for (size_t i = 0; i < errors.n_errors; i++)
		found |= strstr(errors.errors[i].message, message) != NULL;
	if (!found)
		fail_msg("no error says: %s", message);
	config_errors_deinit(&errors);
}

static void nothing_at_all(void **state)
{
	(void)state;
	assert_refused("", 0, "the file is empty");
	assert_refused(NULL, 0, "the file is empty");
	assert_refused("\n", 1, "the file is empty");
}

static char *repeat(const char *head, const char *part, size_t n, size_t *ret_size)
{
	size_t length = strlen(part), at = strlen(head);
	char *text = malloc(at + n * length + 1);

	assert_non_null(text);
	memcpy(text, head, at);
	for (size_t i = 0; i < n; i++, at += length)
		memcpy(text + at, part, length);
	*ret_size = at;
	return text;
}

static void limits(void **state)
{
	static const struct {
		const char *head, *part;
		size_t n;
		const char *message;
	} cases[] = {
		{"", "# just long\n", (4 << 20) / 12 + 1, "the file has 419"},
		{"", "[", 10000, "nested deeper than 16 levels"},
		{"", "{a: ", 10000, "nested deeper than 16 levels"},
		{"", "- ", 10000, "nested deeper than 16 levels"},
		{"", "? ", 10000, "nested deeper than 16 levels"},
		{"workers: [", "a,", YAML_NODES_MAX, "more than 524288 keys and values"},
		{"", "a", 1 << 20, "expected a mapping of settings, found bare text"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size;
		char *text = repeat(cases[i].head, cases[i].part, cases[i].n, &size);

		assert_refused(text, size, cases[i].message);
		free(text);
	}
}

/* A file of nothing but faults: the first hundred are told, and that there are more. */
static void too_many_faults(void **state)
{
	size_t size;
	char *text = repeat("", "key: value\n", 50000, &size);
	struct config_errors errors;
	struct config *c = NULL;

	(void)state;
	assert_int_equal(config_parse(text, size, &c, &errors), -EINVAL);
	assert_int_equal(errors.n_errors, FAULTS_MAX + 1);
	assert_non_null(strstr(errors.errors[FAULTS_MAX].message, "more faults than these"));
	config_errors_deinit(&errors);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_files),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(limits),
		cmocka_unit_test(too_many_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
