// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/client_hello: recorded ClientHellos whole, cut at every length, byte by byte and in other
 * records, and made ones with all that a length or a name can get wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client_hello.h"

#include "config_files.h"
#include "test.h"

#define HELLOS SOURCE_ROOT "/tests/fuzz/corpus/hello/"

static uint8_t scratch[CLIENT_HELLO_MAX];

/* All at once, in a buffer of its own so that a sanitizer sees a byte too many. */
static enum client_hello_result read_once(const uint8_t *data, size_t size, size_t limit,
					  struct client_hello *ret)
{
	struct client_hello_scan scan = {};
	uint8_t *copy = malloc(size ? size : 1);
	enum client_hello_result r;

	memcpy(copy, data, size);
	*ret = (struct client_hello){};
	r = client_hello_read(&scan, copy, size, limit, scratch, ret);
	/* The protocols may lie in the copy. */
	if (r == CLIENT_HELLO_DONE && ret->alpn_size) {
		memmove(scratch, ret->alpn, ret->alpn_size);
		ret->alpn = scratch;
	}
	free(copy);
	return r;
}

/* "h2,http/1.1" */
static const char *protocols(const struct client_hello *h, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (size_t at = 0; at < h->alpn_size; at += 1 + (size_t)h->alpn[at])
		used += (size_t)snprintf(buffer + used, size - used, "%s%.*s", used ? "," : "",
					 h->alpn[at], (const char *)&h->alpn[at + 1]);
	return buffer;
}

/*
 * The first bytes that clients sent to a listener on the loopback address: openssl 3.0 s_client
 * (openssl-large offers 120 protocols), curl 7.88 with OpenSSL (asked for "shop.example.org."
 * without ALPN, for an IPv4 address, for http), gnutls-cli 3.7.
 */
static const struct {
	const char *file, *sni, *alpn;
	enum client_hello_result result;
} recorded[] = {
	{"openssl-tls13", "www.example.org", "h2,http/1.1", CLIENT_HELLO_DONE},
	{"openssl-tls12", "www.example.org", "", CLIENT_HELLO_DONE},
	{"openssl-tls10", "old.example.org", "", CLIENT_HELLO_DONE},
	{"openssl-no-name", NULL, "", CLIENT_HELLO_DONE},
	{"openssl-large", "large.example.org", NULL, CLIENT_HELLO_DONE},
	{"curl-h2", "api.example.org", "h2,http/1.1", CLIENT_HELLO_DONE},
	{"curl-http11", "api.example.org", "http/1.1", CLIENT_HELLO_DONE},
	{"curl-no-alpn", "shop.example.org", "", CLIENT_HELLO_DONE},
	{"curl-ipv4", NULL, "h2,http/1.1", CLIENT_HELLO_DONE},
	{"gnutls-tls13", "gnu.example.org", "h2", CLIENT_HELLO_DONE},
	{"curl-http-plain", NULL, "", CLIENT_HELLO_NOT_TLS},
};

static uint8_t *load(const char *name, size_t *ret_size)
{
	char path[512];

	snprintf(path, sizeof(path), HELLOS "%s", name);
	return (uint8_t *)read_file(path, ret_size);
}

static void check_recorded(size_t i, const struct client_hello *h)
{
	char text[4096];

	assert_int_equal(h->has_sni, recorded[i].sni != NULL);
	if (h->has_sni)
		assert_string_equal(h->sni, recorded[i].sni);
	if (recorded[i].alpn)
		assert_string_equal(protocols(h, text, sizeof(text)), recorded[i].alpn);
}

static void recorded_hellos_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		struct client_hello h;
		size_t size;
		uint8_t *data = load(recorded[i].file, &size);

		assert_int_equal(read_once(data, size, 16384, &h), recorded[i].result);
		if (recorded[i].result == CLIENT_HELLO_DONE)
			check_recorded(i, &h);
		else
			assert_string_equal(h.why, "not-tls");
		free(data);
	}
}

static void every_cut_wants_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		struct client_hello h;
		size_t size;
		uint8_t *data = load(recorded[i].file, &size);

		for (size_t n = 0; n < size && recorded[i].result == CLIENT_HELLO_DONE; n++)
			assert_int_equal(read_once(data, n, 16384, &h), CLIENT_HELLO_MORE);
		free(data);
	}
}

