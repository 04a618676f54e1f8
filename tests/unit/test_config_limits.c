// SPDX-License-Identifier: BSD-2-Clause
/* model/config: what allow, deny, limits, queue and the like become. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "config.h"
#include "prefix_list.h"

#include "test.h"

static struct config *parse(const char *text)
{
	struct config_errors errors;
	struct config *c = NULL;
	int r = config_parse(text, strlen(text), &c, &errors);

	for (size_t i = 0; i < errors.n_errors; i++)
		print_error("%u: %s\n", errors.errors[i].line, errors.errors[i].message);
	assert_int_equal(r, 0);
	config_errors_deinit(&errors);
	return c;
}

static void nothing_is_limited_by_default(void **state)
{
	struct config *c = parse("services: {web: {listen: ':80', backends: {b: '10.0.0.1:80'}}}");
	const struct service_config *s = &c->services[0];
	const struct limits_config *l = &s->settings.limits;

	(void)state;
	assert_null(s->settings.allow);
	assert_null(s->settings.deny);
	assert_int_equal(l->connections + l->rate + l->source_connections + l->source_rate, 0);
	assert_int_equal(l->source_ipv4, 32);
	assert_int_equal(l->source_ipv6, 64);
	assert_int_equal(s->settings.queue_length, 0);
	assert_int_equal(s->backends[0].max_connections, 0);
	assert_true(c->max_memory == 0);
	config_free(c);
}

static void every_limit_arrives(void **state)
{
	struct config *c =
		parse("max_memory: 1536M\n"
		      "services:\n"
		      "  web:\n"
		      "    listen: ':80'\n"
		      "    allow: [10.0.0.0/8, '2001:db8::/32', 192.0.2.1]\n"
		      "    deny: 10.1.0.0/16\n"
		      "    limits:\n"
		      "      connections: 1000\n"
		      "      rate: 100\n"
		      "      source: {connections: 10, rate: 5, ipv4: 24, ipv6: 48}\n"
		      "    queue: {length: 50, timeout: 2s}\n"
		      "    hash: {source: {ipv4: 16, ipv6: 32}}\n"
		      "    backends:\n"
		      "      b: {address: '10.0.0.1:80', max_connections: 20}\n"
		      "  off:\n"
		      "    {listen: ':81', queue: off, limits: {rate: 7, connections: 0},\n"
		      "     backends: {b: '10.0.0.1:80'}}\n"
		      "  short:\n"
		      "    {listen: ':82', queue: {length: 1}, backends: {b: '10.0.0.1:80'}}\n");
	const struct service_config *s = &c->services[0];
	const struct limits_config *l = &s->settings.limits;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(c->max_memory, 1536u << 20);
	assert_int_equal(s->settings.allow->n, 3);
	assert_string_equal(prefix_print(&s->settings.allow->items[1], text), "2001:db8::/32");
	assert_string_equal(prefix_print(&s->settings.allow->items[2], text), "192.0.2.1/32");
	assert_int_equal(s->settings.deny->n, 1);
	assert_string_equal(prefix_print(&s->settings.deny->items[0], text), "10.1.0.0/16");
	assert_int_equal(l->connections, 1000);
	assert_int_equal(l->rate, 100);
	assert_int_equal(l->source_connections, 10);
	assert_int_equal(l->source_rate, 5);
	assert_int_equal(l->source_ipv4, 24);
	assert_int_equal(l->source_ipv6, 48);
	assert_int_equal(s->settings.mask_ipv4, 16); /* of the hash: another matter */
	assert_int_equal(s->settings.queue_length, 50);
	assert_int_equal(s->settings.queue_timeout, 2 * NSEC_PER_SEC);
	assert_int_equal(s->backends[0].max_connections, 20);
	assert_int_equal(c->services[1].settings.queue_length, 0);
	assert_int_equal(c->services[1].settings.limits.rate, 7);
	assert_int_equal(c->services[1].settings.limits.source_ipv6, 64);
	assert_int_equal(c->services[2].settings.queue_length, 1);
	assert_int_equal(c->services[2].settings.queue_timeout, 5 * NSEC_PER_SEC);
	config_free(c);
}

static void memory_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"0", 0},
		{"16M", 16ULL << 20},
		{"16MiB", 16ULL << 20},
		{"20480K", 20480ULL << 10},
		{"16777216B", 16ULL << 20},
		{"2G", 2ULL << 30},
		{"16T", 16ULL << 40},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];
		struct config *c;

		snprintf(text, sizeof(text),
			 "max_memory: %s\n"
			 "services: {web: {listen: ':80', backends: {b: '10.0.0.1:80'}}}",
			 cases[i].text);
		c = parse(text);
		assert_true(c->max_memory == cases[i].bytes);
		config_free(c);
	}
}

/* Tens of thousands of prefixes, as block lists have them; a slow reader would be noticed. */
static void long_lists(void **state)
{
	size_t size = RULES_MAX * 24 + 1024, length;
	char *text = malloc(size);
	struct config *c;

	(void)state;
	assert_non_null(text);
	length = (size_t)snprintf(text, size,
				  "services:\n  web:\n    listen: ':80'\n"
				  "    backends: {b: '10.0.0.1:80'}\n    deny:\n");
	for (unsigned i = 0; i < RULES_MAX; i++)
		length += (size_t)snprintf(text + length, size - length, "    - 10.%u.%u.0/24\n",
					   i >> 8, i & 255);
	c = parse(text);
	assert_int_equal(c->services[0].settings.deny->n, RULES_MAX);
	config_free(c);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_limited_by_default),
		cmocka_unit_test(every_limit_arrives),
		cmocka_unit_test(memory_sizes),
		cmocka_unit_test(long_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
