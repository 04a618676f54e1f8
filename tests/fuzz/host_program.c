// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf_endian.h>

#include "host_program.h"

struct host_maps host_maps;
struct host_kernel host_kernel;

/* --- In place of libbpf's headers --- */

#define __BPF_HELPERS__
#define __BPF_CORE_READ_H__

#define SEC(name)
#define __ksym
#define __weak
#define __uint(name, value)  int(*name)[value]
#define __type(name, value)  typeof(value) *name
#define __array(name, value) typeof(value) *name[]

/* Addresses in it are as wide as this machine's. */
struct host_sk_buff {
	unsigned long data, data_end;
	__u32 len;
	__u32 ifindex;
	__u32 gso_size;
	__u32 vlan_present, vlan_tci;
	__be16 protocol;
};
#define __sk_buff	      host_sk_buff
#define preserve_access_index unused

#define BPF_CORE_READ_BITFIELD(s, field) ((s)->field)

#define bpf_map_lookup_elem(map, key)			       host_lookup(map, key)
#define bpf_ktime_get_coarse_ns()			       host_kernel.nanoseconds
#define bpf_get_smp_processor_id()			       host_kernel.cpu
#define bpf_redirect(interface, flags)			       host_redirect(interface)
#define bpf_redirect_neigh(interface, next, size, flags)       host_redirect_neigh(interface, next, size)
#define bpf_skb_pull_data(skb, size)			       host_pull(skb, size)
#define bpf_l4_csum_replace				       host_replace_checksum
#define bpf_skc_lookup_tcp(context, tuple, size, netns, flags) host_find_socket(context, size)
#define bpf_ktime_get_ns()				       host_kernel.nanoseconds
/* Nothing is captured. */
#define bpf_skb_load_bytes(skb, at, to, size)	   ((void)(skb), (void)(to), -1)
#define bpf_ringbuf_output(map, data, size, flags) ((void)(data), -1)
/* What makes a packet longer or shorter fails here: such packets are dropped then. */
#define bpf_skb_adjust_room(skb, size, mode, flags)	((void)(skb), (void)(flags), -1)
#define bpf_skb_change_tail(skb, size, flags)		((void)(skb), -1)
#define bpf_skb_vlan_pop(skb)				((void)((skb)->vlan_present = 0))
#define bpf_skb_store_bytes(skb, at, from, size, flags) ((void)(skb), (void)(from), -1)
#define bpf_csum_diff(from, n_from, to, n_to, sum)	((void)(to), (sum))
#define bpf_sk_release(socket)				host_release_socket(socket)

static void *host_lookup(const void *map, const __u32 *key);
static int host_redirect(__u32 interface);
static int host_redirect_neigh(__u32 interface, const struct bpf_redir_neigh *next, int size);
static int host_pull(struct host_sk_buff *skb, __u32 size);
static int host_replace_checksum(struct host_sk_buff *skb, __u32 at, __u64 from, __u64 to,
				 __u64 flags);
static struct bpf_sock *host_find_socket(void *context, __u32 size);
static int host_release_socket(struct bpf_sock *socket);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* What the loader sets before the program is loaded is set between two packets here. */
#define const
#include "../../bpf/lb4_tc.bpf.c"
#undef const

#pragma GCC diagnostic pop

/* --- Of the kernel --- */

static struct {
	struct host_sk_buff skb;
	struct sk_buff kernel;
	uint8_t *room; /* what can be read directly, behind two bytes that align the IP header */
	uint8_t *rest; /* what cannot yet */
	struct bpf_sock socket;
	__u32 out; /* 0: not redirected */
} now;

static const struct {
	const void *map;
	void *data;
	size_t n, size;
} arrays[] = {
#define ARRAY(name, field)                                                                         \
	{                                                                                          \
		&name, &host_maps.field, sizeof(host_maps.field) / sizeof(*name.value),            \
			sizeof(*name.value)                                                        \
	}
	ARRAY(control, control),
	ARRAY(vip_buckets, vip_buckets),
	ARRAY(vips, vips),
	ARRAY(services, services),
	ARRAY(ring, ring),
	ARRAY(motion, motion),
	ARRAY(spliced, spliced),
	ARRAY(backends, backends),
	ARRAY(interfaces, interfaces),
	ARRAY(flows, flows),
	ARRAY(records, records),
	ARRAY(lines, lines),
	ARRAY(backend_counters, backend_counters),
	ARRAY(verdict_counters, verdict_counters),
#undef ARRAY
#define ONE(name, field)                                                                           \
	{                                                                                          \
		&name, &host_maps.field, 1, sizeof(*name.value)                                    \
	}
	ONE(icmp_budgets, icmp_budget),
	ONE(capture, capture),
	ONE(capture_notes, capture_note),
#undef ONE
};
_Static_assert(sizeof(struct capture_note) <= sizeof(host_maps.capture_note), "there is room");

