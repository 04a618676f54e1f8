// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <string.h>

#include "pcapng.h"

#define SECTION_HEADER	      0x0a0d0d0au
#define INTERFACE_DESCRIPTION 1u
#define ENHANCED_PACKET	      6u

#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LINK_ETHERNET	 1

#define OPTION_END	   0
#define OPTION_COMMENT	   1
#define OPTION_APPLICATION 4 /* of a section */
#define OPTION_NAME	   2 /* of an interface … */
#define OPTION_RESOLUTION  9

#define NANOSECONDS 9 /* 10^-9 */

/* One block, in this machine's byte order: the section says which that is. */
struct block {
	uint8_t bytes[64 + PCAPNG_BYTES_MAX + PCAPNG_TEXT_MAX];
	size_t size;
};

static void put(struct block *b, const void *data, size_t size)
{
	static const uint8_t zeros[4];
	size_t padding = -size & 3u;

	assert(b->size + size + padding <= sizeof(b->bytes));
	memcpy(b->bytes + b->size, data, size);
	memcpy(b->bytes + b->size + size, zeros, padding);
	b->size += size + padding;
}

static void put32(struct block *b, uint32_t value)
{
	put(b, &value, sizeof(value));
}

static void put16_twice(struct block *b, uint16_t first, uint16_t second)
{
	const uint16_t both[] = {first, second};

	put(b, both, sizeof(both));
}

static void put_option(struct block *b, uint16_t option, const void *value, size_t size)
{
	put16_twice(b, option, (uint16_t)size);
	put(b, value, size);
}

static void begin(struct block *b, uint32_t type)
{
	b->size = 0;
	put32(b, type);
	put32(b, 0); /* the length, when it is known */
}

/* Its length stands at both ends. */
static void finish(struct block *b, FILE *file)
{
	uint32_t size = (uint32_t)b->size + 8;

	put16_twice(b, OPTION_END, 0);
	put32(b, size);
	memcpy(b->bytes + 4, &size, sizeof(size));
	fwrite(b->bytes, 1, b->size, file);
}

void pcapng_begin(struct pcapng *p, FILE *file, uint32_t snap)
{
	static const char application[] = "lbctl " LB4_VERSION;
	static const uint64_t unknown = UINT64_MAX;
	struct block b;

	*p = (struct pcapng){.file = file, .snap = snap};
	begin(&b, SECTION_HEADER);
	put32(&b, BYTE_ORDER_MAGIC);
	put16_twice(&b, 1, 0);		    /* the format's version */
	put(&b, &unknown, sizeof(unknown)); /* the section's length */
	put_option(&b, OPTION_APPLICATION, application, strlen(application));
	finish(&b, file);
}

/* The interface's number in the file. Beyond the last there is no other. */
static uint32_t interface_number(struct pcapng *p, const char *name)
{
	static const uint8_t resolution = NANOSECONDS;
	struct block b;

	for (uint32_t i = 0; i < p->n_interfaces; i++)
		if (!strncmp(p->interfaces[i], name, PCAPNG_NAME_MAX - 1))
			return i;
	if (p->n_interfaces == PCAPNG_INTERFACES_MAX)
		return PCAPNG_INTERFACES_MAX - 1;
	strncpy(p->interfaces[p->n_interfaces], name, PCAPNG_NAME_MAX - 1);
	begin(&b, INTERFACE_DESCRIPTION);
	put16_twice(&b, LINK_ETHERNET, 0);
	put32(&b, p->snap);
	put_option(&b, OPTION_NAME, p->interfaces[p->n_interfaces],
		   strlen(p->interfaces[p->n_interfaces]));
	put_option(&b, OPTION_RESOLUTION, &resolution, sizeof(resolution));
	finish(&b, p->file);
	return (uint32_t)p->n_interfaces++;
}

void pcapng_write(struct pcapng *p, const struct pcapng_packet *packet)
{
	uint32_t interface = interface_number(p, packet->interface);
	struct block b;

	assert(packet->kept <= PCAPNG_BYTES_MAX);
	begin(&b, ENHANCED_PACKET);
	put32(&b, interface);
	put32(&b, (uint32_t)(packet->wall >> 32));
	put32(&b, (uint32_t)packet->wall);
	put32(&b, (uint32_t)packet->kept);
	put32(&b, packet->size);
	put(&b, packet->bytes, packet->kept);
	put_option(&b, OPTION_COMMENT, packet->comment, strnlen(packet->comment, PCAPNG_TEXT_MAX));
	finish(&b, p->file);
}
