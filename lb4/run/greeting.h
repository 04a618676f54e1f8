/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the ClientHello of a connection said, kept for log lines and lists: only connections of
 * services with tls_routes have it, so it lies beside the connection and not in it.
 */
#pragma once

struct connection;
struct service;

struct greeting {
	struct service
		*via;	 /* the service that accepted it and routed it on; referenced, or NULL */
	const char *why; /* what was wrong with the hello, a word; or NULL */
	char sni[];	 /* "": none was asked for */
};

/* Gives the connection its greeting. When memory is short it has none: nothing depends on it. */
void greeting_set(struct connection *c, const char *sni, const char *why);
void greeting_free(struct connection *c);

/* These are NULL when there is nothing to tell. */
struct service *greeting_via(const struct connection *c);
const char *greeting_why(const struct connection *c);
const char *greeting_sni(const struct connection *c);
