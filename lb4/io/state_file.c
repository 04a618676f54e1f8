// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "state.h"
#include "state_file.h"

static void state_file_deinitp(struct state_file *f)
{
	state_file_deinit(f);
}

/* Never removed: who removes a lock file takes the lock from whoever has just opened it. */
static int take_lock(const char *path, int *ret_fd)
{
	_cleanup_(freep) char *lock = NULL;
	_cleanup_(closep) int fd = -1;

	if (asprintf(&lock, "%s.lock", path) < 0) {
		lock = NULL;
		return -ENOMEM;
	}
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

int state_file_open(const char *path, struct state_file *ret, const char **ret_step)
{
	_cleanup_(state_file_deinitp) struct state_file f = STATE_FILE_INIT;
	int r;

	*ret_step = "lock";
	f.path = strdup(path);
	if (asprintf(&f.temporary, "%s.new", path) < 0)
		f.temporary = NULL;
	if (!f.path || !f.temporary)
		return -ENOMEM;
	r = take_lock(path, &f.lock_fd);
	if (r < 0)
		return r;
	*ret = f;
	f = (struct state_file)STATE_FILE_INIT;
	return 0;
}

void state_file_deinit(struct state_file *f)
{
	free(f->path);
	free(f->temporary);
	closep(&f->lock_fd);
	*f = (struct state_file)STATE_FILE_INIT;
}

int state_file_read(const struct state_file *f, char **ret_text, size_t *ret_size,
		    nsec_t *ret_alive)
{
	/* Whatever stands there, opening it does not wait. */
	_cleanup_(closep) int fd =
		open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return errno == ELOOP ? -ENOTUNIQ : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOTUNIQ;
	*ret_alive = (nsec_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (nsec_t)st.st_mtim.tv_nsec;
	return file_read(fd, STATE_TEXT_MAX, ret_text, ret_size);
}

static int write_new(const struct state_file *f, const char *text, size_t size,
		     const char **ret_step)
{
	_cleanup_(closep) int fd = -1;
	int r;

	*ret_step = "create";
	r = file_create(f->temporary, &fd);
	if (r < 0)
		return r;
	*ret_step = "write";
	r = file_write(fd, text, size);
	if (r < 0)
		return r;
	*ret_step = "replace";
	return rename(f->temporary, f->path) < 0 ? -errno : 0;
}

int state_file_write(const struct state_file *f, const char *text, size_t size,
		     const char **ret_step)
{
	int r = write_new(f, text, size, ret_step);

	if (r < 0) {
		unlink(f->temporary);
		return r;
	}
	*ret_step = "sync the directory of";
	r = file_sync_directory(f->path);
	/* A file system may have no such thing; then rename is all that it offers. */
	return r == -EINVAL ? 0 : r;
}

void state_file_touch(const struct state_file *f)
{
	/* A sign that is not given makes the next start more careful, nothing else. */
	(void)utimensat(AT_FDCWD, f->path, NULL, AT_SYMLINK_NOFOLLOW);
}

int state_file_set_aside(const struct state_file *f)
{
	_cleanup_(freep) char *aside = NULL;

	if (asprintf(&aside, "%s.bad", f->path) < 0) {
		aside = NULL;
		return -ENOMEM;
	}
	return rename(f->path, aside) < 0 ? -errno : 0;
}

/* "" where there is none; then the wall clock leads. */
static void read_boot_id(char *ret)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	*ret = '\0';
	if (f && fgets(ret, STATE_BOOT_ID_MAX, f))
		ret[strcspn(ret, "\n")] = '\0';
	if (f)
		fclose(f);
}

void state_clocks_read(struct state_clocks *ret)
{
	read_boot_id(ret->boot_id);
	ret->now = clock_now();
	ret->boot = clock_boot();
	ret->wall = clock_wall();
}
