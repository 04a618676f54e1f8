// SPDX-License-Identifier: BSD-2-Clause
/* Packets of flows that are longer than the way out takes, and what their senders are told. */
#include <sched.h>
#include <string.h>

#include "clock.h"
#include "nat_world.h"

#include "../unit/test.h"

#define MTU	   1300
#define MTU_SHORT  400
#define DF_AT	   (14 + 6)
#define MADE_MAX   100 /* on a CPU, in a tick */
#define ETHERNET   14
#define IPV4_QUOTE 544
#define IPV6_QUOTE 1232

/* Where a frame's TCP header is, and in it the checksum. */
static size_t tcp_at(const struct frame *f)
{
	return ETHERNET + (frame_is_ipv6(f) ? 40 : 20);
}

/* A segment of an established flow, of that many bytes as an IP packet. */
static void make(struct nat_world *w, struct frame *f, bool to_client, uint16_t port, size_t size)
{
	struct segment s = {.from_port = to_client ? BACKEND_PORT : CLIENT_PORT,
			    .to_port = to_client ? port : VIP_PORT,
			    .flags = ACK,
			    .hops = 64,
			    .sequence = to_client ? 5001 : 1001,
			    .acknowledged = to_client ? 1001 : 5001,
			    .n_payload = size - (w->is_ipv6 ? 60 : 40)};

	if (to_client) {
		strcpy(s.from, w->is_ipv6 ? "fd00::10" : "10.0.0.10");
		strcpy(s.to, w->is_ipv6 ? OURS6 : OURS4);
	} else {
		strcpy(s.from, w->is_ipv6 ? CLIENT6 : CLIENT4);
		strcpy(s.to, w->is_ipv6 ? VIP6 : VIP4);
	}
	frame_make(f, &s);
	if (!w->is_ipv6) {
		f->data[DF_AT] = 0x40;
		frame_finish(f);
	}
}

/* Ways out of that MTU, in both directions. */
static void set_mtu(struct nat_world *w, uint16_t mtu)
{
	w->maps->backends[w->is_ipv6 ? N_BACKENDS : 0].mss_max =
		(uint16_t)(mtu - (w->is_ipv6 ? 60 : 40));
	w->maps->interfaces[3].mss_max = (uint16_t)(mtu - 40);
}

/* As who sends the packet completes the checksum of what it takes for its TCP segment. */
static void complete(struct frame *f)
{
	size_t quoted = tcp_at(f) + 8, tcp = quoted + tcp_at(f) - ETHERNET;
	uint32_t sum = 0;

	for (size_t i = tcp; i < f->size; i += 2)
		sum += (uint32_t)f->data[i] << 8 | (i + 1 < f->size ? f->data[i + 1] : 0u);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	f->data[tcp + 16] = (uint8_t)(~sum >> 8);
	f->data[tcp + 17] = (uint8_t)~sum;
}

/* The answer in w->out, to whoever sent `about`. */
static void expect_told(struct nat_world *w, const struct frame *about, uint16_t mtu, size_t quoted)
{
	size_t head = tcp_at(about) + 8, check = tcp_at(about) - ETHERNET + 16;
	const uint8_t *icmp = w->out.data + tcp_at(about);
	struct segment outer, inner, was;
	uint16_t told;

	assert_true(frame_read_quote(&w->out, &outer, &inner, &told));
	assert_int_equal(told, mtu);
	assert_int_equal(icmp[0], w->is_ipv6 ? 2 : 3);
	assert_int_equal(icmp[1], w->is_ipv6 ? 0 : 4);
	assert_int_equal(icmp[4] | icmp[5], 0);
	assert_true(frame_read(about, &was));
	assert_string_equal(outer.from, was.to);
	assert_string_equal(outer.to, was.from);
	assert_memory_equal(w->out.data, about->data + 6, 6);
	assert_memory_equal(w->out.data + 6, about->data, 6);
	/* What is quoted is what was sent, but for a checksum that is none any more. */
	assert_int_equal(w->out.size, head + quoted);
	assert_memory_equal(w->out.data + head, about->data + ETHERNET, check);
	assert_memory_equal(w->out.data + head + check + 2, about->data + ETHERNET + check + 2,
			    quoted - check - 2);
	complete(&w->out);
	assert_true(frame_read_quote(&w->out, &outer, &inner, &told));
}

