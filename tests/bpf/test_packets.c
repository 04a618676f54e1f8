// SPDX-License-Identifier: BSD-2-Clause
/* Packets that are odd, broken, too long or about others: verdict, packet out and counter. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "nat_world.h"

#include "../unit/test.h"

/* The stack would reset a connection that it does not know. */
static void odd_packets_of_flows(void **state)
{
	struct nat_world *w = *state;
	struct segment s, out;
	struct frame f;
	uint16_t port;

	s = nat_world_segment(ACK, 1001, 5001);
	s.n_payload = 40;
	frame_make(&f, &s);
	f.data[14 + 6] = 0x20;
	assert_int_equal(nat_world_put(w, &f), PASSED);
	port = nat_world_connect(w, CLIENT_PORT);
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, ACK, &out), REDIRECTED);
	/* With options: the ports are four bytes further on. */
	frame_make(&f, &s);
	f.data[14] = 0x46;
	memmove(f.data + 14 + 24, f.data + 14 + 20, 60);
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	/* The backend's. */
	s = (struct segment){.from = "10.0.0.10",
			     .to = OURS4,
			     .from_port = BACKEND_PORT,
			     .to_port = port,
			     .flags = ACK,
			     .hops = 64,
			     .n_payload = 40};
	frame_make(&f, &s);
	f.data[14 + 6] = 0x20;
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_ODD), 3);
	/* A later fragment has no ports. */
	f.data[14 + 6] = 0;
	f.data[14 + 7] = 5;
	assert_int_equal(nat_world_put(w, &f), PASSED);

	nat_world_use(w, true);
	nat_world_connect(w, CLIENT_PORT + 1);
	s = nat_world_segment(ACK, 1001, 5001);
	strcpy(s.from, CLIENT6);
	strcpy(s.to, VIP6);
	s.from_port++;
	s.n_payload = 40;
	frame_make(&f, &s);
	memmove(f.data + 14 + 40 + 8, f.data + 14 + 40, 60);
	memcpy(f.data + 14 + 40, (const uint8_t[]){6, 0, 0, 1, 0, 0, 0, 9}, 8);
	f.data[14 + 6] = 44;
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	f.data[14 + 40 + 2] = 1;
	assert_int_equal(nat_world_put(w, &f), PASSED);
}

/* Somebody could not deliver what was sent to the client, or to the backend: its sender hears of it. */
static void icmp_errors(void **state)
{
	struct nat_world *w = *state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const char *router = ipv6 ? "2001:db8:9::1" : "203.0.113.9";
		uint16_t client = (uint16_t)(CLIENT_PORT + ipv6), port, mtu;
		struct frame to_client, to_backend, f;
		struct segment outer, quoted;

		nat_world_use(w, ipv6);
		port = nat_world_connect(w, client);
		nat_world_server(w, port, ACK, &outer);
		to_client = w->out;
		nat_world_client(w, client, ACK, &outer);
		to_backend = w->out;

		frame_quote(&f, router, &to_client, 1280);
		assert_int_equal(nat_world_put(w, &f), REDIRECTED);
		assert_true(frame_read_quote(&w->out, &outer, &quoted, &mtu));
		assert_string_equal(outer.from, ipv6 ? OURS6 : OURS4);
		assert_string_equal(outer.to, ipv6 ? "fd00::10" : "10.0.0.10");
		assert_int_equal(outer.hops, 59);
		assert_string_equal(quoted.from, outer.to);
		assert_string_equal(quoted.to, outer.from);
		assert_int_equal(quoted.from_port, BACKEND_PORT);
		assert_int_equal(quoted.to_port, port);
		assert_int_equal(quoted.sequence, 5001);
		assert_int_equal(mtu, 1280);

		frame_quote(&f, router, &to_backend, 1400);
		assert_int_equal(nat_world_put(w, &f), REDIRECTED);
		assert_true(frame_read_quote(&w->out, &outer, &quoted, &mtu));
		assert_memory_equal(w->out.data, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x09",
				    12);
		assert_string_equal(outer.from, ipv6 ? VIP6 : VIP4);
		assert_string_equal(outer.to, ipv6 ? CLIENT6 : CLIENT4);
		assert_string_equal(quoted.from, outer.to);
		assert_int_equal(quoted.from_port, client);
		assert_int_equal(quoted.to_port, VIP_PORT);
		assert_int_equal(quoted.sequence, 1001);
		assert_int_equal(mtu, 1400);
		assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_ICMP), 2 * ipv6 + 2);

		/* Cut short, about another flow, no error, quoting somebody else: the stack's. */
		for (size_t cut = 1; cut < 30; cut++) {
			struct frame shorter = f;

			shorter.size -= cut;
			assert_int_equal(nat_world_put(w, &shorter), PASSED);
			assert_memory_equal(w->out.data, shorter.data, shorter.size);
		}
		f.data[14 + (ipv6 ? 40 : 20)] = ipv6 ? 128 : 8;
		assert_int_equal(nat_world_put(w, &f), PASSED);
		frame_quote(&f, router, &to_client, 1280);
		f.data[14 + (ipv6 ? 40 + 8 + 40 : 20 + 8 + 20) + 3] ^= 1;
		assert_int_equal(nat_world_put(w, &f), PASSED);
		frame_quote(&f, router, &to_client, 1280);
		f.data[14 + (ipv6 ? 39 : 19)] ^= 1;
		assert_int_equal(nat_world_put(w, &f), PASSED);
		assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_ICMP), 2 * ipv6 + 2);
	}
}

