// SPDX-License-Identifier: BSD-2-Clause
/* run/watch: a set of watches is made whole, or not at all, whichever allocation fails. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

#include "test.h"

static long allocations_left = -1; /* −1: no limit */

static bool refused(void)
{
	if (allocations_left == 0)
		return true;
	if (allocations_left > 0)
		allocations_left--;
	return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size)
{
	return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return refused() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
	return refused() ? NULL : __real_strdup(s);
}

static void whole_or_not_at_all(void **state)
{
	static const struct address address = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = 80};
	const struct check_target targets[] = {
		{.id = 1,
		 .address = address,
		 .check = {.kind = CHECK_HTTP,
			   .http_path = "/",
			   .http_host = "www.example.org",
			   .http_body = "ready"}},
		{.id = 2, .address = address, .check = {.kind = CHECK_TCP}},
		{.id = 3, .address = address, .check = {.kind = CHECK_TCP}},
		{.id = 4,
		 .address = address,
		 .check = {.kind = CHECK_SEND_EXPECT,
			   .send = (uint8_t *)"a",
			   .send_size = 1,
			   .expect = (uint8_t *)"b",
			   .expect_size = 1}},
	};
	struct watch_set set;
	long n = 0;
	int r;

	(void)state;
	for (;; n++) {
		memset(&set, 0xaa, sizeof(set));
		allocations_left = n;
		r = watch_set_init(&set, targets, ARRAY_SIZE(targets));
		allocations_left = -1;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		for (size_t i = 0; i < sizeof(set); i++) /* written on success only */
			assert_int_equal(((uint8_t *)&set)[i], 0xaa);
	}
	assert_true(n > 10);
	assert_int_equal(set.n_watches, 3);
	assert_int_equal(set.n_subscribers, 4);
	watch_set_deinit(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
