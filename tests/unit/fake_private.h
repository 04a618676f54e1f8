/* SPDX-License-Identifier: BSD-2-Clause */
/* What fake_kernel.c (sockets) and fake_ring.c (operations) share. */
#pragma once

#include "fake_kernel.h"
#include "test.h"

#define fake_check(condition, ...)                                                                 \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg(__VA_ARGS__);                                                     \
	} while (0)

/* Takes the first client of a listener, unless descriptors are short; NULL: none. */
struct fake_socket *fake_arrive(struct fake_socket *listener);

/* The open socket with this descriptor. */
struct fake_socket *fake_find(int fd);
