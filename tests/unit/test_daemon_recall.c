// SPDX-License-Identifier: BSD-2-Clause
/* A daemon that goes on with what one before has kept, and one that cannot. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "daemon_web.h"
#include "drift.h"

#include "test.h"

static char directory[64], path[128], file[2048];

/* The file: `top`, services and all, and the state file in a directory of the test's own. */
static const char *with_state(const char *services)
{
	snprintf(file, sizeof(file), "state_file: %s\n%s", path, services);
	return file;
}

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/lb4-test-recall-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/state.json", directory);
	return 0;
}

static void remove_one(const char *suffix)
{
	char name[160];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	unlink(name);
}

static int teardown(void **state)
{
	(void)state;
	remove_one("");
	remove_one(".lock");
	remove_one(".bad");
	return rmdir(directory);
}

/* Until all that was given is written, or was tried to be. */
static void keep(struct daemon *d)
{
	uint64_t number = daemon_keep(d);
	struct pollfd p = {.fd = daemon_state_fd(d), .events = POLLIN};

	assert_true(number > 0);
	while (!daemon_is_kept(d, number)) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		daemon_on_written(d);
	}
}

/* As SIGKILL would: nothing is written any more. */
static void die(struct daemon *d)
{
	if (d->keeping.writer)
		d->keeping.writer = state_writer_stop(d->keeping.writer, &d->keeping.written);
	end(d);
}

static const struct pool_member *member(struct daemon *d, const char *name)
{
	return pool_find(&daemon_find_service(d, "web")->pool, name);
}

/* How many slots of the table that workers obey are a backend's. */
static size_t slots(struct daemon *d, const char *name)
{
	const struct live_service *s = daemon_find_service(d, "web");
	const struct snapshot_service *view = snapshot_find(heard.obeyed[0], s->service);
	size_t n = 0;

	assert_false(d->publish_wanted);
	for (uint32_t i = 0; i < view->table->size; i++)
		n += !strcmp(view->backends[view->table->live[i]]->name, name);
	return n;
}

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* a is drained, b is down, a weighs 7 and there is "new": as it was, and nobody hears it again. */
static void all_goes_on(void **state)
{
	static const char all[] = HEAD WEB "    max_eject: 100%\n" BACKENDS;
	struct daemon d;
	uint64_t after = 0;
	size_t c;

	(void)state;
	begin_with_state(&d, with_state(all));
	assert_int_equal(heard.n_given_up + heard.n_given_down, 0);
	check_says(&d, "a", true);
	check_says(&d, "b", false);
	check_says(&d, "c", true);
	drain(&d, "a", ADMIN_DRAINING, 3600 * NSEC_PER_SEC);
	assert_int_equal(weigh(&d), 0);
	assert_int_equal(add(&d), 0);
	c = slots(&d, "c");
	assert_int_equal(slots(&d, "a") + slots(&d, "b") + slots(&d, "new"), 0);
	keep(&d);
	die(&d);

	begin_with_state(&d, file);
	/* Of the first table that workers got. */
	assert_int_equal(slots(&d, "c"), c);
	assert_int_equal(slots(&d, "a") + slots(&d, "b") + slots(&d, "new"), 0);
	assert_int_equal(member(&d, "a")->admin, ADMIN_DRAINING);
	assert_int_equal(member(&d, "a")->weight, 7);
	assert_in_range(backend_of(&d, "a")->drain_deadline, d.now + 3590 * NSEC_PER_SEC,
			d.now + 3600 * NSEC_PER_SEC);
	assert_true(health_known_failed(&backend_of(&d, "b")->health));
	assert_string_equal(backend_of(&d, "b")->health.error, "refused");
	assert_int_equal(backend_of(&d, "new")->health.why, HEALTH_UNCHECKED);
	assert_int_equal(live_service_count_drift(&d, daemon_find_service(&d, "web")), 2);
	assert_int_equal(heard.n_given_up, 2); /* a and c */
	assert_int_equal(heard.n_given_down, 1);
	assert_string_equal(news(&d, &after), "state-restored");
	/* Later targets are probed as ever. */
	daemon_set_targets(&d);
	assert_int_equal(heard.n_given_up + heard.n_given_down, 0);

	check_says(&d, "b", true);
	assert_non_null(strstr(news(&d, &after), "backend-back b"));
	daemon_publish(&d);
	assert_true(slots(&d, "b") > 0);
	drain(&d, "a", ADMIN_ENABLED, 0);
	keep(&d);
	die(&d);
	begin_with_state(&d, file);
	assert_true(member(&d, "a")->eligible && member(&d, "b")->eligible);
	end(&d);
}

