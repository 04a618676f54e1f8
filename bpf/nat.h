/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nat does with a packet, whatever hook it came in by: who it is for, which flow it belongs
 * to, and what its headers become. What is not rewritten goes up the stack, where the services'
 * listening sockets are: whatever this program cannot do is done there.
 */
#pragma once

#include "flow.h"
#include "record.h"

/* A SYN's or SYN and ACK's options are looked through for so many steps. */
#define OPTION_STEPS 20

#define TCP_OPTIONS_MAX 40

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2

/*
 * How far a FIN or a doubtful RST may be from the next byte that the other side expects, either way:
 * what may be in flight, and hard to guess.
 */
#define SEQUENCE_WINDOW (1u << 24)

/*
 * What is of the hook, whose file says it. A hook that cannot send there leaves the packet to the
 * next one, as it is, with the flow as it was.
 */
lb4_inline int hook_can_send(HOOK_CONTEXT *context, const struct lb4_interface *out);
lb4_inline int hook_can_reach(HOOK_CONTEXT *context, const struct lb4_backend *b, int is_ipv4);
#define LB4_VERDICT_NOT_HERE LB4_VERDICT_NOT_OURS

struct nat {
	HOOK_CONTEXT *context;
	struct lb4_control *control;
	__u32 now;     /* ticks */
	__u32 arrived; /* the interface, the kernel's index */
	__u32 segment; /* size of the longest IP packet that it is, or that it is a bundle of */
	struct packet packet;

	/* What comes out. */
	struct lb4_backend *backend;
	__u16 backend_index;
	__be16 port;	       /* ours, towards the backend */
	struct lb4_flow *flow; /* of an answer … */
	struct seen {	       /* … and what it said */
		__u8 client[16];
		__u8 client_mac[6];
		__be16 client_port;
		__u32 state;
		__u32 server_next;
	} seen;
	struct lb4_vip *vip;
	struct lb4_interface *out; /* where an answer leaves */
	__u32 body_sum;		   /* difference that changed options make to the checksum */
};

lb4_inline __u32 vip_find(const struct lb4_control *c, const __u8 address[16], __be16 port)
{
	__u32 half = READ_ONCE(c->vip_half) & 1;
	__u32 index = lb4_vip_place(c->vip_seed[half], address, port, LB4_VIP_BUCKETS) +
		      half * LB4_VIP_BUCKETS;
	struct lb4_vip_bucket *bucket = bpf_map_lookup_elem(&vip_buckets, &index);

	if (!bucket)
		return LB4_VIP_NONE;
	for (int i = 0; i < LB4_VIP_WAYS; i++)
		if (bucket->way[i].port == port && bucket->way[i].vip != LB4_VIP_NONE &&
		    ip_equal(bucket->way[i].address, address))
			return bucket->way[i].vip;
	return LB4_VIP_NONE;
}

/* Which of our interfaces has that index of the kernel's; LB4_INTERFACES_MAX: none. */
lb4_inline __u32 interface_find(__u32 kernel)
{
	for (__u32 i = 0; i < LB4_INTERFACES_MAX; i++) {
		__u32 key = i;
		struct lb4_interface *interface = bpf_map_lookup_elem(&interfaces, &key);

		if (interface && interface->index == kernel)
			return i;
	}
	return LB4_INTERFACES_MAX;
}

/* Addresses that no client has. */
lb4_inline int source_is_impossible(const struct packet *p)
{
	const __u32 *word = (const __u32 *)p->tuple.source;
	__u8 first;

	if (p->is_ipv4) {
		first = p->tuple.source[12];
		return first == 0 || first == 127 || first >= 224;
	}
	if (p->tuple.source[0] == 0xff)
		return 1;
	/* ::, ::1 and IPv4 in IPv6's clothes */
	return !word[0] && !word[1] && (!word[2] || word[2] == bpf_htonl(0xffff));
}

