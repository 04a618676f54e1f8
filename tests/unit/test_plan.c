// SPDX-License-Identifier: BSD-2-Clause
/* What a plan says, and what drift is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "drift.h"
#include "plan_world.h"

#include "test.h"

static const struct plan_backend *backend_of(const struct plan_service *s, const char *name)
{
	for (size_t i = 0; s && i < s->n_backends_changed; i++)
		if (!strcmp(s->backends[i].config.name, name))
			return &s->backends[i];
	return NULL;
}

/* --- What is said in words --- */

#define HEAD "log: {level: error}\nservices:\n"
#define WEB  "  web:\n    listen: \":80\"\n"
#define ABC                                                                                        \
	"    backends:\n      a: \"10.0.0.1:1\"\n      b: \"10.0.0.1:2\"\n"                        \
	"      c: {address: \"10.0.0.1:3\", weight: 2}\n"

static void assert_change(const struct setting_changes *c, const char *key, const char *old,
			  const char *new)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct setting_change *s = &c->items[i];

		if (strcmp(s->key, key))
			continue;
		if (old)
			assert_string_equal(s->old, old);
		else
			assert_null(s->old);
		if (new)
			assert_string_equal(s->new, new);
		else
			assert_null(s->new);
		return;
	}
	fail_msg("no change of %s", key);
}

static void settings_are_told_in_the_words_of_the_file(void **state)
{
	static const char before[] =
		"stop_timeout: 30s\nworkers: 2\n" HEAD "  web:\n    listen: [\":80\", \":81\"]\n"
		"    idle_timeout: 60s\n    on_down: drain\n"
		"    check: {http: /a, interval: 2s}\n"
		"    hash: source\n    keepalive: {count: 4}\n" ABC;
	static const char after[] = "max_connections: 500\n" HEAD "  web:\n    listen: \":81\"\n"
				    "    idle_timeout: 1m\n    tries: 5\n"
				    "    check: {interval: 3s, http: \"/b_c\"}\n"
				    "    max_eject: 50%\n    keepalive: {count: 4, idle: 30s}\n"
				    "    hash: {source: {ipv4: 24}}\n" ABC;
	_cleanup_(plan_freep) struct plan *p = NULL;
	const struct setting_changes *c;
	struct daemon d;

	(void)state;
	begin(&d, before);
	p = plan(&d, "services: {web: {listen: \":80\", backends: {a: \"10.0.0.1:1\"}}}");
	assert_change(&p->settings, "workers", "2", "auto");
	assert_change(&p->settings, "log.level", "error", "info");
	assert_int_equal(p->settings.n, 2); /* stop_timeout was what is its default */
	c = &service_of(p, "web")->settings;
	assert_change(c, "listen", "[\":80\", \":81\"]", "\":80\"");
	assert_change(c, "idle_timeout", "60s", "1h");
	assert_change(c, "check", "{http: /a, interval: 2s}", "none");
	assert_change(c, "hash", "source", "connection");
	assert_change(c, "keepalive", "{count: 4}", "on");
	assert_int_equal(c->n, 5);
	p = plan_free(p);
	p = plan(&d, after);
	assert_change(&p->settings, "workers", "2", "auto");
	assert_change(&p->settings, "max_connections", "auto", "500");
	c = &service_of(p, "web")->settings;
	assert_change(c, "listen", "[\":80\", \":81\"]", "\":81\"");
	assert_change(c, "tries", "3", "5");
	assert_change(c, "check.http", "/a", "/b_c");
	assert_change(c, "check.interval", "2s", "3s");
	assert_change(c, "keepalive.idle", "1m", "30s");
	assert_change(c, "hash", "source", "{source: {ipv4: 24}}");
	assert_int_equal(c->n, 6); /* 60s is 1m; max_eject is its default */
	end(&d);
}

static void the_same_in_other_words_changes_nothing(void **state)
{
	static const char same[] =
		"{services: {web: {\"listen\": [\":80\"], balance: maglev, tries: 0x3, backends: "
		"{c: {weight: 2, address: '10.0.0.1:3'}, b: {address: \"10.0.0.1:2\"}, "
		"a: \"10.0.0.1:1\"}}}, log: {level: error}}";
	_cleanup_(plan_freep) struct plan *p = NULL;
	struct daemon d;

	(void)state;
	begin(&d, HEAD WEB ABC);
	p = plan(&d, same);
	assert_int_equal(p->settings.n, 0);
	assert_int_equal(p->n_services, 0);
	assert_null(p->losses);
	end(&d);
}

