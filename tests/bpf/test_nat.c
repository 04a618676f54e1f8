// SPDX-License-Identifier: BSD-2-Clause
/* Packet in, verdict, packet out and state, as the kernel runs the program. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/choice.h"
#include "lb4_place.h"
#include "nat_world.h"

#include "../unit/test.h"

#define CLIENT_PORT 40000

static void expect_to_backend(const struct nat_world *w, const struct segment *s)
{
	assert_string_equal(s->from, w->is_ipv6 ? OURS6 : OURS4);
	assert_string_equal(s->to, w->is_ipv6 ? "fd00::10" : "10.0.0.10");
	assert_int_equal(s->to_port, BACKEND_PORT);
	assert_in_range(s->from_port, PORT_LOW, PORT_LOW + PORT_COUNT - 1);
	assert_int_equal(s->hops, 63);
}

static void expect_to_client(const struct nat_world *w, const struct segment *s, uint16_t port)
{
	assert_string_equal(s->from, w->is_ipv6 ? VIP6 : VIP4);
	assert_string_equal(s->to, w->is_ipv6 ? CLIENT6 : CLIENT4);
	assert_int_equal(s->from_port, VIP_PORT);
	assert_int_equal(s->to_port, port);
	assert_int_equal(s->hops, 63);
}

/* The family's backends are those of the ring. */
static void use_family(struct nat_world *w, bool ipv6)
{
	w->is_ipv6 = ipv6;
	nat_world_give(w, ipv6 ? N_BACKENDS : 0);
}

static void a_connection(void **state)
{
	struct nat_world *w = *state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		uint16_t client = (uint16_t)(CLIENT_PORT + ipv6), port;
		struct lb4_flow *f;
		struct segment s;

		use_family(w, ipv6);
		assert_int_equal(nat_world_client(w, client, SYN, &s), REDIRECTED);
		expect_to_backend(w, &s);
		port = s.from_port;
		assert_int_equal(nat_world_server(w, port, SYN | ACK, &s), REDIRECTED);
		expect_to_client(w, &s, client);
		/* Back where the client's packets came from, by the interface's own address. */
		assert_memory_equal(w->out.data, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x09",
				    12);
		f = nat_world_flow(w, client);
		assert_non_null(f);
		assert_int_equal(f->state, LB4_FLOW_ANSWERED);
		assert_int_equal(nat_world_client(w, client, ACK, &s), REDIRECTED);
		expect_to_backend(w, &s);
		assert_int_equal(s.from_port, port);
		assert_int_equal(f->state, LB4_FLOW_ANSWERED | LB4_FLOW_ESTABLISHED);
		assert_int_equal(nat_world_server(w, port, ACK, &s), REDIRECTED);
		expect_to_client(w, &s, client);
		assert_int_equal(nat_world_client(w, client, ACK | FIN, &s), REDIRECTED);
		assert_true(f->state & LB4_FLOW_CLIENT_FIN);
		assert_int_equal(nat_world_server(w, port, ACK | FIN, &s), REDIRECTED);
		assert_true(f->state & LB4_FLOW_SERVER_FIN);
		assert_false(f->state & LB4_FLOW_SERVER_FIRST);
		assert_int_equal(nat_world_client(w, client, ACK, &s), REDIRECTED);
		assert_int_equal(s.from_port, port);
	}
	assert_int_equal(nat_world_count_flows(w), 2);
	assert_int_equal(nat_world_count_ways(w), 2);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_FORWARDED), 14);
}

/* Flows of one client port each have a port of their own, and keep it. */
static void many_flows(void **state)
{
	struct nat_world *w = *state;
	uint16_t ports[300];
	struct segment s;

	for (uint16_t i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i] = nat_world_connect(w, (uint16_t)(1024 + i));
	for (uint16_t i = 0; i < ARRAY_SIZE(ports); i++) {
		for (uint16_t j = 0; j < i; j++)
			assert_int_not_equal(ports[i], ports[j]);
		assert_int_equal(nat_world_client(w, (uint16_t)(1024 + i), ACK, &s), REDIRECTED);
		assert_int_equal(s.from_port, ports[i]);
		assert_int_equal(nat_world_server(w, ports[i], ACK, &s), REDIRECTED);
		expect_to_client(w, &s, (uint16_t)(1024 + i));
	}
}