/* `message` in records of at most `most` bytes each. Returns the size. */
static size_t in_records(const uint8_t *message, size_t size, size_t most, uint8_t *ret)
{
	size_t used = 0;

	for (size_t at = 0; at < size; at += most) {
		size_t n = size - at < most ? size - at : most;
		const uint8_t header[] = {22, 3, 1, (uint8_t)(n >> 8), (uint8_t)n};

		memcpy(ret + used, header, sizeof(header));
		memcpy(ret + used + sizeof(header), message + at, n);
		used += sizeof(header) + n;
	}
	return used;
}

/* Grown byte by byte under one scan; the answer must come with the last byte of the message. */
static void check_trickle(const uint8_t *data, size_t size, struct client_hello *ret)
{
	struct client_hello_scan scan = {};

	for (size_t n = 0; n < size; n++)
		assert_int_equal(client_hello_read(&scan, data, n, CLIENT_HELLO_MAX, scratch, ret),
				 CLIENT_HELLO_MORE);
	assert_int_equal(client_hello_read(&scan, data, size, CLIENT_HELLO_MAX, scratch, ret),
			 CLIENT_HELLO_DONE);
}

static void bytes_may_trickle_in_any_records(void **state)
{
	static const size_t most[] = {1, 2, 3, 4, 5, 7, 64, 200, 511};
	static uint8_t cut[CLIENT_HELLO_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		struct client_hello h;
		size_t size;
		uint8_t *data = load(recorded[i].file, &size);

		if (recorded[i].result == CLIENT_HELLO_DONE) {
			check_trickle(data, size, &h);
			check_recorded(i, &h);
		}
		for (size_t j = 0; j < ARRAY_SIZE(most); j++) {
			if (recorded[i].result != CLIENT_HELLO_DONE)
				break;
			check_trickle(cut, in_records(data + 5, size - 5, most[j], cut), &h);
			check_recorded(i, &h);
		}
		free(data);
	}
}

/* What follows the message is the server's: more of the record, more records, anything. */
static void what_follows_is_not_judged(void **state)
{
	static uint8_t more[1024];
	struct client_hello h;
	size_t size;
	uint8_t *data = load("openssl-tls13", &size);

	(void)state;
	memcpy(more, data, size);
	memset(more + size, 0xff, sizeof(more) - size);
	assert_int_equal(read_once(more, sizeof(more), 16384, &h), CLIENT_HELLO_DONE);
	assert_string_equal(h.sni, "www.example.org");
	more[4] += 60; /* the record goes on behind the message */
	assert_int_equal(read_once(more, size, 16384, &h), CLIENT_HELLO_DONE);
	free(data);
}

/* --- made ones --- */

struct made {
	uint8_t bytes[CLIENT_HELLO_MAX];
	size_t size;
};

static void put(struct made *m, const void *bytes, size_t size)
{
	assert_true(m->size + size <= sizeof(m->bytes));
	memcpy(m->bytes + m->size, bytes, size);
	m->size += size;
}

static void put_number(struct made *m, size_t value, size_t bytes)
{
	for (size_t i = bytes; i-- > 0;) {
		uint8_t byte = (uint8_t)(value >> 8 * i);

		put(m, &byte, 1);
	}
}

/* A ClientHello in one record with this block of extensions. */
static void make_hello(struct made *m, const void *extensions, size_t size)
{
	static const uint8_t zero[32];
	size_t body = 2 + 32 + 1 + 2 + 4 + 1 + 1 + 2 + size;

	m->size = 0;
	put(m, "\x16\x03\x01", 3);
	put_number(m, body + 4, 2);
	put_number(m, 1, 1);
	put_number(m, body, 3);
	put(m, "\x03\x03", 2);
	put(m, zero, 32);
	put(m, "\0", 1);		     /* session */
	put(m, "\0\x04\x0a\x0a\x13\x01", 6); /* suites, the first of them GREASE */
	put(m, "\x01\0", 2);		     /* compression */
	put_number(m, size, 2);
	put(m, extensions, size);
}

