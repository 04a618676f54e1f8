/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP errors about packets of flows: somebody on the way to a client, or to a backend, could not
 * deliver one, as it was too long, perhaps. Whoever sent it has to hear of it in its own words. The
 * first eight bytes of TCP are enough (RFC 792). Both ends judge the sequence number in them.
 */
#pragma once

#include "rewrite.h"
#include "vip.h"

/* Of both versions (RFC 792, RFC 4443, §2.1). The kernel's headers for it want the C library's. */
struct icmp_header {
	__u8 type, code;
	__be16 checksum;
	__be32 rest; /* the MTU of the next hop is in it */
};

#define ICMP_UNREACHABLE 3
#define ICMP_TIME	 11
#define ICMP_PARAMETER	 12

#define ICMPV6_FIRST_ERROR 1 /* unreachable */
#define ICMPV6_LAST_ERROR  4 /* parameter problem */

/* Not an error about a packet of a flow: the stack may know it. */
#define ICMP_NOT_OURS -100

struct icmp_error {
	struct lb4_tuple answer; /* of a packet that would come back for the one that is quoted */
	__u8 is_ipv4;
	__u8 hops;
};

lb4_inline int icmp_is_error(__u8 type)
{
	return type == ICMP_UNREACHABLE || type == ICMP_TIME || type == ICMP_PARAMETER;
}

lb4_inline int icmpv6_is_error(__u8 type)
{
	return type >= ICMPV6_FIRST_ERROR && type <= ICMPV6_LAST_ERROR;
}

/* What is quoted of the packet lies within the `size` bytes that the IP header tells of, and they
 * within the `room` that there is. */
lb4_inline int icmp_fits(__u32 size, __u32 header, __u32 room)
{
	return size <= room && size >= 2 * header + sizeof(struct icmp_header) + 8;
}

/* Options, fragments and extension headers are not looked through, neither outside nor quoted. */
lb4_inline int icmp_parse_ipv4(struct icmp_error *e, void *data, void *end, __u32 room)
{
	struct iphdr *ip = data + sizeof(struct ethhdr), *quoted;
	struct icmp_header *icmp = (void *)(ip + 1);
	__be16 *ports;

	quoted = (void *)(icmp + 1);
	ports = (void *)(quoted + 1);
	if ((void *)(ports + 4) > end)
		return 0;
	if (!icmp_fits(bpf_ntohs(ip->tot_len), sizeof(*ip), room))
		return 0;
	if (ip->ihl != 5 || ip->protocol != IPPROTO_ICMP ||
	    (ip->frag_off & bpf_htons(IPV4_FRAGMENT)) || !icmp_is_error(icmp->type))
		return 0;
	if (quoted->version != 4 || quoted->ihl != 5 || quoted->protocol != IPPROTO_TCP ||
	    (quoted->frag_off & bpf_htons(IPV4_OFFSET)) || ip->daddr != quoted->saddr)
		return 0;
	set_ipv4(e->answer.source, quoted->daddr);
	set_ipv4(e->answer.destination, quoted->saddr);
	e->answer.source_port = ports[1];
	e->answer.destination_port = ports[0];
	e->is_ipv4 = 1;
	e->hops = ip->ttl;
	return 1;
}

lb4_inline int icmp_parse_ipv6(struct icmp_error *e, void *data, void *end, __u32 room)
{
	struct ipv6hdr *ip = data + sizeof(struct ethhdr), *quoted;
	struct icmp_header *icmp = (void *)(ip + 1);
	__be16 *ports;

	quoted = (void *)(icmp + 1);
	ports = (void *)(quoted + 1);
	if ((void *)(ports + 4) > end)
		return 0;
	if (!icmp_fits(bpf_ntohs(ip->payload_len) + sizeof(*ip), sizeof(*ip), room))
		return 0;
	if (ip->nexthdr != IPPROTO_ICMPV6 || !icmpv6_is_error(icmp->type))
		return 0;
	if (quoted->version != 6 || quoted->nexthdr != IPPROTO_TCP ||
	    !ip_equal((__u8 *)&ip->daddr, (__u8 *)&quoted->saddr))
		return 0;
	copy_ip(e->answer.source, (__u8 *)&quoted->daddr);
	copy_ip(e->answer.destination, (__u8 *)&quoted->saddr);
	e->answer.source_port = ports[1];
	e->answer.destination_port = ports[0];
	e->is_ipv4 = 0;
	e->hops = ip->hop_limit;
	return 1;
}

/* `room` as in parse(). */
lb4_inline int icmp_parse(struct icmp_error *e, HOOK_CONTEXT *context, __u32 room)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;

	if ((void *)(ethernet + 1) > end)
		return 0;
	e->answer.protocol = IPPROTO_TCP;
	if (ether_type(ethernet) == bpf_htons(ETH_P_IP))
		return icmp_parse_ipv4(e, data, end, room);
	if (ether_type(ethernet) == bpf_htons(ETH_P_IPV6))
		return icmp_parse_ipv6(e, data, end, room);
	return 0;
}

