// SPDX-License-Identifier: BSD-2-Clause
/* What the control API shows of the fast path, and its switch. */
#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "forwarding.h"

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
	control_put(&o, "error", control_text(i->why_not));
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
	control_put(&o, "captures", json_boolean(s.captures));
	control_put(&o, "packets", verdicts);
	return o;
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
	control_answer(o, ret);
}
