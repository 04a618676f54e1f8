// SPDX-License-Identifier: BSD-2-Clause
/* How the control API shows the choice: for one connection, and the whole live table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"

#define CANDIDATES_MAX (sizeof((struct daemon_explanation){}.candidates) / sizeof(uint16_t))

/* The service a request must name. NULL with the refusal made. */
static struct live_service *required_service(const struct daemon *d, const struct http_request *q,
					     struct http_response *ret_refusal)
{
	bool named;
	struct live_service *s = control_named_service(d, q, &named, ret_refusal);

	if (!named)
		control_refuse(400, "the parameter \"service\" is missing", NULL, ret_refusal);
	return s;
}

/* Reads the parameter `name`, an address with port. False with the refusal made. */
static bool parse_endpoint(const char *name, const char *text, struct address *ret,
			   struct http_response *ret_refusal)
{
	char error[CONTROL_TEXT_MAX];
	const char *why;

	if (!text) {
		snprintf(error, sizeof(error), "the parameter \"%s\" is missing", name);
		control_refuse(400, error, "give it as ADDRESS:PORT", ret_refusal);
		return false;
	}
	if (address_parse(text, false, ret, &why) < 0) {
		snprintf(error, sizeof(error), "\"%s\": %s", name, why);
		control_refuse(400, error, "such as 192.0.2.1:80 or [2001:db8::1]:80", ret_refusal);
		return false;
	}
	return true;
}

/* Where a client that gave no local address most likely connects: the first address it can. */
static const struct address *first_listen(const struct live_service *s,
					  const struct address *client)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		const struct address *a = &s->listeners[i].address;

		if (a->family == client->family || a->family == ADDRESS_ANY)
			return a;
	}
	return s->n_listeners ? &s->listeners[0].address : NULL;
}

static bool listens_on(const struct live_service *s, const struct address *local)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		const struct address *a = &s->listeners[i].address;

		if (address_equal(a, local))
			return true;
		if (a->port == local->port && address_is_wildcard(a) &&
		    (a->family == local->family || a->family == ADDRESS_ANY))
			return true;
	}
	return false;
}

/*
 * The local address to explain with: the one given, or assumed. A wildcard says nothing about it,
 * which matters unless the service hashes by source. False with the refusal made.
 */
static bool choose_local(const struct live_service *front, const struct live_service *s,
			 const char *text, const struct address *client, struct address *ret,
			 json_t **notes, struct http_response *ret_refusal)
{
	const struct address *assumed;
	bool irrelevant = s->settings.hash == HASH_SOURCE;

	if (irrelevant)
		control_append(notes, json_string("hash: source looks at the client's address "
						  "alone; ports and local address do not count"));
	if (text) {
		if (!parse_endpoint("local", text, ret, ret_refusal))
			return false;
		if (front->n_listeners && !listens_on(front, ret))
			control_append(notes, json_string("the service does not listen on the "
							  "local address given"));
		return true;
	}
	assumed = first_listen(front, client);
	if (!assumed && irrelevant) {
		*ret = (struct address){.family = client->family};
		return true;
	}
	if (!assumed) {
		control_refuse(
			400,
			"the service has no listen address of its own, and the choice "
			"depends on the one the client connects to",
			"name the service whose tls_routes lead here, or give local=", ret_refusal);
		return false;
	}
	if ((address_is_wildcard(assumed) && !irrelevant)) {
		control_refuse(400,
			       "the choice depends on the address the client connects to, and "
			       "the service listens on a wildcard",
			       "give the local address: local=ADDRESS:PORT (lbctl explain --local)",
			       ret_refusal);
		return false;
	}
	*ret = *assumed;
	if (!irrelevant && front->n_listeners > 1)
		control_append(notes, json_string("the service listens on several addresses; the "
						  "local address is assumed"));
	return true;
}

static const struct pool_member *member_at(const struct live_service *s, uint16_t index)
{
	return index < s->pool.n_members ? &s->pool.members[index] : NULL;
}

/* Why a member may not be chosen, or why it may though it failed; NULL: nothing to say. */
static const char *say_why(const struct live_service *s, const struct pool_member *m, char *buffer,
			   size_t size)
{
	const struct backend_health *h = &s->backends[m - s->pool.members].health;
	const char *error = h->error[0] ? h->error : health_why_name(h->why);

	if (m->admin == ADMIN_DRAINING)
		return "it is draining";
	if (m->admin == ADMIN_DISABLED)
		return "it is disabled";
	if (m->weight == 0)
		return "its weight is 0";
	if (m->ejected)
		snprintf(buffer, size, "it is down: %s", error);
	else if (m->braked)
		snprintf(buffer, size, "it failed (%s), but max_eject keeps it in", error);
	else
		return NULL;
	return buffer;
}

static json_t *show_candidate(const struct live_service *s, const struct daemon_explanation *e,
			      size_t i)
{
	const struct pool_member *m = &s->pool.members[e->candidates[i]];
	const struct backend *b = s->backends[e->candidates[i]].backend;
	char why[CONTROL_TEXT_MAX], reason[2 * CONTROL_TEXT_MAX];
	const char *more = say_why(s, m, why, sizeof(why));
	const char *place = "tried when those before it refuse or time out";

	if (e->candidates[i] == e->owner)
		place = "owns the slot";
	else if (i == 0)
		place = "next on the walk from the slot's owner";
	snprintf(reason, sizeof(reason), "%s%s%s", place, more ? "; " : "", more ? more : "");

	json_t *o = json_object();

	control_put(&o, "name", json_string(b->name));
	control_put(&o, "address", control_address(&b->address));
	control_put(&o, "eligible", json_boolean(m->eligible));
	control_put(&o, "reason", control_text(reason));
	return o;
}