/* Who closed first has our port in TIME_WAIT. */
static void the_server_closes_first(void **state)
{
	struct nat_world *w = *state;
	uint16_t port = nat_world_connect(w, CLIENT_PORT);
	struct segment s;

	nat_world_server(w, port, ACK | FIN, &s);
	nat_world_server(w, port, ACK | FIN, &s);
	nat_world_client(w, CLIENT_PORT, ACK | FIN, &s);
	nat_world_server(w, port, ACK | FIN, &s);
	assert_int_equal(nat_world_flow(w, CLIENT_PORT)->state,
			 LB4_FLOW_ANSWERED | LB4_FLOW_ESTABLISHED | LB4_FLOW_CLIENT_FIN |
				 LB4_FLOW_SERVER_FIN | LB4_FLOW_SERVER_FIRST);
}

static void syn_again(void **state)
{
	struct nat_world *w = *state;
	struct segment s;
	uint16_t port;

	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	port = s.from_port;
	/* Sent once more, and on a flow that lives: the backend's business. */
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	assert_int_equal(s.from_port, port);
	nat_world_server(w, port, SYN | ACK, &s);
	nat_world_client(w, CLIENT_PORT, ACK, &s);
	nat_world_give(w, 1);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	expect_to_backend(w, &s);
	assert_int_equal(s.from_port, port);
	assert_int_equal(nat_world_count_flows(w), 1);
	/* When it is over, the client may begin anew, with the backend of today. */
	nat_world_client(w, CLIENT_PORT, ACK | FIN, &s);
	nat_world_server(w, port, ACK | FIN, &s);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	assert_string_equal(s.to, "10.0.0.11");
	assert_int_equal(nat_world_count_flows(w), 1);
	assert_int_equal(nat_world_count_ways(w), 1);
}

static void resets(void **state)
{
	struct nat_world *w = *state;
	uint16_t port = nat_world_connect(w, CLIENT_PORT);
	struct segment s = {.from = CLIENT4,
			    .to = VIP4,
			    .from_port = CLIENT_PORT,
			    .to_port = VIP_PORT,
			    .flags = RST,
			    .hops = 9,
			    .sequence = 1001 - 1};
	struct lb4_flow *f = nat_world_flow(w, CLIENT_PORT);
	struct frame frame;

	/* Out of the window: the backend ignores it, and so does the flow. */
	frame_make(&frame, &s);
	assert_int_equal(nat_world_put(w, &frame), REDIRECTED);
	assert_false(f->state & LB4_FLOW_CLIENT_RST);
	s.sequence = 1001;
	frame_make(&frame, &s);
	assert_int_equal(nat_world_put(w, &frame), REDIRECTED);
	assert_true(f->state & LB4_FLOW_CLIENT_RST);
	/* Refused: a RST is all that the backend says. */
	nat_world_client(w, CLIENT_PORT + 1, SYN, &s);
	port = s.from_port;
	assert_int_equal(nat_world_server(w, port, RST | ACK, &s), REDIRECTED);
	f = nat_world_flow(w, CLIENT_PORT + 1);
	assert_true(f->state & LB4_FLOW_SERVER_RST);
	assert_int_equal(nat_world_client(w, CLIENT_PORT + 1, SYN, &s), REDIRECTED);
}

static struct segment of_client(uint8_t flags, uint32_t sequence, uint32_t acknowledged)
{
	return (struct segment){.from = CLIENT4,
				.to = VIP4,
				.from_port = CLIENT_PORT,
				.to_port = VIP_PORT,
				.hops = 64,
				.flags = flags,
				.sequence = sequence,
				.acknowledged = acknowledged};
}

