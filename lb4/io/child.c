// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cleanup.h"

/*
 * lb4 raises its own limit to whatever is allowed. Programs that close every descriptor there might
 * be, or use select(2), want the usual one.
 */
#define DESCRIPTORS_USUAL 1024

static int add(int events, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* What the child does before it becomes the program. A positive errno. */
static int set_actions(posix_spawn_file_actions_t *a, int output)
{
	int r = posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	r = r ?: posix_spawn_file_actions_adddup2(a, output, STDOUT_FILENO);
	r = r ?: posix_spawn_file_actions_adddup2(a, output, STDERR_FILENO);
	r = r ?: posix_spawn_file_actions_addchdir_np(a, "/");
	/* Ours are close-on-exec; what lb4 was started with may not be. */
	return r ?: posix_spawn_file_actions_addclosefrom_np(a, STDERR_FILENO + 1);
}

/* A session has no terminal, and its process group is the child's. Signals are as after a login. */
static int set_attributes(posix_spawnattr_t *a)
{
	short flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none, all;
	int r = posix_spawnattr_setflags(a, flags);

	sigemptyset(&none);
	sigfillset(&all);
	r = r ?: posix_spawnattr_setsigmask(a, &none);
	return r ?: posix_spawnattr_setsigdefault(a, &all);
}

static int spawn(char *const argv[], char *const environment[], int output, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (!r) {
		r = set_actions(&actions, output) ?: set_attributes(&attributes);
		r = r ?: posix_spawn(ret, argv[0], &actions, &attributes, argv, environment);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static void lower_limit(pid_t pid)
{
	struct rlimit limit;

	if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) < 0 || limit.rlim_cur <= DESCRIPTORS_USUAL)
		return;
	limit.rlim_cur = DESCRIPTORS_USUAL;
	prlimit(pid, RLIMIT_NOFILE, &limit, NULL);
}

int child_start(char *const argv[], char *const environment[], struct child *ret)
{
	_cleanup_(child_deinit) struct child c = CHILD_INIT;
	_cleanup_(closep) int write_end = -1;
	pid_t pid;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	c.output = ends[0];
	write_end = ends[1];
	c.events = epoll_create1(EPOLL_CLOEXEC);
	if (c.events < 0 || fcntl(c.output, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = add(c.events, c.output);
	if (r >= 0)
		r = spawn(argv, environment, write_end, &pid);
	if (r < 0)
		return r;
	/* Until it is waited for, nobody else gets its number. */
	c.pidfd = pidfd_open(pid, 0);
	r = c.pidfd < 0 ? -errno : add(c.events, c.pidfd);
	if (r < 0) {
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	c.pid = pid;
	lower_limit(pid);
	*ret = c;
	c = (struct child)CHILD_INIT;
	return 0;
}

size_t child_read(struct child *c, void *buffer, size_t size)
{
	ssize_t n = c->output < 0 ? 0 : read(c->output, buffer, size);

	if (n > 0)
		return (size_t)n;
	/* At the end it would be readable for ever. */
	if (n == 0 || errno != EAGAIN) {
		closep(&c->output);
		c->output = -1;
	}
	return 0;
}

bool child_has_ended(struct child *c, struct child_end *ret)
{
	siginfo_t info = {};

	if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
		/* Somebody took its status: SIGCHLD is not as it should be. */
		*ret = (struct child_end){.signal = SIGKILL};
	} else if (info.si_pid == 0) {
		return false;
	} else {
		bool exited = info.si_code == CLD_EXITED;

		*ret = (struct child_end){.status = exited ? info.si_status : 0,
					  .signal = exited ? 0 : info.si_status};
		/* The group's number is taken for as long as its leader is not waited for. */
		kill(-c->pid, SIGKILL);
		waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG);
	}
	c->pid = 0;
	return true;
}

void child_kill(struct child *c)
{
	assert(c->pid > 0);
	kill(-c->pid, SIGKILL);
}

void child_deinit(struct child *c)
{
	assert(c->pid == 0);
	closep(&c->pidfd);
	closep(&c->output);
	closep(&c->events);
	*c = (struct child)CHILD_INIT;
}
