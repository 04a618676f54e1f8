/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the kernel over rtnetlink(7), one at a time, and how its messages are read. */
#pragma once

#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "address.h"

#define NETLINK_ANSWER_SIZE 16384

struct netlink_request {
	struct nlmsghdr header;
	char rest[192]; /* body and attributes */
};

/* A socket whose receives wait for a second at most. -errno. */
int netlink_open(int *ret_fd);

/* The body is that of the message's type: struct rtmsg, struct ndmsg. */
void netlink_begin(struct netlink_request *q, uint16_t type, const void *body, size_t size);
void netlink_append(struct netlink_request *q, uint16_t type, const void *value, size_t size);
void netlink_append_ip(struct netlink_request *q, uint16_t type, const struct address *a);

/* What comes next, or -errno. */
ssize_t netlink_receive(int fd, void *buffer, size_t size);

/* The one answer to `q`, a message of type `answer`, in `buffer`: 0, or -errno. */
int netlink_ask(const struct netlink_request *q, uint16_t answer, char buffer[NETLINK_ANSWER_SIZE]);

/* Has the kernel do something: 0, or -errno. */
int netlink_do(struct netlink_request *q);

/* The first attribute of that type behind a body of that size; NULL: there is none. */
const struct rtattr *netlink_find(const struct nlmsghdr *h, size_t body, unsigned type);

/* An address as attributes have it; the port is 0. */
void netlink_take_ip(struct address *ret, int family, const void *ip);

int netlink_family(const struct address *a); /* AF_INET or AF_INET6 */
