// SPDX-License-Identifier: BSD-2-Clause
/* run/capture over the real program: how a capture begins and ends, and whose packets are shown. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "daemon.h"
#include "flow_table.h"
#include "nat_world.h"
#include "placement.h"

#include "../unit/test.h"

struct world {
	struct daemon daemon; /* first: forwarding_capture() is given this */
	struct nat_world *nat;
	struct placement *placement; /* of nothing: services are found by their addresses */
	struct capture *capture;
	struct live_service services[2];
	struct live_service *list[2];
	struct live_listener listeners[3];
	char shown[256]; /* services of what was shown last */
};

struct capture *forwarding_capture(const struct daemon *d);

struct capture *forwarding_capture(const struct daemon *d)
{
	return ((const struct world *)d)->capture;
}

static void make_service(struct world *w, size_t i, const char *name, size_t first, size_t n)
{
	w->services[i] = (struct live_service){
		.service = service_new(name, 1),
		.listeners = &w->listeners[first],
		.n_listeners = n,
	};
	w->list[i] = &w->services[i];
}

static int setup(void **state)
{
	static const char *const listen[] = {VIP4 ":80", VIP4 ":443", "[" VIP6 "]:80"};
	struct world *w = calloc(1, sizeof(*w));
	const char *why;

	if (nat_world_load((void **)&w->nat) < 0) {
		free(w);
		return -1;
	}
	nat_world_setup((void **)&w->nat);
	for (size_t i = 0; i < ARRAY_SIZE(listen); i++)
		assert_int_equal(address_parse(listen[i], false, &w->listeners[i].address, &why),
				 0);
	make_service(w, 0, "web", 0, 1);
	make_service(w, 1, "tls", 1, 2);
	w->daemon.services = w->list;
	w->daemon.n_services = 2;
	w->daemon.now = clock_now();
	w->placement = placement_new(w->nat->maps, false);
	w->nat->maps->control->captures = 1; /* as after a crash */
	assert_int_equal(capture_new(w->nat->fastpath, w->placement, &w->capture), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	capture_free(w->capture);
	placement_free(w->placement);
	for (size_t i = 0; i < 2; i++)
		service_unref(w->services[i].service);
	nat_world_unload((void **)&w->nat);
	free(w);
	return 0;
}

static uint64_t begin(struct world *w, const struct live_service *service)
{
	const struct capture_question q = {.service = service, .bytes = 256};
	uint64_t id;

	assert_int_equal(capture_begin(&w->daemon, &q, &id), 0);
	return id;
}

static void note(void *context, const struct captured_packet *p)
{
	struct world *w = context;

	snprintf(w->shown + strlen(w->shown), sizeof(w->shown) - strlen(w->shown), "%s ",
		 p->service ? p->service : "-");
}

static int read_all(struct world *w, uint64_t id, size_t max)
{
	uint64_t lost;

	w->shown[0] = '\0';
	return capture_read(&w->daemon, id, max, CAPTURE_PATIENCE, note, w, &lost);
}

/* To that address, without ports. */
static void put_fragment(struct world *w, const char *to)
{
	struct segment s = nat_world_segment(ACK, 1, 1);
	struct frame f;

	strcpy(s.to, to);
	strcpy(s.from, strchr(to, ':') ? CLIENT6 : CLIENT4);
	frame_make(&f, &s);
	f.data[14 + (strchr(to, ':') ? 6 : 9)] = IPPROTO_UDP;
	assert_int_equal(nat_world_put(w->nat, &f), PASSED);
}

static void one_at_a_time(void **state)
{
	const struct capture_question q = {.bytes = 256};
	struct world *w = *state;
	uint64_t id, other, lost = 7;

	assert_int_equal(w->nat->maps->control->captures, 0);
	assert_false(capture_is_active(w->capture));
	id = begin(w, NULL);
	assert_true(capture_is_active(w->capture));
	assert_int_equal(w->nat->maps->control->captures, 1);
	assert_int_equal(capture_begin(&w->daemon, &q, &other), -EBUSY);
	assert_int_equal(read_all(w, id + 1, 10), -ENOENT);
	assert_int_equal(capture_end(&w->daemon, id + 1, &lost), -ENOENT);
	nat_world_connect(w->nat, CLIENT_PORT);
	assert_true(capture_has_packets(&w->daemon));
	assert_int_equal(read_all(w, id, 0), 0);
	assert_int_equal(read_all(w, id, 2), 2);
	assert_int_equal(capture_end(&w->daemon, id, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(w->nat->maps->control->captures, 0);
	assert_false(capture_has_packets(&w->daemon));
	assert_int_equal(read_all(w, id, 10), -ENOENT);
	assert_int_equal(capture_end(&w->daemon, id, &lost), -ENOENT);
	/* What was not read of it is not the next one's. */
	other = begin(w, NULL);
	assert_int_not_equal(other, id);
	assert_int_equal(read_all(w, other, 10), 0);
}

/* Programs hear that somebody is there, as long as somebody asks. */
static void nobody_asks(void **state)
{
	struct world *w = *state;
	uint64_t id = begin(w, NULL);
	uint32_t first = w->nat->maps->capture->deadline;

	assert_true(first > flow_ticks(w->daemon.now));
	w->daemon.now += CAPTURE_PATIENCE - 1;
	capture_on_time(w->capture, w->daemon.now);
	assert_true(capture_is_active(w->capture));
	assert_true(w->nat->maps->capture->deadline > first);
	assert_int_equal(read_all(w, id, 10), 0);
	w->daemon.now += CAPTURE_PATIENCE - 1;
	capture_on_time(w->capture, w->daemon.now);
	assert_true(capture_is_active(w->capture));
	w->daemon.now += 1;
	capture_on_time(w->capture, w->daemon.now);
	assert_false(capture_is_active(w->capture));
	assert_int_equal(w->nat->maps->control->captures, 0);
}

/* Programs do not know, but their addresses tell, if there is one service only that has them. */
static void services_by_address(void **state)
{
	struct world *w = *state;
	uint64_t id, lost;

	id = begin(w, NULL);
	put_fragment(w, VIP4);
	put_fragment(w, VIP6);
	nat_world_connect(w->nat, CLIENT_PORT);
	assert_int_equal(read_all(w, id, 10), 5);
	/* Of a connection all but the answer, whose service nobody has told the placement. */
	assert_string_equal(w->shown, "- tls web - web ");
	capture_end(&w->daemon, id, &lost);
	id = begin(w, &w->services[1]);
	put_fragment(w, VIP4);
	put_fragment(w, VIP6);
	assert_int_equal(read_all(w, id, 10), 2);
	assert_string_equal(w->shown, "tls tls ");
	capture_end(&w->daemon, id, &lost);
	id = begin(w, &w->services[0]);
	put_fragment(w, VIP6);
	put_fragment(w, VIP4);
	assert_int_equal(read_all(w, id, 1), 1);
	assert_string_equal(w->shown, "web ");
	assert_false(capture_has_packets(&w->daemon));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(one_at_a_time),
		CASE(nobody_asks),
		CASE(services_by_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
