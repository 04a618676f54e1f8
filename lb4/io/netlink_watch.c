// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "neighbour.h"
#include "netlink.h"
#include "netlink_watch.h"

/* For bursts, as when a link goes down with all its routes; more than that is asked anew. */
#define BUFFER_SIZE (1 << 20)

/* Messages at a time. */
#define TAKE_MAX 256

static const int groups[] = {
	RTNLGRP_LINK,	     RTNLGRP_NEIGH,	 RTNLGRP_IPV4_IFADDR,
	RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,	 RTNLGRP_NEXTHOP,
};

int netlink_watch_open(int *ret_fd)
{
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	const int size = BUFFER_SIZE;
	_cleanup_(closep) int fd = -1;
	int r = netlink_open(&fd);

	if (r < 0)
		return r;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* A socket without a port is told nothing: it is taken for the kernel's own. */
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

static unsigned take(const struct nlmsghdr *h,
		     void (*on_neighbour)(void *context, const struct neighbour *n), void *context)
{
	struct neighbour n;

	switch (h->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (neighbour_read(h, &n))
			on_neighbour(context, &n);
		return 0;
	case RTM_GETNEIGH: /* who resolves neighbours in userspace is asked to */
	case NLMSG_NOOP:
	case NLMSG_DONE:
	case NLMSG_ERROR:
		return 0;
	default:
		return NETLINK_NEWS_WAYS;
	}
}

unsigned netlink_watch_take(int fd, void (*on_neighbour)(void *context, const struct neighbour *n),
			    void *context)
{
	char buffer[NETLINK_ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	unsigned news = 0;

	for (unsigned i = 0; i < TAKE_MAX; i++) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buffer;
		ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		size_t left = n < 0 ? 0 : (size_t)n;

		if (n < 0 && errno == ENOBUFS)
			news |= NETLINK_NEWS_WAYS | NETLINK_NEWS_LOST;
		else if (n < 0 && errno != EINTR)
			break;
		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			news |= take(h, on_neighbour, context);
	}
	return news;
}
