// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "descriptors.h"

#define DIRECTORY "/proc/self/fd"

int descriptors_raise(uint64_t *ret_limit)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	*ret_limit = limit.rlim_cur;
	return 0;
}

/* Each is an entry, and so are "." and ".."; the directory's own descriptor is one of them. */
static uint64_t count_entries(void)
{
	DIR *directory = opendir(DIRECTORY);
	uint64_t n = 0;

	if (!directory)
		return 0;
	while (readdir(directory))
		n++;
	closedir(directory);
	return n > 3 ? n - 3 : 0;
}

uint64_t descriptors_used(void)
{
	struct stat st;

	/* Since Linux 6.2 it is as large as they are many; before, its size is 0. */
	if (stat(DIRECTORY, &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	return count_entries();
}
