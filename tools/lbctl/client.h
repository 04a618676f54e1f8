/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP requests to the daemon over its Unix socket. The only user of libcurl. */
#pragma once

#include <stddef.h>

struct client;

/* NULL when memory is short. */
struct client *client_new(const char *socket_path);
/* Answers have to come within that time from now on. */
void client_hurry(struct client *c, long timeout_ms);

struct client *client_free(struct client *c);

/* Escapes for a path or query; to be free()d, NULL when memory is short. */
char *client_escape(struct client *c, const char *text);

struct client_answer {
	long status;
	char *text; /* NUL-terminated; to be free()d */
	size_t size;
};

/*
 * `body` may be NULL. 0, or -errno with *ret_reason (static or the client's) when the daemon was
 * not reached or did not answer.
 */
int client_ask(struct client *c, const char *method, const char *path, const char *body,
	       size_t body_size, struct client_answer *ret, const char **ret_reason);
