/* SPDX-License-Identifier: BSD-2-Clause */
/* Network interfaces, as the kernel has them now. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct interface {
	uint32_t index;
	uint32_t mtu;
	uint8_t mac[6];
};

/* -ENODEV: there is none of that name; -EAFNOSUPPORT: it has no Ethernet addresses. */
int interface_find(const char *name, struct interface *ret);

/* The same by its index. */
int interface_at(uint32_t index, struct interface *ret);

#define INTERFACE_NAME_SIZE 16

/* Its name, in `buffer`; NULL: there is none. */
const char *interface_name(uint32_t index, char buffer[INTERFACE_NAME_SIZE]);

/* Who drives it, as ethtool(8) says: -EOPNOTSUPP where nobody does. */
struct interface_driver {
	char name[32];
	char bus[32]; /* where its hardware is; "": it has none */
};
int interface_find_driver(const char *name, struct interface_driver *ret);

/* Whether there are VLAN interfaces on top of it. */
bool interface_has_vlans(const char *name);
