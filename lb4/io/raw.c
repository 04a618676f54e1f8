// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "raw.h"

int raw_open(struct raw *r)
{
	r->ipv4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	if (r->ipv4 < 0)
		return -errno;
	/* A machine may have no IPv6; there are no such flows then. */
	r->ipv6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	return 0;
}

void raw_close(struct raw *r)
{
	if (r->ipv4 >= 0)
		close(r->ipv4);
	if (r->ipv6 >= 0)
		close(r->ipv6);
	*r = (struct raw)RAW_INIT;
}

static uint32_t sum_words(const void *data, size_t size, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

/* RFC 9293, §3.1: over a pseudo header and the segment. */
static uint16_t checksum(const struct tcphdr *tcp, const struct address *from,
			 const struct address *to)
{
	size_t skip = from->family == ADDRESS_IPV4 ? 12 : 0;
	uint32_t sum = IPPROTO_TCP + sizeof(*tcp);

	sum = sum_words(from->ip + skip, 16 - skip, sum);
	sum = sum_words(to->ip + skip, 16 - skip, sum);
	sum = sum_words(tcp, sizeof(*tcp), sum);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The kernel fills in what is 0. */
static size_t put_ipv4(char *packet, const struct address *from, const struct address *to)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(ip) + sizeof(struct tcphdr)),
		.frag_off = htons(IP_DF),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
	};

	memcpy(&ip.saddr, from->ip + 12, 4);
	memcpy(&ip.daddr, to->ip + 12, 4);
	memcpy(packet, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t put_ipv6(char *packet, const struct address *from, const struct address *to)
{
	struct ip6_hdr ip = {};

	ip.ip6_vfc = 6 << 4;
	ip.ip6_plen = htons(sizeof(struct tcphdr));
	ip.ip6_nxt = IPPROTO_TCP;
	ip.ip6_hlim = 64;
	memcpy(&ip.ip6_src, from->ip, 16);
	memcpy(&ip.ip6_dst, to->ip, 16);
	memcpy(packet, &ip, sizeof(ip));
	return sizeof(ip);
}

/* The kernel finds the way; `tcp` has all but ports and the sum. */
static int send_segment(struct raw *r, const struct address *from, const struct address *to,
			struct tcphdr tcp)
{
	bool is_ipv4 = from->family == ADDRESS_IPV4;
	char packet[sizeof(struct ip6_hdr) + sizeof(struct tcphdr)];
	size_t size = is_ipv4 ? put_ipv4(packet, from, to) : put_ipv6(packet, from, to);
	struct address where = *to;
	struct sockaddr_storage sa;
	socklen_t length;

	tcp.source = htons(from->port);
	tcp.dest = htons(to->port);
	tcp.doff = sizeof(tcp) / 4;
	tcp.check = checksum(&tcp, from, to);
	memcpy(packet + size, &tcp, sizeof(tcp));
	size += sizeof(tcp);
	where.port = 0; /* the kernel refuses another protocol's number there */
	length = address_to_sockaddr(&where, &sa);
	if (sendto(is_ipv4 ? r->ipv4 : r->ipv6, packet, size, 0, (struct sockaddr *)&sa, length) <
	    0)
		return -errno;
	return 0;
}

int raw_send_reset(struct raw *r, const struct address *from, const struct address *to,
		   uint32_t sequence)
{
	return send_segment(r, from, to, (struct tcphdr){.seq = htonl(sequence), .rst = 1});
}

int raw_send_question(struct raw *r, const struct address *from, const struct address *to,
		      uint32_t sequence, uint32_t acknowledged)
{
	return send_segment(r, from, to,
			    (struct tcphdr){
				    .seq = htonl(sequence),
				    .ack_seq = htonl(acknowledged),
				    .ack = 1,
				    .window = htons(1024),
			    });
}