static void senders_are_told(void **state)
{
	struct nat_world *w = *state;
	struct frame f;
	unsigned n = 0;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		uint16_t port;

		nat_world_use(w, ipv6);
		port = nat_world_connect(w, CLIENT_PORT);
		set_mtu(w, MTU);
		for (int to_client = 0; to_client < 2; to_client++) {
			make(w, &f, to_client, port, MTU);
			assert_int_equal(nat_world_put(w, &f), REDIRECTED);
			assert_true(w->out.size == f.size);
			assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_ICMP_MADE), n);
			for (size_t size = MTU + 1; size < MTU + 8; size++, n++) {
				make(w, &f, to_client, port, size);
				assert_int_equal(nat_world_put(w, &f), REDIRECTED);
				expect_told(w, &f, MTU, ipv6 ? IPV6_QUOTE : IPV4_QUOTE);
			}
			assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_ICMP_MADE), n);
		}
	}
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_TOO_BIG), 0);
}

/* A packet that is shorter than what would be quoted. */
static void of_a_narrow_way(void **state)
{
	struct nat_world *w = *state;
	uint16_t port = nat_world_connect(w, CLIENT_PORT);
	struct frame f;

	set_mtu(w, MTU_SHORT);
	make(w, &f, false, port, MTU_SHORT + 1);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	expect_told(w, &f, MTU_SHORT, 64);
	set_mtu(w, 68);
	make(w, &f, false, port, 69);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	expect_told(w, &f, 68, 64);
}

static void of_a_bundle(void **state)
{
	struct nat_world *w = *state;
	uint16_t port = nat_world_connect(w, CLIENT_PORT);
	struct frame f;

	set_mtu(w, MTU);
	make(w, &f, false, port, 3500);
	w->gso_size = 1200;
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	assert_int_equal(w->out.size, f.size);
	w->gso_size = 1400;
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	expect_told(w, &f, MTU, IPV4_QUOTE);
}

/* Who allows that its packets are cut may not listen; and nobody believes in less than that. */
static void nobody_is_told(void **state)
{
	struct nat_world *w = *state;
	uint16_t port = nat_world_connect(w, CLIENT_PORT);
	struct frame f;

	set_mtu(w, MTU);
	make(w, &f, false, port, MTU + 1);
	f.data[DF_AT] = 0;
	frame_finish(&f);
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	set_mtu(w, 67);
	make(w, &f, false, port, 1400);
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	nat_world_use(w, true);
	port = nat_world_connect(w, CLIENT_PORT);
	set_mtu(w, 1279);
	make(w, &f, false, port, 1400);
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_TOO_BIG), 3);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_ICMP_MADE), 0);
}

static uint32_t tick(void)
{
	return (uint32_t)(clock_now() >> LB4_TICK_SHIFT);
}

static void so_many_at_a_time(void **state)
{
	struct nat_world *w = *state;
	uint16_t port = nat_world_connect(w, CLIENT_PORT);
	uint64_t made, limited;
	uint32_t begun;
	struct frame f;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	set_mtu(w, MTU);
	make(w, &f, false, port, MTU + 1);
	begun = tick();
	for (int i = 0; i < 5 * MADE_MAX; i++)
		nat_world_put(w, &f);
	made = nat_world_verdicts(w, LB4_VERDICT_DROP_ICMP_MADE);
	limited = nat_world_verdicts(w, LB4_VERDICT_DROP_ICMP_LIMITED);
	assert_int_equal(made + limited, 5 * MADE_MAX);
	/* The program's clock may be a moment behind. */
	assert_in_range(made, MADE_MAX, MADE_MAX * (2 + tick() - begun));
}

/* Loaded anew each time, as a CPU's budget of messages is the program's own. XDP leaves them to tc. */
static int setup(void **state)
{
	struct nat_world *w;

	if (nat_world_load(state) < 0)
		return -1;
	w = *state;
	nat_world_setup(state);
	w->leaves = true;
	return 0;
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, nat_world_unload)
	const struct CMUnitTest tests[] = {
		CASE(senders_are_told), CASE(of_a_narrow_way),	 CASE(of_a_bundle),
		CASE(nobody_is_told),	CASE(so_many_at_a_time),
	};

	nat_world_choose(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