/* Every length of a valid packet, and every length that its header may claim. */
static void truncated(void **state)
{
	struct segment s = {.from_port = CLIENT_PORT,
			    .to_port = VIP_PORT,
			    .flags = SYN,
			    .hops = 64,
			    .mss = 1460,
			    .n_payload = 3};
	struct nat_world *w = *state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		size_t at = ipv6 ? 14 + 4 : 14 + 2, extra = ipv6 ? 40 : 0;
		struct frame f;

		strcpy(s.from, ipv6 ? CLIENT6 : CLIENT4);
		strcpy(s.to, ipv6 ? VIP6 : VIP4);
		/* The kernel's test run takes no frame without the whole of its IP header. */
		for (size_t size = 14 + (ipv6 ? 40 : 20); size < 14 + (ipv6 ? 67u : 47u); size++) {
			frame_make(&f, &s);
			assert_true(size < f.size);
			f.size = size;
			assert_int_not_equal(nat_world_put(w, &f), REDIRECTED);
		}
		frame_make(&f, &s);
		for (unsigned claim = 0; claim < f.size + 20; claim++) {
			enum outcome outcome;
			size_t least = 40 + 4 - (ipv6 ? 40u - 20u : 0u);

			frame_make(&f, &s);
			f.data[at] = (uint8_t)(claim >> 8);
			f.data[at + 1] = (uint8_t)claim;
			outcome = nat_world_put(w, &f);
			if (claim < least || claim + 14 + extra > f.size)
				assert_int_equal(outcome, DROPPED);
			else
				assert_int_equal(outcome, PASSED); /* without a backend */
		}
		for (unsigned words = 0; words < 16; words++) {
			frame_make(&f, &s);
			f.data[14 + (ipv6 ? 40 : 20) + 12] = (uint8_t)(words << 4);
			assert_int_equal(nat_world_put(w, &f),
					 words >= 5 && words <= 6 ? PASSED : DROPPED);
		}
	}
	assert_true(nat_world_verdicts(w, LB4_VERDICT_DROP_MALFORMED) > 100);
}

static int setup_without_backend(void **state)
{
	int r = nat_world_setup(state);

	if (r == 0)
		nat_world_give(*state, LB4_RING_NONE);
	return r;
}

