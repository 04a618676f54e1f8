/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests and their replies. A request carries a number that no other has, so that a reply which
 * belongs to another connection, or to an earlier request, is known as a wrong one.
 */
#pragma once

#include <stdint.h>

#include "options.h"

struct request {
	uint64_t number;
	uint32_t received; /* bytes of the reply */
};

enum reply {
	REPLY_NOT_YET,
	REPLY_WHOLE,
	REPLY_WRONG, /* an error was counted */
};

/* Before the first request. */
void request_init(size_t size);

/*
 * Draws a new number and sends the request. 0, or -errno: -EAGAIN when the socket is not connected
 * yet.
 */
int request_send(struct request *r, int fd);

/* Takes what there is. */
enum reply request_receive(struct request *r, int fd);
