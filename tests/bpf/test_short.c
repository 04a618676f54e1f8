// SPDX-License-Identifier: BSD-2-Clause
/*
 * The short way of dsr: what goes it comes out as it would by the long one, and is counted so. A
 * service that says that flows of nat may still be there goes the long way with all packets, and
 * there are none: each packet goes both ways here, from the same state.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../unit/choice.h"
#include "cleanup.h"
#include "flow_table.h"
#include "motion.h"
#include "nat_world.h"

#include "../unit/test.h"

#define ETHERNET  14
#define N_PACKETS 6000 /* of each world */

/* What one packet has made of the maps. */
struct trace {
	enum outcome outcome;
	bool left;
	struct frame out;
	struct lb4_line lines[1024];
	struct lb4_spliced spliced;
	uint64_t verdicts[LB4_VERDICT_COUNT];
	struct lb4_backend_counters counters[2 * N_BACKENDS];
};

static struct trace short_way, long_way, before;

static void keep_state(const struct nat_world *w, struct trace *t)
{
	assert_int_equal(w->maps->n_lines, ARRAY_SIZE(t->lines));
	memcpy(t->lines, w->maps->lines, sizeof(t->lines));
	t->spliced = *w->maps->spliced;
}

static void give_back_state(const struct nat_world *w, const struct trace *t)
{
	memcpy(w->maps->lines, t->lines, sizeof(t->lines));
	*w->maps->spliced = t->spliced;
	memset(w->maps->verdict_counters, 0, w->maps->n_cpus * sizeof(*w->maps->verdict_counters));
	memset(w->maps->backend_counters, 0,
	       (size_t)w->maps->n_backends * w->maps->n_cpus * sizeof(*w->maps->backend_counters));
}

static void add(struct lb4_backend_counters *to, const struct lb4_backend_counters *c)
{
	to->flows += c->flows;
	to->over += c->over;
	to->packets_in += c->packets_in;
	to->bytes_in += c->bytes_in;
	to->packets_out += c->packets_out;
	to->bytes_out += c->bytes_out;
	to->replaced += c->replaced;
	to->ended += c->ended;
}

static void put(struct nat_world *w, const struct frame *f, bool is_long, struct trace *t)
{
	memset(t->counters, 0, sizeof(t->counters));
	w->maps->services[0].has_nat = is_long;
	t->outcome = nat_world_put(w, f);
	t->left = w->left;
	t->out = w->out;
	keep_state(w, t);
	for (unsigned i = 0; i < LB4_VERDICT_COUNT; i++)
		t->verdicts[i] = nat_world_verdicts(w, i);
	for (uint32_t cpu = 0; cpu < w->maps->n_cpus; cpu++)
		for (uint32_t i = 0; i < ARRAY_SIZE(t->counters); i++)
			add(&t->counters[i],
			    &w->maps->backend_counters[cpu * w->maps->n_backends + i]);
}

/* Time may have gone on between the two. */
static void forget_time(struct trace *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(t->lines); i++)
		for (size_t j = 0; j < LB4_WAYS; j++)
			t->lines[i].way[j].last = 0;
	for (size_t i = 0; i < LB4_MARKS; i++)
		t->spliced.marks[i] = t->spliced.marks[i] != 0;
}

static void expect_the_same(struct nat_world *w, const struct frame *f)
{
	keep_state(w, &before);
	give_back_state(w, &before);
	put(w, f, false, &short_way);
	give_back_state(w, &before);
	put(w, f, true, &long_way);
	forget_time(&short_way);
	forget_time(&long_way);
	assert_int_equal(short_way.outcome, long_way.outcome);
	assert_int_equal(short_way.left, long_way.left);
	assert_int_equal(short_way.out.size, long_way.out.size);
	assert_memory_equal(short_way.out.data, long_way.out.data, long_way.out.size);
	assert_memory_equal(short_way.verdicts, long_way.verdicts, sizeof(long_way.verdicts));
	assert_memory_equal(short_way.counters, long_way.counters, sizeof(long_way.counters));
	assert_memory_equal(short_way.lines, long_way.lines, sizeof(long_way.lines));
	assert_memory_equal(&short_way.spliced, &long_way.spliced, sizeof(long_way.spliced));
}

/* --- Packets --- */

