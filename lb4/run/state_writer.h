/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread that writes the state file, so that a slow disk delays nobody but those who want to
 * hear that it is written. What is given while it writes takes the place of what waits.
 */
#pragma once

#include "clock.h"
#include "state_file.h"

struct state;
struct state_writer;

/* Takes the file over. -errno, then it is still the caller's. */
int state_writer_start(struct state_file *file_take, struct state_writer **ret);

/* To be written under this number, which goes up. Does not block. */
void state_writer_give(struct state_writer *w, struct state *state_take, uint64_t number);

/* Of the last attempt. */
struct state_written {
	uint64_t number;  /* that was given; 0: there was none yet */
	int error;	  /* -errno; 0: it is there */
	const char *step; /* that failed */
	nsec_t wall;	  /* of the last that succeeded; 0: there was none */
};

/* Writes what was given last, joins the thread, lets go of the file. */
struct state_writer *state_writer_stop(struct state_writer *w, struct state_written *ret);

/* Readable when there is another than what state_writer_look() has told last. */
int state_writer_fd(const struct state_writer *w);
struct state_written state_writer_look(struct state_writer *w);
