// SPDX-License-Identifier: BSD-2-Clause
/* How the control API shows the choice for one connection. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"

#define CANDIDATES_MAX (sizeof((struct daemon_explanation){}.candidates) / sizeof(uint16_t))

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

static const char *const about_balance[] = {
	[BALANCE_LEAST_CONNECTIONS] =
		"balance: least-connections looks at loads, not at the client; equal ones are "
		"chosen from at random by weight",
	[BALANCE_ROUND_ROBIN] =
		"balance: round-robin looks at turns, not at the client; each worker takes turns "
		"of its own, candidates are those of worker 0",
	[BALANCE_TWO_CHOICES] =
		"balance: two-choices draws two backends by weight and takes the less loaded; "
		"candidates are listed by load, who is next is chance",
};

/*
 * The local address to explain with: the one given, or assumed. A wildcard says nothing about it,
 * which matters unless the service hashes by source, or not at all. False with the refusal made.
 */
static bool choose_local(const struct live_service *front, const struct live_service *s,
			 const char *text, const struct address *client, struct address *ret,
			 json_t **notes, struct http_response *ret_refusal)
{
	const struct address *assumed;
	bool balanced = s->settings.balance != BALANCE_MAGLEV;
	bool irrelevant = balanced || s->settings.hash == HASH_SOURCE;

	if (balanced)
		control_append(notes, json_string(about_balance[s->settings.balance]));
	else if (irrelevant)
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
		control_refuse(400,
			       "the service has no listen address of its own, and the choice "
			       "depends on the one the client connects to",
			       "name the service whose tls_routes lead here, or give the address: "
			       "local=ADDRESS:PORT (lbctl explain --local)",
			       ret_refusal);
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
	if (m->backup && !s->pool.on_backups && !m->ejected)
		return "it is a backup, and others are eligible";
	if (!m->backup && s->pool.on_backups && !m->ejected)
		return "backups are in service";
	if (m->ejected)
		snprintf(buffer, size, "it is down: %s", error);
	else if (m->braked)
		snprintf(buffer, size, "it failed (%s), but max_eject keeps it in", error);
	else
		return NULL;
	return buffer;
}

/* Why the candidate has its place among the others. */
static const char *say_place(const struct daemon_explanation *e, size_t i, char *buffer,
			     size_t size)
{
	if (e->balance == BALANCE_MAGLEV && e->candidates[i] == e->owner && !e->owner_waits)
		return "owns the slot";
	if (e->balance == BALANCE_MAGLEV && i == 0)
		return "next on the walk from the slot's owner";
	if (e->balance == BALANCE_ROUND_ROBIN && i == 0)
		return "its turn is next";
	if (e->balance == BALANCE_MAGLEV || e->balance == BALANCE_ROUND_ROBIN)
		return "tried when those before it refuse or time out";
	snprintf(buffer, size, "has %" PRIu32 " connection%s", e->loads[i],
		 e->loads[i] == 1 ? "" : "s");
	return buffer;
}

static json_t *show_candidate(const struct live_service *s, const struct daemon_explanation *e,
			      size_t i)
{
	const struct pool_member *m = &s->pool.members[e->candidates[i]];
	const struct backend *b = s->backends[e->candidates[i]].backend;
	char why[CONTROL_TEXT_MAX], load[64], reason[2 * CONTROL_TEXT_MAX];
	const char *more = say_why(s, m, why, sizeof(why));
	const char *place = say_place(e, i, load, sizeof(load));

	snprintf(reason, sizeof(reason), "%s%s%s", place, more ? "; " : "", more ? more : "");

	json_t *o = json_object();

	control_put(&o, "name", json_string(b->name));
	control_put(&o, "address", control_address(&b->address));
	control_put(&o, "weight", control_number(m->weight));
	control_put(&o, "in_use", control_number(e->loads[i]));
	control_put(&o, "eligible", json_boolean(m->eligible));
	control_put(&o, "reason", control_text(reason));
	return o;
}

