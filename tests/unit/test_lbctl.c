// SPDX-License-Identifier: BSD-2-Clause
/* tools/lbctl: what its verbs show and change. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cleanup.h"
#include "forwarding.h"
#include "lbctl_run.h"
#include "ways.h"

#include "test.h"

/* As they are drawn, wider than code. */
/* clang-format off */
static const char services_drawn[] =
"SERVICE  LISTEN            BALANCE             UP  ACTIVE  ACCEPTED  RETRIES   IN  OUT  NOTES\n"
"web      192.0.2.10:80 +1  maglev/connection  2/3       4        27        0  0 B  0 B  22 spliced\n"
"cache    :6379             maglev/source      0/1       0         0        0  0 B  0 B  brake\n";

static const char backends_drawn[] =
"SERVICE  BACKEND  ADDRESS             STATE     SINCE  WEIGHT   SHARE  ACTIVE  BEGUN  FAILED      IN  OUT  CONNECT   CHECK  NOTES\n"
"web      web1     10.0.0.1:8080       up        3h12m      10  100.0%       4     20       1  1.2 GB  0 B   350 us  350 us\n"
"web      web2     10.0.0.2:8080       down      3h12m      10    0.0%       0      0       0     0 B  0 B        -  350 us  check: connection refused\n"
"web      web3     [2001:db8::3]:8080  disabled  3h12m       5    0.0%       0      0       0     0 B  0 B        -  350 us\n";

static const char connections_drawn[] =
"ID  STATE        SERVICE  BACKEND  CLIENT              LOCAL          SERVER         RELAY   WORKER  TRIES   AGE   IDLE      IN     OUT\n"
" 1  established  web      web1     198.51.100.7:40000  192.0.2.10:80  10.0.0.1:8080  copy         0      1  2m5s  20 ms  1.2 kB  1.5 MB\n"
" 2  half-closed  web      web1     198.51.100.7:40000  192.0.2.10:80  10.0.0.1:8080  splice       1      1  2m5s  20 ms  1.2 kB  1.5 MB\n"
" 3  connecting   web      -        198.51.100.7:40000  192.0.2.10:80  -              copy         0      1  2m5s  20 ms  1.2 kB  1.5 MB\n";

static const char table_drawn[] =
"web: 7 slots\n"
"BACKEND  SLOTS    SHARE\n"
"web1         7  100.00%\n";

static const char explain_drawn[] =
"web from 198.51.100.7:7001 to 192.0.2.10:80: backend web1\n"
"hash (connection) 0xfedcba9876543210, slot 1, owner web2\n"
"moved from web2: it is down: connection refused\n"
"note: the service listens on several addresses; the local address is assumed\n"
"\n"
"TRY  BACKEND  ADDRESS        WHY\n"
"  1  web1     10.0.0.1:8080  next on the walk from the slot's owner\n";
/* clang-format on */

static void shows_columns(void **state)
{
	static const struct {
		const char *line, *out;
	} cases[] = {
		{"services", services_drawn},
		{"backends web", backends_drawn},
		{"connections", connections_drawn},
		{"table web", table_drawn},
		{"explain web 198.51.100.7:7001", explain_drawn},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_run(f, cases[i].line, 0);
		assert_string_equal(f->out, cases[i].out);
	}
}

static void shows_status(void **state)
{
	struct fixture *f = *state;
	char first[256];
	int used;

	assert_run(f, "status", 0);
	assert_part(f->out, "descriptors  ");
	used = atoi(strstr(f->out, "descriptors  ") + 13);
	assert_true(used > 3 && used < 1024);
	snprintf(first, sizeof(first),
		 "lb4 %s, pid %d, up 3h12m, workers 2\n"
		 "config       /etc/lb4/lb4.yaml\n"
		 "connections  4 of 1000, 2 parked\n"
		 "descriptors  %d of 1024\n",
		 LB4_VERSION, getpid(), used);
	assert_memory_equal(f->out, first, strlen(first));
	assert_string_equal(f->out + strlen(first), "services     2 of 2 up\n"
						    "backends     2 of 4 up\n"
						    "brake        more have failed than max_eject "
						    "allows: cache\n"
						    "trouble      accept_pauses: 4\n"
						    "trouble      checks_postponed: 1\n");
	fake_member(&f->fake, "web", "web1")->eligible = false;
	fake_backend(&f->fake, "web", "web1")->config.weight = 3;
	f->fake.daemon.reload_error = strdup("the file is no good");
	daemon_stop(&f->fake.daemon, 90 * NSEC_PER_SEC);
	assert_run(f, "status", 0);
	assert_part(f->out, "lb4.yaml (backends changed at run time: 1; lbctl drift)\n");
	assert_part(f->out, "last reload  failed: the file is no good\n");
	assert_part(f->out, "stops        in 1m");
	assert_part(f->out, "backends     2 of 4 up, 1 eligible\n");
	assert_run(f, "services web", 0);
	assert_part(f->out, "  nobody eligible, drift 1, 22 spliced\n");
}

