/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the headers of a packet are, and what it is told apart by. Only what is whole and plain is
 * a packet here: Ethernet, IPv4 without options or IPv6 without extension headers, no fragment,
 * TCP.
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>

#include "checksum.h"
#include "lb4_abi.h"

/* The C library's headers are not for this machine. */
#define AF_INET	 2
#define AF_INET6 10

#define IPV4_FRAGMENT 0x3fff /* offset, and more to follow */
#define IPV4_OFFSET   0x1fff
#define IPV6_OFFSET   0xfff8

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct packet {
	struct ethhdr *ethernet;
	struct tcphdr *tcp;
	void *end;
	struct lb4_tuple tuple;
	__u32 size; /* of the IP packet */
	__u8 is_ipv4;
	__u8 has_ports;	  /* of an odd one: that they are in the tuple */
	__u8 header;	  /* of IP */
	__u8 hops;	  /* left */
	__u8 flags;	  /* of TCP; of an odd one, if they can be read */
	__u8 is_fragment; /* of an odd one */
};

/*
 * Of Ethernet: the kernel's struct is packed, and would be read and written byte by byte. It begins
 * at an even address.
 */
lb4_inline __be16 ether_type(const struct ethhdr *ethernet)
{
	return ((const __be16 *)ethernet)[ETH_ALEN];
}

lb4_inline void set_ether_type(struct ethhdr *ethernet, __be16 type)
{
	((__be16 *)ethernet)[ETH_ALEN] = type;
}

/* At even addresses. */
lb4_inline void copy_mac(void *to, const void *from)
{
	const __u16 *f = from;
	__u16 *t = to;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
}

/* Made anew where it is needed: the verifier does not know that a pointer that was kept is not
 * NULL. */
lb4_inline struct iphdr *ipv4_of(const struct packet *p)
{
	return (void *)(p->ethernet + 1);
}

lb4_inline struct ipv6hdr *ipv6_of(const struct packet *p)
{
	return (void *)(p->ethernet + 1);
}

enum parsed {
	PARSED,
	PARSED_OTHER,	  /* no IP at all */
	PARSED_ODD,	  /* the tuple's addresses are set, and if has_ports its ports */
	PARSED_MALFORMED, /* the same */
};

lb4_inline void set_ipv4(__u8 ip[16], __be32 address)
{
	__u32 *word = (__u32 *)ip;

	word[0] = word[1] = 0;
	word[2] = bpf_htonl(0xffff);
	word[3] = address;
}

lb4_inline void copy_ip(__u8 to[16], const __u8 from[16])
{
	__u32 *t = (__u32 *)to;
	const __u32 *f = (const __u32 *)from;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
	t[3] = f[3];
}

lb4_inline int ip_equal(const __u8 a[16], const __u8 b[16])
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

/* The first bytes of a TCP header. */
lb4_inline void parse_odd_ports(struct packet *p, void *tcp)
{
	const __be16 *ports = tcp;

	if ((void *)(ports + 2) > p->end)
		return;
	p->tuple.source_port = ports[0];
	p->tuple.destination_port = ports[1];
	p->tuple.protocol = IPPROTO_TCP;
	p->has_ports = 1;
	if (tcp + sizeof(struct tcphdr) <= p->end)
		p->flags = ((const __u8 *)tcp)[13];
}

/* RFC 8200, §4.5. */
struct ipv6_fragment {
	__u8 next_header, reserved;
	__be16 offset; /* and flags */
	__be32 id;
};

/* The first of several has the ports, where TCP follows at once. */
lb4_inline void parse_odd_fragment(struct packet *p, struct ipv6_fragment *fragment)
{
	if ((void *)(fragment + 1) > p->end)
		return;
	if (fragment->next_header == IPPROTO_TCP && !(fragment->offset & bpf_htons(IPV6_OFFSET)))
		parse_odd_ports(p, fragment + 1);
}

