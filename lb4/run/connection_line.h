/* SPDX-License-Identifier: BSD-2-Clause */
/* The log line of a connection that has ended: one JSON object. */
#pragma once

#include <stddef.h>

#include "clock.h"

#include "end_reason.h"

struct address;
struct connection;
struct service;

/* No line is longer: names, addresses and numbers are bounded. */
#define CONNECTION_LINE_MAX 1536

/* Writes the line with its newline to `buffer` (CONNECTION_LINE_MAX bytes); returns its length. */
size_t connection_line_print(const struct connection *c, nsec_t wall, char *buffer);

/* The same of a client that was refused before it had a connection; `local` NULL: not known. */
size_t connection_line_print_refused(const struct service *service, const struct address *client,
				     const struct address *local, enum end_reason reason,
				     nsec_t wall, char *buffer);

/* That so many more were refused for the reason, without a line each. */
size_t connection_line_print_more(enum end_reason reason, uint64_t n_more, nsec_t wall,
				  char *buffer);
