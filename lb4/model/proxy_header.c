// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proxy_header.h"
#include "text.h"

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n"; /* of version 2 */
static const uint8_t line_start[6] = "PROXY ";		     /* of version 1 */

#define LINE_MAX_V1 107 /* §2.1, CRLF included */

/* Version 2: where things are. */
#define FIXED_SIZE    16
#define COMMAND_LOCAL 0x20
#define COMMAND_PROXY 0x21
#define FAMILY_UNSPEC 0x00
#define FAMILY_TCP4   0x11
#define FAMILY_TCP6   0x21
#define SIZE_TCP4     12
#define SIZE_TCP6     36
#define TLV_SIZE      3
#define TLV_CRC32C    0x03
#define TLV_UNIQUE_ID 0x05

uint32_t proxy_crc32c(uint32_t crc, const void *data, size_t size)
{
	/* Of the polynomial 0x1EDC6F41, reflected, four bits at a time. */
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	crc = ~crc;
	for (const uint8_t *p = data; size > 0; size--, p++) {
		crc ^= *p;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

/* --- version 1 --- */

/* The next word of the line, which ends at a blank or, as the last, at the end. */
static const char *take_word(char **line, char end)
{
	char *word = *line, *stop = strchr(word, end);

	if (!stop || stop == word)
		return NULL;
	*stop = '\0';
	*line = stop + 1;
	return word;
}

static bool read_ip(const char *text, int family, struct address *ret)
{
	struct sockaddr_storage sa = {.ss_family = (sa_family_t)family};
	void *to = family == AF_INET ? (void *)&((struct sockaddr_in *)&sa)->sin_addr
				     : (void *)&((struct sockaddr_in6 *)&sa)->sin6_addr;

	return inet_pton(family, text, to) == 1 && address_from_sockaddr(&sa, ret) == 0;
}

static bool read_port(const char *text, uint16_t *ret)
{
	uint64_t port;

	if (strspn(text, "0123456789") != strlen(text) || (text[0] == '0' && text[1]) ||
	    text_parse_unsigned(text, UINT16_MAX, &port) < 0)
		return false;
	*ret = (uint16_t)port;
	return true;
}

static enum proxy_result broken(const char **ret_why, const char *why)
{
	*ret_why = why;
	return PROXY_BROKEN;
}

/* `line` has neither the CRLF nor the first word. */
static enum proxy_result read_line(char *line, struct proxy_header *h, const char **ret_why)
{
	const char *words[5];
	int family;

	if (!strncmp(line, "UNKNOWN", 7) && (line[7] == ' ' || line[7] == '\r'))
		return PROXY_READ; /* what follows is not to be looked at */
	for (size_t i = 0; i < 5; i++) {
		words[i] = take_word(&line, i < 4 ? ' ' : '\r');
		if (!words[i])
			return broken(ret_why, "the line has not its six words");
	}
	if (!strcmp(words[0], "TCP4"))
		family = AF_INET;
	else if (!strcmp(words[0], "TCP6"))
		family = AF_INET6;
	else
		return broken(ret_why, "the protocol is not TCP4, TCP6 or UNKNOWN");
	if (!read_ip(words[1], family, &h->source) || !read_ip(words[2], family, &h->destination))
		return broken(ret_why, "an address is not one");
	if (!read_port(words[3], &h->source.port) || !read_port(words[4], &h->destination.port))
		return broken(ret_why, "a port is not one");
	h->has_addresses = true;
	return PROXY_READ;
}

static enum proxy_result read_v1(const uint8_t *data, size_t size, struct proxy_header *h,
				 const char **ret_why)
{
	size_t within = size < LINE_MAX_V1 ? size : LINE_MAX_V1;
	const uint8_t *end = memchr(data, '\n', within);
	char line[LINE_MAX_V1 + 1];

	if (!end)
		return size < LINE_MAX_V1 ? PROXY_MORE
					  : broken(ret_why, "the line is longer than 107 bytes");
	h->version = PROXY_V1;
	h->size = (size_t)(end - data) + 1;
	if (end[-1] != '\r' || memchr(data, '\r', h->size) != end - 1 ||
	    memchr(data, '\0', h->size))
		return broken(ret_why, "the line does not end with CRLF");
	memcpy(line, data, h->size);
	line[h->size] = '\0';
	return read_line(line + sizeof(line_start), h, ret_why);
}

/* --- version 2 --- */

static unsigned read_16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void set_address(struct address *a, int family, const uint8_t *ip, const uint8_t *port)
{
	struct sockaddr_storage sa = {.ss_family = (sa_family_t)family};

	if (family == AF_INET)
		memcpy(&((struct sockaddr_in *)&sa)->sin_addr, ip, 4);
	else
		memcpy(&((struct sockaddr_in6 *)&sa)->sin6_addr, ip, 16);
	address_from_sockaddr(&sa, a);
	a->port = (uint16_t)read_16(port);
}

/* Returns the size of the address block, or 0 with a reason. */
static size_t read_addresses(const uint8_t *block, size_t size, uint8_t family,
			     struct proxy_header *h, const char **ret_why)
{
	if (family == FAMILY_TCP4 && size >= SIZE_TCP4) {
		set_address(&h->source, AF_INET, block, block + 8);
		set_address(&h->destination, AF_INET, block + 4, block + 10);
		h->has_addresses = true;
		return SIZE_TCP4;
	}
	if (family == FAMILY_TCP6 && size >= SIZE_TCP6) {
		set_address(&h->source, AF_INET6, block, block + 32);
		set_address(&h->destination, AF_INET6, block + 16, block + 34);
		h->has_addresses = true;
		return SIZE_TCP6;
	}
	*ret_why = family == FAMILY_TCP4 || family == FAMILY_TCP6
			   ? "the addresses are cut short"
			   : "the family is not TCP over IPv4 or IPv6";
	return 0;
}

static bool checksum_is_right(const uint8_t *header, size_t size, size_t at)
{
	static const uint8_t zero[4];
	uint32_t said = (uint32_t)read_16(header + at) << 16 | read_16(header + at + 2);
	uint32_t crc = proxy_crc32c(0, header, at);

	crc = proxy_crc32c(crc, zero, sizeof(zero));
	return proxy_crc32c(crc, header + at + 4, size - at - 4) == said;
}

static enum proxy_result read_tlvs(const uint8_t *data, size_t at, struct proxy_header *h,
				   const char **ret_why)
{
	while (at < h->size) {
		size_t length;

		if (h->size - at < TLV_SIZE)
			return broken(ret_why, "a TLV is cut short");
		length = read_16(data + at + 1);
		if (h->size - at - TLV_SIZE < length)
			return broken(ret_why, "a TLV is longer than the header");
		if (data[at] == TLV_CRC32C &&
		    (length != 4 || !checksum_is_right(data, h->size, at + TLV_SIZE)))
			return broken(ret_why, "the checksum is wrong");
		if (data[at] == TLV_UNIQUE_ID) {
			if (length > PROXY_UNIQUE_ID_MAX)
				return broken(ret_why, "the unique id is longer than 128 bytes");
			h->unique_id = data + at + TLV_SIZE;
			h->unique_id_size = length;
		}
		at += TLV_SIZE + length;
	}
	return PROXY_READ;
}

static enum proxy_result read_v2(const uint8_t *data, size_t size, struct proxy_header *h,
				 const char **ret_why)
{
	size_t addresses = 0;

	if (size >= 13 && data[12] != COMMAND_LOCAL && data[12] != COMMAND_PROXY)
		return broken(ret_why, "the version or the command is unknown");
	if (size < FIXED_SIZE)
		return PROXY_MORE;
	h->version = PROXY_V2;
	h->local = data[12] == COMMAND_LOCAL;
	h->size = FIXED_SIZE + read_16(data + 14);
	if (h->size > PROXY_READ_SIZE_MAX)
		return broken(ret_why, "the header is longer than 8192 bytes");
	if (size < h->size)
		return PROXY_MORE;
	if (h->local)
		return PROXY_READ; /* §2.2: whatever family and addresses follow is passed over */
	if (data[13] == FAMILY_UNSPEC)
		return PROXY_READ;
	addresses = read_addresses(data + FIXED_SIZE, h->size - FIXED_SIZE, data[13], h, ret_why);
	if (addresses == 0)
		return PROXY_BROKEN;
	return read_tlvs(data, FIXED_SIZE + addresses, h, ret_why);
}

static bool begins_with(const uint8_t *data, size_t size, const uint8_t *start, size_t start_size)
{
	return !memcmp(data, start, size < start_size ? size : start_size);
}

enum proxy_result proxy_header_read(const uint8_t *data, size_t size, struct proxy_header *ret,
				    const char **ret_why)
{
	struct proxy_header h = {};
	enum proxy_result result;

	*ret_why = NULL;
	if (begins_with(data, size, signature, sizeof(signature)))
		result = size < sizeof(signature) ? PROXY_MORE : read_v2(data, size, &h, ret_why);
	else if (begins_with(data, size, line_start, sizeof(line_start)))
		result = size < sizeof(line_start) ? PROXY_MORE : read_v1(data, size, &h, ret_why);
	else
		result = PROXY_ABSENT;
	if (result == PROXY_READ)
		*ret = h;
	return result;
}

/* --- writing --- */

static bool both_ipv4(const struct proxy_header *h)
{
	return h->source.family == ADDRESS_IPV4 && h->destination.family == ADDRESS_IPV4;
}

/* An IPv4 address beside an IPv6 one is written in its mapped form. */
static const char *print_ip(const struct address *a, bool ipv4, char buffer[INET6_ADDRSTRLEN])
{
	return inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? a->ip + 12 : a->ip, buffer,
			 INET6_ADDRSTRLEN);
}

static size_t print_v1(const struct proxy_header *h, uint8_t *buffer)
{
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	bool ipv4 = both_ipv4(h);

	if (!h->has_addresses)
		return (size_t)snprintf((char *)buffer, PROXY_HEADER_SIZE_MAX, "PROXY UNKNOWN\r\n");
	return (size_t)snprintf((char *)buffer, PROXY_HEADER_SIZE_MAX, "PROXY %s %s %s %u %u\r\n",
				ipv4 ? "TCP4" : "TCP6", print_ip(&h->source, ipv4, source),
				print_ip(&h->destination, ipv4, destination), h->source.port,
				h->destination.port);
}

static uint8_t *put(uint8_t *to, const void *data, size_t size)
{
	memcpy(to, data, size);
	return to + size;
}

static uint8_t *put_16(uint8_t *to, size_t value)
{
	*to++ = (uint8_t)(value >> 8);
	*to++ = (uint8_t)value;
	return to;
}

static uint8_t *put_addresses(uint8_t *to, const struct proxy_header *h)
{
	size_t skip = both_ipv4(h) ? 12 : 0;

	to = put(to, h->source.ip + skip, 16 - skip);
	to = put(to, h->destination.ip + skip, 16 - skip);
	to = put_16(to, h->source.port);
	return put_16(to, h->destination.port);
}

static uint8_t *put_tlv(uint8_t *to, uint8_t type, const void *value, size_t size)
{
	*to++ = type;
	to = put_16(to, size);
	return put(to, value, size);
}

static size_t print_v2(const struct proxy_header *h, uint8_t *buffer)
{
	static const uint8_t no_checksum[4];
	bool addresses = h->has_addresses && !h->local;
	uint8_t *p = put(buffer, signature, sizeof(signature));
	uint32_t crc;
	size_t size;

	*p++ = h->local ? COMMAND_LOCAL : COMMAND_PROXY;
	*p++ = !addresses ? FAMILY_UNSPEC : both_ipv4(h) ? FAMILY_TCP4 : FAMILY_TCP6;
	p += 2; /* the length, below */
	if (addresses)
		p = put_addresses(p, h);
	if (h->unique_id_size > 0) {
		assert(h->unique_id_size <= PROXY_UNIQUE_ID_MAX);
		p = put_tlv(p, TLV_UNIQUE_ID, h->unique_id, h->unique_id_size);
	}
	p = put_tlv(p, TLV_CRC32C, no_checksum, sizeof(no_checksum));
	size = (size_t)(p - buffer);
	put_16(buffer + 14, size - FIXED_SIZE);
	crc = proxy_crc32c(0, buffer, size);
	put_16(put_16(p - 4, crc >> 16), crc & 0xffff);
	return size;
}

size_t proxy_header_print(const struct proxy_header *h, uint8_t *buffer)
{
	assert(h->version != PROXY_NONE);
	return h->version == PROXY_V1 ? print_v1(h, buffer) : print_v2(h, buffer);
}
