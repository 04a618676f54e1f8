// SPDX-License-Identifier: BSD-2-Clause
/* What programs put into the ring of captured packets, and what not. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_ring.h"
#include "flow_table.h"
#include "nat_world.h"

#include "../unit/test.h"

#define PACKETS_MAX 64

struct world {
	struct nat_world *nat;
	struct capture_ring *ring;
	struct lb4_captured packets[PACKETS_MAX]; /* of the last take() */
	size_t n;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (nat_world_load((void **)&w->nat) < 0) {
		free(w);
		return -1;
	}
	nat_world_setup((void **)&w->nat);
	assert_int_equal(capture_ring_open(fastpath_captured(w->nat->fastpath), &w->ring), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	capture_ring_close(w->ring);
	nat_world_unload((void **)&w->nat);
	free(w);
	return 0;
}

static bool drop(void *context, const struct lb4_captured *p)
{
	(void)context;
	(void)p;
	return true;
}

/* Loading takes the longest: one world serves all, as if new. */
static int begin(void **state)
{
	struct world *w = *state;
	const struct fastpath_maps *m = w->nat->maps;

	m->control->captures = 0;
	memset(m->flows, 0, m->n_flows * sizeof(m->flows[0]));
	memset(m->lines, 0, m->n_lines * sizeof(m->lines[0]));
	nat_world_use(w->nat, false);
	capture_ring_take(w->ring, drop, NULL);
	return 0;
}

/* Everything, from now on; what is more special is up to the test. */
static struct lb4_capture *want(struct world *w)
{
	struct lb4_capture *c = w->nat->maps->capture;

	*c = (struct lb4_capture){
		.service = LB4_CAPTURE_NONE,
		.bytes = LB4_CAPTURE_BYTES,
		.budget = 1000000,
		.deadline = flow_ticks(clock_now()) + 10,
	};
	w->nat->maps->control->captures = 1;
	return c;
}

static void want_client(struct lb4_capture *c, const char *ip, unsigned bits, uint16_t port)
{
	nat_world_ip(c->client, ip);
	memset(c->client_mask, 0, sizeof(c->client_mask));
	memset(c->client_mask, 0xff, bits / 8);
	c->client_port = htons(port);
}

static bool keep(void *context, const struct lb4_captured *p)
{
	struct world *w = context;

	assert_true(w->n < PACKETS_MAX);
	memcpy(&w->packets[w->n++], p, offsetof(struct lb4_captured, bytes) + p->kept);
	return true;
}

static size_t take(struct world *w)
{
	w->n = 0;
	capture_ring_take(w->ring, keep, w);
	assert_false(capture_ring_has(w->ring));
	return w->n;
}

static void put(struct world *w, const struct frame *f, enum outcome outcome)
{
	assert_int_equal(nat_world_put(w->nat, f), outcome);
}

static void expect_client(const struct lb4_captured *p, const char *ip, uint16_t port)
{
	uint8_t expected[16];

	nat_world_ip(expected, ip);
	assert_memory_equal(p->client, expected, 16);
	assert_int_equal(p->client_port, htons(port));
}

