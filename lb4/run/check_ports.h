/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which ports of ours checks have that take the path of clients' packets. An answer of such a check
 * comes from the VIP, whichever backend it is of: so it is the port that tells them apart, and no two
 * checks under way have the same. They are the kernel's to choose, and chosen again and again, each
 * as late as possible: there are LB4_CHECKS at most that others cannot have. One thread's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "lb4_check.h"

struct check_ports {
	uint16_t known[LB4_CHECKS]; /* by the port's low bits: the last one; 0: none */
	bool busy[LB4_CHECKS];
	unsigned next; /* where the last one was found, and one more */
};

/*
 * A socket for `address` whose packets are marked, bound to a port that no other check has: its entry
 * of LB4_CHECKS, to be given back with check_ports_release(). -errno; -EADDRNOTAVAIL: no port.
 */
int check_ports_take(struct check_ports *p, const struct address *address, int *ret_fd,
		     uint16_t *ret_port);

/* The connection is over for us. Its entry stays, since the kernel says goodbye by it. */
void check_ports_release(struct check_ports *p, unsigned entry);
