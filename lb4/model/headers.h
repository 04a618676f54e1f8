/* SPDX-License-Identifier: BSD-2-Clause */
/* What an Ethernet frame says, of which there may be only the beginning: for people to read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

struct headers {
	bool is_ip; /* else nothing below holds */
	bool fragment;
	bool has_ports;	  /* those of the addresses */
	uint8_t protocol; /* IPPROTO_*, after IPv6's fragment header */
	struct address from, to;
	bool has_tcp; /* else nothing below holds */
	uint8_t flags;
	uint16_t window; /* as it stands there, not scaled */
	uint32_t sequence, acknowledged;
	uint32_t payload; /* bytes that TCP carries */
};

/* `size` bytes, of which the first `kept` are there. */
void headers_read(const uint8_t *bytes, size_t kept, uint32_t size, struct headers *ret);

#define TCP_FLAGS_MAX 40

/* "SYN,ACK"; "" without any. Returns `buffer`. */
char *headers_print_flags(uint8_t flags, char buffer[TCP_FLAGS_MAX]);