static void put(struct nat_world *w, const struct segment *s, enum outcome outcome)
{
	struct frame f;

	frame_make(&f, s);
	assert_int_equal(nat_world_put(w, &f), outcome);
}

/* Whoever does not know the numbers neither establishes a flow nor brings it to its end. */
static void blind(void **state)
{
	struct nat_world *w = *state;
	struct lb4_flow *f;
	struct segment s;
	uint16_t port;

	nat_world_client(w, CLIENT_PORT, SYN, &s);
	port = s.from_port;
	f = nat_world_flow(w, CLIENT_PORT);
	nat_world_server(w, port, SYN | ACK, &s);
	s = of_client(ACK, 1001, 0x12345678);
	put(w, &s, REDIRECTED);
	s.acknowledged = 5002; /* of a byte that was never sent */
	put(w, &s, REDIRECTED);
	assert_int_equal(f->state, LB4_FLOW_ANSWERED);
	s.acknowledged = 5001;
	put(w, &s, REDIRECTED);
	assert_true(f->state & LB4_FLOW_ESTABLISHED);

	s = of_client(FIN | ACK, 0x70000000, 5001);
	put(w, &s, REDIRECTED);
	s = of_client(RST, 0x70000000, 0);
	put(w, &s, REDIRECTED);
	assert_int_equal(f->state, LB4_FLOW_ANSWERED | LB4_FLOW_ESTABLISHED);
	/* Near, but not what the backend would believe: a doubt, until somebody goes on. */
	s = of_client(RST, 1001 + 5000, 0);
	put(w, &s, REDIRECTED);
	assert_true(f->state & LB4_FLOW_DOUBT);
	assert_false(f->state & LB4_FLOW_CLIENT_RST);
	assert_int_equal(nat_world_server(w, port, ACK, &s), REDIRECTED);
	assert_false(f->state & LB4_FLOW_DOUBT);
	s = of_client(RST, 1001, 0);
	put(w, &s, REDIRECTED);
	assert_true(f->state & LB4_FLOW_CLIENT_RST);
}

/* The stack would reset a connection that it does not know. */
static void odd_packets_of_flows(void **state)
{
	struct nat_world *w = *state;
	struct segment s, out;
	struct frame f;
	uint16_t port;

	s = of_client(ACK, 1001, 5001);
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

	use_family(w, true);
	nat_world_connect(w, CLIENT_PORT + 1);
	s = of_client(ACK, 1001, 5001);
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

		use_family(w, ipv6);
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

/* A flow that another CPU is still making. */
static void pending(void **state)
{
	struct nat_world *w = *state;
	struct segment s;

	nat_world_client(w, CLIENT_PORT, SYN, &s);
	for (uint32_t i = 0; i < w->maps->n_lines; i++)
		for (size_t j = 0; j < LB4_WAYS; j++)
			w->maps->lines[i].way[j].state = LB4_WAY_PENDING;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), DROPPED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_TWIN), 1);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, ACK, &s), PASSED);
}

/* What belongs to no flow goes to the stack, which may know it. */
static void strangers(void **state)
{
	struct segment s = {.from = CLIENT4,
			    .to = VIP4,
			    .from_port = 1,
			    .to_port = 81,
			    .flags = SYN,
			    .hops = 64};
	struct nat_world *w = *state;
	struct segment out;
	struct frame f;

	frame_make(&f, &s);
	assert_int_equal(nat_world_put(w, &f), PASSED); /* another port of the VIP */
	strcpy(s.to, "192.0.2.2");
	s.to_port = VIP_PORT;
	frame_make(&f, &s);
	assert_int_equal(nat_world_put(w, &f), PASSED);
	assert_int_equal(nat_world_server(w, PORT_LOW + 5, ACK, &out), PASSED);
	for (uint32_t i = 0; i < LB4_VERDICT_COUNT; i++)
		assert_int_equal(nat_world_verdicts(w, i), 0);

	assert_int_equal(nat_world_client(w, CLIENT_PORT, ACK, &out), PASSED);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN | ACK, &out), PASSED);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, FIN | ACK, &out), PASSED);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, RST, &out), PASSED);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN | FIN, &out), PASSED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_NO_FLOW), 5);
	assert_int_equal(nat_world_count_flows(w), 0);
}

