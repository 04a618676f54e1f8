/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of servers as clients send them (RFC 6066, server_name) and files list them: in one form,
 * so that they can be compared byte by byte and printed without escaping.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SERVER_NAME_MAX	 253 /* bytes of a name in DNS, without the last dot */
#define SERVER_LABEL_MAX 63

/*
 * Writes the name in lower case and without its last dot to `ret`, which is then a C string.
 * Returns NULL, or why `text` is not a name: labels of letters, digits, "-" and "_" between dots.
 * Colons may stand in them: some clients send an IPv6 address, though they should not.
 */
const char *server_name_read(const void *text, size_t length, char ret[SERVER_NAME_MAX + 1]);
