// SPDX-License-Identifier: BSD-2-Clause
/* What the control API shows of services. */
#include <stddef.h>
#include <stdio.h>

#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "drift.h"

json_t *control_backends_up(uint64_t up, uint64_t eligible, uint64_t total)
{
	json_t *o = json_object();

	control_put(&o, "up", control_number(up));
	control_put(&o, "eligible", control_number(eligible));
	control_put(&o, "total", control_number(total));
	return o;
}

uint64_t control_count_up(const struct live_service *s)
{
	uint64_t up = 0;

	for (size_t i = 0; i < s->n_backends; i++)
		up += !s->backends[i].health.failed;
	return up;
}

uint64_t control_count_eligible(const struct live_service *s)
{
	uint64_t eligible = 0;

	for (size_t i = 0; i < s->pool.n_members; i++)
		eligible += s->pool.members[i].eligible;
	return eligible;
}

#define SETTING(name, member)                                                                      \
	{                                                                                          \
		name, offsetof(struct service_settings, member)                                    \
	}

struct duration_setting {
	const char *name; /* of lb4.yaml(5) */
	size_t offset;
};

static const struct duration_setting durations[] = {
	SETTING("slow_start", slow_start),
	SETTING("connect_timeout", connect_timeout),
	SETTING("connect_budget", connect_budget),
	SETTING("idle_timeout", idle_timeout),
	SETTING("half_closed_timeout", half_closed_timeout),
	SETTING("lifetime", lifetime),
	SETTING("drain_timeout", drain_timeout),
	SETTING("user_timeout", user_timeout),
};

static json_t *show_mask(const struct service_settings *s)
{
	json_t *o = json_object();

	control_put(&o, "ipv4", control_number(s->mask_ipv4));
	control_put(&o, "ipv6", control_number(s->mask_ipv6));
	return o;
}

static json_t *show_keepalive(const struct service_settings *s)
{
	json_t *o = json_object();

	control_put(&o, "enabled", json_boolean(s->keepalive_idle != 0));
	control_put(&o, "idle", control_duration(s->keepalive_idle));
	control_put(&o, "interval", control_duration(s->keepalive_interval));
	control_put(&o, "count", control_number(s->keepalive_count));
	return o;
}

static json_t *show_passive(const struct passive_config *p)
{
	json_t *o = json_object();

	control_put(&o, "enabled", json_boolean(p->enabled));
	control_put(&o, "fall", control_number(p->fall));
	control_put(&o, "hold", control_duration(p->hold));
	control_put(&o, "hold_max", control_duration(p->hold_max));
	return o;
}

static json_t *show_proxy_in(const struct service_settings *s)
{
	json_t *o;

	if (!s->proxy_from)
		return json_null();
	o = json_object();
	control_put(&o, "from", control_prefixes(s->proxy_from));
	control_put(&o, "timeout", control_duration(s->proxy_timeout));
	return o;
}

static json_t *show_settings(const struct service_settings *s)
{
	json_t *o = json_object();
	char max_eject[16];

	snprintf(max_eject, sizeof(max_eject), "%u%%", s->max_eject_percent);

	control_put(&o, "forward", json_string(forward_kind_name(s->forward)));
	control_put(&o, "on_down", json_string(on_down_name(s->on_down)));
	control_put(&o, "fail", json_string(fail_mode_name(s->fail)));
	control_put(&o, "max_eject", json_string(max_eject));
	control_put(&o, "table_size", control_number(s->table_size));
	control_put(&o, "tries", control_number(s->tries));
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
		control_put(
			&o, durations[i].name,
			control_duration(*(const nsec_t *)((const char *)s + durations[i].offset)));
	control_put(&o, "mask", show_mask(s));
	control_put(&o, "passive", show_passive(&s->passive));
	control_put(&o, "access", control_rules(s));
	control_put(&o, "limits", control_limits(&s->limits));
	control_put(&o, "queue", control_queue(s));
	control_put(&o, "keepalive", show_keepalive(s));
	control_put(&o, "proxy_in", show_proxy_in(s));
	control_put(&o, "source_address",
		    s->transparent	  ? json_string("transparent")
		    : s->source_addresses ? control_prefixes(s->source_addresses)
					  : json_string("auto"));
	control_put(&o, "splice",
		    s->splice_after ? control_number(s->splice_after) : json_string("off"));
	control_put(&o, "proxy_out", json_string(proxy_version_name(s->proxy_out)));
	return o;
}

static void put_http(json_t **o, const struct check_config *c)
{
	char status[32];

	if (c->status_min == c->status_max)
		snprintf(status, sizeof(status), "%u", c->status_min);
	else
		snprintf(status, sizeof(status), "%u-%u", c->status_min, c->status_max);
	control_put(o, "path", control_text(c->http_path));
	control_put(o, "host", control_text(c->http_host));
	control_put(o, "status", json_string(status));
	control_put(o, "body", control_text(c->http_body));
}