lb4_inline struct lb4_backend_counters *counters_of(const struct lb4_control *c, __u16 backend)
{
	__u32 index = bpf_get_smp_processor_id() * c->n_backends + backend;

	return bpf_map_lookup_elem(&backend_counters, &index);
}

lb4_inline void count_replaced(const struct nat *n, __u16 backend)
{
	struct lb4_backend_counters *counters = counters_of(n->control, backend);

	if (counters)
		counters->replaced++;
}

/* The whole of a segment's size beyond which it does not fit where segments of `mss` just do. */
lb4_inline int fits(const struct nat *n, __u16 mss)
{
	return n->segment <= (__u32)mss + sizeof(struct tcphdr) + n->packet.header;
}

/*
 * Lowers the maximum segment size that a SYN's sender asks for to what our own way takes. The
 * options are `left` bytes, `at` bytes into the packet. Returns the difference that it makes to the
 * sum. For the verifier as tag_of() is, since it loops.
 */
__attribute__((noinline)) __u32 mss_clamp(HOOK_CONTEXT *context, __u32 at, __u32 left, __u32 mss)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u8 *options;
	__u32 i = 0;

	if (at > sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))
		return 0;
	options = data + at;
	for (int step = 0; step < OPTION_STEPS && i < left && i < TCP_OPTIONS_MAX; step++) {
		__u8 *o = options + i;
		__u16 was;

		if ((void *)(o + 4) > end || o[0] == TCP_OPTION_END)
			return 0;
		if (o[0] == TCP_OPTION_NOP) {
			i++;
			continue;
		}
		if (o[1] < 2 || i + o[1] > left)
			return 0;
		if (o[0] != TCP_OPTION_MSS) {
			i += o[1];
			continue;
		}
		was = (__u16)(o[2] << 8 | o[3]);
		if (o[1] != 4 || was <= mss)
			return 0;
		o[2] = (__u8)(mss >> 8);
		o[3] = (__u8)mss;
		/* Sums are of words in the packet's own order; at an odd place the bytes change
		 * sides. */
		if (i & 1)
			return sum_replace(0, __builtin_bswap16(bpf_htons(was)),
					   __builtin_bswap16(bpf_htons((__u16)mss)));
		return sum_replace(0, bpf_htons(was), bpf_htons((__u16)mss));
	}
	return 0;
}

lb4_inline void clamp_mss(struct nat *n, __u16 mss)
{
	n->body_sum = mss_clamp(n->context,
				sizeof(struct ethhdr) + n->packet.header + sizeof(struct tcphdr),
				4u * n->packet.tcp->doff - sizeof(struct tcphdr), mss);
}

/* The flow that a way leads to, if it is that of this client. */
lb4_inline struct lb4_flow *flow_behind(const struct nat *n, __u32 vip, __u64 *ret_tag)
{
	struct lb4_tuple answer = {};
	struct lb4_flow *f;
	__u64 tag;

	answer_tuple(&answer, n->backend, n->port);
	tag = tag_of(&answer);
	f = flow_place(n->control, tag);
	if (!f || READ_ONCE(f->tag) != tag || f->vip != vip ||
	    f->client_port != n->packet.tuple.source_port ||
	    !ip_equal(f->client, n->packet.tuple.source) || READ_ONCE(f->tag) != tag)
		return 0;
	*ret_tag = tag;
	return f;
}

/* Where answers go: back where this came from. */
lb4_inline void flow_note_client(struct nat *n, struct lb4_flow *f)
{
	WRITE_ONCE(f->last, n->now);
	__builtin_memcpy(f->client_mac, n->packet.ethernet->h_source, sizeof(f->client_mac));
	f->interface = interface_find(n->arrived);
}