static void new_flows_are_refused(void **state)
{
	struct nat_world *w = *state;
	struct segment s;

	nat_world_connect(w, CLIENT_PORT);
	w->maps->control->accepts = 0;
	assert_int_equal(nat_world_client(w, CLIENT_PORT + 1, SYN, &s), PASSED);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, ACK, &s), REDIRECTED);
	w->maps->control->accepts = 1;
	w->maps->services[0].accepts = 0;
	assert_int_equal(nat_world_client(w, CLIENT_PORT + 1, SYN, &s), PASSED);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, ACK, &s), REDIRECTED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_OFF), 2);
	w->maps->services[0].accepts = 1;
	nat_world_give(w, LB4_RING_NONE);
	assert_int_equal(nat_world_client(w, CLIENT_PORT + 1, SYN, &s), PASSED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_NO_BACKEND), 1);
	nat_world_give(w, N_BACKENDS - 1);
	assert_int_equal(nat_world_client(w, CLIENT_PORT + 1, SYN, &s), PASSED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_NO_WAY), 1);
	assert_int_equal(nat_world_count_flows(w), 1);
	assert_int_equal(nat_world_count_ways(w), 1);
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

			use_family(w, ipv6);
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

/* Ports run out, and no living flow is touched. */
static void no_port(void **state)
{
	struct nat_world *w = *state;
	uint16_t ports[3];
	struct segment s;

	w->maps->control->port_count = 3;
	for (uint16_t i = 0; i < 3; i++)
		ports[i] = nat_world_connect(w, (uint16_t)(1024 + i));
	nat_world_age(w, 1000);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), PASSED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_NO_PORT), 1);
	assert_int_equal(nat_world_count_ways(w), 3);
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(nat_world_client(w, (uint16_t)(1024 + i), ACK, &s), REDIRECTED);
		assert_int_equal(s.from_port, ports[i]);
	}
	/* Towards another backend the same ports are free. */
	nat_world_give(w, 1);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
}

/* Half-open flows give way after a while, and whose place was taken is not believed. */
static void embryos(void **state)
{
	struct nat_world *w = *state;
	struct segment s;
	uint16_t port;

	w->maps->control->port_count = 1;
	assert_int_equal(nat_world_client(w, 1024, SYN, &s), REDIRECTED);
	assert_int_equal(nat_world_client(w, 1025, SYN, &s), PASSED);
	nat_world_age(w, LB4_EMBRYO_TICKS);
	assert_int_equal(nat_world_client(w, 1025, SYN, &s), REDIRECTED);
	port = s.from_port;
	assert_int_equal(port, PORT_LOW);
	/* The first one's late acknowledgement must not reach the second one's connection. */
	assert_int_equal(nat_world_client(w, 1024, ACK, &s), PASSED);
	assert_int_equal(nat_world_server(w, port, SYN | ACK, &s), REDIRECTED);
	expect_to_client(w, &s, 1025);
	assert_int_equal(nat_world_client(w, 1025, ACK, &s), REDIRECTED);
	nat_world_age(w, 1000);
	assert_int_equal(nat_world_client(w, 1026, SYN, &s), PASSED);
	assert_int_equal(nat_world_client(w, 1025, ACK, &s), REDIRECTED);
}

