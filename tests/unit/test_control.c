// SPDX-License-Identifier: BSD-2-Clause
/* run/control*: every route over a real Unix socket, in front of a fake daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cleanup.h"
#include "control.h"
#include "fake_daemon.h"
#include "http_client.h"

#include "test.h"

struct fixture {
	struct fake_daemon fake;
	char directory[64], path[128];
	struct control *control;
	struct pump pump;
};

static int pump_fd(void *c)
{
	return control_fd(c);
}

static nsec_t pump_deadline(void *c, nsec_t now)
{
	return control_deadline(c, now);
}

static void pump_run(void *c)
{
	control_run(c);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fake_daemon_init(&f->fake);
	strcpy(f->directory, "/tmp/lb4-test-control-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/lb4.sock", f->directory);
	assert_int_equal(control_start(&f->fake.daemon, f->path, &f->control), 0);
	f->pump = (struct pump){pump_fd, pump_deadline, pump_run, f->control};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	control_stop(f->control);
	assert_int_equal(rmdir(f->directory), 0);
	fake_daemon_deinit(&f->fake);
	free(f);
	return 0;
}

/* One request; the answer is JSON and an object, whatever the status. */
static json_t *request(struct fixture *f, const char *method, const char *path, const char *body,
		       int status)
{
	_cleanup_(freep) char *text = NULL;
	int got = http_request_once(&f->pump, f->path, method, path, body, &text);
	json_t *answer;

	if (got != status)
		fail_msg("%s %s: %d, not %d: %s", method, path, got, status, text ? text : "-");
	answer = json_loads(text, 0, NULL);
	if (!json_is_object(answer))
		fail_msg("%s %s: not an object: %s", method, path, text);
	if (status >= 400) {
		assert_non_null(json_string_value(json_object_get(answer, "error")));
		assert_non_null(json_object_get(answer, "hint"));
	}
	return answer;
}

static json_t *get(struct fixture *f, const char *path)
{
	return request(f, "GET", path, NULL, 200);
}

static const char *text(const json_t *o, const char *name)
{
	const char *value = json_string_value(json_object_get(o, name));

	if (!value)
		fail_msg("no text \"%s\"", name);
	return value;
}

static json_int_t number(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	if (!json_is_integer(value))
		fail_msg("no number \"%s\"", name);
	return json_integer_value(value);
}

static bool truth(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	if (!json_is_boolean(value))
		fail_msg("no boolean \"%s\"", name);
	return json_is_true(value);
}

static void assert_null_at(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	if (!value || !json_is_null(value))
		fail_msg("\"%s\" is not null", name);
}

/* --- What is shown --- */

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
	fake_backend(&f->fake, "web", "web1")->drifted = true;
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
	assert_int_equal(number(web, "accepted"), 22);
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
	json_t *list = json_object_get(a, "connections"), *first = json_array_get(list, 0);

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
	assert_int_equal(number(a, "limit"), 1000);
	assert_int_equal(number(a, "active"), 4);

	f->fake.n_connections = 5000;
	b = get(f, "/v1/connections?limit=2000&service=web");
	assert_int_equal(json_array_size(json_object_get(b, "connections")), 2000);
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

/* --- What is changed --- */

static void changes_backends(void **state)
{
	static const struct {
		const char *method, *path, *body;
		const char *asked;
	} cases[] = {
		{"POST", "web/backends", "{\"name\":\"web4\",\"address\":\"10.0.0.4:80\"}",
		 "add web web4 10.0.0.4:80 1"},
		{"POST", "web/backends",
		 "{\"name\":\"web5\",\"address\":\"10.0.0.5:80\",\"weight\":0}",
		 "add web web5 10.0.0.5:80 0"},
		{"POST", "web/backends/web4/weight", "{\"weight\":65535}", "weight web web4 65535"},
		{"POST", "web/backends/web4/drain", NULL, "admin web web4 draining 0ms"},
		{"POST", "web/backends/web4/drain", "{}", "admin web web4 draining 0ms"},
		{"POST", "web/backends/web4/drain", "{\"timeout\":\"30s\"}",
		 "admin web web4 draining 30000ms"},
		{"POST", "web/backends/web4/undrain", NULL, "admin web web4 enabled 0ms"},
		{"POST", "web/backends/web4/disable", NULL, "admin web web4 disabled 0ms"},
		{"POST", "web/backends/web4/enable", "{}", "admin web web4 enabled 0ms"},
		{"DELETE", "web/backends/web4", NULL, "remove web web4"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_decrefp) json_t *a = NULL;
		char path[128];

		snprintf(path, sizeof(path), "/v1/services/%s", cases[i].path);
		a = request(f, cases[i].method, path, cases[i].body, 200);
		assert_string_equal(f->fake.asked, cases[i].asked);
		assert_true(truth(a, "ok"));
	}
}

