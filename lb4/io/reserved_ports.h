/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that the kernel does not give to sockets by itself: net.ipv4.ip_local_reserved_ports, of
 * the network namespace. */
#pragma once

#include <stdint.h>

/* Adds `low` to `high` to those that are reserved. 1: they were already; 0; or -errno. */
int reserved_ports_add(uint16_t low, uint16_t high);
