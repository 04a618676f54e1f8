// SPDX-License-Identifier: BSD-2-Clause
/* io/notify: what the environment says, and datagrams to sockets of every kind of name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"

#include "test.h"

static void reads_the_environment(void **state)
{
	static const struct {
		const char *socket, *usec, *pid;
		int r;
		const char *wrong;
		bool named;
		uint64_t watchdog_usec;
	} cases[] = {
		{NULL, NULL, NULL, 0},
		{"", NULL, NULL, 0},
		{"/run/notify", NULL, NULL, 0, .named = true},
		{"@abstract", "30000000", NULL, 0, .named = true, .watchdog_usec = 30000000},
		{"/run/notify", "30000000", "1", 0, .named = true}, /* meant for another */
		{"run/notify", NULL, NULL, -EINVAL, "NOTIFY_SOCKET"},
		{"vsock:2:1234", NULL, NULL, -EINVAL, "NOTIFY_SOCKET"},
		{"/", NULL, NULL, -EINVAL, "NOTIFY_SOCKET"},
		{"@", NULL, NULL, -EINVAL, "NOTIFY_SOCKET"},
		{"/run/notify", "0", NULL, -EINVAL, "WATCHDOG_USEC", .named = true},
		{"/run/notify", "soon", NULL, -EINVAL, "WATCHDOG_USEC", .named = true},
		{"/run/notify", "18446744073709551615", NULL, -EINVAL, "WATCHDOG_USEC",
		 .named = true},
		{"/run/notify", "30000000", "me", -EINVAL, "WATCHDOG_PID", .named = true},
		{NULL, NULL, "me", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *wrong = NULL;
		struct notify n;

		assert_int_equal(
			notify_init(&n, cases[i].socket, cases[i].usec, cases[i].pid, &wrong),
			cases[i].r);
		if (cases[i].r < 0)
			assert_string_equal(wrong, cases[i].wrong);
		assert_int_equal(n.socket != NULL, cases[i].named);
		assert_int_equal(n.watchdog_usec, cases[i].watchdog_usec);
		notify_deinit(&n);
	}
}

static void means_this_process(void **state)
{
	const char *wrong;
	struct notify n;
	char pid[32];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(notify_init(&n, "@x", "5", pid, &wrong), 0);
	assert_int_equal(n.watchdog_usec, 5);
	notify_deinit(&n);
}

static void nobody_listens(void **state)
{
	struct notify n = NOTIFY_INIT;

	(void)state;
	assert_int_equal(notify_send(&n, true, "READY=1"), 0);
	n.socket = strdup("/nowhere/at/all");
	assert_int_equal(notify_send(&n, true, "READY=1"), -ENOENT);
	notify_deinit(&n);
}

/* A manager's socket of that name, which is bound from within `directory` when that is given. */
static int listen_as(const char *directory, const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (directory)
		assert_int_equal(chdir(directory), 0);
	strcpy(sa.sun_path + (name[0] == '@'), name + (name[0] == '@'));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	return fd;
}

static void is_heard(int fd, const char *socket)
{
	struct notify n = NOTIFY_INIT;
	char text[64] = "";

	n.socket = strdup(socket);
	assert_int_equal(notify_send(&n, false, "READY=1\nSTATUS=fine"), 0);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 19);
	assert_string_equal(text, "READY=1\nSTATUS=fine");
	notify_deinit(&n);
}

static void names_of_every_kind(void **state)
{
	char base[] = "/tmp/lb4-test-notify-XXXXXX", path[400], directory[300], name[108];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(base));
	snprintf(path, sizeof(path), "%s/short", base);
	fd = listen_as(base, "short");
	is_heard(fd, path);
	close(fd);
	unlink(path);
	/* Longer than a socket's address can hold. */
	snprintf(directory, sizeof(directory), "%s/%0200d", base, 0);
	assert_int_equal(mkdir(directory, 0700), 0);
	snprintf(path, sizeof(path), "%s/long", directory);
	fd = listen_as(directory, "long");
	is_heard(fd, path);
	close(fd);
	unlink(path);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(rmdir(base), 0);
	snprintf(name, sizeof(name), "@lb4-test-notify-%d", getpid());
	fd = listen_as(NULL, name);
	is_heard(fd, name);
	close(fd);
}

/* A manager that does not read: without patience at once, with it after a while, but never stuck. */
static void a_manager_that_is_stuck(void **state)
{
	struct notify n = NOTIFY_INIT;
	char name[108];
	int fd, r, sent = 0;

	(void)state;
	snprintf(name, sizeof(name), "@lb4-test-stuck-%d", getpid());
	fd = listen_as(NULL, name);
	n.socket = strdup(name);
	while ((r = notify_send(&n, false, "WATCHDOG=1")) == 0)
		assert_true(sent++ < 100000);
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(notify_send(&n, true, "READY=1"), -EAGAIN);
	notify_deinit(&n);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_environment),   cmocka_unit_test(means_this_process),
		cmocka_unit_test(nobody_listens),	   cmocka_unit_test(names_of_every_kind),
		cmocka_unit_test(a_manager_that_is_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
