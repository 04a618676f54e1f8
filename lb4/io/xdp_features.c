// SPDX-License-Identifier: BSD-2-Clause
/* Generic netlink: the number of the family "netdev" is asked for first, then one device. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "xdp_features.h"

/* linux/netdev.h, which is newer than the headers. */
#define FAMILY		    "netdev"
#define COMMAND_GET	    1
#define ATTRIBUTE_INTERFACE 1
#define ATTRIBUTE_FEATURES  3

#define ANSWER_SIZE 8192

struct question {
	struct nlmsghdr header;
	struct genlmsghdr body;
	struct nlattr attribute;
	char value[16];
};

/* The body's attributes, in `answer`, or NULL and an error. */
struct answer {
	_Alignas(struct nlmsghdr) char bytes[ANSWER_SIZE];
	size_t size;
};

static struct question question(uint16_t family, uint8_t command, uint16_t attribute,
				const void *value, uint16_t size)
{
	struct question q = {
		.header = {.nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST},
		.body = {.cmd = command, .version = 1},
		.attribute = {.nla_type = attribute, .nla_len = (uint16_t)(NLA_HDRLEN + size)},
	};

	memcpy(q.value, value, size);
	q.header.nlmsg_len = (uint32_t)offsetof(struct question, attribute) +
			     (uint32_t)NLA_ALIGN(q.attribute.nla_len);
	return q;
}

static int ask(const struct question *q, struct answer *ret)
{
	const struct timeval patience = {.tv_sec = 1};
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)ret->bytes;
	const struct nlmsgerr *e = (const struct nlmsgerr *)(const void *)(h + 1);
	ssize_t n;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, q, q->header.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, ret->bytes, sizeof(ret->bytes), 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(h, (size_t)n))
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR)
		return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error ? e->error : -EPROTO;
	ret->size = h->nlmsg_len;
	return 0;
}

/* Copies the value of one attribute that has just that size. */
static int find_attribute(const struct answer *a, uint16_t type, void *ret, size_t size)
{
	size_t at = NLMSG_LENGTH(sizeof(struct genlmsghdr));

	while (at + NLA_HDRLEN <= a->size) {
		const struct nlattr *attribute =
			(const struct nlattr *)(const void *)(a->bytes + at);

		if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > a->size)
			return -EPROTO;
		if ((attribute->nla_type & NLA_TYPE_MASK) == type &&
		    attribute->nla_len == NLA_HDRLEN + size) {
			memcpy(ret, a->bytes + at + NLA_HDRLEN, size);
			return 0;
		}
		at += NLA_ALIGN(attribute->nla_len);
	}
	return -EPROTO;
}

int xdp_features_find(uint32_t interface, uint64_t *ret)
{
	struct question q = question(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME,
				     FAMILY, sizeof(FAMILY));
	struct answer answer;
	uint16_t family = 0;
	int r = ask(&q, &answer);

	if (r == -ENOENT)
		return -EOPNOTSUPP;
	if (r == 0)
		r = find_attribute(&answer, CTRL_ATTR_FAMILY_ID, &family, sizeof(family));
	if (r < 0)
		return r;
	q = question(family, COMMAND_GET, ATTRIBUTE_INTERFACE, &interface, sizeof(interface));
	r = ask(&q, &answer);
	return r < 0 ? r : find_attribute(&answer, ATTRIBUTE_FEATURES, ret, sizeof(*ret));
}
