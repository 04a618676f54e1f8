// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path at tc ingress: sees bundles of segments as they are, and lets the kernel find the
 * neighbours of backends.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* What the hook gives its program, for helpers that want it. */
#define HOOK_CONTEXT struct __sk_buff

/* Goes on as if there was no program: tcx and clsact agree on the number. */
#define HOOK_GO_ON   -1
#define HOOK_DROP    TC_ACT_SHOT
#define HOOK_IS_LAST 1

#include "forward.h"

#define CHECKSUM_COMPLETE 2
#define CHECKSUM_PARTIAL  3

/* The kernel's, as far as we look. */
struct sk_buff {
	__u8 ip_summed : 2;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *context) __ksym __weak;

/* Whether the kernel has bpf_cast_to_kern_ctx(), Linux 6.2; else sums are left to its helpers,
 * which are slower. */
const volatile int sees_checksum_state;

lb4_inline int checksum_state(struct __sk_buff *skb)
{
	struct sk_buff *kernel;

	if (!sees_checksum_state)
		return CHECKSUM_COMPLETE;
	kernel = bpf_cast_to_kern_ctx(skb);
	return BPF_CORE_READ_BITFIELD(kernel, ip_summed);
}

lb4_inline __u32 hook_length(struct __sk_buff *skb)
{
	return skb->len;
}

lb4_inline __u32 hook_bundle(struct __sk_buff *skb)
{
	return skb->gso_size;
}

lb4_inline __u32 hook_interface(struct __sk_buff *skb)
{
	return skb->ifindex;
}

lb4_inline void hook_pull(struct __sk_buff *skb, __u32 size)
{
	bpf_skb_pull_data(skb, skb->len < size ? skb->len : size);
}

lb4_inline void hook_update_tcp(struct __sk_buff *skb, const struct packet *p, __u32 address_sum,
				__u32 body_sum)
{
	__u32 at = sizeof(struct ethhdr) + p->header + __builtin_offsetof(struct tcphdr, check);

	switch (checksum_state(skb)) {
	case CHECKSUM_PARTIAL:
		/* So far it is the sum of the pseudo header; whoever sends it adds the rest. */
		p->tcp->check = sum_fold(sum_add(p->tcp->check, address_sum));
		break;
	case CHECKSUM_COMPLETE:
		bpf_l4_csum_replace(skb, at, 0, address_sum, BPF_F_PSEUDO_HDR);
		bpf_l4_csum_replace(skb, at, 0, body_sum, 0);
		break;
	default:
		p->tcp->check = checksum_update(p->tcp->check, sum_add(address_sum, body_sum));
	}
}

lb4_inline void hook_update_icmp(struct __sk_buff *skb, __u32 at, __u32 address_sum, __u32 body_sum)
{
	bpf_l4_csum_replace(skb, at, 0, body_sum, 0);
	if (address_sum)
		bpf_l4_csum_replace(skb, at, 0, address_sum, BPF_F_PSEUDO_HDR);
}

lb4_inline int hook_can_send(struct __sk_buff *skb, const struct lb4_interface *out)
{
	(void)skb;
	(void)out;
	return 1;
}

lb4_inline int hook_send(struct __sk_buff *skb, const struct lb4_interface *out)
{
	(void)skb;
	return bpf_redirect(out->index, 0);
}

/* The kernel finds the neighbour. */
lb4_inline int hook_can_reach(struct __sk_buff *skb, const struct lb4_backend *b, int is_ipv4)
{
	(void)skb;
	(void)b;
	(void)is_ipv4;
	return 1;
}

lb4_inline int hook_reach(struct __sk_buff *skb, const struct lb4_backend *b, int is_ipv4)
{
	struct bpf_redir_neigh next = {};

	(void)skb;
	next.nh_family = is_ipv4 ? AF_INET : AF_INET6;
	if (b->gateway_family)
		next.nh_family = b->gateway_family;
	if (next.nh_family == AF_INET)
		next.ipv4_nh = *(const __u32 *)((b->gateway_family ? b->gateway : b->address) + 12);
	else
		copy_ip((__u8 *)next.ipv6_nh, b->gateway_family ? b->gateway : b->address);
	return bpf_redirect_neigh(b->interface, &next, sizeof(next), 0);
}

lb4_inline int hook_wrap(struct __sk_buff *skb, __u32 size, int outer_is_ipv4, int fit)
{
	__u64 flags = outer_is_ipv4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;

	if (fit)
		flags |= BPF_F_ADJ_ROOM_FIXED_GSO;
	return bpf_skb_adjust_room(skb, (int)size, BPF_ADJ_ROOM_MAC, flags) < 0 ? -1 : 0;
}

SEC("tc")
int lb4_tc(struct __sk_buff *skb)
{
	return skb->vlan_present ? HOOK_GO_ON : forward(skb);
}
