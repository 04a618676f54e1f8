/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets for `lbctl capture`, whatever the hook: one that is wanted is noted as it has arrived,
 * before anything is rewritten, and told once it is known what becomes of it. Nobody waits for who
 * reads them: what finds no room is counted, and so is what is beyond the budget.
 *
 * The hook defines HOOK_SIZE(context), the bytes of the frame, and HOOK_LOAD(context, from, to,
 * size), which copies some of them.
 */
#pragma once

#include "dsr.h"
#include "lb4_capture.h"
#include "nat_packet.h"

MAPPED_ARRAY(capture, struct lb4_capture, 1);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, LB4_CAPTURE_RING);
} captured SEC(".maps");

/* Of one CPU: the packet that is being dealt with. */
struct capture_note {
	struct lb4_captured packet;
	__u32 tick; /* in which … */
	__u32 told; /* … so many were told */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct capture_note);
} capture_notes SEC(".maps");

lb4_inline struct capture_note *capture_note_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&capture_notes, &zero);
}

/* A packet without ports may be of any port, and one whose service is not known of any service:
 * userspace looks at its addresses. */
lb4_inline int capture_wants(const struct lb4_capture *c, const struct lb4_captured *p)
{
	const __u32 *mask = (const __u32 *)c->client_mask;
	const __u32 *want = (const __u32 *)c->client, *is = (const __u32 *)p->client;

	if ((want[0] ^ is[0]) & mask[0] || (want[1] ^ is[1]) & mask[1] ||
	    (want[2] ^ is[2]) & mask[2] || (want[3] ^ is[3]) & mask[3])
		return 0;
	if (c->client_port && p->client_port && c->client_port != p->client_port)
		return 0;
	return c->service == LB4_CAPTURE_NONE || p->service == LB4_CAPTURE_NONE ||
	       c->service == p->service;
}

/*
 * The packet of the note is this one, if it is wanted: whether it is. Global, so that the verifier
 * looks at it by itself, and out of the way of packets while there is no capture.
 */
__attribute__((noinline)) int capture_take(HOOK_CONTEXT *context)
{
	struct capture_note *note = capture_note_here();
	struct lb4_capture *c;
	__u32 zero = 0, size, last;

	c = bpf_map_lookup_elem(&capture, &zero);
	if (!note || !c || !capture_wants(c, &note->packet))
		return 0;
	note->packet.time = bpf_ktime_get_ns();
	if ((__s32)((__u32)(note->packet.time >> LB4_TICK_SHIFT) - c->deadline) > 0)
		return 0;
	size = HOOK_SIZE(context);
	note->packet.size = size;
	if (size > c->bytes)
		size = c->bytes;
	/* The verifier is to see the number that is compared, and no other made of it; that 0 is none
	 * of those that are left it knows by this form alone, before Linux 6.8 or so. */
	last = size - 1;
	asm volatile("" : "+r"(last));
	if (last >= LB4_CAPTURE_BYTES)
		return 0;
	size = last + 1;
	if (HOOK_LOAD(context, 0, note->packet.bytes, size) < 0)
		return 0;
	note->packet.kept = size;
	return 1;
}

/* Whether this CPU may tell one more. */
lb4_inline int capture_may_tell(const struct lb4_capture *c, struct capture_note *note)
{
	__u32 tick = (__u32)(note->packet.time >> LB4_TICK_SHIFT);

	if (note->tick != tick)
		note->told = 0;
	note->tick = tick;
	return note->told++ < c->budget;
}

/* What was taken has met that verdict. Nobody is woken: userspace looks now and then. */
__attribute__((noinline)) int capture_tell(__u32 verdict)
{
	struct capture_note *note = capture_note_here();
	struct lb4_capture *c;
	__u32 zero = 0, kept;

	c = bpf_map_lookup_elem(&capture, &zero);
	if (!note || !c || (c->drops && !lb4_verdict_is_drop(verdict)))
		return 0;
	note->packet.verdict = (__u8)verdict;
	kept = note->packet.kept;
	if (kept > LB4_CAPTURE_BYTES)
		return 0;
	if (!capture_may_tell(c, note) ||
	    bpf_ringbuf_output(&captured, &note->packet,
			       __builtin_offsetof(struct lb4_captured, bytes) + kept,
			       BPF_RB_NO_WAKEUP) < 0)
		__sync_fetch_and_add(&c->lost, 1);
	return 0;
}

/*
 * To be called when it is known whose packet it is, and before it is changed: whether
 * capture_tell() is to be called in the end.
 */
lb4_inline int capture_arrival(const struct nat *n, enum lb4_verdict verdict)
{
	struct capture_note *note;

	if (!n->control->captures || verdict == LB4_VERDICT_NOT_OURS)
		return 0;
	note = capture_note_here();
	if (!note)
		return 0;
	note->packet.interface = n->arrived;
	note->packet.service = n->vip ? n->vip->service : LB4_CAPTURE_NONE;
	note->packet.backend = LB4_CAPTURE_NONE;
	if (n->flow && n->vip) {
		copy_ip(note->packet.client, n->seen.client);
		note->packet.client_port = n->seen.client_port;
		note->packet.backend = n->backend_index;
	} else {
		copy_ip(note->packet.client, n->packet.tuple.source);
		note->packet.client_port = n->packet.tuple.source_port;
		if (n->backend)
			note->packet.backend = n->backend_index;
	}
	return capture_take(n->context);
}

/*
 * The same of an ICMP error that goes from `to->source` to `to->destination`; one of the two is the
 * client, the other's VIP is what was asked for.
 */
lb4_inline int capture_icmp(HOOK_CONTEXT *context, const struct lb4_control *c, __u32 arrived,
			    __u32 vip_index, const __u8 client[16], __be16 client_port)
{
	struct capture_note *note;
	struct lb4_vip *vip;

	if (!c->captures)
		return 0;
	note = capture_note_here();
	vip = bpf_map_lookup_elem(&vips, &vip_index);
	if (!note)
		return 0;
	note->packet.interface = arrived;
	note->packet.service = vip ? vip->service : LB4_CAPTURE_NONE;
	note->packet.backend = LB4_CAPTURE_NONE;
	copy_ip(note->packet.client, client);
	note->packet.client_port = client_port;
	return capture_take(context);
}

/* The same of a client's packet to a service of dsr. */
lb4_inline int capture_client(const struct dsr *d, __u32 arrived, enum lb4_verdict verdict)
{
	struct capture_note *note;

	if (!d->control->captures)
		return 0;
	note = capture_note_here();
	if (!note)
		return 0;
	note->packet.interface = arrived;
	note->packet.service = d->vip->service;
	note->packet.backend =
		verdict == LB4_VERDICT_FORWARDED ? d->backend_index : LB4_CAPTURE_NONE;
	copy_ip(note->packet.client, d->packet.tuple.source);
	note->packet.client_port = d->packet.tuple.source_port;
	return capture_take(d->context);
}
