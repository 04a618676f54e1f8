// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>
#include <sys/socket.h>

#include "neighbour.h"
#include "netlink.h"

#define RESOLVED (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

static enum neighbour_state state_of(const struct ndmsg *m, const struct rtattr *mac)
{
	if (m->ndm_state & NUD_FAILED)
		return NEIGHBOUR_FAILED;
	return (m->ndm_state & RESOLVED) && mac ? NEIGHBOUR_RESOLVED : NEIGHBOUR_UNKNOWN;
}

bool neighbour_read(const struct nlmsghdr *h, struct neighbour *ret)
{
	const struct ndmsg *m = NLMSG_DATA(h);
	const struct rtattr *address, *mac, *flags;
	size_t size;
	uint32_t more = 0;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
	    (m->ndm_family != AF_INET && m->ndm_family != AF_INET6))
		return false;
	size = m->ndm_family == AF_INET ? 4 : 16;
	address = netlink_find(h, sizeof(*m), NDA_DST);
	mac = netlink_find(h, sizeof(*m), NDA_LLADDR);
	flags = netlink_find(h, sizeof(*m), NDA_FLAGS_EXT);
	if (!address || RTA_PAYLOAD(address) != size || (mac && RTA_PAYLOAD(mac) != 6))
		return false;
	if (flags && RTA_PAYLOAD(flags) == sizeof(more))
		memcpy(&more, RTA_DATA(flags), sizeof(more));
	*ret = (struct neighbour){.interface = (uint32_t)m->ndm_ifindex};
	netlink_take_ip(&ret->address, m->ndm_family, RTA_DATA(address));
	ret->managed = more & NTF_EXT_MANAGED;
	ret->fixed =
		(m->ndm_state & (NUD_PERMANENT | NUD_NOARP)) || (m->ndm_flags & NTF_EXT_LEARNED);
	if (h->nlmsg_type != RTM_DELNEIGH)
		ret->state = state_of(m, mac);
	if (ret->state == NEIGHBOUR_RESOLVED)
		memcpy(ret->mac, RTA_DATA(mac), sizeof(ret->mac));
	return true;
}

static void begin(struct netlink_request *q, uint16_t type, uint32_t interface,
		  const struct address *a, uint8_t flags)
{
	const struct ndmsg body = {
		.ndm_family = (uint8_t)netlink_family(a),
		.ndm_ifindex = (int)interface,
		.ndm_flags = flags,
	};

	netlink_begin(q, type, &body, sizeof(body));
	netlink_append_ip(q, NDA_DST, a);
}

int neighbour_find(uint32_t interface, const struct address *a, struct neighbour *ret)
{
	char buffer[NETLINK_ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct netlink_request q;
	int r;

	begin(&q, RTM_GETNEIGH, interface, a, 0);
	r = netlink_ask(&q, RTM_NEWNEIGH, buffer);
	if (r == -ENOENT) {
		*ret = (struct neighbour){.interface = interface, .address = *a};
		return 0;
	}
	if (r < 0)
		return r;
	return neighbour_read((const struct nlmsghdr *)(const void *)buffer, ret) ? 0 : -EPROTO;
}

int neighbour_use(uint32_t interface, const struct address *a, bool keep)
{
	const uint32_t flags = NTF_EXT_MANAGED;
	struct netlink_request q;

	begin(&q, RTM_NEWNEIGH, interface, a, NTF_USE);
	if (keep) {
		q.header.nlmsg_flags |= NLM_F_CREATE;
		netlink_append(&q, NDA_FLAGS_EXT, &flags, sizeof(flags));
	}
	return netlink_do(&q);
}
