// SPDX-License-Identifier: BSD-2-Clause
/* tools/lbctl: plan, drift and save, in front of a fake daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "lbctl_run.h"

#include "test.h"

#define GOOD "services: {web: {listen: \":80\", backends: {web1: \"10.0.0.1:8080\"}}}\n"

static void tells_a_plan(void **state)
{
	struct fixture *f = *state;
	char line[256];

	write_file(f, GOOD);
	snprintf(line, sizeof(line), "plan %s", f->file);
	assert_run(f, line, 0);
	assert_string_equal(f->fake.asked, "plan 1 services");
	assert_string_equal(
		f->out,
		"workers            (not set) → 4 (at the next start)\n"
		"service web\n"
		"  check.interval     2s → 5s\n"
		"  + web4             10.0.0.4:8080, weight 10; was removed at run time\n"
		"  - web2             10.0.0.2:8080, weight 1; 12 connections may finish\n"
		"  ~ web1             weight 10 → 5; was changed at run time\n"
		"  slots              16402 of 65537 move, 25.0 %; the least possible is 16384\n"
		"                     16000 until what is new has passed its first check\n"
		"  clients            25.0 % of new connections go to another backend\n"
		"  connections        140 now; 12 finish on what goes, 3 are reset, 4 get a "
		"deadline\n"
		"service new is added\n"
		"  listen             (not set) → [\":81\"]\n"
		"  backends           2\n"
		"service cache is removed\n"
		"  backends           1\n"
		"  connections        5 now; 5 finish on what goes, 0 are reset, 0 get a deadline\n"
		"reload will ask for --force: the file has no service cache any more\n");
	f->fake.nothing_changes = true;
	assert_run(f, line, 0);
	assert_string_equal(f->out, "nothing changes\n");
	f->fake.reload_result = -EADDRNOTAVAIL;
	assert_run(f, line, 1);
	assert_part(f->err, "lbctl: plan/- is not possible\n  no interface has that address");

	write_file(f, "services: {web: {lisen: \":80\", backends: {a: \"10.0.0.1:1\"}}}\n");
	assert_run(f, line, 1);
	assert_part(f->err, ":1:18: unknown key \"lisen\" in a service\n  hint: did you mean "
			    "\"listen\"?\n");

	/* Without a word it is the file of the daemon, as lbctl may read it. */
	free(f->fake.daemon.config_path);
	f->fake.daemon.config_path = strdup(f->file);
	write_file(f, GOOD);
	f->fake.reload_result = 0;
	assert_run(f, "plan", 0);
	free(f->fake.daemon.config_path);
	f->fake.daemon.config_path = NULL;
	assert_run(f, "plan", 1);
	assert_part(f->err, "lb4 was started without a file\n  lbctl plan FILE\n");
}

static void tells_drift(void **state)
{
	struct fixture *f = *state;
	char *error = NULL;

	assert_run(f, "drift", 0);
	assert_string_equal(f->out, "no drift: backends run as the file says\n");
	daemon_set_weight(&f->fake.daemon, "web", "web1", 3, &error);
	daemon_remove_backend(&f->fake.daemon, "web", "web2", &error);
	daemon_add_backend(&f->fake.daemon, "cache", "redis2", "10.0.0.8:6379", 2, false, &error);
	assert_run(f, "drift", 0);
	assert_string_equal(
		f->out,
		"SERVICE  BACKEND  DRIFT    RUNNING                  FILE\n"
		"web      web1     changed  weight 3                 weight 10\n"
		"web      web2     removed  -                        10.0.0.2:8080, weight 10\n"
		"cache    redis2   added    10.0.0.8:6379, weight 2  -\n");
	assert_run(f, "drift cache", 0);
	assert_null(strstr(f->out, "web1"));
	assert_run(f, "services", 0);
	assert_part(f->out, "drift 2, 22 spliced\n");
	assert_run(f, "backends", 0);
	assert_part(f->out, "weight 10 in the file\n");
	assert_part(f->out, "added at run time\n");
	assert_part(f->out, "removed at run time: web/web2 (10.0.0.2:8080, weight 10)\n");
	f->fake.file_differs = true;
	assert_run(f, "drift", 0);
	assert_part(f->out, "/etc/lb4/lb4.yaml was edited since lb4 read it: lbctl plan shows");
}

static void saves(void **state)
{
	struct fixture *f = *state;

	f->fake.file_differs = true;
	run(f, "save --dry-run");
	assert_int_equal(f->status, 0);
	assert_part(f->out, "--- a\n");
	assert_part(f->err, "was edited since lb4 read it: save would refuse");
	f->fake.file_differs = false;
	f->fake.nothing_changes = true;
	assert_run(f, "save", 0);
	assert_string_equal(f->out, "nothing to save: backends run as /etc/lb4/lb4.yaml says\n");
	assert_run(f, "save --dry-run", 0);
	assert_string_equal(f->out, "nothing to save\n");
	f->fake.reload_result = -ESTALE;
	assert_run(f, "save", 1);
	assert_part(f->err, "lbctl: save/- is not possible\n  lbctl plan shows what that edit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LBCTL_TEST(tells_a_plan),
		LBCTL_TEST(tells_drift),
		LBCTL_TEST(saves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
