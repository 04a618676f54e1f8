/* SPDX-License-Identifier: BSD-2-Clause */
/* A daemon with a service "web" whose backends are a, b and c, and what befalls it. */
#pragma once

#include "daemon_world.h"

#define HEAD "log: {level: error}\nservices:\n"
#define WEB                                                                                        \
	"  web:\n"                                                                                 \
	"    listen: [\":80\", \":81\"]\n"                                                         \
	"    check: {tcp: true}\n"                                                                 \
	"    on_down: drain\n"                                                                     \
	"    drain_timeout: 10s\n"                                                                 \
	"    table_size: 251\n"
#define BACKENDS                                                                                   \
	"    backends:\n"                                                                          \
	"      a: \"10.0.0.1:1\"\n"                                                                \
	"      b: \"10.0.0.1:2\"\n"                                                                \
	"      c: \"10.0.0.1:3\"\n"

/* HEAD WEB BACKENDS */
extern const char simple[];

/* A listen address goes and one comes, a backend comes, one goes, one moves; and a service. */
extern const char other[];

/* Requests of operators; -errno as they say it. */
int apply(struct daemon *d, struct config *config); /* consumed on success */
int reload(struct daemon *d);			    /* `other` */
int add(struct daemon *d);			    /* "new" */
int take_out(struct daemon *d);			    /* "a" */
int weigh(struct daemon *d);			    /* "a" */

/* These do not fail. */
void drain(struct daemon *d, const char *name, enum admin_state state, nsec_t timeout);
struct live_backend *backend_of(struct daemon *d, const char *name);
void check_says(struct daemon *d, const char *name, bool ok);
void pass(struct daemon *d, nsec_t time);

/* Whether the first worker was told to leave it so. */
bool was_left(const char *name, enum end_reason reason);

/* Everybody obeys what main has, once there is memory again. */
void settle(struct daemon *d);

/* The kinds of the events after *after, which goes on: "backend-ejected a, slots-moved". */
const char *news(const struct daemon *d, uint64_t *after);
