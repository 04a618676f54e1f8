/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Letting clients in: what model/admission.h decides, carried out on accepted sockets. A refusal
 * costs four system calls (accept, the peer's name, linger, close) and nothing that lasts: no slot,
 * no buffer, no timer, and a log line only now and then.
 */
#pragma once

#include "connection.h"

/*
 * Serves an accepted socket; see splicer_accept(). Where clients are named by a header of their
 * proxy, the proxy is judged now and the client by admitting_client().
 */
bool admitting_accept(struct splicer *s, const struct snapshot_service *service, int fd,
		      const struct address *local);

/*
 * Judges the client of a connection that has its slot: once its proxy has named it, and once more
 * when it is passed on to another service, whose limits count as well. END_NONE: it is let in, and
 * what it holds is given back at its end.
 */
enum end_reason admitting_client(struct connection *c, const struct snapshot_service *service);
