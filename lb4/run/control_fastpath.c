// SPDX-License-Identifier: BSD-2-Clause
/* What the control API shows of the fast path, and its switch. */
#include <stdio.h>

#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "forwarding.h"
#include "interface.h"
#include "snapshot.h"
#include "ways.h"

/* By the words that lbctl(8) explains. */
const char *const control_verdict_words[] = {
#define X(name, word, meaning) word,
	LB4_VERDICTS(X)
#undef X
};

static json_t *show_interface(const struct forwarding_interface *i)
{
	json_t *o = json_object();

	control_put(&o, "name", control_text(i->name));
	control_put(&o, "hook", control_text(i->hook));
	control_put(&o, "reason", control_text(i->reason));
	control_put(&o, "error", control_text(i->why_not));
	return o;
}

static json_t *show_lost(const struct way *w)
{
	char text[WAY_TEXT_MAX];
	json_t *o = json_object();

	control_put(&o, "service", json_string(w->backend->service_name));
	control_put(&o, "backend", json_string(w->backend->name));
	control_put(&o, "why", control_text(way_print(w, text)));
	return o;
}

static json_t *show_ways(const struct forwarding_status *s)
{
	json_t *o = json_object(), *lost = json_array();

	for (size_t i = 0; i < s->n_lost && i < FORWARDING_LOST_MAX; i++)
		control_append(&lost, show_lost(s->lost[i]));
	control_put(&o, "known", control_number(s->n_ways));
	control_put(&o, "resolved", control_number(s->n_resolved));
	control_put(&o, "lost", control_number(s->n_lost));
	control_put(&o, "first_lost", lost);
	return o;
}

static json_t *show_mac(const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return json_string(text);
}

/* An address without its port. */
static json_t *show_ip(const struct address *a)
{
	char text[ADDRESS_TEXT_MAX];

	return json_string(address_print_ip(a, text));
}

json_t *control_show_way(const struct way *w)
{
	char name[INTERFACE_NAME_SIZE], text[WAY_TEXT_MAX];
	bool known = w && w->way.interface;
	json_t *o;

	if (!w)
		return json_null();
	o = json_object();
	control_put(&o, "error",
		    w->trouble == WAY_GOOD ? json_null() : control_text(way_print(w, text)));
	control_put(&o, "interface",
		    known ? control_text(interface_name(w->way.interface, name)) : json_null());
	control_put(&o, "gateway",
		    known && w->way.has_gateway ? show_ip(&w->way.gateway) : json_null());
	control_put(&o, "source", known ? show_ip(&w->way.source) : json_null());
	control_put(&o, "mss_max", known ? control_number(w->way.mss_max) : json_null());
	control_put(&o, "mac", w->way.resolved ? show_mac(w->way.next_mac) : json_null());
	return o;
}

json_t *control_show_fastpath(const struct daemon *d)
{
	json_t *o, *interfaces, *verdicts;
	struct forwarding_status s;

	if (!forwarding_status(d, &s))
		return json_null();
	o = json_object();
	interfaces = json_array();
	verdicts = json_object();
	for (size_t i = 0; i < s.n_interfaces; i++)
		control_append(&interfaces, show_interface(&s.interfaces[i]));
	for (size_t i = 0; i < LB4_VERDICT_COUNT; i++)
		control_put(&verdicts, control_verdict_words[i], control_number(s.verdicts[i]));
	control_put(&o, "state", json_string(s.why_not ? "unavailable" : s.accepts ? "on" : "off"));
	control_put(&o, "error", control_text(s.why_not));
	control_put(&o, "interfaces", interfaces);
	control_put(&o, "flows", control_number(s.flows));
	control_put(&o, "max_flows", control_number(s.max_flows));
	control_put(&o, "replaced", control_number(s.replaced));
	control_put(&o, "untold", control_number(s.untold));
	control_put(&o, "captures", json_boolean(s.captures));
	control_put(&o, "ways", show_ways(&s));
	control_put(&o, "packets", verdicts);
	return o;
}

static json_t *show_flow(const struct forwarding_flow *f)
{
	json_t *o = json_object();

	control_put(&o, "backend", control_text(f->backend ? f->backend->name : NULL));
	control_put(&o, "source", f->has_source ? control_address(&f->source) : json_null());
	control_put(&o, "state", json_string(f->state));
	control_put(&o, "age_ms",
		    f->has_source ? control_number(f->age / NSEC_PER_MSEC) : json_null());
	control_put(&o, "idle_ms", control_number(f->idle / NSEC_PER_MSEC));
	return o;
}

void control_explain_path(const struct daemon *d, const struct live_service *s,
			  const struct address *client, const struct address *local,
			  const char *why_spliced, json_t **o)
{
	const struct snapshot_service *view = snapshot_find(d->snapshot, s->service);
	struct forwarding_explanation e = {};
	json_t *maps = json_null();

	if (view && !why_spliced)
		forwarding_explain(d, view, client, local, &e);
	if (e.has_slot) {
		maps = json_object();
		control_put(&maps, "slot", control_number(e.slot));
		control_put(&maps, "owner", control_text(e.owner ? e.owner->name : NULL));
		control_put(&maps, "state", control_text(e.slot_state));
		control_put(&maps, "previous", control_text(e.previous ? e.previous->name : NULL));
	}
	control_put(o, "path", json_string(forward_kind_name(e.path)));
	control_put(o, "path_why", control_text(why_spliced ? why_spliced : e.why_not));
	control_put(o, "maps", maps);
	control_put(o, "flow", e.flow.is_there ? show_flow(&e.flow) : json_null());
}

struct fastpath_request {
	bool on;
};

void control_post_fastpath(void *context, const struct http_request *q, struct http_response *ret)
{
	static const struct control_field fields[] = {
		{"on", CONTROL_BOOL, true, .offset = offsetof(struct fastpath_request, on)},
	};
	struct fastpath_request request = {};
	_cleanup_(json_decrefp) json_t *body =
		control_parse_body(q, fields, sizeof(fields) / sizeof(fields[0]), &request, ret);
	struct forwarding_status s;
	struct daemon *d = context;
	json_t *o;

	if (!body)
		return;
	if (!forwarding_accept(d, request.on)) {
		bool named = forwarding_status(d, &s);

		control_refuse(
			409,
			named ? "the fast path could not be loaded"
			      : "there is no fast path: the configuration names no interfaces",
			named ? s.why_not : "interfaces: [eth0, …], and start lb4 anew", ret);
		return;
	}
	o = json_object();
	control_put(&o, "ok", json_true());
	control_put(&o, "fastpath", control_show_fastpath(d));
	control_answer_kept(d, o, ret);
}
