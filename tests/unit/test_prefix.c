// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "prefix.h"
#include "prefix_list.h"
#include "test.h"
#include "text.h"

static void reads_and_prints(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *printed; /* of what was read, or was meant */
	} cases[] = {
		{"10.0.0.0/8", 0, "10.0.0.0/8"},
		{"192.0.2.7", 0, "192.0.2.7/32"},
		{"0.0.0.0/0", 0, "0.0.0.0/0"},
		{"::/0", 0, "::/0"},
		{"2001:DB8::/32", 0, "2001:db8::/32"},
		{"2001:db8::1", 0, "2001:db8::1/128"},
		{"10.0.0.5/8", -ERANGE, "10.0.0.0/8"},
		{"10.0.0.1/31", -ERANGE, "10.0.0.0/31"},
		{"2001:db8::1/64", -ERANGE, "2001:db8::/64"},
		{"", -EINVAL, NULL},
		{"/8", -EINVAL, NULL},
		{"10.0.0.0/", -EINVAL, NULL},
		{"10.0.0.0/33", -EINVAL, NULL},
		{"10.0.0.0/-1", -EINVAL, NULL},
		{"10.0.0.0/0x8", -EINVAL, NULL},
		{"10.0.0.0/8/8", -EINVAL, NULL},
		{"10.0.0/8", -EINVAL, NULL},
		{"2001:db8::/129", -EINVAL, NULL},
		{"::ffff:10.0.0.0/104", -EINVAL, NULL},
		{"[2001:db8::1]", -EINVAL, NULL},
		{"host.example/8", -EINVAL, NULL},
		{"1234:1234:1234:1234:1234:1234:1234:1234:1234:1234/1", -EINVAL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix p = {};
		char text[PREFIX_TEXT_MAX];
		const char *why = NULL;

		if (prefix_parse(cases[i].text, &p, &why) != cases[i].result)
			fail_msg("\"%s\"", cases[i].text);
		if (cases[i].result < 0)
			assert_non_null(why);
		if (cases[i].printed)
			assert_string_equal(prefix_print(&p, text), cases[i].printed);
	}
}

static struct prefix prefix(const char *text)
{
	struct prefix p;
	const char *why;

	assert_int_equal(prefix_parse(text, &p, &why), 0);
	return p;
}

static struct address address(const char *text)
{
	struct address a;
	const char *why;

	assert_int_equal(address_parse(text, false, &a, &why), 0);
	return a;
}

static void contains(void **state)
{
	static const struct {
		const char *prefix, *address;
		bool contains;
	} cases[] = {
		{"10.0.0.0/8", "10.255.0.1:1", true},
		{"10.0.0.0/8", "11.0.0.0:1", false},
		{"10.0.0.0/31", "10.0.0.1:1", true},
		{"10.0.0.0/31", "10.0.0.2:1", false},
		{"10.0.0.1", "10.0.0.1:1", true},
		{"0.0.0.0/0", "203.0.113.1:1", true},
		{"::/0", "203.0.113.1:1", false}, /* though IPv4 is held in IPv6 form */
		{"0.0.0.0/0", "[2001:db8::1]:1", false},
		{"2001:db8::/33", "[2001:db8:7fff::1]:1", true},
		{"2001:db8::/33", "[2001:db8:8000::1]:1", false},
		{"::/0", "[2001:db8::1]:1", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix p = prefix(cases[i].prefix);
		struct address a = address(cases[i].address);

		if (prefix_contains(&p, &a) != cases[i].contains)
			fail_msg("%s in %s", cases[i].address, cases[i].prefix);
	}
}

static void lists(void **state)
{
	struct prefix_list *l = prefix_list_new(2), *other = prefix_list_new(1);
	struct address in = address("10.1.2.3:1"), out = address("10.2.0.0:1");

	(void)state;
	l->items[0] = prefix("192.0.2.0/24");
	l->items[1] = other->items[0] = prefix("10.1.0.0/16");
	assert_true(prefix_list_contains(l, &in));
	assert_false(prefix_list_contains(l, &out));
	assert_false(prefix_list_contains(NULL, &in));
	assert_true(prefix_list_equal(l, l));
	assert_true(prefix_list_equal(NULL, NULL));
	assert_false(prefix_list_equal(l, other));
	assert_false(prefix_list_equal(l, NULL));
	assert_ptr_equal(prefix_list_ref(l), l);
	prefix_list_unref(l);
	assert_true(prefix_list_contains(l, &in));
	prefix_list_unref(l);
	prefix_list_unref(other);
}

static void text_lists(void **state)
{
	char *texts[] = {"a", "", "b c", NULL}, *fewer[] = {"a", "", NULL};
	char **copy = text_list_copy(texts);

	(void)state;
	assert_int_equal(text_list_length(texts), 3);
	assert_int_equal(text_list_length(NULL), 0);
	assert_true(text_list_equal(copy, texts));
	assert_false(text_list_equal(copy, fewer));
	assert_false(text_list_equal(NULL, fewer));
	assert_true(text_list_equal(NULL, NULL));
	assert_null(text_list_copy(NULL));
	text_list_free(copy);
	text_list_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_prints),
		cmocka_unit_test(contains),
		cmocka_unit_test(lists),
		cmocka_unit_test(text_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
