// SPDX-License-Identifier: BSD-2-Clause
/* run/control*: what GET shows, over a real Unix socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "cleanup.h"
#include "control_fixture.h"
#include "prefix_list.h"
#include "text.h"

#include "test.h"

static void shows_status(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *a = get(f, "/v1/status"), *b = NULL, *c = NULL;
	json_t *brake = json_object_get(a, "brake");

	assert_string_equal(text(a, "version"), LB4_VERSION);
	assert_int_equal(number(a, "pid"), getpid());
	assert_in_range(number(a, "uptime_ms"), FAKE_AGE / NSEC_PER_MSEC, 193 * 60000);
	assert_int_equal(number(a, "workers"), 2);
	assert_string_equal(text(a, "config"), "/etc/lb4/lb4.yaml");
	assert_int_equal(number(a, "max_connections"), 1000);
	assert_int_equal(number(a, "active"), 4);
	assert_int_equal(number(a, "parked"), 2);
	assert_int_equal(number(json_object_get(a, "descriptors"), "limit"), 1024);
	assert_true(number(json_object_get(a, "descriptors"), "used") > 3);
	assert_int_equal(number(json_object_get(a, "services"), "up"), 2);
	assert_int_equal(number(json_object_get(a, "services"), "total"), 2);
	assert_int_equal(number(json_object_get(a, "backends"), "up"), 2);
	assert_int_equal(number(json_object_get(a, "backends"), "total"), 4);
	assert_int_equal(json_array_size(brake), 1);
	assert_string_equal(json_string_value(json_array_get(brake, 0)), "cache");
	assert_int_equal(number(a, "drift"), 0);
	assert_null_at(a, "reload_error");
	assert_int_equal(number(json_object_get(a, "trouble"), "accept_pauses"), 4);
	assert_int_equal(number(json_object_get(a, "trouble"), "checks_postponed"), 1);
	assert_false(truth(a, "stopping"));
	assert_null_at(a, "stop_in_ms");

	/* Nobody eligible: the service is down. Quick mode: no file. */
	fake_member(&f->fake, "web", "web1")->eligible = false;
	fake_backend(&f->fake, "web", "web1")->config.weight = 3;
	free(take_ptr(f->fake.daemon.config_path));
	b = get(f, "/v1/status");
	assert_int_equal(number(json_object_get(b, "services"), "up"), 1);
	assert_int_equal(number(b, "drift"), 1);
	assert_null_at(b, "config");

	f->fake.daemon.reload_error = strdup("no such \xff file");
	daemon_stop(&f->fake.daemon, 30 * NSEC_PER_SEC);
	c = get(f, "/v1/status");
	assert_string_equal(text(c, "reload_error"), "no such ? file");
	assert_true(truth(c, "stopping"));
	assert_in_range(number(c, "stop_in_ms"), 20000, 30000);
}

static void shows_services(void **state)
{
	_cleanup_(json_decrefp) json_t *a = get(*state, "/v1/services");
	_cleanup_(json_decrefp) json_t *b = get(*state, "/v1/services?service=cache");
	json_t *list = json_object_get(a, "services"), *web = json_array_get(list, 0), *settings;

	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text(web, "name"), "web");
	assert_string_equal(json_string_value(json_array_get(json_object_get(web, "listen"), 1)),
			    "[2001:db8::10]:80");
	assert_string_equal(text(web, "hash"), "connection");
	settings = json_object_get(web, "settings");
	assert_string_equal(text(settings, "connect_timeout"), "1s");
	assert_string_equal(text(settings, "on_down"), "drain");
	assert_int_equal(number(settings, "table_size"), 7);
	assert_int_equal(number(json_object_get(settings, "mask"), "ipv6"), 128);
	assert_true(truth(json_object_get(settings, "passive"), "enabled"));
	assert_string_equal(text(json_object_get(web, "check"), "kind"), "tcp");
	assert_int_equal(number(json_object_get(web, "backends"), "up"), 2);
	assert_int_equal(number(json_object_get(web, "backends"), "eligible"), 1);
	assert_string_equal(text(settings, "max_eject"), "50%");
	assert_int_equal(number(web, "accepted"), 27);
	assert_int_equal(number(web, "forwarded"), 5);
	assert_int_equal(number(web, "active"), 4);
	assert_int_equal(number(json_object_get(web, "ended"), "done"), 14);
	assert_int_equal(number(json_object_get(web, "ended"), "client-reset"), 2);
	assert_int_equal(number(json_object_get(web, "ended"), "idle-timeout"), 0);
	assert_false(truth(web, "brake"));
	assert_int_equal(number(web, "rebuilds"), 3);

	list = json_object_get(b, "services");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text(json_array_get(list, 0), "name"), "cache");
	assert_true(truth(json_array_get(list, 0), "brake"));
}