/* The flow has come to this. What is not a RST clears a doubt, once the other side was asked. */
lb4_inline void flow_learn(const struct nat *n, struct lb4_flow *f, __u32 news)
{
	struct lb4_backend_counters *counters;
	__u32 before = READ_ONCE(f->state);

	if ((before & LB4_FLOW_ASKED) && !(n->packet.flags & TCP_RST))
		__sync_fetch_and_and(&f->state, ~(LB4_FLOW_DOUBT | LB4_FLOW_ASKED));
	if (!(news & ~before))
		return;
	before = __sync_fetch_and_or(&f->state, news);
	if (lb4_flow_is_over(before) || !lb4_flow_is_over(before | news))
		return;
	record_over(READ_ONCE(f->tag));
	counters = counters_of(n->control, n->backend_index);
	if (counters)
		counters->over++;
}

lb4_inline int is_near(__u32 sequence, __u32 next)
{
	return sequence - next + SEQUENCE_WINDOW < 2 * SEQUENCE_WINDOW;
}

/*
 * What a RST says: the end, if its number is the next that is expected, which is all that the other
 * side believes (RFC 5961, §3.2). It may be ahead of what has been seen, then there is a doubt.
 */
lb4_inline __u32 reset_news(__u32 sequence, __u32 next, __u32 end, __u32 doubt)
{
	if (sequence == next)
		return end;
	return is_near(sequence, next) ? doubt : 0;
}

/* What a client's segment says of the flow as a whole. */
lb4_inline void flow_heard_client(struct nat *n, struct lb4_flow *f, struct lb4_way *way)
{
	__u32 state = READ_ONCE(f->state), next = READ_ONCE(f->client_next), news = 0;
	__u32 sequence = bpf_ntohl(n->packet.tcp->seq);
	__u32 acknowledged = bpf_ntohl(n->packet.tcp->ack_seq);

	flow_note_client(n, f);
	/* Whoever has not seen the answer does not know its number. */
	if ((n->packet.flags & TCP_ACK) && (state & LB4_FLOW_ANSWERED) &&
	    READ_ONCE(f->server_next) - acknowledged <= FIRST_WINDOW)
		news |= LB4_FLOW_ESTABLISHED;
	if ((n->packet.flags & TCP_FIN) && is_near(sequence, next)) {
		news |= LB4_FLOW_CLIENT_FIN;
		if (!(state & LB4_FLOW_CLIENT_FIN))
			record_fin(READ_ONCE(f->tag), sequence + payload_size(&n->packet));
	}
	if (n->packet.flags & TCP_RST)
		news |= reset_news(sequence, next, LB4_FLOW_CLIENT_RST, LB4_FLOW_CLIENT_DOUBT);
	if (state & LB4_FLOW_ESTABLISHED)
		news |= LB4_FLOW_ESTABLISHED;
	flow_learn(n, f, news);
	if (news & LB4_FLOW_ESTABLISHED)
		WRITE_ONCE(way->state, LB4_FLOW_ESTABLISHED);
}

/*
 * The state of the host's own socket that packets like this would come to: BPF_TCP_LISTEN when it is
 * none that has a peer, 0 when there is none at all.
 */
lb4_inline int host_socket(HOOK_CONTEXT *context, const struct lb4_tuple *t)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	int state;

	if (lb4_is_ipv4(t->source)) {
		tuple.ipv4.saddr = *(const __u32 *)(t->source + 12);
		tuple.ipv4.daddr = *(const __u32 *)(t->destination + 12);
		tuple.ipv4.sport = t->source_port;
		tuple.ipv4.dport = t->destination_port;
		socket = bpf_skc_lookup_tcp(context, &tuple, sizeof(tuple.ipv4),
					    BPF_F_CURRENT_NETNS, 0);
	} else {
		copy_ip((__u8 *)tuple.ipv6.saddr, t->source);
		copy_ip((__u8 *)tuple.ipv6.daddr, t->destination);
		tuple.ipv6.sport = t->source_port;
		tuple.ipv6.dport = t->destination_port;
		socket = bpf_skc_lookup_tcp(context, &tuple, sizeof(tuple.ipv6),
					    BPF_F_CURRENT_NETNS, 0);
	}
	if (!socket)
		return 0;
	state = socket->state;
	bpf_sk_release(socket);
	return state;
}

