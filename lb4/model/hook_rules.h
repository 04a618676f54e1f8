/* SPDX-License-Identifier: BSD-2-Clause */
/* Which interfaces are for the program at XDP, where the file leaves it open. */
#pragma once

#include <stdbool.h>

/*
 * Why one of that driver, whose hardware is on that bus ("" or "N/A": it has none), as ethtool(8) says, is for tc
 * alone: half a sentence. NULL: its driver may be asked.
 */
const char *hook_refuse_xdp(const char *driver, const char *bus);

/* Whether a line of /proc/net/vlan/config, "eth0.5 | 5 | eth0", is of a VLAN on that interface. */
bool hook_line_has_vlan(const char *line, const char *interface);
