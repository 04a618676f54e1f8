/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the fast path's maps hold: written by userspace and read by the BPF programs, or the other
 * way round, through memory that both have mapped. Plain fixed-width data with explicit padding.
 * Addresses and ports stand as in packets, IPv4 as ::ffff:a.b.c.d. Indices are never reused for
 * something else while a flow refers to them.
 */
#pragma once

#include "lb4_abi.h"

/* Time in maps: ticks of 2^30 ns of CLOCK_MONOTONIC, a little more than a second. */
#define LB4_TICK_SHIFT 30

/*
 * One listen address of a service. Each of these addresses has besides an entry with port 0, by
 * which fragments and the like are known to be for a VIP. A flow refers to a VIP by its place in
 * the array of VIPs; a hash table of buckets leads there.
 */
struct lb4_vip {
	__u8 address[16];
	__be16 port;
	__u16 service;
	__u8 closed; /* of dsr: takes no new connections, though its service does */
	__u8 padding[3];
};
_Static_assert(sizeof(struct lb4_vip) == 24, "struct lb4_vip is part of the ABI");

#define LB4_VIPS_MAX 4096u
#define LB4_VIP_NONE 0xffffu

/* The table is made without a bucket that overflows: another seed is tried instead. */
#define LB4_VIP_BUCKETS (4 * LB4_VIPS_MAX)
#define LB4_VIP_WAYS	2
struct lb4_vip_bucket {
	struct lb4_vip_key {
		__u8 address[16];
		__be16 port;
		__u16 vip; /* LB4_VIP_NONE: the entry is unused */
		__u32 padding;
	} way[LB4_VIP_WAYS];
};
_Static_assert(sizeof(struct lb4_vip_bucket) == 48, "struct lb4_vip_bucket is part of the ABI");

#define LB4_SERVICES_MAX 1024u
struct lb4_service {
	__u32 ring;	  /* where its slots begin in the ring, in chunks */
	__u32 ring_size;  /* slots */
	__u8 hash_source; /* else of the connection */
	__u8 mask_ipv4, mask_ipv6;
	__u8 accepts; /* takes new flows; else they go to its listening socket */
	__u8 forward; /* LB4_FORWARD_* */
	__u8 has_nat; /* of dsr: flows of nat are still there */
	__u16 padding;
};
_Static_assert(sizeof(struct lb4_service) == 16, "struct lb4_service is part of the ABI");

/* The owners of slots, of all services one after the other. */
#define LB4_RING_CHUNK 4096u
#define LB4_RING_NONE  0x7fffu
#define LB4_RING_MOVES 0x8000u /* of dsr: there is more to know in `motion` */
struct lb4_ring_chunk {
	__u16 owner[LB4_RING_CHUNK]; /* an index of a backend */
};

/*
 * What dsr knows of a slot whose owner has changed while flows of the previous one live. Times are
 * the low bits of ticks.
 */
struct lb4_motion {
	__u16 previous; /* LB4_RING_NONE: nobody */
	__u16 state;	/* LB4_SLOT_* */
	__u16 since;	/* it is in that state */
	__u16 last;	/* packet of a flow that is not the owner's */
};

#define LB4_SLOT_STILL	0 /* all flows are the owner's */
#define LB4_SLOT_MOVING 1 /* flows that have no way are the previous owner's, and get one */
#define LB4_SLOT_PINNED 2 /* flows that have no way are the owner's */

struct lb4_motion_chunk {
	struct lb4_motion slot[LB4_RING_CHUNK]; /* as in the ring's chunk */
};

/*
 * Which connections to services of dsr may be in sockets of this machine: a mark for each value of
 * the low bits of their hash, which says when the last SYN of one went up the stack. 0: none are.
 */
#define LB4_MARKS	16384u
#define LB4_EPOCH_SHIFT 6 /* of ticks: about a minute */
struct lb4_spliced {
	__u8 marks[LB4_MARKS]; /* lb4_epoch() */
};