static bool one_in(struct rng *rng, uint32_t n)
{
	return rng_below(rng, n) == 0;
}

static uint8_t any_flags(struct rng *rng)
{
	static const uint8_t usual[] = {ACK, ACK, ACK | 0x08, SYN, SYN, FIN | ACK, RST, SYN | ACK};

	return one_in(rng, 8) ? (uint8_t)rng_next(rng) : usual[rng_below(rng, sizeof(usual))];
}

static const char *any_source(struct rng *rng, bool ipv6)
{
	static const char *const odd[][8] = {
		{VIP4, "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "10.0.0.10", OURS4,
		 "223.255.255.255"},
		{VIP6, "::1", "::", "ff02::1", "::ffff:198.51.100.7", "fd00::10", OURS6, "::2"},
	};

	if (one_in(rng, 8))
		return odd[ipv6][rng_below(rng, 8)];
	return ipv6 ? CLIENT6 : CLIENT4;
}

static void any_segment(struct rng *rng, struct frame *f)
{
	static const uint8_t hops[] = {64, 64, 64, 255, 2, 1, 0};
	bool ipv6 = one_in(rng, 2);
	struct segment s = {.from_port = (uint16_t)rng_next(rng),
			    .to_port = one_in(rng, 10) ? VIP_PORT + 1 : VIP_PORT,
			    .sequence = (uint32_t)rng_next(rng),
			    .acknowledged = (uint32_t)rng_next(rng),
			    .flags = any_flags(rng),
			    .hops = hops[rng_below(rng, sizeof(hops))],
			    .mss = one_in(rng, 4) ? 1460 : 0,
			    .padding = rng_below(rng, 30)};

	strcpy(s.from, any_source(rng, ipv6));
	strcpy(s.to, one_in(rng, 20) ? (ipv6 ? OURS6 : OURS4) : (ipv6 ? VIP6 : VIP4));
	s.n_payload = one_in(rng, 4) ? 1380 + rng_below(rng, 120) : rng_below(rng, 80);
	frame_make(f, &s);
}

/* Single bytes of the headers, and what is cut off or comes behind. */
static void bend(struct rng *rng, struct frame *f)
{
	uint32_t n;

	if (one_in(rng, 3)) {
		n = 1 + rng_below(rng, 3);
		while (n--)
			f->data[12 + rng_below(rng, 64)] ^= (uint8_t)(1u << rng_below(rng, 8));
	}
	if (one_in(rng, 6) && f->size > 80)
		f->size -= rng_below(rng, (uint32_t)f->size - 80);
	else if (one_in(rng, 6))
		f->size += rng_below(rng, 40);
}

/* --- Worlds --- */

static void bend_world(struct rng *rng, struct nat_world *w)
{
	struct motion_table slots = {w->maps->ring, w->maps->motion, RING_SIZE};
	struct lb4_service *s = &w->maps->services[0];

	s->forward = one_in(rng, 2) ? LB4_FORWARD_DSR_L2 : LB4_FORWARD_DSR_IPIP;
	s->accepts = !one_in(rng, 6);
	s->hash_source = one_in(rng, 6);
	s->mask_ipv4 = 24;
	s->mask_ipv6 = 56;
	w->maps->control->accepts = !one_in(rng, 6);
	w->maps->vips[0].closed = one_in(rng, 6);
	for (uint16_t i = 0; i < 2 * N_BACKENDS; i++) {
		w->maps->backends[i].forward = s->forward;
		w->maps->backends[i].port = htons(VIP_PORT);
		w->maps->backends[i].resolved = !one_in(rng, 6);
		w->maps->backends[i].left = one_in(rng, 6);
	}
	for (uint32_t slot = 0; slot < RING_SIZE; slot++) {
		uint16_t owner = (uint16_t)rng_below(rng, 2 * N_BACKENDS);

		if (one_in(rng, 20))
			owner = LB4_RING_NONE;
		w->maps->ring[slot / LB4_RING_CHUNK].owner[slot % LB4_RING_CHUNK] = owner;
		if (one_in(rng, 5))
			motion_give(&slots, slot, (uint16_t)rng_below(rng, N_BACKENDS), true,
				    flow_ticks(clock_now()));
	}
	for (size_t i = 0; i < LB4_MARKS; i++)
		w->maps->spliced->marks[i] = one_in(rng, 10);
}

