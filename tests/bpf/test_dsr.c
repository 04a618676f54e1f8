// SPDX-License-Identifier: BSD-2-Clause
/* Direct server return: who gets a packet while slots are still, move and are pinned, and what the
 * packet looks like then. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "../unit/choice.h"
#include "flow_table.h"
#include "lb4_place.h"
#include "motion.h"
#include "nat_world.h"

#include "../unit/test.h"

#define ETHERNET 14

/* Who the backends are, of either family; the last of the first three is not used. */
enum {
	OLD,
	NEW,
	THIRD,
};

static int setup_as(void **state, uint8_t forward)
{
	struct nat_world *w;

	if (nat_world_setup(state) < 0)
		return -1;
	w = *state;
	w->maps->control->has_dsr = 1;
	w->maps->services[0].forward = forward;
	for (uint16_t i = 0; i < 2 * N_BACKENDS; i++) {
		w->maps->backends[i].forward = forward;
		w->maps->backends[i].port = htons(VIP_PORT);
	}
	return 0;
}

static int setup_l2(void **state)
{
	return setup_as(state, LB4_FORWARD_DSR_L2);
}

static int setup_ipip(void **state)
{
	return setup_as(state, LB4_FORWARD_DSR_IPIP);
}

static uint16_t place_of(const struct nat_world *w, uint16_t backend)
{
	return (uint16_t)(backend + (w->is_ipv6 ? N_BACKENDS : 0));
}

/* All slots change hands. */
static void give(struct nat_world *w, uint16_t owner, bool keep)
{
	struct motion_table t = {w->maps->ring, w->maps->motion, RING_SIZE};

	for (uint32_t slot = 0; slot < RING_SIZE; slot++)
		motion_give(&t, slot, owner, keep, w->maps->services[0].ring);
}

static void set_state(struct nat_world *w, uint16_t state)
{
	for (uint32_t slot = 0; slot < RING_SIZE; slot++)
		w->maps->motion[slot / LB4_RING_CHUNK].slot[slot % LB4_RING_CHUNK].state = state;
}

static uint64_t packets_of(const struct nat_world *w, uint16_t place)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->maps->n_cpus; i++)
		n += w->maps->backend_counters[i * w->maps->n_backends + place].packets_in;
	return n;
}

/* The backend that gets a client's packet; −1: nobody. */
static int meets(struct nat_world *w, uint16_t port, uint8_t flags)
{
	struct segment s = nat_world_segment(flags, 1000, flags & ACK ? 5001 : 0);
	uint64_t before[N_BACKENDS];
	struct frame f;

	s.from_port = port;
	if (w->is_ipv6) {
		strcpy(s.from, CLIENT6);
		strcpy(s.to, VIP6);
	}
	frame_make(&f, &s);
	for (uint16_t i = 0; i < N_BACKENDS; i++)
		before[i] = packets_of(w, place_of(w, i));
	if (nat_world_put(w, &f) != REDIRECTED)
		return -1;
	for (uint16_t i = 0; i < N_BACKENDS; i++)
		if (packets_of(w, place_of(w, i)) > before[i])
			return i;
	return -1;
}

static size_t count_ways(const struct nat_world *w, uint16_t flag)
{
	size_t n = 0;

	for (uint32_t i = 0; i < w->maps->n_lines; i++)
		for (size_t j = 0; j < LB4_WAYS; j++)
			n += w->maps->lines[i].way[j].tag != LB4_TAG_FREE &&
			     (w->maps->lines[i].way[j].state & flag);
	return n;
}

static void packets_are_left_as_they_are(void **state)
{
	struct nat_world *w = *state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct segment s = nat_world_segment(ACK, 1001, 5001), out;
		struct frame f;

		nat_world_use(w, ipv6);
		if (ipv6) {
			strcpy(s.from, CLIENT6);
			strcpy(s.to, VIP6);
		}
		s.n_payload = 100;
		frame_make(&f, &s);
		assert_int_equal(nat_world_put(w, &f), REDIRECTED);
		assert_int_equal(w->out.size, f.size);
		assert_true(frame_read(&w->out, &out));
		assert_string_equal(out.from, s.from);
		assert_string_equal(out.to, s.to);
		assert_int_equal(out.from_port, s.from_port);
		assert_int_equal(out.to_port, VIP_PORT);
		assert_int_equal(out.hops, 63);
	}
	assert_int_equal(nat_world_count_ways(w), 0);
	assert_int_equal(nat_world_count_flows(w), 0);
}

