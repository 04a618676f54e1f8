/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON as the control API speaks it: answers, refusals, and request bodies read by table. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

struct address;
struct config_errors;
struct http_request;
struct http_response;
struct prefix_list;

#define CONTROL_TEXT_MAX 512 /* bytes of an error or hint composed here */

/* A JSON string, null for NULL; what is not UTF-8 or not printable becomes '?'. */
json_t *control_text(const char *text);

json_t *control_number(uint64_t n);
json_t *control_duration(nsec_t value); /* a text such as "1500ms" */
json_t *control_address(const struct address *a);
json_t *control_prefixes(const struct prefix_list *l); /* an array of texts */

/*
 * Adds to an object or array under construction. Once memory was short it is NULL and stays so, and
 * control_answer() makes a 500 of that.
 */
void control_put(json_t **object, const char *name, json_t *value_take);
void control_append(json_t **array, json_t *value_take);

/* Answers with `object_take`; NULL (memory was short while it was built) becomes a 500. */
void control_answer(json_t *object_take, struct http_response *ret);

/*
 * The same, of a change that is to outlive lb4: the answer waits until the state file has it, and says
 * so: "kept" is true, or false and "kept_error" says why, or null where no state is kept.
 */
struct daemon;
void control_answer_kept(struct daemon *d, json_t *object_take, struct http_response *ret);

/* {"error", "hint"}; `hint` NULL: null. */
void control_refuse(unsigned status, const char *error, const char *hint,
		    struct http_response *ret);

/* The same for a failed call: the status follows from -errno `r`. */
void control_refuse_errno(int r, const char *error, const char *hint, struct http_response *ret);

/* 422 and {"error", "hint", "path", "errors": [{"line", "column", "message", "hint"}]}. */
void control_refuse_config(const char *path, const struct config_errors *errors,
			   struct http_response *ret);

/*
 * The value of a query parameter; what is not given keeps its value. False with the refusal made.
 * `wait` is how long an answer may be put off.
 */
bool control_query_number(const struct http_request *q, const char *name, uint64_t max,
			  uint64_t *ret, struct http_response *ret_refusal);
bool control_query_wait(const struct http_request *q, nsec_t *ret,
			struct http_response *ret_refusal);

enum control_field_kind {
	CONTROL_BOOL,	  /* bool */
	CONTROL_NUMBER,	  /* uint64_t */
	CONTROL_TEXT,	  /* const char *, living as long as the body */
	CONTROL_DURATION, /* nsec_t, from "30s" */
};

struct control_field {
	const char *name;
	enum control_field_kind kind;
	bool required;
	uint64_t max; /* of a number */
	size_t offset;
};

/*
 * Reads the body, an object or nothing, into the struct at `ret`; what is not given keeps its
 * value. Returns the body, to be json_decref()ed when the texts are no longer needed, or NULL with
 * the refusal made.
 */
json_t *control_parse_body(const struct http_request *q, const struct control_field *fields,
			   size_t n_fields, void *ret, struct http_response *ret_refusal);