static inline __u8 lb4_epoch(__u32 tick)
{
	return (__u8)(1 + (tick >> LB4_EPOCH_SHIFT) % 255);
}

/* How a service's packets get to its backends. */
#define LB4_FORWARD_NAT	     0
#define LB4_FORWARD_DSR_L2   1 /* as they are, to the backend's MAC address */
#define LB4_FORWARD_DSR_IPIP 2 /* in an IP packet of ours */

/*
 * Two lines; of the second, what some packets want. A way changes under flows that take it. Each MAC
 * address lies within a word of 8 bytes, which userspace writes whole, and only when it differs: who
 * reads the word whole gets an address that was or is. Who reads it in parts, or reads it and the
 * interface at such a moment, may send one frame that nobody takes, which TCP sends again.
 */
struct lb4_backend {
	__u8 address[16];
	__u8 source[16]; /* the address of ours that it is reached from */
	__be16 port;
	__u16 mss_max;	 /* of segments that fit the way out */
	__u32 interface; /* the way out */
	__u8 next_mac[6] /* of the next hop, if it is resolved … */
		__attribute__((aligned(8)));
	__u16 service;
	__u8 own_mac[6] /* … and of the way out */
		__attribute__((aligned(8)));
	__u8 reachable; /* there is a way; else new flows go to the listening socket */
	__u8 resolved;	/* its MAC addresses are known */
	__u8 forward;	/* LB4_FORWARD_* */
	__u8 left;	/* of dsr: flows that it had are now those of their slots' owners */
	__u8 padding[6];

	__u8 gateway[16];    /* the next hop … */
	__u8 gateway_family; /* … AF_INET or AF_INET6; 0: it is the backend itself */
	__u8 padding2[47];
};
_Static_assert(sizeof(struct lb4_backend) == 128, "struct lb4_backend is part of the ABI");

/* Of one CPU and backend, one line. Bytes are those that TCP carries; what is sent again counts
 * again. */
struct lb4_backend_counters {
	__u64 flows;		    /* begun; those not counted below are active */
	__u64 over;		    /* both sides have said FIN, or one RST */
	__u64 packets_in, bytes_in; /* client → backend */
	__u64 packets_out, bytes_out;
	__u64 replaced; /* flows whose place others took before they were over */
	__u64 ended;	/* userspace's, in the first CPU's line: flows that it ended before */
};
_Static_assert(sizeof(struct lb4_backend_counters) == 64, "one line");

/* Where the program is attached. */
#define LB4_INTERFACES_MAX 16
struct lb4_interface {
	__u32 index; /* the kernel's; 0: none */
	__u8 mac[6];
	__u16 mss_max; /* of IPv4 segments that fit it; those of IPv6 are 20 less */
	__u32 padding;
};
_Static_assert(sizeof(struct lb4_interface) == 16, "struct lb4_interface is part of the ABI");

/*
 * What became of a packet, X(name, what it means). All but the first are of packets that are for a
 * VIP or look like an answer of a backend; others are nobody's business and not counted.
 */
#define LB4_VERDICTS(X)                                                                            \
	X(FORWARDED, "forwarded", "rewritten and sent on")                                         \
	X(ICMP, "icmp", "an ICMP error about a packet of a flow: rewritten and sent on")           \
	X(PASS_ODD, "odd", "IP options, extension headers, fragments, not TCP: to the stack")      \
	X(PASS_NO_FLOW, "no-flow", "of no flow and no SYN: to the stack")                          \
	X(PASS_OFF, "off", "a SYN while new flows are not taken: to the stack")                    \
	X(PASS_NO_BACKEND, "no-backend", "the slot has no owner: to the stack")                    \
	X(PASS_NO_WAY, "no-way", "no route to the backend: to the stack")                          \
	X(PASS_NO_PORT, "no-port", "no free port towards the backend: to the stack")               \
	X(PASS_FULL, "full", "no room in the flow table: to the stack")                            \
	X(PASS_SPLICED, "spliced", "of a connection that is spliced: to the stack")                \
	X(DROP_TWIN, "twin", "a SYN that another CPU is dealing with: dropped")                    \
	X(DROP_ODD, "odd-flow", "of a flow, but a fragment or with options: dropped")              \
	X(DROP_MALFORMED, "malformed", "lengths that contradict each other: dropped")              \
	X(DROP_SOURCE, "bad-source", "an impossible source address: dropped")                      \
	X(DROP_TTL, "ttl", "hop limit used up: dropped")                                           \
	X(DROP_NO_WAY, "lost-way", "of a flow, and no route to its backend: dropped")              \
	X(DROP_TOO_BIG, "too-big", "longer than the way out takes, and may be cut: dropped")       \
	X(DROP_ICMP_MADE, "icmp-made", "longer than the way out takes: its sender was told")       \
	X(DROP_ICMP_LIMITED, "icmp-limited", "the same, but many were just told: dropped")

