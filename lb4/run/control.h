/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control API: HTTP and JSON on the administrative Unix socket. Runs on main, inside its loop;
 * turns requests into calls of daemon.h and answers with JSON. A bad client loses only its own
 * connection.
 */
#pragma once

#include "clock.h"

struct control;
struct daemon;

/* Binds `socket_path` (replacing a dead socket, refusing a live one: -EADDRINUSE). -errno. */
int control_start(struct daemon *d, const char *socket_path, struct control **ret);

/* Ends open requests and removes the socket. */
struct control *control_stop(struct control *c);

/* Clients that wait for the next event. */
unsigned control_waiting(const struct control *c);

/* The loop polls this descriptor for reading and calls control_run() then, or at the deadline. */
int control_fd(const struct control *c);
nsec_t control_deadline(const struct control *c, nsec_t now);
void control_run(struct control *c);
