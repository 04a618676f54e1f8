// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "measure.h"
#include "persistent.h"
#include "socket.h"

#define BATCH 256
/* At a time: fewer than the listen queue of any balancer holds. */
#define OPENING_MAX 64
/* When nothing has happened for so long, nothing will. */
#define PATIENCE_MS 5000

bool persistent_send(struct persistent *p, nsec_t now)
{
	int r;

	p->sent_at = now;
	r = request_send(&p->request, p->fd);
	if (r == 0)
		return true;
	measure_error("send", -r);
	return false;
}

static bool start(struct persistent *p, uint32_t tag)
{
	int yes = 1;

	p->fd = socket_connect(tag);
	if (p->fd < 0) {
		measure_error("connect", -p->fd);
		return false;
	}
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	return true;
}

/* The first event is that it is connected, or that it cannot be. */
static bool on_event(struct persistent *p, uint32_t events)
{
	if (p->request.number == 0) {
		int error = socket_error(p->fd);

		if (error) {
			measure_error("connect", error);
			return false;
		}
		return persistent_send(p, 0);
	}
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)) || p->open)
		return true;
	switch (request_receive(&p->request, p->fd)) {
	case REPLY_NOT_YET:
		break;
	case REPLY_WHOLE:
		p->open = true;
		break;
	case REPLY_WRONG:
		return false;
	}
	return true;
}

bool persistent_open(const struct options *o, struct persistent **ret)
{
	struct persistent *all = calloc(o->count, sizeof(all[0]));
	struct epoll_event events[BATCH];
	size_t n_started = 0, n_open = 0;

	if (!all)
		die("out of memory");
	*ret = all;
	while (n_open < o->count) {
		int n;

		while (n_started < o->count && n_started - n_open < OPENING_MAX) {
			if (!start(&all[n_started], (uint32_t)n_started))
				return false;
			n_started++;
		}
		n = sockets_wait(events, BATCH, PATIENCE_MS);
		if (n == 0) {
			measure_error("connections do not open", ETIMEDOUT);
			return false;
		}
		for (int i = 0; i < n; i++) {
			struct persistent *p = &all[events[i].data.u32];
			bool was_open = p->open;

			if (!on_event(p, events[i].events))
				return false;
			n_open += p->open && !was_open;
		}
	}
	return true;
}

void persistent_reset(struct persistent *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (all[i].open)
			socket_reset(all[i].fd);
	}
}
