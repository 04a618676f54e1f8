// SPDX-License-Identifier: BSD-2-Clause
/* What XDP leaves at tc, and that both know the same flows. */
#include <linux/bpf.h>
#include <string.h>

#include "nat_world.h"

#include "../unit/test.h"

#define STRANGE 4711 /* an interface that takes no frames from XDP */

/* The kernel finds it then, and flows that there are go on meanwhile. */
static void unresolved_neighbours(void **state)
{
	struct nat_world *w = *state;
	struct lb4_backend *b = &w->maps->backends[0];
	struct segment s;
	uint16_t port;

	w->leaves = true;
	b->resolved = 0;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	assert_true(w->left);
	port = s.from_port;
	assert_int_equal(nat_world_server(w, port, SYN | ACK, &s), REDIRECTED);
	assert_false(w->left);
	b->resolved = 1;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, ACK, &s), REDIRECTED);
	assert_false(w->left);
	assert_int_equal(s.from_port, port);
	b->resolved = 0;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, ACK, &s), REDIRECTED);
	assert_true(w->left);
	assert_int_equal(s.from_port, port);
	assert_int_equal(nat_world_count_flows(w), 1);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_FORWARDED), 4);
}

/* By the addresses that the maps say. */
static void macs(void **state)
{
	struct nat_world *w = *state;
	struct segment s;

	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), REDIRECTED);
	assert_memory_equal(w->out.data, "\x02\x00\x00\x00\x01\x00\x02\x00\x00\x00\x02\x00", 12);
}

/* Such as a bridge: neither packets of clients, nor answers, nor errors go out there by XDP. */
static void no_exit(void **state)
{
	struct nat_world *w = *state;
	uint16_t port = nat_world_connect(w, CLIENT_PORT);
	struct frame to_backend, to_client, f;
	struct segment s;

	w->leaves = true;
	nat_world_client(w, CLIENT_PORT, ACK, &s);
	to_backend = w->out;
	nat_world_server(w, port, ACK, &s);
	to_client = w->out;
	w->maps->backends[0].interface = STRANGE;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, ACK, &s), REDIRECTED);
	assert_true(w->left);
	frame_quote(&f, "203.0.113.9", &to_client, 1280);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	assert_true(w->left);
	w->maps->backends[0].interface = w->maps->interfaces[3].index;
	w->maps->interfaces[2] = w->maps->interfaces[3];
	w->maps->interfaces[2].index = STRANGE;
	nat_world_flow(w, CLIENT_PORT)->interface = 2;
	assert_int_equal(nat_world_server(w, port, ACK, &s), REDIRECTED);
	assert_true(w->left);
	frame_quote(&f, "203.0.113.9", &to_backend, 1280);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	assert_true(w->left);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_ICMP), 2);
}

/* Counted by whoever looks at it last. */
static void counted_once(void **state)
{
	struct nat_world *w = *state;
	struct segment s;

	w->maps->control->accepts = 0;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), PASSED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_OFF), 1);
	s = nat_world_segment(SYN, 1, 0);
	strcpy(s.from, "127.0.0.1");
	nat_world_send(w, &s, DROPPED);
	assert_false(w->left);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_SOURCE), 1);
}

/* One tag in the packet, and another protocol with the same bytes. */
static void tagged(void **state)
{
	static const uint16_t types[] = {0x8100, 0x88a8, 0x0806, 0x8847};
	struct segment s = nat_world_segment(SYN, 1000, 0);
	struct nat_world *w = *state;
	struct frame f;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		frame_make(&f, &s);
		memmove(f.data + 16, f.data + 12, f.size - 12);
		f.size += 4;
		f.data[12] = (uint8_t)(types[i] >> 8);
		f.data[13] = (uint8_t)types[i];
		f.data[14] = 0;
		f.data[15] = 7;
		assert_int_equal(nat_world_put(w, &f), PASSED);
	}
	assert_int_equal(nat_world_count_flows(w), 0);
}

/* In several parts: only the first can be read, and the headers are in it. */
static void frame_in_parts(void **state)
{
	struct segment s = nat_world_segment(ACK, 1001, 5001), out;
	struct nat_world *w = *state;
	struct frame f;

	w->maps->backends[0].mss_max = 8960;
	nat_world_connect(w, CLIENT_PORT);
	s.n_payload = FRAME_MAX - 14 - 40;
	frame_make(&f, &s);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	assert_true(frame_read(&w->out, &out));
	assert_int_equal(out.n_payload, s.n_payload);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup(name, nat_world_setup)
	const struct CMUnitTest tests[] = {
		CASE(unresolved_neighbours), CASE(macs),   CASE(no_exit),
		CASE(counted_once),	     CASE(tagged), CASE(frame_in_parts),
	};

	return nat_world_run(tests, argc, argv);
}
