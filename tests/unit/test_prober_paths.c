// SPDX-License-Identifier: BSD-2-Clause
/* run/prober, flight and check_ports: checks that take the path of clients' packets. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lb4_check.h"
#include "lb4_fastpath.h"
#include "prober_world.h"
#include "socket.h"

#define VIP_IP(last)                                                                               \
	{                                                                                          \
		[10] = 0xff, 0xff, 192, 0, 2, last                                                 \
	}

static const struct address vips[] = {
	{.ip = VIP_IP(1), .port = 80, .family = ADDRESS_IPV4},
	{.ip = VIP_IP(2), .port = 80, .family = ADDRESS_IPV4},
};
static const struct address backend = {
	.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = 80, .family = ADDRESS_IPV4};

static struct lb4_check entries[LB4_CHECKS];

static struct check_target path_target(uint64_t id, size_t n_vips)
{
	struct check_target t = target(id, 80, &check_tcp);

	t.path = (struct check_path){
		.forward = FORWARD_DSR_IPIP, .vips = vips, .n_vips = n_vips, .entries = entries};
	return t;
}

static int setup(void **state)
{
	(void)state;
	memset(entries, 0, sizeof(entries));
	memset(fake_ports_taken, 0, sizeof(fake_ports_taken));
	return 0;
}

/* The entry that was written last, which must be right but for its VIP: that one's last byte. */
static unsigned vip_asked(struct world *w)
{
	unsigned entry = (w->prober.ports.next - 1) % LB4_CHECKS;

	while (!w->prober.ports.busy[entry % LB4_CHECKS])
		entry++;
	entry %= LB4_CHECKS;
	assert_int_equal(entries[entry].forward, LB4_FORWARD_DSR_IPIP);
	assert_int_equal(entries[entry].port, htons(80));
	assert_int_equal(entries[entry].own_port, htons(w->prober.ports.known[entry]));
	assert_int_equal(ntohs(entries[entry].own_port) % LB4_CHECKS, entry);
	assert_memory_equal(entries[entry].backend, backend.ip, 16);
	assert_memory_equal(entries[entry].vip, vips[0].ip, 15);
	return entries[entry].vip[15];
}

static void vips_take_turns(void **state)
{
	struct check_target t = path_target(7, 2);
	struct world w;

	(void)state;
	world_init(&w);
	set(&w, &t, 1);
	pass(&w);
	assert_int_equal(vip_asked(&w), 1);
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	pass(&w);
	assert_int_equal(vip_asked(&w), 2);
	assert_int_equal(fake_port(w.ring, 0),
			 80); /* of the backend's own address, for the socket */
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	pass(&w);
	assert_int_equal(vip_asked(&w), 1);
	world_deinit(&w);
}

/* The next one to be asked is the one that failed; meanwhile the backend itself is. */
static void one_that_fails_is_stayed_with(void **state)
{
	struct check_target t = path_target(7, 2);
	struct world w;

	(void)state;
	world_init(&w);
	set(&w, &t, 1);
	connect_next(&w, 0);
	expect_report(&w, 7, VERDICT_UP, NULL);
	pass(&w);
	assert_int_equal(vip_asked(&w), 2);
	complete(&w, 0, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_UP, "connect: Connection refused: 192.0.2.2:80 by dsr-ipip");
	complete(&w, 0, 0); /* straight */
	expect_no_report(&w);
	assert_int_equal(fake_n_open(), 0);
	pass(&w);
	assert_int_equal(vip_asked(&w), 2);
	pass(&w);
	expect_report(&w, 7, VERDICT_UP,
		      "not connected within 1s: 192.0.2.2:80 by dsr-ipip; its own address answers");
	complete(&w, 0, -ECANCELED);
	assert_int_equal(fake_n_operations(w.ring),
			 0); /* it is known, and the next one is due by now */
	pass(&w);
	complete(&w, 0, -EHOSTUNREACH);
	expect_report(
		&w, 7, VERDICT_DOWN,
		"connect: No route to host: 192.0.2.2:80 by dsr-ipip; its own address answers");
	complete(&w, 0, -ECONNREFUSED); /* straight */
	pass(&w);
	complete(&w, 0, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_DOWN,
		      "connect: Connection refused: 192.0.2.2:80 by dsr-ipip; nor does its own "
		      "address answer");
	complete(&w, 0, 0);
	pass(&w);
	assert_int_equal(vip_asked(&w), 2);
	complete(&w, 0, 0);
	expect_report(&w, 7, VERDICT_DOWN, NULL);
	assert_int_equal(fake_n_operations(w.ring), 0); /* nothing is to be asked straight */
	pass(&w);
	assert_int_equal(vip_asked(&w), 1);
	complete(&w, 0, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_DOWN, "connect: Connection refused: 192.0.2.1:80 by dsr-ipip");
	complete(&w, 0, -EMFILE); /* it says nothing */
	pass(&w);
	complete(&w, 0, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_DOWN, "connect: Connection refused: 192.0.2.1:80 by dsr-ipip");
	world_deinit(&w);
}

