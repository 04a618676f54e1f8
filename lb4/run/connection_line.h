/* SPDX-License-Identifier: BSD-2-Clause */
/* The log line of a connection that has ended: one JSON object. */
#pragma once

#include <stddef.h>

#include "address.h"
#include "clock.h"
#include "end_reason.h"
#include "flow_account.h"

struct backend;
struct connection;
struct service;

/* No line is longer: names, addresses and numbers are bounded. */
#define CONNECTION_LINE_MAX 1536

/* Writes the line with its newline to `buffer` (CONNECTION_LINE_MAX bytes); returns its length. */
size_t connection_line_print(const struct connection *c, nsec_t wall, char *buffer);

/* What is told of a flow of nat: as of a connection, which it is for whoever reads the log. */
struct flow_line {
	uint64_t id;
	const struct service *service; /* NULL, both: no longer known */
	const struct backend *backend;
	struct address client, local, server;
	enum end_reason reason;
	int error; /* of the one try that there is, a positive errno; 0: none */
	struct flow_account account;
};
size_t connection_line_print_flow(const struct flow_line *l, nsec_t wall, char *buffer);

/* The same of a client that was refused before it had a connection; `local` NULL: not known. */
size_t connection_line_print_refused(const struct service *service, const struct address *client,
				     const struct address *local, enum end_reason reason,
				     nsec_t wall, char *buffer);

/* That so many more were refused for the reason, without a line each. */
size_t connection_line_print_more(enum end_reason reason, uint64_t n_more, nsec_t wall,
				  char *buffer);