/* A flood of SYNs, twice the table's size, ends no flow and keeps none away for long. */
static void flood(void **state)
{
	struct segment s = {.to = VIP4, .to_port = VIP_PORT, .flags = SYN, .hops = 64};
	struct nat_world *w = *state;
	uint16_t ports[100];
	unsigned late = 0;
	struct frame f;

	for (uint16_t i = 0; i < 100; i++)
		ports[i] = nat_world_connect(w, (uint16_t)(1024 + i));
	for (uint32_t i = 0; i < 2 * w->maps->n_lines * LB4_WAYS; i++) {
		snprintf(s.from, sizeof(s.from), "203.0.113.%u", 1 + i % 250);
		s.from_port = (uint16_t)(1 + i / 250);
		frame_make(&f, &s);
		nat_world_put(w, &f);
	}
	for (uint16_t i = 0; i < 100; i++) {
		struct segment out;

		assert_int_equal(nat_world_client(w, (uint16_t)(1024 + i), ACK, &out), REDIRECTED);
		assert_int_equal(out.from_port, ports[i]);
	}
	nat_world_age(w, LB4_EMBRYO_TICKS);
	for (uint16_t i = 0; i < 100; i++) {
		struct segment out;

		late += nat_world_client(w, (uint16_t)(3000 + i), SYN, &out) == REDIRECTED;
	}
	assert_in_range(late, 98, 100);
}

/* A port of ours at which a service listens, and one that the host itself uses. */
static void reserved_ports(void **state)
{
	struct nat_world *w = *state;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t length = sizeof(a);
	struct segment s;

	nat_world_ip(w->maps->backends[0].source, VIP4);
	w->maps->control->port_low = VIP_PORT;
	w->maps->control->port_count = 1;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), PASSED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_NO_PORT), 1);

	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &length), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	nat_world_ip(w->maps->backends[0].address, "127.0.0.1");
	nat_world_ip(w->maps->backends[0].source, "127.0.0.1");
	w->maps->backends[0].port = a.sin_port;
	assert_int_equal(getsockname(client, (struct sockaddr *)&a, &length), 0);
	w->maps->control->port_low = ntohs(a.sin_port);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), PASSED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_NO_PORT), 2);
	assert_int_equal(nat_world_count_flows(w) + nat_world_count_ways(w), 0);
	w->maps->control->port_low--;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	close(client);
	close(listener);
}

static void counters(void **state)
{
	struct nat_world *w = *state;
	uint16_t port = nat_world_connect(w, CLIENT_PORT);
	struct lb4_backend_counters sum = {};
	struct segment s;

	nat_world_server(w, port, ACK, &s);
	for (uint32_t i = 0; i < w->maps->n_cpus; i++) {
		const struct lb4_backend_counters *c =
			&w->maps->backend_counters[i * w->maps->n_backends];

		sum.flows += c->flows;
		sum.over += c->over;
		sum.packets_in += c->packets_in;
		sum.packets_out += c->packets_out;
		sum.bytes_in += c->bytes_in;
		sum.bytes_out += c->bytes_out;
	}
	assert_int_equal(sum.flows, 1);
	assert_int_equal(sum.over, 0);
	assert_int_equal(sum.packets_in, 2);
	assert_int_equal(sum.packets_out, 2);
	assert_int_equal(sum.bytes_in, 0);
	assert_int_equal(sum.bytes_out, 0);
}

/* Random addresses, ports and contents: what comes out has right checksums and the right backend.
 */