/* To nat and back: a setting of the service, and some that wait for the next start. */
static void another_way_to_forward(void **state)
{
	static const char before[] = HEAD "  web:\n    listen: \"192.0.2.1:80\"\n" ABC;
	static const char after[] = "interfaces: [eth0, eth1]\nfastpath: {max_flows: 4096}\n" HEAD
				    "  web:\n    listen: \"192.0.2.1:80\"\n    forward: nat\n" ABC;
	_cleanup_(plan_freep) struct plan *p = NULL;
	struct daemon d;

	(void)state;
	begin(&d, before);
	p = plan(&d, after);
	assert_change(&p->settings, "interfaces", NULL, "[eth0, eth1]");
	assert_change(&p->settings, "fastpath.max_flows", "262144", "4096");
	assert_int_equal(p->settings.n, 2);
	for (size_t i = 0; i < p->settings.n; i++)
		assert_true(p->settings.items[i].setting->at_start);
	assert_change(&service_of(p, "web")->settings, "forward", "splice", "nat");
	assert_int_equal(service_of(p, "web")->settings.n, 1);
	assert_false(service_of(p, "web")->settings.items[0].setting->at_start);
	p = plan_free(p);
	end(&d);
	begin(&d, after);
	p = plan(&d, before);
	assert_change(&p->settings, "fastpath.max_flows", "4096", "262144");
	assert_change(&service_of(p, "web")->settings, "forward", "nat", "splice");
	end(&d);
}

/* --- Add, remove, weight, rename: against the formulas --- */

#define SMALL "    table_size: 4093\n"

static void moves_near_the_minimum(void **state)
{
	static const struct {
		const char *backends;
		double least; /* of the slots */
	} cases[] = {
		/* a and b weigh 1, c 2 */
		{"{a: \"10.0.0.1:1\", b: \"10.0.0.1:2\", c: {address: \"10.0.0.1:3\", weight: 2}, "
		 "d: {address: \"10.0.0.1:4\", weight: 4}}",
		 4.0 / 8},
		{"{a: \"10.0.0.1:1\", b: \"10.0.0.1:2\"}", 2.0 / 4},
		{"{b: \"10.0.0.1:2\", c: {address: \"10.0.0.1:3\", weight: 2}}", 1.0 / 4},
		{"{a: {address: \"10.0.0.1:1\", weight: 5}, b: \"10.0.0.1:2\", c: {address: "
		 "\"10.0.0.1:3\", weight: 2}}",
		 5.0 / 8 - 1.0 / 4},
		/* Another name is another backend. */
		{"{a2: \"10.0.0.1:1\", b: \"10.0.0.1:2\", c: {address: \"10.0.0.1:3\", weight: 2}}",
		 1.0 / 4},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(plan_freep) struct plan *p = NULL, *done = NULL;
		const struct plan_service *s;
		struct owners before;
		struct daemon d;
		char text[1024];

		begin(&d, HEAD WEB SMALL ABC);
		snprintf(text, sizeof(text), "%s    backends: %s\n", HEAD WEB SMALL,
			 cases[i].backends);
		p = plan(&d, text);
		s = service_of(p, "web");
		assert_non_null(s);
		assert_true(s->has_table);
		/* Rounding gives or takes a slot a backend. */
		assert_in_range(s->minimum, (uintmax_t)(4093 * cases[i].least) - 3,
				(uintmax_t)(4093 * cases[i].least) + 4);
		assert_in_range(s->moved, s->minimum, s->minimum + 4093 / 5);
		assert_int_equal(s->at_once, s->moved);
		assert_true(s->redirected > cases[i].least - 0.01);
		before = owners_of(daemon_find_service(&d, "web"));
		done = reload(&d, text);
		assert_int_equal(count_moved(&before, daemon_find_service(&d, "web")), s->moved);
		free(before.names);
		end(&d);
	}
}

/* Another hash: nobody's slot moves, and everybody meets another. */
static void another_hash_redraws(void **state)
{
	_cleanup_(plan_freep) struct plan *p = NULL;
	const struct plan_service *s;
	struct daemon d;

	(void)state;
	begin(&d, HEAD WEB ABC);
	p = plan(&d, HEAD WEB "    hash: source\n" ABC);
	s = service_of(p, "web");
	assert_int_equal(s->moved, 0);
	assert_true(s->redrawn);
	/* 1 − (¼² + ¼² + ½²) */
	assert_true(s->redirected > 0.62 && s->redirected < 0.63);
	p = plan_free(p);
	p = plan(&d, "seed: 7\n" HEAD WEB ABC);
	assert_true(service_of(p, "web")->redrawn);
	p = plan_free(p);
	/* Another size cuts the same circle; most of it is as before for one backend, none for three. */
	p = plan(&d, HEAD WEB "    table_size: 655373\n" ABC);
	s = service_of(p, "web");
	assert_false(s->redrawn);
	assert_int_equal(s->moved, 655373);
	assert_true(s->redirected > 0.5 && s->redirected < 0.75);
	end(&d);
}

static void what_a_reload_refuses_a_plan_refuses(void **state)
{
	_cleanup_(config_freep) struct config *config =
		parse(HEAD "  web: {listen: \":81\", backends: {a: \"10.0.0.1:1\"}}\n");
	_cleanup_(plan_freep) struct plan *p = NULL;
	struct daemon d;
	char *error = NULL;
	int listened;

	(void)state;
	begin(&d, HEAD WEB ABC);
	listened = heard.listened;
	heard.claim_result = -EADDRNOTAVAIL;
	assert_int_equal(daemon_plan(&d, config, &p, &error), -EADDRNOTAVAIL);
	assert_string_equal(error, "cannot listen on :81: Cannot assign requested address");
	free(take_ptr(error));
	heard.claim_result = 0;
	assert_int_equal(daemon_plan(&d, config, &p, &error), 0);
	assert_string_equal(p->losses, "the file removes 2 of the 3 backends of service web");
	assert_int_equal(heard.listened, listened); /* no client is taken */
	d.stopping = true;
	p = plan_free(p);
	assert_int_equal(daemon_plan(&d, config, &p, &error), -ESHUTDOWN);
	free(error);
	end(&d);
}