/* As they came in, both directions, under the client's name. */
static void a_connection(void **state)
{
	struct world *w = *state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		uint16_t port = (uint16_t)(CLIENT_PORT + ipv6), ours;
		uint64_t begun = clock_now();
		struct segment out;

		nat_world_use(w->nat, ipv6);
		want(w);
		ours = nat_world_connect(w->nat, port);
		assert_int_equal(nat_world_client(w->nat, port, ACK, &out), REDIRECTED);
		assert_true(capture_ring_has(w->ring));
		assert_int_equal(take(w), 4);
		for (size_t i = 0; i < 4; i++) {
			const struct lb4_captured *p = &w->packets[i];
			struct frame f = {.size = p->size};
			struct segment s;

			assert_int_equal(p->verdict, LB4_VERDICT_FORWARDED);
			assert_int_equal(p->service, 0);
			assert_int_equal(p->backend, ipv6 ? N_BACKENDS : 0);
			assert_int_equal(p->interface, 1);
			assert_int_equal(p->size, ipv6 ? 74 : 54);
			assert_int_equal(p->kept, p->size);
			assert_true(p->time >= begun && p->time <= clock_now());
			expect_client(p, ipv6 ? CLIENT6 : CLIENT4, port);
			memcpy(f.data, p->bytes, p->kept);
			assert_true(frame_read(&f, &s));
			if (i == 1) {
				assert_string_equal(s.to, ipv6 ? OURS6 : OURS4);
				assert_int_equal(s.to_port, ours);
				assert_int_equal(s.from_port, BACKEND_PORT);
				assert_int_equal(s.flags, SYN | ACK);
			} else {
				assert_string_equal(s.from, ipv6 ? CLIENT6 : CLIENT4);
				assert_string_equal(s.to, ipv6 ? VIP6 : VIP4);
				assert_int_equal(s.to_port, VIP_PORT);
				assert_int_equal(s.flags, i ? ACK : SYN);
			}
		}
	}
}

/* Nobody asked; somebody asked, and nobody has been there for long. */
static void nothing_is_wanted(void **state)
{
	struct world *w = *state;
	struct segment out;
	struct lb4_capture *c = want(w);

	w->nat->maps->control->captures = 0;
	nat_world_connect(w->nat, CLIENT_PORT);
	assert_int_equal(take(w), 0);
	w->nat->maps->control->captures = 1;
	c->deadline = flow_ticks(clock_now()) - 1;
	nat_world_client(w->nat, CLIENT_PORT, ACK, &out);
	assert_int_equal(take(w), 0);
	c->deadline += 10;
	nat_world_client(w->nat, CLIENT_PORT, ACK, &out);
	assert_int_equal(take(w), 1);
	assert_int_equal(c->lost, 0);
}

static void clients(void **state)
{
	static const struct {
		const char *ip;
		unsigned bits;
		uint16_t port;
		size_t n4, n6; /* that match, of a connection's three */
	} cases[] = {
		{CLIENT4, 128, 0, 3, 0},
		{CLIENT4, 128, CLIENT_PORT, 3, 0},
		{CLIENT4, 128, CLIENT_PORT + 1, 0, 0},
		{"198.51.100.8", 128, 0, 0, 0},
		{"198.51.100.0", 120, 0, 3, 0},
		{"198.51.0.0", 112, 0, 3, 0},
		{"10.0.0.10", 128, 0, 0, 0}, /* a backend is no client */
		{CLIENT6, 128, 0, 0, 3},
		{"2001:db8:c::8", 128, 0, 0, 0}, /* another in each of its words */
		{"2001:db8:c:0:1::7", 128, 0, 0, 0},
		{"2001:db8:d::7", 128, 0, 0, 0},
		{"2001:db9:c::7", 128, 0, 0, 0},
		{"2001:db8::", 32, 0, 0, 3},
		{"::", 0, CLIENT_PORT, 3, 3},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int ipv6 = 0; ipv6 < 2; ipv6++) {
			want_client(want(w), cases[i].ip, cases[i].bits, cases[i].port);
			nat_world_use(w->nat, ipv6);
			nat_world_connect(w->nat, CLIENT_PORT);
			assert_int_equal(take(w), ipv6 ? cases[i].n6 : cases[i].n4);
			memset(w->nat->maps->flows, 0,
			       w->nat->maps->n_flows * sizeof(w->nat->maps->flows[0]));
			memset(w->nat->maps->lines, 0,
			       w->nat->maps->n_lines * sizeof(w->nat->maps->lines[0]));
		}
}

static void services(void **state)
{
	struct world *w = *state;
	struct lb4_capture *c = want(w);

	c->service = 1;
	nat_world_connect(w->nat, CLIENT_PORT);
	assert_int_equal(take(w), 0);
	c->service = 0;
	nat_world_connect(w->nat, CLIENT_PORT + 1);
	assert_int_equal(take(w), 3);
}