/* A straight question never outlasts the pause, and its watch may go meanwhile. */
static void straight_questions_end_in_time(void **state)
{
	struct check_target t = path_target(7, 1);
	nsec_t failed;
	struct world w;

	(void)state;
	world_init(&w);
	set(&w, &t, 1);
	connect_next(&w, -ECONNREFUSED);
	failed = w.now;
	expect_report(&w, 7, VERDICT_DOWN, "connect: Connection refused: 192.0.2.1:80 by dsr-ipip");
	assert_int_equal(fake_n_operations(w.ring), 1);
	pass(&w);
	assert_true(w.now - failed <= 1 * S);
	assert_true(fake_only(w.ring, FAKE_CONNECT)->cancelled);
	complete(&w, 0, -ECANCELED);
	expect_no_report(&w);
	pass(&w);
	if (fake_n_operations(w.ring) == 0) /* the interval is longer than the timeout */
		pass(&w);
	complete(&w, 0, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_DOWN,
		      "connect: Connection refused: 192.0.2.1:80 by dsr-ipip; nor does its own "
		      "address answer");
	assert_int_equal(fake_n_operations(w.ring), 1);
	set(&w, NULL, 0);
	complete(&w, 0, 0);
	expect_no_report(&w);
	assert_int_equal(fake_n_open(), 0);
	world_deinit(&w);
}

/* Where there is no pause at all, the first one is made. */
static void the_first_question_is_waited_for(void **state)
{
	struct check_target t = path_target(7, 1);
	struct world w;

	(void)state;
	world_init(&w);
	set(&w, &t, 1);
	pass(&w);
	pass(&w);
	expect_report(&w, 7, VERDICT_DOWN, "not connected within 1s: 192.0.2.1:80 by dsr-ipip");
	w.now += 5 * S; /* somebody else had the processor */
	complete(&w, 0, -ECANCELED);
	assert_int_equal(fake_n_operations(w.ring), 1);
	assert_int_equal(pass(&w), 100 * MS);
	complete(&w, 0, -ECANCELED);
	pass(&w);
	pass(&w);
	expect_report(&w, 7, VERDICT_DOWN,
		      "not connected within 1s: 192.0.2.1:80 by dsr-ipip; nor does its own address "
		      "answer");
	/* What has been known for long is asked again. */
	w.now += 6 * S;
	complete(&w, 0, -ECANCELED);
	assert_int_equal(fake_n_operations(w.ring), 1);
	complete(&w, 0, 0);
	pass(&w);
	pass(&w);
	expect_report(&w, 7, VERDICT_DOWN,
		      "not connected within 1s: 192.0.2.1:80 by dsr-ipip; its own address answers");
	complete(&w, 0, -ECANCELED);
	world_deinit(&w);
}

static void other_paths_are_other_probes(void **state)
{
	struct check_target targets[] = {path_target(1, 1), path_target(2, 1), path_target(3, 2),
					 target(4, 80, &check_tcp), path_target(5, 1)};
	struct world w;

	(void)state;
	world_init(&w);
	targets[4].path.forward = FORWARD_DSR_L2;
	set(&w, targets, ARRAY_SIZE(targets));
	assert_int_equal(w.prober.set.n_watches, 4);

	/* Who changes its path keeps the verdict. */
	set(&w, &targets[3], 1);
	connect_next(&w, 0);
	expect_report(&w, 4, VERDICT_UP, NULL);
	targets[3].path = targets[0].path;
	set(&w, &targets[3], 1);
	assert_int_equal(w.prober.set.watches[0]->verdict.state, VERDICT_UP);
	assert_int_equal(w.prober.set.watches[0]->path.n_vips, 1);
	world_deinit(&w);
}

