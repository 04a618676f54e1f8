/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct server return: which backend a client's packet goes to. Backends hold the VIP themselves
 * and answer clients directly, so nothing comes back this way, and nothing is rewritten.
 *
 * A connection is its slot's owner's, and nothing is known of it, while the slot is still. When a
 * slot gets another owner although flows of the previous one may live, each flow gets a way of its
 * own, in the lines that nat's ways are in (struct lb4_way): new ones to the new owner, those that
 * have none yet to the previous one. Once everybody who is alive has spoken, a flow without a way
 * is the owner's again, and when those that have one have fallen silent the slot is still
 * (struct lb4_motion). Main moves slots from state to state; programs only read it.
 *
 * What is not taken goes up the stack and is spliced there. Such connections are told apart by the
 * machine's own sockets, which are asked only for packets whose mark is set (struct lb4_spliced).
 */
#pragma once

#include "host_socket.h"
#include "nat_packet.h"
#include "outer.h"
#include "slot.h"
#include "vip.h"

struct dsr {
	HOOK_CONTEXT *context;
	struct lb4_control *control;
	struct lb4_vip *vip;
	struct lb4_service *service;
	struct packet packet;
	__u16 backend_index;
};

/* The line has no room for the way of a new flow; another CPU is making it. */
#define DSR_FULL 0x10000u
#define DSR_TWIN 0x10001u

