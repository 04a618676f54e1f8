// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <assert.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "packets.h"

/* RFC 1071, word by word. */
static uint32_t sum_words(const void *data, size_t size, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)p[i] << 8 | (i + 1 < size ? p[i + 1] : 0u);
	return sum;
}

static uint16_t sum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

bool frame_is_ipv6(const struct frame *f)
{
	return f->data[12] == 0x86;
}

static size_t tcp_at(const struct frame *f)
{
	return ETH_HLEN + (frame_is_ipv6(f) ? sizeof(struct ip6_hdr) : sizeof(struct iphdr));
}

/* Over the pseudo header and the segment: 0 when the checksum in it is right. */
static uint16_t tcp_sum(const struct frame *f)
{
	size_t at = tcp_at(f), size = f->size - at;
	uint32_t sum = (uint32_t)size + IPPROTO_TCP;

	sum = frame_is_ipv6(f) ? sum_words(f->data + ETH_HLEN + 8, 32, sum)
			       : sum_words(f->data + ETH_HLEN + 12, 8, sum);
	return sum_finish(sum_words(f->data + at, size, sum));
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

void frame_finish(struct frame *f)
{
	uint8_t *ip = f->data + ETH_HLEN, *tcp = f->data + tcp_at(f);

	if (!frame_is_ipv6(f)) {
		put16(ip + 10, 0);
		put16(ip + 10, sum_finish(sum_words(ip, sizeof(struct iphdr), 0)));
	}
	put16(tcp + 16, 0);
	put16(tcp + 16, tcp_sum(f));
}

static void make_ip(struct frame *f, const struct segment *s, size_t size)
{
	bool ipv6 = strchr(s->from, ':') != NULL;

	f->data[12] = ipv6 ? 0x86 : 0x08;
	f->data[13] = ipv6 ? 0xdd : 0x00;
	if (ipv6) {
		struct ip6_hdr ip = {};

		ip.ip6_vfc = 0x60;
		ip.ip6_nxt = IPPROTO_TCP;
		ip.ip6_plen = htons((uint16_t)size);
		ip.ip6_hlim = s->hops;
		assert(inet_pton(AF_INET6, s->from, &ip.ip6_src) == 1);
		assert(inet_pton(AF_INET6, s->to, &ip.ip6_dst) == 1);
		memcpy(f->data + ETH_HLEN, &ip, sizeof(ip));
	} else {
		struct iphdr ip = {.version = 4, .ihl = 5, .ttl = s->hops, .protocol = IPPROTO_TCP};

		ip.tot_len = htons((uint16_t)(size + sizeof(ip)));
		ip.id = htons(0x4711);
		assert(inet_pton(AF_INET, s->from, &ip.saddr) == 1);
		assert(inet_pton(AF_INET, s->to, &ip.daddr) == 1);
		memcpy(f->data + ETH_HLEN, &ip, sizeof(ip));
	}
}

void frame_make(struct frame *f, const struct segment *s)
{
	size_t options = s->mss || s->padding ? (s->padding + (s->mss ? 4u : 0u) + 3u) & ~3u : 0;
	struct tcphdr tcp = {
		.source = htons(s->from_port),
		.dest = htons(s->to_port),
		.seq = htonl(s->sequence),
		.ack_seq = htonl(s->acknowledged),
		.doff = (unsigned)(5 + options / 4) & 15u,
		.window = htons(512),
	};
	size_t size = sizeof(tcp) + options + s->n_payload;
	uint8_t *p;

	memset(f, 0, sizeof(*f));
	memcpy(f->data, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	make_ip(f, s, size);
	f->size = tcp_at(f) + size;
	assert(f->size <= FRAME_MAX);
	p = f->data + tcp_at(f);
	memcpy(p, &tcp, sizeof(tcp));
	p[13] = s->flags;
	p += sizeof(tcp);
	memset(p, 1, s->padding);
	if (s->mss) {
		p[s->padding] = 2;
		p[s->padding + 1] = 4;
		put16(p + s->padding + 2, s->mss);
	}
	p += options;
	for (size_t i = 0; i < s->n_payload; i++)
		p[i] = (uint8_t)i;
	frame_finish(f);
}

/* Over the message, and in ICMPv6 the pseudo header too. */
static uint16_t icmp_sum(const struct frame *f)
{
	size_t at = tcp_at(f), size = f->size - at;
	uint32_t sum = 0;

	if (frame_is_ipv6(f))
		sum = sum_words(f->data + ETH_HLEN + 8, 32, (uint32_t)size + IPPROTO_ICMPV6);
	return sum_finish(sum_words(f->data + at, size, sum));
}

void frame_quote(struct frame *f, const char *from, const struct frame *about, uint16_t mtu)
{
	bool ipv6 = frame_is_ipv6(about);
	size_t quoted = tcp_at(about) - ETH_HLEN + 8;
	struct segment s = {.hops = 60};
	uint8_t *p;

	strcpy(s.from, from);
	inet_ntop(ipv6 ? AF_INET6 : AF_INET, about->data + ETH_HLEN + (ipv6 ? 8 : 12), s.to,
		  sizeof(s.to));
	memset(f, 0, sizeof(*f));
	memcpy(f->data, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x03", 12);
	make_ip(f, &s, 8 + quoted);
	f->size = tcp_at(f) + 8 + quoted;
	f->data[ETH_HLEN + (ipv6 ? 6 : 9)] = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	p = f->data + tcp_at(f);
	p[0] = ipv6 ? 2 : 3;
	p[1] = ipv6 ? 0 : 4;
	put16(p + 6, mtu);
	memcpy(p + 8, about->data + ETH_HLEN, quoted);
	if (!ipv6)
		put16(f->data + ETH_HLEN + 10,
		      sum_finish(sum_words(f->data + ETH_HLEN, sizeof(struct iphdr), 0)));
	put16(p + 2, icmp_sum(f));
}

static bool wrong(const char *what)
{
	fprintf(stderr, "the frame has a wrong %s\n", what);
	return false;
}

static bool read_ip(const struct frame *f, struct segment *ret)
{
	const uint8_t *ip = f->data + ETH_HLEN;

	if (frame_is_ipv6(f)) {
		inet_ntop(AF_INET6, ip + 8, ret->from, sizeof(ret->from));
		inet_ntop(AF_INET6, ip + 24, ret->to, sizeof(ret->to));
		ret->hops = ip[7];
		if ((size_t)(ip[4] << 8 | ip[5]) + 40 + ETH_HLEN != f->size)
			return wrong("payload length");
		return true;
	}
	inet_ntop(AF_INET, ip + 12, ret->from, sizeof(ret->from));
	inet_ntop(AF_INET, ip + 16, ret->to, sizeof(ret->to));
	ret->hops = ip[8];
	if (sum_finish(sum_words(ip, sizeof(struct iphdr), 0)) != 0)
		return wrong("header checksum");
	if ((size_t)(ip[2] << 8 | ip[3]) + ETH_HLEN != f->size)
		return wrong("total length");
	return true;
}

bool frame_read(const struct frame *f, struct segment *ret)
{
	const uint8_t *p = f->data + tcp_at(f), *end;
	struct tcphdr tcp;

	*ret = (struct segment){};
	if (!read_ip(f, ret))
		return false;
	if (tcp_sum(f) != 0)
		return wrong("TCP checksum");
	memcpy(&tcp, p, sizeof(tcp));
	ret->from_port = ntohs(tcp.source);
	ret->to_port = ntohs(tcp.dest);
	ret->sequence = ntohl(tcp.seq);
	ret->acknowledged = ntohl(tcp.ack_seq);
	ret->flags = p[13];
	end = p + 4u * tcp.doff;
	ret->n_payload = (size_t)(f->data + f->size - end);
	for (size_t i = 0; i < ret->n_payload; i++)
		if (end[i] != (uint8_t)i)
			return wrong("payload");
	for (p += sizeof(tcp); p < end && *p == 1; p++)
		ret->padding++;
	if (p + 4 <= end && p[0] == 2)
		ret->mss = (uint16_t)(p[2] << 8 | p[3]);
	return true;
}

bool frame_read_quote(const struct frame *f, struct segment *ret, struct segment *ret_quoted,
		      uint16_t *ret_mtu)
{
	const uint8_t *p = f->data + tcp_at(f), *quoted = p + 8, *tcp;
	bool ipv6 = frame_is_ipv6(f);
	int family = ipv6 ? AF_INET6 : AF_INET;

	*ret = *ret_quoted = (struct segment){};
	if (!read_ip(f, ret))
		return false;
	if (icmp_sum(f) != 0)
		return wrong("ICMP checksum");
	if (!ipv6 && sum_finish(sum_words(quoted, sizeof(struct iphdr), 0)) != 0)
		return wrong("checksum of the quoted header");
	*ret_mtu = (uint16_t)(p[6] << 8 | p[7]);
	inet_ntop(family, quoted + (ipv6 ? 8 : 12), ret_quoted->from, sizeof(ret_quoted->from));
	inet_ntop(family, quoted + (ipv6 ? 24 : 16), ret_quoted->to, sizeof(ret_quoted->to));
	tcp = quoted + (ipv6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr));
	ret_quoted->from_port = (uint16_t)(tcp[0] << 8 | tcp[1]);
	ret_quoted->to_port = (uint16_t)(tcp[2] << 8 | tcp[3]);
	ret_quoted->sequence =
		(uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7];
	return true;
}