static void shows_backends(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *a = NULL, *b = NULL;
	json_t *list, *web1, *web2, *web3, *redis1;

	fake_backend(&f->fake, "web", "web2")->health.held = true;
	fake_backend(&f->fake, "web", "web2")->health.held_until = clock_now() + 9 * NSEC_PER_SEC;
	fake_backend(&f->fake, "web", "web3")->health.verdict = VERDICT_UNKNOWN;
	fake_backend(&f->fake, "web", "web3")->health.result_at = 0;
	a = get(f, "/v1/backends");
	list = json_object_get(a, "backends");
	assert_int_equal(json_array_size(list), 4);
	web1 = json_array_get(list, 0);
	web2 = json_array_get(list, 1);
	web3 = json_array_get(list, 2);
	redis1 = json_array_get(list, 3);

	assert_string_equal(text(web1, "service"), "web");
	assert_string_equal(text(web1, "name"), "web1");
	assert_string_equal(text(web1, "address"), "10.0.0.1:8080");
	assert_int_equal(number(web1, "weight"), 10);
	assert_string_equal(text(web1, "admin"), "enabled");
	assert_string_equal(text(web1, "state"), "up");
	assert_true(truth(web1, "eligible"));
	assert_false(truth(web1, "braked"));
	assert_true(json_number_value(json_object_get(web1, "share")) == 1.0);
	assert_string_equal(text(web1, "check_address"), "10.0.0.1:8080");
	assert_string_equal(text(web1, "check_path"), "straight");
	assert_null_at(web1, "why");
	assert_null_at(web1, "last_error");
	assert_null_at(web1, "held_for_ms");
	assert_null_at(web1, "drain_left_ms");
	assert_in_range(number(web1, "since_ms"), FAKE_AGE / NSEC_PER_MSEC, 193 * 60000);
	assert_int_equal(number(web1, "check_latency_us"), 350);
	assert_int_equal(number(web1, "active"), 4);
	assert_int_equal(number(web1, "connections"), 20);
	assert_int_equal(number(web1, "connect_failures"), 1);
	assert_int_equal(number(web1, "instant_resets"), 0);
	assert_int_equal(number(web1, "bytes_in"), 1200000000);
	assert_int_equal(number(web1, "bytes_out"), 0);
	assert_int_equal(number(web1, "connect_us"), 350);

	assert_string_equal(text(web2, "state"), "down");
	assert_string_equal(text(web2, "why"), "check");
	assert_string_equal(text(web2, "last_error"), "connection refused");
	assert_in_range(number(web2, "held_for_ms"), 1, 9000);
	assert_true(json_number_value(json_object_get(web2, "share")) == 0.0);
	assert_null_at(web2, "connect_us");

	assert_string_equal(text(web3, "admin"), "disabled");
	assert_string_equal(text(web3, "state"), "unknown");
	assert_null_at(web3, "check_latency_us");

	/* Bytes of a server's answer need not be UTF-8. */
	assert_string_equal(text(redis1, "last_error"), "expected PONG, got ?");
	assert_true(truth(redis1, "braked"));
	assert_true(truth(redis1, "eligible"));

	b = get(f, "/v1/backends?service=cache");
	assert_int_equal(json_array_size(json_object_get(b, "backends")), 1);
}

