// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <linux/fib_rules.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "netlink.h"
#include "route.h"

static void begin(struct netlink_request *q, uint16_t type, enum address_family family)
{
	const struct rtmsg body = {.rtm_family = family == ADDRESS_IPV4 ? AF_INET : AF_INET6};

	netlink_begin(q, type, &body, sizeof(body));
}

/* The route that packets to `a` take, in `buffer`, or -errno. */
static int ask_towards(const struct address *a, char buffer[NETLINK_ANSWER_SIZE])
{
	struct netlink_request q;

	begin(&q, RTM_GETROUTE, a->family);
	netlink_append_ip(&q, RTA_DST, a);
	return netlink_ask(&q, RTM_NEWROUTE, buffer);
}

int route_is_here(const struct address *a)
{
	char buffer[NETLINK_ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = ask_towards(a, buffer);

	if (r < 0)
		return r == -ENETUNREACH || r == -EHOSTUNREACH ? 0 : r;
	return ((const struct rtmsg *)NLMSG_DATA((const struct nlmsghdr *)(const void *)buffer))
		       ->rtm_type == RTN_LOCAL;
}

/* The interface that packets to `a` leave by. */
static int interface_towards(const struct address *a, uint32_t *ret)
{
	char buffer[NETLINK_ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct rtattr *out;
	int r = ask_towards(a, buffer);

	if (r < 0)
		return r;
	out = netlink_find((const struct nlmsghdr *)(const void *)buffer, sizeof(struct rtmsg),
			   RTA_OIF);
	if (!out)
		return -ENETUNREACH;
	memcpy(ret, RTA_DATA(out), sizeof(*ret));
	return 0;
}

static void take_gateway(const struct nlmsghdr *h, int family, struct route *ret)
{
	const struct rtattr *gateway = netlink_find(h, sizeof(struct rtmsg), RTA_GATEWAY);
	const struct rtattr *via = netlink_find(h, sizeof(struct rtmsg), RTA_VIA);

	ret->has_gateway = gateway || via;
	if (gateway)
		netlink_take_ip(&ret->gateway, family, RTA_DATA(gateway));
	else if (via)
		netlink_take_ip(&ret->gateway, ((const struct rtvia *)RTA_DATA(via))->rtvia_family,
				((const struct rtvia *)RTA_DATA(via))->rtvia_addr);
}

static uint32_t route_mtu(const struct nlmsghdr *h)
{
	const struct rtattr *metrics = netlink_find(h, sizeof(struct rtmsg), RTA_METRICS), *m;
	uint32_t mtu = 0;
	size_t left;

	if (!metrics)
		return 0;
	left = RTA_PAYLOAD(metrics);
	for (m = RTA_DATA(metrics); RTA_OK(m, left); m = RTA_NEXT(m, left))
		if (m->rta_type == RTAX_MTU)
			memcpy(&mtu, RTA_DATA(m), sizeof(mtu));
	return mtu;
}

int route_find(const struct address *a, struct route *ret)
{
	char buffer[NETLINK_ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buffer;
	const struct rtattr *out, *source;
	const struct rtmsg *route;
	int r = ask_towards(a, buffer);

	if (r < 0)
		return r;
	route = NLMSG_DATA(h);
	if (route->rtm_type == RTN_LOCAL)
		return 1;
	out = netlink_find(h, sizeof(*route), RTA_OIF);
	source = netlink_find(h, sizeof(*route), RTA_PREFSRC);
	if (route->rtm_type != RTN_UNICAST || !out || !source)
		return -ENETUNREACH;
	*ret = (struct route){.mtu = route_mtu(h)};
	memcpy(&ret->interface, RTA_DATA(out), sizeof(ret->interface));
	netlink_take_ip(&ret->source, route->rtm_family, RTA_DATA(source));
	take_gateway(h, route->rtm_family, ret);
	return 0;
}

int route_is_local(const struct address *source, const struct address *destination, uint32_t mark)
{
	char buffer[NETLINK_ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct rtmsg *route;
	uint32_t interface;
	struct netlink_request q;
	int r = interface_towards(source, &interface);

	if (r < 0)
		return r;
	begin(&q, RTM_GETROUTE, source->family);
	netlink_append_ip(&q, RTA_SRC, source);
	netlink_append_ip(&q, RTA_DST, destination);
	netlink_append(&q, RTA_IIF, &interface, sizeof(interface));
	if (mark)
		netlink_append(&q, RTA_MARK, &mark, sizeof(mark));
	r = netlink_ask(&q, RTM_NEWROUTE, buffer);
	if (r < 0)
		return 0; /* no such way: unreachable, or refused by the reverse path filter */
	route = NLMSG_DATA((const struct nlmsghdr *)(const void *)buffer);
	return route->rtm_type == RTN_LOCAL;
}

static size_t take_marks(const char *buffer, size_t size, uint32_t *marks, size_t n, size_t n_max,
			 bool *done)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buffer;

	for (; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
		const struct rtattr *mark;

		if (h->nlmsg_type != RTM_NEWRULE) {
			*done = true;
			break;
		}
		mark = netlink_find(h, sizeof(struct fib_rule_hdr), FRA_FWMARK);
		if (mark && n < n_max)
			memcpy(&marks[n++], RTA_DATA(mark), sizeof(marks[0]));
	}
	return n;
}

int route_rule_marks(enum address_family family, uint32_t *marks, size_t n_max)
{
	char buffer[NETLINK_ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	_cleanup_(closep) int fd = -1;
	struct netlink_request q;
	bool done = false;
	size_t n = 0;
	int r = netlink_open(&fd);

	if (r < 0)
		return r;
	begin(&q, RTM_GETRULE, family);
	q.header.nlmsg_flags |= NLM_F_DUMP;
	if (send(fd, &q, q.header.nlmsg_len, 0) < 0)
		return -errno;
	while (!done) {
		ssize_t size = netlink_receive(fd, buffer, sizeof(buffer));

		if (size < 0)
			return (int)size;
		n = take_marks(buffer, (size_t)size, marks, n, n_max, &done);
	}
	return (int)n;
}
