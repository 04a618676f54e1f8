// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel's messages say of neighbours. */
#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>

#include "neighbour.h"
#include "netlink.h"

#include "test.h"

#define MAC "\x02\0\0\0\0\x07"

struct row {
	uint16_t state;
	uint8_t flags;
	uint32_t more;
	enum neighbour_state expected;
	bool managed, fixed;
};

static struct netlink_request message(uint16_t type, const char *ip, uint16_t state, uint8_t flags)
{
	struct ndmsg body = {.ndm_ifindex = 5, .ndm_state = state, .ndm_flags = flags};
	struct netlink_request q;
	struct address a;
	const char *reason;

	assert_int_equal(address_parse(ip, false, &a, &reason), 0);
	body.ndm_family = (uint8_t)netlink_family(&a);
	netlink_begin(&q, type, &body, sizeof(body));
	netlink_append_ip(&q, NDA_DST, &a);
	return q;
}

static void states(void **state)
{
	static const struct row rows[] = {
		{NUD_REACHABLE, 0, 0, NEIGHBOUR_RESOLVED, false, false},
		{NUD_STALE, 0, NTF_EXT_MANAGED, NEIGHBOUR_RESOLVED, true, false},
		{NUD_DELAY, NTF_ROUTER, 0, NEIGHBOUR_RESOLVED, false, false},
		{NUD_PROBE, 0, 0, NEIGHBOUR_RESOLVED, false, false},
		{NUD_PERMANENT, 0, 0, NEIGHBOUR_RESOLVED, false, true},
		{NUD_NOARP, 0, 0, NEIGHBOUR_RESOLVED, false, true},
		{NUD_REACHABLE, NTF_EXT_LEARNED, 0, NEIGHBOUR_RESOLVED, false, true},
		{NUD_INCOMPLETE, 0, NTF_EXT_MANAGED, NEIGHBOUR_UNKNOWN, true, false},
		{NUD_NONE, 0, 0, NEIGHBOUR_UNKNOWN, false, false},
		{NUD_FAILED, 0, 0, NEIGHBOUR_FAILED, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct netlink_request q = message(
			RTM_NEWNEIGH, i & 1 ? "[fd00::7]:1" : "10.0.0.7:1", r->state, r->flags);
		struct neighbour n;

		netlink_append(&q, NDA_LLADDR, MAC, 6);
		if (r->more)
			netlink_append(&q, NDA_FLAGS_EXT, &r->more, sizeof(r->more));
		assert_true(neighbour_read(&q.header, &n));
		assert_int_equal(n.interface, 5);
		assert_int_equal(n.address.family, i & 1 ? ADDRESS_IPV6 : ADDRESS_IPV4);
		assert_int_equal(n.address.ip[15], 7);
		assert_int_equal(n.address.port, 0);
		assert_int_equal(n.state, r->expected);
		assert_int_equal(n.managed, r->managed);
		assert_int_equal(n.fixed, r->fixed);
		assert_memory_equal(n.mac, r->expected == NEIGHBOUR_RESOLVED ? MAC : "\0\0\0\0\0\0",
				    6);
		/* The same that has gone. */
		q.header.nlmsg_type = RTM_DELNEIGH;
		assert_true(neighbour_read(&q.header, &n));
		assert_int_equal(n.state, NEIGHBOUR_UNKNOWN);
	}
}

static void others(void **state)
{
	struct netlink_request q = message(RTM_NEWNEIGH, "10.0.0.7:1", NUD_REACHABLE, 0);
	const struct ndmsg bridge = {.ndm_family = AF_BRIDGE}, bare = {.ndm_family = AF_INET};
	struct neighbour n;

	(void)state;
	/* Without a MAC address it is none that helps. */
	assert_true(neighbour_read(&q.header, &n));
	assert_int_equal(n.state, NEIGHBOUR_UNKNOWN);
	netlink_append(&q, NDA_LLADDR, MAC "12345678901234", 20); /* InfiniBand's */
	assert_false(neighbour_read(&q.header, &n));
	netlink_begin(&q, RTM_NEWNEIGH, &bridge, sizeof(bridge));
	netlink_append(&q, NDA_LLADDR, MAC, 6);
	assert_false(neighbour_read(&q.header, &n));
	netlink_begin(&q, RTM_NEWNEIGH, &bare, sizeof(bare));
	assert_false(neighbour_read(&q.header, &n));
	netlink_append(&q, NDA_DST, MAC, 3);
	assert_false(neighbour_read(&q.header, &n));
	q.header.nlmsg_len = NLMSG_LENGTH(2);
	assert_false(neighbour_read(&q.header, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states),
		cmocka_unit_test(others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