static void put_choice(json_t **o, const struct live_service *s, const struct daemon_explanation *e)
{
	const struct pool_member *owner = member_at(s, e->owner);
	const struct pool_member *chosen = e->n_candidates ? member_at(s, e->candidates[0]) : NULL;
	json_t *candidates = json_array(), *moved = json_null();
	char hash[32], why[CONTROL_TEXT_MAX];

	snprintf(hash, sizeof(hash), "0x%016" PRIx64, e->hash);
	if (owner && owner != chosen) {
		const char *text = say_why(s, owner, why, sizeof(why));

		moved = json_object();
		control_put(&moved, "why", control_text(text ? text : "it is not eligible"));
	}
	for (size_t i = 0; i < e->n_candidates && i < CANDIDATES_MAX; i++)
		if (member_at(s, e->candidates[i]))
			control_append(&candidates, show_candidate(s, e, i));
	control_put(o, "hash", json_string(hash));
	control_put(o, "slot", control_number(e->slot));
	control_put(o, "owner", control_text(owner ? owner->name : NULL));
	control_put(o, "moved", moved);
	control_put(o, "backend", control_text(chosen ? chosen->name : NULL));
	control_put(o, "candidates", candidates);
}

void control_get_explain(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	const struct live_service *front = required_service(d, q, ret), *s;
	_cleanup_(json_decrefp) json_t *notes = json_array();
	const char *local_text = http_request_value(q, "local");
	struct daemon_explanation e;
	struct address client, local;
	json_t *o;
	int r;

	if (!front || !parse_endpoint("client", http_request_value(q, "client"), &client, ret) ||
	    !control_follow_route(d, q, front, &s, &notes, ret) ||
	    !choose_local(front, s, local_text, &client, &local, &notes, ret))
		return;
	if (!address_is_wildcard(&local) && local.family != client.family) {
		control_refuse(400, "client and local are of different address families",
			       "a client connects from the family it connects to", ret);
		return;
	}
	r = daemon_explain(d, s, &client, &local, &e);
	if (r < 0) {
		control_refuse_errno(r, NULL, NULL, ret);
		return;
	}
	o = json_object();
	control_put(&o, "service", json_string(s->service->name));
	control_put(&o, "via", control_text(s != front ? front->service->name : NULL));
	control_put(&o, "client", control_address(&client));
	control_put(&o, "local", control_address(&local));
	control_put(&o, "local_assumed", json_boolean(!local_text));
	control_put(&o, "hash_by", json_string(hash_kind_name(s->settings.hash)));
	put_choice(&o, s, &e);
	control_put(&o, "notes", take_ptr(notes));
	control_answer(o, ret);
}

/*
 * The table as it is sent: up to 655,373 names, made piece by piece from a snapshot that stays
 * while the client reads. Names need no escaping.
 */
struct table_stream {
	struct snapshot *snapshot;
	const struct snapshot_service *service;
	uint32_t next; /* slot */
	bool begun, ended;
	char piece[NAME_LENGTH_MAX + 64]; /* made and not yet taken: */
	size_t piece_at, piece_length;
};

/* False at the end. */
static bool next_piece(struct table_stream *t)
{
	const struct pool_table *table = t->service->table;
	const char *comma = t->next ? "," : "";
	uint16_t owner;
	int n;

	if (!t->begun) {
		t->begun = true;
		n = snprintf(t->piece, sizeof(t->piece), "{\"service\":\"%s\",\"size\":%u,",
			     t->service->service->name, table->size);
	} else if (t->ended) {
		return false;
	} else if (t->next == table->size) {
		t->ended = true;
		n = snprintf(t->piece, sizeof(t->piece), "]}");
	} else {
		owner = table->live[t->next];
		if (t->next == 0)
			comma = "\"slots\":[";
		t->next++;
		if (owner < t->service->n_backends)
			n = snprintf(t->piece, sizeof(t->piece), "%s\"%s\"", comma,
				     t->service->backends[owner]->name);
		else
			n = snprintf(t->piece, sizeof(t->piece), "%snull", comma);
	}
	t->piece_at = 0;
	t->piece_length = (size_t)n;
	return true;
}

static size_t read_table(void *stream, char *buffer, size_t size)
{
	struct table_stream *t = stream;
	size_t used = 0;

	while (used < size) {
		size_t left = t->piece_length - t->piece_at;
		size_t n = left < size - used ? left : size - used;

		if (left == 0) {
			if (!next_piece(t))
				break;
			continue;
		}
		memcpy(buffer + used, t->piece + t->piece_at, n);
		t->piece_at += n;
		used += n;
	}
	return used;
}

static void free_table(void *stream)
{
	struct table_stream *t = stream;

	snapshot_unref(t->snapshot);
	free(t);
}

void control_get_table(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	const struct live_service *s = required_service(d, q, ret);
	const struct snapshot_service *service = NULL;
	struct table_stream *t;

	if (!s)
		return;
	if (d->snapshot)
		service = snapshot_find(d->snapshot, s->service);
	t = service && service->table ? calloc(1, sizeof(*t)) : NULL;
	if (!t) {
		control_refuse(500, "there is no table at this time", "try again", ret);
		return;
	}
	t->snapshot = snapshot_ref(d->snapshot);
	t->service = service;
	ret->content_type = "application/json";
	ret->read = read_table;
	ret->free = free_table;
	ret->stream = t;
}
