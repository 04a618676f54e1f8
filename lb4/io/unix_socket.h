/* SPDX-License-Identifier: BSD-2-Clause */
/* A listening Unix stream socket at a path: who may connect is a matter of file permissions. */
#pragma once

#include <sys/types.h>

struct unix_socket {
	int fd;
	char *path;
	/* The file that was made, so that another one's in its place is left alone. */
	dev_t device;
	ino_t inode;
};

#define UNIX_SOCKET_INIT                                                                           \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Listens at `path` with mode 0660, non-blocking. Replaces a socket that nobody serves any more
 * and makes the last directory of the path (0755) when it is missing. -EADDRINUSE when another
 * process serves it, -EEXIST when a file stands there that is no socket, -ENAMETOOLONG above 107
 * bytes, -errno.
 */
int unix_socket_open(const char *path, struct unix_socket *ret);

/* Closes what is open and removes the file. */
void unix_socket_deinit(struct unix_socket *s);
