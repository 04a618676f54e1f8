// SPDX-License-Identifier: BSD-2-Clause
/* Flows: how they begin, what they become and which packets are theirs. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/choice.h"
#include "lb4_place.h"
#include "nat_world.h"

#include "../unit/test.h"

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

static void a_connection(void **state)
{
	struct nat_world *w = *state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		uint16_t client = (uint16_t)(CLIENT_PORT + ipv6), port;
		struct lb4_flow *f;
		struct segment s;

		nat_world_use(w, ipv6);
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
	nat_world_flow(w, CLIENT_PORT)->state |= LB4_FLOW_TOLD;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	assert_string_equal(s.to, "10.0.0.11");
	assert_int_equal(nat_world_count_flows(w), 1);
	assert_int_equal(nat_world_count_ways(w), 1);
	assert_int_equal(w->maps->control->untold, 0);
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
	s = nat_world_segment(ACK, 1001, 0x12345678);
	nat_world_send(w, &s, REDIRECTED);
	s.acknowledged = 5002; /* of a byte that was never sent */
	nat_world_send(w, &s, REDIRECTED);
	assert_int_equal(f->state, LB4_FLOW_ANSWERED);
	s.acknowledged = 5001;
	nat_world_send(w, &s, REDIRECTED);
	assert_true(f->state & LB4_FLOW_ESTABLISHED);

	s = nat_world_segment(FIN | ACK, 0x70000000, 5001);
	nat_world_send(w, &s, REDIRECTED);
	s = nat_world_segment(RST, 0x70000000, 0);
	nat_world_send(w, &s, REDIRECTED);
	assert_int_equal(f->state, LB4_FLOW_ANSWERED | LB4_FLOW_ESTABLISHED);
	/* Near, but not what the backend would believe: a doubt, until somebody goes on who was asked
	 * about it. */
	s = nat_world_segment(RST, 1001 + 5000, 0);
	nat_world_send(w, &s, REDIRECTED);
	assert_int_equal(f->state & LB4_FLOW_DOUBT, LB4_FLOW_CLIENT_DOUBT);
	assert_false(f->state & LB4_FLOW_CLIENT_RST);
	assert_int_equal(nat_world_server(w, port, ACK, &s), REDIRECTED);
	assert_true(f->state & LB4_FLOW_CLIENT_DOUBT);
	f->state |= LB4_FLOW_ASKED;
	assert_int_equal(nat_world_server(w, port, ACK, &s), REDIRECTED);
	assert_false(f->state & (LB4_FLOW_DOUBT | LB4_FLOW_ASKED));
	s = nat_world_segment(RST, 1001, 0);
	nat_world_send(w, &s, REDIRECTED);
	assert_true(f->state & LB4_FLOW_CLIENT_RST);
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
 * test_agreement.c has more of the choice. */
static void agreement(void **state)
{
	struct rng rng = rng_for_property("agreement");
	struct nat_world *w = *state;
	unsigned met[2 * N_BACKENDS] = {};

	for (uint32_t i = 0; i < RING_SIZE; i++)
		w->maps->ring[i / LB4_RING_CHUNK].owner[i % LB4_RING_CHUNK] =
			(uint16_t)rng_below(&rng, 3);
	for (unsigned i = 0; i < 4000; i++) {
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
		assert_true(i % N_BACKENDS == 3 ? met[i] == 0 : met[i] > 200);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup(name, nat_world_setup)
	const struct CMUnitTest tests[] = {
		CASE(a_connection),   CASE(many_flows), CASE(the_server_closes_first),
		CASE(syn_again),      CASE(resets),	CASE(blind),
		CASE(pending),	      CASE(strangers),	CASE(new_flows_are_refused),
		CASE(no_port),	      CASE(embryos),	CASE(flood),
		CASE(reserved_ports), CASE(counters),	CASE(agreement),
	};

	return nat_world_run(tests, argc, argv);
}
