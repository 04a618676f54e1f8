/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request and its answer, between libmicrohttpd and a handler: the inside of http_server.h,
 * for http_server.c alone.
 */
#pragma once

#include <microhttpd.h>
#include <stddef.h>

#include "http_server.h"
#include "list.h"

/* What all exchanges of a server share. */
struct http_exchanges {
	const struct http_server_options *options;
	size_t bodies_size; /* memory of all bodies */
	unsigned n_answers; /* being sent */
	struct list waiting;
	unsigned n_waiting;
	unsigned n_settling; /* of them, those that have been carried out */
	int epoll_fd; /* the server's: a client that hangs up while it waits is seen by that */
	bool closing; /* nobody waits any more */
	nsec_t now;
};

/*
 * MHD's access handler, with a struct http_exchanges as its context, and its end: called first
 * with the head, then with pieces of the body, then once more when all is there.
 */
enum MHD_Result http_exchange_on_request(void *context, struct MHD_Connection *connection,
					 const char *path, const char *method, const char *version,
					 const char *data, size_t *size, void **request_context);
void http_exchange_on_completed(struct http_exchanges *all, void **request_context);

/* Whether the request was put off, and whether it has its answer. */
bool http_exchange_waits(const void *request_context);
bool http_exchange_answered(const void *request_context);

/* Asks the handlers of those anew whose time is over or who have hung up, or (`all`) of each. */
void http_exchanges_resume(struct http_exchanges *all_exchanges, bool all);

/* When that is due by time. */
nsec_t http_exchanges_deadline(const struct http_exchanges *all);
