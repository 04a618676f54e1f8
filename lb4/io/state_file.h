/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state file: one process has it at a time, and replaces it whole. Its time of modification is
 * also a sign of life. Functions return -errno, and in *ret_step what failed ("write").
 */
#pragma once

#include <stddef.h>

#include "clock.h"

struct state_clocks;

struct state_file {
	char *path, *temporary;
	int lock_fd;
};

#define STATE_FILE_INIT                                                                            \
	{                                                                                          \
		.lock_fd = -1                                                                      \
	}

/* Takes it by a lock beside it, PATH.lock; -EWOULDBLOCK: another process has it. */
int state_file_open(const char *path, struct state_file *ret, const char **ret_step);
void state_file_deinit(struct state_file *f);

/*
 * Its text, at most STATE_TEXT_MAX bytes (-EFBIG), and when the process that had it was last seen
 * alive, by the wall clock. -ENOENT when there is none, -ENOTUNIQ when it is no ordinary file.
 */
int state_file_read(const struct state_file *f, char **ret_text, size_t *ret_size,
		    nsec_t *ret_alive);

/* On success it is there for good. After a failure the file is as it was. */
int state_file_write(const struct state_file *f, const char *text, size_t size,
		     const char **ret_step);

/* Gives the sign of life. */
void state_file_touch(const struct state_file *f);

/* Calls it PATH.bad, for whoever wants to know what is wrong with it. */
int state_file_set_aside(const struct state_file *f);

/* What state_print() and state_parse() want to know. */
void state_clocks_read(struct state_clocks *ret);