/* What is for a VIP and not plain TCP is the stack's. */
static void odd(void **state)
{
	struct segment s = {.from = CLIENT4,
			    .to = VIP4,
			    .from_port = CLIENT_PORT,
			    .to_port = VIP_PORT,
			    .flags = SYN,
			    .hops = 64,
			    .n_payload = 60};
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{14, 0x46}, /* an option */
		{14, 0x4f},
		{14 + 6, 0x20}, /* the first fragment */
		{14 + 7, 0x01}, /* a later one */
		{14 + 9, IPPROTO_UDP},
		{14 + 9, IPPROTO_ICMP},
		{14 + 9, IPPROTO_IPIP},
	};
	static const uint8_t next_headers[] = {0, 43, 44, 50, 51, 58, 59, 60, 17};
	struct nat_world *w = *state;
	struct frame f;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		frame_make(&f, &s);
		f.data[cases[i].at] = cases[i].value;
		assert_int_equal(nat_world_put(w, &f), PASSED);
		assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_ODD), i + 1);
	}
	strcpy(s.from, CLIENT6);
	strcpy(s.to, VIP6);
	for (size_t i = 0; i < ARRAY_SIZE(next_headers); i++) {
		frame_make(&f, &s);
		f.data[14 + 6] = next_headers[i];
		assert_int_equal(nat_world_put(w, &f), PASSED);
	}
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_ODD),
			 ARRAY_SIZE(cases) + ARRAY_SIZE(next_headers));
	/* Not for a VIP: nobody's business. */
	strcpy(s.to, "2001:db8::2");
	frame_make(&f, &s);
	f.data[14 + 6] = 44;
	assert_int_equal(nat_world_put(w, &f), PASSED);
	f.data[12] = 0x08;
	f.data[13] = 0x06;
	assert_int_equal(nat_world_put(w, &f), PASSED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_ODD),
			 ARRAY_SIZE(cases) + ARRAY_SIZE(next_headers));
}

static void impossible_sources(void **state)
{
	static const char *const sources[] = {
		"0.0.0.0",	   "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1",
		"255.255.255.255", "::",      "::1",	   "ff02::1",	"::ffff:10.0.0.1"};
	struct segment s = {
		.from_port = CLIENT_PORT, .to_port = VIP_PORT, .flags = SYN, .hops = 64};
	struct nat_world *w = *state;
	struct frame f;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		strcpy(s.from, sources[i]);
		strcpy(s.to, strchr(sources[i], ':') ? VIP6 : VIP4);
		frame_make(&f, &s);
		assert_int_equal(nat_world_put(w, &f), DROPPED);
		assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_SOURCE), i + 1);
	}
	/* From the VIP itself (LAND). */
	strcpy(s.from, VIP4);
	strcpy(s.to, VIP4);
	s.from_port = VIP_PORT;
	frame_make(&f, &s);
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	assert_int_equal(nat_world_count_flows(w), 0);
}

static void hops(void **state)
{
	struct segment s = {.from = CLIENT4,
			    .to = VIP4,
			    .from_port = CLIENT_PORT,
			    .to_port = VIP_PORT,
			    .flags = SYN};
	struct nat_world *w = *state;
	struct frame f;

	for (uint8_t i = 0; i < 2; i++) {
		s.hops = i;
		frame_make(&f, &s);
		assert_int_equal(nat_world_put(w, &f), DROPPED);
	}
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_TTL), 2);
	s.hops = 2;
	frame_make(&f, &s);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	assert_true(frame_read(&w->out, &s));
	assert_int_equal(s.hops, 1);
}