lb4_inline int is_first_syn(const struct packet *p)
{
	return (p->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

lb4_inline __u32 tick_now(void)
{
	return (__u32)(bpf_ktime_get_coarse_ns() >> LB4_TICK_SHIFT);
}

/* NULL only for the verifier. */
lb4_inline __u8 *mark_of(__u64 hash)
{
	struct lb4_spliced *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&spliced, &zero);
	return s ? &s->marks[hash & (LB4_MARKS - 1)] : 0;
}

/* Its SYN goes up the stack. */
lb4_inline void mark_spliced(__u8 *mark)
{
	WRITE_ONCE(*mark, lb4_epoch(tick_now()));
}

lb4_inline int has_left(__u32 backend)
{
	struct lb4_backend *b = bpf_map_lookup_elem(&backends, &backend);

	return !b || b->left;
}

lb4_inline enum way_taken way_make(struct lb4_line *line, __u64 tag, __u32 now, __u32 backend,
				   __u16 state)
{
	union way_word word = {};
	struct lb4_way *way = 0;
	enum way_taken taken = way_take(line, tag, now, &way);

	if (taken != WAY_TAKEN)
		return taken;
	word.backend = (__u16)backend;
	word.last = (__u16)now;
	word.state = LB4_WAY_DSR | state;
	WRITE_ONCE(*(__u64 *)&way->backend, word.word);
	return WAY_TAKEN;
}

/* A flow that has a way speaks. What anybody may have made is believed when it is heard again. */
lb4_inline void way_heard(struct lb4_way *way, const union way_word *word, __u16 now, __u32 flags)
{
	__u16 state = word->state;

	if (flags != TCP_SYN && !((state & LB4_WAY_UNHEARD) && word->last == now))
		state = (state | LB4_FLOW_ESTABLISHED) & ~LB4_WAY_UNHEARD;
	if (flags & TCP_FIN)
		state |= LB4_FLOW_CLIENT_FIN;
	if (word->last == now && word->state == state)
		return;
	WRITE_ONCE(way->last, now);
	WRITE_ONCE(way->state, state);
}

/* A SYN of a flow that has no way. */
lb4_inline __u32 moving_syn(struct lb4_line *line, __u64 tag, __u32 owner, __u32 now)
{
	if (owner == LB4_RING_NONE)
		return owner;
	switch (way_make(line, tag, now, owner, 0)) {
	case WAY_TAKEN:
		return owner;
	case WAY_TWIN:
		return DSR_TWIN;
	default:
		return DSR_FULL;
	}
}

/* A flow that has no way. If there is no room for one, the slot goes on moving until there is. */
lb4_inline __u32 moving_newcomer(struct lb4_line *line, __u64 tag, struct lb4_motion *m,
				 __u32 owner, __u32 now, __u32 flags)
{
	__u32 previous;

	if (READ_ONCE(m->state) != LB4_SLOT_MOVING)
		return owner;
	if (flags == TCP_SYN)
		return moving_syn(line, tag, owner, now);
	previous = READ_ONCE(m->previous);
	if (previous == LB4_RING_NONE || has_left(previous))
		return owner;
	if (!(flags & TCP_RST) && way_make(line, tag, now, previous, LB4_WAY_UNHEARD) == WAY_NONE)
		WRITE_ONCE(m->since, (__u16)now);
	WRITE_ONCE(m->last, (__u16)now);
	return previous;
}

/*
 * Whether a SYN that is sent again goes to somebody else now: whom it went to has not been heard to
 * answer, and is no longer the owner.
 */
lb4_inline int may_choose_anew(const union way_word *word, __u32 owner, __u16 now)
{
	return !(word->state & (LB4_FLOW_ESTABLISHED | LB4_WAY_UNHEARD)) &&
	       word->backend != owner && owner != LB4_RING_NONE && word->last != now;
}

/*
 * Whose a packet of a slot in motion is; LB4_RING_NONE: nobody's, DSR_FULL, DSR_TWIN. `flags` are SYN, ACK,
 * RST and FIN. Global and not inline, so that the verifier looks at it once.
 */
__attribute__((noinline)) __u32 moving_owner(const struct lb4_tuple *t, __u32 chunk_index,
					     __u32 slot, __u32 flags)
{
	struct lb4_motion_chunk *motions = bpf_map_lookup_elem(&motion, &chunk_index);
	struct lb4_ring_chunk *owners = bpf_map_lookup_elem(&ring, &chunk_index);
	struct lb4_control *c;
	struct lb4_motion *m;
	struct lb4_line *line;
	struct lb4_way *way;
	union way_word word;
	__u32 owner, zero = 0, now = tick_now();
	__u64 tag;

	c = bpf_map_lookup_elem(&control, &zero);
	if (!t || !motions || !owners || !c)
		return LB4_RING_NONE;
	owner = READ_ONCE(owners->owner[slot % LB4_RING_CHUNK]) & ~LB4_RING_MOVES;
	m = &motions->slot[slot % LB4_RING_CHUNK];
	tag = tag_of(t);
	line = line_of(c, tag);
	if (!line)
		return LB4_RING_NONE;
	way = way_find(line, tag);
	if (!way || !way_read(way, tag, &word) || !(word.state & LB4_WAY_DSR))
		return moving_newcomer(line, tag, m, owner, now, flags);
	if (has_left(word.backend)) {
		tag_exchange(&way->tag, tag, LB4_TAG_FREE);
		return flags == TCP_SYN ? moving_newcomer(line, tag, m, owner, now, flags) : owner;
	}
	if (flags == TCP_SYN && may_choose_anew(&word, owner, (__u16)now)) {
		word.backend = (__u16)owner;
		word.last = (__u16)now;
		WRITE_ONCE(*(__u64 *)&way->backend, word.word);
		return owner;
	}
	way_heard(way, &word, (__u16)now, flags);
	if (word.backend != owner)
		WRITE_ONCE(m->last, (__u16)now);
	return word.backend;
}

/* Whose a slot is; with LB4_RING_MOVES there is more to know. */
lb4_inline __u32 slot_owner(__u32 chunk_index, __u32 slot)
{
	struct lb4_ring_chunk *chunk = bpf_map_lookup_elem(&ring, &chunk_index);

	return chunk ? READ_ONCE(chunk->owner[slot % LB4_RING_CHUNK]) : LB4_RING_NONE;
}

/* Whose the flow with that tuple is; LB4_RING_NONE, DSR_FULL, DSR_TWIN. */
lb4_inline __u32 dsr_owner(const struct dsr *d, const struct lb4_tuple *t, __u64 hash, __u32 flags)
{
	__u32 slot, owner, index;

	if (d->service->hash_source)
		slot = slot_of(t, d->vip->service);
	else
		slot = lb4_slot(hash, d->service->ring_size);
	index = d->service->ring + slot / LB4_RING_CHUNK;
	owner = slot_owner(index, slot);
	return owner & LB4_RING_MOVES ? moving_owner(t, index, slot, flags) : owner;
}

/* A SYN that goes up the stack leaves a mark, by which its connection is known there. */
lb4_inline enum lb4_verdict dsr_pass(const struct dsr *d, __u8 *mark, enum lb4_verdict verdict)
{
	if (!is_first_syn(&d->packet))
		return LB4_VERDICT_PASS_NO_FLOW;
	mark_spliced(mark);
	return verdict;
}

/* A fragment, or with options. Whoever's first packet was one is in a socket. */
lb4_inline enum lb4_verdict dsr_decide_odd(struct dsr *d, __u8 *mark)
{
	if (*mark && is_spliced(d->context, &d->packet.tuple))
		return LB4_VERDICT_PASS_ODD;
	if (!is_first_syn(&d->packet))
		return LB4_VERDICT_DROP_ODD;
	mark_spliced(mark);
	return LB4_VERDICT_PASS_ODD;
}

/* Whether a SYN may go on to a backend. */
lb4_inline enum lb4_verdict dsr_admit(const struct dsr *d)
{
	/* From a VIP itself, as in a LAND attack. */
	if (vip_find(d->control, d->packet.tuple.source, 0) != LB4_VIP_NONE)
		return LB4_VERDICT_DROP_SOURCE;
	if (!d->service->accepts || !d->control->accepts || d->vip->closed)
		return LB4_VERDICT_PASS_OFF;
	return LB4_VERDICT_FORWARDED;
}

lb4_inline enum lb4_verdict dsr_decide(struct dsr *d, __u64 hash, __u8 *mark)
{
	const __u32 flags = d->packet.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	enum lb4_verdict verdict = LB4_VERDICT_FORWARDED;
	struct lb4_backend *b;
	__u32 owner;

	if (source_is_impossible(&d->packet))
		return LB4_VERDICT_DROP_SOURCE;
	if (*mark && is_spliced(d->context, &d->packet.tuple))
		return LB4_VERDICT_PASS_SPLICED;
	if (flags == TCP_SYN)
		verdict = dsr_admit(d);
	if (verdict == LB4_VERDICT_PASS_OFF)
		return dsr_pass(d, mark, verdict);
	if (verdict != LB4_VERDICT_FORWARDED)
		return verdict;
	owner = dsr_owner(d, &d->packet.tuple, hash, flags);
	if (owner == DSR_TWIN)
		return LB4_VERDICT_DROP_TWIN;
	if (owner == DSR_FULL)
		return dsr_pass(d, mark, LB4_VERDICT_PASS_FULL);
	if (owner == LB4_RING_NONE)
		return dsr_pass(d, mark, LB4_VERDICT_PASS_NO_BACKEND);
	b = bpf_map_lookup_elem(&backends, &owner);
	if (!b || !b->reachable)
		return flags == TCP_SYN ? dsr_pass(d, mark, LB4_VERDICT_PASS_NO_WAY)
					: LB4_VERDICT_DROP_NO_WAY;
	if (d->packet.hops <= 1)
		return LB4_VERDICT_DROP_TTL;
	d->backend_index = (__u16)owner;
	return LB4_VERDICT_FORWARDED;
}

lb4_inline void dsr_count(const struct dsr *d, __u32 payload)
{
	struct lb4_backend_counters *counters = counters_of(d->control, d->backend_index);

	if (!counters)
		return;
	counters->packets_in++;
	counters->bytes_in += payload;
	if (is_first_syn(&d->packet))
		counters->flows++;
}

/* The service of dsr that a packet of that destination is for; 0: none. */
lb4_inline int dsr_find(struct dsr *d, const __u8 address[16], __be16 port)
{
	__u32 vip = vip_find(d->control, address, port), service;

	if (vip == LB4_VIP_NONE)
		return 0;
	d->vip = bpf_map_lookup_elem(&vips, &vip);
	if (!d->vip)
		return 0;
	service = d->vip->service;
	d->service = bpf_map_lookup_elem(&services, &service);
	return d->service && d->service->forward != LB4_FORWARD_NAT;
}

/* A connection that nat has begun goes on as it is. */
lb4_inline int has_nat_way(const struct dsr *d, const struct lb4_tuple *t)
{
	__u64 tag = tag_of(t);
	struct lb4_line *line = line_of(d->control, tag);
	struct lb4_way *way = line ? way_find(line, tag) : 0;

	return way && !(READ_ONCE(way->state) & LB4_WAY_DSR);
}

/* What becomes of a packet; NOT_OURS: it is not for a service of dsr. */
lb4_inline enum lb4_verdict dsr_take(struct dsr *d, enum parsed parsed)
{
	const struct lb4_tuple *t = &d->packet.tuple;
	__u64 hash;
	__u8 *mark;

	if (parsed != PARSED && !(parsed == PARSED_ODD && d->packet.has_ports))
		return LB4_VERDICT_NOT_OURS;
	if (!dsr_find(d, t->destination, t->destination_port))
		return LB4_VERDICT_NOT_OURS;
	/* Its client may not begin anew before the flow is gone. */
	if (d->service->has_nat && has_nat_way(d, t))
		return is_first_syn(&d->packet) ? LB4_VERDICT_DROP_TWIN : LB4_VERDICT_NOT_OURS;
	hash = lb4_flow_hash(&d->control->choice, t);
	mark = mark_of(hash);
	if (!mark)
		return LB4_VERDICT_NOT_OURS;
	return parsed == PARSED ? dsr_decide(d, hash, mark) : dsr_decide_odd(d, mark);
}
