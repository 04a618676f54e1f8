// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "prober_world.h"

const struct check_config check_tcp = {.kind = CHECK_TCP,
				       .interval = 2 * S,
				       .fast_interval = 500 * MS,
				       .timeout = S,
				       .rise = 2,
				       .fall = 3};
const struct check_config check_redis = {.kind = CHECK_REDIS,
					 .interval = 2 * S,
					 .fast_interval = 500 * MS,
					 .timeout = S,
					 .rise = 2,
					 .fall = 3};
const struct check_config check_http = {.kind = CHECK_HTTP,
					.interval = 2 * S,
					.fast_interval = 500 * MS,
					.timeout = S,
					.rise = 2,
					.fall = 3,
					.http_path = "/",
					.status_min = 200,
					.status_max = 399};

const struct check_config check_smtp = {.kind = CHECK_SMTP,
					.interval = 2 * S,
					.fast_interval = 500 * MS,
					.timeout = S,
					.rise = 2,
					.fall = 3};
static char *const program[] = {(char *)"/bin/check", NULL};
const struct check_config check_exec = {.kind = CHECK_EXEC,
					.interval = 2 * S,
					.fast_interval = 500 * MS,
					.timeout = S,
					.rise = 2,
					.fall = 3,
					.exec = (char **)program};

void world_init(struct world *w)
{
	w->ring = fake_ring_new();
	w->now = 100 * S;
	w->reports = (struct mailbox)MAILBOX_INIT;
	assert_int_equal(mailbox_init(&w->reports, 1000), 0);
	assert_int_equal(prober_init(&w->prober, w->ring, &w->reports, 1), 0);
}

void complete_bytes(struct world *w, size_t nth, int result, const void *bytes)
{
	struct ring_completion c = fake_complete(w->ring, nth, result, bytes);

	prober_on_completion(&w->prober, &c, w->now, WALL + w->now);
}

void complete(struct world *w, size_t nth, int result)
{
	complete_bytes(w, nth, result, NULL);
}

void receive(struct world *w, size_t nth, const char *text)
{
	complete_bytes(w, nth, (int)strlen(text), text);
}

void send_all(struct world *w)
{
	complete(w, 0, (int)fake_only(w->ring, FAKE_SEND)->size);
}

nsec_t pass(struct world *w)
{
	nsec_t before = w->now, next = prober_next(&w->prober);

	assert_true(next != NSEC_NEVER);
	if (next > w->now) /* or it is over already */
		w->now = next;
	prober_on_time(&w->prober, w->now, WALL + w->now);
	return w->now - before;
}

struct check_target target(uint64_t id, uint16_t port, const struct check_config *check)
{
	return (struct check_target){
		.id = id,
		.address = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1},
			    .port = port,
			    .family = ADDRESS_IPV4},
		.check = *check,
	};
}

void set(struct world *w, const struct check_target *targets, size_t n)
{
	struct watch_set made;

	assert_int_equal(watch_set_init(&made, targets, n), 0);
	prober_set(&w->prober, &made, w->now);
	assert_int_equal(made.n_watches, 0);
	assert_null(made.watches);
}

void set_one(struct world *w, uint64_t id, uint16_t port, const struct check_config *check)
{
	struct check_target t = target(id, port, check);

	set(w, &t, 1);
}

void expect_report(struct world *w, uint64_t id, enum verdict_state verdict, const char *error)
{
	struct list taken = LIST_INIT(taken);
	struct list later = LIST_INIT(later);
	struct check_report *report;
	struct message *m;

	mailbox_take(&w->reports, &taken);
	assert_false(list_empty(&taken));
	m = container_of(taken.next, struct message, node);
	list_unlink(&m->node);
	list_splice(&later, &taken);
	list_for_each_safe(node, &later) {
		list_unlink(node);
		assert_int_equal(
			mailbox_post(&w->reports, container_of(node, struct message, node)), 0);
	}
	report = container_of(m, struct check_report, report.message);
	assert_int_equal(report->report.kind, REPORT_CHECK);
	assert_int_equal(report->id, id);
	assert_int_equal(report->ok, !error);
	assert_int_equal(report->verdict, verdict);
	assert_string_equal(report->error, error ?: "");
	assert_int_equal(report->wall, WALL + report->at);
	m->free(m);
}

void expect_no_report(struct world *w)
{
	assert_int_equal(w->reports.n_messages, 0);
}

void world_deinit(struct world *w)
{
	struct watch_set nothing = WATCH_SET_INIT;

	expect_no_report(w);
	prober_set(&w->prober, &nothing, w->now);
	while (fake_n_operations(w->ring)) {
		if (fake_operation(w->ring, 0)->kind == FAKE_POLL) {
			assert_true(fake_child(w->ring, 0)->killed);
			fake_child(w->ring, 0)->ended = true;
			complete(w, 0, 1);
			continue;
		}
		assert_true(fake_operation(w->ring, 0)->cancelled);
		complete(w, 0, -ECANCELED);
	}
	assert_true(prober_idle(&w->prober));
	assert_int_equal(prober_next(&w->prober), NSEC_NEVER);
	expect_no_report(w);
	prober_deinit(&w->prober);
	mailbox_deinit(&w->reports);
	fake_ring_free(w->ring);
}

void connect_next(struct world *w, int result)
{
	pass(w);
	fake_only(w->ring, FAKE_CONNECT);
	complete(w, 0, result);
}