static void shows_the_fast_path(void **state)
{
	struct fixture *f = *state;
	const struct way lost = {.trouble = WAY_NONE,
				 .backend = fake_backend(&f->fake, "web", "web1")->backend};
	struct forwarding_status status = {
		.accepts = true,
		.flows = 12,
		.max_flows = 262144,
		.verdicts = {[LB4_VERDICT_FORWARDED] = 5, [LB4_VERDICT_DROP_TTL] = 1},
		.interfaces = {{"eth0", "tcx", NULL, "the file says so"},
			       {"eth9", NULL, "there is no such interface", NULL}},
		.n_interfaces = 2,
	};

	assert_run(f, "fastpath", 0);
	assert_string_equal(f->out, "fast path    none: the configuration names no interfaces\n");
	assert_run(f, "--json fastpath", 0);
	assert_string_equal(f->out, "{\"fastpath\":null}\n");
	assert_run(f, "fastpath on", 1);
	assert_part(f->err, "the configuration names no interfaces");
	f->fake.fastpath = &status;
	assert_run(f, "fastpath", 0);
	assert_string_equal(f->out, "fast path    on, 12 of 262144 flows\n"
				    "interfaces   eth0: tcx (the file says so)\n"
				    "             eth9: there is no such interface\n"
				    "packets      forwarded: 5\n"
				    "             ttl: 1\n");
	status.n_ways = 40;
	status.n_resolved = 21;
	status.n_lost = 18;
	for (size_t i = 0; i < FORWARDING_LOST_MAX; i++)
		status.lost[i] = &lost;
	assert_run(f, "fastpath", 0);
	assert_part(f->out, "\nways         40 known, next hops resolved: 21\n"
			    "             web/web1: no route leads to it\n"
			    "             web/web1: no route leads to it\n");
	assert_part(f->out, "\n             and 2 more\npackets ");
	status.n_ways = 0;
	assert_run(f, "fastpath off", 0);
	assert_part(f->out, "the fast path takes no new flows");
	status.captures = true;
	assert_run(f, "fastpath", 0);
	assert_part(f->out, "\ncapture      packets are being captured\n");
	status.captures = false;
	assert_run(f, "status", 0);
	assert_part(f->out, "\nfast path    off, 12 of 262144 flows\ninterfaces   eth0: tcx (the "
			    "file says so)\n");
	assert_run(f, "fastpath maybe", 2);
	assert_part(f->err, "on or off, not \"maybe\"");
	status = (struct forwarding_status){.why_not = "the kernel cannot load the programs"};
	assert_run(f, "fastpath", 0);
	assert_string_equal(f->out,
			    "fast path    unavailable: the kernel cannot load the programs\n");
}

static void shows_flows(void **state)
{
	struct fixture *f = *state;
	struct forwarding_status status = {.accepts = true, .replaced = 3, .untold = 1};
	struct forwarding_explanation *e = &f->fake.path;

	f->fake.n_connections = 4;
	assert_run(f, "connections", 0);
	assert_part(f->out,
		    "  10.0.0.1:8080  nat          -      1  2m5s  20 ms  1.2 kB  1.5 MB\n");
	f->fake.fastpath = &status;
	assert_run(f, "fastpath", 0);
	assert_part(f->out, "\nflows        replaced: 3, untold: 1\n");
	e->why_not = "the fast path is off";
	e->has_slot = true;
	e->slot = 77;
	assert_run(f, "explain web 198.51.100.7:7001", 0);
	assert_part(f->out,
		    "\npath splice: the fast path is off; in the maps slot 77, owner none\n");
	e->why_not = NULL;
	e->path = FORWARD_NAT;
	e->owner = f->fake.daemon.services[0]->backends[0].backend;
	e->flow = (struct forwarding_flow){.is_there = true,
					   .has_source = true,
					   .backend = e->owner,
					   .state = "established",
					   .age = 125 * NSEC_PER_SEC,
					   .idle = 20 * NSEC_PER_MSEC};
	address_parse("10.0.0.9:20001", false, &e->flow.source, &(const char *){NULL});
	assert_run(f, "explain web 198.51.100.7:7001", 0);
	assert_part(f->out, "\npath nat; in the maps slot 77, owner web1\n"
			    "flow there is: to web1 from 10.0.0.9:20001, established, age 2m5s, "
			    "idle 20 ms\n");
}

