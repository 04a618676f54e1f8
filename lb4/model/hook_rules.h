/* SPDX-License-Identifier: BSD-2-Clause */
/* Which interfaces are for the program at XDP, where the file leaves it open. */
#pragma once

#include <stdbool.h>

/*
 * Why one of that driver, whose hardware is on that bus ("" or "N/A": it has none), as ethtool(8) says, is for tc
 * alone: half a sentence. NULL: its driver may be asked.
 */
const char *hook_refuse_xdp(const char *driver, const char *bus);

/*
 * Whether that driver sends frames that others have redirected to it: of those that do XDP, for
 * kernels that do not say (before 6.3). Not all do, and what they are given is lost then.
 */
bool hook_is_known_to_send(const char *driver);

/* Whether a line of /proc/net/vlan/config, "eth0.5 | 5 | eth0", is of a VLAN on that interface. */
bool hook_line_has_vlan(const char *line, const char *interface);
