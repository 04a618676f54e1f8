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

/* The open socket with this descriptor. */
struct fake_socket *fake_find(int fd);