static void shows_connections(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *a = get(f, "/v1/connections"), *b = NULL, *c = NULL;
	json_t *list = json_object_get(a, "connections"), *first = json_array_get(list, 0), *flow;

	assert_int_equal(json_array_size(list), 3);
	assert_int_equal(number(first, "id"), 1);
	assert_string_equal(text(first, "state"), "established");
	assert_string_equal(text(first, "service"), "web");
	assert_string_equal(text(first, "backend"), "web1");
	assert_string_equal(text(first, "client"), "198.51.100.7:40000");
	assert_string_equal(text(first, "local"), "192.0.2.10:80");
	assert_string_equal(text(first, "server"), "10.0.0.1:8080");
	assert_int_equal(number(first, "age_ms"), 125000);
	assert_int_equal(number(first, "idle_ms"), 20);
	assert_int_equal(number(first, "bytes_out"), 1500000);
	assert_null_at(json_array_get(list, 2), "backend");
	assert_null_at(json_array_get(list, 2), "server");
	assert_string_equal(text(first, "path"), "splice");
	assert_string_equal(text(first, "relay"), "copy");
	assert_int_equal(number(a, "limit"), 1000);
	assert_int_equal(number(a, "active"), 4);

	f->fake.n_connections = 5000;
	b = get(f, "/v1/connections?limit=2000&service=web");
	assert_int_equal(json_array_size(json_object_get(b, "connections")), 2000);
	flow = json_array_get(json_object_get(b, "connections"), 3);
	assert_string_equal(text(flow, "path"), "nat");
	assert_null_at(flow, "relay");
	assert_null_at(flow, "worker");
	c = get(f, "/v1/connections?service=cache");
	assert_int_equal(json_array_size(json_object_get(c, "connections")), 0);
	assert_int_equal(number(c, "active"), 0);
	json_decref(request(f, "GET", "/v1/connections?limit=10001", NULL, 400));
	json_decref(request(f, "GET", "/v1/connections?limit=-1", NULL, 400));
	json_decref(request(f, "GET", "/v1/connections?limit=", NULL, 400));
	json_decref(request(f, "GET", "/v1/connections?service=wbe", NULL, 404));
	f->fake.connections_result = -ETIMEDOUT;
	json_decref(request(f, "GET", "/v1/connections", NULL, 500));
}

static void explains(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *a = NULL, *b = NULL, *c = NULL;
	json_t *candidates;

	/* Slot 0 is web1's own. */
	a = get(f, "/v1/explain?service=web&client=198.51.100.7:7000");
	assert_string_equal(text(a, "service"), "web");
	assert_string_equal(text(a, "client"), "198.51.100.7:7000");
	assert_string_equal(text(a, "local"), "192.0.2.10:80");
	assert_true(truth(a, "local_assumed"));
	assert_string_equal(text(a, "hash_by"), "connection");
	assert_string_equal(text(a, "hash"), "0xfedcba9876543210");
	assert_int_equal(number(a, "slot"), 0);
	assert_string_equal(text(a, "owner"), "web1");
	assert_null_at(a, "moved");
	assert_string_equal(text(a, "backend"), "web1");
	candidates = json_object_get(a, "candidates");
	assert_int_equal(json_array_size(candidates), 1);
	assert_string_equal(text(json_array_get(candidates, 0), "reason"), "owns the slot");
	assert_int_equal(json_array_size(json_object_get(a, "notes")), 1);

	/* Slot 1 is that of web2, which is down. The address family chooses the local address. */
	b = get(f, "/v1/explain?service=web&client=[2001:db8::7]:7001");
	assert_string_equal(text(b, "local"), "[2001:db8::10]:80");
	assert_string_equal(text(b, "owner"), "web2");
	assert_string_equal(text(json_object_get(b, "moved"), "why"),
			    "it is down: connection refused");
	assert_string_equal(text(b, "backend"), "web1");

	/* Slot 2 is that of web3, which is disabled; a local address of one's own. */
	c = get(f, "/v1/explain?service=web&client=198.51.100.7:7002&local=203.0.113.1:80");
	assert_string_equal(text(c, "local"), "203.0.113.1:80");
	assert_false(truth(c, "local_assumed"));
	assert_string_equal(text(json_object_get(c, "moved"), "why"), "it is disabled");
	assert_string_equal(json_string_value(json_array_get(json_object_get(c, "notes"), 0)),
			    "the service does not listen on the local address given");
}

static struct live_service *two_in_service(struct fixture *f, enum balance_kind balance)
{
	struct live_service *web = daemon_find_service(&f->fake.daemon, "web");

