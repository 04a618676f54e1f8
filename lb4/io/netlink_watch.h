/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel tells of links, addresses, routes and neighbours as they change. */
#pragma once

struct neighbour;

/* A socket to be polled for reading; it never blocks. -errno. */
int netlink_watch_open(int *ret_fd);

#define NETLINK_NEWS_WAYS                                                                          \
	1u /* links, addresses, routes or rules: what was asked may be different */
#define NETLINK_NEWS_LOST 2u /* there was more than could be kept: neighbours as well */

/*
 * Takes what has come, and calls for each neighbour. Returns NETLINK_NEWS_*; where it stops for
 * others' sake the socket is readable still.
 */
unsigned netlink_watch_take(int fd, void (*on_neighbour)(void *context, const struct neighbour *n),
			    void *context);
