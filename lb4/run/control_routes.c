// SPDX-License-Identifier: BSD-2-Clause
/* What the control API shows of tls_routes, and how it follows them for an explanation. */
#include <stdio.h>
#include <string.h>

#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "text.h"

/* As they stand in the file, of a service of the running configuration; NULL: it has none. */
static const struct service_config *routes_of(const struct daemon *d, const struct live_service *s)
{
	return s->tls_routes ? config_find_service(d->config, s->service->name) : NULL;
}

static json_t *show_texts(char *const *texts)
{
	json_t *list = json_array();

	if (!texts) {
		json_decref(list);
		return json_null();
	}
	for (; *texts; texts++)
		control_append(&list, json_string(*texts));
	return list;
}

json_t *control_tls_routes(const struct daemon *d, const struct live_service *s)
{
	const struct service_config *config = routes_of(d, s);
	json_t *list = json_array();

	for (size_t i = 0; config && i < config->n_tls_routes; i++) {
		const struct tls_route_config *route = &config->tls_routes[i];
		json_t *o = json_object();

		control_put(&o, "sni", show_texts(route->sni));
		control_put(&o, "alpn", show_texts(route->alpn));
		control_put(&o, "service", json_string(route->service));
		control_append(&list, o);
	}
	return list;
}

json_t *control_hello(const struct service_settings *s)
{
	json_t *o = json_object();

	control_put(&o, "timeout", control_duration(s->hello_timeout));
	control_put(&o, "bytes", control_number(s->hello_bytes));
	control_put(&o, "on_error", json_string(hello_error_name(s->hello_on_error)));
	return o;
}

/* "h2,http/1.1" as a ClientHello has it. False when it is too long or a name is. */
static bool write_protocols(const char *text, uint8_t *wire, size_t room, size_t *ret_size)
{
	size_t used = 0;

	while (*text) {
		size_t length = strcspn(text, ",");

		if (length == 0 || length > TLS_PROTOCOL_LENGTH_MAX || used + 1 + length > room)
			return false;
		wire[used] = (uint8_t)length;
		memcpy(&wire[used + 1], text, length);
		used += 1 + length;
		text += length;
		text += *text == ',' && text[1];
	}
	*ret_size = used;
	return true;
}

/* The ClientHello that a question describes. False with the refusal made. */
static bool make_hello(const char *sni, const char *alpn, uint8_t *wire, size_t room,
		       struct client_hello *ret, struct http_response *ret_refusal)
{
	const char *why = sni ? server_name_read(sni, strlen(sni), ret->sni) : NULL;
	char error[CONTROL_TEXT_MAX];

	ret->has_sni = sni != NULL;
	ret->alpn = wire;
	if (why) {
		snprintf(error, sizeof(error), "\"sni\": %s", why);
		control_refuse(400, error, "such as sni=www.example.org", ret_refusal);
		return false;
	}
	if (alpn && !write_protocols(alpn, wire, room, &ret->alpn_size)) {
		control_refuse(400, "\"alpn\": expected protocols with commas between them",
			       "such as alpn=h2,http/1.1", ret_refusal);
		return false;
	}
	return true;
}

bool control_follow_route(const struct daemon *d, const struct http_request *q,
			  const struct live_service *front, const struct live_service **ret,
			  json_t **notes, struct http_response *ret_refusal)
{
	const char *sni = http_request_value(q, "sni"), *alpn = http_request_value(q, "alpn");
	struct client_hello hello = {};
	char note[CONTROL_TEXT_MAX];
	uint8_t wire[1024];
	uint32_t route;

	*ret = front;
	if (!make_hello(sni, alpn, wire, sizeof(wire), &hello, ret_refusal))
		return false;
	if (!front->tls_routes) {
		if (sni || alpn)
			control_append(notes, json_string("the service has no tls_routes: what a "
							  "ClientHello says does not count"));
		return true;
	}
	route = tls_routes_find(front->tls_routes, &hello);
	if (route != TLS_ROUTE_NONE) {
		*ret = d->services[tls_routes_target(front->tls_routes, route)];
		snprintf(note, sizeof(note), "route %u of service %s leads to %s", route + 1,
			 front->service->name, (*ret)->service->name);
		control_append(notes, json_string(note));
	} else if (front->n_backends) {
		control_append(notes, json_string("no route matches: the service's own backends"));
	} else {
		control_append(notes, json_string("no route matches and the service has no "
						  "backends: the client is reset (no-route)"));
	}
	return true;
}
