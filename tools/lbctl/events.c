// SPDX-License-Identifier: BSD-2-Clause
/* `events`, and following them over restarts of lb4. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "columns.h"
#include "lbctl.h"

/* How long the daemon keeps an answer back when there is nothing to tell; it allows 25 s. */
#define WAIT "20s"

/* With --follow, what is shown to begin with. */
#define LAST_DEFAULT "10"

/* A daemon that is gone is looked for this often. */
static const struct timespec retry_interval = {.tv_nsec = 200 * 1000 * 1000};

struct following {
	char since[32]; /* the last event heard of */
	bool more;	/* there are, which one answer could not hold */
	bool lost;	/* the daemon is gone, and that was said */
};

static enum colour colour_of(const json_t *event)
{
	const char *level = text_at(event, "level");

	if (!strcmp(level, "error"))
		return COLOUR_BAD;
	return strcmp(level, "warning") ? COLOUR_NONE : COLOUR_DOUBT;
}

static void print_event(const struct lbctl *l, const json_t *event)
{
	enum colour colour = colour_of(event);

	if (l->options[OPTION_JSON])
		print_json(event);
	else
		printf("%" PRIu64 "  %s  %s%-16s%s  %s\n", number_at(event, "id"),
		       text_at(event, "time"), colour_begin(colour, l->colours),
		       text_at(event, "kind"), colour_end(colour, l->colours),
		       text_at(event, "text"));
}

/* All of an answer, and where to go on. */
static void print_events(const struct lbctl *l, const json_t *answer, bool tell_dropped,
			 struct following *f)
{
	const json_t *event;
	size_t i;

	if (tell_dropped && number_at(answer, "dropped"))
		complain(NULL, "events that are no longer kept: %" PRIu64,
			 number_at(answer, "dropped"));
	json_array_foreach(json_object_get(answer, "events"), i, event)
		print_event(l, event);
	snprintf(f->since, sizeof(f->since), "%" PRIu64, number_at(answer, "last"));
	f->more = true_at(answer, "more");
	fflush(stdout);
}

static char *path_of(struct lbctl *l, const char *since, const char *last, const char *wait)
{
	char *path = path_query(l, strdup("/v1/events"), "service", l->arguments[0]);

	path = path_query(l, path, "since", since);
	path = path_query(l, path, "last", last);
	return path_query(l, path, "wait", wait);
}

/* Everything printed is out by then, so that this may end at any moment. */
static void on_interrupt(int signal)
{
	(void)signal;
	_exit(STATUS_DONE);
}

static void set_interruptible(bool on)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(on ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

/* Asks once and shows what is new. */
static int follow_once(struct lbctl *l, struct following *f)
{
	/* One that is just back answers at once, so that this can be said. */
	char *path = path_of(l, f->since, NULL, f->lost ? NULL : WAIT);
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const char *reason;
	long status = 0;
	int r;

	set_interruptible(true);
	r = ask_silently(l, path, &status, &answer, &reason);
	if (r < 0 && f->lost)
		nanosleep(&retry_interval, NULL);
	set_interruptible(false);
	if (r == -ENOMEM)
		return say_unreachable(l, r, reason);
	if (r < 0) {
		if (!f->lost)
			complain("waiting until it is back", "lb4 is gone: %s", reason);
		f->lost = true;
		return STATUS_DONE;
	}
	if (status != 200)
		return say_refused(l, status, answer, NULL);
	if (f->lost)
		complain(NULL, "lb4 is back");
	f->lost = false;
	print_events(l, answer, true, f);
	return ferror(stdout) ? STATUS_REFUSED : STATUS_DONE;
}

static int follow(struct lbctl *l, struct following *f)
{
	struct sigaction action = {.sa_handler = on_interrupt};
	int r = STATUS_DONE;

	set_interruptible(false);
	sigaction(SIGINT, &action, NULL);
	while (r == STATUS_DONE)
		r = follow_once(l, f);
	return r;
}

/* Asks once, as far as an answer goes. */
static int show_page(struct lbctl *l, const char *since, const char *last, struct following *f)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int r = ask_quietly(l, "GET", path_of(l, since, last, NULL), NULL, &answer);

	if (r == STATUS_DONE)
		print_events(l, answer, since != NULL, f);
	return r;
}

int show_events(struct lbctl *l)
{
	const char *since = l->options[OPTION_SINCE], *last = l->options[OPTION_LAST];
	struct following f = {};
	int r;

	if (l->options[OPTION_FOLLOW] && !since && !last)
		last = LAST_DEFAULT;
	r = show_page(l, since, last, &f);
	while (r == STATUS_DONE && f.more)
		r = show_page(l, f.since, NULL, &f);
	if (r != STATUS_DONE || !l->options[OPTION_FOLLOW])
		return r;
	return follow(l, &f);
}
