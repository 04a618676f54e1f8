// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "daemon_web.h"

#include "test.h"

const char simple[] = HEAD WEB BACKENDS;

const char other[] = HEAD "  web:\n"
			  "    listen: [\":81\", \":82\"]\n"
			  "    check: {tcp: true}\n"
			  "    table_size: 1021\n"
			  "    backends:\n"
			  "      a: {address: \"10.0.0.1:1\", weight: 3}\n"
			  "      b: \"10.0.0.1:12\"\n"
			  "      d: \"10.0.0.1:4\"\n"
			  "  cache:\n"
			  "    listen: \":90\"\n"
			  "    table_size: 251\n"
			  "    backends: {e: \"10.0.0.1:5\"}\n";

int apply(struct daemon *d, struct config *config)
{
	char *error = NULL;
	int r = daemon_apply(d, config, NULL, &error);

	free(error);
	return r;
}

int reload(struct daemon *d)
{
	size_t left = allocations_left;
	struct config *config;
	int r;

	allocations_left = SIZE_MAX;
	config = parse(other);
	allocations_left = left;
	r = apply(d, config);
	if (r < 0)
		config_free(config);
	return r;
}

int add(struct daemon *d)
{
	char *error = NULL;
	int r = daemon_add_backend(d, "web", "new", "10.0.0.1:9", 1, false, &error);

	free(error);
	return r;
}

int take_out(struct daemon *d)
{
	char *error = NULL;
	int r = daemon_remove_backend(d, "web", "a", &error);

	free(error);
	return r;
}

int weigh(struct daemon *d)
{
	char *error = NULL;
	int r = daemon_set_weight(d, "web", "a", 7, &error);

	free(error);
	return r;
}

void drain(struct daemon *d, const char *name, enum admin_state state, nsec_t timeout)
{
	char *error = NULL;

	assert_int_equal(daemon_set_admin(d, "web", name, state, timeout, &error), 0);
}

struct live_backend *backend_of(struct daemon *d, const char *name)
{
	struct live_backend *b = live_service_find_backend(daemon_find_service(d, "web"), name);

	assert_non_null(b);
	return b;
}

static void free_report(struct message *m)
{
	free(container_of(m, struct check_report, report.message));
}

void check_says(struct daemon *d, const char *name, bool ok)
{
	struct check_report *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	*c = (struct check_report){
		.report = {.message.free = free_report, .kind = REPORT_CHECK},
		.id = backend_of(d, name)->target_id,
		.ok = ok,
		.verdict = ok ? VERDICT_UP : VERDICT_DOWN,
		.at = d->now,
		.error = "refused",
	};
	assert_int_equal(mailbox_post(&d->reports, &c->report.message), 0);
	daemon_take_reports(d);
}

void pass(struct daemon *d, nsec_t time)
{
	d->now += time;
	daemon_on_time(d);
}

bool was_left(const char *name, enum end_reason reason)
{
	for (size_t i = 0; i < heard.n_left; i++)
		if (!strcmp(heard.left[i].name, name) && heard.left[i].reason == reason)
			return true;
	return false;
}

void settle(struct daemon *d)
{
	if (d->publish_wanted)
		daemon_publish(d);
	if (d->targets_wanted)
		daemon_set_targets(d);
	for (unsigned i = 0; i < N_WORKERS; i++)
		assert_ptr_equal(heard.obeyed[i], d->snapshot);
	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];
		const struct snapshot_service *view = snapshot_find(d->snapshot, s->service);

		assert_non_null(view);
		assert_ptr_equal(view->table, s->pool.table);
		assert_int_equal(view->n_backends, s->n_backends);
		for (size_t j = 0; j < s->n_backends; j++)
			assert_ptr_equal(view->backends[j], s->backends[j].backend);
	}
	assert_int_equal(heard.n_targets, d->n_targets);
	for (size_t i = 0; i < d->n_targets; i++)
		assert_ptr_equal(daemon_find_service(d, d->targets[i].service->service->name),
				 d->targets[i].service);
}

const char *news(const struct daemon *d, uint64_t *after)
{
	static char text[1024];
	const struct event *e;

	text[0] = '\0';
	for (; (e = events_next(&d->events, *after)); *after = e->id)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s%s",
			 text[0] ? ", " : "", event_kinds[e->kind].name, e->backend ? " " : "",
			 e->backend ? e->backend : "");
	return text;
}