lb4_inline int host_has(HOOK_CONTEXT *context, const struct lb4_tuple *t)
{
	int state = host_socket(context, t);

	return state && state != BPF_TCP_LISTEN;
}

/* A client that is spliced: its connection lives in a socket, or is being made there. */
__attribute__((noinline)) int is_spliced(HOOK_CONTEXT *context, const struct lb4_tuple *client)
{
	int state;

	if (!client)
		return 0;
	state = host_socket(context, client);
	return state && state != BPF_TCP_LISTEN && state != BPF_TCP_TIME_WAIT;
}

/* A port that is tried, as the answer would have it. */
struct attempt {
	struct lb4_tuple answer;
	__u64 tag;
	__u32 now;
	__u32 replaced; /* 1 + the backend whose flow had the place */
};

/*
 * Takes the place of the flow whose answers look like that: 1, or 0 when it is not to be had. The
 * place is busy then. For the verifier as tag_of() is, since it is called in a loop.
 */
__attribute__((noinline)) int port_take(HOOK_CONTEXT *context, struct attempt *a)
{
	struct lb4_control *c;
	struct lb4_flow *f;
	enum taken taken;
	__u32 zero = 0;

	c = bpf_map_lookup_elem(&control, &zero);
	if (!a || !c)
		return 0;
	if (vip_find(c, a->answer.destination, a->answer.destination_port) != LB4_VIP_NONE)
		return 0;
	a->tag = tag_of(&a->answer);
	f = flow_place(c, a->tag);
	if (!f)
		return 0;
	taken = flow_take(f, a->now);
	if (taken == TAKEN_NOT)
		return 0;
	if (taken == TAKEN_FROM_ANOTHER && !lb4_flow_is_over(f->state))
		a->replaced = 1 + f->backend;
	else if (taken == TAKEN_FROM_ANOTHER && !(f->state & LB4_FLOW_TOLD))
		__sync_fetch_and_add(&c->untold, 1);
	if (host_has(context, &a->answer)) {
		tag_show(&f->tag, LB4_TAG_FREE);
		return 0;
	}
	return 1;
}

lb4_inline void flow_fill(struct nat *n, struct lb4_flow *f, __u32 vip, __be16 port)
{
	copy_ip(f->client, n->packet.tuple.source);
	f->client_port = n->packet.tuple.source_port;
	f->vip = (__u16)vip;
	f->backend = n->backend_index;
	f->port = port;
	f->born = n->now;
	f->state = 0;
	f->server_next = 0;
	f->client_next = bpf_ntohl(n->packet.tcp->seq) + 1;
	flow_note_client(n, f);
}

/* Reserves a port towards the backend, and with it the flow's place. Ports that are tried are the
 * flow's own: no clusters form. */
lb4_inline struct lb4_flow *flow_begin(struct nat *n, __u64 way_tag, __u32 vip)
{
	__u32 count = n->control->port_count;
	struct attempt a = {.now = n->now};
	struct lb4_flow *f;
	int taken = 0;

	for (int i = 0; i < LB4_PORT_TRIES && !taken; i++) {
		__u32 drawn = (__u32)(lb4_mix64(way_tag + i) >> 48);

		answer_tuple(&a.answer, n->backend,
			     bpf_htons((__u16)(n->control->port_low + (drawn * count >> 16))));
		taken = port_take(n->context, &a);
		if (a.replaced)
			count_replaced(n, (__u16)(a.replaced - 1));
		a.replaced = 0;
	}
	if (!taken)
		return 0;
	f = flow_place(n->control, a.tag);
	if (!f)
		return 0;
	flow_fill(n, f, vip, a.answer.destination_port);
	record_begin(a.tag, f->client_next);
	tag_show(&f->tag, a.tag);
	return f;
}

