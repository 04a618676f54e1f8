/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A raw HTTP client for tests that run client and server on one thread: bytes as the test says,
 * and a pump that turns the server's loop until something is so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"

/* What serves, as its owner's loop sees it. */
struct pump {
	int (*fd)(void *server);
	nsec_t (*deadline)(void *server, nsec_t now);
	void (*run)(void *server);
	void *server;
	unsigned n_turns; /* of the loop, in the last pump_until() */
};

struct http_client {
	int fd;
	char *text; /* what came back so far, NUL-terminated */
	size_t size;
	bool ended;	 /* the server closed or reset */
	char head[2048]; /* of the last answer */
};

#define HTTP_CLIENT_INIT                                                                           \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Turns the loop until `done` says so. False after five seconds. */
bool pump_until(struct pump *p, bool (*done)(void *context), void *context);

/* Turns the loop for as long as it says it has something to do now, at most `turns` times;
 * returns how often it turned. */
unsigned pump_idle(struct pump *p, unsigned turns);

void http_client_open(struct http_client *c, const char *socket_path);
void http_client_deinit(struct http_client *c);

/* Sends all of it, turning the loop while the socket is full; false when the server ended it. */
bool http_client_send(struct pump *p, struct http_client *c, const void *data, size_t size);

/* Takes one whole answer (head and body) out of what came; returns the status, 0 when none came.
 * `ret_body` is the caller's. */
int http_client_answer(struct pump *p, struct http_client *c, char **ret_body);

/* The server ended the connection. */
bool http_client_wait_end(struct pump *p, struct http_client *c);

/* One request on a connection of its own: "GET", "/v1/status", body or NULL. */
int http_request_once(struct pump *p, const char *socket_path, const char *method, const char *path,
		      const char *body, char **ret_body);
