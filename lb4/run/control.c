// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "capture.h"
#include "cleanup.h"
#include "control.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "http_server.h"
#include "unix_socket.h"

#define CONNECTIONS_MAX 64
#define HEADER_MAX	16384
#define BODY_MAX	(4u << 20)  /* a configuration file of 50,000 backends fits */
#define BODIES_MAX	(16u << 20) /* so that 64 clients cannot hold 64 such files */
#define WAITING_MAX	16	    /* clients of `lbctl events -f`, and of a capture */
#define REQUEST_TIME	(30 * NSEC_PER_SEC)

struct control {
	struct unix_socket socket;
	struct http_server *server;
	const struct daemon *daemon;
	uint64_t last_event;   /* that those who wait were woken for … */
	uint64_t last_written; /* … and the last state */
};

static const char *const query_service[] = {"service", NULL};
static const char *const query_connections[] = {"service", "limit", NULL};
static const char *const query_sources[] = {"service", "limit", NULL};
static const char *const query_explain[] = {"service", "client", "local", "sni", "alpn", NULL};

static const char *const query_events[] = {"service", "since", "last", "wait", NULL};
static const char *const query_capture[] = {"limit", "wait", NULL};

#define BACKENDS "/v1/services/{service}/backends"

static const struct http_route routes[] = {
	{"GET", "/v1/status", NULL, control_get_status},
	{"GET", "/v1/services", query_service, control_get_services},
	{"GET", "/v1/backends", query_service, control_get_backends},
	{"GET", "/v1/connections", query_connections, control_get_connections},
	{"GET", "/v1/sources", query_sources, control_get_sources},
	{"GET", "/v1/explain", query_explain, control_get_explain},
	{"GET", "/v1/drift", query_service, control_get_drift},
	{"GET", "/v1/table", query_service, control_get_table},
	{"GET", "/v1/events", query_events, control_get_events},
	{"GET", "/v1/capture/{id}", query_capture, control_get_capture},
	{"POST", "/v1/check", NULL, control_post_check},
	{"POST", "/v1/plan", NULL, control_post_plan},
	{"POST", "/v1/reload", NULL, control_post_reload},
	{"POST", "/v1/save", NULL, control_post_save},
	{"POST", "/v1/stop", NULL, control_post_stop},
	{"POST", "/v1/fastpath", NULL, control_post_fastpath},
	{"POST", "/v1/capture", NULL, control_post_capture},
	{"DELETE", "/v1/capture/{id}", NULL, control_delete_capture},
	{"POST", BACKENDS, NULL, control_add_backend},
	{"DELETE", BACKENDS "/{name}", NULL, control_remove_backend},
	{"POST", BACKENDS "/{name}/weight", NULL, control_post_weight},
	{"POST", BACKENDS "/{name}/drain", NULL, control_post_drain},
	{"POST", BACKENDS "/{name}/undrain", NULL, control_post_undrain},
	{"POST", BACKENDS "/{name}/disable", NULL, control_post_disable},
	{"POST", BACKENDS "/{name}/enable", NULL, control_post_enable},
};

int control_start(struct daemon *d, const char *socket_path, struct control **ret)
{
	const struct http_server_options options = {
		.routes = routes,
		.n_routes = sizeof(routes) / sizeof(routes[0]),
		.context = d,
		.refuse = control_refuse,
		.connections_max = CONNECTIONS_MAX,
		.header_max = HEADER_MAX,
		.body_max = BODY_MAX,
		.bodies_max = BODIES_MAX,
		.waiting_max = WAITING_MAX,
		.request_time = REQUEST_TIME,
	};
	struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->daemon = d;
	c->socket = (struct unix_socket)UNIX_SOCKET_INIT;
	r = unix_socket_open(socket_path, &c->socket);
	if (r >= 0)
		r = http_server_open(&options, take_fd(c->socket.fd), &c->server);
	if (r < 0) {
		control_stop(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct control *control_stop(struct control *c)
{
	if (!c)
		return NULL;
	http_server_close(c->server);
	unix_socket_deinit(&c->socket);
	free(c);
	return NULL;
}

int control_fd(const struct control *c)
{
	return http_server_fd(c->server);
}

unsigned control_waiting(const struct control *c)
{
	return http_server_waiting(c->server);
}

nsec_t control_deadline(const struct control *c, nsec_t now)
{
	/* What has happened, or was written, since control_run() is for those who wait. */
	if ((c->last_event != c->daemon->events.last ||
	     c->last_written != c->daemon->keeping.written.number) &&
	    control_waiting(c))
		return now;
	return http_server_deadline(c->server, now);
}

void control_run(struct control *c)
{
	uint64_t written = c->daemon->keeping.written.number;

	if (c->last_event != c->daemon->events.last || c->last_written != written ||
	    capture_has_packets(c->daemon))
		http_server_wake(c->server);
	c->last_event = c->daemon->events.last;
	c->last_written = written;
	http_server_run(c->server, clock_now());
}