static void any_packet(void **state)
{
	struct rng rng = rng_for_property(__func__);
	uint64_t met[LB4_VERDICT_COUNT] = {};
	struct nat_world *w = *state;
	uint32_t n_sent = 0;
	struct frame f;

	w->maps->control->has_dsr = 1;
	w->leaves = true;
	for (int world = 0; world < 8; world++) {
		memset(w->maps->motion, 0, w->maps->n_ring_chunks * sizeof(w->maps->motion[0]));
		memset(w->maps->lines, 0, w->maps->n_lines * sizeof(w->maps->lines[0]));
		bend_world(&rng, w);
		for (int i = 0; i < N_PACKETS / 8; i++) {
			any_segment(&rng, &f);
			bend(&rng, &f);
			expect_the_same(w, &f);
			n_sent += short_way.outcome == REDIRECTED;
			for (unsigned j = 0; j < LB4_VERDICT_COUNT; j++)
				met[j] += short_way.verdicts[j];
		}
	}
	/* Both kinds were among them: what is plain, and what is not. */
	assert_true(n_sent > N_PACKETS / 10);
	assert_true(met[LB4_VERDICT_PASS_ODD] && met[LB4_VERDICT_DROP_TTL] &&
		    met[LB4_VERDICT_DROP_SOURCE] && met[LB4_VERDICT_PASS_NO_WAY]);
}

/* At tc: several segments in one. */
static void any_bundle(void **state)
{
	struct rng rng = rng_for_property(__func__);
	struct nat_world *w = *state;
	struct frame f;

	w->maps->control->has_dsr = 1;
	bend_world(&rng, w);
	for (uint16_t i = 0; i < 2 * N_BACKENDS; i++)
		w->maps->backends[i].forward = LB4_FORWARD_DSR_L2;
	for (int i = 0; i < N_PACKETS / 8; i++) {
		any_segment(&rng, &f);
		w->gso_size = 1 + rng_below(&rng, 1600);
		if (one_in(&rng, 4))
			f.data[ETHERNET + (frame_is_ipv6(&f) ? 5 : 3)] = 0;
		expect_the_same(w, &f);
	}
}

/* --- A connection that is spliced --- */

static struct sockaddr_in end_of(const char *ip, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, ip, &a.sin_addr), 1);
	return a;
}

static int socket_at(const char *ip, uint16_t port)
{
	struct sockaddr_in a = end_of(ip, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Its mark decides whether sockets are asked. */
static void of_a_socket(void **state)
{
	struct segment s = nat_world_segment(ACK, 1001, 5001);
	struct sockaddr_in vip = end_of(VIP4, VIP_PORT);
	_cleanup_(closep) int server = -1, client = -1;
	struct nat_world *w = *state;
	struct frame f;

	server = socket_at(VIP4, VIP_PORT);
	assert_int_equal(listen(server, 1), 0);
	client = socket_at(CLIENT4, CLIENT_PORT);
	assert_int_equal(connect(client, (struct sockaddr *)&vip, sizeof(vip)), 0);
	w->maps->control->has_dsr = 1;
	w->maps->services[0].forward = LB4_FORWARD_DSR_L2;
	w->maps->backends[0].forward = LB4_FORWARD_DSR_L2;
	frame_make(&f, &s);
	expect_the_same(w, &f);
	assert_int_equal(short_way.outcome, REDIRECTED);
	memset(w->maps->spliced->marks, 1, LB4_MARKS);
	expect_the_same(w, &f);
	assert_int_equal(short_way.outcome, PASSED);
	assert_int_equal(short_way.verdicts[LB4_VERDICT_PASS_SPLICED], 1);
}

/* Where the machine has the addresses of the VIP and the client; what comes in by is its loopback. */
static bool is_alone(void)
{
	return unshare(CLONE_NEWNET) == 0 &&
	       system("ip link set lo up && ip addr add " VIP4 "/32 dev lo && "
		      "ip addr add " CLIENT4 "/32 dev lo") == 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(of_a_socket, nat_world_setup),
		cmocka_unit_test_setup(any_packet, nat_world_setup),
		cmocka_unit_test_setup(any_bundle, nat_world_setup),
	};

	if (!is_alone())
		return 77;
	return nat_world_run(tests, argc, argv);
}
