// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "reserved_ports.h"

#define FILE_NAME "/proc/sys/net/ipv4/ip_local_reserved_ports"

/* Longest list that is read: one of single ports, every second. */
#define LIST_MAX (256u << 10)

static int read_list(char *buffer)
{
	_cleanup_(closep) int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buffer + size, LIST_MAX - 1 - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		return -errno;
	while (size > 0 && (buffer[size - 1] == '\n' || buffer[size - 1] == ' '))
		size--;
	buffer[size] = '\0';
	return 0;
}

/* The kernel writes ranges in order, and merges those that touch. */
static bool has_range(const char *list, uint16_t low, uint16_t high)
{
	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (first <= low && last >= high)
			return true;
		list = *end == ',' ? end + 1 : end;
		if (list == end && *end)
			return false; /* nothing that we know */
	}
	return false;
}

int reserved_ports_add(uint16_t low, uint16_t high)
{
	_cleanup_(freep) char *list = malloc(LIST_MAX + 32);
	_cleanup_(closep) int fd = -1;
	size_t length;
	int r;

	if (!list)
		return -ENOMEM;
	r = read_list(list);
	if (r < 0)
		return r;
	if (has_range(list, low, high))
		return 1;
	length = strlen(list);
	length += (size_t)snprintf(list + length, 32, "%s%u-%u\n", length ? "," : "", low, high);
	fd = open(FILE_NAME, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, list, length) == (ssize_t)length ? 0 : errno ? -errno : -EIO;
}
