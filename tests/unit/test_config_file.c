// SPDX-License-Identifier: BSD-2-Clause
/* The configuration file replaced: as a whole, or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "config_file.h"

#include "test.h"

#define OLD "services: old\n"
#define NEW "services: new, and longer\n"

static struct {
	char directory[64], file[128], link[128];
} at;

static int setup(void **state)
{
	(void)state;
	strcpy(at.directory, "/tmp/lb4-test-file-XXXXXX");
	assert_non_null(mkdtemp(at.directory));
	snprintf(at.file, sizeof(at.file), "%s/real.yaml", at.directory);
	snprintf(at.link, sizeof(at.link), "%s/lb4.yaml", at.directory);
	return 0;
}

/* Nothing but the file and the link may be left. */
static int teardown(void **state)
{
	(void)state;
	unlink(at.link);
	unlink(at.file);
	return rmdir(at.directory);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void assert_holds(const char *text)
{
	bool same = false;

	assert_int_equal(config_file_holds(at.file, text, strlen(text), &same), 0);
	assert_true(same);
}

static int replace(const char *path, const char **ret_step)
{
	return config_file_replace(path, OLD, strlen(OLD), NEW, strlen(NEW), ret_step);
}

static void keeps_mode_and_link(void **state)
{
	const char *step;
	struct stat before, after;

	(void)state;
	put(at.file, OLD);
	assert_int_equal(chmod(at.file, 0640), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(at.file, 12, 34), 0);
	assert_int_equal(symlink("real.yaml", at.link), 0);
	assert_int_equal(stat(at.file, &before), 0);
	assert_int_equal(replace(at.link, &step), 0);
	assert_holds(NEW);
	assert_int_equal(lstat(at.link, &after), 0);
	assert_true(S_ISLNK(after.st_mode));
	assert_int_equal(stat(at.file, &after), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);
}

/* Who is not root replaces a file of `uid` and `gid`, in a directory of its group's, as the unit. */
static int replace_as_user(uid_t uid, gid_t gid, mode_t mode, struct stat *ret)
{
	const char *step;
	int status;
	pid_t child;

	put(at.file, OLD);
	assert_int_equal(chown(at.directory, 0, 34), 0);
	assert_int_equal(chmod(at.directory, 0775), 0);
	assert_int_equal(chown(at.file, uid, gid), 0);
	assert_int_equal(chmod(at.file, mode), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (setgroups(0, NULL) < 0 || setgid(34) < 0 || setuid(12) < 0)
			_exit(255);
		_exit(-replace(at.file, &step));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(stat(at.file, ret), 0);
	return -WEXITSTATUS(status);
}

static void without_privileges(void **state)
{
	struct stat after;

	(void)state;
	if (geteuid() != 0)
		skip();
	/* As tmpfiles.d has it. */
	assert_int_equal(replace_as_user(0, 34, 0664, &after), 0);
	assert_holds(NEW);
	assert_int_equal(after.st_uid, 12);
	assert_int_equal(after.st_gid, 34);
	assert_int_equal(after.st_mode & 07777, 0664);
	/* As root writes one: its group has the rights of everybody. */
	assert_int_equal(replace_as_user(0, 0, 0644, &after), 0);
	assert_holds(NEW);
	assert_int_equal(after.st_mode & 07777, 0644);
	/* A group that would lose something, and an owner who would. */
	assert_int_equal(replace_as_user(0, 56, 0664, &after), -EPERM);
	assert_int_equal(replace_as_user(78, 34, 0664, &after), -EPERM);
	assert_holds(OLD);
	assert_int_equal(after.st_uid, 78);
}

static void leaves_an_edit_alone(void **state)
{
	const char *step;

	(void)state;
	put(at.file, OLD "# and a comment\n");
	assert_int_equal(replace(at.file, &step), -ESTALE);
	assert_holds(OLD "# and a comment\n");
	put(at.file, "services: odd\n"); /* of the same size */
	assert_int_equal(replace(at.file, &step), -ESTALE);
	put(at.file, "");
	assert_int_equal(replace(at.file, &step), -ESTALE);
	unlink(at.file);
	assert_int_equal(replace(at.file, &step), -ENOENT);
	assert_string_equal(step, "read");
}

/* The disk is full in the middle of it. */
static void a_failed_write_changes_nothing(void **state)
{
	struct rlimit before, small;
	const char *step;
	int r;

	(void)state;
	put(at.file, OLD);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 10;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = replace(at.file, &step);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -EFBIG);
	assert_string_equal(step, "write");
	assert_holds(OLD);
}

/* One that was killed in the middle of it has left its file. */
static void a_remnant_is_no_obstacle(void **state)
{
	char remnant[256];
	const char *step;

	(void)state;
	put(at.file, OLD);
	snprintf(remnant, sizeof(remnant), "%s.%d.new", at.file, (int)getpid());
	put(remnant, "services: ol");
	assert_int_equal(replace(at.file, &step), 0);
	assert_holds(NEW);
}

static void a_directory_is_no_file(void **state)
{
	const char *step;

	(void)state;
	assert_true(replace(at.directory, &step) < 0);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(keeps_mode_and_link),	     FILE_TEST(without_privileges),
		FILE_TEST(leaves_an_edit_alone),     FILE_TEST(a_failed_write_changes_nothing),
		FILE_TEST(a_remnant_is_no_obstacle), FILE_TEST(a_directory_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