/* Where in a ring; for the verifier as tag_of() is. */
__attribute__((noinline)) __u32 slot_of(const struct lb4_tuple *t, __u32 service_index)
{
	struct lb4_service *service = bpf_map_lookup_elem(&services, &service_index);
	struct lb4_control *c;
	struct lb4_tuple tuple;
	__u32 zero = 0;

	c = bpf_map_lookup_elem(&control, &zero);
	if (!t || !c || !service)
		return 0;
	tuple = *t;
	if (service->hash_source)
		lb4_tuple_keep_source(&tuple, service->mask_ipv4, service->mask_ipv6);
	return lb4_slot(lb4_flow_hash(&c->choice, &tuple), service->ring_size);
}

/* Chooses a backend as the splicer would. */
lb4_inline enum lb4_verdict choose(struct nat *n, const struct lb4_service *service)
{
	__u32 slot = slot_of(&n->packet.tuple, n->vip->service), index, owner;
	struct lb4_ring_chunk *chunk;

	index = service->ring + slot / LB4_RING_CHUNK;
	chunk = bpf_map_lookup_elem(&ring, &index);
	if (!chunk)
		return LB4_VERDICT_PASS_NO_BACKEND;
	owner = READ_ONCE(chunk->owner[slot % LB4_RING_CHUNK]);
	if (owner == LB4_RING_NONE)
		return LB4_VERDICT_PASS_NO_BACKEND;
	n->backend_index = (__u16)owner;
	n->backend = bpf_map_lookup_elem(&backends, &owner);
	if (!n->backend || !n->backend->reachable)
		return LB4_VERDICT_PASS_NO_WAY;
	return LB4_VERDICT_FORWARDED;
}

lb4_inline enum lb4_verdict begin(struct nat *n, struct lb4_line *line, __u64 tag, __u32 vip)
{
	struct lb4_backend_counters *counters;
	__u32 service_index = n->vip->service;
	struct lb4_service *service = bpf_map_lookup_elem(&services, &service_index);
	struct lb4_way *way = 0;
	union way_word word = {};
	enum lb4_verdict verdict;
	enum way_taken taken;
	struct lb4_flow *f;

	/* From a VIP itself, as in a LAND attack. */
	if (vip_find(n->control, n->packet.tuple.source, 0) != LB4_VIP_NONE)
		return LB4_VERDICT_DROP_SOURCE;
	if (!service || !service->accepts || !n->control->accepts)
		return LB4_VERDICT_PASS_OFF;
	if (is_spliced(n->context, &n->packet.tuple))
		return LB4_VERDICT_PASS_SPLICED;
	verdict = choose(n, service);
	if (verdict != LB4_VERDICT_FORWARDED)
		return verdict;
	if (!hook_can_reach(n->context, n->backend, n->packet.is_ipv4))
		return LB4_VERDICT_NOT_HERE;
	taken = way_take(line, tag, n->now, &way);
	if (taken == WAY_NONE)
		return LB4_VERDICT_PASS_FULL;
	if (taken == WAY_TWIN)
		return LB4_VERDICT_DROP_TWIN;
	f = flow_begin(n, tag, vip);
	if (!f) {
		tag_show(&way->tag, LB4_TAG_FREE);
		return LB4_VERDICT_PASS_NO_PORT;
	}
	word.backend = n->backend_index;
	word.port = n->port = f->port;
	word.last = (__u16)n->now;
	WRITE_ONCE(*(__u64 *)&way->backend, word.word);
	counters = counters_of(n->control, n->backend_index);
	if (counters)
		counters->flows++;
	return LB4_VERDICT_FORWARDED;
}

/*
 * The client has left a flow that is over for a new one. Userspace has still to tell it, and ends it
 * then, unless it has not done so for longer than it takes.
 */
lb4_inline void flow_abandon(struct nat *n, struct lb4_flow *f, __u64 tag)
{
	int told = READ_ONCE(f->state) & LB4_FLOW_TOLD;

	if (!told && (__s32)(n->now - READ_ONCE(f->last)) <= LB4_UNTOLD_TICKS)
		return;
	if (tag_exchange(&f->tag, tag, LB4_TAG_FREE) && !told)
		__sync_fetch_and_add(&n->control->untold, 1);
}