/* --- Drift --- */

static void operate(struct daemon *d)
{
	char *error = NULL;

	assert_int_equal(daemon_add_backend(d, "web", "new", "10.0.0.9:1", 4, false, &error), 0);
	assert_int_equal(daemon_remove_backend(d, "web", "b", &error), 0);
	assert_int_equal(daemon_set_weight(d, "web", "c", 9, &error), 0);
	assert_int_equal(daemon_set_admin(d, "web", "a", ADMIN_DRAINING, 0, &error), 0);
}

static void drift_is_what_the_file_does_not_say(void **state)
{
	_cleanup_(freep) struct drift *drifts = NULL;
	struct live_service *web;
	struct daemon d;
	char *error = NULL;
	size_t n;

	(void)state;
	begin(&d, HEAD WEB ABC);
	web = daemon_find_service(&d, "web");
	assert_int_equal(live_service_count_drift(&d, web), 0);
	operate(&d);
	assert_int_equal(live_service_drift(&d, web, &drifts, &n), 0);
	assert_int_equal(n, 3); /* a drains, which is none */
	assert_int_equal(drifts[0].kind, DRIFT_CHANGED);
	assert_string_equal(drifts[0].running->name, "c");
	assert_int_equal(drifts[0].running->weight, 9);
	assert_int_equal(drifts[0].file->weight, 2);
	assert_int_equal(drifts[1].kind, DRIFT_ADDED);
	assert_string_equal(drifts[1].running->name, "new");
	assert_null(drifts[1].file);
	assert_int_equal(drifts[2].kind, DRIFT_REMOVED);
	assert_string_equal(drifts[2].file->name, "b");
	assert_null(drifts[2].running);

	/* Undone by hand it is gone. */
	assert_int_equal(daemon_set_weight(&d, "web", "c", 2, &error), 0);
	assert_int_equal(daemon_remove_backend(&d, "web", "new", &error), 0);
	assert_int_equal(daemon_add_backend(&d, "web", "b", "10.0.0.1:2", 1, false, &error), 0);
	assert_int_equal(live_service_count_drift(&d, web), 0);
	end(&d);
}

static void the_file_wins_and_says_what_it_drops(void **state)
{
	_cleanup_(plan_freep) struct plan *p = NULL, *done = NULL;
	const struct plan_service *s;
	struct daemon d;

	(void)state;
	begin(&d, HEAD WEB ABC);
	operate(&d);
	p = plan(&d, HEAD WEB ABC);
	s = service_of(p, "web");
	assert_int_equal(s->n_backends_changed, 3);
	assert_int_equal(backend_of(s, "b")->kind, PLAN_ADDED);
	assert_int_equal(backend_of(s, "b")->drift, DRIFT_REMOVED);
	assert_int_equal(backend_of(s, "c")->kind, PLAN_CHANGED);
	assert_int_equal(backend_of(s, "c")->drift, DRIFT_CHANGED);
	assert_change(&backend_of(s, "c")->changes, "weight", "9", "2");
	assert_int_equal(backend_of(s, "new")->kind, PLAN_REMOVED);
	assert_int_equal(backend_of(s, "new")->drift, DRIFT_ADDED);
	p = plan_free(p);

	/* What the file has come to say as well is not dropped. */
	p = plan(&d,
		 HEAD WEB "    backends: {a: \"10.0.0.1:1\", c: {address: \"10.0.0.1:3\", weight: "
			  "9}, new: \"10.0.0.9:1\"}\n");
	s = service_of(p, "web");
	assert_int_equal(s->n_backends_changed, 1);
	assert_int_equal(backend_of(s, "new")->drift, DRIFT_ADDED);
	assert_change(&backend_of(s, "new")->changes, "weight", "4", "1");

	done = reload(&d, HEAD WEB ABC);
	assert_int_equal(live_service_count_drift(&d, daemon_find_service(&d, "web")), 0);
	assert_int_equal(daemon_find_service(&d, "web")->pool.members[0].admin, ADMIN_DRAINING);
	end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_told_in_the_words_of_the_file),
		cmocka_unit_test(the_same_in_other_words_changes_nothing),
		cmocka_unit_test(another_way_to_forward),
		cmocka_unit_test(moves_near_the_minimum),
		cmocka_unit_test(another_hash_redraws),
		cmocka_unit_test(what_a_reload_refuses_a_plan_refuses),
		cmocka_unit_test(drift_is_what_the_file_does_not_say),
		cmocka_unit_test(the_file_wins_and_says_what_it_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
