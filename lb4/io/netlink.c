// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "netlink.h"

int netlink_open(int *ret_fd)
{
	const struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*ret_fd = fd;
	return 0;
}

void netlink_begin(struct netlink_request *q, uint16_t type, const void *body, size_t size)
{
	*q = (struct netlink_request){
		.header = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
			   .nlmsg_type = type,
			   .nlmsg_flags = NLM_F_REQUEST},
	};
	memcpy(NLMSG_DATA(&q->header), body, size);
}

void netlink_append(struct netlink_request *q, uint16_t type, const void *value, size_t size)
{
	struct rtattr *a = (struct rtattr *)((char *)q + NLMSG_ALIGN(q->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(a), value, size);
	q->header.nlmsg_len = NLMSG_ALIGN(q->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

void netlink_append_ip(struct netlink_request *q, uint16_t type, const struct address *a)
{
	size_t skip = a->family == ADDRESS_IPV4 ? 12 : 0;

	netlink_append(q, type, a->ip + skip, 16 - skip);
}

ssize_t netlink_receive(int fd, void *buffer, size_t size)
{
	ssize_t n = recv(fd, buffer, size, 0);

	return n < 0 ? -errno : n;
}

int netlink_ask(const struct netlink_request *q, uint16_t answer, char buffer[NETLINK_ANSWER_SIZE])
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buffer;
	_cleanup_(closep) int fd = -1;
	int r = netlink_open(&fd);
	ssize_t n;

	if (r < 0)
		return r;
	if (send(fd, q, q->header.nlmsg_len, 0) < 0)
		return -errno;
	n = netlink_receive(fd, buffer, NETLINK_ANSWER_SIZE);
	if (n < 0)
		return (int)n;
	if (!NLMSG_OK(h, (size_t)n))
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR && (r = ((const struct nlmsgerr *)NLMSG_DATA(h))->error))
		return r;
	return h->nlmsg_type == answer ? 0 : -EPROTO;
}

int netlink_do(struct netlink_request *q)
{
	char buffer[NETLINK_ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));

	q->header.nlmsg_flags |= NLM_F_ACK;
	return netlink_ask(q, NLMSG_ERROR, buffer); /* an acknowledgement is error 0 */
}

const struct rtattr *netlink_find(const struct nlmsghdr *h, size_t body, unsigned type)
{
	const struct rtattr *a =
		(const struct rtattr *)((const char *)h + NLMSG_LENGTH(NLMSG_ALIGN(body)));
	size_t left = h->nlmsg_len - NLMSG_LENGTH(NLMSG_ALIGN(body));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type)
			return a;
	return NULL;
}

void netlink_take_ip(struct address *ret, int family, const void *ip)
{
	*ret = (struct address){.family = family == AF_INET ? ADDRESS_IPV4 : ADDRESS_IPV6};
	if (family == AF_INET) {
		ret->ip[10] = ret->ip[11] = 0xff;
		memcpy(ret->ip + 12, ip, 4);
	} else {
		memcpy(ret->ip, ip, 16);
	}
}

int netlink_family(const struct address *a)
{
	return a->family == ADDRESS_IPV4 ? AF_INET : AF_INET6;
}
