/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two tables of nat flows (struct lb4_flow, struct lb4_way). Any CPU begins and reads flows at
 * any time, and userspace ends them, without locks:
 *
 * A place is taken by exchanging its tag for LB4_TAG_BUSY, filled, and shown by storing the flow's
 * tag. Who reads compares the tag before and after. A flow is shown before the way that leads to
 * it; userspace takes the way first. So a way that leads to a flow of somebody else is one of a SYN
 * that was never acknowledged, whose place another has taken: such a way is not trusted before it
 * is ESTABLISHED.
 */
#pragma once

#include "lb4_place.h"
#include "maps.h"
#include "packet.h"

#define READ_ONCE(x)	 (*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

lb4_inline int tag_exchange(__u64 *tag, __u64 from, __u64 to)
{
	return __sync_val_compare_and_swap(tag, from, to) == from;
}

/* Stores before it are seen before it. */
lb4_inline void tag_show(__u64 *place, __u64 tag)
{
	__sync_lock_test_and_set(place, tag);
}

/* Not inline, and global, so that the verifier looks at it once. */
__attribute__((noinline)) __u64 tag_of(const struct lb4_tuple *t)
{
	struct lb4_control *c;
	__u32 zero = 0;

	c = bpf_map_lookup_elem(&control, &zero);
	return c && t ? lb4_tag(c, t) : LB4_TAG_FREE;
}

lb4_inline struct lb4_line *line_of(const struct lb4_control *c, __u64 tag)
{
	__u32 index = lb4_line_place(c, tag);

	return bpf_map_lookup_elem(&lines, &index);
}

lb4_inline struct lb4_flow *flow_place(const struct lb4_control *c, __u64 tag)
{
	__u32 index = lb4_flow_place(c, tag);

	return bpf_map_lookup_elem(&flows, &index);
}

lb4_inline struct lb4_way *way_find(struct lb4_line *line, __u64 tag)
{
	for (int i = 0; i < LB4_WAYS; i++)
		if (READ_ONCE(line->way[i].tag) == tag)
			return &line->way[i];
	return 0;
}

union way_word {
	struct {
		__u16 backend;
		__be16 port;
		__u16 last;
		__u16 state;
	};
	__u64 word;
};

/* What the way says, if it is still that of `tag`. */
lb4_inline int way_read(struct lb4_way *way, __u64 tag, union way_word *ret)
{
	ret->word = READ_ONCE(*(__u64 *)&way->backend);
	return READ_ONCE(way->tag) == tag;
}

/*
 * Begun and not acknowledged for a while: its place may be taken. Ages are signed, as another CPU's
 * tick may be ahead of ours.
 */
lb4_inline int is_embryo(__u32 state)
{
	return !(state & LB4_FLOW_ESTABLISHED);
}

lb4_inline int way_may_go(struct lb4_way *way, __u32 now)
{
	return is_embryo(READ_ONCE(way->state)) &&
	       (__s16)((__u16)now - READ_ONCE(way->last)) >= LB4_EMBRYO_TICKS;
}

lb4_inline int flow_may_go(struct lb4_flow *f, __u32 now)
{
	return is_embryo(READ_ONCE(f->state)) &&
	       (__s32)(now - READ_ONCE(f->last)) >= LB4_EMBRYO_TICKS;
}

/* Makes the way busy; whether that was possible. What it may be is looked at again then. */
lb4_inline int way_seize(struct lb4_way *way, __u32 now)
{
	__u64 tag = READ_ONCE(way->tag);

	if (tag == LB4_TAG_FREE)
		return tag_exchange(&way->tag, LB4_TAG_FREE, LB4_TAG_BUSY);
	if (tag == LB4_TAG_BUSY || !way_may_go(way, now) ||
	    !tag_exchange(&way->tag, tag, LB4_TAG_BUSY))
		return 0;
	if (way_may_go(way, now))
		return 1;
	tag_show(&way->tag, tag);
	return 0;
}

enum way_taken {
	WAY_TAKEN,
	WAY_NONE, /* all of the line are in use */
	WAY_TWIN, /* another CPU takes one for the same flow */
};

lb4_inline struct lb4_way *way_find_free(struct lb4_line *line, __u32 now)
{
	for (int i = 0; i < LB4_WAYS; i++)
		if (READ_ONCE(line->way[i].tag) == LB4_TAG_FREE && way_seize(&line->way[i], now))
			return &line->way[i];
	for (int i = 0; i < LB4_WAYS; i++)
		if (way_seize(&line->way[i], now))
			return &line->way[i];
	return 0;
}

/*
 * Takes one of the line's ways, and shows it as pending. Two CPUs with the same SYN may both do so;
 * whoever then sees the other's withdraws, and of two, one at least does.
 */
lb4_inline enum way_taken way_take(struct lb4_line *line, __u64 tag, __u32 now,
				   struct lb4_way **ret)
{
	struct lb4_way *way = way_find_free(line, now);
	union way_word word = {};
	int n = 0;

	if (!way)
		return WAY_NONE;
	word.last = (__u16)now;
	word.state = LB4_WAY_PENDING;
	WRITE_ONCE(*(__u64 *)&way->backend, word.word);
	tag_show(&way->tag, tag);
	for (int i = 0; i < LB4_WAYS; i++)
		n += READ_ONCE(line->way[i].tag) == tag;
	if (n > 1) {
		tag_show(&way->tag, LB4_TAG_FREE);
		return WAY_TWIN;
	}
	*ret = way;
	return WAY_TAKEN;
}

enum taken {
	TAKEN_NOT,
	TAKEN_FREE,
	TAKEN_FROM_ANOTHER, /* what it was is still there to be read */
};

lb4_inline enum taken flow_take(struct lb4_flow *f, __u32 now)
{
	__u64 tag = READ_ONCE(f->tag);

	if (tag == LB4_TAG_BUSY)
		return TAKEN_NOT;
	if (tag == LB4_TAG_FREE)
		return tag_exchange(&f->tag, tag, LB4_TAG_BUSY) ? TAKEN_FREE : TAKEN_NOT;
	if (!flow_may_go(f, now) || !tag_exchange(&f->tag, tag, LB4_TAG_BUSY))
		return TAKEN_NOT;
	if (flow_may_go(f, now))
		return TAKEN_FROM_ANOTHER;
	tag_show(&f->tag, tag); /* it was acknowledged at the last moment */
	return TAKEN_NOT;
}

lb4_inline void answer_tuple(struct lb4_tuple *t, const struct lb4_backend *b, __be16 port)
{
	copy_ip(t->source, b->address);
	copy_ip(t->destination, b->source);
	t->source_port = b->port;
	t->destination_port = port;
	t->protocol = IPPROTO_TCP;
}