/* Of a service that hashes: null otherwise. */
static void put_slot(json_t **o, const struct live_service *s, const struct daemon_explanation *e,
		     bool refused)
{
	const struct pool_member *owner = member_at(s, e->owner);
	bool hashes = e->balance == BALANCE_MAGLEV;
	bool moved = owner && !refused && (e->n_candidates == 0 || e->candidates[0] != e->owner);
	json_t *why = json_null();
	char hash[32], buffer[CONTROL_TEXT_MAX];

	snprintf(hash, sizeof(hash), "0x%016" PRIx64, e->hash);
	if (moved) {
		const char *text = say_why(s, owner, buffer, sizeof(buffer));

		if (!text && e->owner_waits)
			text = "its slow start has not come to this slot";
		why = json_object();
		control_put(&why, "why", control_text(text ? text : "it is not eligible"));
	}
	control_put(o, "hash_by",
		    hashes ? json_string(hash_kind_name(s->settings.hash)) : json_null());
	control_put(o, "hash", hashes ? json_string(hash) : json_null());
	control_put(o, "slot", hashes ? control_number(e->slot) : json_null());
	control_put(o, "owner", control_text(owner ? owner->name : NULL));
	control_put(o, "moved", why);
}

/* Whether the first candidate is who is chosen: workers and chance may not leave it at one. */
static bool is_certain(const struct live_service *s, const struct daemon_explanation *e)
{
	const struct pool_member *first = member_at(s, e->candidates[0]);
	const struct pool_member *second =
		e->n_candidates > 1 ? member_at(s, e->candidates[1]) : NULL;

	if (!first || e->n_candidates < 2 || e->balance == BALANCE_MAGLEV)
		return e->n_candidates > 0;
	for (unsigned i = 0; i < e->n_next; i++)
		if (e->next[i] != e->candidates[0])
			return false;
	if (e->balance == BALANCE_LEAST_CONNECTIONS)
		return balance_less(e->loads[0], first->weight * first->steps, e->loads[1],
				    second ? second->weight * second->steps : 0);
	return e->balance == BALANCE_ROUND_ROBIN;
}

static void put_choice(json_t **o, const struct live_service *s, const struct daemon_explanation *e,
		       bool refused)
{
	json_t *candidates = json_array(), *next = json_array();
	const struct pool_member *chosen = NULL;

	if (is_certain(s, e))
		chosen = member_at(s, e->candidates[0]);
	for (size_t i = 0; i < e->n_candidates && i < CANDIDATES_MAX; i++)
		if (member_at(s, e->candidates[i]))
			control_append(&candidates, show_candidate(s, e, i));
	for (unsigned i = 0; i < e->n_next; i++) {
		const struct pool_member *m = member_at(s, e->next[i]);

		control_append(&next, control_text(m ? m->name : NULL));
	}
	put_slot(o, s, e, refused);
	control_put(o, "backend", control_text(chosen ? chosen->name : NULL));
	control_put(o, "next", next);
	control_put(o, "candidates", candidates);
}

/* Whether a service on the client's way keeps it out, which is told. */
static bool is_refused(const struct live_service *front, const struct live_service *s,
		       const struct address *client, json_t **notes)
{
	const struct live_service *who = access_admits(front->access, client) ? s : front;
	char note[CONTROL_TEXT_MAX];

	if (access_admits(who->access, client))
		return false;
	snprintf(note, sizeof(note), "allow and deny of service %s keep the client's address out",
		 who->service->name);
	control_append(notes, control_text(note));
	return true;
}

void control_get_explain(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	const struct live_service *front = control_required_service(d, q, ret), *s;
	_cleanup_(json_decrefp) json_t *notes = json_array();
	const char *local_text = http_request_value(q, "local");
	struct daemon_explanation e;
	struct address client, local;
	bool refused;
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
	refused = is_refused(front, s, &client, &notes);
	o = json_object();
	control_put(&o, "service", json_string(s->service->name));
	control_put(&o, "via", control_text(s != front ? front->service->name : NULL));
	control_put(&o, "client", control_address(&client));
	control_put(&o, "local", control_address(&local));
	control_put(&o, "local_assumed", json_boolean(!local_text));
	control_put(&o, "refused", control_text(refused ? end_reasons[END_DENIED].name : NULL));
	control_put(&o, "balance", json_string(balance_kind_name(e.balance)));
	if (refused)
		e.n_candidates = e.n_next = 0;
	put_choice(&o, s, &e, refused);
	control_explain_path(d, s, &client, &local,
			     s != front ? "a route of another service leads here" : NULL, &o);
	control_put(&o, "notes", take_ptr(notes));
	control_answer(o, ret);
}