/* RFC 2003, RFC 2473: the outer header, and the packet behind it. */
static void expect_outer_ipv4(const struct frame *f, size_t inner, const char *to)
{
	const uint8_t *ip = f->data + ETHERNET;
	uint32_t sum = 0;
	char text[64];

	assert_memory_equal(f->data + 12, "\x08\x00", 2);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[2] << 8 | ip[3], inner + 20);
	assert_int_equal(f->size, ETHERNET + 20 + inner);
	assert_int_equal(ip[6], 0x40); /* not to be fragmented */
	assert_int_equal(ip[9], IPPROTO_IPIP);
	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	assert_string_equal(inet_ntop(AF_INET, ip + 12, text, sizeof(text)), OURS4);
	assert_string_equal(inet_ntop(AF_INET, ip + 16, text, sizeof(text)), to);
}

static void expect_outer_ipv6(const struct frame *f, size_t inner, const char *to, int protocol)
{
	const uint8_t *ip = f->data + ETHERNET;
	char text[64];

	assert_memory_equal(f->data + 12, "\x86\xdd", 2);
	assert_int_equal(ip[0] >> 4, 6);
	assert_int_equal(ip[4] << 8 | ip[5], inner);
	assert_int_equal(f->size, ETHERNET + 40 + inner);
	assert_int_equal(ip[6], protocol);
	assert_string_equal(inet_ntop(AF_INET6, ip + 8, text, sizeof(text)), OURS6);
	assert_string_equal(inet_ntop(AF_INET6, ip + 24, text, sizeof(text)), to);
}

/* Takes the outer header off again. */
static void unwrap(struct frame *f, size_t outer, bool ipv6)
{
	memmove(f->data + ETHERNET, f->data + ETHERNET + outer, f->size - ETHERNET - outer);
	memcpy(f->data + 12, ipv6 ? "\x86\xdd" : "\x08\x00", 2);
	f->size -= outer;
}

static void packets_are_wrapped(void **state)
{
	static const struct {
		const char *name;
		bool client_ipv6;
		uint16_t backend;
		const char *to;
		size_t outer;
	} cases[] = {
		{"v4 in v4", false, OLD, "10.0.0.10", 20},
		{"v6 in v6", true, N_BACKENDS, "fd00::10", 40},
		{"v4 in v6", false, N_BACKENDS, "fd00::10", 40},
	};
	struct nat_world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct segment s = nat_world_segment(ACK, 1001, 5001), out;
		size_t inner;
		struct frame f;

		nat_world_give(w, cases[i].backend);
		if (cases[i].client_ipv6) {
			strcpy(s.from, CLIENT6);
			strcpy(s.to, VIP6);
		}
		s.n_payload = 77;
		frame_make(&f, &s);
		inner = f.size - ETHERNET;
		assert_int_equal(nat_world_put(w, &f), REDIRECTED);
		if (cases[i].outer == 20)
			expect_outer_ipv4(&w->out, inner, cases[i].to);
		else
			expect_outer_ipv6(&w->out, inner, cases[i].to,
					  cases[i].client_ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
		unwrap(&w->out, cases[i].outer, cases[i].client_ipv6);
		assert_true(frame_read(&w->out, &out));
		assert_string_equal(out.from, s.from);
		assert_string_equal(out.to, s.to);
		assert_int_equal(out.hops, 63);
	}
}

/* What fills a frame up to Ethernet's least is none of the packet. */
static void padding_is_not_wrapped(void **state)
{
	struct segment s = nat_world_segment(ACK, 1001, 5001);
	struct nat_world *w = *state;
	struct frame f;
	size_t inner;

	frame_make(&f, &s);
	inner = f.size - ETHERNET;
	f.size += 6;
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	assert_int_equal(w->out.size, f.size + 20);
	w->out.size -= 6;
	expect_outer_ipv4(&w->out, inner, "10.0.0.10");
}

/* ECN and traffic class are seen on the way too (RFC 6040). */
static void the_traffic_class_is_outside_too(void **state)
{
	struct segment s = nat_world_segment(ACK, 1001, 5001);
	struct nat_world *w = *state;
	struct frame f;

	frame_make(&f, &s);
	f.data[ETHERNET + 1] = 0xb9;
	frame_finish(&f);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	assert_int_equal(w->out.data[ETHERNET + 1], 0xb9);
}

