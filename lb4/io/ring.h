/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One io_uring: the only way a worker or the checker does socket I/O. Operations are queued here
 * and submitted together by ring_wait(); none of these calls blocks but ring_wait() itself. All
 * calls come from the thread that opened the ring.
 *
 * Every operation carries a caller's token and completes exactly once, cancelled ones too; the
 * multishot accept and the watch complete until a completion without `more`. Token 0 is the ring's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "clock.h"

struct ring;

struct ring_completion {
	uint64_t token;
	int result; /* ≥ 0, or -errno; -ECANCELED after ring_cancel() */
	bool more;  /* of the multishot accept and the watch: further completions follow */
	bool rest;  /* of a receive: the socket has more bytes */
	void *data; /* of ring_receive() with result > 0: the bytes, until ring_buffer_return() */
	uint16_t buffer; /* names `data` for ring_buffer_return() */
};

/* Bytes of one receive buffer. */
#define RING_BUFFER_SIZE 32768u

/*
 * Opens a ring for up to `entries` queued submissions. `buffers_max` receive buffers may be handed
 * out at once (at most 32768); memory is taken as they are needed, 0 for a ring that never
 * receives. -errno; -ENOSYS or -EPERM when the kernel has no io_uring for us.
 */
int ring_open(unsigned entries, unsigned buffers_max, struct ring **ret);
struct ring *ring_close(struct ring *r);

/*
 * Accepts one connection, or with `multishot` until cancelled or failed; each completion's result
 * is a new descriptor (CLOEXEC). -EMFILE and the like end it and leave the connection queued.
 */
void ring_accept(struct ring *r, int fd, bool multishot, uint64_t token);

/* `address` must live until the completion. Result 0 or -errno. */
void ring_connect(struct ring *r, int fd, const struct sockaddr_storage *address, socklen_t length,
		  uint64_t token);

/*
 * Receives up to `size` bytes (RING_BUFFER_SIZE at most) once, into a buffer of the ring that is taken when there are bytes, so that a silent
 * socket holds none. With `later` it does not look for bytes before some arrive. Result: bytes (> 0, with data), 0 at FIN, -errno. -ENOBUFS: a burst met too
 * few supplied buffers; the ring supplies more, receive again if ring_has_buffers().
 */
void ring_receive(struct ring *r, int fd, size_t size, bool later, uint64_t token);
void ring_buffer_return(struct ring *r, uint16_t buffer);

/*
 * A receive buffer for bytes that a system call reads; NULL while all are out, or the budget has no
 * room. Returned as one that the ring filled.
 */
void *ring_buffer_take(struct ring *r, uint16_t *ret_buffer);

/*
 * False while all `buffers_max` are out, or the budget has no room: then wait for one to be returned
 * before receiving, or (since others share the budget) look again after a while.
 */
bool ring_has_buffers(struct ring *r);

/*
 * Sends up to `size` bytes once the socket takes any; `data` must live until the completion.
 * Result: bytes taken, or -errno. Never raises SIGPIPE. (Not MSG_WAITALL: with part of the bytes
 * taken it would swallow the error that kept it from sending the rest.)
 */
void ring_send(struct ring *r, int fd, const void *data, size_t size, uint64_t token);

/*
 * Completes once any of poll(2)'s `events` is there; POLLERR, POLLHUP and POLLRDHUP always count,
 * so at once for a socket that has received FIN. Result is the event mask.
 */
void ring_poll(struct ring *r, int fd, unsigned events, uint64_t token);

/*
 * Watches a socket: completes, with `more`, each time one of `events` comes about or the state
 * changes (reset, FIN), until cancelled; what was there before is told once. With no events it
 * watches for a reset: what happened is for socket_error() to tell.
 */
void ring_watch(struct ring *r, int fd, unsigned events, uint64_t token);

/* Cancels whatever carries `token`; that operation then completes (its own result when it was
 * already under way). */
void ring_cancel(struct ring *r, uint64_t token);

/*
 * Submits what is queued and waits until something completed or CLOCK_MONOTONIC reached `deadline`
 * (NSEC_NEVER: no limit; 0: does not wait). Returns 0, also at the deadline, or -errno.
 */
int ring_wait(struct ring *r, nsec_t deadline);

/*
 * Submits what is queued, without waiting: from then on the operations hold their files by
 * themselves, and the descriptors they named may be closed. 0, or -errno when something stays queued.
 */
int ring_submit(struct ring *r);

/*
 * The last completion was alone, and so was the one before it; nothing is queued. What is done by a
 * system call now holds nobody up, and would gain nothing from going to the kernel with others.
 */
bool ring_is_quiet(const struct ring *r);

/* The token of the completion that comes next, to get ready for it; 0: none has come yet. */
uint64_t ring_peek(const struct ring *r);

/* Takes the next completion; false when there is none. */
bool ring_next(struct ring *r, struct ring_completion *ret);

/*
 * Gives back the memory of receive buffers that a burst needed and nobody needs any more. To be
 * called now and then (every ten seconds or so) while it returns true.
 */
bool ring_trim(struct ring *r);

/*
 * Receive buffers that the kernel may fill are taken from this budget, which others may share;
 * without room there, none is handed out beyond the few that a ring has in any case. Called once,
 * after ring_open(); `b` must outlive the ring.
 */
struct budget;
void ring_set_budget(struct ring *r, struct budget *b);

struct ring_stats {
	uint64_t submissions;  /* operations submitted */
	uint64_t waits;	       /* ring_wait() calls */
	uint32_t buffers_out;  /* receive buffers the caller holds */
	uint32_t buffers_made; /* ever given memory */
	uint32_t buffers_max;
	uint64_t buffer_shortages; /* receives that met -ENOBUFS */
};
void ring_stats(const struct ring *r, struct ring_stats *ret);