/* A client's packet, which a way is there for. */
lb4_inline enum lb4_verdict go_on(struct nat *n, struct lb4_line *line, struct lb4_way *way,
				  const union way_word *word, __u64 tag, __u32 vip)
{
	int is_syn = (n->packet.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	__u32 index = word->backend;
	struct lb4_flow *f;
	__u64 flow_tag = 0;

	/* Its SYN is being dealt with by another CPU. */
	if (word->state & LB4_WAY_PENDING)
		return is_syn ? LB4_VERDICT_DROP_TWIN : LB4_VERDICT_PASS_NO_FLOW;
	n->backend_index = word->backend;
	n->port = word->port;
	n->backend = bpf_map_lookup_elem(&backends, &index);
	if (!n->backend)
		return LB4_VERDICT_PASS_NO_FLOW;
	if (!hook_can_reach(n->context, n->backend, n->packet.is_ipv4))
		return LB4_VERDICT_NOT_HERE;
	if ((word->state & LB4_FLOW_ESTABLISHED) && word->last == (__u16)n->now &&
	    !(n->packet.flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return LB4_VERDICT_FORWARDED;

	WRITE_ONCE(way->last, (__u16)n->now);
	f = flow_behind(n, vip, &flow_tag);
	if (f && !(is_syn && lb4_flow_is_over(READ_ONCE(f->state)))) {
		flow_heard_client(n, f, way);
		return LB4_VERDICT_FORWARDED;
	}
	/* Another has its place, or the client begins anew with the ports of a flow that is over.
	 */
	if (!tag_exchange(&way->tag, tag, LB4_TAG_FREE))
		return LB4_VERDICT_PASS_NO_FLOW;
	if (f)
		flow_abandon(n, f, flow_tag);
	return is_syn ? begin(n, line, tag, vip) : LB4_VERDICT_PASS_NO_FLOW;
}

lb4_inline enum lb4_verdict from_client(struct nat *n, __u32 vip)
{
	__u64 tag = tag_of(&n->packet.tuple);
	struct lb4_line *line = line_of(n->control, tag);
	union way_word word;
	struct lb4_way *way;

	if (!line)
		return LB4_VERDICT_PASS_FULL;
	way = way_find(line, tag);
	if (way && way_read(way, tag, &word)) {
		if (!(word.state & LB4_WAY_DSR))
			return go_on(n, line, way, &word, tag, vip);
		tag_exchange(&way->tag, tag, LB4_TAG_FREE); /* of what the service was */
	}
	if ((n->packet.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return LB4_VERDICT_PASS_NO_FLOW;
	return begin(n, line, tag, vip);
}

/* One side's next number; whether it has begun anew at 0 is looked for where it goes ahead. */
lb4_inline void number_advance(struct lb4_flow *f, __u32 *number, __u32 next, int of_client)
{
	__u32 before = READ_ONCE(*number);

	if ((__s32)(next - before) <= 0)
		return;
	if (next > before)
		WRITE_ONCE(*number, next);
	else if (__sync_val_compare_and_swap(number, before, next) == before)
		record_wrap(READ_ONCE(f->tag), of_client);
}

/* The numbers that a backend's segment brings: where its own end, and what it acknowledges. */
lb4_inline void flow_advance(struct nat *n, struct lb4_flow *f, int is_answer, __u32 next)
{
	__u32 acknowledged = bpf_ntohl(n->packet.tcp->ack_seq);

	if (is_answer && record_answer(READ_ONCE(f->tag), next, acknowledged)) {
		WRITE_ONCE(f->server_next, next);
		WRITE_ONCE(f->client_next, acknowledged);
		return;
	}
	if (!(n->packet.flags & TCP_RST))
		number_advance(f, &f->server_next, next, 0);
	if (!(n->packet.flags & TCP_ACK))
		return;
	if (n->seen.state & LB4_FLOW_ANSWERED)
		number_advance(f, &f->client_next, acknowledged, 1);
	else
		WRITE_ONCE(f->client_next, acknowledged);
}

/* What a backend's segment says of its flow. */
lb4_inline void flow_heard_server(struct nat *n, struct lb4_flow *f)
{
	__u32 state = n->seen.state, expected = n->seen.server_next, news = 0;
	__u32 sequence = bpf_ntohl(n->packet.tcp->seq);
	__u32 next = sequence + sequence_size(&n->packet);
	int is_answer = (n->packet.flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);

	if (is_answer)
		news |= LB4_FLOW_ANSWERED;
	if ((n->packet.flags & TCP_FIN) && (state & LB4_FLOW_ANSWERED) &&
	    is_near(sequence, expected)) {
		news |= LB4_FLOW_SERVER_FIN;
		if (!(state & (LB4_FLOW_CLIENT_FIN | LB4_FLOW_SERVER_FIN)))
			news |= LB4_FLOW_SERVER_FIRST;
	}
	if (n->packet.flags & TCP_RST)
		news |= state & LB4_FLOW_ANSWERED
				? reset_news(sequence, expected, LB4_FLOW_SERVER_RST,
					     LB4_FLOW_SERVER_DOUBT)
				: LB4_FLOW_SERVER_RST;
	if (!(n->packet.flags & TCP_RST) || (news & LB4_FLOW_SERVER_RST))
		flow_advance(n, f, is_answer, next);
	WRITE_ONCE(f->last, n->now);
	flow_learn(n, f, news);
}

/* The flow that an answer belongs to, as it is at one moment; nothing of it is read later. */
lb4_inline int flow_see(struct nat *n)
{
	__u64 tag = tag_of(&n->packet.tuple);
	__u32 vip, interface;

	n->flow = flow_place(n->control, tag);
	if (!n->flow || READ_ONCE(n->flow->tag) != tag)
		return 0;
	copy_ip(n->seen.client, n->flow->client);
	__builtin_memcpy(n->seen.client_mac, n->flow->client_mac, sizeof(n->seen.client_mac));
	n->seen.client_port = n->flow->client_port;
	n->seen.state = READ_ONCE(n->flow->state);
	n->seen.server_next = READ_ONCE(n->flow->server_next);
	n->backend_index = n->flow->backend;
	vip = n->flow->vip;
	n->vip = bpf_map_lookup_elem(&vips, &vip);
	interface = n->flow->interface;
	n->out = bpf_map_lookup_elem(&interfaces, &interface);
	return READ_ONCE(n->flow->tag) == tag;
}

lb4_inline enum lb4_verdict from_server(struct nat *n)
{
	if (!flow_see(n))
		return LB4_VERDICT_NOT_OURS;
	if (!n->vip || !n->out)
		return LB4_VERDICT_PASS_NO_FLOW;
	if (!hook_can_send(n->context, n->out))
		return LB4_VERDICT_NOT_HERE;
	flow_heard_server(n, n->flow);
	return LB4_VERDICT_FORWARDED;
}

lb4_inline int is_answer_port(const struct lb4_control *c, __be16 port)
{
	return (__u16)(bpf_ntohs(port) - c->answer_low) < c->answer_count;
}

/*
 * A fragment, or a packet with options, whose ports are known. If it is of a flow it must not come to
 * the stack, which knows no such connection and would reset it.
 */
lb4_inline int is_odd_of_flow(struct nat *n, __u32 vip)
{
	__u64 tag = tag_of(&n->packet.tuple);
	struct lb4_line *line;

	if (vip == LB4_VIP_NONE)
		return is_answer_port(n->control, n->packet.tuple.destination_port) && flow_see(n);
	line = line_of(n->control, tag);
	return line && way_find(line, tag);
}

lb4_inline enum lb4_verdict odd(struct nat *n)
{
	struct lb4_control *c = n->control;
	__u32 vip;

	if (n->packet.has_ports) {
		vip = vip_find(c, n->packet.tuple.destination, n->packet.tuple.destination_port);
		if (is_odd_of_flow(n, vip))
			return LB4_VERDICT_DROP_ODD;
	}
	vip = vip_find(c, n->packet.tuple.destination, 0);
	return vip == LB4_VIP_NONE ? LB4_VERDICT_NOT_OURS : LB4_VERDICT_PASS_ODD;
}

/* Whom the packet is for, and what is to become of it. */
lb4_inline enum lb4_verdict nat_decide(struct nat *n, enum parsed parsed)
{
	struct lb4_control *c = n->control;
	enum lb4_verdict verdict;
	__u32 vip;

	if (parsed == PARSED_OTHER)
		return LB4_VERDICT_NOT_OURS;
	if (parsed == PARSED_ODD)
		return odd(n);
	if (parsed == PARSED_MALFORMED)
		return vip_find(c, n->packet.tuple.destination, 0) == LB4_VIP_NONE
			       ? LB4_VERDICT_NOT_OURS
			       : LB4_VERDICT_DROP_MALFORMED;
	vip = vip_find(c, n->packet.tuple.destination, n->packet.tuple.destination_port);
	if (vip != LB4_VIP_NONE) {
		n->vip = bpf_map_lookup_elem(&vips, &vip);
		if (!n->vip)
			return LB4_VERDICT_NOT_OURS;
		if (source_is_impossible(&n->packet))
			return LB4_VERDICT_DROP_SOURCE;
		verdict = from_client(n, vip);
	} else {
		if (!is_answer_port(c, n->packet.tuple.destination_port))
			return LB4_VERDICT_NOT_OURS;
		verdict = from_server(n);
	}
	if (verdict == LB4_VERDICT_FORWARDED && n->packet.hops <= 1)
		return LB4_VERDICT_DROP_TTL;
	return verdict;
}

lb4_inline __u32 ip_difference(const __u8 from[16], const __u8 to[16], int ipv4)
{
	const __u32 *f = (const __u32 *)from, *t = (const __u32 *)to;
	__u32 sum = sum_replace(0, f[3], t[3]);

	if (ipv4)
		return sum;
	sum = sum_replace(sum, f[0], t[0]);
	sum = sum_replace(sum, f[1], t[1]);
	return sum_replace(sum, f[2], t[2]);
}

/* What is new in the headers. */
struct rewrite {
	__u8 source[16], destination[16];
	__be16 source_port, destination_port;
};

/* Writes addresses, ports and hops; the differences to the TCP checksum are left to the hook. */
lb4_inline void rewrite(struct nat *n, const struct rewrite *to, __u32 *ret_address_sum,
			__u32 *ret_body_sum)
{
	struct packet *p = &n->packet;
	__u32 sum = ip_difference(p->tuple.source, to->source, p->is_ipv4);

	sum = sum_add(sum, ip_difference(p->tuple.destination, to->destination, p->is_ipv4));
	if (p->is_ipv4) {
		struct iphdr *ip = ipv4_of(p);
		__u16 was = *(__u16 *)&ip->ttl;

		ip->ttl--;
		ip->saddr = *(const __u32 *)(to->source + 12);
		ip->daddr = *(const __u32 *)(to->destination + 12);
		ip->check = checksum_update(ip->check, sum_replace(sum, was, *(__u16 *)&ip->ttl));
	} else {
		struct ipv6hdr *ip = ipv6_of(p);

		ip->hop_limit--;
		copy_ip((__u8 *)&ip->saddr, to->source);
		copy_ip((__u8 *)&ip->daddr, to->destination);
	}
	p->tcp->source = to->source_port;
	p->tcp->dest = to->destination_port;
	*ret_address_sum = sum;
	*ret_body_sum = sum_replace(sum_replace(n->body_sum, p->tuple.source_port, to->source_port),
				    p->tuple.destination_port, to->destination_port);
}