/* Of dsr: a slot that moves, and a connection that is remembered for it. */
static void explains_dsr(void **state)
{
	struct fixture *f = *state;
	struct forwarding_explanation *e = &f->fake.path;
	const struct backend *b = f->fake.daemon.services[0]->backends[0].backend;

	*e = (struct forwarding_explanation){
		.path = FORWARD_DSR_IPIP,
		.has_slot = true,
		.slot = 5,
		.owner = b,
		.slot_state = "still",
	};
	assert_run(f, "explain web 198.51.100.7:7001", 0);
	assert_part(f->out, "\npath dsr-ipip; in the maps slot 5, owner web1, still\n");
	e->slot_state = "moving";
	e->previous = b;
	e->flow = (struct forwarding_flow){
		.is_there = true, .backend = b, .state = "established", .idle = 3 * NSEC_PER_SEC};
	assert_run(f, "explain web 198.51.100.7:7001", 0);
	assert_part(f->out,
		    "\npath dsr-ipip; in the maps slot 5, owner web1, moving, previous owner "
		    "web1\nflow there is: to web1, established, idle 3 s\n");
}

static void shows_one_service(void **state)
{
	struct fixture *f = *state;

	assert_run(f, "services web", 0);
	assert_part(f->out, "\nlisten:\n  192.0.2.10:80\n  [2001:db8::10]:80\n");
	assert_part(f->out, "\n  connect_timeout        1s\n");
	assert_part(f->out, "\n  passive:\n    enabled              true\n");
	assert_part(f->out, "\nended:\n  done                   14\n  client-reset           2\n");
	assert_null(strstr(f->out, "idle-timeout"));
}

static void shows_states(void **state)
{
	struct fixture *f = *state;
	struct live_backend *web1 = fake_backend(&f->fake, "web", "web1");

	fake_member(&f->fake, "web", "web2")->admin = ADMIN_DRAINING;
	fake_backend(&f->fake, "web", "web2")->drain_deadline = clock_now() + 100 * NSEC_PER_SEC;
	web1->health.verdict = VERDICT_UNKNOWN;
	web1->config.weight = 3;
	assert_run(f, "backends", 0);
	assert_part(f->out, " unknown ");
	assert_part(f->out, "  weight 10 in the file\n");
	assert_part(f->out, " draining, down ");
	assert_part(f->out, "  check: connection refused; connections reset in 1m");
	assert_part(f->out, " braked ");

	/* Of one that is up, the last error stays for a while; of one that on_down drains, when. */
	strcpy(web1->health.error, "no answer within 1s");
	web1->health.error_at = clock_now() - 61 * NSEC_PER_SEC;
	web1->drain_deadline = clock_now() + 100 * NSEC_PER_SEC;
	assert_run(f, "backends web", 0);
	assert_part(f->out, "  1m1s ago: no answer within 1s; connections reset in 1m");
	web1->health.error_at = clock_now() - 7200 * NSEC_PER_SEC;
	web1->drain_deadline = NSEC_NEVER;
	assert_run(f, "backends web", 0);
	assert_null(strstr(f->out, "no answer within 1s"));
}

static void limits_connections(void **state)
{
	struct fixture *f = *state;

	run(f, "connections --limit 2");
	assert_int_equal(f->status, 0);
	assert_part(f->err, "shown are 2 of 4 connections");
	assert_run(f, "connections --limit many", 1);
}