#define BYTES(s) s, sizeof(s) - 1

/* Blocks of extensions, and what is read out of them. */
static const struct {
	const char *bytes;
	size_t size;
	const char *why; /* NULL: good */
	const char *sni, *alpn;
} blocks[] = {
	{BYTES(""), NULL, NULL, ""},
	{BYTES("\0\0\0\x06\0\x04\0\0\x01"
	       "a"),
	 NULL, "a", ""},
	/* GREASE: an extension before, one behind, a protocol. */
	{BYTES("\x0a\x0a\0\0\0\0\0\x06\0\x04\0\0\x01"
	       "a\x1a\x1a\0\x01\0"),
	 NULL, "a", ""},
	{BYTES("\0\x10\0\x08\0\x06\x02\x0a\x0a\x02h2"), NULL, NULL, "\x0a\x0a,h2"},
	{BYTES("\0\x10\0\x05\0\x03\x02h2\0\0\0\x06\0\x04\0\0\x01"
	       "a"),
	 NULL, "a", "h2"},
	/* Names: case, the last dot, what is no name. */
	{BYTES("\0\0\0\x0a\0\x08\0\0\x05"
	       "A.B-_"),
	 NULL, "a.b-_", ""},
	{BYTES("\0\0\0\x08\0\x06\0\0\x03"
	       "a.b"),
	 NULL, "a.b", ""},
	{BYTES("\0\0\0\x09\0\x07\0\0\x04"
	       "a.b."),
	 NULL, "a.b", ""},
	{BYTES("\0\0\0\x08\0\x06\0\0\x03"
	       "::1"),
	 NULL, "::1", ""},
	{BYTES("\0\0\0\x09\0\x07\0\0\x04"
	       "a.b "),
	 "sni-name"},
	{BYTES("\0\0\0\x09\0\x07\0\0\x04"
	       "a..b"),
	 "sni-name"},
	{BYTES("\0\0\0\x09\0\x07\0\0\x04"
	       ".a.b"),
	 "sni-name"},
	{BYTES("\0\0\0\x09\0\x07\0\0\x04"
	       "ab.."),
	 "sni-name"},
	{BYTES("\0\0\0\x06\0\x04\0\0\x01"
	       "."),
	 "sni-name"},
	{BYTES("\0\0\0\x08\0\x06\0\0\x03"
	       "a\0b"),
	 "sni-name"},
	{BYTES("\0\0\0\x08\0\x06\0\0\x03"
	       "a\"b"),
	 "sni-name"},
	{BYTES("\0\0\0\x08\0\x06\0\0\x03"
	       "*.b"),
	 "sni-name"},
	{BYTES("\0\0\0\x07\0\x05\0\0\x02"
	       "\xc3\xa4"),
	 "sni-name"},
	{BYTES("\0\0\0\x05\0\x03\0\0\0"), "sni-name"},
	/* Lists of names. */
	{BYTES("\0\0\0\0"), "sni-length"},
	{BYTES("\0\0\0\x02\0\0"), "sni-length"},
	{BYTES("\0\0\0\x06\0\x05\0\0\x01"
	       "a"),
	 "sni-length"},
	{BYTES("\0\0\0\x06\0\x03\0\0\x01"
	       "a"),
	 "sni-length"},
	{BYTES("\0\0\0\x06\0\x04\0\0\x02"
	       "a"),
	 "sni-length"},
	{BYTES("\0\0\0\x07\0\x04\0\0\x01"
	       "ab"),
	 "sni-length"},
	{BYTES("\0\0\0\x03\0\x01\0"), "sni-length"},
	{BYTES("\0\0\0\x0a\0\x08\x07\0\x01x\0\0\x01"
	       "a"),
	 NULL, "a", ""},
	{BYTES("\0\0\0\x06\0\x04\x07\0\x01x"), NULL, NULL, ""},
	{BYTES("\0\0\0\x0a\0\x08\0\0\x01"
	       "a\0\0\x01"
	       "b"),
	 "sni-twice"},
	/* Protocols. */
	{BYTES("\0\x10\0\0"), "alpn-length"},
	{BYTES("\0\x10\0\x02\0\0"), "alpn-length"},
	{BYTES("\0\x10\0\x03\0\x01\0"), "alpn-length"},
	{BYTES("\0\x10\0\x05\0\x03\x03h2"), "alpn-length"},
	{BYTES("\0\x10\0\x06\0\x03\x02h2x"), "alpn-length"},
	{BYTES("\0\x10\0\x06\0\x04\x02h2\x05"), "alpn-length"},
	/* Extensions. */
	{BYTES("\0"), "extension-length"},
	{BYTES("\0\0\0"), "extension-length"},
	{BYTES("\0\x05\0\x02x"), "extension-length"},
	{BYTES("\0\0\0\x06\0\x04\0\0\x01"
	       "a\0\0\0\x06\0\x04\0\0\x01"
	       "b"),
	 "extension-twice"},
	{BYTES("\0\x10\0\x05\0\x03\x02h2\0\x10\0\x05\0\x03\x02h3"), "extension-twice"},
	{BYTES("\x0a\x0a\0\0\x0a\x0a\0\0"), NULL, NULL, ""},
};

