// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests on connections that stay, one outstanding on each: the next is sent when the reply is
 * there. All are open before the warm-up begins.
 */
#include <sys/epoll.h>

#include "commands.h"
#include "measure.h"
#include "options.h"
#include "persistent.h"
#include "socket.h"

#define BATCH 256

/* A connection that failed is left alone: the trial is void anyway. */
static void on_event(struct persistent *p, uint32_t events)
{
	nsec_t now;

	if (!p->open || !(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	switch (request_receive(&p->request, p->fd)) {
	case REPLY_NOT_YET:
		return;
	case REPLY_WHOLE:
		now = clock_now();
		measure_operation(now - p->sent_at);
		p->open = persistent_send(p, now);
		return;
	case REPLY_WRONG:
		p->open = false;
		return;
	}
}

static uint64_t count_starved(const struct persistent *all, size_t n)
{
	uint64_t starved = 0;

	for (size_t i = 0; i < n; i++)
		starved += all[i].sent_at < measure.begin.at;
	return starved;
}

int pingpong_run(const struct options *o)
{
	struct epoll_event events[BATCH];
	struct persistent *all;
	int status;
	nsec_t now;

	sockets_init();
	sockets_target(o);
	request_init(o->size);
	if (!persistent_open(o, &all))
		return measure_print(0);
	measure_start(o);
	for (size_t i = 0; i < o->count; i++)
		all[i].open = persistent_send(&all[i], clock_now());
	while (measure_goes_on(now = clock_now())) {
		int n = sockets_wait(events, BATCH, measure_wait_ms(now));

		for (int i = 0; i < n; i++)
			on_event(&all[events[i].data.u32], events[i].events);
	}
	status = measure_print(count_starved(all, o->count));
	persistent_reset(all, o->count);
	return status;
}
