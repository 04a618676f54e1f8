// SPDX-License-Identifier: BSD-2-Clause
/* The programs of checks: what goes out looks as a client's packets do, what comes in is the backend's. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "check_programs.h"
#include "lb4_fastpath.h"
#include "packets.h"

#include "../unit/test.h"

#define ETHERNET 14
#define GO_ON	 0xffffffffu

#define OURS4	 "10.0.0.1"
#define OURS6	 "fd00::1"
#define BACKEND4 "10.0.0.2"
#define BACKEND6 "fd00::2"
#define VIP4	 "192.0.2.1"
#define VIP6	 "2001:db8::1"
#define OWN_PORT 40001
#define PORT	 80

static struct check_programs *programs;

static int load(void **state)
{
	int r = check_programs_open(&programs);

	(void)state;
	if (r < 0)
		fprintf(stderr, "the programs cannot be loaded: %s\n", strerror(-r));
	return r;
}

static int unload(void **state)
{
	(void)state;
	programs = check_programs_close(programs);
	return 0;
}

static void ip_of(uint8_t ip[16], const char *text)
{
	struct in_addr v4;

	memset(ip, 0, 16);
	if (inet_pton(AF_INET6, text, ip) == 1)
		return;
	assert_int_equal(inet_pton(AF_INET, text, &v4), 1);
	ip[10] = ip[11] = 0xff;
	memcpy(ip + 12, &v4, 4);
}

static struct lb4_check *entry(void)
{
	return &check_programs_entries(programs)[OWN_PORT % LB4_CHECKS];
}

static void tell(bool ipv6, uint8_t forward)
{
	struct lb4_check *c = entry();

	*c = (struct lb4_check){
		.port = htons(PORT), .own_port = htons(OWN_PORT), .forward = forward};
	ip_of(c->vip, ipv6 ? VIP6 : VIP4);
	ip_of(c->backend, ipv6 ? BACKEND6 : BACKEND4);
}

static struct segment outgoing(bool ipv6)
{
	struct segment s = {.from_port = OWN_PORT,
			    .to_port = PORT,
			    .sequence = 1000,
			    .acknowledged = 2000,
			    .flags = ACK,
			    .hops = 64,
			    .n_payload = 7};

	strcpy(s.from, ipv6 ? OURS6 : OURS4);
	strcpy(s.to, ipv6 ? BACKEND6 : BACKEND4);
	return s;
}

static struct segment incoming(bool ipv6)
{
	struct segment s = outgoing(ipv6);

	strcpy(s.from, ipv6 ? VIP6 : VIP4);
	strcpy(s.to, ipv6 ? OURS6 : OURS4);
	s.from_port = PORT;
	s.to_port = OWN_PORT;
	return s;
}

/* What the program says of it, and makes of it. */
static uint32_t put(int program, const struct frame *f, uint32_t mark, struct frame *out)
{
	struct __sk_buff context = {.mark = mark};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = f->data,
		    .data_size_in = (uint32_t)f->size, .data_out = out->data,
		    .data_size_out = sizeof(out->data), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(program, &options), 0);
	out->size = options.data_size_out;
	return options.retval;
}

static void expect_left(int program, const struct segment *s, uint32_t mark)
{
	struct frame f, out;

	frame_make(&f, s);
	assert_int_equal(put(program, &f, mark, &out), GO_ON);
	assert_int_equal(out.size, f.size);
	assert_memory_equal(out.data, f.data, f.size);
}

static void expect_segment(const struct frame *f, const struct segment *wanted, const char *from,
			   const char *to)
{
	struct segment s;

	assert_true(frame_read(f, &s)); /* checksums included */
	assert_string_equal(s.from, from);
	assert_string_equal(s.to, to);
	assert_int_equal(s.from_port, wanted->from_port);
	assert_int_equal(s.to_port, wanted->to_port);
	assert_int_equal(s.sequence, wanted->sequence);
	assert_int_equal(s.acknowledged, wanted->acknowledged);
	assert_int_equal(s.flags, wanted->flags);
	assert_int_equal(s.hops, wanted->hops);
	assert_int_equal(s.n_payload, wanted->n_payload);
}

static void out_on_the_link(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct segment s = outgoing(ipv6);
		struct frame f, out;

		tell(ipv6, LB4_FORWARD_DSR_L2);
		frame_make(&f, &s);
		assert_int_equal(put(check_programs_out(programs), &f, LB4_CHECK_MARK, &out),
				 GO_ON);
		expect_segment(&out, &s, s.from, ipv6 ? VIP6 : VIP4);
		assert_int_equal(out.size, f.size);
		assert_memory_equal(out.data, f.data, ETHERNET);
	}
}

