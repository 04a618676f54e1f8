// SPDX-License-Identifier: BSD-2-Clause
/* GET /v1/events. */
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "control_fixture.h"

#include "test.h"

static void happen(struct fixture *f, const char *service, const char *backend)
{
	events_record(&f->fake.daemon.events,
		      backend ? EVENT_BACKEND_EJECTED : EVENT_SERVICE_SERVES, service, backend,
		      EVENT_VALUES(EVENT_TEXT("why", "check"), EVENT_NUMBER("n", 7)), "is \xff");
}

/* The ids of an answer's events, "3 4 5". */
static const char *ids(const json_t *answer)
{
	static char text[256];
	const json_t *event;
	size_t i;

	text[0] = '\0';
	json_array_foreach(json_object_get(answer, "events"), i, event)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld", i ? " " : "",
			 (long long)number(event, "id"));
	return text;
}

static void assert_ids(struct fixture *f, const char *path, const char *expected)
{
	json_t *answer = get(f, path);

	assert_string_equal(ids(answer), expected);
	assert_int_equal(number(answer, "last"), f->fake.daemon.events.last);
	json_decref(answer);
}

static void shows_events(void **state)
{
	struct fixture *f = *state;
	json_t *answer;
	const json_t *e;

	assert_ids(f, "/v1/events", "");
	happen(f, "web", "web1");
	happen(f, "cache", NULL);
	answer = get(f, "/v1/events");
	e = json_array_get(json_object_get(answer, "events"), 0);
	assert_int_equal(number(e, "id"), 1);
	assert_int_equal(strlen(text(e, "time")), strlen("2026-11-24T08:15:00.123Z"));
	assert_string_equal(text(e, "kind"), "backend-ejected");
	assert_string_equal(text(e, "level"), "warning");
	assert_string_equal(text(e, "service"), "web");
	assert_string_equal(text(e, "backend"), "web1");
	assert_string_equal(text(e, "text"), "service web: backend web1 is ?");
	assert_string_equal(text(json_object_get(e, "data"), "why"), "check");
	assert_int_equal(number(json_object_get(e, "data"), "n"), 7);
	e = json_array_get(json_object_get(answer, "events"), 1);
	assert_null_at(e, "backend");
	assert_int_equal(number(answer, "dropped"), 0);
	json_decref(answer);
}

static void chooses_events(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		happen(f, "web", "web1");
		happen(f, "cache", "redis1");
	}
	happen(f, "gone", NULL);
	assert_ids(f, "/v1/events", "1 2 3 4 5 6 7");
	assert_ids(f, "/v1/events?since=4", "5 6 7");
	assert_ids(f, "/v1/events?since=7", "");
	assert_ids(f, "/v1/events?since=8", "1 2 3 4 5 6 7"); /* an id of a process before */
	assert_ids(f, "/v1/events?last=2", "6 7");
	assert_ids(f, "/v1/events?last=0", "");
	assert_ids(f, "/v1/events?last=2&since=6", "7");
	assert_ids(f, "/v1/events?service=web", "1 3 5");
	assert_ids(f, "/v1/events?service=web&last=2", "3 5");
	assert_ids(f, "/v1/events?service=web&since=1", "3 5");
	assert_ids(f, "/v1/events?service=gone", "7"); /* which a reload took away */
}

static void refuses_nonsense(void **state)
{
	static const struct {
		const char *path;
		int status;
	} cases[] = {
		{"/v1/events?since=yesterday", 400}, {"/v1/events?since=-1", 400},
		{"/v1/events?last=4097", 400},	     {"/v1/events?wait=20", 400},
		{"/v1/events?wait=26s", 400},	     {"/v1/events?wait=soon", 400},
		{"/v1/events?service=wbe", 404},     {"/v1/events?from=1", 400},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		json_decref(request(f, "GET", cases[i].path, NULL, cases[i].status));
}

static void tells_of_gaps(void **state)
{
	struct fixture *f = *state;
	json_t *answer;

	for (unsigned i = 0; i < EVENTS_KEPT + 5; i++)
		happen(f, "web", NULL);
	answer = get(f, "/v1/events?since=2");
	assert_int_equal(number(answer, "dropped"), 3);
	json_decref(answer);
}

/* All that is kept, page by page; one that is full says so. */
static void comes_in_pages(void **state)
{
	struct fixture *f = *state;
	uint64_t since = 0, seen = 0;
	bool more = true;

	for (unsigned i = 0; i < EVENTS_KEPT; i++)
		happen(f, i % 8 ? "web" : "cache", NULL);
	for (unsigned pages = 0; more; pages++) {
		char path[128];
		json_t *answer;
		const json_t *e;
		size_t i;

		assert_true(pages < 10);
		snprintf(path, sizeof(path), "/v1/events?since=%llu%s", (unsigned long long)since,
			 pages ? "" : "&last=4000");
		answer = get(f, path);
		json_array_foreach(json_object_get(answer, "events"), i, e)
			assert_int_equal(number(e, "id"), EVENTS_KEPT - 4000 + ++seen);
		since = (uint64_t)number(answer, "last");
		more = truth(answer, "more");
		json_decref(answer);
	}
	assert_int_equal(seen, 4000);
	assert_int_equal(since, f->fake.daemon.events.last);
	/* Exactly a page is no reason to ask again. */
	json_t *answer = get(f, "/v1/events?service=cache");

	assert_int_equal(json_array_size(json_object_get(answer, "events")), EVENTS_KEPT / 8);
	assert_false(truth(answer, "more"));
	json_decref(answer);
}

static void send_request(struct fixture *f, struct http_client *c, const char *path)
{
	char head[256];

	http_client_open(c, f->path);
	snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	assert_true(http_client_send(&f->pump, c, head, strlen(head)));
	pump_idle(&f->pump, 100);
}

static void assert_answered(struct fixture *f, struct http_client *c, const char *expected)
{
	_cleanup_(freep) char *body = NULL;
	json_t *answer;

	assert_int_equal(http_client_answer(&f->pump, c, &body), 200);
	answer = json_loads(body, 0, NULL);
	assert_string_equal(ids(answer), expected);
	json_decref(answer);
	http_client_deinit(c);
}

static void waits_for_events(void **state)
{
	struct fixture *f = *state;
	struct http_client all, web;

	happen(f, "web", NULL);
	assert_ids(f, "/v1/events?wait=25s", "1"); /* there is one already */
	send_request(f, &all, "/v1/events?since=1&wait=25s");
	send_request(f, &web, "/v1/events?since=1&wait=25s&service=web");
	json_decref(get(f, "/v1/status")); /* others are served */
	happen(f, "cache", NULL);
	assert_answered(f, &all, "2");
	happen(f, "web", "web1");
	assert_answered(f, &web, "3");
}

static void waits_in_vain(void **state)
{
	struct fixture *f = *state;
	nsec_t begun = clock_now();

	assert_ids(f, "/v1/events?wait=50ms", "");
	assert_true(clock_now() - begun >= 50 * NSEC_PER_MSEC);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CONTROL_TEST(shows_events),	CONTROL_TEST(chooses_events),
		CONTROL_TEST(refuses_nonsense), CONTROL_TEST(tells_of_gaps),
		CONTROL_TEST(comes_in_pages),	CONTROL_TEST(waits_for_events),
		CONTROL_TEST(waits_in_vain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