static void answers_with_the_backend(void **state)
{
	_cleanup_(json_decrefp) json_t *a =
		request(*state, "POST", "/v1/services/web/backends/web1/drain",
			"{\"timeout\":\"30s\"}", 200);
	json_t *backend = json_object_get(a, "backend");

	assert_string_equal(text(backend, "name"), "web1");
	assert_string_equal(text(backend, "admin"), "draining");
	assert_in_range(number(backend, "drain_left_ms"), 20000, 30000);
	assert_int_equal(number(backend, "active"), 4);
}

static void refuses_changes(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *error, *hint; /* parts of them */
	} cases[] = {
		{"POST", "wbe/backends", "{\"name\":\"x\",\"address\":\"10.0.0.4:80\"}", 404,
		 "wbe/- is not there", "did you mean \"web\"?"},
		{"DELETE", "web/backends/web", NULL, 404, "web/web is not there",
		 "did you mean \"web1\"?"},
		{"DELETE", "web/backends/zzzzzzz", NULL, 404, "web/zzzzzzz",
		 "there is web1, web2, web3"},
		{"POST", "web/backends", "{\"name\":\"web1\",\"address\":\"10.0.0.4:80\"}", 409,
		 "web/web1 is there already", NULL},
		{"POST", "web/backends", "{\"name\":\"x\",\"address\":\"10.0.0.4\"}", 422,
		 "the port is missing", NULL},
		{"POST", "web/backends", "{\"name\":\"x\"}", 400, "\"address\" is missing", NULL},
		{"POST", "web/backends", NULL, 400, "\"name\" is missing", NULL},
		{"POST", "web/backends",
		 "{\"name\":\"x\",\"address\":\"10.0.0.4:80\",\"wieght\":1}", 400,
		 "unknown field \"wieght\"", "did you mean \"weight\"?"},
		{"POST", "web/backends",
		 "{\"name\":\"x\",\"address\":\"10.0.0.4:80\",\"weight\":65536}", 400,
		 "\"weight\": expected a whole number from 0 to 65535", NULL},
		{"POST", "web/backends/web1/weight", "{\"weight\":-1}", 400, "whole number", NULL},
		{"POST", "web/backends/web1/weight", "{\"weight\":1.5}", 400, "whole number", NULL},
		{"POST", "web/backends/web1/weight", "{\"weight\":\"5\"}", 400, "whole number",
		 NULL},
		{"POST", "web/backends/web1/weight", "{\"weight\":null}", 400, "whole number",
		 NULL},
		{"POST", "web/backends/web1/weight", "{\"weight\":99999999999999999999}", 400,
		 "not JSON", NULL},
		{"POST", "web/backends/web1/weight", "{\"weight\":1,\"weight\":2}", 400,
		 "duplicate", NULL},
		{"POST", "web/backends/web1/weight", "{\"weight\":1", 400, "line 1", NULL},
		{"POST", "web/backends/web1/weight", "[1]", 400, "not a JSON object", NULL},
		{"POST", "web/backends/web1/weight", "weight=1", 400, "not JSON", NULL},
		{"POST", "web/backends/web1/drain", "{\"timeout\":30}", 400, "\"timeout\"", NULL},
		{"POST", "web/backends/web1/drain", "{\"timeout\":\"30\"}", 400,
		 "\"timeout\": the unit is missing", NULL},
		{"POST", "web/backends/web1/drain", "{\"timeout\":\"99999999999999d\"}", 400,
		 "too long", NULL},
		{"POST", "web/backends/web1/enable", "{\"now\":true}", 400, "unknown field",
		 "no fields"},
		{"POST", "web/backends/web3/undrain", NULL, 409, "disabled, not draining",
		 "use enable"},
		{"POST", "web/backends/nobody/undrain", NULL, 404, "web/nobody", NULL},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_decrefp) json_t *a = NULL;
		char path[128];

		snprintf(path, sizeof(path), "/v1/services/%s", cases[i].path);
		a = request(f, cases[i].method, path, cases[i].body, cases[i].status);
		if (!strstr(text(a, "error"), cases[i].error))
			fail_msg("case %zu: %s", i, text(a, "error"));
		if (cases[i].hint && !strstr(text(a, "hint"), cases[i].hint))
			fail_msg("case %zu: hint %s", i, text(a, "hint"));
	}
	assert_string_equal(f->fake.asked, ""); /* nothing was done */
}

