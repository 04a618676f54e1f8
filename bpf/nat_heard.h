/* SPDX-License-Identifier: GPL-2.0-only */
/* What the segments of either side say of their flow: that it is established, or over, and how far
 * its numbers have come. */
#pragma once

#include "nat_packet.h"
#include "record.h"

/*
 * How far a FIN or a doubtful RST may be from the next byte that the other side expects, either way:
 * what may be in flight, and hard to guess.
 */
#define SEQUENCE_WINDOW (1u << 24)

/* Where answers go: back where this came from. */
lb4_inline void flow_note_client(struct nat *n, struct lb4_flow *f)
{
	WRITE_ONCE(f->last, n->now);
	copy_mac(f->client_mac, n->packet.ethernet->h_source);
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
