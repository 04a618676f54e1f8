/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PROXY protocol, versions 1 and 2: a header before a connection's bytes that says whom a proxy
 * speaks for. "The PROXY protocol", Willy Tarreau, revision of 2020/03/05; sections by their
 * numbers there. Pure functions over bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

enum proxy_version {
	PROXY_NONE,
	PROXY_V1, /* §2.1: a line of text */
	PROXY_V2, /* §2.2: binary, with TLVs */
};

/* Longest header that is written: version 2 with IPv6 addresses, unique id and checksum. */
#define PROXY_UNIQUE_ID_MAX   128 /* §2.2.5 */
#define PROXY_HEADER_SIZE_MAX (16 + 36 + 3 + PROXY_UNIQUE_ID_MAX + 3 + 4)

/* Longest that is read: TLVs may hold more than lb4 has use for, such as certificates' names. */
#define PROXY_READ_SIZE_MAX 8192

struct proxy_header {
	enum proxy_version version;
	bool local;	    /* the proxy speaks for itself, as in its health checks */
	bool has_addresses; /* else the proxy does not know them */
	struct address source, destination;
	const uint8_t *unique_id; /* PP2_TYPE_UNIQUE_ID, into what was read; NULL: none */
	size_t unique_id_size;
	size_t size; /* bytes of the whole header */
};

enum proxy_result {
	PROXY_MORE,   /* so far it may become one */
	PROXY_READ,   /* *ret is filled */
	PROXY_ABSENT, /* these bytes do not begin a header */
	PROXY_BROKEN, /* they begin one that breaks the rules; *ret_why says which */
};

/*
 * Reads a header from the first `size` bytes of a connection. A checksum that is there must be
 * right (§2.2.3). Never reads past the header: what follows is the client's.
 */
enum proxy_result proxy_header_read(const uint8_t *data, size_t size, struct proxy_header *ret,
				    const char **ret_why);

/*
 * Writes the header of `h->version` (not PROXY_NONE) to `buffer` (PROXY_HEADER_SIZE_MAX bytes) and
 * returns its size. Version 2 carries a checksum, and the unique id if there is one. Without
 * addresses version 1 says UNKNOWN and version 2 UNSPEC.
 */
size_t proxy_header_print(const struct proxy_header *h, uint8_t *buffer);

/* CRC32c (Castagnoli; RFC 3720 §B.4), `crc` 0 to begin with. */
uint32_t proxy_crc32c(uint32_t crc, const void *data, size_t size);
