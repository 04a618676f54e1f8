// SPDX-License-Identifier: BSD-2-Clause
/* tools/lbctl: events, once and followed. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lbctl_run.h"

#include "test.h"

static void happen(struct fixture *f, const char *service, const char *what)
{
	events_record(&f->fake.daemon.events, service ? EVENT_BACKEND_EJECTED : EVENT_RELOAD,
		      service, service ? "b" : NULL, EVENT_VALUES(EVENT_NUMBER("n", 7)), "%s",
		      what);
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void shows_events(void **state)
{
	struct fixture *f = *state;

	assert_run(f, "events", 0);
	assert_string_equal(f->out, "");
	happen(f, "web", "is down: check: refused");
	happen(f, NULL, "reloaded");
	happen(f, "cache", "is down");
	assert_run(f, "events", 0);
	assert_int_equal(count_lines(f->out), 3);
	assert_part(f->out, "1  20");
	assert_part(f->out,
		    "Z  backend-ejected   service web: backend b is down: check: refused\n");
	assert_part(f->out, "Z  reload            reloaded\n");
	assert_run(f, "events web", 0);
	assert_int_equal(count_lines(f->out), 1);
	assert_run(f, "events --since 1", 0);
	assert_int_equal(count_lines(f->out), 2);
	assert_run(f, "events -n 1", 0);
	assert_part(f->out, "3  20");
	assert_run(f, "events --last=0", 0);
	assert_string_equal(f->out, "");
	assert_run(f, "events --json --since 2", 0);
	assert_int_equal(f->out[0], '{');
	assert_part(f->out, "\"id\":3,");
	assert_part(f->out, "\"data\":{\"n\":7}}\n");
	assert_run(f, "events wbe", 1);
	assert_run(f, "events --since soon", 1);
	assert_run(f, "events -n many", 1);
}

static void colours_by_level(void **state)
{
	struct fixture *f = *state;

	happen(f, "web", "is down");
	f->terminal = true;
	assert_run(f, "events", 0);
	assert_part(f->out, "\033[33mbackend-ejected \033[0m  service");
}

static void tells_of_gaps(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < EVENTS_KEPT + 3; i++)
		happen(f, NULL, "x");
	run(f, "events --since 1 -n 1");
	assert_int_equal(f->status, 0);
	assert_string_equal(f->err, "lbctl: events that are no longer kept: 2\n");
	assert_run(f, "events -n 1", 0); /* nobody asked for them */
	/* More than an answer holds. */
	assert_run(f, "events -n 3000", 0);
	assert_int_equal(count_lines(f->out), 3000);
	assert_run(f, "events", 0);
	assert_int_equal(count_lines(f->out), EVENTS_KEPT);
}

/* What happens while `events --follow` runs, step by step. */
static unsigned step;

static void interrupt(struct fixture *f)
{
	kill(f->pid, SIGINT);
}

static void live(struct fixture *f)
{
	char text[32];

	/* The next thing happens when the last was shown. */
	snprintf(text, sizeof(text), "thing %u\n", step);
	if (!strstr(f->out, text))
		return;
	if (++step == 4) {
		f->on_turn = interrupt;
		return;
	}
	snprintf(text, sizeof(text), "thing %u", step);
	happen(f, "web", text);
	happen(f, "cache", "not of interest");
}

static void follows(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20; i++)
		happen(f, "web", "old");
	happen(f, "web", "thing 1");
	step = 1;
	f->on_turn = live;
	run(f, "events web -f");
	assert_int_equal(f->status, 0); /* Ctrl-C ends it well */
	assert_string_equal(f->err, "");
	assert_int_equal(count_lines(f->out), 9 + 3);
}

/* The daemon goes, and another one comes, whose ids are ahead. */
static void restart(struct fixture *f)
{
	struct events *events = &f->fake.daemon.events;

	if (step == 1 && strstr(f->out, "first life\n") && control_waiting(f->control)) {
		happen(f, NULL, "last words");
		f->control = control_stop(f->control);
		step = 2;
	} else if (step == 2 && strstr(f->err, "lb4 is gone: ")) {
		events_deinit(events);
		events_init(events, clock_wall());
		happen(f, NULL, "second life");
		assert_int_equal(control_start(&f->fake.daemon, f->socket, &f->control), 0);
		step = 3;
	} else if (step == 3 && strstr(f->out, "second life\n")) {
		step = 4;
		happen(f, NULL, "third thing");
	} else if (step == 4 && strstr(f->out, "third thing\n")) {
		f->on_turn = interrupt;
	}
}

static void follows_over_restarts(void **state)
{
	struct fixture *f = *state;

	happen(f, NULL, "first life");
	step = 1;
	f->on_turn = restart;
	run(f, "events --follow");
	assert_int_equal(f->status, 0);
	assert_part(f->out, "last words\n");
	assert_int_equal(count_lines(f->out), 4);
	assert_part(f->err, "lbctl: lb4 is gone: ");
	assert_part(f->err, "lbctl: lb4 is back\n");
	assert_int_equal(count_lines(f->err), 3);
}

static void nobody_to_follow(void **state)
{
	struct fixture *f = *state;

	f->control = control_stop(f->control);
	assert_run(f, "events -f", 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LBCTL_TEST(shows_events),	   LBCTL_TEST(colours_by_level),
		LBCTL_TEST(tells_of_gaps),	   LBCTL_TEST(follows),
		LBCTL_TEST(follows_over_restarts), LBCTL_TEST(nobody_to_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