static void reloads(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *a = request(f, "POST", "/v1/reload", NULL, 200);
	_cleanup_(json_decrefp) json_t *b = NULL, *c = NULL, *d = NULL;
	json_t *errors;

	assert_string_equal(f->fake.asked, "reload");
	assert_string_equal(text(a, "path"), "/etc/lb4/lb4.yaml");
	assert_int_equal(number(json_object_get(a, "changes"), "backends_added"), 2);
	assert_int_equal(number(json_object_get(a, "changes"), "slots_moved"), 12345);

	f->fake.reload_result = -EPERM;
	b = request(f, "POST", "/v1/reload", "{\"force\":false}", 409);
	assert_string_equal(text(b, "error"), "the file removes most of web");
	assert_non_null(strstr(text(b, "hint"), "--force"));
	json_decref(request(f, "POST", "/v1/reload", "{\"force\":true}", 200));
	assert_string_equal(f->fake.asked, "reload force");
	json_decref(request(f, "POST", "/v1/reload", "{\"force\":1}", 400));

	f->fake.reload_result = -EINVAL;
	f->fake.n_faults = 2;
	c = request(f, "POST", "/v1/reload", NULL, 422);
	assert_string_equal(text(c, "error"), "the configuration has 2 faults");
	assert_string_equal(text(c, "path"), "/etc/lb4/lb4.yaml");
	errors = json_object_get(c, "errors");
	assert_int_equal(json_array_size(errors), 2);
	assert_int_equal(number(json_array_get(errors, 0), "line"), 0);
	assert_null_at(json_array_get(errors, 0), "hint");
	assert_int_equal(number(json_array_get(errors, 1), "line"), 1);
	assert_int_equal(number(json_array_get(errors, 1), "column"), 3);
	assert_string_equal(text(json_array_get(errors, 1), "hint"), "did you mean \"listen\"?");

	f->fake.reload_result = -EACCES;
	d = request(f, "POST", "/v1/reload", NULL, 500);
	assert_string_equal(text(d, "error"), "the file is no good");
}

static void checks_configurations(void **state)
{
	static const char good[] = "services:\n"
				   "  web:\n"
				   "    listen: \":80\"\n"
				   "    backends:\n"
				   "      a: 10.0.0.1:80\n"
				   "      b: 10.0.0.2:80\n";
	static const char bad[] = "services:\n  web:\n    lisen: \":80\"\n";
	_cleanup_(json_decrefp) json_t *a = request(*state, "POST", "/v1/check", good, 200);
	_cleanup_(json_decrefp) json_t *b = request(*state, "POST", "/v1/check", bad, 422);
	const json_t *fault;
	bool found = false;
	size_t i;

	assert_true(truth(a, "ok"));
	assert_int_equal(number(a, "services"), 1);
	assert_int_equal(number(a, "backends"), 2);
	assert_null_at(b, "path");
	json_array_foreach(json_object_get(b, "errors"), i, fault)
		if (strstr(text(fault, "message"), "lisen") && number(fault, "line") == 3)
			found = true;
	assert_true(found);
	json_decref(request(*state, "POST", "/v1/check", NULL, 422));
}

static void stops(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *a = request(f, "POST", "/v1/stop", NULL, 200);

	assert_string_equal(text(a, "timeout"), "30s");
	assert_string_equal(f->fake.asked, "stop 30000ms");
	json_decref(request(f, "POST", "/v1/stop", "{\"timeout\":\"0\"}", 200));
	assert_string_equal(f->fake.asked, "stop 0ms");
	json_decref(request(f, "POST", "/v1/stop", "{\"timeout\":\"soon\"}", 400));
}

/* --- What any request may meet --- */