static void blocks_of_extensions(void **state)
{
	static struct made m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		enum client_hello_result r;
		struct client_hello h;
		char text[64];

		make_hello(&m, blocks[i].bytes, blocks[i].size);
		for (size_t n = 0; n < m.size; n++)
			assert_int_equal(read_once(m.bytes, n, 16384, &h), CLIENT_HELLO_MORE);
		r = read_once(m.bytes, m.size, 16384, &h);
		if (blocks[i].why) {
			if (r != CLIENT_HELLO_MALFORMED || strcmp(h.why, blocks[i].why))
				fail_msg("block %zu: %d, %s", i, r, h.why);
			assert_false(h.has_sni);
			assert_int_equal(h.alpn_size, 0);
			continue;
		}
		if (r != CLIENT_HELLO_DONE)
			fail_msg("block %zu: %d, %s", i, r, h.why);
		assert_null(h.why);
		assert_int_equal(h.has_sni, blocks[i].sni != NULL);
		if (h.has_sni)
			assert_string_equal(h.sni, blocks[i].sni);
		assert_string_equal(protocols(&h, text, sizeof(text)), blocks[i].alpn);
	}
}

/* Before the extensions: a byte of a good hello is another, and what is said of it. */
static const struct {
	size_t at;
	uint8_t byte;
	enum client_hello_result result;
	const char *why;
} bents[] = {
	{0, 23, CLIENT_HELLO_NOT_TLS, "not-tls"},
	{0, 0x80, CLIENT_HELLO_NOT_TLS, "not-tls"},
	{1, 2, CLIENT_HELLO_NOT_TLS, "not-tls"},
	{2, 0xff, CLIENT_HELLO_DONE, NULL}, /* the minor version is not looked at */
	{3, 0x7f, CLIENT_HELLO_MALFORMED, "record-length"},
	{5, 2, CLIENT_HELLO_MALFORMED, "message-type"},
	{6, 1, CLIENT_HELLO_TOO_LONG, "message-length"},
	{7, 0x40, CLIENT_HELLO_TOO_LONG, "message-length"},
	{8, 0, CLIENT_HELLO_MALFORMED, "version"},
	{9, 2, CLIENT_HELLO_MALFORMED, "version"},
	{10, 0, CLIENT_HELLO_DONE, NULL},
	{43, 33, CLIENT_HELLO_MALFORMED, "session-length"},
	{43, 255, CLIENT_HELLO_MALFORMED, "session-length"},
	{44, 1, CLIENT_HELLO_MALFORMED, "cipher-suites-length"},
	{45, 0, CLIENT_HELLO_MALFORMED, "cipher-suites-length"},
	{45, 3, CLIENT_HELLO_MALFORMED, "cipher-suites-length"},
	{50, 0, CLIENT_HELLO_MALFORMED, "compression-length"},
	{50, 255, CLIENT_HELLO_MALFORMED, "compression-length"},
	{53, 9, CLIENT_HELLO_MALFORMED, "extensions-length"},
	{53, 11, CLIENT_HELLO_MALFORMED, "extensions-length"},
};

