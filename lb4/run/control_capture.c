// SPDX-License-Identifier: BSD-2-Clause
/* A capture of packets: POST /v1/capture, GET and DELETE /v1/capture/{id}. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "capture.h"
#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "forwarding.h"
#include "text.h"

/* Of one answer, so that main is not busy with it for long; who wants more asks again. */
#define PAGE 512

struct request {
	const char *service, *client;
	bool drops;
	uint64_t bytes;
};

/* What sees packets that the programs do not. */
static const char *instead(const struct live_service *s, char hint[CONTROL_TEXT_MAX])
{
	char ip[ADDRESS_TEXT_MAX];

	snprintf(hint, CONTROL_TEXT_MAX, "its sockets are this machine's: tcpdump -ni any");
	if (s && s->n_listeners)
		snprintf(hint, CONTROL_TEXT_MAX,
			 "its sockets are this machine's: tcpdump -ni any host %s and tcp port %u",
			 address_print_ip(&s->listeners[0].address, ip),
			 s->listeners[0].address.port);
	return hint;
}

/* "198.51.100.0/24", an address, or an address and a port. */
static bool read_client(const char *text, struct capture_question *ret,
			struct http_response *ret_refusal)
{
	char error[CONTROL_TEXT_MAX];
	struct address a;
	const char *why;

	if (!text || prefix_parse(text, &ret->client, &why) == 0)
		return true;
	if (address_parse(text, false, &a, &why) == 0) {
		ret->client = (struct prefix){.bits = 128, .family = a.family};
		memcpy(ret->client.ip, a.ip, sizeof(a.ip));
		ret->port = a.port;
		return true;
	}
	snprintf(error, sizeof(error), "\"client\": \"%.100s\" is no address", text);
	control_refuse(400, error, "such as 198.51.100.7, 198.51.100.7:40000 or 198.51.100.0/24",
		       ret_refusal);
	return false;
}

static bool read_service(const struct daemon *d, const char *name, struct capture_question *ret,
			 struct http_response *ret_refusal)
{
	char error[CONTROL_TEXT_MAX], hint[CONTROL_TEXT_MAX];

	if (!name)
		return true;
	ret->service = daemon_find_service(d, name);
	if (!ret->service) {
		snprintf(error, sizeof(error), "there is no service \"%.100s\"", name);
		control_refuse(404, error, "lbctl services lists them", ret_refusal);
		return false;
	}
	if (ret->service->settings.forward != FORWARD_SPLICE)
		return true;
	snprintf(error, sizeof(error), "service %s is spliced: its packets are not the fast path's",
		 name);
	control_refuse(409, error, instead(ret->service, hint), ret_refusal);
	return false;
}

static bool has_fastpath(const struct daemon *d, struct http_response *ret_refusal)
{
	char hint[CONTROL_TEXT_MAX];
	struct forwarding_status s;

	if (forwarding_status(d, &s) && !s.why_not)
		return true;
	control_refuse(409, "there is no fast path: everything is spliced", instead(NULL, hint),
		       ret_refusal);
	return false;
}

void control_post_capture(void *context, const struct http_request *q, struct http_response *ret)
{
	static const struct control_field fields[] = {
		{"service", CONTROL_TEXT, false, .offset = offsetof(struct request, service)},
		{"client", CONTROL_TEXT, false, .offset = offsetof(struct request, client)},
		{"drops", CONTROL_BOOL, false, .offset = offsetof(struct request, drops)},
		{"bytes", CONTROL_NUMBER, false, LB4_CAPTURE_BYTES,
		 offsetof(struct request, bytes)},
	};
	struct request request = {.bytes = LB4_CAPTURE_BYTES};
	_cleanup_(json_decrefp) json_t *body =
		control_parse_body(q, fields, sizeof(fields) / sizeof(fields[0]), &request, ret);
	struct capture_question question = {};
	struct daemon *d = context;
	json_t *o = NULL;
	uint64_t id;

	if (!body || !has_fastpath(d, ret) || !read_service(d, request.service, &question, ret) ||
	    !read_client(request.client, &question, ret))
		return;
	question.drops = request.drops;
	question.bytes = (uint16_t)(request.bytes ? request.bytes : 1);
	if (capture_begin(d, &question, &id) < 0) {
		control_refuse(409, "a capture is running already, and there is one at a time",
			       "it ends when whoever began it ends, or has not asked for 10 s",
			       ret);
		return;
	}
	o = json_object();
	control_put(&o, "ok", json_true());
	control_put(&o, "id", control_number(id));
	control_answer(o, ret);
}