/* What fits as it is may be too long when it is wrapped. */
static void what_does_not_fit(void **state)
{
	struct segment s = nat_world_segment(ACK, 1001, 5001);
	struct nat_world *w = *state;
	struct frame f;

	w->leaves = true; /* tc tells the sender */
	s.n_payload = 1440;
	frame_make(&f, &s);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	s.n_payload = 1441;
	frame_make(&f, &s);
	assert_int_equal(nat_world_put(w, &f), DROPPED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_TOO_BIG), 1);
}

static void slots_that_are_still(void **state)
{
	struct nat_world *w = *state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		nat_world_use(w, ipv6);
		nat_world_give(w, place_of(w, OLD));
		for (uint16_t port = 1024; port < 1100; port++) {
			assert_int_equal(meets(w, port, SYN), OLD);
			assert_int_equal(meets(w, port, ACK), OLD);
			assert_int_equal(meets(w, port, ACK | FIN), OLD);
			assert_int_equal(meets(w, port, RST), OLD);
		}
	}
	assert_int_equal(nat_world_count_ways(w), 0);
}

/* From slot to backend as the tables of the splicer have it. */
static void slots_are_told_apart(void **state)
{
	struct nat_world *w = *state;

	for (uint32_t slot = 0; slot < RING_SIZE; slot++)
		w->maps->ring[slot / LB4_RING_CHUNK].owner[slot % LB4_RING_CHUNK] = slot % 3;
	for (uint16_t port = 2000; port < 4000; port++) {
		struct lb4_tuple t = {.source_port = htons(port),
				      .destination_port = htons(VIP_PORT),
				      .protocol = IPPROTO_TCP};
		uint32_t slot;

		nat_world_ip(t.source, CLIENT4);
		nat_world_ip(t.destination, VIP4);
		slot = lb4_slot(lb4_flow_hash(&w->maps->control->choice, &t), RING_SIZE);
		assert_int_equal(meets(w, port, ACK), slot % 3);
	}
}

static void slots_that_move(void **state)
{
	struct nat_world *w = *state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		memset(w->maps->lines, 0, w->maps->n_lines * sizeof(w->maps->lines[0]));
		nat_world_use(w, ipv6);
		nat_world_give(w, place_of(w, OLD));
		assert_int_equal(meets(w, 1, SYN), OLD);
		give(w, place_of(w, NEW), true);
		assert_int_equal(meets(w, 1, ACK), OLD); /* it stays */
		assert_int_equal(meets(w, 2, SYN), NEW); /* a new one does not come to the old */
		assert_int_equal(nat_world_count_ways(w), 2);
		assert_int_equal(count_ways(w, LB4_WAY_UNHEARD), 1);
		assert_int_equal(meets(w, 2, ACK), NEW);
		assert_int_equal(count_ways(w, LB4_FLOW_ESTABLISHED), 1);
		assert_int_equal(meets(w, 2, SYN), NEW); /* whoever says so */
		assert_int_equal(meets(w, 1, SYN), OLD);
		/* Moved again, both stay where they are. */
		give(w, place_of(w, THIRD), true);
		assert_int_equal(meets(w, 1, ACK), OLD);
		assert_int_equal(meets(w, 2, ACK), NEW);
		assert_int_equal(meets(w, 3, SYN), THIRD);
		assert_int_equal(meets(w, 4, ACK), OLD);
		/* Everybody has spoken: who is not known is the owner's. */
		set_state(w, LB4_SLOT_PINNED);
		assert_int_equal(meets(w, 1, ACK), OLD);
		assert_int_equal(meets(w, 2, ACK), NEW);
		assert_int_equal(meets(w, 3, ACK), THIRD);
		assert_int_equal(meets(w, 5, SYN), THIRD);
		assert_int_equal(meets(w, 5, ACK), THIRD);
		assert_int_equal(nat_world_count_ways(w), 4);
		/* And again from there. */
		give(w, place_of(w, NEW), true);
		assert_int_equal(meets(w, 5, ACK), THIRD);
		assert_int_equal(meets(w, 1, ACK), OLD);
		assert_int_equal(meets(w, 6, SYN), NEW);
		/* Back to whom it was first. */
		give(w, place_of(w, THIRD), true);
		assert_int_equal(meets(w, 5, ACK), THIRD);
		assert_int_equal(meets(w, 6, ACK), NEW);
		give(w, place_of(w, OLD), false);
		memset(w->maps->motion, 0, 17 * sizeof(w->maps->motion[0]));
	}
}

