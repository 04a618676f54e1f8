// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every kind of packet that a flow has, cut, bent and dressed up in every way that we know: what is
 * decided, what comes out, and which counter counts it. How each kind fares as it should be is in
 * test_nat.c and test_packets.c.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "nat_world.h"

#include "../unit/test.h"

#define ETHERNET 14
#define ROUTER	 "203.0.113.9"
#define ROUTER6	 "2001:db8:9::1"

static const struct kind {
	const char *name;
	enum { CLIENT, SERVER, TO_CLIENT, TO_SERVER } of; /* the last two: ICMP errors about that */
	uint8_t flags;
	uint16_t mss;
	uint8_t padding, n_payload;
} kinds[] = {
	{"SYN", CLIENT, SYN, 1460, 4, 0},
	{"SYN with data", CLIENT, SYN, 0, 0, 5},
	{"ACK", CLIENT, ACK, 0, 0, 0},
	{"data", CLIENT, ACK, 0, 12, 33},
	{"FIN", CLIENT, FIN | ACK, 0, 0, 1},
	{"RST", CLIENT, RST, 0, 0, 0},
	{"SYN and ACK", SERVER, SYN | ACK, 1460, 4, 0},
	{"answer", SERVER, ACK, 0, 12, 33},
	{"server's FIN", SERVER, FIN | ACK, 0, 0, 0},
	{"server's RST", SERVER, RST, 0, 0, 0},
	{"error to the server", TO_CLIENT, ACK, 0, 0, 0},
	{"error to the client", TO_SERVER, ACK, 0, 0, 0},
};

static size_t header_of(const struct frame *f)
{
	return frame_is_ipv6(f) ? 40 : 20;
}

static bool is_error(const struct kind *k)
{
	return k->of == TO_CLIENT || k->of == TO_SERVER;
}

/* To the VIP, as far as the addresses say. */
static bool is_to_vip(const struct kind *k)
{
	return k->of == CLIENT || k->of == TO_CLIENT;
}

static struct segment segment_of(const struct nat_world *w, const struct kind *k, uint16_t port)
{
	const char *backend = w->is_ipv6 ? "fd00::10" : "10.0.0.10";
	bool client = k->of == CLIENT || k->of == TO_SERVER; /* who sent it, or what is quoted */
	struct segment s = {.from_port = client ? CLIENT_PORT : BACKEND_PORT,
			    .to_port = client ? VIP_PORT : port,
			    .sequence = k->flags & SYN ? 1000 : 1001,
			    .acknowledged = k->flags & ACK ? 5001 : 0,
			    .flags = k->flags,
			    .hops = 64,
			    .mss = k->mss,
			    .padding = k->padding,
			    .n_payload = k->n_payload};

	if (k->of == SERVER) {
		s.sequence = k->flags & SYN ? 5000 : 5001;
		s.acknowledged = 1001;
	}
	strcpy(s.from, client ? (w->is_ipv6 ? CLIENT6 : CLIENT4) : backend);
	strcpy(s.to, client ? (w->is_ipv6 ? VIP6 : VIP4) : (w->is_ipv6 ? OURS6 : OURS4));
	return s;
}

/* What is quoted is as it was when it left us. */
static void make(struct nat_world *w, const struct kind *k, uint16_t port, struct frame *f)
{
	struct segment s = segment_of(w, k, port);
	struct frame about;

	if (!is_error(k)) {
		frame_make(f, &s);
		return;
	}
	strcpy(s.from, w->is_ipv6 ? (k->of == TO_CLIENT ? VIP6 : OURS6)
				  : (k->of == TO_CLIENT ? VIP4 : OURS4));
	strcpy(s.to, w->is_ipv6 ? (k->of == TO_CLIENT ? CLIENT6 : "fd00::10")
				: (k->of == TO_CLIENT ? CLIENT4 : "10.0.0.10"));
	s.from_port = k->of == TO_CLIENT ? VIP_PORT : port;
	s.to_port = k->of == TO_CLIENT ? CLIENT_PORT : BACKEND_PORT;
	frame_make(&about, &s);
	frame_quote(f, w->is_ipv6 ? ROUTER6 : ROUTER, &about, 1400);
}

