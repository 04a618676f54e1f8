// SPDX-License-Identifier: BSD-2-Clause
/*
 * lb4 --check: the program itself, one process a file. What it says of a broken file is what
 * model/config found in it, to the letter, and nothing else; what that has to be, config_broken
 * knows. LB4 names the program.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "config.h"

#include "config_files.h"
#include "test.h"

/* Runs it; returns its exit status, with both its outputs in *ret_said. */
static int check(const char *path, char **ret_said)
{
	char command[4096];
	size_t size, n;
	char block[4096];
	FILE *said, *stream;
	int status;

	snprintf(command, sizeof(command), "'%s' --check '%s' 2>&1", getenv("LB4"), path);
	stream = popen(command, "r");
	said = open_memstream(ret_said, &size);
	assert_non_null(stream);
	assert_non_null(said);
	while ((n = fread(block, 1, sizeof(block), stream)) > 0)
		fwrite(block, 1, n, said);
	fclose(said);
	status = pclose(stream);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static char *print(const char *path, const struct config_errors *errors)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	for (size_t i = 0; i < errors->n_errors; i++) {
		const struct config_error *e = &errors->errors[i];

		fprintf(stream, "%s:", path);
		if (e->line)
			fprintf(stream, "%u:%u:", e->line, e->column);
		fprintf(stream, " %s\n  hint: %s\n", e->message, e->hint);
	}
	fclose(stream);
	return text;
}

/* All of them are looked at by config_broken; a process for some is enough here. */
#ifdef __SANITIZE_ADDRESS__
#define EVERY 40 /* each takes long to start */
#else
#define EVERY 5
#endif

static void file_is_refused(const char *path)
{
	static unsigned n_files;
	size_t size;
	_cleanup_(freep) char *text = read_file(path, &size), *said = NULL, *expected = NULL;
	_cleanup_(config_errors_deinit) struct config_errors errors = {};
	struct config *c = NULL;
	int status;

	if (n_files++ % EVERY)
		return;
	status = check(path, &said);
	assert_int_equal(config_parse(text, size, &c, &errors), -EINVAL);
	expected = print(path, &errors);
	if (status != 1 || strcmp(said, expected))
		fail_msg("status %d, not 1, or not what is wrong with the file: %s", status, said);
}

static void broken_files(void **state)
{
	(void)state;
	assert_true(each_broken_file(file_is_refused) >= 200);
}

static void good_file(void **state)
{
	_cleanup_(freep) char *said = NULL;

	(void)state;
	assert_int_equal(check(SOURCE_ROOT "/etc/lb4.yaml", &said), 0);
	assert_non_null(strstr(said, "lb4.yaml is good: "));
}

static void no_file(void **state)
{
	static const char *const cases[][2] = {
		{SOURCE_ROOT "/no/such/file.yaml", "No such file or directory"},
		{SOURCE_ROOT "/etc", "Is a directory"},
		{"/dev/zero", "File too large"},
		{"/dev/null", "the file is empty"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *said = NULL;

		assert_int_equal(check(cases[i][0], &said), 1);
		if (!strstr(said, cases[i][1]))
			fail_msg("%s: %s", cases[i][0], said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_files),
		cmocka_unit_test(good_file),
		cmocka_unit_test(no_file),
	};

	assert_non_null(getenv("LB4"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
