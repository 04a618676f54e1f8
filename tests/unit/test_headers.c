// SPDX-License-Identifier: BSD-2-Clause
#include <netinet/in.h>
#include <string.h>

#include "headers.h"

#include "test.h"

static const uint8_t ipv4[] = {
	2,    0,    0,	 0,   0,    1,	  2,	0,    0,   0,	0, 2, 0x08, 0x00, /* Ethernet */
	0x45, 0,    0,	 50,  0x47, 0x11, 0,	0,    64,  6,	0, 0,		  /* IP, 50 bytes */
	198,  51,   100, 7,   192,  0,	  2,	1,				  /* addresses */
	0x9c, 0x40, 0,	 80,  0xee, 0x6b, 0x28, 0x00, 0,   0,	0, 7,		  /* TCP */
	0x60, 0x12, 2,	 0,   0,    0,	  0,	0,		/* 24 bytes of header */
	2,    4,    5,	 180, 'a',  'b',  'c',	'd',  'e', 'f', /* an option, payload */
};

static const uint8_t ipv6[] = {
	2,    0,    0,	  0,	0,   1,	  2,   0,  0, 0, 0, 2, 0x86, 0xdd, /* Ethernet */
	0x60, 0,    0,	  0,	0,   23,  6,   64,			   /* IP, 23 bytes follow */
	0x20, 1,    0x0d, 0xb8, 0,   0,	  0,   0,  0, 0, 0, 0, 0,    0,	   0, 7, /* from */
	0x20, 1,    0x0d, 0xb8, 0,   0,	  0,   0,  0, 0, 0, 0, 0,    0,	   0, 1, /* to */
	0x9c, 0x40, 0,	  80,	0,   0,	  0,   1,  0, 0, 0, 2, 0x50, 0x18, 1, 0,
	0,    0,    0,	  0,	'a', 'b', 'c',
};

static void assert_address(const struct address *a, const char *expected)
{
	char text[ADDRESS_TEXT_MAX];

	assert_string_equal(address_print(a, text), expected);
}

static void reads_ipv4(void **state)
{
	struct headers f;

	(void)state;
	headers_read(ipv4, sizeof(ipv4), sizeof(ipv4), &f);
	assert_true(f.is_ip && f.has_ports && f.has_tcp && !f.fragment);
	assert_int_equal(f.protocol, IPPROTO_TCP);
	assert_address(&f.from, "198.51.100.7:40000");
	assert_address(&f.to, "192.0.2.1:80");
	assert_int_equal(f.flags, 0x12);
	assert_int_equal(f.sequence, 4000000000);
	assert_int_equal(f.acknowledged, 7);
	assert_int_equal(f.window, 512);
	assert_int_equal(f.payload, 6);
}

static void reads_ipv6(void **state)
{
	struct headers f;

	(void)state;
	headers_read(ipv6, sizeof(ipv6), sizeof(ipv6), &f);
	assert_true(f.is_ip && f.has_ports && f.has_tcp && !f.fragment);
	assert_address(&f.from, "[2001:db8::7]:40000");
	assert_address(&f.to, "[2001:db8::1]:80");
	assert_int_equal(f.flags, 0x18);
	assert_int_equal(f.payload, 3);
}

/* Whatever is not there any more is not told, and lengths are those of the headers. */
static void reads_beginnings(void **state)
{
	struct headers f;

	(void)state;
	for (size_t kept = 0; kept <= sizeof(ipv4); kept++) {
		headers_read(ipv4, kept, sizeof(ipv4), &f);
		assert_int_equal(f.is_ip, kept >= 34);
		assert_int_equal(f.has_ports, kept >= 38);
		assert_int_equal(f.has_tcp, kept >= 54);
		assert_int_equal(f.payload, kept >= 54 ? 6 : 0);
	}
	for (size_t kept = 0; kept <= sizeof(ipv6); kept++) {
		headers_read(ipv6, kept, sizeof(ipv6), &f);
		assert_int_equal(f.is_ip, kept >= 54);
		assert_int_equal(f.has_ports, kept >= 58);
		assert_int_equal(f.has_tcp, kept >= 74);
	}
}

static void reads_odd_ones(void **state)
{
	uint8_t odd[sizeof(ipv6) + 8];
	struct headers f;

	(void)state;
	/* A bundle too long for its own field. */
	memcpy(odd, ipv4, sizeof(ipv4));
	odd[16] = odd[17] = 0;
	headers_read(odd, sizeof(ipv4), 14 + 70000, &f);
	assert_int_equal(f.payload, 70000 - 44);
	/* Options; a header that ends before it has begun; the first fragment, and a later one. */
	memcpy(odd, ipv4, sizeof(ipv4));
	odd[14] = 0x46;
	headers_read(odd, sizeof(ipv4), sizeof(ipv4), &f);
	assert_int_equal(f.from.port, 0xee6b);
	odd[14] = 0x44;
	headers_read(odd, sizeof(ipv4), sizeof(ipv4), &f);
	assert_true(f.is_ip && !f.has_ports);
	odd[14] = 0x45;
	odd[20] = 0x20;
	headers_read(odd, sizeof(ipv4), sizeof(ipv4), &f);
	assert_true(f.fragment && f.has_ports);
	odd[21] = 1;
	headers_read(odd, sizeof(ipv4), sizeof(ipv4), &f);
	assert_true(f.fragment && !f.has_ports);
	/* IPv6's fragments. */
	memcpy(odd, ipv6, 54);
	odd[20] = IPPROTO_FRAGMENT;
	memcpy(odd + 54, (const uint8_t[]){6, 0, 0, 1, 0, 0, 0, 9}, 8);
	memcpy(odd + 62, ipv6 + 54, sizeof(ipv6) - 54);
	headers_read(odd, sizeof(odd), sizeof(odd), &f);
	assert_true(f.fragment && f.has_tcp);
	assert_int_equal(f.protocol, IPPROTO_TCP);
	assert_address(&f.to, "[2001:db8::1]:80");
	odd[57] = 9;
	headers_read(odd, sizeof(odd), sizeof(odd), &f);
	assert_true(f.fragment && !f.has_ports);
	/* Neither, and ICMP. */
	odd[12] = 8;
	odd[13] = 6;
	headers_read(odd, sizeof(odd), sizeof(odd), &f);
	assert_false(f.is_ip);
	memcpy(odd, ipv4, sizeof(ipv4));
	odd[23] = IPPROTO_ICMP;
	headers_read(odd, sizeof(ipv4), sizeof(ipv4), &f);
	assert_true(f.is_ip && !f.has_ports);
	assert_int_equal(f.protocol, IPPROTO_ICMP);
}

static void prints_flags(void **state)
{
	char text[TCP_FLAGS_MAX];

	(void)state;
	assert_string_equal(headers_print_flags(0, text), "");
	assert_string_equal(headers_print_flags(0x02, text), "SYN");
	assert_string_equal(headers_print_flags(0x11, text), "FIN,ACK");
	assert_string_equal(headers_print_flags(0xff, text), "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_ipv4),	    cmocka_unit_test(reads_ipv6),
		cmocka_unit_test(reads_beginnings), cmocka_unit_test(reads_odd_ones),
		cmocka_unit_test(prints_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
