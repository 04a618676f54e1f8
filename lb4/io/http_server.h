/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An HTTP/1.1 server on one listening socket, driven by its owner's loop: a descriptor to poll and
 * a deadline, no thread of its own, nothing that blocks. It owns routing and limits; what the
 * bodies say, those of errors too, is the owner's. The only user of libmicrohttpd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "clock.h"
#include "http_route.h"

struct http_server;

struct http_request {
	const char *method;
	const char *path; /* decoded */
	const char *body; /* NUL-terminated; "" when there is none */
	size_t body_size;
	bool waited; /* as long as the handler asked for, or may: now it answers */
	bool gone;   /* the client has hung up meanwhile, and hears no answer */
};

/*
 * What stood for the placeholder {name} of the path, or the value of the query parameter `name`
 * ("" when given without one); NULL when not given. Lives as long as the request.
 */
const char *http_request_value(const struct http_request *q, const char *name);

/* A handler fills in one of `body`, `read`, and `wait` with or without `settle`. */
struct http_response {
	unsigned status;
	const char *content_type; /* static */
	char *body;		  /* malloc()ed, passes to the server; NULL: empty */
	size_t size;

	/* A body too large to be made at once: up to `size` bytes a call, 0 at its end. */
	size_t (*read)(void *stream, char *buffer, size_t size);
	void (*free)(void *stream); /* called once, also when the client went away */
	void *stream;

	/* No answer yet: the handler is asked again after http_server_wake(), and at the latest after
	 * this time, counted from the first asking. Not when `waited`. */
	nsec_t wait;

	/*
	 * The handler has done what it was asked for, and must not be asked again: from now on this
	 * is, at once and as it would be, until it has made the answer from `stream` (which it frees
	 * then) and returns true. `last`: it must. Such requests do not count against waiting_max.
	 */
	bool (*settle)(void *context, struct http_response *r, bool last);
};

struct http_server_options {
	const struct http_route *routes;
	size_t n_routes;
	void *context; /* for handlers */

	/* Makes the answer to a request that met no handler. `error` is one sentence, `hint` what
	 * to do, or NULL. */
	void (*refuse)(unsigned status, const char *error, const char *hint,
		       struct http_response *ret);

	unsigned connections_max; /* further clients wait in the backlog */
	size_t header_max;	  /* bytes of a request line and its headers; > 1024 */
	size_t body_max;	  /* bytes of one body; 413 */
	size_t bodies_max;	  /* of all bodies held at once; 503 */
	unsigned waiting_max;	  /* requests that wait at once; 503 */
	nsec_t request_time; /* from opening, or the answer before, or the beginning of a wait (which is
				shorter), to the end of an answer */
};

/* Takes the listening socket, which must not block, in any case. `options->routes` lives on. -errno. */
int http_server_open(const struct http_server_options *options, int listen_fd_take,
		     struct http_server **ret);

/* What requests wait for may have come: asks their handlers again. */
void http_server_wake(struct http_server *s);

/* Requests that wait. */
unsigned http_server_waiting(const struct http_server *s);

/*
 * Asks the handlers of waiting requests a last time, and those of clients that have waited and ask
 * again; gives answers under way half a second, then ends every connection. NULL is ignored.
 */
struct http_server *http_server_close(struct http_server *s);

/* To be polled for reading; then, or at the deadline, http_server_run() does what is to be done. */
int http_server_fd(const struct http_server *s);
nsec_t http_server_deadline(const struct http_server *s, nsec_t now);
void http_server_run(struct http_server *s, nsec_t now);