static void lengths_that_lie(void **state)
{
	static struct made m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bents); i++) {
		enum client_hello_result r;
		struct client_hello h;

		make_hello(&m, BYTES("\0\0\0\x06\0\x04\0\0\x01"
				     "a"));
		m.bytes[bents[i].at] = bents[i].byte;
		if (bents[i].at == 8) {
			/* A message of no bytes at all. */
			m.bytes[7] = 0;
		}
		r = read_once(m.bytes, m.size, 16384, &h);
		if (r != bents[i].result || (r != CLIENT_HELLO_DONE && strcmp(h.why, bents[i].why)))
			fail_msg("byte %zu = %u: %d, %s", bents[i].at, bents[i].byte, r, h.why);
	}
}

/* Whatever byte is whatever: an answer, and no byte beyond the end is touched. */
static void any_byte_may_be_anything(void **state)
{
	struct client_hello h;
	size_t size;
	uint8_t *data = load("openssl-tls13", &size);

	(void)state;
	for (size_t at = 0; at < size; at++) {
		uint8_t was = data[at];

		for (unsigned byte = 0; byte < 256; byte += 1 + (at > 5)) {
			data[at] = (uint8_t)byte;
			read_once(data, size, 16384, &h);
		}
		data[at] = was;
	}
	free(data);
}

static void other_protocols_are_recognised(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		enum client_hello_result result;
		const char *why;
	} cases[] = {
		{BYTES("G"), CLIENT_HELLO_NOT_TLS, "not-tls"},
		{BYTES("SSH-2.0-OpenSSH_9.2\r\n"), CLIENT_HELLO_NOT_TLS, "not-tls"},
		{BYTES("\0\0\0\x08"), CLIENT_HELLO_NOT_TLS, "not-tls"},
		{BYTES("\x16G"), CLIENT_HELLO_NOT_TLS, "not-tls"},
		{BYTES("\x15\x03\x01\0\x02\x02\x28"), CLIENT_HELLO_NOT_TLS, "not-tls"},
		{BYTES("\x80"), CLIENT_HELLO_MORE, NULL},
		{BYTES("\x80\x2e\x01"), CLIENT_HELLO_MORE, NULL},
		{BYTES("\x80\x2e\x01\0\x02"), CLIENT_HELLO_NOT_TLS, "ssl2"},
		{BYTES("\x80\x2e\x01\x03\x01\0\x15"), CLIENT_HELLO_NOT_TLS, "ssl2"},
		{BYTES("\x80\x2e\x02"), CLIENT_HELLO_NOT_TLS, "not-tls"},
		{BYTES("\x80\x2e\x01\x04"), CLIENT_HELLO_NOT_TLS, "not-tls"},
		{BYTES("\x80\x2e\x01\0\x03"), CLIENT_HELLO_NOT_TLS, "not-tls"},
		{BYTES("\x16\x03\x01\0\0"), CLIENT_HELLO_MALFORMED, "record-length"},
		{BYTES("\x16\x03\x01\0\x01\x01\x17"), CLIENT_HELLO_MALFORMED, "record-type"},
		{BYTES("\x16\x03\x01\0\x01\x01\x16\x02"), CLIENT_HELLO_MALFORMED, "record-version"},
		{BYTES("\x16\x03\x01\0\x01\x01\x16\x03\x01\0\0"), CLIENT_HELLO_MALFORMED,
		 "record-length"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client_hello h;
		enum client_hello_result r =
			read_once((const uint8_t *)cases[i].bytes, cases[i].size, 16384, &h);

		if (r != cases[i].result || (cases[i].why && strcmp(h.why, cases[i].why)))
			fail_msg("case %zu: %d, %s", i, r, h.why);
	}
}