enum lb4_verdict {
#define X(name, word, meaning) LB4_VERDICT_##name,
	LB4_VERDICTS(X)
#undef X
		LB4_VERDICT_COUNT,
	LB4_VERDICT_NOT_OURS = LB4_VERDICT_COUNT,
};

/* Those stand last. */
static inline int lb4_verdict_is_drop(__u32 verdict)
{
	return verdict >= LB4_VERDICT_DROP_TWIN && verdict < LB4_VERDICT_COUNT;
}

/* Of one CPU. */
struct lb4_verdict_counters {
	__u64 n[32];
};
_Static_assert(LB4_VERDICT_COUNT <= 32, "a verdict has a counter");

/*
 * A nat flow, one line of a direct-mapped table: the place follows from the addresses and ports of
 * the backend's side, so that taking the place is what reserves the port, and an answer is found
 * with one load. Answers are rewritten from it alone.
 */
struct lb4_flow {
	__u64 tag; /* keyed, of the backend's side; LB4_TAG_FREE, LB4_TAG_BUSY */
	__u8 client[16];
	__u8 client_mac[6]; /* whom the client's packets come from: answers go back there */
	__be16 client_port;
	__u32 interface; /* … and where they come in, an index of interfaces */
	__u32 last;	 /* tick of the last packet, of either side as far as it is known */
	__u32 born;
	__u16 vip;
	__u16 backend;
	__be16 port; /* ours, towards the backend */
	__u16 padding;
	__u32 state;	   /* LB4_FLOW_* */
	__u32 server_next; /* sequence numbers: the backend's next byte … */
	__u32 client_next; /* … and the client's, as the other side expects them */
};
_Static_assert(sizeof(struct lb4_flow) == 64, "struct lb4_flow is part of the ABI");

/* A tag is at least LB4_TAG_FIRST. */
#define LB4_TAG_FREE  0ull
#define LB4_TAG_BUSY  1ull
#define LB4_TAG_FIRST 2ull

#define LB4_FLOW_ANSWERED    0x01u /* the backend sent SYN and ACK */
#define LB4_FLOW_ESTABLISHED 0x02u /* and the client acknowledged it */
#define LB4_FLOW_CLIENT_FIN  0x04u
#define LB4_FLOW_SERVER_FIN  0x08u
#define LB4_FLOW_CLIENT_RST  0x10u
#define LB4_FLOW_SERVER_RST  0x20u
/* A RST of that side that the other may not have believed. It is cleared by the answer to a question
 * of userspace's, since what comes before that may have been on its way. */
#define LB4_FLOW_CLIENT_DOUBT 0x40u
#define LB4_FLOW_SERVER_DOUBT 0x200u
#define LB4_FLOW_DOUBT	      (LB4_FLOW_CLIENT_DOUBT | LB4_FLOW_SERVER_DOUBT)
#define LB4_FLOW_ASKED	      0x400u /* the other side, by userspace */

#define LB4_FLOW_SERVER_FIRST 0x80u /* its FIN was the first: it waits in TIME_WAIT */