/* Each with its reason; nobody's business is nobody's. */
static void verdicts(void **state)
{
	struct world *w = *state;
	struct segment s = nat_world_segment(ACK, 1, 1);
	struct lb4_capture *c = want(w);
	struct frame f;

	frame_make(&f, &s);
	put(w, &f, PASSED);
	f.data[14 + 9] = IPPROTO_UDP;
	put(w, &f, PASSED);
	f.data[14 + 19]++; /* not for a VIP */
	put(w, &f, PASSED);
	s.flags = SYN;
	s.hops = 1;
	nat_world_send(w->nat, &s, DROPPED);
	strcpy(s.from, "127.0.0.1");
	nat_world_send(w->nat, &s, DROPPED);
	frame_make(&f, &s);
	f.data[14 + 3] = 200;
	put(w, &f, DROPPED);
	nat_world_give(w->nat, LB4_RING_NONE);
	s = nat_world_segment(SYN, 1, 0);
	s.from_port++;
	nat_world_send(w->nat, &s, PASSED);
	assert_int_equal(take(w), 6);
	assert_int_equal(w->packets[0].verdict, LB4_VERDICT_PASS_NO_FLOW);
	assert_int_equal(w->packets[0].backend, LB4_CAPTURE_NONE);
	assert_int_equal(w->packets[1].verdict, LB4_VERDICT_PASS_ODD);
	assert_int_equal(w->packets[1].service, LB4_CAPTURE_NONE);
	assert_int_equal(w->packets[1].client_port, 0);
	assert_int_equal(w->packets[2].verdict, LB4_VERDICT_DROP_TTL);
	assert_int_equal(w->packets[2].backend, 0);
	assert_int_equal(w->packets[3].verdict, LB4_VERDICT_DROP_SOURCE);
	assert_int_equal(w->packets[3].service, 0);
	assert_int_equal(w->packets[4].verdict, LB4_VERDICT_DROP_MALFORMED);
	assert_int_equal(w->packets[5].verdict, LB4_VERDICT_PASS_NO_BACKEND);
	/* What may be of any service or port is told to whoever asks for one. */
	c->service = 5;
	c->client_port = htons(1);
	frame_make(&f, &s);
	f.data[14 + 9] = IPPROTO_UDP;
	put(w, &f, PASSED);
	assert_int_equal(take(w), 1);
}

static void drops_alone(void **state)
{
	struct world *w = *state;
	struct segment s = nat_world_segment(ACK, 1001, 5001);

	want(w)->drops = 1;
	nat_world_connect(w->nat, CLIENT_PORT);
	s.n_payload = 1461;
	nat_world_send(w->nat, &s, DROPPED);
	s.n_payload = 10;
	s.hops = 1;
	nat_world_send(w->nat, &s, DROPPED);
	assert_int_equal(take(w), 2);
	assert_int_equal(w->packets[0].verdict, LB4_VERDICT_DROP_TOO_BIG);
	assert_int_equal(w->packets[0].size, 14 + 40 + 1461);
	assert_int_equal(w->packets[0].kept, LB4_CAPTURE_BYTES);
	assert_int_equal(w->packets[1].verdict, LB4_VERDICT_DROP_TTL);
}

static void lengths(void **state)
{
	static const uint16_t bytes[] = {1, 14, 53, 54, 64, 65, 255, 256};
	struct segment s = nat_world_segment(ACK, 1001, 5001);
	struct world *w = *state;
	struct lb4_capture *c = want(w);

	nat_world_connect(w->nat, CLIENT_PORT);
	take(w);
	for (unsigned payload = 0; payload < 300; payload += 11)
		for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
			size_t size = 54 + payload;
			struct frame f;

			c->bytes = bytes[i];
			s.n_payload = payload;
			frame_make(&f, &s);
			put(w, &f, REDIRECTED);
			assert_int_equal(take(w), 1);
			assert_int_equal(w->packets[0].size, size);
			assert_int_equal(w->packets[0].kept, size < bytes[i] ? size : bytes[i]);
			assert_memory_equal(w->packets[0].bytes, f.data, w->packets[0].kept);
		}
}