static void prints_json(void **state)
{
	static const struct {
		const char *line, *member;
	} cases[] = {
		{"--json status", "version"},
		{"services --json", "services"},
		{"--json services cache", "services"},
		{"backends --json web", "backends"},
		{"connections --json", "connections"},
		{"explain --json web 198.51.100.7:7001", "candidates"},
		{"table --json web", "slots"},
		{"--json reload", "changes"},
		{"--json add web web4 10.0.0.4:80", "backend"},
		{"--json weight web web4 5", "backend"},
		{"--json drain web web4", "backend"},
		{"--json drain web web4 --wait", "left"},
		{"--json undrain web web4", "ok"},
		{"--json disable web web4", "ok"},
		{"--json enable web web4", "ok"},
		{"--json remove web web4", "ok"},
		{"--json stop", "timeout"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_decrefp) json_t *j = NULL;

		assert_run(f, cases[i].line, 0);
		j = json_loads(f->out, 0, NULL);
		assert_non_null(j);
		assert_non_null(json_object_get(j, cases[i].member));
	}
}

static void json_of_refusals(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *j = NULL;

	assert_run(f, "--json remove web web9", 1);
	assert_part(f->err, "web/web9 is not there");
	j = json_loads(f->out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(j, "hint")),
			    "did you mean \"web1\"?");
}

static void colours_are_for_terminals(void **state)
{
	struct fixture *f = *state;

	assert_run(f, "backends", 0);
	assert_null(strchr(f->out, '\033'));
	f->terminal = true;
	assert_run(f, "backends", 0);
	assert_part(f->out, "\033[32mup\033[0m");
	assert_part(f->out, "\033[31mdown\033[0m");
	setenv("NO_COLOR", "1", 1);
	assert_run(f, "backends", 0);
	assert_null(strchr(f->out, '\033'));
	unsetenv("NO_COLOR");
}