/* Removed at run time, one changed by removing and adding it, one disabled. */
static void other_changes_go_on(void **state)
{
	struct daemon d;
	char *error = NULL;

	(void)state;
	begin_with_state(&d, with_state(simple));
	assert_int_equal(take_out(&d), 0);
	assert_int_equal(daemon_remove_backend(&d, "web", "b", &error), 0);
	assert_int_equal(daemon_add_backend(&d, "web", "b", "10.0.0.1:22", 3, true, &error), 0);
	drain(&d, "c", ADMIN_DISABLED, 0);
	keep(&d);
	die(&d);

	begin_with_state(&d, file);
	assert_null(member(&d, "a"));
	assert_int_equal(backend_of(&d, "b")->backend->address.port, 22);
	assert_int_equal(member(&d, "b")->weight, 3);
	assert_true(member(&d, "b")->backup);
	assert_int_equal(member(&d, "c")->admin, ADMIN_DISABLED);
	assert_int_equal(heard.n_targets, 1);
	end(&d);
}

/* The file wins where it was edited: changes at run time go, drains and health stay by name. */
static void another_file(void **state)
{
	static const char edited[] =
		HEAD WEB "    max_eject: 100%\n" BACKENDS "      d: \"10.0.0.1:4\"\n";
	static const char moved[] =
		HEAD WEB "    backends:\n"
			 "      a: \"10.0.0.1:11\"\n"
			 "      b: \"10.0.0.1:12\"\n"
			 "  cache: {listen: \":90\", table_size: 251, backends: "
			 "{e: \"10.0.0.1:5\"}}\n";
	struct daemon d;

	(void)state;
	begin_with_state(&d, with_state(simple));
	drain(&d, "a", ADMIN_DRAINING, NSEC_NEVER);
	check_says(&d, "b", false);
	assert_int_equal(weigh(&d), 0);
	assert_int_equal(add(&d), 0);
	keep(&d);
	die(&d);

	begin_with_state(&d, with_state(edited));
	assert_null(member(&d, "new"));
	assert_int_equal(member(&d, "a")->weight, 1);
	assert_int_equal(member(&d, "a")->admin, ADMIN_DRAINING);
	assert_int_equal(backend_of(&d, "a")->drain_deadline, NSEC_NEVER);
	assert_false(member(&d, "b")->eligible);
	assert_false(member(&d, "d")->eligible); /* as a reload has it: until it has answered */
	assert_int_equal(d.keeping.restored.dropped, 2);
	assert_int_equal(live_service_count_drift(&d, daemon_find_service(&d, "web")), 0);
	keep(&d);
	die(&d);

	/* Another server of that name is not known to be down; it is drained all the same. */
	begin_with_state(&d, with_state(moved));
	assert_int_equal(member(&d, "a")->admin, ADMIN_DRAINING);
	assert_false(health_known_failed(&backend_of(&d, "b")->health));
	assert_int_equal(heard.n_given_up + heard.n_given_down, 0);
	end(&d);
}

/* What was kept long ago, or at a time to come, is no verdict; who was down stays out at first. */
static void old_verdicts(void **state)
{
	static const char all[] = HEAD WEB "    max_eject: 100%\n" BACKENDS;
	static const int ages[] = {3600, -3600};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ages); i++) {
		time_t when = (time_t)(clock_wall() / NSEC_PER_SEC) - ages[i];
		struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
		struct daemon d;

		begin_with_state(&d, with_state(all));
		check_says(&d, "a", true);
		check_says(&d, "b", false);
		drain(&d, "c", ADMIN_DRAINING, NSEC_NEVER);
		keep(&d);
		die(&d);
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);

		begin_with_state(&d, file);
		assert_int_equal(heard.n_given_up + heard.n_given_down, 0);
		assert_int_equal(slots(&d, "b") + slots(&d, "c"), 0);
		assert_true(slots(&d, "a") > 0);
		check_says(&d, "b", true); /* once is enough */
		daemon_publish(&d);
		assert_true(slots(&d, "b") > 0);
		end(&d);
		unlink(path);
	}
}

