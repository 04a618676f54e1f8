// SPDX-License-Identifier: BSD-2-Clause
/* model/config: what good files and command lines become. Broken ones: test_config_broken.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "maglev.h"
#include "text.h"

#include "test.h"

static void print_errors(const struct config_errors *e)
{
	for (size_t i = 0; i < e->n_errors; i++)
		print_error("%u:%u: %s (%s)\n", e->errors[i].line, e->errors[i].column,
			    e->errors[i].message, e->errors[i].hint ? e->errors[i].hint : "");
}

static struct config *parse(const char *text)
{
	struct config_errors errors;
	struct config *c = NULL;
	int r = config_parse(text, strlen(text), &c, &errors);

	print_errors(&errors);
	assert_int_equal(r, 0);
	assert_int_equal(errors.n_errors, 0);
	config_errors_deinit(&errors);
	assert_non_null(c);
	return c;
}

/* A file with one service that has `settings`, lines of six blanks. */
static struct config *parse_service(const char *settings)
{
	char text[16384];

	snprintf(text, sizeof(text),
		 "services:\n"
		 "  web:\n"
		 "    listen: \":80\"\n"
		 "%s%s\n"
		 "    backends: {web1: \"10.0.0.1:8080\"}\n",
		 *settings ? "    " : "", settings);
	return parse(text);
}

static void assert_address(const struct address *a, const char *expected)
{
	char text[ADDRESS_TEXT_MAX];

	assert_string_equal(address_print(a, text), expected);
}

static void assert_default_settings(const struct service_config *s)
{
	const struct service_settings *t = &s->settings;

	assert_int_equal(t->forward, FORWARD_SPLICE);
	assert_int_equal(t->hash, HASH_CONNECTION);
	assert_int_equal(t->mask_ipv4, 32);
	assert_int_equal(t->mask_ipv6, 128);
	assert_int_equal(t->table_size, 65537);
	assert_int_equal(t->on_down, ON_DOWN_DRAIN);
	assert_int_equal(t->max_eject_percent, 50);
	assert_int_equal(t->fail, FAIL_OPEN);
	assert_true(t->passive.enabled);
	assert_int_equal(t->passive.fall, 3);
	assert_int_equal(t->passive.hold, 2 * NSEC_PER_SEC);
	assert_int_equal(t->passive.hold_max, 60 * NSEC_PER_SEC);
	assert_int_equal(t->connect_timeout, NSEC_PER_SEC);
	assert_int_equal(t->connect_budget, 5 * NSEC_PER_SEC);
	assert_int_equal(t->tries, 3);
	assert_int_equal(t->idle_timeout, 3600 * NSEC_PER_SEC);
	assert_int_equal(t->half_closed_timeout, 3600 * NSEC_PER_SEC);
	assert_int_equal(t->lifetime, 0);
	assert_int_equal(t->drain_timeout, 0);
	assert_int_equal(t->keepalive_idle, 60 * NSEC_PER_SEC);
	assert_int_equal(t->keepalive_interval, 10 * NSEC_PER_SEC);
	assert_int_equal(t->keepalive_count, 6);
	assert_int_equal(t->user_timeout, 0);
	assert_int_equal(t->splice_after, 65536);

	assert_int_equal(s->check.interval, 2 * NSEC_PER_SEC);
	assert_int_equal(s->check.fast_interval, 500 * NSEC_PER_MSEC);
	assert_int_equal(s->check.timeout, NSEC_PER_SEC);
	assert_int_equal(s->check.rise, 2);
	assert_int_equal(s->check.fall, 3);
	assert_int_equal(s->check.status_min, 200);
	assert_int_equal(s->check.status_max, 399);
	assert_null(s->check.http_path);
	assert_null(s->check.send);
}

