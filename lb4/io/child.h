/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program run for a check: started without a shell, in a session of its own, with nothing but
 * its standard descriptors; watched through one descriptor; ended with its whole process group.
 * Nothing here waits, but for starting: until the kernel has loaded the program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
	pid_t pid;  /* 0: none, or it has ended */
	int pidfd;  /* readable when it has ended */
	int output; /* the end of its standard output and error that we read; -1: all was read */
	int events; /* readable when one of the two is: what to poll */
};

#define CHILD_INIT                                                                                 \
	{                                                                                          \
		.pidfd = -1, .output = -1, .events = -1                                            \
	}

/* How it ended: the exit status, or the signal unless that is 0. */
struct child_end {
	int status, signal;
};

/*
 * Runs argv[0], a path, with these arguments and this environment. Standard input is /dev/null, the
 * directory is /. Main must leave SIGCHLD at its default. -errno; also those of execve(2).
 */
int child_start(char *const argv[], char *const environment[], struct child *ret);

/* Takes output that is there: bytes, or 0 when there is none now. */
size_t child_read(struct child *c, void *buffer, size_t size);

/* True when it has ended; then what it left behind in its group is ended as well. */
bool child_has_ended(struct child *c, struct child_end *ret);

/* Ends it and its group; child_has_ended() will soon say so. */
void child_kill(struct child *c);

/* Of a child that has ended, or was never started. */
void child_deinit(struct child *c);
