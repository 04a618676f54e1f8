/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames, made and judged by the rules of the RFCs rather than by the programs' own code. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 4096

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

struct segment {
	char from[46], to[46]; /* addresses, of one family */
	uint16_t from_port, to_port;
	uint32_t sequence, acknowledged;
	uint8_t flags;
	uint8_t hops;
	uint16_t mss;	  /* 0: no such option */
	unsigned padding; /* NOPs before it */
	size_t n_payload; /* bytes 0, 1, 2, … */
};

struct frame {
	uint8_t data[FRAME_MAX];
	size_t size;
};

/* A frame with right checksums. */
void frame_make(struct frame *f, const struct segment *s);

/* Reads a frame; false, with a line on standard error: something in it is wrong, checksums
 * included. */
bool frame_read(const struct frame *f, struct segment *ret);

/* Makes the checksums right again, after something was changed. */
void frame_finish(struct frame *f);

/*
 * An ICMP error from there, that the packet is too big for `mtu`, to who sent it: with its IP header
 * and 8 bytes more.
 */
void frame_quote(struct frame *f, const char *from, const struct frame *about, uint16_t mtu);

/* Reads one: the addresses and hops of itself, and what it says of the packet. As frame_read(). */
bool frame_read_quote(const struct frame *f, struct segment *ret, struct segment *ret_quoted,
		      uint16_t *ret_mtu);

bool frame_is_ipv6(const struct frame *f);