/* LB4_VERDICT_NOT_OURS: nothing is counted. */
static void expect(struct nat_world *w, const char *what, const struct frame *f,
		   enum outcome outcome, enum lb4_verdict verdict)
{
	uint64_t before[LB4_VERDICT_COUNT];
	enum outcome got;

	for (unsigned i = 0; i < LB4_VERDICT_COUNT; i++)
		before[i] = nat_world_verdicts(w, i);
	got = nat_world_put(w, f);
	if (got != outcome)
		fail_msg("%s, %s: outcome %d, not %d", what, w->is_ipv6 ? "IPv6" : "IPv4", got,
			 outcome);
	for (unsigned i = 0; i < LB4_VERDICT_COUNT; i++)
		if (nat_world_verdicts(w, i) != before[i] + (i == verdict))
			fail_msg("%s, %s: verdict %u was counted %ld times", what,
				 w->is_ipv6 ? "IPv6" : "IPv4", i,
				 (long)(nat_world_verdicts(w, i) - before[i]));
	assert_int_equal(w->out.size, f->size);
	if (outcome == PASSED)
		assert_memory_equal(w->out.data, f->data, f->size);
}

/* What is not as long as it says, or too short for what it is. */
static void expect_malformed(struct nat_world *w, const struct kind *k, const struct frame *f)
{
	if (is_error(k))
		expect(w, k->name, f, PASSED,
		       is_to_vip(k) ? LB4_VERDICT_PASS_ODD : LB4_VERDICT_NOT_OURS);
	else if (is_to_vip(k))
		expect(w, k->name, f, DROPPED, LB4_VERDICT_DROP_MALFORMED);
	else
		expect(w, k->name, f, PASSED, LB4_VERDICT_NOT_OURS);
}

static void expect_forwarded(struct nat_world *w, const struct kind *k, const struct frame *f)
{
	expect(w, k->name, f, REDIRECTED, is_error(k) ? LB4_VERDICT_ICMP : LB4_VERDICT_FORWARDED);
}

typedef void each_kind(struct nat_world *w, const struct kind *k, uint16_t port);

static void forget_flows(struct nat_world *w)
{
	memset(w->maps->flows, 0, w->maps->n_flows * sizeof(w->maps->flows[0]));
	memset(w->maps->lines, 0, w->maps->n_lines * sizeof(w->maps->lines[0]));
}

/* With a flow for each kind, that has just been established. */
static void for_each_kind(struct nat_world *w, each_kind *check)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++)
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			forget_flows(w);
			nat_world_use(w, ipv6);
			check(w, &kinds[i], nat_world_connect(w, CLIENT_PORT));
		}
}

/* The kernel's test run takes no frame without the whole of its IP header. */
static void cut_kind(struct nat_world *w, const struct kind *k, uint16_t port)
{
	struct frame whole, f;

	make(w, k, port, &whole);
	for (size_t size = ETHERNET + header_of(&whole); size < whole.size; size++) {
		f = whole;
		f.size = size;
		expect_malformed(w, k, &f);
	}
	expect_forwarded(w, k, &whole);
}

static void every_truncation(void **state)
{
	for_each_kind(*state, cut_kind);
}

static void pad_kind(struct nat_world *w, const struct kind *k, uint16_t port)
{
	struct frame whole, f;
	struct segment s;

	make(w, k, port, &whole);
	for (size_t n = 1; n < 30; n += 7) {
		f = whole;
		memset(f.data + f.size, 0xa5, n);
		f.size += n;
		expect_forwarded(w, k, &f);
		for (size_t i = whole.size; i < f.size; i++)
			assert_int_equal(w->out.data[i], 0xa5);
		w->out.size = whole.size;
		if (!is_error(k))
			assert_true(frame_read(&w->out, &s));
	}
}

