/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes that carry bytes from socket to socket by splice(2), without a copy. A worker has a bounded
 * pool of them; one is taken for as long as it holds bytes, so that a few serve any number of
 * connections whose peers read.
 *
 * Nothing here blocks, if both sockets are non-blocking: splice(2) looks at the sockets' own flag,
 * not at its argument's. All calls come from one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors of a pipe. */
#define PIPE_DESCRIPTORS 2u

struct pipe {
	int fds[PIPE_DESCRIPTORS]; /* the reading end, the writing end */
	uint32_t size;		   /* bytes in it */
	struct pipe *next;	   /* of the pool */
};

struct pipes;

/* At most `n_max` pipes, made as they are needed. NULL: no memory. */
struct pipes *pipes_new(uint32_t n_max);

/* All pipes have been given back. NULL is ignored. */
struct pipes *pipes_free(struct pipes *p);

/* An empty pipe, to be given back; NULL: `n_max` are taken, or the kernel has none for us now. */
struct pipe *pipes_take(struct pipes *p);

/* With bytes left in it a pipe is closed, and they are lost. */
void pipes_give(struct pipes *p, struct pipe *pipe);

/* Closes those that nobody needed since the last call; false: none is left open. */
bool pipes_trim(struct pipes *p);

/* Whether one may be had: fewer than `n_max` are taken. False for NULL. */
bool pipes_available(const struct pipes *p);

/* Pipes that are taken now. */
uint32_t pipes_taken(const struct pipes *p);

/*
 * Moves bytes from a socket into an empty pipe, as many as are there and it has room for. Bytes; 0
 * at FIN, or -errno: -EAGAIN when there is nothing.
 */
ssize_t pipe_fill(struct pipe *pipe, int fd);

/* Moves what is in the pipe into a socket, as far as that takes it. Bytes, or -errno (-EAGAIN). */
ssize_t pipe_drain(struct pipe *pipe, int fd);