/* RFC 2003, RFC 2473. */
static void out_in_packets(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const size_t size = ipv6 ? 40 : 20;
		struct segment s = outgoing(ipv6);
		struct frame f, out;
		uint8_t wanted[16], *ip = out.data + ETHERNET;
		uint32_t sum = 0;

		tell(ipv6, LB4_FORWARD_DSR_IPIP);
		frame_make(&f, &s);
		assert_int_equal(put(check_programs_out(programs), &f, LB4_CHECK_MARK, &out),
				 GO_ON);
		assert_int_equal(out.size, f.size + size);
		assert_memory_equal(out.data, f.data, ETHERNET);
		ip_of(wanted, s.from);
		assert_memory_equal(ip + (ipv6 ? 8 : 12), wanted + (ipv6 ? 0 : 12), ipv6 ? 16 : 4);
		ip_of(wanted, s.to);
		assert_memory_equal(ip + (ipv6 ? 24 : 16), wanted + (ipv6 ? 0 : 12), ipv6 ? 16 : 4);
		assert_int_equal(ip[ipv6 ? 6 : 9], ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
		for (size_t i = 0; i < 20; i += 2)
			sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
		if (!ipv6)
			assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
		assert_int_equal(ipv6 ? ip[4] << 8 | ip[5] : ip[2] << 8 | ip[3],
				 f.size - ETHERNET + (ipv6 ? 0 : 20));
		memmove(ip, ip + size, out.size - ETHERNET - size);
		out.size -= size;
		expect_segment(&out, &s, s.from, ipv6 ? VIP6 : VIP4);
	}
}

static void in(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct segment s = incoming(ipv6);
		struct frame f, out;

		tell(ipv6, LB4_FORWARD_DSR_IPIP);
		frame_make(&f, &s);
		assert_int_equal(put(check_programs_in(programs), &f, 0, &out), GO_ON);
		assert_int_equal(out.size, f.size);
		expect_segment(&out, &s, ipv6 ? BACKEND6 : BACKEND4, s.to);
	}
}

static void others_are_left_alone(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const int out = check_programs_out(programs), in = check_programs_in(programs);
		struct segment s = outgoing(ipv6);

		tell(ipv6, LB4_FORWARD_DSR_IPIP);
		expect_left(out, &s, 0);
		s.to_port++;
		expect_left(out, &s, LB4_CHECK_MARK);
		s = outgoing(ipv6);
		s.from_port += LB4_CHECKS; /* the same entry */
		expect_left(out, &s, LB4_CHECK_MARK);
		s = outgoing(ipv6);
		strcpy(s.to, ipv6 ? "fd00::3" : "10.0.0.3");
		expect_left(out, &s, LB4_CHECK_MARK);

		s = incoming(ipv6);
		s.from_port++;
		expect_left(in, &s, 0);
		s = incoming(ipv6);
		s.to_port += LB4_CHECKS;
		expect_left(in, &s, 0);
		s = incoming(ipv6);
		strcpy(s.from, ipv6 ? BACKEND6 : BACKEND4);
		expect_left(in, &s, 0);
		s = incoming(ipv6);
		entry()->own_port = 0;
		expect_left(in, &s, 0);
		s = outgoing(ipv6);
		expect_left(out, &s, LB4_CHECK_MARK);
	}
}

/* Every beginning of a packet: nothing comes of it but what is whole. */
static void cut_off(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const size_t whole = ETHERNET + (ipv6 ? 40u : 20u) + 20 + 7;
		struct segment s = outgoing(ipv6), answer = incoming(ipv6);
		struct frame f, out;

		tell(ipv6, LB4_FORWARD_DSR_L2);
		/* The kernel runs no program on less than an IP header. */
		for (size_t size = ETHERNET + (ipv6 ? 40u : 20u); size < whole; size++) {
			frame_make(&f, &s);
			f.size = size;
			assert_int_equal(
				put(check_programs_out(programs), &f, LB4_CHECK_MARK, &out), GO_ON);
			assert_memory_equal(out.data, f.data, size);
			frame_make(&f, &answer);
			f.size = size;
			assert_int_equal(put(check_programs_in(programs), &f, 0, &out), GO_ON);
			assert_memory_equal(out.data, f.data, size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out_on_the_link),
		cmocka_unit_test(out_in_packets),
		cmocka_unit_test(in),
		cmocka_unit_test(others_are_left_alone),
		cmocka_unit_test(cut_off),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