static void changes(void **state)
{
	static const struct {
		const char *line, *asked, *out;
	} cases[] = {
		{"add web web4 10.0.0.4:80", "add web web4 10.0.0.4:80 1", "web/web4 is added\n"},
		{"add web web5 [2001:db8::5]:80 --weight 0", "add web web5 [2001:db8::5]:80 0",
		 "web/web5 is added; takes no new connections\n"},
		{"weight web web4 12", "weight web web4 12", "web/web4 has weight 12\n"},
		{"drain web web4", "admin web web4 draining 0ms",
		 "web/web4 is draining; connections left: 0\n"},
		{"drain web web4 --timeout 0", "admin web web4 draining 18446744073709ms", NULL},
		{"--timeout=30s drain web web4", "admin web web4 draining 30000ms",
		 "web/web4 is draining; connections left: 0\n"},
		{"undrain web web4", "admin web web4 enabled 0ms",
		 "web/web4 is no longer draining\n"},
		{"disable web web4", "admin web web4 disabled 0ms", "web/web4 is disabled\n"},
		{"enable web web4", "admin web web4 enabled 0ms", "web/web4 is enabled\n"},
		{"remove web web4", "remove web web4",
		 "web/web4 is removed; its connections may finish\n"},
		{"reload", "reload",
		 "reloaded /etc/lb4/lb4.yaml: services +1 -1, backends +1 -1, 1 changed, 12345 "
		 "slots moved\n"
		 "dropped: web/web4 was removed at run time\n"
		 "dropped: web/web1 was changed at run time\n"},
		{"save", "save",
		 "saved /etc/lb4/lb4.yaml: 1 backend\n--- a\n+++ a\n@@ -1,0 +1 @@\n+b\n"},
		{"save --dry-run", "save dry", "--- a\n+++ a\n@@ -1,0 +1 @@\n+b\n"},
		{"reload --force", "reload force", NULL},
		{"stop", "stop 30000ms", "lb4 stops; connections have 30s to finish\n"},
		{"stop --timeout 1500ms", "stop 1500ms",
		 "lb4 stops; connections have 1500ms to finish\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_run(f, cases[i].line, 0);
		assert_string_equal(f->fake.asked, cases[i].asked);
		if (cases[i].out)
			assert_string_equal(f->out, cases[i].out);
	}
}

/* Whoever takes a server back learns that it does not serve. */
static void tells_who_is_out(void **state)
{
	struct fixture *f = *state;
	struct live_backend *web2 = fake_backend(&f->fake, "web", "web2");

	assert_run(f, "enable web web2", 0);
	assert_string_equal(f->out, "web/web2 is enabled; takes no new connections, it is down: "
				    "check: connection refused\n");
	web2->health.why = HEALTH_UNCHECKED;
	assert_run(f, "undrain web web2", 0);
	assert_string_equal(f->out, "web/web2 is no longer draining; connections come with the "
				    "first good check\n");
	assert_run(f, "enable web web1", 0);
	assert_string_equal(f->out, "web/web1 is enabled\n");
}

static void tells_refusals(void **state)
{
	static const struct {
		const char *line, *err;
	} cases[] = {
		{"backends wbe", "lbctl: there is no service \"wbe\"\n  did you mean \"web\"?\n"},
		{"remove web web9", "lbctl: web/web9 is not there\n  did you mean \"web1\"?\n"},
		{"add web web1 10.0.0.4:80", "lbctl: web/web1 is there already\n"},
		{"add web web4 10.0.0.4", "lbctl: web/web4 the port is missing"},
		{"weight web web1 65536", "expected a whole number from 0 to 65535"},
		{"drain web web1 --timeout 30", "lbctl: \"timeout\": the unit is missing"},
		{"explain web 198.51.100.7", "lbctl: \"client\": the port is missing"},
		{"undrain web web3", "lbctl: the backend is disabled, not draining\n"},
		{"table .. --json", "there is no service \"..\""},
		{"remove web a/b", "lbctl: "},
		{"remove .. web1", "../web1 is not there"},
		{"remove web %2e", "web/%2e is not there"},
		{"check /nonexistent/file", "lbctl: cannot open /nonexistent/file: No such file"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_run(f, cases[i].line, 1);
		assert_part(f->err, cases[i].err);
	}
	f->fake.reload_result = -EPERM;
	assert_run(f, "reload", 1);
	assert_part(f->err, "lbctl: the file removes most of web\n  when it is meant: --force");
	assert_run(f, "reload --force", 0);
}

static void checks_files(void **state)
{
	struct fixture *f = *state;
	char line[256], part[256];

	snprintf(line, sizeof(line), "check %s", f->file);
	write_file(f, "services:\n"
		      "  web:\n"
		      "    listen: \":80\"\n"
		      "    backends:\n"
		      "      a: 10.0.0.1:80\n");
	assert_run(f, line, 0);
	snprintf(part, sizeof(part), "%s is good: 1 service, 1 backend\n", f->file);
	assert_string_equal(f->out, part);

	write_file(f, "services:\n"
		      "  web:\n"
		      "    lisen: \":80\"\n"
		      "    backends:\n"
		      "      a: 10.0.0.1:80\n");
	assert_run(f, line, 1);
	snprintf(part, sizeof(part), "%s:3:", f->file);
	assert_part(f->err, part);
	assert_part(f->err, "\n  hint: ");
	assert_part(f->err, "\nlbctl: the configuration has ");

	/* Standard input, which is empty here. */
	assert_run(f, "check -", 1);
	assert_part(f->err, "(standard input)");
}

static void tells_faults_of_reloads(void **state)
{
	struct fixture *f = *state;

	f->fake.reload_result = -EINVAL;
	f->fake.n_faults = 2;
	assert_run(f, "reload", 1);
	assert_string_equal(f->err, "/etc/lb4/lb4.yaml: unknown setting \"lisen\"\n"
				    "/etc/lb4/lb4.yaml:1:3: unknown setting \"lisen\"\n"
				    "  hint: did you mean \"listen\"?\n"
				    "lbctl: the configuration has 2 faults\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LBCTL_TEST(shows_columns),
		LBCTL_TEST(shows_status),
		LBCTL_TEST(explains_dsr),
		LBCTL_TEST(shows_one_service),
		LBCTL_TEST(shows_the_fast_path),
		LBCTL_TEST(shows_flows),
		LBCTL_TEST(shows_states),
		LBCTL_TEST(limits_connections),
		LBCTL_TEST(prints_json),
		LBCTL_TEST(json_of_refusals),
		LBCTL_TEST(colours_are_for_terminals),
		LBCTL_TEST(changes),
		LBCTL_TEST(tells_who_is_out),
		LBCTL_TEST(tells_refusals),
		LBCTL_TEST(checks_files),
		LBCTL_TEST(tells_faults_of_reloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