/*
 * Who quotes and who is told: the packet goes from `to->source` to `to->destination` now, and
 * quotes one that went the other way, between these ports. The difference to the checksum that comes
 * from the pseudo header and that from the rest; -1: the packet has another shape than before.
 */
lb4_inline int icmp_rewrite_ipv4(HOOK_CONTEXT *context, const struct rewrite *to, __u32 *ret_body)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr), *quoted;
	struct icmp_header *icmp = (void *)(ip + 1);
	__u32 sum, source, destination;
	__be16 *ports;
	__u16 was;

	quoted = (void *)(icmp + 1);
	ports = (void *)(quoted + 1);
	if ((void *)(ports + 2) > end)
		return -1;
	source = *(const __u32 *)(to->source + 12);
	destination = *(const __u32 *)(to->destination + 12);
	was = *(__u16 *)&ip->ttl;
	ip->ttl--;
	sum = sum_replace(0, was, *(__u16 *)&ip->ttl);
	sum = sum_replace(sum, ip->saddr, source);
	sum = sum_replace(sum, ip->daddr, destination);
	ip->saddr = source;
	ip->daddr = destination;
	ip->check = checksum_update(ip->check, sum);
	/* The quoted header's own checksum makes up for its addresses. */
	sum = sum_replace(0, quoted->saddr, destination);
	sum = sum_replace(sum, quoted->daddr, source);
	quoted->saddr = destination;
	quoted->daddr = source;
	quoted->check = checksum_update(quoted->check, sum);
	sum = sum_replace(0, ports[0], to->destination_port);
	sum = sum_replace(sum, ports[1], to->source_port);
	ports[0] = to->destination_port;
	ports[1] = to->source_port;
	*ret_body = sum;
	return 0;
}

lb4_inline int icmp_rewrite_ipv6(HOOK_CONTEXT *context, const struct rewrite *to, __u32 *ret_pseudo,
				 __u32 *ret_body)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ipv6hdr *ip = data + sizeof(struct ethhdr), *quoted;
	struct icmp_header *icmp = (void *)(ip + 1);
	__be16 *ports;
	__u32 sum;

	quoted = (void *)(icmp + 1);
	ports = (void *)(quoted + 1);
	if ((void *)(ports + 2) > end)
		return -1;
	sum = ip_difference((__u8 *)&ip->saddr, to->source, 0);
	*ret_pseudo = sum_add(sum, ip_difference((__u8 *)&ip->daddr, to->destination, 0));
	ip->hop_limit--;
	copy_ip((__u8 *)&ip->saddr, to->source);
	copy_ip((__u8 *)&ip->daddr, to->destination);
	sum = ip_difference((__u8 *)&quoted->saddr, to->destination, 0);
	sum = sum_add(sum, ip_difference((__u8 *)&quoted->daddr, to->source, 0));
	copy_ip((__u8 *)&quoted->saddr, to->destination);
	copy_ip((__u8 *)&quoted->daddr, to->source);
	sum = sum_replace(sum, ports[0], to->destination_port);
	sum = sum_replace(sum, ports[1], to->source_port);
	ports[0] = to->destination_port;
	ports[1] = to->source_port;
	*ret_body = sum;
	return 0;
}

/* About a packet to a client: its backend has to hear of it. */
lb4_inline struct lb4_backend *icmp_backend(const struct icmp_error *e, const struct lb4_control *c,
					    struct rewrite *ret)
{
	__u64 tag = tag_of(&e->answer);
	struct lb4_line *line = line_of(c, tag);
	struct lb4_backend *b;
	union way_word word;
	struct lb4_way *way;
	__u32 index;

	way = line ? way_find(line, tag) : 0;
	if (!way || !way_read(way, tag, &word) || !(word.state & LB4_FLOW_ESTABLISHED))
		return 0;
	index = word.backend;
	b = bpf_map_lookup_elem(&backends, &index);
	if (!b)
		return 0;
	copy_ip(ret->source, b->source);
	copy_ip(ret->destination, b->address);
	ret->source_port = word.port;
	ret->destination_port = b->port;
	return b;
}

/* About a packet to a backend: its client has to. The interface that leads there. */
lb4_inline struct lb4_interface *icmp_client(const struct icmp_error *e,
					     const struct lb4_control *c, struct rewrite *ret,
					     __u8 mac[6])
{
	__u64 tag = tag_of(&e->answer);
	struct lb4_flow *f = flow_place(c, tag);
	__u32 vip_index, interface;
	struct lb4_vip *vip;

	if (!f || READ_ONCE(f->tag) != tag || !(f->state & LB4_FLOW_ESTABLISHED))
		return 0;
	vip_index = f->vip;
	interface = f->interface;
	vip = bpf_map_lookup_elem(&vips, &vip_index);
	if (!vip)
		return 0;
	copy_ip(ret->source, vip->address);
	copy_ip(ret->destination, f->client);
	ret->source_port = vip->port;
	ret->destination_port = f->client_port;
	copy_mac(mac, f->client_mac);
	if (READ_ONCE(f->tag) != tag)
		return 0;
	return bpf_map_lookup_elem(&interfaces, &interface);
}