/* A drain that would have ended while lb4 was away ends now. */
static void a_drain_that_is_over(void **state)
{
	struct daemon d;

	(void)state;
	begin_with_state(&d, with_state(simple));
	drain(&d, "a", ADMIN_DRAINING, NSEC_PER_MSEC);
	keep(&d);
	die(&d);
	begin_with_state(&d, file);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	pass(&d, 10 * NSEC_PER_MSEC);
	assert_true(was_left("a", END_DRAIN_TIMEOUT));
	assert_int_equal(member(&d, "a")->admin, ADMIN_DRAINING);
	end(&d);
}

/* Whatever stands there, lb4 starts with the file; and what is not its own it leaves alone. */
static void files_that_are_no_good(void **state)
{
	static const struct {
		const char *text;
		bool keeps; /* from now on */
		bool aside;
	} cases[] = {
		{"", true, false},
		{"{\"lb4_state\":1,\"serv", true, true},
		{"{\"lb4_state\":999,\"services\":7}", true, true},
		{"{\"lb4_state\":1,\"services\":[{\"name\":\"web\",\"backends\":[{\"name\":7}]}]}",
		 true, true},
		{"{\"some\":\"JSON\"}", false, false},
		{"root:x:0:0::/root:/bin/sh\n", false, false},
	};
	char bad[160];

	(void)state;
	snprintf(bad, sizeof(bad), "%s.bad", path);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct stat st;
		struct daemon d;

		put(cases[i].text);
		begin_with_state(&d, with_state(simple));
		assert_true(slots(&d, "a") > 0 && slots(&d, "b") > 0);
		assert_int_equal(daemon_state_fd(&d) >= 0, cases[i].keeps);
		assert_int_equal(access(bad, F_OK) == 0, cases[i].aside);
		if (cases[i].keeps)
			keep(&d);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size == (off_t)strlen(cases[i].text), !cases[i].keeps);
		assert_int_equal(d.keeping.why_not != NULL, !cases[i].keeps);
		end(&d);
		unlink(path);
		unlink(bad);
	}
}

/* A state that claims to belong to the file, and holds what no operator could have done. */
static void changes_that_cannot_be(void **state)
{
	static const char backends[] =
		"{\"name\":\"a\",\"address\":\"nonsense\",\"drifted\":true,\"weight\":3},"
		"{\"name\":\"b\",\"address\":\"10.0.0.1:1\",\"drifted\":true},"
		"{\"name\":\"c\",\"admin\":\"draining\"},"
		"{\"name\":\"c\",\"address\":\"10.0.0.1:3\",\"admin\":\"disabled\"},"
		"{\"name\":\"x y\",\"address\":\"10.0.0.1:7\",\"drifted\":true},"
		"{\"name\":\"d\",\"address\":\"10.0.0.1:8\",\"drifted\":true,\"weight\":2},"
		"{\"name\":\"d\",\"address\":\"10.0.0.1:9\",\"drifted\":true},"
		"{\"address\":\"10.0.0.1:10\",\"drifted\":true},"
		"{\"name\":\"e\",\"drifted\":true}";
	char digest[STATE_DIGEST_MAX], text[2048];
	struct daemon d;

	(void)state;
	with_state(simple);
	state_digest(file, strlen(file), digest);
	snprintf(text, sizeof(text),
		 "{\"lb4_state\":1,\"config\":\"%s\",\"services\":[{\"name\":\"web\",\"backends\":["
		 "%s]},{\"name\":\"web\",\"backends\":[]},{\"backends\":[]}]}",
		 digest, backends);
	put(text);
	begin_with_state(&d, file);
	assert_null(member(&d, "a")); /* what it was is nonsense */
	assert_non_null(member(&d, "b"));
	assert_int_equal(member(&d, "c")->admin, ADMIN_ENABLED); /* drained was another */
	assert_int_equal(member(&d, "d")->weight, 2);
	assert_int_equal(daemon_find_service(&d, "web")->n_backends, 3);
	assert_int_equal(d.keeping.restored.dropped, 6); /* and a service */
	settle(&d);
	end(&d);
	unlink(path);

	/* All of them removed: that cannot have been. */
	snprintf(text, sizeof(text),
		 "{\"lb4_state\":1,\"config\":\"%s\",\"services\":[{\"name\":\"web\",\"backends\":["
		 "],"
		 "\"removed\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}]}",
		 digest);
	put(text);
	begin_with_state(&d, file);
	assert_int_equal(daemon_find_service(&d, "web")->n_backends, 3);
	end(&d);
}

