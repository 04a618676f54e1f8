// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path at tc ingress: sees bundles of segments as they are, and lets the kernel find the
 * neighbours of backends.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* What the hook gives its program, for helpers that want it, and what can be done with that. */
#define HOOK_CONTEXT		     struct __sk_buff
#define HOOK_SIZE(skb)		     ((skb)->len)
#define HOOK_LOAD(skb, at, to, size) bpf_skb_load_bytes(skb, at, to, size)

/* Goes on as if there was no program: tcx and clsact agree on the number. */
#define HOOK_GO_ON   -1
#define HOOK_DROP    TC_ACT_SHOT
#define HOOK_IS_LAST 1

#include "forward.h"
#include "icmp_make.h"
#include "vlan.h"

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

lb4_inline __u32 hook_length_read(struct __sk_buff *skb)
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
	vlan_forget(skb);
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

	vlan_forget(skb);
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

/*
 * Cuts the packet down to what is quoted, and settles its TCP checksum. Returns the sum of the quote,
 * or −1. Whoever it came from is whom it goes to.
 */
lb4_inline __s64 quote(struct __sk_buff *skb, __u32 header, __u32 part)
{
	__u32 size = sizeof(struct ethhdr) + ICMP_QUOTE_PARTS * part, whole, sum;
	__u32 at = sizeof(struct ethhdr) + header + __builtin_offsetof(struct tcphdr, check);
	struct ethhdr *ethernet;
	__u8 mac[ETH_ALEN] __attribute__((aligned(2)));
	__u16 check;

	if (bpf_skb_change_tail(skb, size, 0) < 0 || bpf_skb_pull_data(skb, size) < 0)
		return -1;
	ethernet = (void *)(long)skb->data;
	if (quote_sum(ethernet + 1, (void *)(long)skb->data_end, part, &whole) < 0)
		return -1;
	check = *(__u16 *)((void *)ethernet + at);
	sum = quote_settle(whole, sum_of(ethernet + 1, header, 0), check, &check);
	copy_mac(mac, ethernet->h_dest);
	copy_mac(ethernet->h_dest, ethernet->h_source);
	copy_mac(ethernet->h_source, mac);
	if (bpf_skb_store_bytes(skb, at, &check, sizeof(check), BPF_F_RECOMPUTE_CSUM) < 0)
		return -1;
	return sum_fold(sum);
}

/* The headers behind Ethernet's. */
lb4_inline int put_before(struct __sk_buff *skb, const void *headers, __u32 size)
{
	if (bpf_skb_adjust_room(skb, (__s32)size, BPF_ADJ_ROOM_MAC, 0) < 0)
		return -1;
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr), headers, size,
					BPF_F_RECOMPUTE_CSUM);
}

lb4_inline enum lb4_verdict answer_ipv4(struct __sk_buff *skb, __u32 mtu)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u32 part = ICMP_QUOTE_IPV4;
	struct icmp_made_ipv4 made;
	__s64 sum;

	/* Without the flag its sender may not listen. */
	if ((void *)(ip + 1) > end || !(ip->frag_off & bpf_htons(IPV4_DONT_FRAGMENT)) ||
	    mtu < MTU_MIN_IPV4)
		return LB4_VERDICT_DROP_TOO_BIG;
	if (!icmp_may_make())
		return LB4_VERDICT_DROP_ICMP_LIMITED;
	if (skb->len < sizeof(struct ethhdr) + ICMP_QUOTE_PARTS * ICMP_QUOTE_IPV4)
		part = ICMP_QUOTE_IPV4_SHORT;
	sum = quote(skb, sizeof(*ip), part);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip = data + sizeof(struct ethhdr);
	if (sum < 0 || (void *)(ip + 1) > end)
		return LB4_VERDICT_DROP_TOO_BIG;
	icmp_make_ipv4(&made, ip, ICMP_QUOTE_PARTS * part, (__u32)sum, mtu);
	return put_before(skb, &made, sizeof(made)) < 0 ? LB4_VERDICT_DROP_TOO_BIG
							: LB4_VERDICT_DROP_ICMP_MADE;
}

lb4_inline enum lb4_verdict answer_ipv6(struct __sk_buff *skb, __u32 mtu)
{
	void *data, *end;
	struct icmp_made_ipv6 made;
	struct ipv6hdr *ip;
	__s64 sum;

	if (mtu < MTU_MIN_IPV6)
		return LB4_VERDICT_DROP_TOO_BIG;
	if (!icmp_may_make())
		return LB4_VERDICT_DROP_ICMP_LIMITED;
	sum = quote(skb, sizeof(*ip), ICMP_QUOTE_IPV6);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip = data + sizeof(struct ethhdr);
	if (sum < 0 || (void *)(ip + 1) > end)
		return LB4_VERDICT_DROP_TOO_BIG;
	icmp_make_ipv6(&made, ip, ICMP_QUOTE_PARTS * ICMP_QUOTE_IPV6, (__u32)sum, mtu);
	return put_before(skb, &made, sizeof(made)) < 0 ? LB4_VERDICT_DROP_TOO_BIG
							: LB4_VERDICT_DROP_ICMP_MADE;
}

/* An action. Global, so that the verifier looks at it by itself. */
__attribute__((noinline)) int answer_too_big(struct __sk_buff *skb, __u32 mtu)
{
	enum lb4_verdict verdict = skb->protocol == bpf_htons(ETH_P_IP) ? answer_ipv4(skb, mtu)
									: answer_ipv6(skb, mtu);

	count(verdict);
	if (verdict != LB4_VERDICT_DROP_ICMP_MADE)
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

lb4_inline int hook_too_big(struct __sk_buff *skb, __u32 mtu)
{
	return answer_too_big(skb, mtu);
}

SEC("tc")
int lb4_tc(struct __sk_buff *skb)
{
	return is_of_vlan(skb) ? HOOK_GO_ON : forward(skb);
}
