// SPDX-License-Identifier: BSD-2-Clause
/* io/state_file: one process has it, and it is replaced as a whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "state.h"
#include "state_file.h"

#include "test.h"

static struct {
	char directory[64], path[128], other[160];
	struct state_file file;
	const char *step;
} at;

static int setup(void **state)
{
	(void)state;
	strcpy(at.directory, "/tmp/lb4-test-state-XXXXXX");
	assert_non_null(mkdtemp(at.directory));
	snprintf(at.path, sizeof(at.path), "%s/state.json", at.directory);
	at.file = (struct state_file)STATE_FILE_INIT;
	assert_int_equal(state_file_open(at.path, &at.file, &at.step), 0);
	return 0;
}

static void remove_one(const char *suffix)
{
	snprintf(at.other, sizeof(at.other), "%s%s", at.path, suffix);
	unlink(at.other);
}

/* Nothing else may be left. */
static int teardown(void **state)
{
	(void)state;
	state_file_deinit(&at.file);
	remove_one("");
	remove_one(".lock");
	remove_one(".bad");
	return rmdir(at.directory);
}

static int put(const char *text)
{
	return state_file_write(&at.file, text, strlen(text), &at.step);
}

static int get(char **ret_text, nsec_t *ret_alive)
{
	size_t size;

	*ret_text = NULL;
	return state_file_read(&at.file, ret_text, &size, ret_alive);
}

static void assert_holds(const char *expected)
{
	_cleanup_(freep) char *text = NULL;
	nsec_t alive;
	size_t size;

	assert_int_equal(state_file_read(&at.file, &text, &size, &alive), 0);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(text, expected, size);
}

static void is_replaced(void **state)
{
	char *text;
	struct stat st;
	nsec_t alive;

	(void)state;
	assert_int_equal(get(&text, &alive), -ENOENT);
	assert_int_equal(put("one"), 0);
	assert_holds("one");
	assert_int_equal(put("two, longer"), 0);
	assert_holds("two, longer");
	assert_int_equal(stat(at.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* What a process that was killed in the middle has left does not stay, nor is it believed. */
static void an_unfinished_one_is_overwritten(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(put("one"), 0);
	snprintf(at.other, sizeof(at.other), "%s.new", at.path);
	fd = open(at.other, O_CREAT | O_WRONLY, 0444);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "half", 4), 4);
	close(fd);
	assert_holds("one");
	assert_int_equal(put("two"), 0);
	assert_holds("two");
}

static void one_has_it(void **state)
{
	struct state_file second = STATE_FILE_INIT;
	struct stat st;

	(void)state;
	assert_int_equal(state_file_open(at.path, &second, &at.step), -EWOULDBLOCK);
	state_file_deinit(&at.file);
	assert_int_equal(state_file_open(at.path, &second, &at.step), 0);
	assert_int_equal(state_file_open(at.path, &at.file, &at.step), -EWOULDBLOCK);
	state_file_deinit(&second);
	snprintf(at.other, sizeof(at.other), "%s.lock", at.path);
	assert_int_equal(stat(at.other, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* The lock of a process that is killed is free when it is gone. */
static void a_killed_one_lets_go(void **state)
{
	int ready[2];
	char byte;
	pid_t pid;

	(void)state;
	state_file_deinit(&at.file);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (state_file_open(at.path, &at.file, &at.step) == 0 && write(ready[1], "", 1))
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(state_file_open(at.path, &at.file, &at.step), -EWOULDBLOCK);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(state_file_open(at.path, &at.file, &at.step), 0);
	close(ready[0]);
	close(ready[1]);
}

/* A disk that is full in the middle of it. */
static void a_failure_changes_nothing(void **state)
{
	struct rlimit before, small = {.rlim_cur = 5};

	(void)state;
	assert_int_equal(put("one"), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(put("two, which is too long"), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_string_equal(at.step, "write");
	assert_holds("one");
}

static void no_directory(void **state)
{
	struct state_file none = STATE_FILE_INIT;

	(void)state;
	assert_int_equal(state_file_open("/nonexistent/state.json", &none, &at.step), -ENOENT);
	assert_string_equal(at.step, "lock");
	state_file_deinit(&none);
}

/* Wherever the name leads: it is not waited for, followed, or written through. */
static void what_is_no_file_is_not_read(void **state)
{
	char *text;
	nsec_t alive;

	(void)state;
	assert_int_equal(mkfifo(at.path, 0600), 0);
	assert_int_equal(get(&text, &alive), -ENOTUNIQ);
	unlink(at.path);
	assert_int_equal(symlink("/etc/hostname", at.path), 0);
	assert_int_equal(get(&text, &alive), -ENOTUNIQ);
	unlink(at.path);
	assert_int_equal(mkdir(at.path, 0700), 0);
	assert_int_equal(get(&text, &alive), -ENOTUNIQ);
	assert_true(put("one") < 0);
	assert_string_equal(at.step, "replace");
	assert_int_equal(rmdir(at.path), 0);
}

static void has_a_limit(void **state)
{
	char *text;
	nsec_t alive;
	int fd;

	(void)state;
	fd = open(at.path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(ftruncate(fd, STATE_TEXT_MAX + 1), 0);
	close(fd);
	assert_int_equal(get(&text, &alive), -EFBIG);
}

static void gives_signs_of_life(void **state)
{
	struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	char *text;
	nsec_t alive;

	(void)state;
	assert_int_equal(put("one"), 0);
	assert_int_equal(utimensat(AT_FDCWD, at.path, long_ago, 0), 0);
	assert_int_equal(get(&text, &alive), 0);
	assert_int_equal(alive, 1000 * NSEC_PER_SEC);
	free(text);
	state_file_touch(&at.file);
	assert_int_equal(get(&text, &alive), 0);
	assert_true(alive > 1600000000 * NSEC_PER_SEC);
	free(text);
}

static void is_set_aside(void **state)
{
	char *text;
	nsec_t alive;

	(void)state;
	assert_int_equal(put("bad"), 0);
	assert_int_equal(state_file_set_aside(&at.file), 0);
	assert_int_equal(get(&text, &alive), -ENOENT);
	snprintf(at.other, sizeof(at.other), "%s.bad", at.path);
	assert_int_equal(access(at.other, R_OK), 0);
	assert_int_equal(put("worse"), 0);
	assert_int_equal(state_file_set_aside(&at.file), 0); /* in the place of the first */
	assert_int_equal(state_file_set_aside(&at.file), -ENOENT);
}

static void clocks_are_read(void **state)
{
	struct state_clocks clocks;

	(void)state;
	state_clocks_read(&clocks);
	assert_true(strlen(clocks.boot_id) > 30);
	assert_true(clocks.now > 0 && clocks.boot >= clocks.now);
	assert_true(clocks.wall > 1600000000 * NSEC_PER_SEC);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FILE_TEST(is_replaced),
		FILE_TEST(an_unfinished_one_is_overwritten),
		FILE_TEST(one_has_it),
		FILE_TEST(a_killed_one_lets_go),
		FILE_TEST(a_failure_changes_nothing),
		FILE_TEST(no_directory),
		FILE_TEST(what_is_no_file_is_not_read),
		FILE_TEST(has_a_limit),
		FILE_TEST(gives_signs_of_life),
		FILE_TEST(is_set_aside),
		FILE_TEST(clocks_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
