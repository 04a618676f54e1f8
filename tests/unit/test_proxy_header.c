// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "proxy_header.h"
#include "test.h"

#define SIG  "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 SIG "\x21\x11"
#define IPS4 "\xc0\x00\x02\x07\xc0\x00\x02\x0a\x9c\xb0\x01\xbb"

struct bytes {
	const char *data;
	size_t size;
};
#define BYTES(text)                                                                                \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

static void reads(void **state)
{
	static const struct {
		struct bytes in;
		bool local;
		const char *source, *destination; /* NULL: no addresses */
		size_t size;			  /* 0: all of it */
	} cases[] = {
		{BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 40112 443\r\n"), false, "192.0.2.7:40112",
		 "192.0.2.10:443", 0},
		{BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 40112 443\r\nGET"), false,
		 "192.0.2.7:40112", "192.0.2.10:443", 43},
		{BYTES("PROXY TCP6 2001:db8::7 2001:db8::a 1 65535\r\n"), false, "[2001:db8::7]:1",
		 "[2001:db8::a]:65535", 0},
		{BYTES("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.10 0 1\r\n"), false,
		 "192.0.2.7:0", "192.0.2.10:1", 0},
		{BYTES("PROXY UNKNOWN\r\n"), false, NULL, NULL, 0},
		{BYTES("PROXY UNKNOWN whatever stands here\r\nX"), false, NULL, NULL, 36},
		{BYTES(TCP4 "\x00\x0c" IPS4), false, "192.0.2.7:40112", "192.0.2.10:443", 0},
		{BYTES(TCP4 "\x00\x0c" IPS4 "\x00"), false, "192.0.2.7:40112", "192.0.2.10:443",
		 28},
		/* A TLV of a kind nobody knows, one without a value. */
		{BYTES(TCP4 "\x00\x13" IPS4 "\xe0\x00\x01z\x04\x00\x00"), false, "192.0.2.7:40112",
		 "192.0.2.10:443", 0},
		{BYTES(SIG "\x20\x00\x00\x00"), true, NULL, NULL, 0},
		{BYTES(SIG "\x20\x11\x00\x0c" IPS4), true, NULL, NULL, 0},
		{BYTES(SIG "\x21\x00\x00\x00"), false, NULL, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = cases[i].size ? cases[i].size : cases[i].in.size;
		char text[ADDRESS_TEXT_MAX];
		struct proxy_header h = {};
		const char *why;

		if (proxy_header_read((const uint8_t *)cases[i].in.data, cases[i].in.size, &h,
				      &why) != PROXY_READ)
			fail_msg("case %zu: %s", i, why);
		assert_int_equal(h.size, size);
		assert_int_equal(h.local, cases[i].local);
		assert_int_equal(h.has_addresses, cases[i].source != NULL);
		if (cases[i].source) {
			assert_string_equal(address_print(&h.source, text), cases[i].source);
			assert_string_equal(address_print(&h.destination, text),
					    cases[i].destination);
		}
		/* Every beginning of it is in need of more. */
		for (size_t n = 0; n < size; n++)
			assert_int_equal(
				proxy_header_read((const uint8_t *)cases[i].in.data, n, &h, &why),
				PROXY_MORE);
	}
}

static void refuses(void **state)
{
	static const struct {
		struct bytes in;
		enum proxy_result result;
	} cases[] = {
		{BYTES("GET / HTTP/1.1\r\n"), PROXY_ABSENT},
		{BYTES("PROXZ"), PROXY_ABSENT},
		{BYTES("\r\n\r\n\0\r\nQUIX"), PROXY_ABSENT},
		{BYTES("proxy TCP4"), PROXY_ABSENT},
		{BYTES("\x16\x03\x01"), PROXY_ABSENT},
		{BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 40112 443\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 40112\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 40112 443 \r\n"), PROXY_BROKEN},
		{BYTES("PROXY  TCP4 192.0.2.7 192.0.2.10 40112 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 192.0.2.7  192.0.2.10 40112 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 65536 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 0x10 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 007 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 -1 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 192.0.2 192.0.2.10 1 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 2001:db8::7 2001:db8::a 1 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP6 192.0.2.7 192.0.2.10 1 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY UDP4 192.0.2.7 192.0.2.10 1 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY TCP4 192.0.2.7\0 192.0.2.10 1 443\r\n"), PROXY_BROKEN},
		{BYTES("PROXY UNKNOWNWORD\r\n"), PROXY_BROKEN},
		{BYTES("PROXY \r\n"), PROXY_BROKEN},
		{BYTES("PROXY UNKNOWN ........................................................."
		       ".................................................................."),
		 PROXY_BROKEN},
		{BYTES(SIG "\x11\x11\x00\x0c" IPS4), PROXY_BROKEN}, /* version 1 in binary */
		{BYTES(SIG "\x22"), PROXY_BROKEN},		    /* a command nobody knows */
		{BYTES(SIG "\x21\x12\x00\x0c" IPS4), PROXY_BROKEN}, /* UDP */
		{BYTES(SIG "\x21\x31\x00\x0c" IPS4), PROXY_BROKEN}, /* a Unix socket */
		{BYTES(TCP4 "\x00\x0b" IPS4), PROXY_BROKEN},
		{BYTES(SIG "\x21\x21\x00\x0c" IPS4), PROXY_BROKEN},
		{BYTES(TCP4 "\x00\x0e" IPS4 "\x04\x00"), PROXY_BROKEN},
		{BYTES(TCP4 "\x00\x0f" IPS4 "\x04\x00\x01"), PROXY_BROKEN},
		{BYTES(TCP4 "\x00\x13" IPS4 "\x03\x00\x04zzzz"), PROXY_BROKEN},
		{BYTES(TCP4 "\x00\x0f" IPS4 "\x03\x00\x00"), PROXY_BROKEN},
		{BYTES(TCP4 "\x20\x00"), PROXY_BROKEN}, /* longer than is read */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct proxy_header h;
		const char *why = NULL;
		enum proxy_result r = proxy_header_read((const uint8_t *)cases[i].in.data,
							cases[i].in.size, &h, &why);

		if (r != cases[i].result)
			fail_msg("case %zu: %d", i, r);
		assert_int_equal(why != NULL, r == PROXY_BROKEN);
	}
}

static struct address address(const char *text)
{
	struct address a;
	const char *why;

	assert_int_equal(address_parse(text, false, &a, &why), 0);
	return a;
}

static void prints_what_it_reads(void **state)
{
	static const char *const ends[][2] = {
		{"192.0.2.7:40112", "192.0.2.10:443"},
		{"[2001:db8::7]:1", "[2001:db8::a]:2"},
		{"192.0.2.7:40112", "[2001:db8::a]:2"}, /* from one family to the other */
		{NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		for (unsigned version = PROXY_V1; version <= PROXY_V2; version++) {
			uint8_t buffer[PROXY_HEADER_SIZE_MAX];
			struct proxy_header back, h = {
							  .version = version,
							  .has_addresses = ends[i][0],
							  .unique_id = (const uint8_t *)"1234",
							  .unique_id_size = 4,
						  };
			const char *why;
			size_t size;

			if (h.has_addresses) {
				h.source = address(ends[i][0]);
				h.destination = address(ends[i][1]);
			}
			size = proxy_header_print(&h, buffer);
			assert_int_equal(proxy_header_read(buffer, size, &back, &why), PROXY_READ);
			assert_int_equal(back.version, version);
			assert_int_equal(back.size, size);
			assert_int_equal(back.has_addresses, h.has_addresses);
			if (h.has_addresses) {
				assert_true(address_equal(&back.source, &h.source));
				assert_true(address_equal(&back.destination, &h.destination));
			}
			if (version == PROXY_V2 && h.has_addresses) {
				assert_int_equal(back.unique_id_size, 4);
				assert_memory_equal(back.unique_id, "1234", 4);
			}
			/* No bit before the checksum can change unseen. */
			for (size_t bit = 0;
			     version == PROXY_V2 && h.has_addresses && bit < (size - 7) * 8;
			     bit++) {
				struct proxy_header other;

				buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
				if (proxy_header_read(buffer, size, &other, &why) == PROXY_READ)
					assert_false(other.has_addresses && other.size == size);
				buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
		}
}

static void longest_fits(void **state)
{
	uint8_t buffer[PROXY_HEADER_SIZE_MAX], id[PROXY_UNIQUE_ID_MAX] = {};
	struct proxy_header h = {
		.version = PROXY_V2,
		.has_addresses = true,
		.source = address("[2001:db8::7]:1"),
		.destination = address("[2001:db8::a]:2"),
		.unique_id = id,
		.unique_id_size = sizeof(id),
	};

	(void)state;
	assert_int_equal(proxy_header_print(&h, buffer), PROXY_HEADER_SIZE_MAX);
}

/* RFC 3720 §B.4 */
static void checksum(void **state)
{
	uint8_t data[32];

	(void)state;
	memset(data, 0, sizeof(data));
	assert_int_equal(proxy_crc32c(0, data, sizeof(data)), 0x8a9136aa);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(proxy_crc32c(0, data, sizeof(data)), 0x62a8ab43);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	assert_int_equal(proxy_crc32c(0, data, sizeof(data)), 0x46dd794e);
	assert_int_equal(proxy_crc32c(proxy_crc32c(0, data, 7), data + 7, 25), 0x46dd794e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(refuses),
		cmocka_unit_test(prints_what_it_reads),
		cmocka_unit_test(longest_fits),
		cmocka_unit_test(checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