static json_t *show_texts(char *const *list)
{
	json_t *o = json_array();

	for (; *list; list++)
		control_append(&o, control_text(*list));
	return o;
}

static json_t *show_check(const struct check_config *c)
{
	json_t *o = json_object();
	char ip[ADDRESS_TEXT_MAX];

	control_put(&o, "kind", json_string(check_kind_name(c->kind)));
	if (c->kind == CHECK_NONE)
		return o;
	if (c->kind == CHECK_HTTP)
		put_http(&o, c);
	if (c->kind == CHECK_MYSQL)
		control_put(&o, "user", control_text(c->mysql_user));
	if (c->kind == CHECK_EXEC)
		control_put(&o, "exec", show_texts(c->exec));
	if (!address_is_wildcard(&c->address))
		control_put(&o, "address", json_string(address_print_ip(&c->address, ip)));
	if (c->port)
		control_put(&o, "port", control_number(c->port));
	control_put(&o, "interval", control_duration(c->interval));
	control_put(&o, "fast_interval", control_duration(c->fast_interval));
	control_put(&o, "timeout", control_duration(c->timeout));
	control_put(&o, "rise", control_number(c->rise));
	control_put(&o, "fall", control_number(c->fall));
	control_put(&o, "proxy", json_string(proxy_version_name(c->proxy)));
	return o;
}

static json_t *show_ended(const struct service_counters *sum)
{
	json_t *o = json_object();

	for (int i = END_NONE + 1; i < END_REASONS; i++)
		control_put(&o, end_reasons[i].name, control_number(counter_read(sum->ended[i])));
	return o;
}

static json_t *show_service(const struct daemon *d, const struct live_service *s)
{
	json_t *o = json_object(), *listen = json_array();
	struct service_counters sum;

	service_sum(s->service, &sum);
	for (size_t i = 0; i < s->n_listeners; i++)
		control_append(&listen, control_address(&s->listeners[i].address));
	control_put(&o, "name", json_string(s->service->name));
	control_put(&o, "listen", listen);
	control_put(&o, "balance", json_string(balance_kind_name(s->settings.balance)));
	control_put(&o, "hash",
		    s->settings.balance == BALANCE_MAGLEV
			    ? json_string(hash_kind_name(s->settings.hash))
			    : json_null());
	control_put(&o, "settings", show_settings(&s->settings));
	control_put(&o, "check", show_check(&s->check));
	control_put(&o, "tls_routes", control_tls_routes(d, s));
	control_put(&o, "hello", s->tls_routes ? control_hello(&s->settings) : json_null());
	control_put(
		&o, "backends",
		control_backends_up(control_count_up(s), control_count_eligible(s), s->n_backends));
	control_put(&o, "drift", control_number(live_service_count_drift(d, s)));
	control_put(&o, "active", control_number(counter_read(sum.active)));
	control_put(&o, "accepted", control_number(counter_read(sum.accepted)));
	control_put(&o, "forwarded", control_number(service_forwarded(s->service)));
	control_put(&o, "routed", control_number(counter_read(sum.routed)));
	control_put(&o, "retries", control_number(counter_read(sum.retries)));
	control_put(&o, "spilled", control_number(counter_read(sum.spilled)));
	control_put(&o, "queued", control_number(counter_read(sum.queued)));
	control_put(&o, "held", control_held(s->service));
	control_put(&o, "bytes_in", control_number(counter_read(sum.bytes_in)));
	control_put(&o, "bytes_out", control_number(counter_read(sum.bytes_out)));
	control_put(&o, "bytes_spliced", control_number(counter_read(sum.bytes_spliced)));
	control_put(&o, "relay_changes", control_number(counter_read(sum.relay_changes)));
	control_put(&o, "brake", json_boolean(s->pool.brake));
	control_put(&o, "on_backups", json_boolean(s->pool.on_backups));
	control_put(&o, "rebuilt", json_boolean(s->pool.rebuilt));
	control_put(&o, "rebuilds", control_number(s->pool.n_rebuilds));
	control_put(&o, "slots_moved", control_number(s->pool.n_slots_moved));
	control_put(&o, "ended", show_ended(&sum));
	return o;
}

void control_get_services(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	json_t *o, *list;
	bool named;
	const struct live_service *only = control_named_service(d, q, &named, ret);

	if (named && !only)
		return;
	o = json_object();
	list = json_array();
	for (size_t i = 0; i < d->n_services; i++)
		if (!named || d->services[i] == only)
			control_append(&list, show_service(d, d->services[i]));
	control_put(&o, "services", list);
	control_answer(o, ret);
}
