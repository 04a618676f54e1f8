/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where open files go that have no work for the moment: tables of registered files, each of which
 * may be as large as RLIMIT_NOFILE once more. A file that has entered keeps its place until it
 * leaves; meanwhile its descriptor may be closed and another be had whenever it is needed.
 *
 * Places hold two files, those of a connection. The tables are never used for operations: an
 * operation under way holds the file by itself, so one may be parked beneath it, and kernels before
 * 6.13 would keep whatever leaves a table until every older operation on any file of the table has
 * completed. This way a file that leaves is closed at once.
 *
 * All calls come from one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PARKED_FILES 2

struct parking;

/* Whether the kernel can give descriptors back (6.8): 0, or -errno. */
int parking_probe(void);

/* Places of one table, when there may be so many descriptors. A table takes a descriptor itself. */
uint32_t parking_table_places(uint64_t n_descriptors);

/* For places 0 … `n_places` − 1; tables are opened as they are needed. NULL: no memory. */
struct parking *parking_new(uint32_t n_places);
struct parking *parking_free(struct parking *p);

/*
 * Parks two files: they enter `place`, unless they are there, and their descriptors are closed. Each
 * operation that names a descriptor must have been submitted. On failure (-ENOMEM, -EMFILE) nothing
 * has changed.
 */
int parking_enter(struct parking *p, uint32_t place, const int fds[PARKED_FILES]);

/* New descriptors (CLOEXEC) of the files at `place`, where they stay. -EMFILE and the like. */
int parking_wake(struct parking *p, uint32_t place, int ret_fds[PARKED_FILES]);

/* Whether `place` has files, parked or awake. */
bool parking_holds(const struct parking *p, uint32_t place);

/*
 * The files leave `place`. Those that are parked are closed by it, with RST if `reset` and else with
 * FIN, and no descriptor is needed for that; those that are awake live on in their descriptors.
 */
void parking_leave(struct parking *p, uint32_t place);
void parking_reset(struct parking *p, uint32_t place);

/* Places that have files. */
uint32_t parking_used(const struct parking *p);
