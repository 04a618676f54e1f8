// SPDX-License-Identifier: BSD-2-Clause
/* run/events: ids, what is kept, and that the log says the same. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "events.h"

#include "test.h"

static struct events events;

static int setup(void **state)
{
	(void)state;
	events_init(&events, 1795486521000 * NSEC_PER_MSEC);
	log_set_level(LOG_ERROR);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	events_deinit(&events);
	log_set_level(LOG_INFO);
	return 0;
}

static void record(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		events_record(&events, EVENT_BACKEND_BACK, "web", "web1", NULL, "is up");
}

static size_t count(uint64_t after)
{
	size_t n = 0;

	for (const struct event *e = events_next(&events, after); e;
	     e = events_next(&events, e->id)) {
		assert_true(e->id > after);
		after = e->id;
		n++;
	}
	return n;
}

static void nothing_yet(void **state)
{
	static struct events zero;

	(void)state;
	assert_null(events_next(&events, 0));
	assert_int_equal(events_dropped(&events, 0), 0);
	assert_null(events_next(&zero, 0));
	events_record(&zero, EVENT_START, NULL, NULL, NULL, "ready");
	assert_int_equal(events_next(&zero, 0)->id, 1);
	events_deinit(&zero);
}

static void keeps_what_was_said(void **state)
{
	char error[] = "refused", name[] = "web1";
	const struct event *e;

	(void)state;
	events_record(&events, EVENT_BACKEND_EJECTED, "web", name,
		      EVENT_VALUES(EVENT_TEXT("error", error), EVENT_NUMBER("n", 7)), "is down: %s",
		      error);
	memset(error, 'x', 7);
	memset(name, 'x', 4);
	e = events_next(&events, 0);
	assert_int_equal(e->id, 1795486521001);
	assert_int_equal(e->kind, EVENT_BACKEND_EJECTED);
	assert_string_equal(e->text, "service web: backend web1 is down: refused");
	assert_string_equal(e->service, "web");
	assert_string_equal(e->backend, "web1");
	assert_int_equal(e->n_values, 2);
	assert_string_equal(e->values[0].text, "refused");
	assert_int_equal(e->values[1].number, 7);
	assert_null(e->values[1].text);
	assert_true(e->wall > 1700000000 * NSEC_PER_SEC);
	events_record(&events, EVENT_BRAKE_OFF, "web", NULL, NULL, "all is well");
	assert_string_equal(events_next(&events, e->id)->text, "service web: all is well");
	events_record(&events, EVENT_STOPPED, NULL, NULL, NULL, "stopped");
	e = events_next(&events, e->id + 1);
	assert_string_equal(e->text, "stopped");
	assert_null(e->service);
	assert_int_equal(e->n_values, 0);
}

static void long_texts_are_cut(void **state)
{
	char *text = calloc(1, 5000);

	(void)state;
	memset(text, 'x', 4999);
	events_record(&events, EVENT_RELOAD_REFUSED, NULL, NULL, NULL, "%s", text);
	events_record(&events, EVENT_RELOAD_REFUSED, text, text, NULL, "no room for this");
	for (const struct event *e = events_next(&events, 0); e; e = events_next(&events, e->id))
		assert_int_equal(strlen(e->text), EVENT_TEXT_MAX - 1);
	free(text);
}

static void the_oldest_are_dropped(void **state)
{
	uint64_t before = events.last;

	(void)state;
	record(EVENTS_KEPT);
	assert_int_equal(count(0), EVENTS_KEPT);
	assert_int_equal(events_dropped(&events, 0), 0);
	record(10);
	assert_int_equal(count(0), EVENTS_KEPT);
	assert_int_equal(events_next(&events, 0)->id, before + 11);
	assert_int_equal(events_dropped(&events, 0), 10);
	assert_int_equal(events_dropped(&events, before + 4), 6);
	assert_int_equal(events_dropped(&events, before + 10), 0);
	assert_int_equal(count(events.last - 3), 3);
	record(2 * EVENTS_KEPT);
	assert_int_equal(count(0), EVENTS_KEPT);
	assert_int_equal(events_dropped(&events, 0), 10 + 2 * EVENTS_KEPT);
}

/* Ids of a process before: older ones come first, and younger ones cannot be. */
static void ids_of_another_process(void **state)
{
	(void)state;
	record(3);
	assert_int_equal(count(17), 3);
	assert_int_equal(events_dropped(&events, 17), 0);
	assert_int_equal(events_known(&events, events.last), events.last);
	assert_int_equal(events_known(&events, events.last + 1), 0);
	assert_int_equal(count(events_known(&events, UINT64_MAX)), 3);
}

/* Standard error, while the event is recorded. */
static void the_log_says_the_same(void **state)
{
	char line[256] = "", expected[256];
	int pipes[2], old = dup(STDERR_FILENO);
	const struct event *e;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	log_set_level(LOG_INFO);
	dup2(pipes[1], STDERR_FILENO);
	events_record(&events, EVENT_BACKEND_EJECTED, "web", "web1", NULL, "is down: %s",
		      "refused");
	dup2(old, STDERR_FILENO);
	close(old);
	close(pipes[1]);
	assert_true(read(pipes[0], line, sizeof(line) - 1) > 0);
	close(pipes[0]);
	e = events_next(&events, 0);
	snprintf(expected, sizeof(expected), "<4>lb4: warning: %s\n", e->text);
	assert_string_equal(line, expected);
}

static char *read_file(const char *variable)
{
	static char text[131072];
	FILE *file = fopen(getenv(variable), "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

/* The table is closed: the API's description and the manual page list all kinds. */
static void kinds_are_documented(void **state)
{
	char row[128], *text;

	(void)state;
	for (size_t i = 0; i < N_EVENT_KINDS; i++) {
		assert_non_null(event_kinds[i].name);
		assert_non_null(event_kinds[i].what);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(event_kinds[i].name, event_kinds[j].name);
	}
	text = read_file("LB4_API");
	for (size_t i = 0; i < N_EVENT_KINDS; i++) {
		snprintf(row, sizeof(row), "\n| `%s` | %s | ", event_kinds[i].name,
			 log_level_name(event_kinds[i].level));
		if (!strstr(text, row))
			fail_msg("API.md has no row \"%s\"", row + 1);
	}
	text = read_file("LBCTL_MAN");
	for (size_t i = 0; i < N_EVENT_KINDS; i++) {
		size_t n = (size_t)snprintf(row, sizeof(row), "\n.B ");

		for (const char *p = event_kinds[i].name; *p; p++)
			n += (size_t)snprintf(row + n, sizeof(row) - n, *p == '-' ? "\\-" : "%c",
					      *p);
		snprintf(row + n, sizeof(row) - n, "\n%s\n", event_kinds[i].what);
		if (!strstr(text, row))
			fail_msg("lbctl(8) does not explain \"%s\"", row + 1);
	}
}

#define EVENTS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		EVENTS_TEST(nothing_yet),
		EVENTS_TEST(keeps_what_was_said),
		EVENTS_TEST(long_texts_are_cut),
		EVENTS_TEST(the_oldest_are_dropped),
		EVENTS_TEST(ids_of_another_process),
		EVENTS_TEST(the_log_says_the_same),
		EVENTS_TEST(kinds_are_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
