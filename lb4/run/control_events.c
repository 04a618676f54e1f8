// SPDX-License-Identifier: BSD-2-Clause
/* GET /v1/events. */
#include <stdio.h>
#include <string.h>

#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "text.h"

/* Of one answer, so that main is not busy with it for long; who wants more asks again. */
#define PAGE 512

struct question {
	const char *service; /* NULL: all, and what concerns none */
	uint64_t since;
	uint64_t last; /* at most so many, the youngest */
	nsec_t wait;
};

static bool is_wanted(const struct question *w, const struct event *e)
{
	return !w->service || (e->service && !strcmp(e->service, w->service));
}

/* A service that is gone may still be asked about, while something of it is kept. */
static bool is_known(const struct daemon *d, const char *service)
{
	const struct question w = {.service = service};

	if (daemon_find_service(d, service))
		return true;
	for (const struct event *e = events_next(&d->events, 0); e;
	     e = events_next(&d->events, e->id))
		if (is_wanted(&w, e))
			return true;
	return false;
}

static bool read_question(const struct daemon *d, const struct http_request *q,
			  struct question *ret, struct http_response *ret_refusal)
{
	bool named;

	*ret = (struct question){.service = http_request_value(q, "service"), .last = EVENTS_KEPT};
	if (ret->service && !is_known(d, ret->service)) {
		control_named_service(d, q, &named, ret_refusal);
		return false;
	}
	if (!control_query_number(q, "since", INT64_MAX, &ret->since, ret_refusal) ||
	    !control_query_number(q, "last", EVENTS_KEPT, &ret->last, ret_refusal) ||
	    !control_query_wait(q, &ret->wait, ret_refusal))
		return false;
	ret->since = events_known(&d->events, ret->since);
	return true;
}

static json_t *show_event(const struct event *e)
{
	json_t *o = json_object(), *data = json_object();
	char time[TEXT_TIME_MAX];

	for (size_t i = 0; i < e->n_values; i++)
		control_put(&data, e->values[i].name,
			    e->values[i].text ? control_text(e->values[i].text)
					      : control_number(e->values[i].number));
	control_put(&o, "id", control_number(e->id));
	control_put(&o, "time", json_string(text_print_time(e->wall, time)));
	control_put(&o, "kind", json_string(event_kinds[e->kind].name));
	control_put(&o, "level", json_string(log_level_name(event_kinds[e->kind].level)));
	control_put(&o, "service", control_text(e->service));
	control_put(&o, "backend", control_text(e->backend));
	control_put(&o, "text", control_text(e->text));
	control_put(&o, "data", data);
	return o;
}

static uint64_t count_wanted(const struct events *events, const struct question *w)
{
	uint64_t n = 0;

	for (const struct event *e = events_next(events, w->since); e;
	     e = events_next(events, e->id))
		n += is_wanted(w, e);
	return n;
}

/* What is wanted, without the first `skip` of it, as far as a page goes. */
static json_t *show_page(const struct events *events, const struct question *w, uint64_t skip)
{
	json_t *o = json_object(), *list = json_array();
	uint64_t last = events->last;
	bool more = false;
	size_t n = 0;

	for (const struct event *e = events_next(events, w->since); e && !more;
	     e = events_next(events, e->id)) {
		if (!is_wanted(w, e) || skip > 0) {
			skip -= is_wanted(w, e);
		} else if (n++ == PAGE) {
			more = true;
			last = e->id - 1;
		} else {
			control_append(&list, show_event(e));
		}
	}
	control_put(&o, "events", list);
	control_put(&o, "dropped", control_number(events_dropped(events, w->since)));
	control_put(&o, "last", control_number(last));
	control_put(&o, "more", json_boolean(more));
	return o;
}

void control_get_events(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	const struct events *events = &d->events;
	struct question w;
	uint64_t n, skip;

	if (!read_question(d, q, &w, ret))
		return;
	n = count_wanted(events, &w);
	if (n == 0 && w.wait && !q->waited) {
		ret->wait = w.wait;
		return;
	}
	skip = n > w.last ? n - w.last : 0;
	control_answer(show_page(events, &w, skip), ret);
}
