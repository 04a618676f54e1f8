// SPDX-License-Identifier: BSD-2-Clause
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hook_rules.h"

/*
 * Bundles of segments come and go by these as one packet, with checksums that nobody has to calculate.
 * XDP knows neither: it would have them cut up, copied and summed.
 */
static const char *const bundling[] = {
	"hv_netvsc", "tun", "veth", "virtio_net", "vmxnet3", "xen_netfront",
};

const char *hook_refuse_xdp(const char *driver, const char *bus)
{
	for (size_t i = 0; i < sizeof(bundling) / sizeof(bundling[0]); i++)
		if (!strcmp(driver, bundling[i]))
			return "tc is faster with bundles of segments, which such links carry";
	return *bus && strcmp(bus, "N/A") != 0 ? NULL : "there is no hardware behind it";
}

/* With ndo_xdp_xmit() in Linux 6.1; not ixgbevf, nfp and nicvf. */
static const char *const senders[] = {
	"atlantic",  "bnxt_en",	  "ena",    "fsl_dpa",	  "fsl_dpaa2_eth", "fsl_enetc",
	"hv_netvsc", "i40e",	  "ice",    "igb",	  "igc",	   "ixgbe",
	"mana",	     "mlx5_core", "mvneta", "mvpp2",	  "qede",	   "sfc",
	"st_gmac",   "tun",	  "veth",   "virtio_net",
};

bool hook_is_known_to_send(const char *driver)
{
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
		if (!strcmp(driver, senders[i]))
			return true;
	return false;
}

bool hook_line_has_vlan(const char *line, const char *interface)
{
	char below[16]; /* names of interfaces have 15 bytes at most */

	return sscanf(line, "%*[^|]|%*[^|]| %15s", below) == 1 && !strcmp(below, interface);
}
