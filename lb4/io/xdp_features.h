/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver of an interface says that it can do at XDP (Linux 6.3). */
#pragma once

#include <stdint.h>

#define XDP_CAN_SEND	   0x04u /* frames from other interfaces */
#define XDP_CAN_SEND_PARTS 0x40u /* such that come in several parts */

/* -EOPNOTSUPP: the kernel has no such question; -ENODEV; others as of netlink. */
int xdp_features_find(uint32_t interface, uint64_t *ret);
