// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "lbctl_run.h"

#include "test.h"

#define PATIENCE (20 * NSEC_PER_SEC)

extern char **environ;

int lbctl_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fake_daemon_init(&f->fake);
	strcpy(f->directory, "/tmp/lb4-test-lbctl-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->socket, sizeof(f->socket), "%s/lb4.sock", f->directory);
	snprintf(f->file, sizeof(f->file), "%s/file.yaml", f->directory);
	assert_int_equal(control_start(&f->fake.daemon, f->socket, &f->control), 0);
	setenv("LB4_SOCKET", f->socket, 1);
	*state = f;
	return 0;
}

int lbctl_teardown(void **state)
{
	struct fixture *f = *state;

	control_stop(f->control);
	unlink(f->file);
	assert_int_equal(rmdir(f->directory), 0);
	fake_daemon_deinit(&f->fake);
	free(f->out);
	free(f->err);
	free(f);
	return 0;
}

/* Appends what there is at *fd; closes it at its end. */
static void drain(int *fd, char **text)
{
	char buffer[65536];
	size_t length = strlen(*text);
	ssize_t n = read(*fd, buffer, sizeof(buffer));

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) { /* EIO: the other end of a terminal is closed */
		close(take_fd(*fd));
		return;
	}
	*text = realloc(*text, length + (size_t)n + 1);
	assert_non_null(*text);
	memcpy(*text + length, buffer, (size_t)n);
	(*text)[length + (size_t)n] = '\0';
}

static void serve(struct fixture *f, int out, int err)
{
	nsec_t until = clock_now() + PATIENCE;

	while (out >= 0 || err >= 0) {
		struct pollfd fds[] = {
			{.fd = out, .events = POLLIN},
			{.fd = err, .events = POLLIN},
			{.fd = f->control ? control_fd(f->control) : -1, .events = POLLIN},
		};

		assert_true(clock_now() < until);
		/* Short, as hooks want turns too. */
		poll(fds, 3, 10);
		if (fds[0].revents)
			drain(&out, &f->out);
		if (fds[1].revents)
			drain(&err, &f->err);
		if (f->on_turn)
			f->on_turn(f);
		if (f->control)
			control_run(f->control);
	}
}

static void open_terminal(int ends[2])
{
	char name[128];

	ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(ends[0] >= 0);
	assert_int_equal(grantpt(ends[0]), 0);
	assert_int_equal(unlockpt(ends[0]), 0);
	assert_int_equal(ptsname_r(ends[0], name, sizeof(name)), 0);
	ends[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(ends[1] >= 0);
}

void run(struct fixture *f, const char *line)
{
	_cleanup_(freep) char *words = strdup(line);
	char *program = getenv("LBCTL"), *argv[16] = {program}, *save;
	posix_spawn_file_actions_t actions;
	int out[2], err[2], wait_status;
	size_t n = 1;
	pid_t pid;

	assert_non_null(program);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	free(f->out);
	free(f->err);
	f->out = strdup("");
	f->err = strdup("");
	if (f->terminal)
		open_terminal(out);
	else
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	close(err[1]);
	f->pid = pid;
	serve(f, out[0], err[0]);
	assert_int_equal(waitpid(pid, &wait_status, 0), pid);
	assert_true(WIFEXITED(wait_status));
	f->status = WEXITSTATUS(wait_status);
}

void assert_run(struct fixture *f, const char *line, int status)
{
	run(f, line);
	if (f->status != status)
		fail_msg("lbctl %s: %d, not %d: %s%s", line, f->status, status, f->out, f->err);
	/* A reason on stderr for whatever failed, and on stdout nothing of it. */
	assert_int_equal(status == 0, f->err[0] == '\0');
	if (status == 2 || status == 3)
		assert_string_equal(f->out, "");
}

void assert_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

void write_file(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->file, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}
