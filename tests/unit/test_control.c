// SPDX-License-Identifier: BSD-2-Clause
/* run/control*: what is changed, and what any request may meet, over a real Unix socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "control.h"
#include "control_fixture.h"
#include "forwarding.h"
#include "ways.h"

#include "test.h"

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

static bool is_asked(void *context)
{
	return *((struct fixture *)context)->fake.asked;
}

/* The change is made at once, and told as made when it is written. */
static void waits_for_the_disk(struct fixture *f)
{
	static const char change[] = "POST /v1/services/web/backends/web1/weight HTTP/1.1\r\n"
				     "Host: x\r\nContent-Length: 12\r\n\r\n{\"weight\":6}";
	struct daemon *d = &f->fake.daemon;
	struct http_client c = HTTP_CLIENT_INIT;
	_cleanup_(freep) char *body = NULL;

	f->fake.disk_is_slow = true;
	*f->fake.asked = '\0';
	http_client_open(&c, f->path);
	assert_true(http_client_send(&f->pump, &c, change, strlen(change)));
	assert_true(pump_until(&f->pump, is_asked, f));
	assert_string_equal(f->fake.asked, "weight web web1 6");
	assert_true(pump_idle(&f->pump, 100) < 10);
	assert_int_equal(c.size, 0);
	d->keeping.written.number = d->keeping.n_given;
	f->fake.disk_is_slow = false;
	assert_int_equal(http_client_answer(&f->pump, &c, &body), 200);
	assert_non_null(strstr(body, "\"kept\":true"));
	http_client_deinit(&c);
}

