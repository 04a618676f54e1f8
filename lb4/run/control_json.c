// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "config.h"
#include "control_json.h"
#include "http_server.h"
#include "prefix_list.h"
#include "text.h"

#define FIELDS_MAX 8

/* A client has 30 s for a request, and so has this answer some to spare. */
#define WAIT_MAX (25 * NSEC_PER_SEC)

json_t *control_text(const char *text)
{
	_cleanup_(freep) char *copy = NULL;

	if (!text)
		return json_null();
	copy = strdup(text);
	return copy ? json_string(text_make_printable(copy)) : NULL;
}

json_t *control_number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

json_t *control_duration(nsec_t value)
{
	char text[32];

	return json_string(text_print_duration(value, text, sizeof(text)));
}

json_t *control_address(const struct address *a)
{
	char text[ADDRESS_TEXT_MAX];

	return json_string(address_print(a, text));
}

json_t *control_prefixes(const struct prefix_list *l)
{
	json_t *array = json_array();
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; l && i < l->n; i++)
		control_append(&array, json_string(prefix_print(&l->items[i], text)));
	return array;
}

void control_put(json_t **object, const char *name, json_t *value_take)
{
	if (json_object_set_new(*object, name, value_take) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

void control_append(json_t **array, json_t *value_take)
{
	if (json_array_append_new(*array, value_take) == 0)
		return;
	json_decref(*array);
	*array = NULL;
}

static void answer_with(unsigned status, json_t *object_take, struct http_response *ret)
{
	_cleanup_(json_decrefp) json_t *object = object_take;
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

	ret->status = text ? status : 500;
	ret->content_type = "application/json";
	ret->body = text;
	ret->size = text ? strlen(text) : 0;
}

void control_answer(json_t *object_take, struct http_response *ret)
{
	answer_with(200, object_take, ret);
}

void control_refuse(unsigned status, const char *error, const char *hint, struct http_response *ret)
{
	json_t *o = json_object();

	control_put(&o, "error", control_text(error));
	control_put(&o, "hint", control_text(hint));
	answer_with(status, o, ret);
}

void control_refuse_errno(int r, const char *error, const char *hint, struct http_response *ret)
{
	static const struct {
		int error;
		unsigned status;
	} statuses[] = {
		{ENOENT, 404}, {EEXIST, 409},	 {EPERM, 409},
		{EINVAL, 422}, {ESHUTDOWN, 409}, {ESTALE, 409},
	};
	unsigned status = 500;

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].error == -r)
			status = statuses[i].status;
	control_refuse(status, error ? error : strerror(-r), hint, ret);
}

bool control_query_number(const struct http_request *q, const char *name, uint64_t max,
			  uint64_t *ret, struct http_response *ret_refusal)
{
	const char *text = http_request_value(q, name);
	char error[CONTROL_TEXT_MAX];

	if (!text || text_parse_unsigned(text, max, ret) == 0)
		return true;
	snprintf(error, sizeof(error), "\"%s\": expected a whole number from 0 to %llu", name,
		 (unsigned long long)max);
	control_refuse(400, error, NULL, ret_refusal);
	return false;
}

bool control_query_wait(const struct http_request *q, nsec_t *ret,
			struct http_response *ret_refusal)
{
	const char *text = http_request_value(q, "wait"), *why;

	if (!text || (text_parse_duration(text, ret, &why) == 0 && *ret <= WAIT_MAX))
		return true;
	control_refuse(400, "\"wait\": expected a duration from 0 to 25s",
		       "a whole number and a unit, such as 20s", ret_refusal);
	return false;
}

static json_t *config_error(const struct config_error *e)
{
	json_t *o = json_object();

	control_put(&o, "line", control_number(e->line));
	control_put(&o, "column", control_number(e->column));
	control_put(&o, "message", control_text(e->message));
	control_put(&o, "hint", control_text(e->hint));
	return o;
}

void control_refuse_config(const char *path, const struct config_errors *errors,
			   struct http_response *ret)
{
	json_t *o = json_object(), *list = json_array();
	char error[CONTROL_TEXT_MAX];

	for (size_t i = 0; i < errors->n_errors; i++)
		control_append(&list, config_error(&errors->errors[i]));
	snprintf(error, sizeof(error), "the configuration has %zu fault%s", errors->n_errors,
		 errors->n_errors == 1 ? "" : "s");
	control_put(&o, "error", control_text(error));
	control_put(&o, "hint", json_string("\"errors\" lists every fault"));
	control_put(&o, "path", control_text(path));
	control_put(&o, "errors", list);
	answer_with(422, o, ret);
}

static void refuse_value(const struct control_field *f, const char *expected,
			 struct http_response *ret)
{
	char error[CONTROL_TEXT_MAX];

	snprintf(error, sizeof(error), "\"%s\": expected %s", f->name, expected);
	control_refuse(400, error, NULL, ret);
}