/* A backend that is gone has its flows no longer: the owner answers them with a reset. */
static void whoever_has_left(void **state)
{
	struct nat_world *w = *state;

	nat_world_give(w, OLD);
	give(w, NEW, true);
	assert_int_equal(meets(w, 1, ACK), OLD);
	w->maps->backends[OLD].left = 1;
	assert_int_equal(meets(w, 1, ACK), NEW);
	assert_int_equal(meets(w, 2, ACK), NEW);
	assert_int_equal(nat_world_count_ways(w), 0);
	/* No motion for what nobody keeps. */
	nat_world_give(w, OLD);
	memset(w->maps->motion, 0, 17 * sizeof(w->maps->motion[0]));
	give(w, NEW, false);
	assert_int_equal(w->maps->ring[0].owner[0], NEW);
}

static void nobody_is_left(void **state)
{
	struct nat_world *w = *state;

	nat_world_give(w, OLD);
	give(w, LB4_RING_NONE, true);
	assert_int_equal(meets(w, 1, SYN), -1);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_NO_BACKEND), 1);
	assert_int_equal(meets(w, 2, ACK), OLD);
	set_state(w, LB4_SLOT_PINNED);
	assert_int_equal(meets(w, 2, ACK), OLD);
	assert_int_equal(meets(w, 3, ACK), -1);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_NO_FLOW), 1);
	/* With no way to it, what is of a flow may not come to the stack. */
	w->maps->backends[OLD].reachable = 0;
	assert_int_equal(meets(w, 2, ACK), -1);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_NO_WAY), 1);
	nat_world_give(w, OLD);
	assert_int_equal(meets(w, 4, SYN), -1);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_NO_WAY), 1);
}

/* Who goes on is believed, who sends one packet is not for long, and who is not heard of chooses anew. */
static void ways_are_made_by_anybody(void **state)
{
	struct nat_world *w = *state;

	nat_world_give(w, OLD);
	give(w, NEW, true);
	assert_int_equal(meets(w, 1, ACK), OLD);
	nat_world_age(w, 1);
	assert_int_equal(meets(w, 1, ACK), OLD);
	assert_int_equal(count_ways(w, LB4_FLOW_ESTABLISHED), 1);
	assert_int_equal(count_ways(w, LB4_WAY_UNHEARD), 0);
	assert_int_equal(meets(w, 1, ACK | FIN), OLD);
	assert_int_equal(count_ways(w, LB4_FLOW_CLIENT_FIN), 1);
	/* The backend that a SYN went to does not answer, and has lost the slot. */
	assert_int_equal(meets(w, 2, SYN), NEW);
	give(w, THIRD, true);
	assert_int_equal(meets(w, 2, SYN), NEW);
	nat_world_age(w, 1);
	assert_int_equal(meets(w, 2, SYN), THIRD);
	assert_int_equal(meets(w, 2, ACK), THIRD);
}

/* While there is no room for the way of a flow that lives, its slot goes on moving. */
static void a_full_line(void **state)
{
	struct nat_world *w = *state;
	uint32_t before, after = 0, n = 0;

	nat_world_give(w, OLD);
	give(w, NEW, true);
	for (uint32_t i = 0; i < w->maps->n_lines; i++)
		for (size_t j = 0; j < LB4_WAYS; j++)
			w->maps->lines[i].way[j] = (struct lb4_way){
				.tag = LB4_TAG_FIRST + j,
				.state = LB4_WAY_DSR | LB4_FLOW_ESTABLISHED,
			};
	before = flow_ticks(clock_now()) - 50;
	for (uint32_t slot = 0; slot < RING_SIZE; slot++)
		w->maps->motion[slot / LB4_RING_CHUNK].slot[slot % LB4_RING_CHUNK].since =
			(uint16_t)before;
	assert_int_equal(meets(w, 1, ACK), OLD);
	assert_int_equal(meets(w, 2, SYN), -1); /* it is spliced */
	for (uint32_t slot = 0; slot < RING_SIZE; slot++) {
		after = w->maps->motion[slot / LB4_RING_CHUNK].slot[slot % LB4_RING_CHUNK].since;
		n += after != (uint16_t)before;
	}
	assert_int_equal(n, 1);
}

