// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "hook_rules.h"
#include "interface.h"

_Static_assert(INTERFACE_NAME_SIZE == IF_NAMESIZE, "names of interfaces");

static int ask(unsigned long what, struct ifreq *q)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, what, q) < 0)
		return -errno;
	return 0;
}

/* Of the interface with the name in `q`. */
static int describe(struct ifreq *q, struct interface *ret)
{
	int r = ask(SIOCGIFINDEX, q);

	if (r < 0)
		return r;
	ret->index = (uint32_t)q->ifr_ifindex;
	r = ask(SIOCGIFHWADDR, q);
	if (r < 0)
		return r;
	if (q->ifr_hwaddr.sa_family != ARPHRD_ETHER && q->ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
		return -EAFNOSUPPORT;
	memcpy(ret->mac, q->ifr_hwaddr.sa_data, sizeof(ret->mac));
	r = ask(SIOCGIFMTU, q);
	if (r < 0)
		return r;
	ret->mtu = (uint32_t)q->ifr_mtu;
	return 0;
}

int interface_find(const char *name, struct interface *ret)
{
	struct ifreq q = {};

	if (strlen(name) >= sizeof(q.ifr_name))
		return -ENODEV;
	strcpy(q.ifr_name, name);
	return describe(&q, ret);
}

int interface_find_driver(const char *name, struct interface_driver *ret)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq q = {.ifr_data = (char *)&info};
	int r;

	_Static_assert(sizeof(info.driver) == sizeof(ret->name), "both have room for the same");
	_Static_assert(sizeof(info.bus_info) == sizeof(ret->bus), "both have room for the same");
	if (strlen(name) >= sizeof(q.ifr_name))
		return -ENODEV;
	strcpy(q.ifr_name, name);
	r = ask(SIOCETHTOOL, &q);
	if (r < 0)
		return r;
	memcpy(ret->name, info.driver, sizeof(ret->name));
	memcpy(ret->bus, info.bus_info, sizeof(ret->bus));
	ret->name[sizeof(ret->name) - 1] = ret->bus[sizeof(ret->bus) - 1] = '\0';
	return 0;
}

bool interface_has_vlans(const char *name)
{
	FILE *file = fopen("/proc/self/net/vlan/config", "re");
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = hook_line_has_vlan(line, name);
	if (file)
		fclose(file);
	return found;
}

int interface_at(uint32_t index, struct interface *ret)
{
	struct ifreq q = {};

	return if_indextoname(index, q.ifr_name) ? describe(&q, ret) : -ENODEV;
}

const char *interface_name(uint32_t index, char buffer[INTERFACE_NAME_SIZE])
{
	return if_indextoname(index, buffer) ? buffer : NULL;
}