static void icmp_errors(void **state)
{
	struct world *w = *state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const char *router = ipv6 ? "2001:db8:9::1" : "203.0.113.9";
		struct frame about[2], f;
		struct segment out;
		uint16_t port;

		nat_world_use(w->nat, ipv6);
		port = nat_world_connect(w->nat, CLIENT_PORT);
		nat_world_server(w->nat, port, ACK, &out);
		about[0] = w->nat->out;
		nat_world_client(w->nat, CLIENT_PORT, ACK, &out);
		about[1] = w->nat->out;
		want(w)->service = 0;
		want_client(w->nat->maps->capture, ipv6 ? CLIENT6 : CLIENT4, 128, CLIENT_PORT);
		for (size_t i = 0; i < 2; i++) {
			frame_quote(&f, router, &about[i], 1280);
			put(w, &f, REDIRECTED);
			assert_int_equal(take(w), 1);
			assert_int_equal(w->packets[0].verdict, LB4_VERDICT_ICMP);
			assert_int_equal(w->packets[0].service, 0);
			assert_memory_equal(w->packets[0].bytes, f.data, f.size);
			expect_client(&w->packets[0], ipv6 ? CLIENT6 : CLIENT4, CLIENT_PORT);
		}
		want_client(w->nat->maps->capture, ipv6 ? CLIENT6 : CLIENT4, 128, 1);
		put(w, &f, REDIRECTED);
		assert_int_equal(take(w), 0);
		w->nat->maps->control->captures = 0;
	}
}

/* Who is too slow loses packets, and keeps nobody. */
static void too_many(void **state)
{
	struct segment s = nat_world_segment(ACK, 1001, 5001);
	struct world *w = *state;
	struct lb4_capture *c = want(w);
	struct frame f;
	size_t room = 0;

	nat_world_connect(w->nat, CLIENT_PORT);
	take(w);
	s.n_payload = 300;
	frame_make(&f, &s);
	while (c->lost == 0 && room < 10000) {
		put(w, &f, REDIRECTED);
		room++;
	}
	/* A record has eight bytes more, and they are aligned to eight. */
	assert_int_equal(room - 1, (LB4_CAPTURE_RING - 1) / (sizeof(struct lb4_captured) + 8));
	put(w, &f, REDIRECTED);
	assert_int_equal(c->lost, 2);
}

static void budget(void **state)
{
	struct world *w = *state;
	struct lb4_capture *c = want(w);
	struct segment out;

	nat_world_connect(w->nat, CLIENT_PORT);
	take(w);
	c->budget = 0;
	nat_world_client(w->nat, CLIENT_PORT, ACK, &out);
	assert_int_equal(take(w), 0);
	assert_int_equal(c->lost, 1);
	/* A tick has room for some; those before count, unless it is another tick by now. */
	c->budget = 5;
	c->lost = 0;
	for (unsigned i = 0; i < 40; i++)
		nat_world_client(w->nat, CLIENT_PORT, ACK, &out);
	assert_true(take(w) <= 10 * w->nat->maps->n_cpus);
	assert_int_equal(w->n + c->lost, 40);
}

static bool first_only(void *context, const struct lb4_captured *p)
{
	struct world *w = context;

	w->packets[0] = *p;
	w->n++;
	return false;
}

/* One at a time; those that were not shown are still there. */
static void taking_some(void **state)
{
	struct world *w = *state;

	want(w);
	nat_world_connect(w->nat, CLIENT_PORT);
	for (size_t i = 0; i < 3; i++) {
		assert_true(capture_ring_has(w->ring));
		w->n = 0;
		capture_ring_take(w->ring, first_only, w);
		assert_int_equal(w->n, 1);
		assert_int_equal(w->packets[0].bytes[47], i == 0 ? SYN : i == 1 ? SYN | ACK : ACK);
	}
	assert_int_equal(take(w), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		CASE(a_connection), CASE(nothing_is_wanted), CASE(clients),
		CASE(services),	    CASE(verdicts),	     CASE(drops_alone),
		CASE(lengths),	    CASE(icmp_errors),	     CASE(too_many),
		CASE(budget),	    CASE(taking_some),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
