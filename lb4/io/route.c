// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "route.h"

#define ANSWER_SIZE 16384

struct request {
	struct nlmsghdr header;
	struct rtmsg body;
	char attributes[128];
};

static int open_netlink(int *ret_fd)
{
	const struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*ret_fd = fd;
	return 0;
}

static void append(struct request *q, unsigned short type, const void *value, size_t size)
{
	struct rtattr *a = (struct rtattr *)((char *)q + NLMSG_ALIGN(q->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(a), value, size);
	q->header.nlmsg_len = NLMSG_ALIGN(q->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

static void append_ip(struct request *q, unsigned short type, const struct address *a)
{
	size_t skip = a->family == ADDRESS_IPV4 ? 12 : 0;

	append(q, type, a->ip + skip, 16 - skip);
}

static void begin(struct request *q, unsigned short type, enum address_family family)
{
	*q = (struct request){
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(q->body)),
			   .nlmsg_type = type,
			   .nlmsg_flags = NLM_F_REQUEST},
		.body = {.rtm_family = family == ADDRESS_IPV4 ? AF_INET : AF_INET6},
	};
}

static ssize_t receive(int fd, void *buffer, size_t size)
{
	ssize_t n = recv(fd, buffer, size, 0);

	return n < 0 ? -errno : n;
}

/* The one answer to `q`: its header, in `buffer`, or -errno. */
static int ask(const struct request *q, char buffer[ANSWER_SIZE])
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buffer;
	_cleanup_(closep) int fd = -1;
	int r = open_netlink(&fd);
	ssize_t n;

	if (r < 0)
		return r;
	if (send(fd, q, q->header.nlmsg_len, 0) < 0)
		return -errno;
	n = receive(fd, buffer, ANSWER_SIZE);
	if (n < 0)
		return (int)n;
	if (!NLMSG_OK(h, (size_t)n))
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
	return h->nlmsg_type == RTM_NEWROUTE ? 0 : -EPROTO;
}

/* The route that packets to `a` take, in `buffer`, or -errno. */
static int ask_towards(const struct address *a, char buffer[ANSWER_SIZE])
{
	struct request q;

	begin(&q, RTM_GETROUTE, a->family);
	append_ip(&q, RTA_DST, a);
	return ask(&q, buffer);
}

static const struct rtattr *find_attribute(const struct nlmsghdr *h, size_t body, unsigned type)
{
	const struct rtattr *a =
		(const struct rtattr *)((const char *)h + NLMSG_LENGTH(NLMSG_ALIGN(body)));
	size_t left = h->nlmsg_len - NLMSG_LENGTH(NLMSG_ALIGN(body));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type)
			return a;
	return NULL;
}

int route_is_here(const struct address *a)
{
	char buffer[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = ask_towards(a, buffer);

	if (r < 0)
		return r == -ENETUNREACH || r == -EHOSTUNREACH ? 0 : r;
	return ((const struct rtmsg *)NLMSG_DATA((const struct nlmsghdr *)(const void *)buffer))
		       ->rtm_type == RTN_LOCAL;
}

/* The interface that packets to `a` leave by. */
static int interface_towards(const struct address *a, uint32_t *ret)
{
	char buffer[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct rtattr *out;
	int r = ask_towards(a, buffer);

	if (r < 0)
		return r;
	out = find_attribute((const struct nlmsghdr *)(const void *)buffer, sizeof(struct rtmsg),
			     RTA_OIF);
	if (!out)
		return -ENETUNREACH;
	memcpy(ret, RTA_DATA(out), sizeof(*ret));
	return 0;
}

static void take_ip(struct address *ret, int family, const void *ip)
{
	*ret = (struct address){.family = family == AF_INET ? ADDRESS_IPV4 : ADDRESS_IPV6};
	if (family == AF_INET) {
		ret->ip[10] = ret->ip[11] = 0xff;
		memcpy(ret->ip + 12, ip, 4);
	} else {
		memcpy(ret->ip, ip, 16);
	}
}

static void take_gateway(const struct nlmsghdr *h, int family, struct route *ret)
{
	const struct rtattr *gateway = find_attribute(h, sizeof(struct rtmsg), RTA_GATEWAY);
	const struct rtattr *via = find_attribute(h, sizeof(struct rtmsg), RTA_VIA);

	ret->has_gateway = gateway || via;
	if (gateway)
		take_ip(&ret->gateway, family, RTA_DATA(gateway));
	else if (via)
		take_ip(&ret->gateway, ((const struct rtvia *)RTA_DATA(via))->rtvia_family,
			((const struct rtvia *)RTA_DATA(via))->rtvia_addr);
}

static uint32_t route_mtu(const struct nlmsghdr *h)
{
	const struct rtattr *metrics = find_attribute(h, sizeof(struct rtmsg), RTA_METRICS), *m;
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
	char buffer[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buffer;
	const struct rtattr *out, *source;
	const struct rtmsg *route;
	int r = ask_towards(a, buffer);

	if (r < 0)
		return r;
	route = NLMSG_DATA(h);
	if (route->rtm_type == RTN_LOCAL)
		return 1;
	out = find_attribute(h, sizeof(*route), RTA_OIF);
	source = find_attribute(h, sizeof(*route), RTA_PREFSRC);
	if (route->rtm_type != RTN_UNICAST || !out || !source)
		return -ENETUNREACH;
	*ret = (struct route){.mtu = route_mtu(h)};
	memcpy(&ret->interface, RTA_DATA(out), sizeof(ret->interface));
	take_ip(&ret->source, route->rtm_family, RTA_DATA(source));
	take_gateway(h, route->rtm_family, ret);
	return 0;
}

int route_is_local(const struct address *source, const struct address *destination, uint32_t mark)
{
	char buffer[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct rtmsg *route;
	uint32_t interface;
	struct request q;
	int r = interface_towards(source, &interface);

	if (r < 0)
		return r;
	begin(&q, RTM_GETROUTE, source->family);
	append_ip(&q, RTA_SRC, source);
	append_ip(&q, RTA_DST, destination);
	append(&q, RTA_IIF, &interface, sizeof(interface));
	if (mark)
		append(&q, RTA_MARK, &mark, sizeof(mark));
	r = ask(&q, buffer);
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
		mark = find_attribute(h, sizeof(struct fib_rule_hdr), FRA_FWMARK);
		if (mark && n < n_max)
			memcpy(&marks[n++], RTA_DATA(mark), sizeof(marks[0]));
	}
	return n;
}

int route_rule_marks(enum address_family family, uint32_t *marks, size_t n_max)
{
	char buffer[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	_cleanup_(closep) int fd = -1;
	struct request q;
	bool done = false;
	size_t n = 0;
	int r = open_netlink(&fd);

	if (r < 0)
		return r;
	begin(&q, RTM_GETRULE, family);
	q.header.nlmsg_flags |= NLM_F_DUMP;
	if (send(fd, &q, q.header.nlmsg_len, 0) < 0)
		return -errno;
	while (!done) {
		ssize_t size = receive(fd, buffer, sizeof(buffer));

		if (size < 0)
			return (int)size;
		n = take_marks(buffer, (size_t)size, marks, n, n_max, &done);
	}
	return (int)n;
}
