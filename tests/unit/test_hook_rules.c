// SPDX-License-Identifier: BSD-2-Clause
#include <stdbool.h>

#include "hook_rules.h"

#include "test.h"

static void drivers(void **state)
{
	static const struct {
		const char *driver, *bus;
		bool wanted;
	} cases[] = {
		{"mlx5_core", "0000:81:00.0", true},
		{"i40e", "0000:01:00.1", true},
		{"ena", "0000:00:05.0", true},
		{"virtio_net", "0000:00:03.0", false}, /* hardware on a bus, and yet none */
		{"vmxnet3", "0000:0b:00.0", false},
		{"veth", "", false},
		{"bridge", "N/A", false},
		{"bonding", "", false},
		{"802.1Q VLAN Support", "", false},
		{"tun", "tap", false},
		{"unknown", "", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if ((hook_refuse_xdp(cases[i].driver, cases[i].bus) == NULL) != cases[i].wanted)
			fail_msg("%s", cases[i].driver);
}

static void senders(void **state)
{
	static const char *const sending[] = {"i40e", "mlx5_core", "veth", "virtio_net"};
	static const char *const others[] = {"ixgbevf", "nfp", "e1000e", "mlx4_en", "unknown", ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sending); i++)
		assert_true(hook_is_known_to_send(sending[i]));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(hook_is_known_to_send(others[i]));
}

static void vlans(void **state)
{
	static const struct {
		const char *line, *interface;
		bool has;
	} cases[] = {
		{"VLAN Dev name\t | VLAN ID\n", "VLAN", false},
		{"Name-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n", "eth0", false},
		{"eth0.5         | 5  | eth0\n", "eth0", true},
		{"eth0.5         | 5  | eth0\n", "eth0.5", false},
		{"eth0.5         | 5  | eth0\n", "eth", false},
		{"v4094          | 4094  | fifteen-letters\n", "fifteen-letters", true},
		{"||", "", false},
		{"", "eth0", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (hook_line_has_vlan(cases[i].line, cases[i].interface) != cases[i].has)
			fail_msg("%s: %s", cases[i].interface, cases[i].line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drivers),
		cmocka_unit_test(senders),
		cmocka_unit_test(vlans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