/* Some drivers hand over short frames with the padding that the wire needed. */
static void padding_is_kept(void **state)
{
	for_each_kind(*state, pad_kind);
}

/* Every length that the header may claim, in a frame that is as long as before. */
static void claim_kind(struct nat_world *w, const struct kind *k, uint16_t port)
{
	struct frame whole, f;
	size_t header, least;

	make(w, k, port, &whole);
	header = header_of(&whole);
	least = is_error(k) ? header + 8 + header + 8
			    : header + 4u * (whole.data[ETHERNET + header + 12] >> 4);
	for (size_t claim = 0; claim < whole.size + 20; claim++) {
		size_t at = ETHERNET + (w->is_ipv6 ? 4 : 2);
		size_t size = claim + (w->is_ipv6 ? 40 : 0);

		f = whole;
		f.data[at] = (uint8_t)(claim >> 8);
		f.data[at + 1] = (uint8_t)claim;
		if (claim == 0 || size < least || ETHERNET + size > f.size)
			expect_malformed(w, k, &f);
		else
			expect_forwarded(w, k, &f);
	}
}

static void every_length(void **state)
{
	for_each_kind(*state, claim_kind);
}

static void bend_version(struct nat_world *w, const struct kind *k, uint16_t port)
{
	struct frame whole, f;

	make(w, k, port, &whole);
	for (unsigned version = 0; version < 16; version++) {
		if (version == (w->is_ipv6 ? 6 : 4) || is_error(k))
			continue;
		f = whole;
		f.data[ETHERNET] = (uint8_t)(version << 4 | (f.data[ETHERNET] & 15));
		expect_malformed(w, k, &f);
	}
	for (unsigned words = 0; words < 5 && !w->is_ipv6 && !is_error(k); words++) {
		f = whole;
		f.data[ETHERNET] = (uint8_t)(0x40 | words);
		expect_malformed(w, k, &f);
	}
}

static void versions(void **state)
{
	for_each_kind(*state, bend_version);
}

/* With so many bytes of options that have been put into the IPv4 header. */
static void insert_options(struct frame *f, size_t n)
{
	memmove(f->data + ETHERNET + 20 + n, f->data + ETHERNET + 20, f->size - ETHERNET - 20);
	memset(f->data + ETHERNET + 20, 1, n);
	f->size += n;
	f->data[ETHERNET] = (uint8_t)(0x40 | (5 + n / 4));
	f->data[ETHERNET + 3] = (uint8_t)(f->size - ETHERNET);
}

/* An extension header of IPv6 that has 8 bytes. */
static void insert_extension(struct frame *f, uint8_t kind)
{
	memmove(f->data + ETHERNET + 48, f->data + ETHERNET + 40, f->size - ETHERNET - 40);
	memset(f->data + ETHERNET + 40, 0, 8);
	f->data[ETHERNET + 40] = f->data[ETHERNET + 6];
	f->data[ETHERNET + 6] = kind;
	f->size += 8;
	f->data[ETHERNET + 5] = (uint8_t)(f->data[ETHERNET + 5] + 8);
}

/* Of a flow: dropped where the ports are known, as the stack would reset it. */
static void dress_kind(struct nat_world *w, const struct kind *k, uint16_t port)
{
	static const uint8_t extensions[] = {0, 43, 60, 135};
	struct frame whole, f;

	if (is_error(k))
		return;
	make(w, k, port, &whole);
	for (size_t n = 4; n <= 40 && !w->is_ipv6; n += 4) {
		f = whole;
		insert_options(&f, n);
		expect(w, k->name, &f, DROPPED, LB4_VERDICT_DROP_ODD);
	}
	for (size_t i = 0; i < sizeof(extensions) && w->is_ipv6; i++) {
		f = whole;
		insert_extension(&f, extensions[i]);
		expect(w, k->name, &f, PASSED,
		       is_to_vip(k) ? LB4_VERDICT_PASS_ODD : LB4_VERDICT_NOT_OURS);
	}
}

