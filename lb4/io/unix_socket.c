// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "unix_socket.h"

#define BACKLOG 64

static int set_path(const char *path, struct sockaddr_un *ret)
{
	size_t length = strlen(path);

	if (length == 0)
		return -EINVAL;
	if (length >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, path, length);
	return 0;
}

/* Removes a socket that refuses connections: its server is gone. */
static int remove_dead(const struct sockaddr_un *sa)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: the server's backlog is full, so there is one. */
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return errno == ENOENT ? 0 : -errno;
	if (unlink(sa->sun_path) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static int make_directory(const char *path)
{
	_cleanup_(freep) char *directory = strdup(path);
	char *slash;

	if (!directory)
		return -ENOMEM;
	slash = strrchr(directory, '/');
	if (!slash || slash == directory)
		return 0;
	*slash = '\0';
	if (mkdir(directory, 0755) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int bind_private(int fd, const struct sockaddr_un *sa)
{
	/* Rather than chmod() afterwards: nobody can come in between. */
	mode_t before = umask(0117);
	int r = bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? -errno : 0;

	umask(before);
	return r;
}

int unix_socket_open(const char *path, struct unix_socket *ret)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *copy = strdup(path);
	struct sockaddr_un sa;
	struct stat st;
	int r;

	if (!copy)
		return -ENOMEM;
	r = set_path(path, &sa);
	if (r < 0)
		return r;
	r = make_directory(path);
	if (r < 0)
		return r;
	r = remove_dead(&sa);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_private(fd, &sa);
	if (r < 0)
		return r;
	if (listen(fd, BACKLOG) < 0 || lstat(path, &st) < 0) {
		r = -errno;
		unlink(path);
		return r;
	}
	ret->fd = take_fd(fd);
	ret->path = take_ptr(copy);
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	return 0;
}

void unix_socket_deinit(struct unix_socket *s)
{
	struct stat st;

	if (s->path && lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
		unlink(s->path);
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	*s = (struct unix_socket)UNIX_SOCKET_INIT;
}
