// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "check_ports.h"
#include "cleanup.h"
#include "socket.h"

/* How many ports are asked for before it is given up. */
#define TRIES 32

static unsigned entry_of(uint16_t port)
{
	return port % LB4_CHECKS;
}

/* Binds to `want` (0: whichever), if nobody has it and no check has its entry. */
static int try(struct check_ports *p, const struct address *address, uint16_t want, int *ret_fd,
	       uint16_t *ret_port)
{
	_cleanup_(closep) int fd = -1;
	uint16_t port = want;
	int r = socket_new_marked(address, LB4_CHECK_MARK, &port, &fd);

	if (r < 0)
		return r;
	if (p->busy[entry_of(port)])
		return -EADDRINUSE;
	p->busy[entry_of(port)] = true;
	p->known[entry_of(port)] = port;
	*ret_fd = take_fd(fd);
	*ret_port = port;
	return (int)entry_of(port);
}

int check_ports_take(struct check_ports *p, const struct address *address, int *ret_fd,
		     uint16_t *ret_port)
{
	unsigned tries = 0;

	for (unsigned i = 0; i < LB4_CHECKS && tries < TRIES; i++) {
		unsigned entry = p->next++ % LB4_CHECKS;
		int r;

		if (p->busy[entry])
			continue;
		tries++;
		r = try(p, address, p->known[entry], ret_fd, ret_port);
		if (r != -EADDRINUSE)
			return r;
		/* Somebody else has it now. */
		p->known[entry] = 0;
	}
	return -EADDRNOTAVAIL;
}

void check_ports_release(struct check_ports *p, unsigned entry)
{
	p->busy[entry] = false;
}