	web->settings.balance = balance;
	for (size_t i = 0; i < 2; i++) {
		web->pool.members[i].failed = web->pool.members[i].ejected = false;
		web->pool.members[i].eligible = true;
		web->pool.members[i].steps = BALANCE_STEPS;
		web->backends[i].backend->in_use = 3 + (uint32_t)i;
	}
	return web;
}

/* Where loads or turns decide. */
static void explains_the_path(void **state)
{
	const char *path = "/v1/explain?service=web&client=198.51.100.7:7000";
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *spliced = get(f, path), *off = NULL, *nat = NULL;
	struct forwarding_explanation *e = &f->fake.path;
	const json_t *flow;

	assert_string_equal(text(spliced, "path"), "splice");
	assert_null_at(spliced, "path_why");
	assert_null_at(spliced, "maps");
	assert_null_at(spliced, "flow");
	e->why_not = "the fast path is off";
	off = get(f, path);
	assert_string_equal(text(off, "path"), "splice");
	assert_string_equal(text(off, "path_why"), "the fast path is off");
	*e = (struct forwarding_explanation){
		.path = FORWARD_NAT,
		.has_slot = true,
		.slot = 77,
		.owner = f->fake.daemon.services[0]->backends[0].backend,
		.flow = {.is_there = true,
			 .has_source = true,
			 .state = "half-closed",
			 .age = 3 * NSEC_PER_SEC,
			 .idle = 20 * NSEC_PER_MSEC},
	};
	address_parse("10.0.0.9:20001", false, &e->flow.source, &(const char *){NULL});
	nat = get(f, path);
	assert_string_equal(text(nat, "path"), "nat");
	assert_int_equal(number(json_object_get(nat, "maps"), "slot"), 77);
	assert_string_equal(text(json_object_get(nat, "maps"), "owner"), "web1");
	flow = json_object_get(nat, "flow");
	assert_null_at(flow, "backend"); /* no longer known */
	assert_string_equal(text(flow, "source"), "10.0.0.9:20001");
	assert_string_equal(text(flow, "state"), "half-closed");
	assert_int_equal(number(flow, "age_ms"), 3000);
	assert_int_equal(number(flow, "idle_ms"), 20);
}

static void explains_without_a_hash(void **state)
{
	struct fixture *f = *state;
	struct live_service *web = two_in_service(f, BALANCE_LEAST_CONNECTIONS);
	const char *path = "/v1/explain?service=web&client=198.51.100.7:7000";
	_cleanup_(json_decrefp) json_t *a = get(f, path), *b = NULL, *c = NULL, *d = NULL,
				       *e = NULL;
	json_t *candidate;

	assert_string_equal(text(a, "balance"), "least-connections");
	assert_null_at(a, "hash");
	assert_null_at(a, "slot");
	assert_null_at(a, "owner");
	assert_null_at(a, "moved");
	assert_string_equal(text(a, "backend"), "web1");
	candidate = json_array_get(json_object_get(a, "candidates"), 1);
	assert_string_equal(text(candidate, "name"), "web2");
	assert_string_equal(text(candidate, "reason"), "has 4 connections");
	assert_int_equal(number(candidate, "in_use"), 4);

	/* Equal for their weights: chance decides. */
	web->backends[1].backend->in_use = 3;
	b = get(f, path);
	assert_null_at(b, "backend");
	web->settings.balance = BALANCE_ROUND_ROBIN;
	c = get(f, path);
	assert_null_at(c, "backend"); /* two workers, and not at the same place */
	assert_int_equal(json_array_size(json_object_get(c, "next")), 2);
	web->settings.balance = BALANCE_TWO_CHOICES;
	web->backends[1].backend->in_use = 9;
	d = get(f, path);
	assert_null_at(d, "backend");
	assert_int_equal(json_array_size(json_object_get(d, "next")), 0);

	e = request(f, "GET", "/v1/table?service=web", NULL, 409);
	assert_non_null(strstr(text(e, "error"), "balances by two-choices: it has no table"));
}

