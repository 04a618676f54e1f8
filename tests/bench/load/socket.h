/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets of clients and of the server, and the epoll that all of them are in. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "options.h"

/* As many descriptors as the hard limit allows, and the epoll. */
void sockets_init(void);

/* Where clients go to and come from, in turn. */
void sockets_target(const struct options *o);

/* A socket on its way, watched for both directions by edge; -errno when it could not even start. */
int socket_connect(uint32_t tag);

/* 0, or the errno of a socket that epoll calls broken. */
int socket_error(int fd);

/* Its events carry `tag`. */
void socket_watch(int fd, uint32_t events, uint32_t tag);

/* With RST: nothing of the connection stays, not even TIME_WAIT. */
void socket_reset(int fd);

struct epoll_event;
int sockets_wait(struct epoll_event *events, int max, int timeout_ms);