/* What is changed is told as done when it is in the state file, where one is kept. */
static void changes_are_kept(void **state)
{
	static const char path[] = "/v1/services/web/backends/web1/weight",
			  body[] = "{\"weight\":5}";
	struct fixture *f = *state;
	struct daemon *d = &f->fake.daemon;
	json_t *a = request(f, "POST", path, body, 200);

	assert_null_at(a, "kept");
	json_decref(a);
	a = get(f, "/v1/status");
	assert_null_at(a, "state_file");
	json_decref(a);

	d->keeping.path = strdup("/var/lib/lb4/state.json");
	a = request(f, "POST", path, body, 200);
	assert_true(truth(a, "kept"));
	assert_null_at(a, "kept_error");
	json_decref(a);

	waits_for_the_disk(f);

	d->keeping.written.error = -ENOSPC;
	a = request(f, "POST", "/v1/reload", "{}", 200);
	assert_false(truth(a, "kept"));
	assert_string_equal(text(a, "kept_error"),
			    "cannot write /var/lib/lb4/state.json: it is full");
	json_decref(a);
	a = get(f, "/v1/status");
	assert_string_equal(text(json_object_get(a, "state_file"), "path"),
			    "/var/lib/lb4/state.json");
	assert_string_equal(text(json_object_get(a, "state_file"), "error"),
			    "cannot write /var/lib/lb4/state.json: it is full");
	json_decref(a);
	free(d->keeping.path);
	d->keeping = (struct state_keeping){};
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
	assert_int_equal(number(json_object_get(a, "changes"), "backends_added"), 1);
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

static void switches_the_fast_path(void **state)
{
	struct fixture *f = *state;
	struct forwarding_status status = {.accepts = true, .flows = 7, .max_flows = 1024};
	_cleanup_(json_decrefp) json_t *none =
		request(f, "POST", "/v1/fastpath", "{\"on\":true}", 409);
	_cleanup_(json_decrefp) json_t *off = NULL, *shown = NULL;
	const json_t *fastpath;

	assert_non_null(strstr(text(none, "error"), "names no interfaces"));
	status.verdicts[LB4_VERDICT_PASS_FULL] = 3;
	status.interfaces[0] = (struct forwarding_interface){
		"eth0", "xdp", NULL, "driver mlx5_core: it takes the program"};
	status.interfaces[1] =
		(struct forwarding_interface){"eth1", NULL, "there is no such interface", NULL};
	status.n_interfaces = 2;
	f->fake.fastpath = &status;
	off = request(f, "POST", "/v1/fastpath", "{\"on\":false}", 200);
	assert_false(status.accepts);
	assert_string_equal(text(json_object_get(off, "fastpath"), "state"), "off");
	json_decref(request(f, "POST", "/v1/fastpath", "{\"on\":true}", 200));
	assert_true(status.accepts);
	json_decref(request(f, "POST", "/v1/fastpath", "{}", 400));
	json_decref(request(f, "POST", "/v1/fastpath", "{\"on\":1}", 400));
	shown = get(f, "/v1/status");
	fastpath = json_object_get(shown, "fastpath");
	assert_string_equal(text(fastpath, "state"), "on");
	assert_null_at(fastpath, "error");
	assert_int_equal(number(fastpath, "flows"), 7);
	assert_false(truth(fastpath, "captures"));
	assert_int_equal(number(json_object_get(fastpath, "packets"), "full"), 3);
	assert_string_equal(
		text(json_array_get(json_object_get(fastpath, "interfaces"), 0), "reason"),
		"driver mlx5_core: it takes the program");
	assert_null_at(json_array_get(json_object_get(fastpath, "interfaces"), 1), "reason");
	assert_string_equal(
		text(json_array_get(json_object_get(fastpath, "interfaces"), 1), "error"),
		"there is no such interface");
	status.why_not = "the kernel cannot load the programs";
	json_decref(request(f, "POST", "/v1/fastpath", "{\"on\":true}", 409));
}

/* How packets get to backends, and which do not. */
static void shows_ways(void **state)
{
	struct fixture *f = *state;
	struct forwarding_status status = {.n_ways = 3, .n_resolved = 2, .n_lost = 1};
	struct way way = {.backend = fake_backend(&f->fake, "web", "web2")->backend};
	_cleanup_(json_decrefp) json_t *none = get(f, "/v1/backends"), *shown, *lost = NULL;
	const json_t *ways, *w;
	const char *reason;

	assert_null_at(json_array_get(json_object_get(none, "backends"), 0), "way");
	way.trouble = WAY_SILENT;
	way.interface = way.way.interface = 1;
	way.way.has_gateway = true;
	way.way.mss_max = 1460;
	assert_int_equal(address_parse("10.0.0.254:1", false, &way.next_hop, &reason), 0);
	way.way.gateway = way.way.source = way.next_hop;
	status.lost[0] = &way;
	f->fake.fastpath = &status;
	f->fake.way = &way;
	shown = get(f, "/v1/status");
	ways = json_object_get(json_object_get(shown, "fastpath"), "ways");
	assert_int_equal(number(ways, "known"), 3);
	assert_int_equal(number(ways, "resolved"), 2);
	assert_int_equal(number(ways, "lost"), 1);
	w = json_array_get(json_object_get(ways, "first_lost"), 0);
	assert_string_equal(text(w, "service"), "web");
	assert_string_equal(text(w, "backend"), "web2");
	assert_string_equal(text(w, "why"), "its next hop, 10.0.0.254 on lo, does not answer");
	lost = get(f, "/v1/backends");
	w = json_object_get(json_array_get(json_object_get(lost, "backends"), 0), "way");
	assert_string_equal(text(w, "error"), "its next hop, 10.0.0.254 on lo, does not answer");
	assert_string_equal(text(w, "interface"), "lo");
	assert_string_equal(text(w, "gateway"), "10.0.0.254");
	assert_int_equal(number(w, "mss_max"), 1460);
	assert_null_at(w, "mac");
	way.trouble = WAY_GOOD;
	way.way.resolved = true;
	memcpy(way.way.next_mac, "\x02\0\0\xab\0\x01", 6);
	json_decref(lost);
	lost = get(f, "/v1/backends");
	w = json_object_get(json_array_get(json_object_get(lost, "backends"), 0), "way");
	assert_null_at(w, "error");
	assert_string_equal(text(w, "mac"), "02:00:00:ab:00:01");
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CONTROL_TEST(changes_backends),
		CONTROL_TEST(answers_with_the_backend),
		CONTROL_TEST(changes_are_kept),
		CONTROL_TEST(refuses_changes),
		CONTROL_TEST(reloads),
		CONTROL_TEST(checks_configurations),
		CONTROL_TEST(stops),
		CONTROL_TEST(switches_the_fast_path),
		CONTROL_TEST(shows_ways),
		CONTROL_TEST(refuses_requests),
		CONTROL_TEST(refuses_large_bodies),
		CONTROL_TEST(slow_clients_stall_nobody),
		CONTROL_TEST(only_one_daemon_serves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
