/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are read whole, and replaced whole. All functions return -errno. */
#pragma once

#include <stddef.h>

/* All of it, allocated; -EFBIG past `max` bytes. */
int file_read(int fd, size_t max, char **ret_text, size_t *ret_size);

/*
 * To replace a file for good: create one beside it, which takes the place of what somebody killed has
 * left there; write it, which comes back when it is on the disk; rename it; sync the directory.
 */
int file_create(const char *path, int *ret_fd);
int file_write(int fd, const char *text, size_t size);
int file_sync_directory(const char *path_of_file);
