// SPDX-License-Identifier: BSD-2-Clause
/* Connections that do nothing once they are open; that one of them hears something is an error. */
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "measure.h"
#include "options.h"
#include "persistent.h"
#include "socket.h"

#define BATCH 256

/* Tags beyond those of connections. */
#define TAG_INPUT  UINT32_MAX
#define TAG_SIGNAL (UINT32_MAX - 1)

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd: %m");
	return fd;
}

/* Something that can end, unlike /dev/null; that is what daemons get. */
static bool input_may_end(void)
{
	struct stat st;

	return fstat(STDIN_FILENO, &st) == 0 &&
	       (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(STDIN_FILENO));
}

static bool is_end_of_input(void)
{
	char bytes[256];

	return read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0;
}

/* Until it is told to end. The last of the edges from when they were opened means nothing. */
static void hold(struct persistent *all)
{
	struct epoll_event events[BATCH];

	for (;;) {
		int n = sockets_wait(events, BATCH, -1);

		for (int i = 0; i < n; i++) {
			uint32_t tag = events[i].data.u32;

			if (tag == TAG_SIGNAL || (tag == TAG_INPUT && is_end_of_input()))
				return;
			if (tag == TAG_INPUT ||
			    !(events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
				continue;
			if (request_receive(&all[tag].request, all[tag].fd) != REPLY_NOT_YET)
				all[tag].open = false;
		}
	}
}

int idle_run(const struct options *o)
{
	struct persistent *all;
	bool opened;

	sockets_init();
	sockets_target(o);
	request_init(o->size);
	opened = persistent_open(o, &all);
	if (opened) {
		socket_watch(open_signals(), EPOLLIN, TAG_SIGNAL);
		if (input_may_end())
			socket_watch(STDIN_FILENO, EPOLLIN, TAG_INPUT);
		puts("ready");
		fflush(stdout);
		hold(all);
		persistent_reset(all, o->count);
	}
	printf("{\"connections\": %zu, \"errors\": %llu}\n", o->count,
	       (unsigned long long)measure.errors);
	return measure.errors != 0;
}
