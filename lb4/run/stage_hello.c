// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stage of the preface in which a client of a service with tls_routes says which server it
 * wants. Nothing is consumed: the ClientHello is the server's, and goes on as it came.
 */
#include "client_hello.h"
#include "greeting.h"
#include "preface.h"
#include "tls_routes.h"

static bool hello_wanted(const struct connection *c, const struct snapshot_service *service,
			 nsec_t *ret_by)
{
	*ret_by = nsec_add(c->splicer->now, service->settings.hello_timeout);
	return service->tls_routes;
}

/* No route: the service's own backends. */
static enum preface_result stay(const struct snapshot_service *service, enum end_reason *ret_reason)
{
	if (service->n_backends > 0)
		return PREFACE_DONE;
	*ret_reason = END_NO_ROUTE;
	return PREFACE_REFUSED;
}

static enum preface_result follow_route(struct connection *c,
					const struct snapshot_service *service,
					const struct client_hello *hello,
					enum end_reason *ret_reason)
{
	uint32_t route = tls_routes_find(service->tls_routes, hello);

	greeting_set(c, hello->sni, NULL);
	if (route == TLS_ROUTE_NONE)
		return stay(service, ret_reason);
	return preface_hand_over(
		c, service,
		&c->splicer->snapshot->services[tls_routes_target(service->tls_routes, route)],
		ret_reason);
}

static enum preface_result hello_read(struct connection *c, const struct snapshot_service *service,
				      const uint8_t *data, size_t size, uint32_t *ret_consumed,
				      enum end_reason *ret_reason)
{
	static const enum end_reason reasons[] = {
		[CLIENT_HELLO_NOT_TLS] = END_NOT_TLS,
		[CLIENT_HELLO_MALFORMED] = END_HELLO_MALFORMED,
		[CLIENT_HELLO_TOO_LONG] = END_HELLO_TOO_LONG,
	};
	/* What stages before this one have consumed is not there for it. */
	size_t limit = RING_BUFFER_SIZE - c->direction[CLIENT].sent;
	uint8_t scratch[CLIENT_HELLO_MAX];
	enum client_hello_result result;
	struct client_hello hello;

	*ret_consumed = 0;
	if (!service->tls_routes)
		return PREFACE_DONE; /* they went while it was waited for */
	if (limit > service->settings.hello_bytes)
		limit = service->settings.hello_bytes;
	result = client_hello_read(&c->hello, data, size < limit ? size : limit, limit, scratch,
				   &hello);
	if (result == CLIENT_HELLO_MORE)
		return PREFACE_MORE;
	if (result == CLIENT_HELLO_DONE)
		return follow_route(c, service, &hello, ret_reason);
	greeting_set(c, "", hello.why);
	if (service->settings.hello_on_error == HELLO_ERROR_DEFAULT)
		return stay(service, ret_reason);
	*ret_reason = reasons[result];
	return PREFACE_REFUSED;
}

/* Time alone is no reason to refuse where everything else is none either. */
static bool hello_passes(const struct snapshot_service *service)
{
	return !service->tls_routes ||
	       (service->settings.hello_on_error == HELLO_ERROR_DEFAULT && service->n_backends > 0);
}

const struct preface_stage stage_hello = {
	.name = "hello",
	.wanted = hello_wanted,
	.read = hello_read,
	.passes = hello_passes,
	.timed_out = END_HELLO_TIMEOUT,
};