static void options_and_extensions(void **state)
{
	for_each_kind(*state, dress_kind);
}

static void fragment_ipv4(struct nat_world *w, const struct kind *k, const struct frame *whole)
{
	static const struct {
		uint16_t bits;
		bool whole, first;
	} cases[] = {
		{0x4000, true, false},	/* may not be fragmented, and is not */
		{0x8000, true, false},	/* reserved; RFC 3514 */
		{0x2000, false, true},	/* more follow */
		{0x6000, false, true},	/* both */
		{0x2001, false, false}, /* in the middle */
		{0x0001, false, false}, /* the last */
		{0x1fff, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct frame f = *whole;

		f.data[ETHERNET + 6] = (uint8_t)(cases[i].bits >> 8);
		f.data[ETHERNET + 7] = (uint8_t)cases[i].bits;
		if (cases[i].whole)
			expect_forwarded(w, k, &f);
		else if (cases[i].first && !is_error(k))
			expect(w, k->name, &f, DROPPED, LB4_VERDICT_DROP_ODD);
		else
			expect(w, k->name, &f, PASSED,
			       is_to_vip(k) ? LB4_VERDICT_PASS_ODD : LB4_VERDICT_NOT_OURS);
	}
}

static void fragment_ipv6(struct nat_world *w, const struct kind *k, const struct frame *whole)
{
	for (unsigned offset = 0; offset < 2; offset++)
		for (unsigned more = 0; more < 2; more++) {
			struct frame f = *whole;

			insert_extension(&f, 44);
			f.data[ETHERNET + 40 + 3] = (uint8_t)(offset << 3 | more);
			if (offset == 0 && !is_error(k))
				expect(w, k->name, &f, DROPPED, LB4_VERDICT_DROP_ODD);
			else
				expect(w, k->name, &f, PASSED,
				       is_to_vip(k) ? LB4_VERDICT_PASS_ODD : LB4_VERDICT_NOT_OURS);
		}
}

static void fragment_kind(struct nat_world *w, const struct kind *k, uint16_t port)
{
	struct frame whole;

	make(w, k, port, &whole);
	if (w->is_ipv6)
		fragment_ipv6(w, k, &whole);
	else
		fragment_ipv4(w, k, &whole);
}

static void fragments(void **state)
{
	for_each_kind(*state, fragment_kind);
}

/* Tags in the packet are not looked behind, nor anything else that is no IP. */
static void tag_kind(struct nat_world *w, const struct kind *k, uint16_t port)
{
	static const uint16_t types[] = {0x8100, 0x88a8, 0x8847, 0x8864, 0x0806, 0x05dc};
	struct frame whole, f;

	make(w, k, port, &whole);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		f = whole;
		memmove(f.data + 16, f.data + 12, f.size - 12);
		f.data[12] = (uint8_t)(types[i] >> 8);
		f.data[13] = (uint8_t)types[i];
		f.size += 4;
		expect(w, k->name, &f, PASSED, LB4_VERDICT_NOT_OURS);
	}
}

static void tags(void **state)
{
	for_each_kind(*state, tag_kind);
}

/* 0 and 1: nobody may send it on. */
static void age_kind(struct nat_world *w, const struct kind *k, uint16_t port)
{
	for (uint8_t hops = 0; hops < 3; hops++) {
		struct frame f;

		make(w, k, port, &f);
		f.data[ETHERNET + (w->is_ipv6 ? 7 : 8)] = hops;
		if (hops == 2)
			expect_forwarded(w, k, &f);
		else if (is_error(k))
			expect_malformed(w, k, &f); /* the stack's */
		else
			expect(w, k->name, &f, DROPPED, LB4_VERDICT_DROP_TTL);
	}
}

static void last_hops(void **state)
{
	for_each_kind(*state, age_kind);
}

/* RFC 1071, of what may be wrong by something. */
static uint32_t error_of(const uint8_t *p, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum % 0xffff;
}

