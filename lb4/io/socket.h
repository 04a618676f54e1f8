/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP sockets: making, tuning and ending them. Nothing here blocks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "address.h"
#include "config.h"

/*
 * A listening socket with SO_REUSEPORT, so that each worker has its own. ADDRESS_ANY listens on
 * both families; an IPv6 address on IPv6 alone. It is tuned as the service says, and what it
 * accepts is so from the start; NULL: it is not. 0 and *ret_fd, or -errno.
 */
int socket_listen(const struct address *address, const struct service_settings *settings,
		  int *ret_fd);

/*
 * Whether nobody listens on `address`: 0, or -EADDRINUSE, or another -errno of bind(2). With
 * SO_REUSEPORT a second program would be let in silently, and be given some of the clients.
 */
int socket_claim(const struct address *address);

/* An unconnected socket of the address's family, for ring_connect(). 0 and *ret_fd, or -errno. */
int socket_new(const struct address *address, int *ret_fd);

/*
 * The same with SO_MARK, bound to *port of any address, or (0) to one that the kernel chooses: *port.
 * Connections of that port that are over do not keep it. -EADDRINUSE: somebody has it.
 */
int socket_new_marked(const struct address *address, uint32_t mark, uint16_t *port, int *ret_fd);

/* TCP_NODELAY, keepalive and TCP_USER_TIMEOUT as the service says. -errno of the first that fails. */
int socket_tune(int fd, const struct service_settings *settings);

/* A socket that another service has now: from the settings of one to the other's. */
int socket_retune(int fd, const struct service_settings *from, const struct service_settings *to);

/* In two parts: what a new connection needs at once, and what one that stays needs besides. */
int socket_tune_new(int fd, const struct service_settings *settings);
int socket_tune_keepalive(int fd, const struct keepalive *keepalive);

/*
 * Makes a socket of socket_new() connect from `source`, whose port is left to the kernel (port 0).
 * With `foreign` the address may be anybody's (IP_TRANSPARENT). -EADDRNOTAVAIL when the address is
 * not of this machine, -EPERM without CAP_NET_ADMIN for a foreign one.
 */
int socket_bind_source(int fd, const struct address *source, bool foreign);

/* The two ends of an accepted connection. -errno; -ENOTCONN when it is gone already. */
int socket_peer(int fd, struct address *ret);
int socket_local(int fd, struct address *ret);

/* Takes the pending error of the socket, as a positive errno; 0: none. */
int socket_error(int fd);

/* True when a reset or a timeout has ended the socket; false while only FINs have passed. */
bool socket_is_dead(int fd);

/*
 * Accepts what already waits on a listening socket, without blocking: a descriptor, or -errno,
 * -EAGAIN when nothing waits. Makes the listening socket non-blocking for good.
 */
int socket_accept_pending(int fd);

/*
 * Sends all of a few bytes at once, without blocking: what an empty send buffer takes. -errno;
 * -EAGAIN when it did not take all of them.
 */
int socket_send(int fd, const void *data, size_t size);

/* Reads what is there, without blocking: bytes, 0 at FIN, or -errno (-EAGAIN). */
ssize_t socket_read(int fd, void *data, size_t size);

/* Writes without blocking, perhaps only the first of the bytes: how many, or -errno (-EAGAIN). */
ssize_t socket_write(int fd, const void *data, size_t size);

/* Whether splice(2) may block on the socket. Receives and sends of a ring wait in any case. */
void socket_set_nonblocking(int fd, bool nonblocking);

/* Sends FIN once what is queued has been sent. Errors mean the socket is dead already. */
void socket_shutdown(int fd);

/* Closes with FIN, or with RST when bytes were left unread or `reset`. -1 is ignored. */
void socket_close(int fd);
void socket_reset(int fd);
