/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is noted of a flow for whoever tells of it (struct lb4_record), at the few moments that are
 * worth a line of memory. Functions of their own, so that they have their own stack; a flow is named
 * by its tag, which may be another's by now: what is written then is wrong by one packet's word.
 */
#pragma once

#include "flow.h"

/* Bytes of either side that may be under way with SYN and answer (TCP Fast Open). */
#define FIRST_WINDOW (1u << 16)

lb4_inline struct lb4_record *record_of(__u64 tag)
{
	struct lb4_control *c;
	__u32 index = 0;

	c = bpf_map_lookup_elem(&control, &index);
	if (!c || tag < LB4_TAG_FIRST)
		return 0;
	index = lb4_flow_place(c, tag);
	return bpf_map_lookup_elem(&records, &index);
}

/* A client's SYN has come. */
__attribute__((noinline)) int record_begin(__u64 tag, __u32 client_first)
{
	struct lb4_record *r = record_of(tag);

	if (!r)
		return 0;
	*r = (struct lb4_record){.born = bpf_ktime_get_ns(), .client_first = client_first};
	return 1;
}

/*
 * The backend has answered: 1, or 0 when it does so again. `next` is its first byte. Another answer
 * than before is to another SYN of the client's, and all begins anew.
 */
__attribute__((noinline)) int record_answer(__u64 tag, __u32 next, __u32 acknowledged)
{
	struct lb4_record *r = record_of(tag);
	__u64 took;

	if (!r || (r->connect_us && r->server_first == next))
		return 0;
	took = (bpf_ktime_get_ns() - r->born) / 1000;
	if (!r->connect_us)
		r->connect_us = took >= ~0u ? ~0u : (__u32)took + 1;
	r->server_first = next;
	if (acknowledged - r->client_first > FIRST_WINDOW)
		r->client_first = acknowledged;
	r->client_wraps = acknowledged < r->client_first;
	r->server_wraps = 0;
	return 1;
}

/* The next number of a side has begun anew at 0. */
__attribute__((noinline)) int record_wrap(__u64 tag, int of_client)
{
	struct lb4_record *r = record_of(tag);

	if (!r)
		return 0;
	if (of_client)
		r->client_wraps++;
	else
		r->server_wraps++;
	return 1;
}

/* The client's FIN has that number. */
__attribute__((noinline)) int record_fin(__u64 tag, __u32 sequence)
{
	struct lb4_record *r = record_of(tag);

	if (r)
		r->client_fin = sequence;
	return !!r;
}

/* Both sides said FIN, or one RST. */
__attribute__((noinline)) int record_over(__u64 tag)
{
	struct lb4_record *r = record_of(tag);
	__u64 lived;

	if (!r || r->over)
		return 0;
	lived = (bpf_ktime_get_ns() - r->born) >> LB4_OVER_SHIFT;
	r->over = lived >= ~0u ? ~0u : (__u32)lived + 1;
	return 1;
}
