// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "http_exchange.h"
#include "text.h"

#define STREAM_BLOCK 65536 /* bytes of a streamed body made at once */

/* A request and its answer. */
struct exchange {
	struct http_request request; /* first: http_request_value() finds the rest */
	struct http_exchanges *all;
	struct MHD_Connection *connection;
	const struct http_route *route;
	char *path;
	char *values[HTTP_PLACEHOLDERS_MAX];
	char *body;
	size_t body_allocated;
	unsigned refusal; /* status of `response`, made before the request was complete; 0: none */
	struct http_response response;
	char allow[HTTP_HINT_MAX];
	bool answered;
	struct list waiting; /* linked while it does */
	nsec_t wait_until;   /* 0: it has never waited */
};

static void response_deinit(struct http_response *r)
{
	free(r->body);
	if (r->free)
		r->free(r->stream);
	*r = (struct http_response){};
}

static void exchange_free(struct exchange *e)
{
	for (size_t i = 0; i < HTTP_PLACEHOLDERS_MAX; i++)
		free(e->values[i]);
	e->all->bodies_size -= e->body_allocated;
	response_deinit(&e->response);
	free(e->body);
	free(e->path);
	free(e);
}

const char *http_request_value(const struct http_request *q, const char *name)
{
	const struct exchange *e = (const struct exchange *)q;
	const char *value = NULL;
	int i = http_route_placeholder(e->route, name);

	if (i >= 0)
		return e->values[i];
	if (MHD_lookup_connection_value_n(e->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
					  &value, NULL) != MHD_YES)
		return NULL;
	return value ? value : "";
}

/* The first refusal stays; the rest of the request is read and dropped, then it is sent. */
static void refuse(struct exchange *e, unsigned status, const char *error, const char *hint)
{
	if (e->refusal)
		return;
	e->refusal = status;
	e->all->options->refuse(status, error, hint, &e->response);
	e->response.status = status;
}

struct query_check {
	struct exchange *exchange;
	uint32_t seen; /* a bit for each parameter the route takes */
};

static void refuse_parameter(struct exchange *e, const char *name, const char *const *known)
{
	const char *near = text_nearest(name, known);
	char error[HTTP_HINT_MAX], hint[HTTP_HINT_MAX];
	int length;

	snprintf(error, sizeof(error), "unknown parameter \"%s\"", name);
	length = snprintf(hint, sizeof(hint), "%s%s%s%.200s takes %s",
			  near ? "did you mean \"" : "", near ? near : "", near ? "\"? " : "",
			  e->path, known[0] ? "" : "no parameters");
	for (size_t i = 0; known[i] && length < HTTP_HINT_MAX; i++)
		length += snprintf(hint + length, sizeof(hint) - (size_t)length, "%s%s",
				   i ? ", " : "", known[i]);
	refuse(e, MHD_HTTP_BAD_REQUEST, error, hint);
}

static enum MHD_Result check_parameter(void *context, enum MHD_ValueKind kind, const char *name,
				       const char *value)
{
	static const char *const none[] = {NULL};
	struct query_check *check = context;
	struct exchange *e = check->exchange;
	const char *const *known = e->route->query ? e->route->query : none;
	char error[HTTP_HINT_MAX];
	size_t i = 0;

	(void)kind;
	(void)value;
	while (known[i] && strcmp(known[i], name))
		i++;
	if (!known[i]) {
		refuse_parameter(e, name, known);
		return MHD_NO;
	}
	assert(i < 32);
	if (!(check->seen & 1u << i)) {
		check->seen |= 1u << i;
		return MHD_YES;
	}
	snprintf(error, sizeof(error), "the parameter \"%s\" is given twice", name);
	refuse(e, MHD_HTTP_BAD_REQUEST, error, NULL);
	return MHD_NO;
}

static void check_query(struct exchange *e)
{
	struct query_check check = {.exchange = e};

	MHD_get_connection_values(e->connection, MHD_GET_ARGUMENT_KIND, check_parameter, &check);
}

static int take_values(struct exchange *e, const struct http_segment values[HTTP_PLACEHOLDERS_MAX])
{
	for (size_t i = 0; i < HTTP_PLACEHOLDERS_MAX && values[i].text; i++) {
		e->values[i] = strndup(values[i].text, values[i].length);
		if (!e->values[i])
			return -ENOMEM;
	}
	return 0;
}

