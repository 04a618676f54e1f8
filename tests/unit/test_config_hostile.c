// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/config under text that nobody wrote on purpose (cut off anywhere, bytes changed) and with
 * memory running out at every single allocation. The sanitizers are the other half of this test.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#include "config_files.h"
#include "test.h"

#define EXAMPLE	 SOURCE_ROOT "/etc/lb4.yaml"
#define MANY	 SOURCE_ROOT "/tests/unit/config/broken/many-at-once.yaml"
#define SEED	 0x1b4
#define N_ROUNDS 4000

/*
 * The linker sends allocations of the code under test here (-Wl,--wrap). The one that brings
 * `countdown` to 0 fails, and all after it.
 */
static long countdown = -1;
static long n_allocations;

static bool is_out_of_memory(void)
{
	n_allocations++;
	return countdown >= 0 && n_allocations > countdown;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
int __real_vasprintf(char **ret, const char *format, va_list args);
int __wrap_vasprintf(char **ret, const char *format, va_list args);
FILE *__real_open_memstream(char **ret, size_t *ret_size);
FILE *__wrap_open_memstream(char **ret, size_t *ret_size);

void *__wrap_malloc(size_t size)
{
	return is_out_of_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_out_of_memory() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return is_out_of_memory() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
	return is_out_of_memory() ? NULL : __real_strdup(s);
}

int __wrap_vasprintf(char **ret, const char *format, va_list args)
{
	return is_out_of_memory() ? -1 : __real_vasprintf(ret, format, args);
}

FILE *__wrap_open_memstream(char **ret, size_t *ret_size)
{
	return is_out_of_memory() ? NULL : __real_open_memstream(ret, ret_size);
}

/* Parses a copy of exactly this size, so that a read past its end is seen. */
static int parse(const char *text, size_t size)
{
	char *copy = malloc(size ? size : 1);
	struct config_errors errors;
	struct config *c = NULL;
	int r;

	assert_non_null(copy);
	memcpy(copy, text, size);
	r = config_parse(copy, size, &c, &errors);
	if (r == 0) {
		assert_non_null(c);
		assert_true(c->n_services > 0);
		assert_int_equal(errors.n_errors, 0);
	} else {
		assert_int_equal(r, -EINVAL);
		assert_null(c);
		assert_true(errors.n_errors > 0);
		for (size_t i = 0; i < errors.n_errors; i++)
			assert_non_null(errors.errors[i].message);
	}
	config_errors_deinit(&errors);
	config_free(c);
	free(copy);
	return r;
}

static void every_truncation(void **state)
{
	static const char *const paths[] = {EXAMPLE, MANY};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		size_t size;
		char *text = read_file(paths[i], &size);

		for (size_t n = 0; n <= size; n++)
			parse(text, n);
		free(text);
	}
}

static void changed_bytes(void **state)
{
	/* What means something to YAML or to a value comes more often than the rest. */
	static const char special[] =
		"\n\t :-{}[],\"'#&*!|>%@\\?~0123456789msx\0\x7f\x80\xc3\xe2\xff";
	size_t size, n_good = 0;
	char *text = read_file(EXAMPLE, &size);
	char *changed = malloc(size + 1);

	(void)state;
	assert_non_null(changed);
	srandom(SEED);
	for (size_t i = 0; i < N_ROUNDS; i++) {
		size_t at = (size_t)random() % size;
		char c = random() % 4 ? special[(size_t)random() % (sizeof(special) - 1)]
				      : (char)random();
		size_t end = size;

		memcpy(changed, text, size);
		switch (random() % 3) {
		case 0:
			changed[at] = c;
			break;
		case 1:
			memmove(changed + at + 1, changed + at, size - at);
			changed[at] = c;
			end++;
			break;
		case 2:
			memmove(changed + at, changed + at + 1, size - at - 1);
			end--;
			break;
		}
		n_good += parse(changed, end) == 0;
	}
	/* Comments are half the file, so some must pass; and not all. */
	assert_in_range(n_good, N_ROUNDS / 10, N_ROUNDS * 9 / 10);
	free(changed);
	free(text);
}

static char *text_in_hand;
static size_t text_size;

static int parse_text(void)
{
	struct config_errors errors;
	struct config *c = NULL;
	int r = config_parse(text_in_hand, text_size, &c, &errors);

	config_errors_deinit(&errors);
	config_free(c);
	return r;
}

static int build_quick(void)
{
	static const char *const listens[] = {":80", ":81"};
	static const char *const backends[] = {"10.0.0.1:80", "10.0.0.2:80"};
	struct config_errors errors;
	struct config *c = NULL;
	int r = config_quick(listens, 2, backends, 2, "http:/x", &c, &errors);

	config_errors_deinit(&errors);
	config_free(c);
	return r;
}

static int make_backend(void)
{
	struct backend_config b;
	char *error;
	int r = backend_config_parse("web1", "10.0.0.1:80", 1, &b, &error);

	if (r == 0)
		backend_config_deinit(&b);
	return r;
}

static int refuse_backend(void)
{
	struct backend_config b;
	char *error = NULL;
	int r = backend_config_parse("we b", "10.0.0.1", 1, &b, &error);

	free(error);
	return r;
}

static int copy_check(void)
{
	const struct check_config from = {.http_path = (char *)"/",
					  .http_host = (char *)"h",
					  .http_body = (char *)"b",
					  .send = (uint8_t *)"s",
					  .send_size = 1,
					  .expect = (uint8_t *)"e",
					  .expect_size = 1};
	struct check_config copy;
	int r = check_config_copy(&from, &copy);

	if (r == 0)
		check_config_deinit(&copy);
	return r;
}

/* Runs `work` with each of its allocations failing in turn. */
static void starve(int (*work)(void), int result)
{
	long n;

	countdown = -1;
	n_allocations = 0;
	assert_int_equal(work(), result);
	n = n_allocations;
	assert_true(n > 0);
	for (long i = 0; i < n; i++) {
		int r;

		n_allocations = 0;
		countdown = i;
		r = work();
		countdown = -1;
		if (r != -ENOMEM)
			print_error("allocation %ld of %ld: %d\n", i, n, r);
		assert_int_equal(r, -ENOMEM);
	}
}

static void memory_runs_out(void **state)
{
	(void)state;
	text_in_hand = read_file(EXAMPLE, &text_size);
	starve(parse_text, 0);
	free(text_in_hand);
	text_in_hand = read_file(MANY, &text_size);
	starve(parse_text, -EINVAL);
	free(text_in_hand);

	starve(build_quick, 0);
	starve(make_backend, 0);
	starve(refuse_backend, -EINVAL);
	starve(copy_check, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(changed_bytes),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