/* Userspace's: the end is told, in the log and in counters. */
#define LB4_FLOW_TOLD 0x100u

/* Of a way alone: its flow is still being made; it is one of dsr, and leads to no flow. */
#define LB4_WAY_PENDING 0x8000u
#define LB4_WAY_DSR	0x4000u
/* Of dsr: it was made by a packet that anybody may have sent, and has not been heard again. */
#define LB4_WAY_UNHEARD 0x2000u

/*
 * What is told of a flow: a table beside that of flows, with the same places. It is touched when a
 * flow begins, is answered and ends, and where a sequence number begins anew at 0; never by the
 * packets between.
 */
struct lb4_record {
	__u64 born; /* ns of CLOCK_MONOTONIC: the SYN */
	__u32 over; /* how long it had lived when it was over: 1 + units of 2^20 ns; 0: it is not */
	__u32 connect_us;   /* from the SYN to the answer; 0: there is none */
	__u32 client_first; /* numbers of the first byte of either side … */
	__u32 server_first;
	__u32 client_fin; /* … and of the client's FIN, whose number others may acknowledge later */
	__u16 client_wraps, server_wraps; /* how often numbers began anew at 0 */
};
_Static_assert(sizeof(struct lb4_record) == 32, "struct lb4_record is part of the ABI");

#define LB4_OVER_SHIFT 20

/* Whether a flow of that state is over, and only late packets are expected. */
static inline int lb4_flow_is_over(__u32 state)
{
	const __u32 fins = LB4_FLOW_CLIENT_FIN | LB4_FLOW_SERVER_FIN;

	return (state & (LB4_FLOW_CLIENT_RST | LB4_FLOW_SERVER_RST)) || (state & fins) == fins;
}

/*
 * How a client's packets find their way: four to a line. A tag is enough to tell flows apart (two
 * of 2^64 …); what it stands for is one word, so that it is read and written whole.
 */
struct lb4_way {
	__u64 tag;
	__u16 backend;
	__be16 port;
	__u16 last;  /* the low bits of a tick */
	__u16 state; /* LB4_FLOW_ESTABLISHED, LB4_WAY_PENDING */
};

#define LB4_WAYS 4
struct lb4_line {
	struct lb4_way way[LB4_WAYS];
};
_Static_assert(sizeof(struct lb4_line) == 64, "one line");

/*
 * What the maps look like: another number is another layout, or another meaning. A program takes
 * over the maps of an older one, and the flows in them, only if it has the same.
 */
#define LB4_ABI 3u

/* Of the program as a whole, changed while it runs. */
struct lb4_control {
	__u64 owner;  /* whose maps these are, for userspace */
	__u64 untold; /* flows that were over, and whose place others took before that was told */
	__u32 abi;
	struct lb4_hash_key choice;   /* of the configured seed: whom a connection goes to */
	struct lb4_hash_key flows[2]; /* drawn at random: tags, and places in tables */
	__u32 vip_half; /* which half of the buckets holds: 0 or 1; the other one is being made */
	__u32 vip_seed[2]; /* of each half */
	__u32 flow_mask;   /* flows − 1 */
	__u32 line_mask;   /* lines − 1 */
	__u32 n_backends;  /* of a CPU's counters */
	__u16 port_low, port_count;
	__u16 answer_low, answer_count; /* the same, and what flows of an earlier start have */
	__u8 accepts;			/* new flows are taken at all */
	__u8 has_dsr;			/* there are services of dsr */
	__u8 captures;			/* packets are wanted: lb4_capture.h */
	__u8 padding[1];
};
_Static_assert(sizeof(struct lb4_control) == 200, "struct lb4_control is part of the ABI");

/* SYNs that nobody acknowledged give way to others after so many ticks. */
#define LB4_EMBRYO_TICKS 3
#define LB4_PORT_TRIES	 16

/* A flow that is over keeps its place so long for userspace to tell it, if that does so at all. */
#define LB4_UNTOLD_TICKS 4
