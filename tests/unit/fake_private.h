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

/* Gives the socket a new descriptor, or takes the one it has. */
void fake_give_fd(struct fake_socket *s);
void fake_take_fd(struct fake_socket *s);

/* Its last descriptor or place is gone. */
void fake_end(struct fake_socket *s, bool reset);

/* Byte of what the peer wrote. */
uint8_t fake_peer_byte(const struct fake_socket *s, uint64_t offset);

/* Takes over `n` bytes for the peer, which have to be the next of its partner's. */
void fake_accept_bytes(struct fake_socket *s, const uint8_t *data, uint64_t n);

/* Whether it points into a buffer that is handed out. */
bool fake_is_buffer(const uint8_t *data);

/* Whether an operation of the socket was begun, but not submitted. */
bool fake_is_queued(const struct fake_socket *s);
