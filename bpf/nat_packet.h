/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet that nat deals with, and what comes of it; what the hook has to say of ways out. */
#pragma once

#include "counters.h"
#include "flow.h"

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

lb4_inline void count_replaced(const struct lb4_control *c, __u16 backend)
{
	struct lb4_backend_counters *counters = counters_of(c, backend);

	if (counters)
		counters->replaced++;
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