static uint32_t transport_error(const struct frame *f, bool icmp)
{
	size_t at = ETHERNET + header_of(f), size = f->size - at;
	uint32_t sum = 0;

	if (frame_is_ipv6(f))
		sum = error_of(f->data + ETHERNET + 8, 32,
			       (uint32_t)size + (icmp ? IPPROTO_ICMPV6 : IPPROTO_TCP));
	else if (!icmp)
		sum = error_of(f->data + ETHERNET + 12, 8, (uint32_t)size + IPPROTO_TCP);
	return error_of(f->data + at, size, sum);
}

/* It is sent on as wrong as it came, so that who receives it drops it: nothing is made good. */
static void spoil_kind(struct nat_world *w, const struct kind *k, uint16_t port)
{
	for (unsigned i = 0; i < 16; i++) {
		struct frame f;
		size_t at;

		make(w, k, port, &f);
		at = ETHERNET + header_of(&f) + (is_error(k) ? 2 : 16) + i % 2;
		f.data[at] ^= (uint8_t)(1 << i / 2);
		if (i == 0)
			f.data[ETHERNET + 10] ^= 0x55; /* of IPv4's header, or an address */
		if (i == 0 && w->is_ipv6)
			continue;
		expect_forwarded(w, k, &f);
		assert_int_not_equal(transport_error(&f, is_error(k)), 0);
		assert_int_equal(transport_error(&w->out, is_error(k)),
				 transport_error(&f, is_error(k)));
		if (!w->is_ipv6)
			assert_int_equal(error_of(w->out.data + ETHERNET, 20, 0),
					 error_of(f.data + ETHERNET, 20, 0));
	}
}

static void wrong_checksums(void **state)
{
	for_each_kind(*state, spoil_kind);
}

/* All that may quote a packet of a flow, and does not tell of an error, is the stack's. */
static void icmp_kind(struct nat_world *w, const struct kind *k, uint16_t port)
{
	struct frame f;

	if (!is_error(k))
		return;
	for (unsigned type = 0; type < 256; type++) {
		bool error =
			w->is_ipv6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;

		make(w, k, port, &f);
		f.data[ETHERNET + header_of(&f)] = (uint8_t)type;
		if (error)
			expect_forwarded(w, k, &f);
		else
			expect_malformed(w, k, &f);
	}
}

static void icmp_kinds(void **state)
{
	for_each_kind(*state, icmp_kind);
}

/* From the VIP to the VIP, with equal ports and with others; of no flow, so that none begins. */
static void land(void **state)
{
	static const uint16_t ports[] = {VIP_PORT, CLIENT_PORT, 0, 65535};
	struct nat_world *w = *state;

	forget_flows(w);
	for (int ipv6 = 0; ipv6 < 2; ipv6++)
		for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
			struct segment s = nat_world_segment(SYN, 1, 0);
			struct frame f;

			nat_world_use(w, ipv6);
			strcpy(s.from, ipv6 ? VIP6 : VIP4);
			strcpy(s.to, s.from);
			s.from_port = ports[i];
			frame_make(&f, &s);
			expect(w, "LAND", &f, DROPPED, LB4_VERDICT_DROP_SOURCE);
			s.flags = ACK;
			frame_make(&f, &s);
			expect(w, "LAND with ACK", &f, PASSED, LB4_VERDICT_PASS_NO_FLOW);
		}
	assert_int_equal(nat_world_count_flows(w) + nat_world_count_ways(w), 0);
}

static int begin(void **state)
{
	return nat_world_load(state) < 0 ? -1 : nat_world_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(padding_is_kept),
		cmocka_unit_test(every_length),
		cmocka_unit_test(versions),
		cmocka_unit_test(options_and_extensions),
		cmocka_unit_test(fragments),
		cmocka_unit_test(tags),
		cmocka_unit_test(last_hops),
		cmocka_unit_test(wrong_checksums),
		cmocka_unit_test(icmp_kinds),
		cmocka_unit_test(land),
	};

	/* One program for all: loading it takes longer than they do. */
	return cmocka_run_group_tests(tests, begin, nat_world_unload);
}
