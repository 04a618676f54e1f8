// SPDX-License-Identifier: BSD-2-Clause
/*
 * The handlers of the control API in front of a fake daemon. The first line names a request and
 * gives its values, in the order of the table below; the rest is the body:
 *
 *	weight web web1
 *	{"weight": 5}
 *
 * Whatever is asked, the answer is a JSON object with a status that fits, and a request that is
 * refused has asked nothing of the daemon.
 */
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_handlers.h"
#include "daemon.h"

#include "../unit/fake_daemon.h"
#include "fuzz.h"

#define VALUES_MAX 4

static const struct request {
	const char *word;
	control_handler *handle;
	const char *values[VALUES_MAX];
	size_t n_path; /* of them are segments of the path, the others parameters */
} requests[] = {
	{"status", control_get_status, {}},
	{"services", control_get_services, {"service"}},
	{"backends", control_get_backends, {"service"}},
	{"connections", control_get_connections, {"service", "limit"}},
	{"events", control_get_events, {"service", "since", "last", "wait"}},
	{"explain", control_get_explain, {"service", "client", "local"}},
	{"table", control_get_table, {"service"}},
	{"check", control_post_check, {}},
	{"reload", control_post_reload, {}},
	{"stop", control_post_stop, {}},
	{"fastpath", control_post_fastpath, {}},
	{"add", control_add_backend, {"service"}, 1},
	{"remove", control_remove_backend, {"service", "name"}, 2},
	{"weight", control_post_weight, {"service", "name"}, 2},
	{"drain", control_post_drain, {"service", "name"}, 2},
	{"undrain", control_post_undrain, {"service", "name"}, 2},
	{"disable", control_post_disable, {"service", "name"}, 2},
	{"enable", control_post_enable, {"service", "name"}, 2},
};

/* What http_request_value() finds: takes the place of the server's. */
static const struct request *asked;
static char *values[VALUES_MAX];

const char *http_request_value(const struct http_request *q, const char *name)
{
	(void)q;
	for (size_t i = 0; i < VALUES_MAX && asked->values[i]; i++)
		if (!strcmp(asked->values[i], name))
			return values[i];
	return NULL;
}

static void take_values(char *line)
{
	char *save, *word = strtok_r(line, " ", &save);

	for (size_t i = 0; i < VALUES_MAX; i++)
		values[i] = word ? strtok_r(NULL, " ", &save) : NULL;
	asked = NULL;
	for (size_t i = 0; word && i < sizeof(requests) / sizeof(requests[0]); i++)
		if (!strcmp(requests[i].word, word))
			asked = &requests[i];
}

/* What the route has in its path is always given. */
static bool is_routed(void)
{
	for (size_t i = 0; i < asked->n_path; i++)
		if (!values[i])
			return false;
	return true;
}

/* The body, also where it is made bit by bit. */
static json_t *load(const struct http_response *response)
{
	char block[61], *text = NULL;
	size_t size = 0, n;
	FILE *stream;
	json_t *j;

	if (!response->read)
		return json_loadb(response->body, response->size, 0, NULL);
	stream = open_memstream(&text, &size);
	assert(stream);
	while ((n = response->read(response->stream, block, sizeof(block))) > 0)
		fwrite(block, 1, n, stream);
	fclose(stream);
	j = json_loadb(text, size, 0, NULL);
	free(text);
	return j;
}

static void check_answer(const struct http_response *response, const char *done)
{
	static const unsigned statuses[] = {200, 400, 404, 409, 422};
	const json_t *error;
	json_t *answer = load(response);
	bool known = false;

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		known |= response->status == statuses[i];
	assert(known);
	assert(!strcmp(response->content_type, "application/json"));
	assert(json_is_object(answer));
	error = json_object_get(answer, "error");
	if (response->status == 200) {
		assert(!error);
	} else {
		assert(json_is_string(error) && fuzz_is_printable(json_string_value(error)));
		assert(json_object_get(answer, "hint"));
		assert(!*done);
	}
	json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	char *line = fuzz_take_text(&in, '\n'), *body = NULL;
	struct http_response response = {.status = 200};
	struct fake_daemon fake;

	take_values(line);
	if (asked && is_routed()) {
		struct http_request q = {.body_size = in.size, .waited = true};

		q.body = body = fuzz_take_rest(&in);
		fake_daemon_init(&fake);
		events_record(&fake.daemon.events, EVENT_BACKEND_EJECTED, "gone", "b", NULL,
			      "is down");
		asked->handle(&fake.daemon, &q, &response);
		check_answer(&response, fake.asked);
		free(response.body);
		if (response.free)
			response.free(response.stream);
		fake_daemon_deinit(&fake);
	}
	free(body);
	free(line);
	return 0;
}