static void another_has_it(void **state)
{
	struct state_file taken = STATE_FILE_INIT;
	const char *step;
	struct daemon d;
	uint64_t after = 0;

	(void)state;
	assert_int_equal(state_file_open(path, &taken, &step), 0);
	begin_with_state(&d, with_state(simple));
	assert_int_equal(daemon_state_fd(&d), -1);
	assert_int_equal(daemon_keep(&d), 0);
	assert_string_equal(news(&d, &after), "state-ignored");
	end(&d);
	state_file_deinit(&taken);
}

/* It is told once, tried again, and told when it goes on. */
static void a_disk_that_fails(void **state)
{
	char why[256], lock[160];
	struct daemon d;
	uint64_t after = 0;

	(void)state;
	snprintf(lock, sizeof(lock), "%s.lock", path);
	begin_with_state(&d, with_state(simple));
	keep(&d);
	assert_null(daemon_unkept_why(&d, why, sizeof(why)));
	news(&d, &after);
	assert_int_equal(unlink(path) | unlink(lock) | rmdir(directory), 0);
	keep(&d);
	keep(&d);
	assert_non_null(strstr(daemon_unkept_why(&d, why, sizeof(why)), path));
	assert_string_equal(news(&d, &after), "state-unwritten");
	assert_true(daemon_state_deadline(&d) > d.now + NSEC_PER_SEC);
	assert_true(daemon_state_deadline(&d) < d.now + 60 * NSEC_PER_SEC);
	assert_int_equal(mkdir(directory, 0700), 0);
	keep(&d);
	assert_string_equal(news(&d, &after), "state-written");
	end(&d);
}

/* Nothing wakes main while nothing changes, and what changes is not written each time. */
static void is_written_now_and_then(void **state)
{
	struct daemon d;
	uint64_t given;

	(void)state;
	begin_with_state(&d, with_state(simple));
	daemon_state_on_time(&d);
	assert_int_equal(d.keeping.n_given, 1);
	assert_int_equal(daemon_state_deadline(&d), NSEC_NEVER);
	check_says(&d, "a", false);
	check_says(&d, "a", true);
	daemon_state_on_time(&d);
	given = d.keeping.n_given;
	assert_int_equal(given, 1);
	assert_int_equal(daemon_state_deadline(&d), d.now + NSEC_PER_SEC);
	pass(&d, NSEC_PER_SEC);
	daemon_state_on_time(&d);
	assert_int_equal(d.keeping.n_given, given + 1);
	check_says(&d, "a", true); /* nothing new */
	assert_int_equal(daemon_state_deadline(&d), NSEC_NEVER);
	end(&d);
}

/* A stop writes all there is. */
static void a_stop_is_the_last_word(void **state)
{
	struct daemon d;

	(void)state;
	begin_with_state(&d, with_state(simple));
	drain(&d, "b", ADMIN_DRAINING, NSEC_NEVER);
	end(&d);
	begin_with_state(&d, file);
	assert_int_equal(member(&d, "b")->admin, ADMIN_DRAINING);
	end(&d);
}

static void nobody_wants_one(void **state)
{
	struct daemon d;

	(void)state;
	setenv("STATE_DIRECTORY", "relative", true);
	begin_with_state(&d, simple);
	assert_int_equal(daemon_state_fd(&d), -1);
	end(&d);
	setenv("STATE_DIRECTORY", directory, true);
	begin_with_state(&d, "state_file: off\n" HEAD WEB BACKENDS);
	assert_int_equal(daemon_state_fd(&d), -1);
	end(&d);
	/* The service manager's, the first of them. */
	snprintf(file, sizeof(file), "%s:/nonexistent", directory);
	setenv("STATE_DIRECTORY", file, true);
	begin_with_state(&d, simple);
	assert_string_equal(d.keeping.path, path);
	end(&d);
	unsetenv("STATE_DIRECTORY");
}

#define RECALL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RECALL_TEST(all_goes_on),
		RECALL_TEST(other_changes_go_on),
		RECALL_TEST(another_file),
		RECALL_TEST(old_verdicts),
		RECALL_TEST(a_drain_that_is_over),
		RECALL_TEST(files_that_are_no_good),
		RECALL_TEST(changes_that_cannot_be),
		RECALL_TEST(another_has_it),
		RECALL_TEST(a_disk_that_fails),
		RECALL_TEST(is_written_now_and_then),
		RECALL_TEST(a_stop_is_the_last_word),
		RECALL_TEST(nobody_wants_one),
	};

	unsetenv("STATE_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