static void shows_roles_and_slow_starts(void **state)
{
	struct fixture *f = *state;
	struct live_service *web = two_in_service(f, BALANCE_MAGLEV);
	_cleanup_(json_decrefp) json_t *a = NULL, *b = NULL, *c = NULL, *d = NULL;
	json_t *backend;

	web->pool.members[0].ramping = true;
	web->pool.members[0].steps = 4;
	web->pool.members[1].backup = true;
	web->pool.on_backups = true;
	a = get(f, "/v1/backends?service=web");
	backend = json_array_get(json_object_get(a, "backends"), 0);
	assert_int_equal(number(backend, "slow_start_percent"), 40);
	assert_int_equal(number(backend, "in_use"), 3);
	assert_false(truth(backend, "backup"));
	backend = json_array_get(json_object_get(a, "backends"), 1);
	assert_null_at(backend, "slow_start_percent");
	assert_true(truth(backend, "backup"));
	b = get(f, "/v1/services?service=web");
	backend = json_array_get(json_object_get(b, "services"), 0);
	assert_true(truth(backend, "on_backups"));
	assert_string_equal(text(backend, "balance"), "maglev");
	c = get(f, "/v1/status");
	assert_string_equal(json_string_value(json_array_get(json_object_get(c, "on_backups"), 0)),
			    "web");
	web->pool.on_backups = false;
	d = get(f, "/v1/explain?service=web&client=198.51.100.7:7000");
	assert_string_equal(text(d, "owner"), "web1");
	assert_string_equal(text(json_object_get(d, "moved"), "why"),
			    "its slow start has not come to this slot");
	assert_string_equal(text(d, "backend"), "web2");
}

static void explains_wildcards(void **state)
{
	struct fixture *f = *state;
	struct live_service *cache = daemon_find_service(&f->fake.daemon, "cache");
	_cleanup_(json_decrefp) json_t *a = NULL, *b = NULL, *c = NULL;
	json_t *candidate;

	/* By source the local address does not count. */
	a = get(f, "/v1/explain?service=cache&client=198.51.100.7:7000");
	assert_string_equal(text(a, "local"), ":6379");
	assert_string_equal(text(a, "hash_by"), "source");
	assert_int_equal(json_array_size(json_object_get(a, "notes")), 1);
	candidate = json_array_get(json_object_get(a, "candidates"), 0);
	assert_string_equal(text(candidate, "reason"),
			    "owns the slot; it failed (expected PONG, got ?), but max_eject "
			    "keeps it in");
	/* By connection it does. */
	cache->settings.hash = HASH_CONNECTION;
	b = request(f, "GET", "/v1/explain?service=cache&client=198.51.100.7:7000", NULL, 400);
	assert_non_null(strstr(text(b, "hint"), "local=ADDRESS:PORT"));
	c = get(f, "/v1/explain?service=cache&client=198.51.100.7:7000&local=10.0.0.1:6379");
	assert_int_equal(json_array_size(json_object_get(c, "notes")), 0);
}

/* The fake's web service leads clients of shop.test, or with h2, to its cache. */
static void add_routes(struct daemon *d)
{
	static char *names[] = {"shop.test", NULL}, *protocols[] = {"h2", NULL};
	struct tls_route_config *routes = calloc(2, sizeof(*routes));
	struct service_config *web = &d->config->services[0];

	routes[0] = (struct tls_route_config){
		.sni = text_list_copy(names), .service = strdup("cache"), .target = 1};
	routes[1] = (struct tls_route_config){
		.alpn = text_list_copy(protocols), .service = strdup("cache"), .target = 1};
	web->tls_routes = routes; /* the configuration's */
	web->n_tls_routes = 2;
	d->services[0]->settings.hello_timeout = NSEC_PER_SEC;
	d->services[0]->settings.hello_bytes = 512;
	assert_int_equal(tls_routes_new(routes, 2, &d->services[0]->tls_routes), 0);
}

