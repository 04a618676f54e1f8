/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a TLS ClientHello (RFC 8446, 4.1.2) out of the first bytes of a connection, for what a
 * load balancer may know without ending TLS: the server's name (RFC 6066) and the application
 * protocols the client offers (RFC 7301, ALPN). Pure: bytes in, words out.
 *
 * The message may lie in any number of records, cut anywhere. A call costs what has come since the
 * last one: `scan` remembers how far the records were followed, and the message itself is looked at
 * once, when it is there. What is not needed here is not judged: cipher suites, versions, other
 * extensions and what follows the ClientHello are the server's to accept or refuse, and reserved
 * (GREASE) values mean nothing to us. Lengths are held against one another throughout.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "server_name.h"

/* The most that is ever held of a client, and therefore the largest ClientHello. */
#define CLIENT_HELLO_MAX HELLO_BYTES_MAX

enum client_hello_result {
	CLIENT_HELLO_DONE,
	CLIENT_HELLO_MORE,	/* a ClientHello so far */
	CLIENT_HELLO_NOT_TLS,	/* something else from its first bytes on */
	CLIENT_HELLO_MALFORMED, /* TLS, but not a ClientHello that makes sense */
	CLIENT_HELLO_TOO_LONG,	/* will not be complete within the limit */
};

/* How far the records were followed; all zero to begin with. */
struct client_hello_scan {
	uint32_t record;   /* offset of the record that is being read */
	uint32_t gathered; /* bytes of the message in the records before it */
	uint32_t size;	   /* of the message; 0: not known yet */
};

struct client_hello {
	/* One of a few words why the result is what it is, such as "sni-name"; NULL when done. */
	const char *why;
	bool has_sni;
	char sni[SERVER_NAME_MAX + 1]; /* as server_name_read() gives it; else "" */
	/* Protocols as they lie in the message: a length byte, then so many bytes. Empty: none
	 * offered. In `data` or in `scratch`. */
	const uint8_t *alpn;
	size_t alpn_size;
};

/*
 * `data` are all `size` bytes received so far, with `limit` of them the most there will be (at most
 * CLIENT_HELLO_MAX). `scratch` is used when the message is cut in several records. *ret is written
 * unless more is needed.
 */
enum client_hello_result client_hello_read(struct client_hello_scan *scan, const uint8_t *data,
					   size_t size, size_t limit,
					   uint8_t scratch[CLIENT_HELLO_MAX],
					   struct client_hello *ret);
