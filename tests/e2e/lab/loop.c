// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "list.h"
#include "loop.h"

#define BATCH 256

struct loop loop = {.epoll = -1};

static void on_signal(int number)
{
	(void)number;
	loop.stop = true;
}

void loop_init(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop.epoll < 0)
		die("epoll_create1: %m");
	loop.now = clock_now();
}

void loop_watch(struct watch *w, int fd, uint32_t events,
		void (*on_event)(struct watch *w, uint32_t events))
{
	struct epoll_event event = {.events = events, .data.ptr = w};

	*w = (struct watch){.fd = fd, .events = events, .on_event = on_event};
	if (epoll_ctl(loop.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl: %m");
}

void loop_change(struct watch *w, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = w};

	if (w->events == events)
		return;
	w->events = events;
	if (epoll_ctl(loop.epoll, EPOLL_CTL_MOD, w->fd, &event) < 0)
		die("epoll_ctl: %m");
}

void loop_close(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

void loop_reset(struct watch *w)
{
	struct linger linger = {.l_onoff = 1};

	if (w->fd >= 0)
		setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	loop_close(w);
}

void loop_arm(struct alarm *a, nsec_t deadline, void (*on_alarm)(struct alarm *a))
{
	a->on_alarm = on_alarm;
	if (heap_reserve(&loop.alarms, loop.alarms.n_timers + 1) < 0)
		die("out of memory");
	heap_arm(&loop.alarms, &a->timer, deadline);
}

void loop_disarm(struct alarm *a)
{
	heap_disarm(&loop.alarms, &a->timer);
}

static void wait_and_dispatch(void)
{
	struct epoll_event events[BATCH];
	nsec_t next = heap_next(&loop.alarms);
	struct timespec timeout = {};
	int n;

	if (next > loop.now) {
		timeout.tv_sec = (time_t)((next - loop.now) / NSEC_PER_SEC);
		timeout.tv_nsec = (long)((next - loop.now) % NSEC_PER_SEC);
	}
	n = epoll_pwait2(loop.epoll, events, BATCH, next == NSEC_NEVER ? NULL : &timeout, NULL);
	if (n < 0 && errno != EINTR)
		die("epoll_pwait2: %m");
	loop.now = clock_now();
	for (int i = 0; i < n; i++) {
		struct watch *w = events[i].data.ptr;

		w->on_event(w, events[i].events);
	}
}

void loop_run(void)
{
	while (!loop.stop) {
		struct timer *t;

		wait_and_dispatch();
		while ((t = heap_pop(&loop.alarms, loop.now))) {
			struct alarm *a = container_of(t, struct alarm, timer);

			a->on_alarm(a);
		}
	}
}
