/* SPDX-License-Identifier: BSD-2-Clause */
/* Network interfaces, as the kernel has them now. */
#pragma once

#include <stdint.h>

struct interface {
	uint32_t index;
	uint32_t mtu;
	uint8_t mac[6];
};

/* -ENODEV: there is none of that name; -EAFNOSUPPORT: it has no Ethernet addresses. */
int interface_find(const char *name, struct interface *ret);

/* Its MTU, or -ENODEV. */
int interface_mtu(uint32_t index, uint32_t *ret);
