// SPDX-License-Identifier: BSD-2-Clause
/* run/checker: the thread with its ring, against listeners on loopback. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "checker.h"
#include "socket.h"

#include "test.h"

#define MS	 NSEC_PER_MSEC
#define PATIENCE (10 * NSEC_PER_SEC) /* for what should take milliseconds */

static const struct check_config tcp = {.kind = CHECK_TCP,
					.interval = 40 * MS,
					.fast_interval = 10 * MS,
					.timeout = 200 * MS,
					.rise = 2,
					.fall = 2};

struct world {
	struct mailbox reports;
	struct checker *checker;
};

static void world_init(struct world *w)
{
	int r;

	w->reports = (struct mailbox)MAILBOX_INIT;
	assert_int_equal(mailbox_init(&w->reports, 10000), 0);
	r = checker_start(&w->reports, &w->checker);
	if (r == -ENOSYS || r == -EPERM)
		exit(77); /* no io_uring for us: skipped */
	assert_int_equal(r, 0);
}

static void world_deinit(struct world *w)
{
	w->checker = checker_stop(w->checker);
	mailbox_deinit(&w->reports);
}

/* A listener that nobody accepts from: the kernel shakes hands, and that is all. */
static int listen_somewhere(struct address *ret)
{
	struct address any = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .family = ADDRESS_IPV4};
	int fd;

	if (ret->port)
		any.port = ret->port;
	assert_int_equal(socket_listen(&any, NULL, &fd), 0);
	assert_int_equal(socket_local(fd, ret), 0);
	return fd;
}

static struct check_target target(uint64_t id, const struct address *address,
				  const struct check_config *check)
{
	return (struct check_target){.id = id, .address = *address, .check = *check};
}

static struct check_report *next_report(struct world *w, struct list *taken)
{
	struct pollfd p = {.fd = w->reports.event_fd, .events = POLLIN};
	nsec_t deadline = clock_now() + PATIENCE;
	struct message *m;

	while (list_empty(taken)) {
		assert_true(clock_now() < deadline);
		poll(&p, 1, 100);
		mailbox_take(&w->reports, taken);
	}
	m = container_of(taken->next, struct message, node);
	list_unlink(&m->node);
	return container_of(m, struct check_report, report.message);
}

/* Waits until `id` is reported with this verdict, and with this error if one is given. */
static void wait_for(struct world *w, uint64_t id, enum verdict_state verdict, const char *error)
{
	struct list taken = LIST_INIT(taken);
	nsec_t deadline = clock_now() + PATIENCE;
	bool found = false;

	while (!found) {
		struct check_report *r = next_report(w, &taken);

		assert_true(clock_now() < deadline);
		assert_int_equal(r->report.kind, REPORT_CHECK);
		found = r->id == id && r->verdict == verdict &&
			(!error || !strcmp(r->error, error));
		r->report.message.free(&r->report.message);
	}
	list_for_each_safe(node, &taken) {
		struct message *m = container_of(node, struct message, node);

		list_unlink(node);
		m->free(m);
	}
}

static void follows_a_server(void **state)
{
	struct address address = {};
	int fd = listen_somewhere(&address);
	struct check_target targets[2] = {target(1, &address, &tcp), target(2, &address, &tcp)};
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(checker_set_targets(w.checker, targets, 2), 0);
	wait_for(&w, 1, VERDICT_UP, "");
	close(fd);
	wait_for(&w, 2, VERDICT_DOWN, "connect: Connection refused");
	fd = listen_somewhere(&address);
	wait_for(&w, 1, VERDICT_UP, "");
	assert_int_equal(checker_suspect(w.checker, 1), 0);
	wait_for(&w, 1, VERDICT_DOWN, "");
	wait_for(&w, 1, VERDICT_UP, "");
	assert_int_equal(checker_set_targets(w.checker, NULL, 0), 0);
	assert_int_equal(checker_suspect(w.checker, 1), 0);
	world_deinit(&w);
	close(fd);
}

static void a_silent_server_times_out(void **state)
{
	struct address address = {};
	int fd = listen_somewhere(&address);
	struct check_config redis = tcp;
	struct check_target t;
	struct world w;

	(void)state;
	redis.kind = CHECK_REDIS;
	t = target(1, &address, &redis);
	world_init(&w);
	assert_int_equal(checker_set_targets(w.checker, &t, 1), 0);
	wait_for(&w, 1, VERDICT_DOWN, "no answer within 200ms");
	/* Stopped while the next one waits for its answer. */
	world_deinit(&w);
	close(fd);
}

static void talks_to_a_server(void **state)
{
	static const char request[] = "*1\r\n$4\r\nPING\r\n";
	struct address address = {};
	int fd = listen_somewhere(&address), connection;
	struct check_config redis = tcp;
	char buffer[64];
	struct check_target t;
	struct world w;
	ssize_t n;

	(void)state;
	redis.kind = CHECK_REDIS;
	redis.timeout = PATIENCE;
	t = target(1, &address, &redis);
	world_init(&w);
	assert_int_equal(checker_set_targets(w.checker, &t, 1), 0);
	connection = accept(fd, NULL, NULL);
	assert_true(connection >= 0);
	for (size_t got = 0; got < sizeof(request) - 1; got += (size_t)n) {
		n = read(connection, buffer + got, sizeof(request) - 1 - got);
		assert_true(n > 0);
	}
	assert_memory_equal(buffer, request, sizeof(request) - 1);
	assert_int_equal(write(connection, "+PONG\r\n", 7), 7);
	wait_for(&w, 1, VERDICT_UP, "");
	assert_int_equal(read(connection, buffer, 1), 0); /* FIN, not RST */
	close(connection);
	world_deinit(&w);
	close(fd);
}

static void survives_without_descriptors(void **state)
{
	struct rlimit before, none;
	struct address address = {};
	int fd = listen_somewhere(&address);
	struct check_target t = target(1, &address, &tcp);
	nsec_t deadline = clock_now() + PATIENCE;
	struct checker_stats stats = {};
	struct list taken = LIST_INIT(taken);
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(checker_set_targets(w.checker, &t, 1), 0);
	while (stats.n_postponed < 3) {
		assert_true(clock_now() < deadline);
		checker_stats(w.checker, &stats);
		poll(NULL, 0, 1);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(stats.n_results, 0);
	wait_for(&w, 1, VERDICT_UP, "");
	world_deinit(&w);
	close(fd);
}

/* Many targets come and go while their probes are under way. */
static void targets_change_all_the_time(void **state)
{
	struct check_target targets[40];
	struct address address = {};
	int fd = listen_somewhere(&address);
	struct world w;

	(void)state;
	world_init(&w);
	for (int round = 0; round < 200; round++) {
		size_t n = (size_t)(round % 40) + 1;

		for (size_t i = 0; i < n; i++) {
			struct check_config check = tcp;

			check.timeout += (nsec_t)((i + (size_t)round) % 17);
			targets[i] = target(i, &address, &check);
		}
		assert_int_equal(checker_set_targets(w.checker, targets, n), 0);
		if (round % 10 == 0)
			wait_for(&w, 0, VERDICT_UP, "");
	}
	world_deinit(&w);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_a_server),
		cmocka_unit_test(a_silent_server_times_out),
		cmocka_unit_test(talks_to_a_server),
		cmocka_unit_test(survives_without_descriptors),
		cmocka_unit_test(targets_change_all_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