/* A path that has the VIP that fails goes on with it: others would only cover it up. */
static void a_vip_that_fails_is_taken_along(void **state)
{
	struct check_target t = path_target(7, 2);
	const struct address swapped[] = {vips[1], vips[0]};
	struct world w;

	(void)state;
	world_init(&w);
	set(&w, &t, 1);
	connect_next(&w, -ECONNREFUSED);
	expect_report(&w, 7, VERDICT_DOWN, "connect: Connection refused: 192.0.2.1:80 by dsr-ipip");
	complete(&w, 0, 0);
	t.path.vips = swapped;
	set(&w, &t, 1);
	pass(&w);
	assert_int_equal(vip_asked(&w), 1);
	world_deinit(&w);
}

/* Where probes wait for their turn nobody is asked for the sake of an error's text. */
static void waiting_probes_come_first(void **state)
{
	struct check_target targets[FLIGHTS_MAX + 1];
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		targets[i] = path_target(i, 1);
		targets[i].address.ip[15] = (uint8_t)(i + 1);
		targets[i].address.ip[14] = (uint8_t)((i + 1) >> 8);
	}
	set(&w, targets, ARRAY_SIZE(targets));
	while (fake_n_operations(w.ring) < FLIGHTS_MAX || list_empty(&w.prober.waiting))
		pass(&w);
	assert_int_equal(fake_n_operations(w.ring), FLIGHTS_MAX);
	complete(&w, 0, -ECONNREFUSED);
	assert_int_equal(w.reports.n_messages, 1);
	assert_true(list_empty(&w.prober.waiting)); /* it has the place of the one that failed */
	assert_int_equal(fake_n_operations(w.ring), FLIGHTS_MAX);
	complete(&w, 0, -ECONNREFUSED);
	assert_int_equal(fake_n_operations(w.ring),
			 FLIGHTS_MAX); /* and this one is asked plainly */
	while (w.reports.n_messages) {
		struct list taken = LIST_INIT(taken);

		mailbox_take(&w.reports, &taken);
		list_for_each_safe(node, &taken) {
			struct message *m = container_of(node, struct message, node);

			list_unlink(node);
			m->free(m);
		}
	}
	world_deinit(&w);
}

/* No two at a time have one port, and once there are all of them none comes again soon. */
static void ports_are_apart(void **state)
{
	static unsigned used_at[UINT16_MAX + 1];
	struct check_ports ports = {};
	unsigned taken[256], n = 0, n_known = 0;
	struct world w;
	uint16_t port;
	int fd;

	(void)state;
	world_init(&w); /* whose ring the sockets are of */
	memset(used_at, 0, sizeof(used_at));
	while (n < 20 * LB4_CHECKS) {
		for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
			int r = check_ports_take(&ports, &backend, &fd, &port);

			assert_in_range(r, 0, LB4_CHECKS - 1);
			assert_int_equal(port % LB4_CHECKS, r);
			for (size_t j = 0; j < i; j++)
				assert_int_not_equal(taken[j], r);
			taken[i] = (unsigned)r;
			n++;
			if (n_known == LB4_CHECKS && used_at[port])
				assert_true(n - used_at[port] > LB4_CHECKS / 2);
			used_at[port] = n;
			socket_close(fd);
		}
		for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
			check_ports_release(&ports, taken[i]);
		n_known = 0;
		for (size_t i = 0; i < LB4_CHECKS; i++)
			n_known += ports.known[i] != 0;
		if (n_known < LB4_CHECKS)
			memset(used_at, 0, sizeof(used_at));
	}
	assert_int_equal(n_known, LB4_CHECKS);
	/* One that somebody else has now is forgotten. */
	fake_ports_taken[0] = ports.known[ports.next % LB4_CHECKS];
	assert_int_not_equal(fake_ports_taken[0], 0);
	assert_in_range(check_ports_take(&ports, &backend, &fd, &port), 0, LB4_CHECKS - 1);
	assert_int_not_equal(port, fake_ports_taken[0]);
	socket_close(fd);
	/* All are busy. */
	memset(ports.busy, true, sizeof(ports.busy));
	assert_int_equal(check_ports_take(&ports, &backend, &fd, &port), -EADDRNOTAVAIL);
	world_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(vips_take_turns, setup),
		cmocka_unit_test_setup(one_that_fails_is_stayed_with, setup),
		cmocka_unit_test_setup(straight_questions_end_in_time, setup),
		cmocka_unit_test_setup(the_first_question_is_waited_for, setup),
		cmocka_unit_test_setup(other_paths_are_other_probes, setup),
		cmocka_unit_test_setup(a_vip_that_fails_is_taken_along, setup),
		cmocka_unit_test_setup(waiting_probes_come_first, setup),
		cmocka_unit_test_setup(ports_are_apart, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
