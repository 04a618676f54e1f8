// SPDX-License-Identifier: BSD-2-Clause
/* io/child: real programs, what they find, and what is left of them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

#include "test.h"

#define PATIENCE_MSEC 10000 /* for what should take milliseconds */

static char *const environment[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LB4_PORT=80", NULL};

static void start(struct child *c, const char *script)
{
	char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script, NULL};

	assert_int_equal(child_start(argv, environment, c), 0);
}

static void await(struct child *c)
{
	struct pollfd p = {.fd = c->events, .events = POLLIN};

	assert_int_equal(poll(&p, 1, PATIENCE_MSEC), 1);
}

/* Runs it to its end, keeping what it says. */
static struct child_end run(const char *script, char *said, size_t size)
{
	struct child c;
	struct child_end end;
	size_t n = 0, got;
	char rest[4096];

	start(&c, script);
	for (bool ended = false; !ended;) {
		await(&c);
		ended = child_has_ended(&c, &end);
		while ((got = n + 1 < size ? child_read(&c, said + n, size - 1 - n)
					   : child_read(&c, rest, sizeof(rest))))
			n += n + 1 < size ? got : 0;
	}
	said[n] = '\0';
	child_deinit(&c);
	return end;
}

static size_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void expect_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void ends(void **state)
{
	char said[64];
	struct child_end end;

	(void)state;
	end = run("echo out; echo err >&2; exit 7", said, sizeof(said));
	assert_int_equal(end.status, 7);
	assert_int_equal(end.signal, 0);
	assert_string_equal(said, "out\nerr\n");
	end = run("kill -TERM $$", said, sizeof(said));
	assert_int_equal(end.status, 0);
	assert_int_equal(end.signal, SIGTERM);
	end = run("exit 0", said, sizeof(said));
	assert_int_equal(end.status | end.signal, 0);
	assert_string_equal(said, "");
	expect_no_child();
}

/* The environment is what was given, and nothing of this process comes along. */
static void surroundings(void **state)
{
	char said[2048];
	int leaky = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	sigset_t all, before;
	struct rlimit limit, large;

	(void)state;
	setenv("SECRET", "x", 1);
	assert_true(leaky > STDERR_FILENO);
	assert_int_equal(run("env -u PWD -u _ -u SHLVL -u OLDPWD", said, sizeof(said)).status, 0);
	assert_string_equal(said, "PATH=/usr/bin:/bin\nLB4_PORT=80\n");
	run("pwd; readlink /proc/$$/fd/0; i=3; while test $i -lt 64; do "
	    "test -e /proc/$$/fd/$i && echo $i; i=$((i + 1)); done",
	    said, sizeof(said));
	assert_string_equal(said, "/\n/dev/null\n");
	close(leaky);

	signal(SIGPIPE, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	run("awk '/Sig(Blk|Ign)/ { print $2 }' /proc/self/status", said, sizeof(said));
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(strtoull(said, NULL, 16), 0);
	/* The C library has two for itself, whose default is to be ignored. */
	assert_int_equal(strtoull(strchr(said, '\n'), NULL, 16) & 0x7fffffff, 0);

	/* Its own session. */
	run("cut -d' ' -f1,5,6 /proc/$$/stat", said, sizeof(said));
	assert_int_equal(strcspn(said, " "), strcspn(strchr(said, ' ') + 1, " "));
	assert_memory_equal(said, strchr(said, ' ') + 1, strcspn(said, " ") + 1);
	assert_memory_equal(said, strrchr(said, ' ') + 1, strcspn(said, " "));

	/* The usual number of descriptors, however many are ours. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	large = limit;
	large.rlim_cur = large.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &large), 0);
	run("until test $(ulimit -n) -le 1024; do :; done; echo done", said, sizeof(said));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_string_equal(said, "done\n");
}

static void cannot_start(void **state)
{
	static const struct {
		const char *path;
		int error;
	} cases[] = {
		{"/nonexistent/program", -ENOENT},
		{"/", -EACCES},
		{"/etc/passwd", -EACCES},
		{"/etc/passwd/x", -ENOTDIR},
	};
	size_t before = count_descriptors();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *argv[] = {(char *)cases[i].path, NULL};
		struct child c;

		assert_int_equal(child_start(argv, environment, &c), cases[i].error);
	}
	expect_no_child();
	assert_int_equal(count_descriptors(), before);
}

/* A program that only waits, its helper that ignores what can be ignored, and one that has let go
 * of its output: all are gone with it. */
static void killed_with_its_group(void **state)
{
	size_t before = count_descriptors();
	struct child_end end;
	struct child c;
	char said[64];
	size_t n;
	pid_t helper;

	(void)state;
	start(&c, "trap '' TERM HUP; (while :; do read line </dev/zero; done) & echo $!; wait");
	await(&c);
	n = child_read(&c, said, sizeof(said) - 1);
	said[n] = '\0';
	helper = atoi(said);
	assert_int_equal(kill(helper, 0), 0);
	assert_false(child_has_ended(&c, &end));
	child_kill(&c);
	do
		await(&c);
	while (!child_has_ended(&c, &end));
	assert_int_equal(end.signal, SIGKILL);
	child_deinit(&c);
	expect_no_child();
	/* The helper is somebody else's child now; dead or dying, it holds the pipe no more. */
	for (int i = 0; kill(helper, 0) == 0; i++) {
		char path[64], line[256];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", helper);
		f = fopen(path, "re");
		if (!f || !fgets(line, sizeof(line), f) || strstr(line, ") Z")) {
			if (f)
				fclose(f);
			break;
		}
		fclose(f);
		assert_true(i < 1000);
		poll(NULL, 0, 10);
	}
	assert_int_equal(count_descriptors(), before);
}

/* The end counts, not that somebody else still holds the output. */
static void end_does_not_wait_for_output(void **state)
{
	char said[64];

	(void)state;
	assert_int_equal(run("sleep 1000 & echo said; exit 3", said, sizeof(said)).status, 3);
	assert_string_equal(said, "said\n");
	/* And closing the output is not the end: nothing must be readable until then. */
	assert_int_equal(run("exec >&- 2>&-; read l </dev/null; exit 4", said, sizeof(said)).status,
			 4);
	expect_no_child();
}

static void much_output(void **state)
{
	char said[64];

	(void)state;
	assert_int_equal(
		run("head -c 3000000 /dev/zero | tr '\\0' x; exit 5", said, sizeof(said)).status,
		5);
	assert_int_equal(strspn(said, "x"), sizeof(said) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends),
		cmocka_unit_test(surroundings),
		cmocka_unit_test(cannot_start),
		cmocka_unit_test(killed_with_its_group),
		cmocka_unit_test(end_does_not_wait_for_output),
		cmocka_unit_test(much_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