lb4_inline enum parsed parse_ipv4(struct packet *p, struct iphdr *ip)
{
	set_ipv4(p->tuple.destination, ip->daddr);
	set_ipv4(p->tuple.source, ip->saddr);
	if (ip->version != 4 || ip->ihl < 5)
		return PARSED_MALFORMED;
	p->is_fragment = !!(ip->frag_off & bpf_htons(IPV4_FRAGMENT));
	if (ip->ihl != 5 || ip->protocol != IPPROTO_TCP || p->is_fragment) {
		if (ip->protocol == IPPROTO_TCP && !(ip->frag_off & bpf_htons(IPV4_OFFSET)))
			parse_odd_ports(p, (void *)ip + 4 * ip->ihl);
		return PARSED_ODD;
	}
	p->is_ipv4 = 1;
	p->hops = ip->ttl;
	p->size = bpf_ntohs(ip->tot_len);
	p->header = sizeof(*ip);
	return PARSED;
}

lb4_inline enum parsed parse_ipv6(struct packet *p, struct ipv6hdr *ip)
{
	copy_ip(p->tuple.destination, (const __u8 *)&ip->daddr);
	copy_ip(p->tuple.source, (const __u8 *)&ip->saddr);
	if (ip->version != 6)
		return PARSED_MALFORMED;
	p->is_fragment = ip->nexthdr == IPPROTO_FRAGMENT;
	if (p->is_fragment)
		parse_odd_fragment(p, (void *)(ip + 1));
	if (ip->nexthdr != IPPROTO_TCP)
		return PARSED_ODD;
	p->is_ipv4 = 0;
	p->hops = ip->hop_limit;
	p->size = bpf_ntohs(ip->payload_len);
	if (p->size)
		p->size += sizeof(*ip);
	p->header = sizeof(*ip);
	return PARSED;
}

lb4_inline enum parsed parse_tcp(struct packet *p, struct tcphdr *tcp)
{
	p->tcp = tcp;
	p->tuple.source_port = tcp->source;
	p->tuple.destination_port = tcp->dest;
	p->tuple.protocol = IPPROTO_TCP;
	p->flags = ((const __u8 *)tcp)[13];
	return tcp->doff < 5 ? PARSED_MALFORMED : PARSED;
}

/* `room` bytes follow the Ethernet header, in all of the packet. */
lb4_inline enum parsed parse_ip(struct packet *p, int is_ipv4, __u32 room, int bundle)
{
	const __u32 header = is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	void *ip = p->ethernet + 1;
	struct tcphdr *tcp = ip + header;
	enum parsed parsed;

	if (ip + header > p->end)
		return PARSED_OTHER;
	parsed = is_ipv4 ? parse_ipv4(p, ip) : parse_ipv6(p, ip);
	if (parsed != PARSED)
		return parsed;
	if (p->size == 0 && bundle)
		p->size = room;
	if (p->size > room || p->size < header + sizeof(*tcp))
		return PARSED_MALFORMED;
	if ((void *)(tcp + 1) > p->end)
		return PARSED_ODD; /* it is there, and cannot be read */
	parsed = parse_tcp(p, tcp);
	if (parsed == PARSED && p->size < header + 4u * tcp->doff)
		return PARSED_MALFORMED;
	return parsed;
}

/*
 * A packet that is a bundle of segments may be too long for its own length field, which is 0 then:
 * `bundle` allows that.
 */
lb4_inline enum parsed parse(struct packet *p, void *data, void *end, __u32 room, int bundle)
{
	struct ethhdr *ethernet = data;

	if ((void *)(ethernet + 1) > end)
		return PARSED_OTHER;
	p->ethernet = ethernet;
	p->end = end;
	if (ether_type(ethernet) == bpf_htons(ETH_P_IP))
		return parse_ip(p, 1, room, bundle);
	if (ether_type(ethernet) == bpf_htons(ETH_P_IPV6))
		return parse_ip(p, 0, room, bundle);
	return PARSED_OTHER;
}

lb4_inline __u32 payload_size(const struct packet *p)
{
	return p->size - p->header - 4u * p->tcp->doff;
}

/* What the segment takes of the sequence space. */
lb4_inline __u32 sequence_size(const struct packet *p)
{
	return payload_size(p) + !!(p->flags & TCP_SYN) + !!(p->flags & TCP_FIN);
}