/* No more than fits either way, wherever among the options it stands. */
static void segment_sizes(void **state)
{
	struct nat_world *w = *state;
	struct frame f;

	for (int ipv6 = 0; ipv6 < 2; ipv6++)
		for (unsigned padding = 0; padding < 9; padding++) {
			struct segment s = {.from_port = (uint16_t)(2000 + padding + 100 * ipv6),
					    .to_port = VIP_PORT,
					    .flags = SYN,
					    .hops = 64,
					    .mss = 8960,
					    .padding = padding};
			struct segment out;

			nat_world_use(w, ipv6);
			strcpy(s.from, ipv6 ? CLIENT6 : CLIENT4);
			strcpy(s.to, ipv6 ? VIP6 : VIP4);
			frame_make(&f, &s);
			assert_int_equal(nat_world_put(w, &f), REDIRECTED);
			assert_true(frame_read(&w->out, &out));
			assert_int_equal(out.mss, ipv6 ? 1440 : 1460);
			assert_int_equal(out.padding, padding);
			/* A smaller one stays. */
			s.mss = 536;
			frame_make(&f, &s);
			assert_int_equal(nat_world_put(w, &f), REDIRECTED);
			assert_true(frame_read(&w->out, &out));
			assert_int_equal(out.mss, 536);
			/* And of the answer. */
			s = (struct segment){.from_port = BACKEND_PORT,
					     .to_port = out.from_port,
					     .flags = SYN | ACK,
					     .hops = 64,
					     .mss = 65495,
					     .padding = padding,
					     .acknowledged = 1};
			strcpy(s.from, ipv6 ? "fd00::10" : "10.0.0.10");
			strcpy(s.to, ipv6 ? OURS6 : OURS4);
			frame_make(&f, &s);
			assert_int_equal(nat_world_put(w, &f), REDIRECTED);
			assert_true(frame_read(&w->out, &out));
			assert_int_equal(out.mss, ipv6 ? 1440 : 1460);
		}
}

/* Options that lead nowhere, or in circles. */
static void broken_options(void **state)
{
	static const uint8_t options[][8] = {{2, 4, 1, 1, 2, 4},
					     {2, 3, 1},
					     {2, 0},
					     {3, 0},
					     {3, 1},
					     {99, 255, 0, 0},
					     {0, 2, 4, 9, 9},
					     {1, 1, 1, 1, 1, 1, 2, 4},
					     {8, 7, 0, 0, 0, 0},
					     {254, 8, 0, 0, 0, 0},
					     {1, 2, 4, 255, 255}};
	struct segment s = {.from = CLIENT4,
			    .to = VIP4,
			    .from_port = CLIENT_PORT,
			    .to_port = VIP_PORT,
			    .flags = SYN,
			    .hops = 64,
			    .padding = 8,
			    .n_payload = 4};
	struct nat_world *w = *state;
	struct frame f;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		frame_make(&f, &s);
		memcpy(f.data + 14 + 20 + 20, options[i], sizeof(options[i]));
		frame_finish(&f);
		assert_int_equal(nat_world_put(w, &f), REDIRECTED);
		assert_true(frame_read(&w->out, &s));
		s = (struct segment){.from = CLIENT4,
				     .to = VIP4,
				     .from_port = CLIENT_PORT,
				     .to_port = VIP_PORT,
				     .flags = SYN,
				     .hops = 64,
				     .padding = 8,
				     .n_payload = 4};
	}
}

static void too_big(void **state)
{
	struct segment s = {.from = CLIENT4,
			    .to = VIP4,
			    .from_port = CLIENT_PORT,
			    .to_port = VIP_PORT,
			    .flags = ACK,
			    .hops = 64,
			    .n_payload = 1461};
	struct nat_world *w = *state;
	struct frame f;

	nat_world_connect(w, CLIENT_PORT);
	frame_make(&f, &s);
	w->leaves = true;
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_TOO_BIG), 1);
	/* As a bundle of segments that fit it is none too big. */
	w->gso_size = 1448;
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	w->gso_size = 0;
	s.n_payload = 1460;
	frame_make(&f, &s);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup(name, nat_world_setup)
	const struct CMUnitTest tests[] = {
		CASE(odd_packets_of_flows),
		CASE(icmp_errors),
		cmocka_unit_test_setup(truncated, setup_without_backend),
		CASE(odd),
		CASE(impossible_sources),
		CASE(hops),
		CASE(segment_sizes),
		CASE(broken_options),
		CASE(too_big),
	};

	return nat_world_run(tests, argc, argv);
}
