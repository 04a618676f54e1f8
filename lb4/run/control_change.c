// SPDX-License-Identifier: BSD-2-Clause
/* What operators ask of the daemon through the control API. */
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"

#define N_FIELDS(fields) (sizeof(fields) / sizeof((fields)[0]))

/* Every request of these: {} or the fields of its table. False with the refusal made. */
static bool no_fields(const struct http_request *q, struct http_response *ret_refusal)
{
	json_t *body = control_parse_body(q, NULL, 0, NULL, ret_refusal);

	json_decref(body);
	return body != NULL;
}

void control_post_check(void *context, const struct http_request *q, struct http_response *ret)
{
	_cleanup_(config_errors_deinit) struct config_errors errors = {};
	_cleanup_(config_freep) struct config *c = NULL;
	size_t n_backends = 0;
	json_t *o;
	int r;

	(void)context;
	r = config_parse(q->body, q->body_size, &c, &errors);
	if (r < 0 && errors.n_errors) {
		control_refuse_config(NULL, &errors, ret);
		return;
	}
	if (r < 0) {
		control_refuse_errno(r, NULL, NULL, ret);
		return;
	}
	for (size_t i = 0; i < c->n_services; i++)
		n_backends += c->services[i].n_backends;
	o = json_object();
	control_put(&o, "ok", json_true());
	control_put(&o, "services", control_number(c->n_services));
	control_put(&o, "backends", control_number(n_backends));
	control_answer(o, ret);
}

struct stop_request {
	nsec_t timeout;
};

void control_post_stop(void *context, const struct http_request *q, struct http_response *ret)
{
	static const struct control_field fields[] = {
		{"timeout", CONTROL_DURATION, .offset = offsetof(struct stop_request, timeout)},
	};
	struct daemon *d = context;
	struct stop_request request = {.timeout = d->config->stop_timeout};
	_cleanup_(json_decrefp) json_t *body =
		control_parse_body(q, fields, N_FIELDS(fields), &request, ret);
	json_t *o;

	if (!body)
		return;
	daemon_stop(d, request.timeout);
	o = json_object();
	control_put(&o, "ok", json_true());
	control_put(&o, "timeout", control_duration(request.timeout));
	control_answer(o, ret);
}

/* Answers a change of a backend: with what it now is, when it still is. */
static void answer_change(struct daemon *d, const struct http_request *q, const char *name, int r,
			  const char *error, struct http_response *ret)
{
	const struct live_service *s = daemon_find_service(d, http_request_value(q, "service"));
	const struct live_backend *b = s ? live_service_find_backend(s, name) : NULL;
	_cleanup_(freep) double *shares = NULL;
	char hint[CONTROL_TEXT_MAX];
	json_t *o;

	if (r < 0) {
		control_refuse_errno(
			r, error,
			r == -ENOENT ? control_nearest_hint(d, q, hint, sizeof(hint)) : NULL, ret);
		return;
	}
	o = json_object();
	control_put(&o, "ok", json_true());
	if (b && control_shares(s, &shares) >= 0)
		control_put(&o, "backend", control_backend(d, s, b, shares[b - s->backends]));
	control_answer_kept(d, o, ret);
}

struct add_request {
	const char *name, *address;
	uint64_t weight;
	bool backup;
};

void control_add_backend(void *context, const struct http_request *q, struct http_response *ret)
{
	static const struct control_field fields[] = {
		{"name", CONTROL_TEXT, true, .offset = offsetof(struct add_request, name)},
		{"address", CONTROL_TEXT, true, .offset = offsetof(struct add_request, address)},
		{"weight", CONTROL_NUMBER, .max = WEIGHT_MAX,
		 .offset = offsetof(struct add_request, weight)},
		{"backup", CONTROL_BOOL, .offset = offsetof(struct add_request, backup)},
	};
	struct daemon *d = context;
	struct add_request request = {.weight = 1};
	_cleanup_(json_decrefp) json_t *body =
		control_parse_body(q, fields, N_FIELDS(fields), &request, ret);
	_cleanup_(freep) char *error = NULL;
	int r;

	if (!body)
		return;
	r = daemon_add_backend(d, http_request_value(q, "service"), request.name, request.address,
			       (uint32_t)request.weight, request.backup, &error);
	answer_change(d, q, request.name, r, error, ret);
}

void control_remove_backend(void *context, const struct http_request *q, struct http_response *ret)
{
	struct daemon *d = context;
	const char *name = http_request_value(q, "name");
	_cleanup_(freep) char *error = NULL;
	int r;

	if (!no_fields(q, ret))
		return;
	r = daemon_remove_backend(d, http_request_value(q, "service"), name, &error);
	answer_change(d, q, name, r, error, ret);
}

struct weight_request {
	uint64_t weight;
};

void control_post_weight(void *context, const struct http_request *q, struct http_response *ret)
{
	static const struct control_field fields[] = {
		{"weight", CONTROL_NUMBER, true, WEIGHT_MAX,
		 offsetof(struct weight_request, weight)},
	};
	struct daemon *d = context;
	struct weight_request request = {};
	_cleanup_(json_decrefp) json_t *body =
		control_parse_body(q, fields, N_FIELDS(fields), &request, ret);
	const char *name = http_request_value(q, "name");
	_cleanup_(freep) char *error = NULL;
	int r;

	if (!body)
		return;
	r = daemon_set_weight(d, http_request_value(q, "service"), name, (uint32_t)request.weight,
			      &error);
	answer_change(d, q, name, r, error, ret);
}

static void set_admin(struct daemon *d, const struct http_request *q, enum admin_state state,
		      nsec_t drain_timeout, struct http_response *ret)
{
	const char *name = http_request_value(q, "name");
	_cleanup_(freep) char *error = NULL;
	int r = daemon_set_admin(d, http_request_value(q, "service"), name, state, drain_timeout,
				 &error);

	answer_change(d, q, name, r, error, ret);
}

struct drain_request {
	nsec_t timeout; /* NSEC_NEVER: not given; 0: no limit, as in the file */
};

void control_post_drain(void *context, const struct http_request *q, struct http_response *ret)
{
	static const struct control_field fields[] = {
		{"timeout", CONTROL_DURATION, .offset = offsetof(struct drain_request, timeout)},
	};
	struct drain_request request = {.timeout = NSEC_NEVER};
	_cleanup_(json_decrefp) json_t *body =
		control_parse_body(q, fields, N_FIELDS(fields), &request, ret);
	nsec_t timeout = request.timeout;

	if (timeout == NSEC_NEVER)
		timeout = 0; /* for the daemon that is the service's own */
	else if (timeout == 0)
		timeout = NSEC_NEVER;
	if (body)
		set_admin(context, q, ADMIN_DRAINING, timeout, ret);
}

void control_post_disable(void *context, const struct http_request *q, struct http_response *ret)
{
	if (no_fields(q, ret))
		set_admin(context, q, ADMIN_DISABLED, 0, ret);
}

void control_post_enable(void *context, const struct http_request *q, struct http_response *ret)
{
	if (no_fields(q, ret))
		set_admin(context, q, ADMIN_ENABLED, 0, ret);
}

/* Ends a drain; what is disabled is not enabled by the way. */
void control_post_undrain(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	const struct live_service *s = daemon_find_service(d, http_request_value(q, "service"));
	const struct live_backend *b =
		s ? live_service_find_backend(s, http_request_value(q, "name")) : NULL;

	if (b && s->pool.members[b - s->backends].admin == ADMIN_DISABLED) {
		control_refuse(409, "the backend is disabled, not draining", "use enable", ret);
		return;
	}
	control_post_enable(context, q, ret);
}
