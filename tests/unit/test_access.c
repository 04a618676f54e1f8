// SPDX-License-Identifier: BSD-2-Clause
/* allow and deny: the longest prefix decides. */
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "choice.h"
#include "prefix_list.h"

#include "test.h"

#define N_RANDOM 12000u

static struct prefix_list *list_of(const char *texts)
{
	struct prefix_list *l = prefix_list_new(16);
	char copy[256], *rest = copy, *text;
	const char *why;

	assert_non_null(l);
	snprintf(copy, sizeof(copy), "%s", texts);
	l->n = 0;
	while ((text = strsep(&rest, " ")))
		if (*text)
			assert_int_equal(prefix_parse(text, &l->items[l->n++], &why), 0);
	return l;
}

static bool admits(const struct access *a, const char *ip)
{
	char text[64];
	struct address client;
	const char *why;

	snprintf(text, sizeof(text), strchr(ip, ':') ? "[%s]:1" : "%s:1", ip);
	assert_int_equal(address_parse(text, false, &client, &why), 0);
	return access_admits(a, &client);
}

static void the_longest_prefix_decides(void **state)
{
	static const struct {
		const char *allow, *deny, *in, *out;
	} cases[] = {
		{"", "", "192.0.2.1 2001:db8::1 255.255.255.255", ""},
		{"10.0.0.0/8", "", "10.0.0.0 10.255.255.255", "9.255.255.255 11.0.0.0 ::1 fd00::1"},
		{"", "10.0.0.0/8", "9.255.255.255 11.0.0.0 ::a00:1 ::1", "10.0.0.0 10.255.255.255"},
		{"10.1.0.0/16", "10.0.0.0/8", "10.1.0.0 10.1.255.255",
		 "10.0.255.255 10.2.0.0 192.0.2.1 2001:db8::1"},
		{"10.0.0.0/8", "10.1.0.0/16", "10.0.255.255 10.2.0.0",
		 "10.1.0.0 10.1.255.255 11.0.0.0"},
		{"10.1.2.3", "10.1.2.0/24 10.1.2.2/31", "10.1.2.3", "10.1.2.2 10.1.2.4"},
		{"0.0.0.0/0", "255.255.255.255", "255.255.255.254 0.0.0.1", "255.255.255.255 ::1"},
		{"0.0.0.0/0 ::/0", "2001:db8::/32", "1.2.3.4 2001:db7:ffff::1 2001:db9::",
		 "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"::/0", "", "::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1.2.3.4"},
		{"", "::/0", "1.2.3.4", "::1"},
		{"fd00::/8", "fd00::/16 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd01::1",
		 "fd00::1 fe80::1"},
		/* Side by side: one ends where the next begins. */
		{"10.0.0.0/25 10.0.0.128/26", "10.0.0.192/26", "10.0.0.127 10.0.0.128 10.0.0.191",
		 "10.0.0.192 10.0.0.255 10.0.1.0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix_list *allow = list_of(cases[i].allow), *deny = list_of(cases[i].deny);
		struct access *a;
		char copy[256], *rest, *ip;

		assert_int_equal(access_new(allow, deny, &a), 0);
		snprintf(rest = copy, sizeof(copy), "%s", cases[i].in);
		while ((ip = strsep(&rest, " ")))
			if (*ip && !admits(a, ip))
				fail_msg("case %zu keeps %s out", i, ip);
		snprintf(rest = copy, sizeof(copy), "%s", cases[i].out);
		while ((ip = strsep(&rest, " ")))
			if (*ip && admits(a, ip))
				fail_msg("case %zu lets %s in", i, ip);
		access_unref(a);
		prefix_list_unref(allow);
		prefix_list_unref(deny);
	}
}

static void no_rule_is_no_object(void **state)
{
	struct access *a = (struct access *)state;

	assert_int_equal(access_new(NULL, NULL, &a), 0);
	assert_null(a);
	assert_true(admits(NULL, "192.0.2.1"));
	assert_null(access_ref(NULL));
	assert_null(access_unref(NULL));
}

/* Few bits are random, so that prefixes nest and addresses meet them. */
static void random_ip(struct rng *r, uint8_t family, uint8_t ip[16])
{
	memset(ip, 0, 16);
	for (unsigned i = family == ADDRESS_IPV4 ? 12 : 0; i < 16; i++)
		ip[i] = rng_below(r, 3) ? (uint8_t)rng_below(r, 4)
					: (uint8_t)(255 - rng_below(r, 3));
	if (family == ADDRESS_IPV4)
		ip[10] = ip[11] = 0xff;
}

static uint8_t random_family(struct rng *r)
{
	return rng_below(r, 2) ? ADDRESS_IPV4 : ADDRESS_IPV6;
}

/* No prefix twice, in either list. */
static void fill(struct rng *r, struct prefix_list **lists, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct prefix p = {.family = random_family(r)};
		struct prefix_list *to = lists[rng_below(r, 2)];
		bool known = false;

		random_ip(r, p.family, p.ip);
		p.bits = (uint8_t)(p.family == ADDRESS_IPV4 ? 96 + rng_below(r, 33)
							    : rng_below(r, 129));
		prefix_mask(p.ip, p.bits);
		for (size_t l = 0; l < 2; l++)
			for (size_t j = 0; j < lists[l]->n; j++)
				known |= prefix_equal(&lists[l]->items[j], &p);
		if (!known)
			to->items[to->n++] = p;
	}
}

/* The rule, word for word. */
static bool expected(struct prefix_list **lists, const struct address *client)
{
	const struct prefix *longest = NULL;
	bool admitted = lists[0]->n == 0;

	for (size_t l = 0; l < 2; l++)
		for (size_t j = 0; j < lists[l]->n; j++) {
			const struct prefix *p = &lists[l]->items[j];

			if (!prefix_contains(p, client) || (longest && longest->bits > p->bits))
				continue;
			longest = p;
			admitted = l == 0;
		}
	return admitted;
}

static void check_random(struct rng *r, size_t n_prefixes, unsigned n_clients)
{
	struct prefix_list *lists[] = {prefix_list_new(n_prefixes), prefix_list_new(n_prefixes)};
	struct access *a;

	lists[0]->n = lists[1]->n = 0;
	fill(r, lists, n_prefixes);
	assert_int_equal(access_new(lists[0], lists[1], &a), 0);
	for (unsigned i = 0; i < n_clients; i++) {
		struct address client = {.family = random_family(r)};

		random_ip(r, client.family, client.ip);
		assert_int_equal(access_admits(a, &client), expected(lists, &client));
	}
	access_unref(a);
	prefix_list_unref(lists[0]);
	prefix_list_unref(lists[1]);
}

static void random_rules_hold(void **state)
{
	struct rng r = rng_for_property(__func__);

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		check_random(&r, 1 + rng_below(&r, 60), 200);
	check_random(&r, N_RANDOM, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_decides),
		cmocka_unit_test(no_rule_is_no_object),
		cmocka_unit_test(random_rules_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
