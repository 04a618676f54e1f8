/* SPDX-License-Identifier: BSD-2-Clause */
/* The log line of a connection that has ended: one JSON object. */
#pragma once

#include <stddef.h>

#include "clock.h"

struct connection;

/* No line is longer: names, addresses and numbers are bounded. */
#define CONNECTION_LINE_MAX 1024

/* Writes the line with its newline to `buffer` (CONNECTION_LINE_MAX bytes); returns its length. */
size_t connection_line_print(const struct connection *c, nsec_t wall, char *buffer);