static void *host_lookup(const void *map, const __u32 *key)
{
	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
		if (arrays[i].map == map)
			return *key < arrays[i].n ? (char *)arrays[i].data + *key * arrays[i].size
						  : NULL;
	assert(!"a map that nobody has told of");
	return NULL;
}

static int host_redirect(__u32 interface)
{
	assert(interface != 0);
	now.out = interface;
	return TC_ACT_REDIRECT;
}

static int host_redirect_neigh(__u32 interface, const struct bpf_redir_neigh *next, int size)
{
	assert(size == sizeof(*next));
	assert(next->nh_family == AF_INET || next->nh_family == AF_INET6);
	return host_redirect(interface);
}

/* Another buffer: whoever keeps a pointer into the old one is found out. */
static void move_to(struct host_sk_buff *skb, size_t readable)
{
	size_t had = skb->data_end - skb->data;
	uint8_t *room = malloc(readable + 2), *rest = malloc(skb->len - readable + 1);
	uint8_t *all = malloc(skb->len + 1u);

	assert(room && rest && all && readable <= skb->len);
	memcpy(all, (void *)skb->data, had);
	memcpy(all + had, now.rest, skb->len - had);
	memcpy(room + 2, all, readable);
	memcpy(rest, all + readable, skb->len - readable);
	free(all);
	free(now.room);
	free(now.rest);
	now.room = room;
	now.rest = rest;
	skb->data = (unsigned long)(room + 2);
	skb->data_end = skb->data + readable;
}

static int host_pull(struct host_sk_buff *skb, __u32 size)
{
	size_t had = skb->data_end - skb->data;

	if (host_kernel.fails || size > skb->len)
		return -1;
	move_to(skb, size > had ? size : had);
	return 0;
}

static __u16 fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* As the kernel does it, for a difference (`from` and the size in `flags` are 0). */
static int host_replace_checksum(struct host_sk_buff *skb, __u32 at, __u64 from, __u64 to,
				 __u64 flags)
{
	bool is_pseudo = flags & BPF_F_PSEUDO_HDR;
	size_t had = skb->data_end - skb->data;
	__u64 sum;
	__u16 *place;

	assert(from == 0 && (flags & ~(__u64)BPF_F_PSEUDO_HDR) == 0 && at % 2 == 0);
	if (at + 2 > skb->len)
		return -1;
	move_to(skb, had > at + 2 ? had : at + 2);
	place = (__u16 *)(skb->data + at);
	if (now.kernel.ip_summed != HOST_CHECKSUM_PARTIAL) {
		sum = (__u64)(__u16) ~*place + (__u32)to;
		*place = (__u16)~fold((__u32)sum + (__u32)(sum >> 32));
	} else if (is_pseudo) {
		sum = (__u64)*place + (__u32)to;
		*place = fold((__u32)sum + (__u32)(sum >> 32));
	}
	return 0;
}

static struct bpf_sock *host_find_socket(void *context, __u32 size)
{
	assert(context == &now.skb && (size == 12 || size == 36));
	if (host_kernel.socket_state == 0)
		return NULL;
	host_kernel.n_sockets_held++;
	now.socket.state = (__u32)host_kernel.socket_state;
	return &now.socket;
}

static int host_release_socket(struct bpf_sock *socket)
{
	assert(socket == &now.socket);
	host_kernel.n_sockets_held--;
	return 0;
}

void *bpf_cast_to_kern_ctx(void *context)
{
	assert(context == &now.skb);
	return &now.kernel;
}

/* --- A packet --- */

enum host_action host_program_run(struct host_packet *p, uint32_t *ret_out)
{
	int action;

	memset(&now, 0, sizeof(now));
	assert(p->readable <= p->size);
	now.room = malloc(1);
	now.rest = malloc(p->size + 1);
	assert(now.room && now.rest);
	memcpy(now.rest, p->data, p->size);
	now.skb = (struct host_sk_buff){.data = (unsigned long)now.room,
					.data_end = (unsigned long)now.room,
					.len = (__u32)p->size,
					.ifindex = p->interface,
					.gso_size = p->segment,
					.vlan_present = p->has_vlan_tag,
					.vlan_tci = p->has_vlan_tag};
	if (p->size >= ETH_HLEN)
		memcpy(&now.skb.protocol, p->data + 12, sizeof(now.skb.protocol));
	now.kernel.ip_summed = p->checksum_state & 3u;
	move_to(&now.skb, p->readable);
	sees_checksum_state = host_kernel.sees_checksum_state;
	action = lb4_tc(&now.skb);
	move_to(&now.skb, now.skb.len);
	memcpy(p->data, (void *)now.skb.data, p->size);
	free(now.room);
	free(now.rest);
	*ret_out = now.out;
	if (action == TC_ACT_REDIRECT) {
		assert(now.out != 0);
		return HOST_REDIRECTED;
	}
	assert(action == HOOK_GO_ON || action == TC_ACT_SHOT);
	return action == HOOK_GO_ON ? HOST_PASSED : HOST_DROPPED;
}
