/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of the source tree, for tests. SOURCE_ROOT comes from the build. */
#pragma once

#include <stddef.h>

/* The whole file and a NUL, to be freed. A file that cannot be read fails the test. */
char *read_file(const char *path, size_t *ret_size);

/*
 * Calls `f` with the path of each file in config/broken and returns how many there are. What is
 * expected of one is in its first lines, or in its neighbour that ends with .expect.
 */
size_t each_broken_file(void (*f)(const char *path));
