// SPDX-License-Identifier: BSD-2-Clause
#include "source_address.h"
#include "test.h"

static struct prefix_list *list_of(const char *const *texts, size_t n)
{
	struct prefix_list *l = prefix_list_new(n);
	const char *why;

	assert_non_null(l);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(prefix_parse(texts[i], &l->items[i], &why), 0);
	return l;
}

static void in_turn(void **state)
{
	static const char *const texts[] = {"10.0.0.9", "2001:db8::fffe/127", "10.1.0.252/30"};
	static const char *const expected[] = {"10.0.0.9",   "10.1.0.252", "10.1.0.253",
					       "10.1.0.254", "10.1.0.255", "10.0.0.9"};
	struct prefix_list *l = list_of(texts, 3);
	char text[ADDRESS_TEXT_MAX];
	struct address a;

	(void)state;
	assert_int_equal(source_address_count(l, ADDRESS_IPV4), 5);
	assert_int_equal(source_address_count(l, ADDRESS_IPV6), 2);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_true(source_address_pick(l, ADDRESS_IPV4, i, &a));
		assert_string_equal(address_print_ip(&a, text), expected[i]);
		assert_int_equal(a.port, 0);
		assert_int_equal(a.family, ADDRESS_IPV4);
	}
	assert_true(source_address_pick(l, ADDRESS_IPV6, 3, &a));
	assert_string_equal(address_print_ip(&a, text), "2001:db8::ffff");
	prefix_list_unref(l);
}

static void large_ranges(void **state)
{
	static const char *const texts[] = {"10.4.0.0/16"};
	struct prefix_list *l = list_of(texts, 1);
	char text[ADDRESS_TEXT_MAX];
	struct address a;

	(void)state;
	assert_int_equal(source_address_count(l, ADDRESS_IPV4), SOURCE_RANGE_MAX);
	assert_true(source_address_pick(l, ADDRESS_IPV4, UINT64_MAX, &a));
	assert_string_equal(address_print_ip(&a, text), "10.4.255.255");
	prefix_list_unref(l);
}

static void none(void **state)
{
	static const char *const texts[] = {"10.0.0.9"};
	struct prefix_list *l = list_of(texts, 1);
	struct address a;

	(void)state;
	assert_false(source_address_pick(NULL, ADDRESS_IPV4, 0, &a));
	assert_false(source_address_pick(l, ADDRESS_IPV6, 0, &a));
	prefix_list_unref(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_turn),
		cmocka_unit_test(large_ranges),
		cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