static json_t *show_bytes(const struct captured_packet *p)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * LB4_CAPTURE_BYTES];
	size_t n = 0;

	for (size_t i = 0; i < p->kept; i++) {
		text[n++] = digits[p->bytes[i] >> 4];
		text[n++] = digits[p->bytes[i] & 15];
	}
	return json_stringn(text, n);
}

static json_t *show_address(const struct headers *f, const struct address *a)
{
	char text[ADDRESS_TEXT_MAX];

	if (!f->is_ip)
		return json_null();
	return json_string(f->has_ports ? address_print(a, text) : address_print_ip(a, text));
}

static void put_tcp(json_t **o, const struct headers *f)
{
	char flags[TCP_FLAGS_MAX];

	control_put(o, "flags", json_string(headers_print_flags(f->flags, flags)));
	control_put(o, "sequence", control_number(f->sequence));
	control_put(o, "acknowledged", control_number(f->acknowledged));
	control_put(o, "payload", control_number(f->payload));
}

/* Of an array of packets. */
static void show_packet(void *context, const struct captured_packet *p)
{
	const char *verdict =
		p->verdict < LB4_VERDICT_COUNT ? control_verdict_words[p->verdict] : NULL;
	json_t **list = context, *o = json_object();

	control_put(&o, "ns", control_number(p->wall));
	control_put(&o, "verdict", control_text(verdict));
	control_put(&o, "interface", control_text(p->interface));
	control_put(&o, "service", control_text(p->service));
	control_put(&o, "backend", control_text(p->backend));
	control_put(&o, "from", show_address(&p->headers, &p->headers.from));
	control_put(&o, "to", show_address(&p->headers, &p->headers.to));
	control_put(&o, "protocol",
		    p->headers.is_ip ? control_number(p->headers.protocol) : json_null());
	control_put(&o, "fragment", json_boolean(p->headers.fragment));
	if (p->headers.has_tcp)
		put_tcp(&o, &p->headers);
	control_put(&o, "size", control_number(p->size));
	control_put(&o, "bytes", show_bytes(p));
	control_append(list, o);
}

static bool read_id(const struct http_request *q, uint64_t *ret)
{
	return text_parse_unsigned(http_request_value(q, "id"), UINT64_MAX, ret) == 0;
}

static void refuse_id(struct http_response *ret)
{
	control_refuse(404, "there is no such capture: it has ended",
		       "one that nobody has asked about for 10 s ends", ret);
}

void control_get_capture(void *context, const struct http_request *q, struct http_response *ret)
{
	_cleanup_(json_decrefp) json_t *list = json_array();
	uint64_t id, limit = PAGE, lost = 0;
	struct daemon *d = context;
	nsec_t wait = 0;
	json_t *o;
	int n;

	if (!control_query_number(q, "limit", PAGE, &limit, ret) ||
	    !control_query_wait(q, &wait, ret))
		return;
	if (!read_id(q, &id) || (q->gone && capture_end(d, id, &lost) == 0)) {
		refuse_id(ret);
		return;
	}
	n = capture_read(d, id, limit, wait + CAPTURE_PATIENCE, show_packet, &list, &lost);
	if (n < 0) {
		refuse_id(ret);
		return;
	}
	if (n == 0 && wait && !q->waited) {
		ret->wait = wait;
		return;
	}
	o = json_object();
	control_put(&o, "packets", take_ptr(list));
	control_put(&o, "lost", control_number(lost));
	control_answer(o, ret);
}

void control_delete_capture(void *context, const struct http_request *q, struct http_response *ret)
{
	struct daemon *d = context;
	uint64_t id, lost;
	json_t *o;

	if (!read_id(q, &id) || capture_end(d, id, &lost) < 0) {
		refuse_id(ret);
		return;
	}
	o = json_object();
	control_put(&o, "ok", json_true());
	control_put(&o, "lost", control_number(lost));
	control_answer(o, ret);
}
