// SPDX-License-Identifier: BSD-2-Clause
/* tools/lbctl/pcapng: every byte of a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcapng.h"

#include "test.h"

/* A block's parts, as they are to be. */
struct expected {
	uint8_t bytes[1024];
	size_t size;
};

static void add(struct expected *e, const void *bytes, size_t size)
{
	assert_true(e->size + size <= sizeof(e->bytes));
	memcpy(e->bytes + e->size, bytes, size);
	e->size += size;
}

/* Of this machine's byte order. */
static void add32(struct expected *e, uint32_t value)
{
	add(e, &value, 4);
}

static void add16(struct expected *e, uint16_t value)
{
	add(e, &value, 2);
}

static void expect_section(struct expected *e)
{
	static const char name[] = "lbctl " LB4_VERSION;
	uint32_t padded = ((uint32_t)strlen(name) + 3u) & ~3u;

	add32(e, 0x0a0d0d0a);
	add32(e, 28 + 4 + padded + 4);
	add32(e, 0x1a2b3c4d);
	add16(e, 1);
	add16(e, 0);
	add(e, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	add16(e, 4);
	add16(e, (uint16_t)strlen(name));
	add(e, name, strlen(name));
	add(e, "\0\0\0", padded - strlen(name));
	add(e, "\0\0\0\0", 4);
	add32(e, 28 + 4 + padded + 4);
}

/* Of a name of five to eight bytes. */
static void expect_interface(struct expected *e, const char *name)
{
	add32(e, 1);
	add32(e, 20 + 12 + 8 + 4);
	add16(e, 1);
	add16(e, 0);
	add32(e, 256);
	add16(e, 2);
	add16(e, (uint16_t)strlen(name));
	add(e, name, strlen(name));
	add(e, "\0\0\0", 8 - strlen(name));
	add16(e, 9);
	add16(e, 1);
	add(e, "\x09\0\0\0", 4);
	add(e, "\0\0\0\0", 4);
	add32(e, 20 + 12 + 8 + 4);
}

/* Of three bytes and a comment of six. */
static void expect_packet(struct expected *e, uint32_t interface)
{
	add32(e, 6);
	add32(e, 32 + 4 + 12 + 4);
	add32(e, interface);
	add32(e, 0x18eae3b3); /* the time's upper half first */
	add32(e, 0xf5dd2d15);
	add32(e, 3);
	add32(e, 1514);
	add(e, "\x01\x02\x03\0", 4);
	add16(e, 1);
	add16(e, 6);
	add(e, "ttl, x\0\0", 8);
	add(e, "\0\0\0\0", 4);
	add32(e, 32 + 4 + 12 + 4);
}

static void writes_a_file(void **state)
{
	struct pcapng_packet packet = {
		.wall = 0x18eae3b3f5dd2d15,
		.interface = "to-b1",
		.comment = "ttl, x",
		.bytes = (const uint8_t *)"\x01\x02\x03",
		.kept = 3,
		.size = 1514,
	};
	struct expected e = {};
	struct pcapng p;
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	pcapng_begin(&p, file, 256);
	expect_section(&e);
	for (unsigned i = 0; i < 4; i++) {
		packet.interface = i % 2 ? "to-web1" : "to-b1";
		if (i < 2)
			expect_interface(&e, packet.interface);
		pcapng_write(&p, &packet);
		expect_packet(&e, i % 2);
	}
	assert_int_equal(fclose(file), 0);
	assert_int_equal(size, e.size);
	assert_memory_equal(text, e.bytes, size);
	free(text);
}

/* The length at a block's end is that at its beginning, whatever is in it. */
static void blocks_end_as_they_begin(void **state)
{
	static uint8_t bytes[PCAPNG_BYTES_MAX];
	static char comment[2 * PCAPNG_TEXT_MAX], name[2 * PCAPNG_NAME_MAX];
	struct pcapng p;
	char *text;
	size_t size, at = 0, n_blocks = 0;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	memset(comment, 'c', sizeof(comment) - 1);
	memset(name, 'n', sizeof(name) - 1);
	pcapng_begin(&p, file, 256);
	for (unsigned i = 0; i < 100; i++) {
		char interface[32];
		struct pcapng_packet packet = {
			.interface = i ? interface : name,
			.comment = i ? comment + i : comment,
			.bytes = bytes,
			.kept = i ? i : PCAPNG_BYTES_MAX,
			.size = 1514,
		};

		/* More of them than are told apart. */
		snprintf(interface, sizeof(interface), "eth%u", i);
		pcapng_write(&p, &packet);
	}
	assert_int_equal(fclose(file), 0);
	while (at < size) {
		uint32_t length, again;

		memcpy(&length, text + at + 4, 4);
		assert_true(length % 4 == 0 && length >= 12 && length <= size - at);
		memcpy(&again, text + at + length - 4, 4);
		assert_int_equal(length, again);
		at += length;
		n_blocks++;
	}
	assert_int_equal(n_blocks, 1 + PCAPNG_INTERFACES_MAX + 100);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_a_file),
		cmocka_unit_test(blocks_end_as_they_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
