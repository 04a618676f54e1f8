// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "connection_line.h"
#include "greeting.h"
#include "text.h"

/* Names of a service and a server, a word, and what stands around them. */
#define GREETING_TEXT_MAX (NAME_LENGTH_MAX + SERVER_NAME_MAX + 100)

/* What is not known is null, as in the API. */
static const char *quote(const char *text, char *buffer, size_t size)
{
	if (!text)
		return "null";
	snprintf(buffer, size, "\"%s\"", text);
	return buffer;
}

/* What a ClientHello told, of those that had to tell. A name needs no escaping either. */
static const char *print_greeting(const struct connection *c, char *buffer, size_t size)
{
	const char *sni = greeting_sni(c), *why = greeting_why(c);
	const struct service *via = greeting_via(c);

	snprintf(buffer, size, "%s%s%s%s%s%s%s%s%s", via ? ",\"via\":\"" : "", via ? via->name : "",
		 via ? "\"" : "", sni ? ",\"sni\":\"" : "", sni ? sni : "", sni ? "\"" : "",
		 why ? ",\"hello\":\"" : "", why ? why : "", why ? "\"" : "");
	return buffer;
}

size_t connection_line_print(const struct connection *c, nsec_t wall, char *buffer)
{
	const struct end_reason_info *end = &end_reasons[c->reason];
	const struct backend *b = c->backend;
	char client[ADDRESS_TEXT_MAX], peer[ADDRESS_TEXT_MAX], local[ADDRESS_TEXT_MAX],
		server[ADDRESS_TEXT_MAX];
	char name_quoted[NAME_LENGTH_MAX + 3], server_quoted[ADDRESS_TEXT_MAX + 2];
	char time[TEXT_TIME_MAX], error[192] = "", greeting[GREETING_TEXT_MAX];

	text_print_time(wall, time);
	if (c->last_error)
		snprintf(error, sizeof(error), ",\"error\":\"%s%s%s\"",
			 c->last_failed ? c->last_failed->name : "", c->last_failed ? ": " : "",
			 strerrordesc_np(c->last_error));

	/* Names hold only letters, digits and "-_.": nothing here needs escaping. */
	return (size_t)snprintf(
		buffer, CONNECTION_LINE_MAX,
		"{\"time\":\"%s\",\"id\":%" PRIu64 ",\"service\":\"%s\",\"backend\":%s,"
		"\"client\":\"%s\",\"peer\":\"%s\",\"local\":\"%s\",\"server\":%s,\"end\":\"%s\","
		"\"party\":\"%s\",\"tries\":%u,\"connect_us\":%" PRIu64 ",\"duration_ms\":%" PRIu64
		",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 "%s%s}\n",
		time, connection_id(c), c->service->name,
		quote(b ? b->name : NULL, name_quoted, sizeof(name_quoted)),
		address_print(&c->client, client), address_print(&c->peer, peer),
		address_print(&c->local, local),
		quote(b ? address_print(&b->address, server) : NULL, server_quoted,
		      sizeof(server_quoted)),
		end->name, end_party_name(end->party), c->n_tries, c->connect_took / NSEC_PER_USEC,
		(c->splicer->now - c->timeouts.started) / NSEC_PER_MSEC, c->direction[CLIENT].bytes,
		c->direction[SERVER].bytes, print_greeting(c, greeting, sizeof(greeting)), error);
}

size_t connection_line_print_flow(const struct flow_line *l, nsec_t wall, char *buffer)
{
	const struct end_reason_info *end = &end_reasons[l->reason];
	bool reached = l->account.connect > 0;
	const char *service = l->service ? l->service->name : NULL;
	const char *backend = l->backend ? l->backend->name : NULL;
	char client[ADDRESS_TEXT_MAX], local[ADDRESS_TEXT_MAX], server[ADDRESS_TEXT_MAX];
	char service_quoted[NAME_LENGTH_MAX + 3], backend_quoted[NAME_LENGTH_MAX + 3];
	char server_quoted[ADDRESS_TEXT_MAX + 2];
	char time[TEXT_TIME_MAX], error[192] = "";

	text_print_time(wall, time);
	address_print(&l->client, client);
	if (l->error)
		snprintf(error, sizeof(error), ",\"error\":\"%s%s%s\"", backend ? backend : "",
			 backend ? ": " : "", strerrordesc_np(l->error));
	return (size_t)snprintf(
		buffer, CONNECTION_LINE_MAX,
		"{\"time\":\"%s\",\"id\":%" PRIu64 ",\"service\":%s,\"backend\":%s,"
		"\"client\":\"%s\",\"peer\":\"%s\",\"local\":\"%s\",\"server\":%s,\"end\":\"%s\","
		"\"party\":\"%s\",\"tries\":1,\"connect_us\":%" PRIu64 ",\"duration_ms\":%" PRIu64
		",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"path\":\"nat\"%s}\n",
		time, l->id, quote(service, service_quoted, sizeof(service_quoted)),
		quote(reached ? backend : NULL, backend_quoted, sizeof(backend_quoted)), client,
		client, address_print(&l->local, local),
		quote(reached ? address_print(&l->server, server) : NULL, server_quoted,
		      sizeof(server_quoted)),
		end->name, end_party_name(end->party), l->account.connect / NSEC_PER_USEC,
		l->account.duration / NSEC_PER_MSEC, l->account.bytes_in, l->account.bytes_out,
		error);
}

size_t connection_line_print_refused(const struct service *service, const struct address *client,
				     const struct address *local, enum end_reason reason,
				     nsec_t wall, char *buffer)
{
	char client_text[ADDRESS_TEXT_MAX], local_text[ADDRESS_TEXT_MAX];
	char local_quoted[ADDRESS_TEXT_MAX + 2], time[TEXT_TIME_MAX];

	text_print_time(wall, time);
	address_print(client, client_text);
	return (size_t)snprintf(
		buffer, CONNECTION_LINE_MAX,
		"{\"time\":\"%s\",\"id\":null,\"service\":\"%s\",\"backend\":null,"
		"\"client\":\"%s\",\"peer\":\"%s\",\"local\":%s,\"server\":null,\"end\":\"%s\","
		"\"party\":\"%s\",\"tries\":0,\"connect_us\":0,\"duration_ms\":0,"
		"\"bytes_in\":0,\"bytes_out\":0}\n",
		time, service->name, client_text, client_text,
		quote(local ? address_print(local, local_text) : NULL, local_quoted,
		      sizeof(local_quoted)),
		end_reasons[reason].name, end_party_name(end_reasons[reason].party));
}

size_t connection_line_print_more(enum end_reason reason, uint64_t n_more, nsec_t wall,
				  char *buffer)
{
	char time[TEXT_TIME_MAX];

	text_print_time(wall, time);
	return (size_t)snprintf(
		buffer, CONNECTION_LINE_MAX,
		"{\"time\":\"%s\",\"end\":\"%s\",\"party\":\"%s\",\"more\":%" PRIu64 "}\n", time,
		end_reasons[reason].name, end_party_name(end_reasons[reason].party), n_more);
}
