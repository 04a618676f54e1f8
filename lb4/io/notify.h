/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service manager's side of sd_notify(3): datagrams of VARIABLE=VALUE lines to the socket that
 * NOTIFY_SOCKET names. Each is sent on a socket of its own: the manager may have been replaced.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct notify {
	char *socket;		/* a path, or '@' and an abstract name; NULL: nobody listens */
	uint64_t watchdog_usec; /* the manager wants a sign of life this often; 0: does not */
};

#define NOTIFY_INIT                                                                                \
	{                                                                                          \
	}

/*
 * Takes the words of the environment (NULL: not set): NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID,
 * which may mean another process. -EINVAL when one is malformed, with its name in *ret_wrong, the
 * others being taken; -ENOMEM.
 */
int notify_init(struct notify *n, const char *socket, const char *watchdog_usec,
		const char *watchdog_pid, const char **ret_wrong);
void notify_deinit(struct notify *n);

/*
 * 0 when it was sent, or nobody listens. With `patience` it waits for half a second when the
 * manager does not keep up. -errno.
 */
int notify_send(const struct notify *n, bool patience, const char *text);
