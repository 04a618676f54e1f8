/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names in a BPF file system, by which maps and links outlive the process that made them. One lb4
 * has a directory at a time.
 */
#pragma once

#include <stdbool.h>

struct pins {
	char *path;
	int fd; /* of the directory, locked */
};

#define PINS_INIT                                                                                  \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Makes the directory where it is missing. -ENOTSUP: it would be in no BPF file system; -EBUSY:
 * another process has it; -EPERM, -ENOENT and the like.
 */
int pins_open(const char *path, struct pins *ret);

/* Whether something is pinned there, by whomever. */
bool pins_exist(const char *path);

/* What is pinned stays. */
void pins_close(struct pins *p);

/* A descriptor of what has the name, or -ENOENT. */
int pins_get(const struct pins *p, const char *name);

/* Pins it, in the place of what had the name before, without a moment in between. */
int pins_put(const struct pins *p, const char *name, int fd);

/* Unpins all whose names begin like that, but those for which `keep` is true. */
void pins_sweep(const struct pins *p, const char *beginning,
		bool (*keep)(void *context, const char *name), void *context);