/* SYNs that nobody goes on with take no place from those that live. */
static void floods(void **state)
{
	struct nat_world *w = *state;
	uint64_t full;

	nat_world_give(w, OLD);
	give(w, NEW, true);
	for (int round = 0; round < 2; round++, nat_world_age(w, 1))
		for (uint16_t port = 1; port <= 200; port++)
			assert_int_equal(meets(w, port, ACK), OLD);
	for (uint32_t port = 1000; port < 9000; port++) {
		int met = meets(w, (uint16_t)port, SYN);

		assert_true(met == NEW || met == -1);
	}
	full = nat_world_verdicts(w, LB4_VERDICT_PASS_FULL);
	assert_in_range(full, 1, 8000); /* these are spliced */
	for (uint16_t port = 1; port <= 200; port++)
		assert_int_equal(meets(w, port, ACK), OLD);
	/* Three seconds later they give way. */
	nat_world_age(w, 4);
	for (uint16_t port = 10000; port < 10100; port++)
		assert_int_equal(meets(w, port, SYN), NEW);
	for (uint16_t port = 1; port <= 200; port++)
		assert_int_equal(meets(w, port, ACK), OLD);
}

/* Whatever SYN goes up the stack leaves a mark; only then are sockets asked. */
static void marks_of_what_is_spliced(void **state)
{
	struct nat_world *w = *state;
	size_t n = 0;

	w->maps->control->accepts = 0;
	assert_int_equal(meets(w, 1, ACK), OLD); /* what there is goes on */
	assert_int_equal(meets(w, 2, SYN), -1);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_OFF), 1);
	for (size_t i = 0; i < LB4_MARKS; i++)
		n += w->maps->spliced->marks[i] != 0;
	assert_int_equal(n, 1);
}

static void what_is_odd(void **state)
{
	struct segment s = nat_world_segment(SYN, 1000, 0);
	struct nat_world *w = *state;
	struct frame f;

	for (int syn = 1; syn >= 0; syn--) {
		s.flags = syn ? SYN : ACK;
		frame_make(&f, &s);
		f.data[ETHERNET + 6] = 0x20; /* more fragments */
		assert_int_equal(nat_world_put(w, &f), syn ? PASSED : DROPPED);
	}
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_PASS_ODD), 1);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_ODD), 1);
	s.flags = ACK;
	s.hops = 1;
	nat_world_send(w, &s, DROPPED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_TTL), 1);
	s.hops = 64;
	strcpy(s.from, "127.0.0.1");
	nat_world_send(w, &s, DROPPED);
	strcpy(s.from, VIP4);
	s.flags = SYN;
	nat_world_send(w, &s, DROPPED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_DROP_SOURCE), 2);
}

/* A router on a client's path could not deliver what a backend has sent: the backend has to know. */
static void icmp_errors_find_the_backend(void **state)
{
	struct segment sent = nat_world_segment(ACK, 1000, 0), s;
	struct nat_world *w = *state;
	struct segment quoted;
	struct frame f, about;
	uint16_t mtu;

	nat_world_give(w, OLD);
	strcpy(sent.from, VIP4);
	strcpy(sent.to, CLIENT4);
	sent.from_port = VIP_PORT;
	sent.to_port = CLIENT_PORT;
	frame_make(&about, &sent);
	frame_quote(&f, "203.0.113.1", &about, 1300);
	assert_int_equal(nat_world_put(w, &f), REDIRECTED);
	assert_int_equal(nat_world_verdicts(w, LB4_VERDICT_ICMP), 1);
	assert_true(frame_read_quote(&w->out, &s, &quoted, &mtu));
	assert_string_equal(s.from, "203.0.113.1");
	assert_string_equal(s.to, VIP4);
	assert_int_equal(s.hops, 59);
	assert_string_equal(quoted.from, VIP4);
	assert_int_equal(mtu, 1300);
}

/* Flows of nat that were there before go on as they are, and the others are not theirs. */
static void flows_of_nat_go_on(void **state)
{
	struct nat_world *w = *state;
	struct segment s;
	uint16_t port;

	w->maps->services[0].forward = LB4_FORWARD_NAT;
	w->maps->backends[0].port = htons(BACKEND_PORT);
	port = nat_world_connect(w, CLIENT_PORT);
	w->maps->services[0].forward = LB4_FORWARD_DSR_L2;
	w->maps->services[0].has_nat = 1;
	assert_int_equal(nat_world_client(w, CLIENT_PORT, ACK, &s), REDIRECTED);
	assert_int_equal(s.from_port, port);
	assert_string_equal(s.from, OURS4);
	assert_int_equal(nat_world_client(w, CLIENT_PORT, SYN, &s), DROPPED);
	assert_int_equal(nat_world_client(w, CLIENT_PORT + 1, SYN, &s), REDIRECTED);
	assert_string_equal(s.to, VIP4);
	assert_int_equal(nat_world_count_flows(w), 1);
}

