// SPDX-License-Identifier: BSD-2-Clause
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "headers.h"

#define IPV4_HEADER	20u
#define IPV6_HEADER	40u
#define FRAGMENT_HEADER 8u
#define TCP_HEADER	20

static uint16_t read16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t read32(const uint8_t *p)
{
	return (uint32_t)read16(p) << 16 | read16(p + 2);
}

static void set_ipv4(struct address *a, const uint8_t *ip)
{
	a->family = ADDRESS_IPV4;
	a->ip[10] = a->ip[11] = 0xff;
	memcpy(a->ip + 12, ip, 4);
}

static void set_ipv6(struct address *a, const uint8_t *ip)
{
	a->family = ADDRESS_IPV6;
	memcpy(a->ip, ip, 16);
}

/* `total` bytes from here to the end of the IP packet, as its header says. */
static void read_tcp(const uint8_t *p, size_t kept, uint32_t total, struct headers *f)
{
	uint32_t header;

	if (kept < 4)
		return;
	f->has_ports = true;
	f->from.port = read16(p);
	f->to.port = read16(p + 2);
	if (kept < TCP_HEADER)
		return;
	header = 4u * (p[12] >> 4);
	f->has_tcp = true;
	f->sequence = read32(p + 4);
	f->acknowledged = read32(p + 8);
	f->flags = p[13];
	f->window = read16(p + 14);
	f->payload = total > header ? total - header : 0;
}

static void read_ipv4(const uint8_t *p, size_t kept, uint32_t size, struct headers *f)
{
	uint32_t header, total;
	uint16_t offset;

	if (kept < IPV4_HEADER)
		return;
	f->is_ip = true;
	f->protocol = p[9];
	set_ipv4(&f->from, p + 12);
	set_ipv4(&f->to, p + 16);
	offset = read16(p + 6) & 0x1fff;
	f->fragment = offset || (p[6] & 0x20);
	header = 4u * (p[0] & 15);
	total = read16(p + 2) ? read16(p + 2) : size; /* 0: a bundle of segments */
	if (f->protocol == IPPROTO_TCP && !offset && header >= IPV4_HEADER && kept > header)
		read_tcp(p + header, kept - header, total > header ? total - header : 0, f);
}

static void read_ipv6(const uint8_t *p, size_t kept, uint32_t size, struct headers *f)
{
	uint32_t header = IPV6_HEADER, total;
	bool first = true;

	if (kept < IPV6_HEADER)
		return;
	f->is_ip = true;
	f->protocol = p[6];
	set_ipv6(&f->from, p + 8);
	set_ipv6(&f->to, p + 24);
	total = read16(p + 4) ? read16(p + 4) + IPV6_HEADER : size;
	if (f->protocol == IPPROTO_FRAGMENT && kept >= IPV6_HEADER + FRAGMENT_HEADER) {
		f->fragment = true;
		f->protocol = p[IPV6_HEADER];
		first = (read16(p + IPV6_HEADER + 2) & 0xfff8) == 0;
		header += FRAGMENT_HEADER;
	}
	if (f->protocol == IPPROTO_TCP && first && kept > header)
		read_tcp(p + header, kept - header, total > header ? total - header : 0, f);
}

void headers_read(const uint8_t *bytes, size_t kept, uint32_t size, struct headers *ret)
{
	*ret = (struct headers){};
	if (kept < ETH_HLEN || size < ETH_HLEN)
		return;
	if (read16(bytes + 12) == ETHERTYPE_IP)
		read_ipv4(bytes + ETH_HLEN, kept - ETH_HLEN, size - ETH_HLEN, ret);
	else if (read16(bytes + 12) == ETHERTYPE_IPV6)
		read_ipv6(bytes + ETH_HLEN, kept - ETH_HLEN, size - ETH_HLEN, ret);
}

char *headers_print_flags(uint8_t flags, char buffer[TCP_FLAGS_MAX])
{
	static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
	char *p = buffer;

	*p = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(flags & 1u << i))
			continue;
		if (p > buffer)
			*p++ = ',';
		strcpy(p, names[i]);
		p += strlen(p);
	}
	return buffer;
}