static void agreement(void **state)
{
	struct rng rng = rng_for_property("agreement");
	struct nat_world *w = *state;
	unsigned met[2 * N_BACKENDS] = {};

	for (uint32_t i = 0; i < RING_SIZE; i++)
		w->maps->ring[i / LB4_RING_CHUNK].owner[i % LB4_RING_CHUNK] =
			(uint16_t)rng_below(&rng, 3);
	for (unsigned i = 0; i < 20000; i++) {
		struct lb4_service *service = &w->maps->services[0];
		struct segment s = {.to_port = VIP_PORT, .flags = SYN, .hops = 64}, out;
		bool ipv6 = rng_below(&rng, 2);
		struct lb4_tuple t = {.protocol = IPPROTO_TCP};
		struct frame f;
		uint32_t slot;
		uint16_t owner;
		char expected[46];

		if (i % 100 == 0) {
			service->hash_source = (uint8_t)rng_below(&rng, 2);
			service->mask_ipv4 = (uint8_t)rng_below(&rng, 33);
			service->mask_ipv6 = (uint8_t)rng_below(&rng, 129);
		}
		if (ipv6)
			snprintf(s.from, sizeof(s.from), "2001:%x:%x::%x:%x",
				 1 + rng_below(&rng, 65535), rng_below(&rng, 65536),
				 rng_below(&rng, 65536), rng_below(&rng, 65536));
		else
			snprintf(s.from, sizeof(s.from), "%u.%u.%u.%u", 1 + rng_below(&rng, 120),
				 rng_below(&rng, 256), rng_below(&rng, 256), rng_below(&rng, 256));
		strcpy(s.to, ipv6 ? VIP6 : VIP4);
		s.from_port = (uint16_t)rng_below(&rng, 65536);
		s.sequence = rng_below(&rng, UINT32_MAX);
		s.acknowledged = rng_below(&rng, UINT32_MAX);
		s.n_payload = rng_below(&rng, 40);
		frame_make(&f, &s);

		nat_world_ip(t.source, s.from);
		nat_world_ip(t.destination, s.to);
		t.source_port = htons(s.from_port);
		t.destination_port = htons(s.to_port);
		if (service->hash_source)
			lb4_tuple_keep_source(&t, service->mask_ipv4, service->mask_ipv6);
		slot = lb4_slot(lb4_flow_hash(&w->maps->control->choice, &t), RING_SIZE);
		owner = w->maps->ring[slot / LB4_RING_CHUNK].owner[slot % LB4_RING_CHUNK];
		/* Of a ring whose backends are of both families, each packet's own. */
		w->maps->ring[slot / LB4_RING_CHUNK].owner[slot % LB4_RING_CHUNK] =
			(uint16_t)(owner + (ipv6 ? N_BACKENDS : 0));
		assert_int_equal(nat_world_put(w, &f), REDIRECTED);
		w->maps->ring[slot / LB4_RING_CHUNK].owner[slot % LB4_RING_CHUNK] = owner;
		assert_true(frame_read(&w->out, &out));
		snprintf(expected, sizeof(expected), ipv6 ? "fd00::%u" : "10.0.0.%u", 10u + owner);
		assert_string_equal(out.to, expected);
		assert_int_equal(out.sequence, s.sequence);
		assert_int_equal(out.acknowledged, s.acknowledged);
		assert_int_equal(out.n_payload, s.n_payload);
		met[owner + (ipv6 ? N_BACKENDS : 0)]++;
		memset(w->maps->flows, 0, w->maps->n_flows * sizeof(w->maps->flows[0]));
		if (i % 20 == 0)
			memset(w->maps->lines, 0, w->maps->n_lines * sizeof(w->maps->lines[0]));
	}
	for (unsigned i = 0; i < 2 * N_BACKENDS; i++)
		assert_true(i % N_BACKENDS == 3 ? met[i] == 0 : met[i] > 1000);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, nat_world_setup, nat_world_teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_connection),
		CASE(many_flows),
		CASE(the_server_closes_first),
		CASE(syn_again),
		CASE(resets),
		CASE(blind),
		CASE(odd_packets_of_flows),
		CASE(pending),
		CASE(icmp_errors),
		CASE(strangers),
		CASE(new_flows_are_refused),
		cmocka_unit_test_setup_teardown(truncated, setup_without_backend,
						nat_world_teardown),
		CASE(odd),
		CASE(impossible_sources),
		CASE(hops),
		CASE(segment_sizes),
		CASE(broken_options),
		CASE(too_big),
		CASE(no_port),
		CASE(embryos),
		CASE(flood),
		CASE(reserved_ports),
		CASE(counters),
		CASE(agreement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
