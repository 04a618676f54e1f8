/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages from any thread to one, in order per sender. Passing a message passes its ownership.
 * Bounded: mailbox_post() refuses when full. The owner polls the descriptor (readable when there
 * is something) and takes all messages at once.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "list.h"

/* First member of every message; `free` ends one that nobody took. */
struct message {
	struct list node;
	void (*free)(struct message *m);
};

struct mailbox {
	pthread_mutex_t lock;
	struct list messages;
	uint32_t n_messages, n_max;
	bool closed;
	int event_fd;
};

#define MAILBOX_INIT                                                                               \
	{                                                                                          \
		.event_fd = -1                                                                     \
	}

/* -errno. */
int mailbox_init(struct mailbox *m, uint32_t n_max);

/* Ends messages nobody took. Accepts MAILBOX_INIT. */
void mailbox_deinit(struct mailbox *m);

/*
 * The owner takes no more: what waits is ended, and what is posted from now on is ended at once,
 * so that nobody waits for an answer that cannot come.
 */
void mailbox_close(struct mailbox *m);

/* Takes ownership and wakes the owner. -ENOBUFS when full: then the message stays the caller's. */
int mailbox_post(struct mailbox *m, struct message *message);

/* Moves all messages to `ret` (an empty list the caller has initialised) and clears the
 * descriptor. */
void mailbox_take(struct mailbox *m, struct list *ret);
