// SPDX-License-Identifier: BSD-2-Clause
/*
 * notify: a service manager's socket. Prints each message that arrives on one line, the lines of
 * the message separated by blanks, until SIGTERM.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "commands.h"
#include "common.h"
#include "loop.h"

static void on_message(struct watch *w, uint32_t events)
{
	char text[4096];
	ssize_t n;

	(void)events;
	while ((n = recv(w->fd, text, sizeof(text) - 1, 0)) >= 0) {
		text[n] = '\0';
		for (char *p = text; *p; p++)
			if (*p == '\n')
				*p = ' ';
		puts(text);
		fflush(stdout);
	}
}

int notify_main(int argc, char **argv)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct watch watch;
	int fd;

	if (argc != 2 || strlen(argv[1]) >= sizeof(sa.sun_path))
		die("notify takes the path of a socket");
	strcpy(sa.sun_path, argv[1]);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		die("%s: %s", argv[1], strerror(errno));
	loop_init();
	loop_watch(&watch, fd, EPOLLIN, on_message);
	puts("ready");
	fflush(stdout);
	loop_run();
	unlink(argv[1]);
	return 0;
}