static void defaults_are_those_of_the_header(void **state)
{
	struct config *c = parse_service("");

	(void)state;
	assert_string_equal(c->socket_path, "/run/lb4/lb4.sock");
	assert_int_equal(c->workers, 0);
	assert_int_equal(c->seed, 0x1b4);
	assert_int_equal(c->max_connections, 0);
	assert_int_equal(c->n_interfaces, 0);
	assert_int_equal(c->max_flows, 262144);
	assert_int_equal(c->nat_port_low, 10000);
	assert_int_equal(c->nat_port_high, 29999);
	assert_int_equal(c->stop_timeout, 30 * NSEC_PER_SEC);
	assert_int_equal(c->log_level, LOG_INFO);
	assert_int_equal(c->log_connections, LOG_CONNECTIONS_ALL);
	assert_int_equal(c->log_sample, 1);
	assert_int_equal(c->n_services, 1);
	assert_default_settings(&c->services[0]);
	assert_int_equal(c->services[0].check.kind, CHECK_NONE);
	assert_int_equal(c->services[0].n_listen, 1);
	assert_address(&c->services[0].listen[0], ":80");
	assert_int_equal(c->services[0].n_backends, 1);
	assert_string_equal(c->services[0].backends[0].name, "web1");
	assert_int_equal(c->services[0].backends[0].weight, 1);
	assert_address(&c->services[0].backends[0].address, "10.0.0.1:8080");
	config_free(c);

	c = config_new();
	assert_non_null(c);
	assert_int_equal(c->n_services, 0);
	assert_string_equal(c->socket_path, "/run/lb4/lb4.sock");
	assert_int_equal(c->stop_timeout, 30 * NSEC_PER_SEC);
	assert_null(config_free(c));
	assert_null(config_free(NULL));
}

static void every_setting_arrives(void **state)
{
	struct config *c =
		parse("---\n"
		      "admin: {socket: /tmp/lb4.sock}\n"
		      "workers: 4\n"
		      "seed: 0xFFFFFFFFFFFFFFFF\n"
		      "max_connections: 10000\n"
		      "interfaces: [eth0, {name: br-lan.7, hook: tc}, {hook: xdp, name: eth1}]\n"
		      "fastpath: {max_flows: 8388608, nat_ports: 1024-65535}\n"
		      "stop_timeout: 0\n"
		      "log: {level: debug, connections: failed, sample: 10}\n"
		      "services:\n"
		      "  web:\n"
		      "    listen:\n"
		      "      - 192.0.2.10:80\n"
		      "      - '[2001:db8::10]:80'\n"
		      "    balance: maglev\n"
		      "    hash: {source: {ipv4: 24, ipv6: 64}}\n"
		      "    table_size: 251\n"
		      "    passive: {fall: 5, hold: 1s, hold_max: 1m}\n"
		      "    on_down: reset\n"
		      "    max_eject: 0%\n"
		      "    fail: closed\n"
		      "    connect_timeout: 250ms\n"
		      "    connect_budget: 2s\n"
		      "    tries: 8\n"
		      "    idle_timeout: 1d\n"
		      "    half_closed_timeout: 5m\n"
		      "    lifetime: 2h\n"
		      "    drain_timeout: 10m\n"
		      "    keepalive: {idle: 30s, interval: 5s, count: 3}\n"
		      "    user_timeout: 1500ms\n"
		      "    splice: 1M\n"
		      "    backends:\n"
		      "      b.1: {address: 10.0.0.1:80, weight: 0}\n"
		      "      _b-2: {weight: 65535, address: '[::1]:81'}\n"
		      "  2nd: {listen: ':81', passive: off, keepalive: off, on_down: keep,\n"
		      "        hash: source, backends: {only: 10.0.0.1:80}}\n"
		      "...\n");
	const struct service_config *s = &c->services[0];
	const struct service_settings *t = &s->settings;

	(void)state;
	assert_string_equal(c->socket_path, "/tmp/lb4.sock");
	assert_int_equal(c->workers, 4);
	assert_true(c->seed == UINT64_MAX);
	assert_int_equal(c->max_connections, 10000);
	assert_int_equal(c->n_interfaces, 3);
	assert_string_equal(c->interfaces[0].name, "eth0");
	assert_int_equal(c->interfaces[0].hook, HOOK_AUTO);
	assert_string_equal(c->interfaces[1].name, "br-lan.7");
	assert_int_equal(c->interfaces[1].hook, HOOK_TC);
	assert_string_equal(c->interfaces[2].name, "eth1");
	assert_int_equal(c->interfaces[2].hook, HOOK_XDP);
	assert_int_equal(c->max_flows, 8388608);
	assert_int_equal(c->nat_port_low, 1024);
	assert_int_equal(c->nat_port_high, 65535);
	assert_int_equal(c->stop_timeout, 0);
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_int_equal(c->log_connections, LOG_CONNECTIONS_FAILED);
	assert_int_equal(c->log_sample, 10);

	assert_int_equal(c->n_services, 2);
	assert_int_equal(s->n_listen, 2);
	assert_address(&s->listen[0], "192.0.2.10:80");
	assert_address(&s->listen[1], "[2001:db8::10]:80");
	assert_int_equal(t->hash, HASH_SOURCE);
	assert_int_equal(t->mask_ipv4, 24);
	assert_int_equal(t->mask_ipv6, 64);
	assert_int_equal(t->table_size, 251);
	assert_int_equal(t->passive.fall, 5);
	assert_int_equal(t->passive.hold, NSEC_PER_SEC);
	assert_int_equal(t->passive.hold_max, 60 * NSEC_PER_SEC);
	assert_int_equal(t->on_down, ON_DOWN_RESET);
	assert_int_equal(t->max_eject_percent, 0);
	assert_int_equal(t->fail, FAIL_CLOSED);
	assert_int_equal(t->connect_timeout, 250 * NSEC_PER_MSEC);
	assert_int_equal(t->connect_budget, 2 * NSEC_PER_SEC);
	assert_int_equal(t->tries, 8);
	assert_int_equal(t->idle_timeout, 86400 * NSEC_PER_SEC);
	assert_int_equal(t->half_closed_timeout, 300 * NSEC_PER_SEC);
	assert_int_equal(t->lifetime, 7200 * NSEC_PER_SEC);
	assert_int_equal(t->drain_timeout, 600 * NSEC_PER_SEC);
	assert_int_equal(t->keepalive_idle, 30 * NSEC_PER_SEC);
	assert_int_equal(t->keepalive_interval, 5 * NSEC_PER_SEC);
	assert_int_equal(t->keepalive_count, 3);
	assert_int_equal(t->user_timeout, 1500 * NSEC_PER_MSEC);
	assert_int_equal(t->splice_after, 1 << 20);
	assert_int_equal(s->n_backends, 2);
	assert_string_equal(s->backends[0].name, "b.1");
	assert_int_equal(s->backends[0].weight, 0);
	assert_int_equal(s->backends[1].weight, 65535);
	assert_address(&s->backends[1].address, "[::1]:81");

	s = &c->services[1];
	assert_string_equal(s->name, "2nd");
	assert_false(s->settings.passive.enabled);
	assert_int_equal(s->settings.keepalive_idle, 0);
	assert_int_equal(s->settings.on_down, ON_DOWN_KEEP);
	assert_int_equal(s->settings.hash, HASH_SOURCE);
	assert_int_equal(s->settings.mask_ipv4, 32);
	assert_int_equal(s->settings.table_size, 65537);

	assert_ptr_equal(config_find_service(c, "2nd"), s);
	assert_null(config_find_service(c, "3rd"));
	assert_string_equal(service_config_find_backend(s, "only")->name, "only");
	assert_null(service_config_find_backend(s, "web1"));
	config_free(c);
}

