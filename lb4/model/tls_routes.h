/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The routes of a service by what a ClientHello says, made ready for thousands of names. Counted
 * and never changed, so that a service and its snapshots may share them.
 *
 * The most precise name decides: exact, then a wildcard, then routes that ask for no name. Among
 * equals the first in the order of the file whose other condition holds as well.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client_hello.h"
#include "config.h"

#define TLS_ROUTE_NONE UINT32_MAX

struct tls_routes;

/*
 * The routes of a checked configuration: names are names, protocols are no more than
 * TLS_PROTOCOLS_MAX. -ENOMEM.
 */
int tls_routes_new(const struct tls_route_config *routes, size_t n, struct tls_routes **ret);
struct tls_routes *tls_routes_ref(struct tls_routes *r);
struct tls_routes *tls_routes_unref(struct tls_routes *r);

/* The index of the route for a client, or TLS_ROUTE_NONE. */
uint32_t tls_routes_find(const struct tls_routes *r, const struct client_hello *hello);

/* The service of a route, as an index into those of the configuration. */
uint32_t tls_routes_target(const struct tls_routes *r, uint32_t route);