static bool take_bool(const struct control_field *f, const json_t *value, void *ret,
		      struct http_response *ret_refusal)
{
	if (!json_is_boolean(value)) {
		refuse_value(f, "true or false", ret_refusal);
		return false;
	}
	*(bool *)ret = json_is_true(value);
	return true;
}

static bool take_number(const struct control_field *f, const json_t *value, void *ret,
			struct http_response *ret_refusal)
{
	char expected[64];

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > f->max) {
		snprintf(expected, sizeof(expected), "a whole number from 0 to %llu",
			 (unsigned long long)f->max);
		refuse_value(f, expected, ret_refusal);
		return false;
	}
	*(uint64_t *)ret = (uint64_t)json_integer_value(value);
	return true;
}

static bool take_text(const struct control_field *f, const json_t *value, void *ret,
		      struct http_response *ret_refusal)
{
	if (!json_is_string(value)) {
		refuse_value(f, "a text", ret_refusal);
		return false;
	}
	*(const char **)ret = json_string_value(value);
	return true;
}

static bool take_duration(const struct control_field *f, const json_t *value, void *ret,
			  struct http_response *ret_refusal)
{
	const char *why = "a text such as \"30s\"";

	if (json_is_string(value) && text_parse_duration(json_string_value(value), ret, &why) == 0)
		return true;
	/* The reasons of text_parse_duration() are whole sentences. */
	if (json_is_string(value)) {
		char error[CONTROL_TEXT_MAX];

		snprintf(error, sizeof(error), "\"%s\": %s", f->name, why);
		control_refuse(400, error, NULL, ret_refusal);
	} else {
		refuse_value(f, why, ret_refusal);
	}
	return false;
}

static bool (*const takers[])(const struct control_field *f, const json_t *value, void *ret,
			      struct http_response *ret_refusal) = {
	[CONTROL_BOOL] = take_bool,
	[CONTROL_NUMBER] = take_number,
	[CONTROL_TEXT] = take_text,
	[CONTROL_DURATION] = take_duration,
};

static void refuse_field(const char *name, const struct control_field *fields, size_t n_fields,
			 struct http_response *ret)
{
	const char *words[FIELDS_MAX + 1] = {};
	char error[CONTROL_TEXT_MAX], hint[CONTROL_TEXT_MAX] = "";
	const char *near;
	size_t length = 0;

	for (size_t i = 0; i < n_fields && i < FIELDS_MAX; i++)
		words[i] = fields[i].name;
	snprintf(error, sizeof(error), "unknown field \"%.100s\"", name);
	near = text_nearest(name, words);
	if (near)
		length = (size_t)snprintf(hint, sizeof(hint), "did you mean \"%s\"? ", near);
	length += (size_t)snprintf(hint + length, sizeof(hint) - length, "this request takes %s",
				   n_fields ? "" : "no fields");
	for (size_t i = 0; words[i]; i++)
		length += (size_t)snprintf(hint + length, sizeof(hint) - length, "%s\"%s\"",
					   i ? ", " : "", words[i]);
	control_refuse(400, error, hint, ret);
}

static json_t *load_body(const struct http_request *q, struct http_response *ret_refusal)
{
	_cleanup_(json_decrefp) json_t *body = NULL;
	json_error_t fault;
	char error[CONTROL_TEXT_MAX];

	if (q->body_size == 0)
		return json_object();
	body = json_loadb(q->body, q->body_size, JSON_REJECT_DUPLICATES, &fault);
	if (!body) {
		snprintf(error, sizeof(error), "the body is not JSON: line %d, column %d: %s",
			 fault.line, fault.column, fault.text);
		control_refuse(400, error, NULL, ret_refusal);
		return NULL;
	}
	if (!json_is_object(body)) {
		control_refuse(400, "the body is not a JSON object", "send {\"name\": value, …}",
			       ret_refusal);
		return NULL;
	}
	return take_ptr(body);
}

json_t *control_parse_body(const struct http_request *q, const struct control_field *fields,
			   size_t n_fields, void *ret, struct http_response *ret_refusal)
{
	_cleanup_(json_decrefp) json_t *body = load_body(q, ret_refusal);
	const char *name;
	json_t *value;

	if (!body)
		return NULL;
	json_object_foreach(body, name, value) {
		const struct control_field *f = NULL;

		for (size_t i = 0; i < n_fields; i++)
			if (!strcmp(fields[i].name, name))
				f = &fields[i];
		if (!f) {
			refuse_field(name, fields, n_fields, ret_refusal);
			return NULL;
		}
		if (!takers[f->kind](f, value, (char *)ret + f->offset, ret_refusal))
			return NULL;
	}
	for (size_t i = 0; i < n_fields; i++) {
		char error[CONTROL_TEXT_MAX];

		if (!fields[i].required || json_object_get(body, fields[i].name))
			continue;
		snprintf(error, sizeof(error), "the field \"%s\" is missing", fields[i].name);
		control_refuse(400, error, NULL, ret_refusal);
		return NULL;
	}
	return take_ptr(body);
}
