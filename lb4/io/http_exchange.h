/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request and its answer, between libmicrohttpd and a handler: the inside of http_server.h,
 * for http_server.c alone.
 */
#pragma once

#include <microhttpd.h>
#include <stddef.h>

#include "http_server.h"

/* What all exchanges of a server share. */
struct http_exchanges {
	const struct http_server_options *options;
	size_t bodies_size; /* memory of all bodies */
	unsigned n_answers; /* being sent */
};

/*
 * MHD's access handler, with a struct http_exchanges as its context, and its end: called first
 * with the head, then with pieces of the body, then once more when all is there.
 */
enum MHD_Result http_exchange_on_request(void *context, struct MHD_Connection *connection,
					 const char *path, const char *method, const char *version,
					 const char *data, size_t *size, void **request_context);
void http_exchange_on_completed(struct http_exchanges *all, void **request_context);