static void refuses_requests(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
		const char *hint;
	} cases[] = {
		{"GET", "/", 404, "/ has: v1"},
		{"GET", "/v1/stauts", 404, "did you mean \"/v1/status\"?"},
		{"GET", "/v1/services/web/backends/web1/drian", 404, "drain"},
		{"GET", "/v1/services/web/backends/web1/drain", 405, "use POST"},
		{"POST", "/v1/status", 405, "use GET, HEAD"},
		{"GET", "/v1/status?service=web", 400, "no parameters"},
		{"GET", "/v1/backends?sevice=web", 400, "did you mean \"service\"?"},
		{"GET", "/v1/backends?service=cahce", 404, "did you mean \"cache\"?"},
		{"GET", "/v1/services?service=nothing-near", 404, "there is web, cache"},
		{"GET", "/v1/table", 400, NULL},
		{"GET", "/v1/table?service=", 404, NULL},
		{"GET", "/v1/table?service=%ff%fe", 404, NULL},
		{"GET", "/v1/explain", 400, NULL},
		{"GET", "/v1/explain?service=web", 400, "ADDRESS:PORT"},
		{"GET", "/v1/explain?service=web&client=10.0.0.1", 400, "such as"},
		{"GET", "/v1/explain?service=web&client=0.0.0.0:1", 400, NULL},
		{"GET", "/v1/explain?service=web&client=10.0.0.1:1&local=:80", 400, NULL},
		{"GET", "/v1/explain?service=web&client=10.0.0.1:1&local=[2001:db8::1]:80", 400,
		 "family"},
		{"GET", "/v1/explain?service=web&client=[2001:db8::1]:1&local=10.0.0.1:80", 400,
		 "family"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_decrefp) json_t *a =
			request(*state, cases[i].method, cases[i].path, NULL, cases[i].status);

		if (cases[i].hint && !strstr(text(a, "hint"), cases[i].hint))
			fail_msg("%s: hint %s", cases[i].path, text(a, "hint"));
	}
}

static void refuses_large_bodies(void **state)
{
	size_t size = ((size_t)4 << 20) + 1;
	_cleanup_(freep) char *body = malloc(size + 1);
	_cleanup_(json_decrefp) json_t *a = NULL;

	memset(body, '#', size);
	body[size] = '\0';
	a = request(*state, "POST", "/v1/check", body, 413);
	assert_string_equal(text(a, "hint"), "at most 4194304 bytes");
	body[size - 1] = '\0'; /* as large as may be */
	json_decref(request(*state, "POST", "/v1/check", body, 422));
}

static void slow_clients_stall_nobody(void **state)
{
	static const char begun[] = "POST /v1/check HTTP/1.1\r\nHost: x\r\n"
				    "Content-Length: 100\r\n\r\nservices:";
	struct fixture *f = *state;
	struct http_client slow[8];

	for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
		http_client_open(&slow[i], f->path);
		/* Cut at different places. */
		assert_true(http_client_send(&f->pump, &slow[i], begun, 8 * i));
	}
	for (int i = 0; i < 10; i++)
		json_decref(get(f, "/v1/status"));
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
		http_client_deinit(&slow[i]);
	json_decref(get(f, "/v1/status"));
}

static void only_one_daemon_serves(void **state)
{
	struct fixture *f = *state;
	struct control *second = NULL;

	assert_int_equal(control_start(&f->fake.daemon, f->path, &second), -EADDRINUSE);
	assert_null(second);
	json_decref(get(f, "/v1/status"));
}

#define CONTROL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CONTROL_TEST(shows_status),
		CONTROL_TEST(shows_services),
		CONTROL_TEST(shows_backends),
		CONTROL_TEST(shows_connections),
		CONTROL_TEST(explains),
		CONTROL_TEST(explains_wildcards),
		CONTROL_TEST(explains_nobody),
		CONTROL_TEST(shows_tables),
		CONTROL_TEST(tables_outlive_changes),
		CONTROL_TEST(changes_backends),
		CONTROL_TEST(answers_with_the_backend),
		CONTROL_TEST(refuses_changes),
		CONTROL_TEST(reloads),
		CONTROL_TEST(checks_configurations),
		CONTROL_TEST(stops),
		CONTROL_TEST(refuses_requests),
		CONTROL_TEST(refuses_large_bodies),
		CONTROL_TEST(slow_clients_stall_nobody),
		CONTROL_TEST(only_one_daemon_serves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
