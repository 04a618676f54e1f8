/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading tls_routes, and the rules about which service routes where. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "schema.h"
#include "yaml_tree.h"

struct reader;
struct reading;

/* A service of the file, at its index in the configuration. */
struct service_mark {
	const struct yaml_node *key;
	const struct yaml_node *forward; /* where it says that packets are forwarded; or NULL */
	bool needs_listen;		 /* it has none, and only a route to it would excuse that */
	bool routed;
};

/* A route of the file. */
struct route_mark {
	struct tls_route_config *route;
	const struct yaml_node *node; /* of the service it names */
	size_t service;		      /* whose route it is */
};

/* A name that a route of the service being read is for. */
struct name_claim {
	char *name;	    /* in lower case, owned; "": any, or none */
	uint64_t protocols; /* one of which is wanted as well; 0: nothing is */
	const struct yaml_node *node;
};

struct routes_read {
	struct service_mark *services;
	size_t n_services;
	struct route_mark *marks;
	size_t n_marks, n_marks_allocated;
	bool unsure; /* a route could not be read: perhaps it leads somewhere */
	struct name_claim *names;
	size_t n_names, n_names_allocated;
	const char *protocols[TLS_PROTOCOLS_MAX]; /* of the service being read */
	size_t n_protocols;
};

/* Room for the marks of `n` services. False when memory is short. */
bool routes_read_init(struct routes_read *routes, size_t n);
void routes_read_deinit(struct routes_read *routes);

/* A service begins. */
void routes_read_service(struct routes_read *routes, const struct yaml_node *key);

bool read_tls_routes(struct reader *r, const struct setting *s, const struct yaml_node *n,
		     struct service_config *service);

/*
 * config_route_rules.c: of one service, once it is read; of all of them, at the end. False when that
 * added a fault.
 */
bool rule_tls_routes(struct reader *r, const struct reading *reading);
bool rule_targets(struct reader *r, const struct reading *reading);