/* --- Any sequence of changes --- */

#define N_FLOWS 300
#define LIMIT	100 /* ticks that a flow may be silent */

struct life {
	int backend; /* −1: there is none */
	uint32_t silent;
};

static void ignore(void *context, uint16_t owner)
{
	(void)context;
	(void)owner;
}

static uint32_t limit_of_way(void *context, const struct lb4_way *way)
{
	(void)context;
	(void)way;
	return LIMIT;
}

/* As if `ticks` had passed, and main had seen to everything then. */
static void pass_time(struct nat_world *w, struct motion_table *slots, uint32_t ticks)
{
	struct flow_table t = {
		.control = w->maps->control, .lines = w->maps->lines, .n_lines = w->maps->n_lines};
	uint32_t now = flow_ticks(clock_now());

	nat_world_age(w, ticks);
	for (uint32_t slot = 0; slot < RING_SIZE; slot++) {
		struct lb4_motion *m =
			&slots->motion[slot / LB4_RING_CHUNK].slot[slot % LB4_RING_CHUNK];

		m->since -= (uint16_t)ticks;
		m->last -= (uint16_t)ticks;
	}
	motion_sweep(slots, LIMIT, now, ignore, NULL);
	flow_table_walk_ways(&t, 0, t.n_lines, now, limit_of_way, NULL);
}

/* Each flow speaks now and then, to whom it has spoken first. */
static void speak(struct nat_world *w, struct life *flows, struct rng *rng, uint32_t ticks)
{
	for (uint16_t i = 0; i < N_FLOWS; i++) {
		struct life *f = &flows[i];
		uint16_t port = (uint16_t)(1024 + i);

		f->silent += ticks;
		if (f->silent < LIMIT / 2 && rng_below(rng, 3) > 0)
			continue;
		f->silent = 0;
		if (f->backend < 0) {
			f->backend = meets(w, port, SYN);
			if (f->backend >= 0)
				assert_int_equal(meets(w, port, ACK), f->backend);
		} else {
			assert_int_equal(meets(w, port, ACK), f->backend);
		}
	}
}

/* Whatever slots go through, a flow that speaks often enough stays with its backend. */
static void no_flow_that_lives_is_broken(void **state)
{
	struct rng rng = rng_for_property(__func__);
	struct life flows[N_FLOWS];
	struct nat_world *w = *state;
	struct motion_table slots = {w->maps->ring, w->maps->motion, RING_SIZE};
	struct motion_census census = {};
	uint32_t n_still = 0;

	for (size_t i = 0; i < N_FLOWS; i++)
		flows[i] = (struct life){.backend = -1};
	for (int round = 0; round < 60; round++) {
		uint32_t ticks = 1 + rng_below(&rng, 40), now = flow_ticks(clock_now());

		/* A part of the slots goes to somebody else, now and then for good. */
		for (uint32_t slot = 0; slot < RING_SIZE && round % 30 < 20; slot++)
			if (rng_below(&rng, 4) == 0)
				motion_give(&slots, slot, (uint16_t)rng_below(&rng, 3), true, now);
		speak(w, flows, &rng, ticks);
		pass_time(w, &slots, ticks);
		census = motion_sweep(&slots, LIMIT, flow_ticks(clock_now()), ignore, NULL);
		n_still += RING_SIZE - census.moving - census.pinned;
	}
	assert_true(n_still > 0);
}

#define L2_TEST(f)   cmocka_unit_test_setup(f, setup_l2)
#define IPIP_TEST(f) cmocka_unit_test_setup(f, setup_ipip)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		L2_TEST(packets_are_left_as_they_are),
		IPIP_TEST(packets_are_wrapped),
		IPIP_TEST(padding_is_not_wrapped),
		IPIP_TEST(the_traffic_class_is_outside_too),
		IPIP_TEST(what_does_not_fit),
		L2_TEST(slots_that_are_still),
		L2_TEST(slots_are_told_apart),
		L2_TEST(slots_that_move),
		L2_TEST(whoever_has_left),
		L2_TEST(nobody_is_left),
		L2_TEST(ways_are_made_by_anybody),
		L2_TEST(a_full_line),
		L2_TEST(floods),
		L2_TEST(marks_of_what_is_spliced),
		L2_TEST(what_is_odd),
		L2_TEST(icmp_errors_find_the_backend),
		L2_TEST(flows_of_nat_go_on),
		L2_TEST(no_flow_that_lives_is_broken),
	};

	return nat_world_run(tests, argc, argv);
}