static void checks(void **state)
{
	static char *const one_word[] = {(char *)"/bin/true", NULL};
	static char *const three_words[] = {(char *)"/bin/a b", (char *)"", (char *)"-v", NULL};
	static const struct {
		const char *text;
		struct check_config expected; /* with 0 for a default */
	} cases[] = {
		{"check: none", {.kind = CHECK_NONE}},
		{"check: tcp", {.kind = CHECK_TCP}},
		{"check: redis", {.kind = CHECK_REDIS}},
		{"check: postgres", {.kind = CHECK_POSTGRES}},
		{"check: mysql", {.kind = CHECK_MYSQL}},
		{"check: memcached", {.kind = CHECK_MEMCACHED}},
		{"check: amqp", {.kind = CHECK_AMQP}},
		{"check: smtp", {.kind = CHECK_SMTP}},
		{"check: {smtp: true}", {.kind = CHECK_SMTP}},
		{"check: {mysql: true, user: monitor}",
		 {.kind = CHECK_MYSQL, .mysql_user = (char *)"monitor"}},
		{"check: {exec: /bin/true}", {.kind = CHECK_EXEC, .exec = (char **)one_word}},
		{"check: {exec: [\"/bin/a b\", \"\", -v]}",
		 {.kind = CHECK_EXEC, .exec = (char **)three_words}},
		{"check: {tcp: true}", {.kind = CHECK_TCP}},
		{"check: {postgres: true, rise: 1, fall: 1}",
		 {.kind = CHECK_POSTGRES, .rise = 1, .fall = 1}},
		{"check: {redis: true, interval: 10s}",
		 {.kind = CHECK_REDIS,
		  .interval = 10 * NSEC_PER_SEC,
		  .fast_interval = 2500 * NSEC_PER_MSEC}},
		{"check: {http: /healthz}", {.kind = CHECK_HTTP, .http_path = (char *)"/healthz"}},
		{"check: {http: \"/?a=b#c\", host: \"[::1]:80\", status: 204, body: 'o\"k'}",
		 {.kind = CHECK_HTTP,
		  .http_path = (char *)"/?a=b#c",
		  .http_host = (char *)"[::1]:80",
		  .status_min = 204,
		  .status_max = 204,
		  .http_body = (char *)"o\"k"}},
		{"check: {http: /, status: 100-599}",
		 {.kind = CHECK_HTTP,
		  .http_path = (char *)"/",
		  .status_min = 100,
		  .status_max = 599}},
		{"check: {send: \"PING\\r\\n\", expect: +PONG}",
		 {.kind = CHECK_SEND_EXPECT,
		  .send = (uint8_t *)"PING\r\n",
		  .send_size = 6,
		  .expect = (uint8_t *)"+PONG",
		  .expect_size = 5}},
		{"check: {expect: \"a\\\\\\0b\"}",
		 {.kind = CHECK_SEND_EXPECT, .expect = (uint8_t *)"a\\\0b", .expect_size = 4}},
		{"check: {send_hex: \"00 01 ff\", expect_hex: AbCd}",
		 {.kind = CHECK_SEND_EXPECT,
		  .send = (uint8_t *)"\x00\x01\xff",
		  .send_size = 3,
		  .expect = (uint8_t *)"\xab\xcd",
		  .expect_size = 2}},
		{"check: {send: x, expect_hex: '00'}",
		 {.kind = CHECK_SEND_EXPECT,
		  .send = (uint8_t *)"x",
		  .send_size = 1,
		  .expect = (uint8_t *)"\0",
		  .expect_size = 1}},
		/* The default of the timeout gives way to a short interval, and doubt has a floor. */
		{"check: {tcp: true, interval: 500ms}",
		 {.kind = CHECK_TCP,
		  .interval = 500 * NSEC_PER_MSEC,
		  .fast_interval = 125 * NSEC_PER_MSEC,
		  .timeout = 500 * NSEC_PER_MSEC}},
		{"check: {tcp: true, interval: 20ms}",
		 {.kind = CHECK_TCP,
		  .interval = 20 * NSEC_PER_MSEC,
		  .fast_interval = 10 * NSEC_PER_MSEC,
		  .timeout = 20 * NSEC_PER_MSEC}},
		{"check: {tcp: true, interval: 3s, fast_interval: 3s, timeout: 3s}",
		 {.kind = CHECK_TCP,
		  .interval = 3 * NSEC_PER_SEC,
		  .fast_interval = 3 * NSEC_PER_SEC,
		  .timeout = 3 * NSEC_PER_SEC}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *c = parse_service(cases[i].text);
		struct check_config expected = cases[i].expected;

		expected.interval = expected.interval ?: 2 * NSEC_PER_SEC;
		expected.fast_interval = expected.fast_interval ?: 500 * NSEC_PER_MSEC;
		expected.timeout = expected.timeout ?: NSEC_PER_SEC;
		expected.rise = expected.rise ?: 2;
		expected.fall = expected.fall ?: 3;
		expected.status_min = expected.status_min ?: 200;
		expected.status_max = expected.status_max ?: 399;
		if (!check_config_equal(&c->services[0].check, &expected))
			print_error("%s\n", cases[i].text);
		assert_true(check_config_equal(&c->services[0].check, &expected));
		config_free(c);
	}
}

/* Things that look dubious and are right. */
static void forms(void **state)
{
	static const char *const settings[] = {
		"workers: \"2\"",
		"workers: auto",
		"max_connections: 0",
		"max_connections: 0x100",
		"seed: 0",
		"interfaces: eth0",
		"interfaces: {name: eth0}",
		"interfaces: [{name: eth0, hook: auto}, eth1]",
		"interfaces: [\"@\", v\xc3\xa9th, fifteen-letters]",
		"fastpath: {}",
		"fastpath: {max_flows: 1024, nat_ports: 64536-65535}",
		"seed: 18446744073709551615",
		"admin: {}",
		"log: {sample: 1, }",
		"\"log\": {'level': \"error\"}",
		"%YAML 1.1\n---\nworkers: 1",
		"\xef\xbb\xbfworkers: 1",
		"workers: 1\r",
		"? workers\n: 1",
		"workers: 0000000001x", /* a control: this one is refused */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		char text[512];
		struct config_errors errors;
		struct config *c = NULL;
		int r;

		snprintf(text, sizeof(text),
			 "%s\nservices: {a: {listen: \":1\", backends: {b: 10.0.0.1:1}}}\n",
			 settings[i]);
		r = config_parse(text, strlen(text), &c, &errors);
		if (i + 1 < ARRAY_SIZE(settings))
			print_errors(&errors);
		assert_int_equal(r, i + 1 < ARRAY_SIZE(settings) ? 0 : -EINVAL);
		config_errors_deinit(&errors);
		config_free(c);
	}
}

static void settings_that_stand_together(void **state)
{
	static const char *const settings[] = {
		"idle_timeout: 1ms",
		"connect_timeout: 5s",
		"connect_timeout: 20s\n    connect_budget: 20s",
		"passive: on",
		"passive: {}",
		"keepalive: on",
		"keepalive: {count: 127, idle: 32767s}",
		"keepalive: {idle: 2000ms}",
		"user_timeout: 0",
		"forward: splice",
		"splice: off",
		"splice: on",
		"splice: 1K",
		"user_timeout: 24d",
		"max_eject: 100%",
		"hash: {source: {}}",
		"table_size: 655373",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		config_free(parse_service(settings[i]));
}

static void a_default_gives_way(void **state)
{
	struct config *c = parse_service("connect_budget: 200ms\n    passive: {hold_max: 1s}");

	(void)state;
	assert_int_equal(c->services[0].settings.connect_timeout, 200 * NSEC_PER_MSEC);
	assert_int_equal(c->services[0].settings.passive.hold, NSEC_PER_SEC);
	config_free(c);
}

static void addresses_that_do_not_overlap(void **state)
{
	(void)state;
	config_free(parse("services:\n"
			  "  a: {listen: [\"0.0.0.0:80\", \"[2001:db8::1]:80\", \":81\"],\n"
			  "      backends: {x: 10.0.0.1:80, y: 10.0.0.1:81, z: 10.0.0.2:80}}\n"
			  "  b: {listen: [\"[2001:db8::2]:80\", \"192.0.2.1:82\"],\n"
			  "      backends: {x: 10.0.0.1:80, y: \"[::1]:80\"}}\n"
			  "  c: {listen: [\"192.0.2.2:82\", \"[::]:82\"],\n"
			  "      backends: {x: 10.0.0.1:82, y: 127.0.0.1:82}}\n"));
}

/* What is off, or the default, takes nothing that nat has not; nor do routes of others. */
static void what_nat_goes_with(void **state)
{
	struct config *c = parse(
		"services:\n"
		"  four:\n"
		"    listen: [\"192.0.2.1:80\", \"192.0.2.2:80\"]\n"
		"    forward: nat\n"
		"    balance: maglev\n"
		"    hash: source\n"
		"    limits: {connections: 0, source: {ipv4: 24}}\n"
		"    queue: off\n"
		"    proxy_in: off\n"
		"    proxy_out: none\n"
		"    source_address: auto\n"
		"    check: {tcp: true, proxy: v2}\n"
		"    backends:\n"
		"      a: {address: 10.0.0.1:80, max_connections: 0, weight: 2}\n"
		"      b: {address: 10.0.0.2:80, backup: true}\n"
		"  six: {listen: \"[2001:db8::1]:80\", forward: nat, backends: {a: "
		"\"[2001:db8::2]:80\"}}\n"
		"  tls: {listen: \":443\", tls_routes: [{sni: [a.example.org], service: four}]}\n"
		"  link: {listen: \"192.0.2.4:80\", forward: dsr-l2, backends: {a: "
		"\"10.0.0.3:80\"}}\n"
		"  wrap: {listen: \"192.0.2.3:80\", forward: dsr-ipip, backends: {a: "
		"\"10.0.0.4:80\", b: \"[2001:db8::3]:80\"}}\n"
		"interfaces: lo\n");

	(void)state;
	assert_int_equal(c->services[0].settings.forward, FORWARD_NAT);
	assert_int_equal(c->services[1].settings.forward, FORWARD_NAT);
	assert_int_equal(c->services[2].settings.forward, FORWARD_SPLICE);
	assert_int_equal(c->services[3].settings.forward, FORWARD_DSR_L2);
	assert_int_equal(c->services[4].settings.forward, FORWARD_DSR_IPIP);
	config_free(c);
}

/* nat where that takes nothing away, and packets can be had at all. */
static void what_auto_comes_to(void **state)
{
	static const char services[] =
		"services:\n"
		"  plain: {listen: \"192.0.2.1:80\", backends: {a: \"10.0.0.1:8080\"}}\n"
		"  said: {listen: \"192.0.2.1:81\", forward: auto, backends: {a: "
		"\"10.0.0.1:81\"}}\n"
		"  any: {listen: \":82\", backends: {a: \"10.0.0.1:82\"}}\n"
		"  other: {listen: \"192.0.2.1:83\", backends: {a: \"[2001:db8::1]:83\"}}\n"
		"  limited: {listen: \"192.0.2.1:84\", limits: {connections: 5},\n"
		"    backends: {a: \"10.0.0.1:84\"}}\n"
		"  full: {listen: \"192.0.2.1:85\",\n"
		"    backends: {a: {address: \"10.0.0.1:85\", max_connections: 5}}}\n"
		"  no: {listen: \"192.0.2.1:86\", forward: splice, backends: {a: "
		"\"10.0.0.1:86\"}}\n";
	char text[2048];
	struct config *c;

	(void)state;
	c = parse(services);
	for (size_t i = 0; i < c->n_services; i++)
		assert_int_equal(c->services[i].settings.forward, FORWARD_SPLICE);
	config_free(c);
	snprintf(text, sizeof(text), "%sinterfaces: eth0\n", services);
	c = parse(text);
	for (size_t i = 0; i < c->n_services; i++)
		assert_int_equal(c->services[i].settings.forward,
				 i < 2 ? FORWARD_NAT : FORWARD_SPLICE);
	config_free(c);
}

static void words(void **state)
{
	(void)state;
	assert_string_equal(check_kind_name(CHECK_NONE), "none");
	assert_string_equal(check_kind_name(CHECK_TCP), "tcp");
	assert_string_equal(check_kind_name(CHECK_HTTP), "http");
	assert_string_equal(check_kind_name(CHECK_SEND_EXPECT), "send/expect");
	assert_string_equal(check_kind_name(CHECK_REDIS), "redis");
	assert_string_equal(check_kind_name(CHECK_POSTGRES), "postgres");
	assert_string_equal(check_kind_name(CHECK_MYSQL), "mysql");
	assert_string_equal(check_kind_name(CHECK_EXEC), "exec");
	assert_null(check_kind_name(CHECK_EXEC + 1));
	assert_string_equal(forward_kind_name(FORWARD_SPLICE), "splice");
	assert_string_equal(forward_kind_name(FORWARD_NAT), "nat");
	assert_string_equal(forward_kind_name(FORWARD_DSR_L2), "dsr-l2");
	assert_string_equal(forward_kind_name(FORWARD_DSR_IPIP), "dsr-ipip");
	assert_string_equal(forward_kind_name(FORWARD_AUTO), "auto");
	assert_null(forward_kind_name(FORWARD_AUTO + 1));
	assert_string_equal(hash_kind_name(HASH_CONNECTION), "connection");
	assert_string_equal(hash_kind_name(HASH_SOURCE), "source");
	assert_null(hash_kind_name(HASH_SOURCE + 1));
	assert_string_equal(on_down_name(ON_DOWN_DRAIN), "drain");
	assert_string_equal(on_down_name(ON_DOWN_RESET), "reset");
	assert_string_equal(on_down_name(ON_DOWN_KEEP), "keep");
	assert_null(on_down_name(ON_DOWN_KEEP + 1));
	assert_string_equal(fail_mode_name(FAIL_OPEN), "open");
	assert_string_equal(fail_mode_name(FAIL_CLOSED), "closed");
	assert_null(fail_mode_name(FAIL_CLOSED + 1));
}

static void checks_copied_and_compared(void **state)
{
	static const char *const texts[] = {
		"check: {http: /a, host: h, body: b}",
		"check: {http: /b, host: h, body: b}",
		"check: {http: /a, body: b}",
		"check: {http: /a, host: h}",
		"check: {http: /a, host: h, body: b, status: 200}",
		"check: {http: /a, host: h, body: b, interval: 3s}",
		"check: {http: /a, host: h, body: b, fast_interval: 400ms}",
		"check: {http: /a, host: h, body: b, timeout: 400ms}",
		"check: {http: /a, host: h, body: b, rise: 3}",
		"check: {http: /a, host: h, body: b, fall: 2}",
		"check: {send: ab, expect: c}",
		"check: {send: abc, expect: c}",
		"check: {send: ab, expect: d}",
		"check: {send: ab}",
		"check: tcp",
		"check: mysql",
		"check: {mysql: true, user: a}",
		"check: {mysql: true, user: b}",
		"check: {exec: /a}",
		"check: {exec: [/a, b]}",
		"check: {exec: [/a, c]}",
		"check: {exec: [/a, b, c]}",
	};
	struct config *configs[ARRAY_SIZE(texts)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		configs[i] = parse_service(texts[i]);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct check_config copy;

		assert_int_equal(check_config_copy(&configs[i]->services[0].check, &copy), 0);
		for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
			assert_int_equal(check_config_equal(&copy, &configs[j]->services[0].check),
					 i == j);
		check_config_deinit(&copy);
		check_config_deinit(&copy); /* dead already: harmless */
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		config_free(configs[i]);
}

/* Where a check goes is no part of what it is: two that meet are one. */
static void check_targets(void **state)
{
	static const struct {
		const char *check, *target;
	} cases[] = {
		{"check: tcp", "10.0.0.1:80"},
		{"check: {tcp: true, port: 8081}", "10.0.0.1:8081"},
		{"check: {tcp: true, address: 10.0.0.9}", "10.0.0.9:80"},
		{"check: {tcp: true, address: 10.0.0.9, port: 1}", "10.0.0.9:1"},
		{"check: {tcp: true, address: \"2001:db8::1\"}", "[2001:db8::1]:80"},
		{"check: {tcp: true, address: \"[2001:db8::1]\", port: 65535}",
		 "[2001:db8::1]:65535"},
	};
	struct config *first = parse_service(cases[0].check);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *c = parse_service(cases[i].check);
		const struct check_config *check = &c->services[0].check;
		struct address backend, target;
		const char *why;

		assert_int_equal(address_parse("10.0.0.1:80", false, &backend, &why), 0);
		target = check_config_target(check, &backend);
		assert_address(&target, cases[i].target);
		assert_true(check_config_equal(check, &first->services[0].check));
		config_free(c);
	}
	config_free(first);
}

static void quick_mode(void **state)
{
	static const char *const listens[] = {":6379", "192.0.2.1:6380"};
	static const char *const backends[] = {"10.0.0.1:6379", "[2001:db8::1]:6379"};
	struct config_errors errors;
	struct config *c = NULL;
	const struct service_config *s;

	(void)state;
	assert_int_equal(config_quick(listens, 2, backends, 2, "redis", &c, &errors), 0);
	config_errors_deinit(&errors);
	assert_int_equal(c->n_services, 1);
	s = config_find_service(c, "default");
	assert_non_null(s);
	assert_default_settings(s);
	assert_int_equal(s->check.kind, CHECK_REDIS);
	assert_int_equal(s->n_listen, 2);
	assert_address(&s->listen[1], "192.0.2.1:6380");
	assert_int_equal(s->n_backends, 2);
	assert_string_equal(s->backends[0].name, "b1");
	assert_string_equal(s->backends[1].name, "b2");
	assert_address(&s->backends[1].address, "[2001:db8::1]:6379");
	config_free(c);

	assert_int_equal(config_quick(listens, 1, backends, 1, NULL, &c, &errors), 0);
	config_errors_deinit(&errors);
	assert_int_equal(c->services[0].check.kind, CHECK_NONE);
	config_free(c);

	assert_int_equal(config_quick(listens, 1, backends, 1, "http:/x", &c, &errors), 0);
	config_errors_deinit(&errors);
	assert_int_equal(c->services[0].check.kind, CHECK_HTTP);
	assert_string_equal(c->services[0].check.http_path, "/x");
	config_free(c);
}

static void quick_mode_refuses(void **state)
{
	static const struct {
		const char *listens[2], *backends[2], *check;
		const char *messages[3];
	} cases[] = {
		{{}, {"10.0.0.1:1"}, NULL, {"listen: a service needs at least one listen address"}},
		{{":80"}, {}, NULL, {"backends: a service needs at least one backend"}},
		{{"80"},
		 {"10.0.0.1"},
		 "reddis",
		 {"found \"reddis\"", "listen: \"80\"", "\"10.0.0.1\""}},
		{{":80"},
		 {"10.0.0.1:1", "10.0.0.1:1"},
		 NULL,
		 {"already the address of backend \"b1\""}},
		{{":80", ":80"}, {"10.0.0.1:1"}, NULL, {"repeats \":80\" of service \"default\""}},
		{{":80"}, {"127.0.0.1:80"}, NULL, {"where the service itself listens"}},
		{{":80"}, {"10.0.0.1:1"}, "http:", {"http: expected 1 to 1024 bytes"}},
		{{":80"},
		 {"10.0.0.1:1"},
		 "http",
		 {"check: expected tcp, redis, postgres, mysql, memcached, amqp, smtp, or "
		  "http:/PATH"}},
		{{":80"}, {""}, "", {"check: expected tcp", "address: \"\""}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config_errors errors;
		struct config *c = NULL;
		size_t n[3] = {};

		while (n[0] < 2 && cases[i].listens[n[0]])
			n[0]++;
		while (n[1] < 2 && cases[i].backends[n[1]])
			n[1]++;
		while (n[2] < 3 && cases[i].messages[n[2]])
			n[2]++;
		assert_int_equal(config_quick(cases[i].listens, n[0], cases[i].backends, n[1],
					      cases[i].check, &c, &errors),
				 -EINVAL);
		assert_null(c);
		if (errors.n_errors != n[2])
			print_errors(&errors);
		assert_int_equal(errors.n_errors, n[2]);
		for (size_t j = 0; j < n[2]; j++) {
			assert_non_null(strstr(errors.errors[j].message, cases[i].messages[j]));
			assert_null(strstr(errors.errors[j].message, "line"));
			assert_int_equal(errors.errors[j].line, 0);
		}
		config_errors_deinit(&errors);
	}
}

static void backends_at_run_time(void **state)
{
	static const struct {
		const char *name, *address;
		uint32_t weight;
		const char *error; /* NULL: taken */
	} cases[] = {
		{"web1", "10.0.0.1:80", 0, NULL},
		{"web1", "[::1]:80", WEIGHT_MAX, NULL},
		{"web1", "10.0.0.1", 1, "add the port"},
		{"web1", ":80", 1, "the address is missing"},
		{"we b", "10.0.0.1:80", 1, "backend \"we b\": a name is made of"},
		{"", "10.0.0.1:80", 1, "name of a backend is empty"},
		{"web1", "10.0.0.1:80", WEIGHT_MAX + 1, "weight: 65536 is out of range"},
		{"a/b", "x", UINT32_MAX, "a name is made of"},
		{"a/b", "x", UINT32_MAX, "4294967295"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct backend_config b = {};
		char *error = NULL;
		int r = backend_config_parse(cases[i].name, cases[i].address, cases[i].weight, &b,
					     &error);

		if (cases[i].error) {
			assert_int_equal(r, -EINVAL);
			assert_non_null(strstr(error, cases[i].error));
			free(error);
			continue;
		}
		assert_int_equal(r, 0);
		assert_null(error);
		assert_string_equal(b.name, cases[i].name);
		assert_address(&b.address, cases[i].address);
		assert_int_equal(b.weight, cases[i].weight);
		backend_config_deinit(&b);
		backend_config_deinit(&b);
	}
}

static void table_sizes_are_primes(void **state)
{
	(void)state;
	assert_int_equal(maglev_sizes[0], 65537);
	for (const uint32_t *size = maglev_sizes; *size; size++)
		for (uint32_t d = 2; d * d <= *size; d++)
			assert_int_not_equal(*size % d, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_header),
		cmocka_unit_test(every_setting_arrives),
		cmocka_unit_test(checks),
		cmocka_unit_test(forms),
		cmocka_unit_test(settings_that_stand_together),
		cmocka_unit_test(a_default_gives_way),
		cmocka_unit_test(addresses_that_do_not_overlap),
		cmocka_unit_test(what_nat_goes_with),
		cmocka_unit_test(what_auto_comes_to),
		cmocka_unit_test(words),
		cmocka_unit_test(checks_copied_and_compared),
		cmocka_unit_test(check_targets),
		cmocka_unit_test(quick_mode),
		cmocka_unit_test(quick_mode_refuses),
		cmocka_unit_test(backends_at_run_time),
		cmocka_unit_test(table_sizes_are_primes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
