// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "config_file.h"

/* Reads to the end, or one byte past the limit. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t r = read(fd, buffer + n, size - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

int config_file_read(const char *path, struct config **ret, struct config_errors *ret_errors)
{
	_cleanup_(freep) char *text = malloc(CONFIG_FILE_MAX + 1);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size;

	*ret_errors = (struct config_errors){};
	if (!text)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	size = read_all(fd, text, CONFIG_FILE_MAX + 1);
	if (size < 0)
		return (int)size;
	if ((size_t)size > CONFIG_FILE_MAX)
		return -EFBIG;
	return config_parse(text, (size_t)size, ret, ret_errors);
}
