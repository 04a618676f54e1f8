// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "notify.h"
#include "text.h"

static int take_socket(struct notify *n, const char *socket)
{
	if (!socket || !*socket)
		return 0;
	/* Other forms, such as vsock addresses, are for virtual machines. */
	if ((socket[0] != '/' && socket[0] != '@') || !socket[1])
		return -EINVAL;
	if (socket[0] == '@' && strlen(socket) > sizeof(((struct sockaddr_un *)0)->sun_path))
		return -EINVAL; /* no such name can exist */
	n->socket = strdup(socket);
	return n->socket ? 0 : -ENOMEM;
}

static int take_watchdog(struct notify *n, const char *usec, const char *pid,
			 const char **ret_wrong)
{
	uint64_t value, id;

	if (!usec)
		return 0;
	*ret_wrong = "WATCHDOG_PID";
	if (pid && text_parse_unsigned(pid, INT32_MAX, &id) < 0)
		return -EINVAL;
	if (pid && id != (uint64_t)getpid())
		return 0;
	*ret_wrong = "WATCHDOG_USEC";
	if (text_parse_unsigned(usec, UINT64_MAX / 1000, &value) < 0 || value == 0)
		return -EINVAL;
	n->watchdog_usec = value;
	return 0;
}

int notify_init(struct notify *n, const char *socket, const char *watchdog_usec,
		const char *watchdog_pid, const char **ret_wrong)
{
	int r;

	*n = (struct notify)NOTIFY_INIT;
	*ret_wrong = "NOTIFY_SOCKET";
	r = take_socket(n, socket);
	if (r < 0)
		return r;
	return take_watchdog(n, watchdog_usec, watchdog_pid, ret_wrong);
}

void notify_deinit(struct notify *n)
{
	free(n->socket);
	n->socket = NULL;
}

/*
 * A path that is too long for an address is reached through /proc, by a descriptor that stands for
 * the socket, and which must stay open until the address has been used.
 */
static int make_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_size, int *ret_fd)
{
	size_t length = strlen(name);

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (name[0] == '@') {
		memcpy(ret->sun_path + 1, name + 1, length - 1);
		*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
		return 0;
	}
	*ret_size = sizeof(*ret);
	if (length < sizeof(ret->sun_path)) {
		memcpy(ret->sun_path, name, length);
		return 0;
	}
	*ret_fd = open(name, O_PATH | O_CLOEXEC);
	if (*ret_fd < 0)
		return -errno;
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d", *ret_fd);
	return 0;
}

int notify_send(const struct notify *n, bool patience, const char *text)
{
	const struct timeval half_a_second = {.tv_usec = 500000};
	_cleanup_(closep) int fd = -1, path_fd = -1;
	struct sockaddr_un address;
	socklen_t size;
	int r;

	if (!n->socket)
		return 0;
	r = make_address(n->socket, &address, &size, &path_fd);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (patience)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &half_a_second, sizeof(half_a_second));
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL | (patience ? 0 : MSG_DONTWAIT),
		   (const struct sockaddr *)&address, size) < 0)
		return -errno;
	return 0;
}
