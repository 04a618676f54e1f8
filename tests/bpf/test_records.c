// SPDX-License-Identifier: BSD-2-Clause
/* What programs note of flows for those who tell of them, as flow_account() reads it. */
#include <arpa/inet.h>
#include <string.h>

#include "clock.h"
#include "flow_account.h"
#include "nat_world.h"

#include "../unit/test.h"

#define CLIENT_ISN 0xfffffff0u
#define SERVER_ISN 0xffffff00u

static struct flow_account account_of(struct nat_world *w)
{
	const struct lb4_flow *f = nat_world_flow(w, CLIENT_PORT);
	struct flow_account a;

	assert_non_null(f);
	flow_account(f, &w->maps->records[f - w->maps->flows], clock_now(), &a);
	return a;
}

static void expect_bytes(struct nat_world *w, uint64_t in, uint64_t out)
{
	struct flow_account a = account_of(w);

	assert_int_equal(a.bytes_in, in);
	assert_int_equal(a.bytes_out, out);
}

static void client_says(struct nat_world *w, uint8_t flags, uint32_t sequence,
			uint32_t acknowledged, size_t n_payload)
{
	struct segment s = nat_world_segment(flags, sequence, acknowledged);

	s.n_payload = n_payload;
	nat_world_send(w, &s, REDIRECTED);
}

static void server_says(struct nat_world *w, uint8_t flags, uint32_t sequence,
			uint32_t acknowledged, size_t n_payload)
{
	struct segment s = {.from = "10.0.0.10",
			    .to = OURS4,
			    .from_port = BACKEND_PORT,
			    .hops = 64,
			    .flags = flags,
			    .sequence = sequence,
			    .acknowledged = acknowledged,
			    .n_payload = n_payload};

	s.to_port = ntohs(nat_world_flow(w, CLIENT_PORT)->port);
	nat_world_send(w, &s, REDIRECTED);
}

static void open_connection(struct nat_world *w)
{
	client_says(w, SYN, CLIENT_ISN, 0, 0);
	server_says(w, SYN | ACK, SERVER_ISN, CLIENT_ISN + 1, 0);
	client_says(w, ACK, CLIENT_ISN + 1, SERVER_ISN + 1, 0);
}

/* Numbers of both sides begin anew at 0 on the way. */
static void bytes(void **state)
{
	struct nat_world *w = *state;
	uint32_t client = CLIENT_ISN + 1, server = SERVER_ISN + 1;

	open_connection(w);
	expect_bytes(w, 0, 0);
	server_says(w, SYN | ACK, SERVER_ISN, client, 0); /* once more */
	expect_bytes(w, 0, 0);
	client_says(w, ACK, client, server, 40);
	expect_bytes(w, 0, 0); /* nobody has it yet */
	server_says(w, ACK, server, client + 40, 200);
	expect_bytes(w, 40, 200);
	server_says(w, ACK, server + 200, client + 40, 200);
	expect_bytes(w, 40, 400);
	server_says(w, ACK, server, client, 200); /* late */
	expect_bytes(w, 40, 400);
	client_says(w, ACK | FIN, client + 40, server + 400, 10);
	expect_bytes(w, 40, 400);
	server_says(w, ACK | FIN, server + 400, client + 40, 100);
	expect_bytes(w, 50, 500); /* over: what was sent before the FIN will have arrived */
	server_says(w, ACK, server + 501, client + 51, 0);
	expect_bytes(w, 50, 500);
}

/* Four billion bytes, and four more. */
static void wraps(void **state)
{
	struct nat_world *w = *state;
	uint32_t client = CLIENT_ISN + 1, server = SERVER_ISN + 1;
	uint64_t sent = 0;

	open_connection(w);
	while (sent < 9ull << 30) {
		sent += 1u << 30;
		server_says(w, ACK, server + (uint32_t)sent, client + (uint32_t)sent, 0);
		expect_bytes(w, sent, sent);
	}
}

/* A client that gave up and began anew with other numbers, before or after the first answer. */
static void another_syn(void **state)
{
	struct nat_world *w = *state;

	client_says(w, SYN, 100, 0, 0);
	client_says(w, SYN, 0x80000000, 0, 0);
	server_says(w, SYN | ACK, 500, 0x80000001, 0);
	client_says(w, ACK, 0x80000001, 501, 0);
	server_says(w, ACK, 501, 0x80000001 + 7, 9);
	expect_bytes(w, 7, 9);
	client_says(w, SYN, 300, 0, 0);
	server_says(w, SYN | ACK, 0x90000000, 301, 0);
	client_says(w, ACK, 301, 0x90000001, 0);
	server_says(w, ACK, 0x90000001, 302, 2);
	expect_bytes(w, 1, 2);
}

