// SPDX-License-Identifier: BSD-2-Clause
/*
 * Short connections in a closed loop: connect, request, reply, close. Latency counts from before
 * connect to when the reply is there; closing is the next connection's time.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "commands.h"
#include "measure.h"
#include "options.h"
#include "request.h"
#include "socket.h"

#define BATCH 256

struct slot {
	int fd;
	bool sent;
	nsec_t started;
	struct request request;
};

static struct slot *slots;

/* Over veth the handshake is often done when connect() returns, so sending is worth a try. */
static bool try_to_send(struct slot *s)
{
	int r = request_send(&s->request, s->fd);

	s->sent = r == 0;
	if (r == 0 || r == -EAGAIN)
		return true;
	measure_error("send", -r);
	return false;
}

/* Opens one after another until one is under way. */
static void slot_open(struct slot *s)
{
	while (measure.errors < ERRORS_MAX) {
		s->started = clock_now();
		s->fd = socket_connect((uint32_t)(s - slots));
		if (s->fd < 0) {
			measure_error("connect", -s->fd);
			continue;
		}
		if (try_to_send(s))
			return;
		close(s->fd);
	}
}

static void slot_again(struct slot *s)
{
	close(s->fd);
	slot_open(s);
}

static void on_event(struct slot *s, uint32_t events)
{
	if (!s->sent && events & (EPOLLERR | EPOLLHUP)) {
		measure_error("connect", socket_error(s->fd));
		slot_again(s);
		return;
	}
	if (!s->sent && events & EPOLLOUT && !try_to_send(s)) {
		slot_again(s);
		return;
	}
	if (!s->sent || !(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	switch (request_receive(&s->request, s->fd)) {
	case REPLY_NOT_YET:
		return;
	case REPLY_WHOLE:
		measure_operation(clock_now() - s->started);
		break;
	case REPLY_WRONG:
		break;
	}
	slot_again(s);
}

/* Those under way since before the window opened. */
static uint64_t count_starved(size_t n)
{
	uint64_t starved = 0;

	for (size_t i = 0; i < n; i++)
		starved += slots[i].started < measure.begin.at;
	return starved;
}

int short_run(const struct options *o)
{
	struct epoll_event events[BATCH];
	nsec_t now;

	sockets_init();
	sockets_target(o);
	request_init(o->size);
	slots = calloc(o->count, sizeof(slots[0]));
	if (!slots)
		die("out of memory");
	measure_start(o);
	for (size_t i = 0; i < o->count; i++)
		slot_open(&slots[i]);
	while (measure_goes_on(now = clock_now())) {
		int n = sockets_wait(events, BATCH, measure_wait_ms(now));

		for (int i = 0; i < n; i++)
			on_event(&slots[events[i].data.u32], events[i].events);
	}
	return measure_print(count_starved(o->count));
}
