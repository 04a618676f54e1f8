// SPDX-License-Identifier: BSD-2-Clause
/* What the control API shows of limits: the settings, what is held, and by whom. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "prefix_list.h"
#include "source_table.h"
#include "text.h"

#define SOURCES_DEFAULT 20
#define SOURCES_MAX	1000

json_t *control_limits(const struct limits_config *l)
{
	json_t *o = json_object(), *source = json_object();

	control_put(&source, "connections", control_number(l->source_connections));
	control_put(&source, "rate", control_number(l->source_rate));
	control_put(&source, "ipv4", control_number(l->source_ipv4));
	control_put(&source, "ipv6", control_number(l->source_ipv6));
	control_put(&o, "connections", control_number(l->connections));
	control_put(&o, "rate", control_number(l->rate));
	control_put(&o, "source", source);
	return o;
}

json_t *control_queue(const struct service_settings *s)
{
	json_t *o = json_object();

	control_put(&o, "length", control_number(s->queue_length));
	control_put(&o, "timeout", control_duration(s->queue_timeout));
	return o;
}

/* Lists may have tens of thousands of entries: their number is told. */
json_t *control_rules(const struct service_settings *s)
{
	json_t *o = json_object();

	control_put(&o, "allow", control_number(s->allow ? s->allow->n : 0));
	control_put(&o, "deny", control_number(s->deny ? s->deny->n : 0));
	return o;
}

json_t *control_held(const struct service *s)
{
	struct source_table_stats stats = {};
	json_t *o = json_object();

	if (s->sources)
		source_table_stats(s->sources, &stats);
	control_put(&o, "connections", control_number(atomic_load(&s->in_use)));
	control_put(&o, "queued", control_number(atomic_load(&s->n_queued)));
	control_put(&o, "sources", control_number(stats.n_holding));
	control_put(&o, "sources_untracked", control_number(stats.n_untracked));
	return o;
}

static json_t *show_source(const struct live_service *s, const struct source_info *info)
{
	const struct limits_config *l = &s->settings.limits;
	struct prefix p = {.family = ADDRESS_IPV6, .bits = l->source_ipv6};
	json_t *o = json_object();
	char text[PREFIX_TEXT_MAX];

	memcpy(p.ip, info->source, sizeof(p.ip));
	if (address_ip_is_mapped(p.ip)) {
		p.family = ADDRESS_IPV4;
		p.bits = (uint8_t)(96 + l->source_ipv4);
	}
	control_put(&o, "source", json_string(prefix_print(&p, text)));
	control_put(&o, "connections", control_number(info->held));
	return o;
}

void control_get_sources(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	const char *limit_text = http_request_value(q, "limit");
	uint64_t limit = SOURCES_DEFAULT;
	_cleanup_(freep) struct source_info *infos = NULL;
	bool named;
	const struct live_service *s = control_named_service(d, q, &named, ret);
	json_t *o, *list;
	size_t n = 0;

	if (!named)
		control_refuse(400, "the parameter \"service\" is missing", NULL, ret);
	if (!s)
		return;
	if (limit_text && text_parse_unsigned(limit_text, SOURCES_MAX, &limit) < 0) {
		control_refuse(400, "\"limit\": expected a whole number from 0 to 1000", NULL, ret);
		return;
	}
	infos = calloc(limit + 1, sizeof(infos[0]));
	if (infos && s->service->sources)
		n = source_table_top(s->service->sources, infos, limit);
	o = infos ? json_object() : NULL;
	list = json_array();
	for (size_t i = 0; i < n; i++)
		control_append(&list, show_source(s, &infos[i]));
	control_put(&o, "sources", list);
	control_put(&o, "limits", control_limits(&s->settings.limits));
	control_put(&o, "held", control_held(s->service));
	control_answer(o, ret);
}