/* A hello of exactly the limit is taken, one of a byte more is not, and is not waited for. */
static void the_limit_is_exact(void **state)
{
	static uint8_t padding[CLIENT_HELLO_MAX];
	static struct made m, cut;
	struct client_hello h;

	(void)state;
	padding[1] = 21; /* an extension of zeros */
	for (size_t limit = 512; limit <= 16384; limit *= 2) {
		size_t size = limit - 54; /* of the block of extensions */

		padding[2] = (uint8_t)((size - 4) >> 8);
		padding[3] = (uint8_t)(size - 4);
		make_hello(&m, padding, size);
		assert_int_equal(m.size, limit);
		assert_int_equal(read_once(m.bytes, limit - 1, limit, &h), CLIENT_HELLO_MORE);
		assert_int_equal(read_once(m.bytes, limit, limit, &h), CLIENT_HELLO_DONE);
		assert_int_equal(read_once(m.bytes, 9, limit - 1, &h), CLIENT_HELLO_TOO_LONG);
		assert_string_equal(h.why, "message-length");
		assert_int_equal(read_once(m.bytes, 9, limit, &h), CLIENT_HELLO_MORE);
		/* In two records it needs five bytes more. */
		if (limit + 5 > CLIENT_HELLO_MAX)
			continue;
		cut.size = in_records(m.bytes + 5, limit - 5, limit / 2, cut.bytes);
		assert_int_equal(read_once(cut.bytes, limit, limit, &h), CLIENT_HELLO_TOO_LONG);
		assert_string_equal(h.why, "bytes");
		assert_int_equal(read_once(cut.bytes, cut.size, cut.size, &h), CLIENT_HELLO_DONE);
	}
}

/* The longest there can be: 32 KiB in three records. */
static void the_largest_of_all(void **state)
{
	static uint8_t block[CLIENT_HELLO_MAX], whole[CLIENT_HELLO_MAX];
	static struct made m;
	size_t size = CLIENT_HELLO_MAX - 2 * 5 - 54;
	struct client_hello h;

	(void)state;
	memcpy(block,
	       "\0\0\0\x06\0\x04\0\0\x01"
	       "a\0\x15",
	       12);
	block[12] = (uint8_t)((size - 14) >> 8);
	block[13] = (uint8_t)(size - 14);
	make_hello(&m, block, size);
	size = in_records(m.bytes + 5, m.size - 5, 16000, whole);
	assert_int_equal(size, CLIENT_HELLO_MAX);
	assert_int_equal(read_once(whole, size - 1, CLIENT_HELLO_MAX, &h), CLIENT_HELLO_MORE);
	assert_int_equal(read_once(whole, size, CLIENT_HELLO_MAX, &h), CLIENT_HELLO_DONE);
	assert_string_equal(h.sni, "a");
}

/* However the bytes come in pieces, the answer is that of all at once. */
static void pieces_make_no_difference(void **state)
{
	static uint8_t cut[CLIENT_HELLO_MAX];
	unsigned seed = (unsigned)time(NULL);
	size_t size;
	uint8_t *data = load("openssl-large", &size);

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (unsigned round = 0; round < 2000; round++) {
		size_t n_cut = in_records(data + 5, size - 5, 1 + (size_t)rand() % 300, cut);
		struct client_hello_scan scan = {};
		struct client_hello h = {}, once;
		enum client_hello_result r = CLIENT_HELLO_MORE;
		size_t n = 0;

		for (int bent = rand() % 3; bent > 0; bent--)
			cut[(size_t)rand() % n_cut] = (uint8_t)rand();
		while (r == CLIENT_HELLO_MORE && n < n_cut) {
			n += 1 + (size_t)rand() % 400;
			n = n < n_cut ? n : n_cut;
			r = client_hello_read(&scan, cut, n, 16384, scratch, &h);
		}
		assert_int_equal(r, read_once(cut, n, 16384, &once));
		assert_int_equal(h.has_sni, once.has_sni);
		assert_string_equal(h.sni, once.sni);
		assert_int_equal(h.alpn_size, once.alpn_size);
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_hellos_are_read),
		cmocka_unit_test(every_cut_wants_more),
		cmocka_unit_test(bytes_may_trickle_in_any_records),
		cmocka_unit_test(what_follows_is_not_judged),
		cmocka_unit_test(blocks_of_extensions),
		cmocka_unit_test(lengths_that_lie),
		cmocka_unit_test(any_byte_may_be_anything),
		cmocka_unit_test(other_protocols_are_recognised),
		cmocka_unit_test(the_limit_is_exact),
		cmocka_unit_test(the_largest_of_all),
		cmocka_unit_test(pieces_make_no_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
