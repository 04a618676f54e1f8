// SPDX-License-Identifier: BSD-2-Clause
/* base: addresses, text, the timer heap, slots. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "heap.h"
#include "slots.h"
#include "text.h"

#include "test.h"

static void address_texts(void **state)
{
	static const struct {
		const char *text;
		const char *printed; /* NULL: refused */
		bool wildcard;
	} cases[] = {
		{"192.0.2.1:80", "192.0.2.1:80"},
		{"[2001:db8::1]:443", "[2001:db8::1]:443"},
		{"[::ffff:192.0.2.1]:80", "192.0.2.1:80"},
		{"[fe80::1%lo]:9", "[fe80::1%lo]:9"},
		{":80", ":80", true},
		{"*:80", ":80", true},
		{"0.0.0.0:80", "0.0.0.0:80", true},
		{"[::]:80", "[::]:80", true},
		{":80", NULL},
		{"0.0.0.0:80", NULL},
		{"[::]:80", NULL},
		{"192.0.2.1", NULL},
		{"192.0.2.1:", NULL},
		{"192.0.2.1:0", NULL},
		{"192.0.2.1:65536", NULL},
		{"192.0.2.1:99999999999999999999", NULL},
		{"192.0.2.1:8o", NULL},
		{"192.0.2.256:80", NULL},
		{"2001:db8::1:80", NULL},
		{"[2001:db8::1]80", NULL},
		{"[2001:db8::1", NULL},
		{"[fe80::1%no-such-if]:9", NULL},
		{"[::ffff:192.0.2.1%lo]:80", NULL},
		{"example.org:80", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct address a;
		const char *why = NULL;
		char text[ADDRESS_TEXT_MAX];
		int r = address_parse(cases[i].text, cases[i].wildcard, &a, &why);

		if (!cases[i].printed) {
			assert_int_equal(r, -EINVAL);
			assert_non_null(why);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(address_print(&a, text), cases[i].printed);
	}
}

static void address_sockaddrs(void **state)
{
	static const char *const texts[] = {"192.0.2.1:80", "[2001:db8::1]:443"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct sockaddr_storage sa;
		struct address a, b;
		const char *why;

		assert_int_equal(address_parse(texts[i], false, &a, &why), 0);
		address_to_sockaddr(&a, &sa);
		assert_int_equal(address_from_sockaddr(&sa, &b), 0);
		assert_true(address_equal(&a, &b));
	}
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int result;
		nsec_t value;
		const char *printed;
	} cases[] = {
		{"0", 0, 0, "0"},
		{"250ms", 0, 250 * NSEC_PER_MSEC, "250ms"},
		{"1500ms", 0, 1500 * NSEC_PER_MSEC, "1500ms"},
		{"2s", 0, 2 * NSEC_PER_SEC, "2s"},
		{"120s", 0, 120 * NSEC_PER_SEC, "2m"},
		{"1d", 0, 86400 * NSEC_PER_SEC, "1d"},
		{"2", -EINVAL},
		{"s", -EINVAL},
		{"2 s", -EINVAL},
		{"-2s", -EINVAL},
		{"2sec", -EINVAL},
		{"", -EINVAL},
		{"99999999999999999999s", -ERANGE},
		{"999999999d", -ERANGE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		nsec_t value = 0;
		const char *why;
		char text[32];

		assert_int_equal(text_parse_duration(cases[i].text, &value, &why), cases[i].result);
		if (cases[i].result < 0)
			continue;
		assert_int_equal(value, cases[i].value);
		assert_string_equal(text_print_duration(value, text, sizeof(text)),
				    cases[i].printed);
	}
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
		const char *printed;
	} cases[] = {
		{"0", 0, 0, "0"},
		{"1B", 0, 1, "1"},
		{"512M", 0, 512ULL << 20, "512M"},
		{"512MiB", 0, 512ULL << 20, "512M"},
		{"1536K", 0, 1536ULL << 10, "1536K"},
		{"2048M", 0, 2ULL << 30, "2G"},
		{"16777215T", 0, 16777215ULL << 40, "16777215T"},
		{"16777216T", -ERANGE},
		{"99999999999999999999K", -ERANGE},
		{"512", -EINVAL},
		{"M", -EINVAL},
		{"512 M", -EINVAL},
		{"512m", -EINVAL},
		{"512MB", -EINVAL},
		{"-1M", -EINVAL},
		{"", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 0;
		const char *why;
		char text[32];

		assert_int_equal(text_parse_size(cases[i].text, &value, &why), cases[i].result);
		if (cases[i].result < 0)
			continue;
		assert_true(value == cases[i].value);
		assert_string_equal(text_print_size(value, text, sizeof(text)), cases[i].printed);
	}
}

static void unsigned_numbers(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_int_equal(text_parse_unsigned("42", 100, &v), 0);
	assert_int_equal(v, 42);
	assert_int_equal(text_parse_unsigned("0x5EED", UINT64_MAX, &v), 0);
	assert_int_equal(v, 0x5eed);
	assert_int_equal(text_parse_unsigned("101", 100, &v), -ERANGE);
	assert_int_equal(text_parse_unsigned("18446744073709551616", UINT64_MAX, &v), -ERANGE);
	assert_int_equal(text_parse_unsigned("", 100, &v), -EINVAL);
	assert_int_equal(text_parse_unsigned("-1", 100, &v), -EINVAL);
	assert_int_equal(text_parse_unsigned("1x", 100, &v), -EINVAL);
	assert_int_equal(text_parse_unsigned("0x", 100, &v), -EINVAL);
}

static void nearest_words(void **state)
{
	static const char *const words[] = {"listen", "backends", "balance", "check", NULL};

	(void)state;
	assert_string_equal(text_nearest("lisetn", words), "listen");
	assert_string_equal(text_nearest("backend", words), "backends");
	assert_string_equal(text_nearest("chekc", words), "check");
	assert_null(text_nearest("weather", words));
	assert_null(text_nearest("", words));
	assert_null(text_nearest("a-word-that-is-far-longer-than-any-of-the-known-ones", words));
}

static void printable_texts(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"plain ~", "plain ~"},
		{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"a\nb\tc\x1b[31m\x7f", "a?b?c?[31m?"},
		{"\xc2\x9b"
		 "31m",
		 "??31m"}, /* CSI as one character */
		{"\xc2\x9f\xc2\xa0", "??\xc2\xa0"},
		{"\xff\xfe", "??"},
		{"\xc3", "?"}, /* cut off */
		{"\xe2\x82", "??"},
		{"\xf0\x9f\x98", "???"},
		{"\xc0\xaf", "??"}, /* overlong */
		{"\xe0\x9f\xbf", "???"},
		{"\xf0\x8f\xbf\xbf", "????"},
		{"\xed\xa0\x80", "???"}, /* a surrogate */
		{"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"\xf4\x90\x80\x80", "????"}, /* past the last */
		{"\xf5\x80\x80\x80", "????"},
		{"\x80"
		 "a\xbf",
		 "?a?"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[32];

		strcpy(text, cases[i][0]);
		assert_ptr_equal(text_make_printable(text), text);
		assert_string_equal(text, cases[i][1]);
	}
}

static void heap_orders_timers(void **state)
{
	enum { N = 500 };
	struct heap h = HEAP_INIT;
	struct timer timers[N];
	nsec_t last = 0;
	size_t popped = 0;

	(void)state;
	srandom(1);
	assert_int_equal(heap_reserve(&h, N), 0);
	for (size_t i = 0; i < N; i++) {
		timers[i] = (struct timer)TIMER_INIT;
		heap_arm(&h, &timers[i], (nsec_t)random() % 1000);
	}
	for (size_t i = 0; i < N; i += 3)
		heap_arm(&h, &timers[i], (nsec_t)random() % 1000); /* earlier or later */
	for (size_t i = 0; i < N; i += 5)
		heap_disarm(&h, &timers[i]);
	heap_disarm(&h, &timers[0]);

	for (;;) {
		nsec_t next = heap_next(&h);
		struct timer *t = heap_pop(&h, 1000);

		if (!t)
			break;
		assert_int_equal(t->deadline, next);
		assert_true(t->deadline >= last);
		assert_int_equal(t->position, TIMER_IDLE);
		assert_true((t - timers) % 5 != 0);
		last = t->deadline;
		popped++;
	}
	assert_true(popped >= N - N / 5 - 1);
	assert_int_equal(heap_next(&h), NSEC_NEVER);
	heap_deinit(&h);
}

static void heap_waits_for_the_deadline(void **state)
{
	struct heap h = HEAP_INIT;
	struct timer t = TIMER_INIT;

	(void)state;
	assert_int_equal(heap_reserve(&h, 1), 0);
	heap_arm(&h, &t, 10);
	assert_null(heap_pop(&h, 9));
	assert_ptr_equal(heap_pop(&h, 10), &t);
	assert_null(heap_pop(&h, 10));
	heap_deinit(&h);
}

struct thing {
	struct slot slot;
	int value;
};

static void slots_recognise_late_references(void **state)
{
	struct slots s;
	struct thing *first, *second;
	uint32_t index, generation;

	(void)state;
	assert_int_equal(slots_init(&s, sizeof(struct thing), 600), 0);
	first = slots_new(&s);
	first->value = 7;
	index = first->slot.index;
	generation = first->slot.generation;
	assert_ptr_equal(slots_find(&s, index, generation), first);

	slots_free(&s, first);
	assert_null(slots_find(&s, index, generation));
	assert_null(slots_at(&s, index));

	second = slots_new(&s);
	assert_int_equal(second->slot.index, index);
	assert_int_equal(second->value, 0);
	assert_null(slots_find(&s, index, generation));
	slots_deinit(&s);
}

static void slots_end(void **state)
{
	struct thing *things[600];
	struct slots s;

	(void)state;
	assert_int_equal(slots_init(&s, sizeof(struct thing), 600), 0);
	for (size_t i = 0; i < 600; i++) {
		things[i] = slots_new(&s);
		assert_non_null(things[i]);
		things[i]->value = (int)i;
	}
	assert_null(slots_new(&s));
	for (size_t i = 0; i < 600; i++)
		assert_int_equal(things[i]->value, i); /* nobody moved, nobody overlaps */
	slots_free(&s, things[300]);
	assert_ptr_equal(slots_new(&s), things[300]);
	assert_int_equal(s.n_used, 600);
	slots_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_texts),
		cmocka_unit_test(address_sockaddrs),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(unsigned_numbers),
		cmocka_unit_test(nearest_words),
		cmocka_unit_test(printable_texts),
		cmocka_unit_test(heap_orders_timers),
		cmocka_unit_test(heap_waits_for_the_deadline),
		cmocka_unit_test(slots_recognise_late_references),
		cmocka_unit_test(slots_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
