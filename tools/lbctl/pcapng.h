/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes packets as a pcapng file (draft-ietf-opsawg-pcapng), which tcpdump and wireshark read. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PCAPNG_INTERFACES_MAX 32
#define PCAPNG_NAME_MAX	      32
#define PCAPNG_BYTES_MAX      256
#define PCAPNG_TEXT_MAX	      512 /* of a comment; the rest is cut off */

struct pcapng {
	FILE *file;
	uint32_t snap;
	char interfaces[PCAPNG_INTERFACES_MAX][PCAPNG_NAME_MAX]; /* as they were told */
	size_t n_interfaces;
};

struct pcapng_packet {
	uint64_t wall; /* ns */
	const char *interface;
	const char *comment;
	const uint8_t *bytes;
	size_t kept; /* up to PCAPNG_BYTES_MAX */
	uint32_t size;
};

/* `file` stays the caller's, and says whether writing failed. `snap` bytes of a packet are kept. */
void pcapng_begin(struct pcapng *p, FILE *file, uint32_t snap);
void pcapng_write(struct pcapng *p, const struct pcapng_packet *packet);