static int route_request(struct exchange *e, const char *method)
{
	const struct http_server_options *o = e->all->options;
	struct http_segment values[HTTP_PLACEHOLDERS_MAX] = {};
	char hint[HTTP_HINT_MAX], error[HTTP_HINT_MAX];

	switch (http_route_find(o->routes, o->n_routes, method, e->path, &e->route, values)) {
	case HTTP_ROUTE_FOUND:
		check_query(e);
		return take_values(e, values);
	case HTTP_ROUTE_NO_PATH:
		snprintf(error, sizeof(error), "there is no path \"%.200s\"", e->path);
		refuse(e, MHD_HTTP_NOT_FOUND, error,
		       http_route_hint(o->routes, o->n_routes, e->path, hint));
		return 0;
	case HTTP_ROUTE_NO_METHOD:
		http_route_methods(o->routes, o->n_routes, e->path, e->allow);
		snprintf(error, sizeof(error), "%.20s is not for \"%.200s\"", method, e->path);
		snprintf(hint, sizeof(hint), "use %.100s", e->allow);
		refuse(e, MHD_HTTP_METHOD_NOT_ALLOWED, error, hint);
		return 0;
	}
	return 0;
}

static void refuse_body(struct exchange *e)
{
	char hint[64];

	snprintf(hint, sizeof(hint), "at most %zu bytes", e->all->options->body_max);
	refuse(e, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large", hint);
}

static bool body_announced_too_large(const struct exchange *e)
{
	const char *text = MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t length;

	/* What is no number, MHD has refused before. */
	return text && text_parse_unsigned(text, e->all->options->body_max, &length) == -ERANGE;
}

static struct exchange *exchange_new(struct http_exchanges *all, struct MHD_Connection *connection,
				     const char *path)
{
	struct exchange *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->all = all;
	e->connection = connection;
	list_init(&e->waiting);
	e->path = strdup(path);
	if (!e->path) {
		exchange_free(e);
		return NULL;
	}
	return e;
}

static void drop_body(struct exchange *e)
{
	e->all->bodies_size -= e->body_allocated;
	free(e->body);
	e->body = NULL;
	e->body_allocated = e->request.body_size = 0;
}

/* Makes room for `size` bytes and a NUL. */
static bool body_reserve(struct exchange *e, size_t size)
{
	struct http_exchanges *all = e->all;
	size_t wanted = e->body_allocated ? e->body_allocated : 1024;
	char *grown;

	if (size < e->body_allocated)
		return true;
	while (wanted <= size)
		wanted *= 2;
	if (wanted > all->options->body_max)
		wanted = all->options->body_max + 1;
	if (all->bodies_size + (wanted - e->body_allocated) > all->options->bodies_max)
		return false;
	grown = realloc(e->body, wanted);
	if (!grown)
		return false;
	all->bodies_size += wanted - e->body_allocated;
	e->body = grown;
	e->body_allocated = wanted;
	return true;
}

static void take_body(struct exchange *e, const char *data, size_t size)
{
	size_t *body_size = &e->request.body_size;

	if (e->refusal)
		return;
	if (size > e->all->options->body_max - *body_size) {
		refuse_body(e);
	} else if (!body_reserve(e, *body_size + size)) {
		refuse(e, MHD_HTTP_SERVICE_UNAVAILABLE, "too many large requests at once",
		       "try again");
	} else {
		memcpy(e->body + *body_size, data, size);
		*body_size += size;
		e->body[*body_size] = '\0';
		return;
	}
	drop_body(e);
}

static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t size)
{
	struct http_response *r = context;
	size_t n = r->read(r->stream, buffer, size);

	(void)position;
	return n ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_stream(void *context)
{
	struct http_response *r = context;

	response_deinit(r);
	free(r);
}

/* Consumes what `r` holds, in any case. */
static struct MHD_Response *make_response(struct http_response *r)
{
	struct MHD_Response *m;

	if (r->read) {
		struct http_response *kept = malloc(sizeof(*kept));

		if (kept) {
			*kept = *r;
			*r = (struct http_response){};
			m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
							      read_stream, kept, free_stream);
			if (!m)
				free_stream(kept);
			return m;
		}
		response_deinit(r);
		return NULL;
	}
	m = MHD_create_response_from_buffer_with_free_callback(r->size, r->body, free);
	if (m)
		r->body = NULL;
	response_deinit(r);
	return m;
}

static enum MHD_Result answer(struct exchange *e)
{
	struct http_exchanges *all = e->all;
	const char *type = e->response.content_type;
	unsigned status = e->response.status;
	struct MHD_Response *m = make_response(&e->response);
	enum MHD_Result r;