static void times(void **state)
{
	struct nat_world *w = *state;
	nsec_t before = clock_now();
	struct flow_account a;
	struct lb4_record *r;

	client_says(w, SYN, CLIENT_ISN, 0, 0);
	r = &w->maps->records[nat_world_flow(w, CLIENT_PORT) - w->maps->flows];
	assert_true(r->born >= before && r->born <= clock_now());
	assert_int_equal(r->connect_us, 0);
	r->born -= 5 * NSEC_PER_SEC;
	server_says(w, SYN | ACK, SERVER_ISN, CLIENT_ISN + 1, 0);
	client_says(w, ACK, CLIENT_ISN + 1, SERVER_ISN + 1, 0);
	a = account_of(w);
	assert_true(a.connect >= 5 * NSEC_PER_SEC && a.connect < 60 * NSEC_PER_SEC);
	r->born -= 100 * NSEC_PER_SEC;
	server_says(w, SYN | ACK, SERVER_ISN, CLIENT_ISN + 1, 0);
	assert_int_equal(account_of(w).connect, a.connect);
	assert_int_equal(r->over, 0);
	client_says(w, RST, CLIENT_ISN + 1, 0, 0);
	assert_true(r->over > 0);
	a = account_of(w);
	assert_true(a.duration >= 104 * NSEC_PER_SEC && a.duration < 160 * NSEC_PER_SEC);
	/* What comes later changes nothing. */
	r->born -= 1000 * NSEC_PER_SEC;
	server_says(w, RST, SERVER_ISN + 1, 0, 0);
	assert_int_equal(account_of(w).duration, a.duration);
}

/* What a RST acknowledges has arrived. */
static void reset_with_bytes(void **state)
{
	struct nat_world *w = *state;
	struct flow_account a;

	open_connection(w);
	client_says(w, ACK, CLIENT_ISN + 1, SERVER_ISN + 1, 40);
	server_says(w, RST | ACK, SERVER_ISN + 9, 77, 0); /* not with the number that is next */
	expect_bytes(w, 0, 0);
	server_says(w, RST | ACK, SERVER_ISN + 1, CLIENT_ISN + 41, 0);
	expect_bytes(w, 40, 0);
	a = account_of(w);
	assert_int_equal(flow_end_reason(nat_world_flow(w, CLIENT_PORT), FLOW_LIVES),
			 END_SERVER_RESET);
	assert_int_equal(flow_evidence(nat_world_flow(w, CLIENT_PORT), &a, END_SERVER_RESET), 0);
}

/* A flow that is over waits for a while to be told, whoever wants its place. */
static void untold(void **state)
{
	struct nat_world *w = *state;
	struct segment s;

	open_connection(w);
	client_says(w, RST, CLIENT_ISN + 1, 0, 0);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	assert_int_equal(nat_world_count_flows(w), 2);
	assert_int_equal(nat_world_count_ways(w), 1);
	assert_int_equal(w->maps->control->untold, 0);
}

static void untold_for_long(void **state)
{
	struct nat_world *w = *state;
	struct segment s;

	open_connection(w);
	client_says(w, RST, CLIENT_ISN + 1, 0, 0);
	nat_world_age(w, LB4_UNTOLD_TICKS + 1);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	assert_int_equal(nat_world_count_flows(w), 1);
	assert_int_equal(w->maps->control->untold, 1);
	/* Refused, and another's before that was told. */
	w->maps->control->port_low = ntohs(nat_world_flow(w, CLIENT_PORT)->port);
	w->maps->control->port_count = 1;
	nat_world_server(w, w->maps->control->port_low, RST, &s);
	nat_world_age(w, LB4_EMBRYO_TICKS);
	assert_int_equal(nat_world_client(w, CLIENT_PORT + 1, SYN, &s), REDIRECTED);
	assert_int_equal(nat_world_count_flows(w), 1);
	assert_int_equal(w->maps->control->untold, 2);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup(name, nat_world_setup)
	const struct CMUnitTest tests[] = {
		CASE(bytes),
		CASE(wraps),
		CASE(another_syn),
		CASE(times),
		CASE(reset_with_bytes),
		CASE(untold),
		CASE(untold_for_long),
	};

	return nat_world_run(tests, argc, argv);
}
