/* SPDX-License-Identifier: BSD-2-Clause */
/* The handlers of the control API's routes, and what they share. Their context is the daemon. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "http_server.h"

struct address;
struct backend_config;
struct daemon;
struct live_backend;
struct limits_config;
struct live_service;
struct service;
struct service_settings;
struct setting_changes;

typedef void control_handler(void *context, const struct http_request *q,
			     struct http_response *ret);

/* control_show.c */
control_handler control_get_status;
control_handler control_get_connections;

/* control_services.c */
control_handler control_get_services;

/* control_limits.c */
control_handler control_get_sources;

/* control_backends.c */
control_handler control_get_backends;

/* control_drift.c */
control_handler control_get_drift;
control_handler control_post_save;

/* control_plan.c */
control_handler control_post_plan;
control_handler control_post_reload;

/* control_explain.c */
control_handler control_get_explain;

/* control_table.c */
control_handler control_get_table;

/* control_events.c */
control_handler control_get_events;

/* control_capture.c */
control_handler control_post_capture;
control_handler control_get_capture;
control_handler control_delete_capture;

/* control_change.c */
control_handler control_post_check;
control_handler control_post_stop;
control_handler control_post_fastpath;
control_handler control_add_backend;
control_handler control_remove_backend;
control_handler control_post_weight;
control_handler control_post_drain;
control_handler control_post_undrain;
control_handler control_post_disable;
control_handler control_post_enable;

/*
 * The service that the request names by "service". NULL with the refusal made when there is none of
 * that name; NULL and *ret_named false when the request names none.
 */
struct live_service *control_named_service(const struct daemon *d, const struct http_request *q,
					   bool *ret_named, struct http_response *ret_refusal);

/* The service that a request must name. NULL with the refusal made. */
struct live_service *control_required_service(const struct daemon *d, const struct http_request *q,
					      struct http_response *ret_refusal);

/* A hint for a request that names what does not exist: the nearest name there is. */
char *control_nearest_hint(const struct daemon *d, const struct http_request *q, char *buffer,
			   size_t size);

/* control_kept.c: null where no state is to be kept. */
json_t *control_show_state_file(const struct daemon *d);

/* control_fastpath.c: null where the configuration names no interfaces. */
json_t *control_show_fastpath(const struct daemon *d);
extern const char *const control_verdict_words[];

/* How packets of nat get to a backend; null for NULL. */
struct way;
json_t *control_show_way(const struct way *w);

/*
 * Of a client's connection: "path" (nat or splice), "path_why", "maps" and "flow". `why_spliced`:
 * it cannot be nat because of this; NULL: ask the fast path.
 */
void control_explain_path(const struct daemon *d, const struct live_service *s,
			  const struct address *client, const struct address *local,
			  const char *why_spliced, json_t **o);

/* control_routes.c: the routes of a service (an empty array: none) and what it asks of hellos. */
json_t *control_tls_routes(const struct daemon *d, const struct live_service *s);
json_t *control_hello(const struct service_settings *s);

/*
 * The service that a client of `front` gets to, whose ClientHello is described by "sni" and "alpn".
 * False with the refusal made.
 */
bool control_follow_route(const struct daemon *d, const struct http_request *q,
			  const struct live_service *front, const struct live_service **ret,
			  json_t **notes, struct http_response *ret_refusal);

/* One backend as GET /v1/backends shows it; NULL when memory is short. */
json_t *control_backend(const struct daemon *d, const struct live_service *s,
			const struct live_backend *b, double share);

/* The settings of a backend as the file has them, defaults filled in. */
json_t *control_backend_config(const struct backend_config *b);

/* [{"key", "old", "new", "at_start"}] */
json_t *control_setting_changes(const struct setting_changes *c);

/* {"kind", "running", "file", "settings"}; null when there is none. */
struct drift;
json_t *control_drift(const struct drift *drift);

/* The part of the live table each backend owns, in the order of s->backends: n_backends of them. */
int control_shares(const struct live_service *s, double **ret);

/* Of a service: its limits, its queue, how many rules of access it has, and what is held now. */
json_t *control_limits(const struct limits_config *l);
json_t *control_queue(const struct service_settings *s);
json_t *control_rules(const struct service_settings *s);
json_t *control_held(const struct service *s);

/* {"up", "eligible", "total"} */
json_t *control_backends_up(uint64_t up, uint64_t eligible, uint64_t total);

/* Backends that are not down, and those that may be chosen. */
uint64_t control_count_up(const struct live_service *s);
uint64_t control_count_eligible(const struct live_service *s);
