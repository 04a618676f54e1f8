// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "pins.h"

/* Of a name that has not taken its place yet. */
#define NEW "-new" /* no dots: the file system keeps them for itself */

static int check_file_system(int fd)
{
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return -errno;
	return s.f_type == BPF_FS_MAGIC ? 0 : -ENOTSUP;
}

/* Nothing is made anywhere else. */
static int check_parent(const char *path)
{
	_cleanup_(freep) char *parent = strdup(path);
	_cleanup_(closep) int fd = -1;
	char *slash;

	if (!parent)
		return -ENOMEM;
	slash = strrchr(parent, '/');
	if (!slash)
		return -EINVAL;
	slash[slash == parent] = '\0';
	fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : check_file_system(fd);
}

int pins_open(const char *path, struct pins *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0) {
		r = check_parent(path);
		if (r < 0)
			return r;
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return -errno;
	r = check_file_system(fd);
	if (r < 0)
		return r;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	ret->path = strdup(path);
	if (!ret->path)
		return -ENOMEM;
	ret->fd = take_fd(fd);
	return 0;
}

bool pins_exist(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry = NULL;

	if (!directory)
		return false;
	if (check_file_system(dirfd(directory)) == 0) {
		do {
			entry = readdir(directory);
		} while (entry && entry->d_name[0] == '.');
	}
	closedir(directory);
	return entry;
}

void pins_close(struct pins *p)
{
	free(p->path);
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct pins)PINS_INIT;
}

static int whole_name(const struct pins *p, const char *name, const char *end,
		      char buffer[PATH_MAX])
{
	int n = snprintf(buffer, PATH_MAX, "%s/%s%s", p->path, name, end);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int pins_get(const struct pins *p, const char *name)
{
	char path[PATH_MAX];
	int r = whole_name(p, name, "", path);

	return r < 0 ? r : bpf_obj_get(path);
}

int pins_put(const struct pins *p, const char *name, int fd)
{
	char path[PATH_MAX], new[PATH_MAX];
	int r = whole_name(p, name, "", path);

	if (r == 0)
		r = whole_name(p, name, NEW, new);
	if (r < 0)
		return r;
	unlink(new); /* of one that was ended meanwhile */
	r = bpf_obj_pin(fd, new);
	if (r < 0)
		return r;
	return rename(new, path) < 0 ? -errno : 0;
}

void pins_sweep(const struct pins *p, const char *beginning,
		bool (*keep)(void *context, const char *name), void *context)
{
	DIR *directory = opendir(p->path);
	const struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.' ||
		    strncmp(entry->d_name, beginning, strlen(beginning)) != 0)
			continue;
		if (!keep || !keep(context, entry->d_name))
			unlinkat(p->fd, entry->d_name, 0);
	}
	closedir(directory);
}