static void shows_routes(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *a = NULL;
	json_t *web, *cache, *routes;

	add_routes(&f->fake.daemon);
	a = get(f, "/v1/services");
	web = json_array_get(json_object_get(a, "services"), 0);
	cache = json_array_get(json_object_get(a, "services"), 1);
	routes = json_object_get(web, "tls_routes");
	assert_int_equal(json_array_size(routes), 2);
	assert_string_equal(text(json_array_get(routes, 0), "service"), "cache");
	assert_int_equal(json_array_size(json_object_get(json_array_get(routes, 0), "sni")), 1);
	assert_null_at(json_array_get(routes, 0), "alpn");
	assert_null_at(json_array_get(routes, 1), "sni");
	assert_int_equal(number(json_object_get(web, "hello"), "bytes"), 512);
	assert_string_equal(text(json_object_get(web, "hello"), "on_error"), "refuse");
	assert_int_equal(json_array_size(json_object_get(cache, "tls_routes")), 0);
	assert_null_at(cache, "hello");
	assert_int_equal(number(web, "routed"), 0);
	tls_routes_unref(f->fake.daemon.services[0]->tls_routes);
}

static void explains_routes(void **state)
{
	static const struct {
		const char *query, *service, *via;
	} cases[] = {
		{"", "web", NULL},
		{"&sni=other.test", "web", NULL},
		{"&sni=Shop.Test.", "cache", "web"},
		{"&alpn=http/1.1,h2", "cache", "web"},
		{"&alpn=http/1.1", "web", NULL},
	};
	static const char *const wrong[] = {"&sni=", "&sni=a%20b", "&alpn=h2,", "&alpn=,h2"};
	struct fixture *f = *state;
	char path[128];

	add_routes(&f->fake.daemon);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_decrefp) json_t *a = NULL;

		snprintf(path, sizeof(path), "/v1/explain?service=web&client=198.51.100.7:7001%s",
			 cases[i].query);
		a = get(f, path);
		assert_string_equal(text(a, "service"), cases[i].service);
		assert_string_equal(text(a, "local"), "192.0.2.10:80");
		if (cases[i].via)
			assert_string_equal(text(a, "via"), cases[i].via);
		else
			assert_null_at(a, "via");
		assert_true(json_array_size(json_object_get(a, "notes")) > 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(path, sizeof(path), "/v1/explain?service=web&client=198.51.100.7:7001%s",
			 wrong[i]);
		json_decref(request(f, "GET", path, NULL, 400));
	}
	tls_routes_unref(f->fake.daemon.services[0]->tls_routes);
}

/* A service that only routes lead to: nobody can tell where its clients connect to. */
static void explains_without_listen(void **state)
{
	struct fixture *f = *state;
	struct live_service *web = f->fake.daemon.services[0], *cache = f->fake.daemon.services[1];
	_cleanup_(json_decrefp) json_t *a = NULL, *b = NULL, *c = NULL;

	web->n_listeners = cache->n_listeners = 0;
	a = request(f, "GET", "/v1/explain?service=web&client=198.51.100.7:7000", NULL, 400);
	assert_non_null(strstr(text(a, "hint"), "tls_routes"));
	b = get(f, "/v1/explain?service=web&client=198.51.100.7:7000&local=192.0.2.9:80");
	assert_string_equal(text(b, "service"), "web");
	c = get(f, "/v1/explain?service=cache&client=198.51.100.7:7000"); /* hash: source */
	assert_string_equal(text(c, "backend"), "redis1");
}

/* Who may not connect gets no backend, whichever service on its way says so. */
static void explains_refusals(void **state)
{
	static const struct {
		const char *denied, *query, *refused;
	} cases[] = {
		{"cache", "", NULL},
		{"web", "", "denied"},
		{"web", "&alpn=h2", "denied"},
		{"cache", "&alpn=h2", "denied"},
	};
	struct fixture *f = *state;
	struct prefix_list *deny = prefix_list_new(1);
	const char *why;

	assert_non_null(deny);
	assert_int_equal(prefix_parse("198.51.100.0/24", &deny->items[0], &why), 0);
	add_routes(&f->fake.daemon);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct live_service *s =
			f->fake.daemon.services[strcmp(cases[i].denied, "web") ? 1 : 0];
		_cleanup_(json_decrefp) json_t *a = NULL, *b = NULL;
		char path[128];

		assert_int_equal(access_new(NULL, deny, &s->access), 0);
		snprintf(path, sizeof(path), "/v1/explain?service=web&client=198.51.100.7:7001%s",
			 cases[i].query);
		a = get(f, path);
		snprintf(path, sizeof(path), "/v1/explain?service=web&client=203.0.113.7:7001%s",
			 cases[i].query);
		b = get(f, path);
		assert_null_at(b, "refused");
		assert_non_null(text(b, "backend"));
		if (cases[i].refused) {
			assert_string_equal(text(a, "refused"), cases[i].refused);
			assert_null_at(a, "backend");
			assert_int_equal(json_array_size(json_object_get(a, "candidates")), 0);
		} else {
			assert_null_at(a, "refused");
		}
		s->access = access_unref(s->access);
	}
	prefix_list_unref(deny);
	tls_routes_unref(f->fake.daemon.services[0]->tls_routes);
}