	if (!m)
		return MHD_NO; /* out of memory: the connection ends */
	if (type)
		MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (e->allow[0])
		MHD_add_response_header(m, MHD_HTTP_HEADER_ALLOW, e->allow);
	r = MHD_queue_response(e->connection, status, m);
	MHD_destroy_response(m);
	if (r == MHD_YES && !e->answered) {
		e->answered = true;
		all->n_answers++;
	}
	return r;
}

static int socket_of(const struct exchange *e)
{
	return MHD_get_connection_info(e->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
		->connect_fd;
}

/* Puts the request off, unless too many are. */
static bool suspend(struct exchange *e)
{
	struct http_exchanges *all = e->all;
	struct epoll_event event = {.events = EPOLLRDHUP, .data.fd = socket_of(e)};

	if (!e->response.settle && all->n_waiting - all->n_settling >= all->options->waiting_max) {
		refuse(e, MHD_HTTP_SERVICE_UNAVAILABLE, "too many clients wait already",
		       "ask without waiting");
		return false;
	}
	if (!e->wait_until)
		e->wait_until = nsec_add(all->now, e->response.wait);
	e->response.wait = 0;
	list_append(&all->waiting, &e->waiting);
	all->n_waiting++;
	all->n_settling += e->response.settle != NULL;
	/* Without it a client that hangs up is noticed when its time is over. */
	epoll_ctl(all->epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event);
	MHD_suspend_connection(e->connection);
	return true;
}

static void stop_waiting(struct exchange *e)
{
	if (list_empty(&e->waiting))
		return;
	list_unlink(&e->waiting);
	e->all->n_waiting--;
	e->all->n_settling -= e->response.settle != NULL;
	epoll_ctl(e->all->epoll_fd, EPOLL_CTL_DEL, socket_of(e), NULL);
}

bool http_exchange_waits(const void *request_context)
{
	const struct exchange *e = request_context;

	return e && !list_empty(&e->waiting);
}

bool http_exchange_answered(const void *request_context)
{
	const struct exchange *e = request_context;

	return e && e->answered;
}

static bool has_hung_up(const struct exchange *e)
{
	struct pollfd p = {.fd = socket_of(e), .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0;
}

void http_exchanges_resume(struct http_exchanges *all_exchanges, bool all)
{
	list_for_each_safe(node, &all_exchanges->waiting) {
		struct exchange *e = container_of(node, struct exchange, waiting);

		if (has_hung_up(e))
			e->request.gone = true;
		if (e->request.gone || all_exchanges->closing)
			e->wait_until = all_exchanges->now;
		if (!all && e->wait_until > all_exchanges->now)
			continue;
		stop_waiting(e);
		MHD_resume_connection(e->connection);
	}
}

nsec_t http_exchanges_deadline(const struct http_exchanges *all)
{
	nsec_t deadline = NSEC_NEVER;

	list_for_each(node, &all->waiting) {
		const struct exchange *e = container_of(node, struct exchange, waiting);

		if (e->wait_until < deadline)
			deadline = e->wait_until;
	}
	return deadline;
}

/* The whole request is there; false: it was put off. */
static bool handle(struct exchange *e, const char *method)
{
	bool waits;

	e->request.method = method;
	e->request.path = e->path;
	e->request.body = e->body ? e->body : "";
	e->request.waited = e->all->closing || (e->wait_until && e->wait_until <= e->all->now);
	if (!e->response.settle) {
		e->response.status = MHD_HTTP_OK;
		e->route->handle(e->all->options->context, &e->request, &e->response);
	}
	if (e->response.settle)
		waits = !e->response.settle(e->all->options->context, &e->response,
					    e->request.waited);
	else
		waits = e->response.wait > 0;
	if (waits && suspend(e))
		return false;
	drop_body(e);
	return true;
}

enum MHD_Result http_exchange_on_request(void *context, struct MHD_Connection *connection,
					 const char *path, const char *method, const char *version,
					 const char *data, size_t *size, void **request_context)
{
	struct http_exchanges *all = context;
	struct exchange *e = *request_context;

	(void)version;
	if (!e) {
		e = *request_context = exchange_new(all, connection, path);
		if (!e || route_request(e, method) < 0)
			return MHD_NO;
		if (!body_announced_too_large(e))
			return MHD_YES;
		refuse_body(e);
		return answer(e); /* without reading it; MHD ends the connection after that */
	}
	if (*size) {
		take_body(e, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (!e->refusal && !handle(e, method))
		return MHD_YES;
	return answer(e);
}

void http_exchange_on_completed(struct http_exchanges *all, void **request_context)
{
	struct exchange *e = *request_context;

	if (!e)
		return;
	if (e->answered)
		all->n_answers--;
	stop_waiting(e);
	exchange_free(e);
	*request_context = NULL;
}
