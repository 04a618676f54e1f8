// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "config_file.h"
#include "file.h"

int config_file_read(const char *path, struct config **ret, struct config_errors *ret_errors)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	size_t size = 0;
	int r;

	*ret_errors = (struct config_errors){};
	if (fd < 0)
		return -errno;
	r = file_read(fd, CONFIG_FILE_MAX, &text, &size);
	return r < 0 ? r : config_parse(text, size, ret, ret_errors);
}

static int holds(int fd, const char *text, size_t size, bool *ret)
{
	_cleanup_(freep) char *found = NULL;
	size_t found_size = 0;
	int r = file_read(fd, CONFIG_FILE_MAX, &found, &found_size);

	if (r == -EFBIG) {
		*ret = false;
		return 0;
	}
	if (r < 0)
		return r;
	*ret = found_size == size && !memcmp(found, text, size);
	return 0;
}

int config_file_holds(const char *path, const char *text, size_t size, bool *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : holds(fd, text, size, ret);
}

/*
 * Without privileges, as under the unit, nobody can give a file away. Then the file becomes lb4's
 * where no one else notices: root needs no permission, and its group stays, unless that has the
 * rights of everybody anyway.
 */
static int give_owner(int fd, const struct stat *like)
{
	unsigned group = like->st_mode >> 3 & 7, others = like->st_mode & 7;
	bool ours = like->st_uid == geteuid();

	if (ours && like->st_gid == getegid())
		return 0;
	if (fchown(fd, like->st_uid, like->st_gid) == 0)
		return 0;
	if (errno != EPERM || !(ours || like->st_uid == 0))
		return -errno;
	if (fchown(fd, (uid_t)-1, like->st_gid) == 0 || group == others)
		return 0;
	return -EPERM;
}

/* The new file beside the old one; it is given owner and mode before it is given its text. */
static int fill(int fd, const struct stat *like, const char *text, size_t size,
		const char **ret_step)
{
	int r;

	*ret_step = "give the new file its owner";
	r = give_owner(fd, like);
	if (r < 0)
		return r;
	*ret_step = "give the new file its mode";
	if (fchmod(fd, like->st_mode & 07777) < 0)
		return -errno;
	*ret_step = "write";
	return file_write(fd, text, size);
}

/* Nobody has written to the file, or put another in its place. */
static bool is_untouched(int fd, const char *path, const struct stat *before)
{
	struct stat open_one, named;

	return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 &&
	       named.st_dev == before->st_dev && named.st_ino == before->st_ino &&
	       open_one.st_size == before->st_size &&
	       open_one.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	       open_one.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

static int replace(int fd, const char *path, const struct stat *before, const char *temporary,
		   const char *text, size_t size, const char **ret_step)
{
	_cleanup_(closep) int new = -1;
	int r;

	*ret_step = "create a file beside it";
	r = file_create(temporary, &new);
	if (r < 0)
		return r;
	r = fill(new, before, text, size, ret_step);
	if (r >= 0 && !is_untouched(fd, path, before))
		r = -ESTALE;
	if (r >= 0) {
		*ret_step = "put the new file in its place";
		r = rename(temporary, path) < 0 ? -errno : 0;
	}
	if (r < 0)
		unlink(temporary);
	return r;
}

int config_file_replace(const char *path, const char *old, size_t old_size, const char *new,
			size_t new_size, const char **ret_step)
{
	_cleanup_(freep) char *real = realpath(path, NULL);
	_cleanup_(freep) char *temporary = NULL;
	_cleanup_(closep) int fd = -1;
	struct stat before;
	bool same = false;
	int r;

	*ret_step = "read";
	if (!real)
		return -errno;
	fd = open(real, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &before) < 0)
		return -errno;
	if (!S_ISREG(before.st_mode))
		return -ESTALE;
	r = holds(fd, old, old_size, &same);
	if (r < 0)
		return r;
	if (!same)
		return -ESTALE;
	if (asprintf(&temporary, "%s.%d.new", real, (int)getpid()) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	r = replace(fd, real, &before, temporary, new, new_size, ret_step);
	if (r >= 0)
		file_sync_directory(real); /* what there is to be done is done */
	return r;
}