static void explains_nobody(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *a = NULL;

	fake_member(&f->fake, "web", "web1")->eligible = false;
	fake_member(&f->fake, "web", "web1")->admin = ADMIN_DRAINING;
	a = get(f, "/v1/explain?service=web&client=198.51.100.7:7000");
	assert_null_at(a, "backend");
	assert_string_equal(text(json_object_get(a, "moved"), "why"), "it is draining");
	assert_int_equal(json_array_size(json_object_get(a, "candidates")), 0);
}

static void shows_tables(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *a = get(f, "/v1/table?service=web"), *b = NULL, *c = NULL;
	json_t *slots = json_object_get(a, "slots");

	assert_string_equal(text(a, "service"), "web");
	assert_int_equal(number(a, "size"), 7);
	assert_int_equal(json_array_size(slots), 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(json_string_value(json_array_get(slots, i)), "web1");

	/* The largest there is, with two owners in turn. */
	fake_member(&f->fake, "web", "web2")->eligible = true;
	fake_member(&f->fake, "web", "web3")->eligible = true;
	fake_table(&f->fake, "web", 655373);
	b = get(f, "/v1/table?service=web");
	slots = json_object_get(b, "slots");
	assert_int_equal(json_array_size(slots), 655373);
	for (size_t i = 0; i < 655373; i++) {
		char name[8];

		snprintf(name, sizeof(name), "web%d", (int)(i % 3) + 1);
		assert_string_equal(json_string_value(json_array_get(slots, i)), name);
	}

	/* Nobody's slots. */
	fake_member(&f->fake, "cache", "redis1")->eligible = false;
	fake_table(&f->fake, "cache", 11);
	c = get(f, "/v1/table?service=cache");
	assert_true(json_is_null(json_array_get(json_object_get(c, "slots"), 10)));
}

/* A table that is being read outlives what it shows. */
static void tables_outlive_changes(void **state)
{
	static const char request_text[] = "GET /v1/table?service=web HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;
	struct http_client c;
	char *error = NULL;
	_cleanup_(freep) char *body = NULL;
	_cleanup_(json_decrefp) json_t *a = NULL;

	fake_member(&f->fake, "web", "web3")->eligible = true;
	fake_table(&f->fake, "web", 655373);
	http_client_open(&c, f->path);
	assert_true(http_client_send(&f->pump, &c, request_text, strlen(request_text)));
	pump_idle(&f->pump, 1000);
	assert_int_equal(daemon_remove_backend(&f->fake.daemon, "web", "web3", &error), 0);
	fake_table(&f->fake, "web", 7);
	assert_int_equal(http_client_answer(&f->pump, &c, &body), 200);
	a = json_loads(body, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(a, "slots")), 655373);
	assert_string_equal(json_string_value(json_array_get(json_object_get(a, "slots"), 655370)),
			    "web3");
	http_client_deinit(&c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CONTROL_TEST(shows_status),
		CONTROL_TEST(shows_services),
		CONTROL_TEST(shows_backends),
		CONTROL_TEST(shows_connections),
		CONTROL_TEST(explains),
		CONTROL_TEST(explains_the_path),
		CONTROL_TEST(explains_without_a_hash),
		CONTROL_TEST(shows_roles_and_slow_starts),
		CONTROL_TEST(explains_wildcards),
		CONTROL_TEST(shows_routes),
		CONTROL_TEST(explains_routes),
		CONTROL_TEST(explains_without_listen),
		CONTROL_TEST(explains_refusals),
		CONTROL_TEST(explains_nobody),
		CONTROL_TEST(shows_tables),
		CONTROL_TEST(tables_outlive_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
