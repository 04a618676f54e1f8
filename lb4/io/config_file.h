/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file. */
#pragma once

#include <stdbool.h>

#include "config.h"

/* The largest file that is read. */
#define CONFIG_FILE_MAX (4u << 20)

/* Reads and parses; returns as config_parse(), or -errno of reading. -EFBIG past CONFIG_FILE_MAX. */
int config_file_read(const char *path, struct config **ret, struct config_errors *ret_errors);

/* Whether the file still holds these bytes. -errno of reading. */
int config_file_holds(const char *path, const char *text, size_t size, bool *ret);

/*
 * Replaces the file, which must hold the `old_size` bytes of `old`, by one of the same owner and
 * mode that holds `new`: at once, and so that it survives a crash. Symbolic links are followed.
 * -ESTALE when the file holds something else, and then, as after any other -errno, it is as it was.
 * Without the privilege to give it to root, its owner, it is left to the caller's user.
 * *ret_step says what failed ("write").
 */
int config_file_replace(const char *path, const char *old, size_t old_size, const char *new,
			size_t new_size, const char **ret_step);
