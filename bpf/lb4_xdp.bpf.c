// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path at XDP, in the driver: sees frames before the kernel makes anything of them. It
 * forwards what it can send on by itself; all else goes on as it came, to the program at tc of the
 * same interface, which can do everything. Frames here carry whole checksums, and are no bundles.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* What the hook gives its program, for helpers that want it. */
#define HOOK_CONTEXT struct xdp_md

#define HOOK_GO_ON   XDP_PASS
#define HOOK_DROP    XDP_DROP
#define HOOK_IS_LAST 0

#include "forward.h"

/*
 * The interfaces that take frames from XDP. Userspace fills it with those that do; frames come back
 * by the one that they came in by through it too, as not every driver can do XDP_TX well.
 */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, LB4_INTERFACES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} exits SEC(".maps");

lb4_inline __u32 hook_length(struct xdp_md *xdp)
{
	return (__u32)bpf_xdp_get_buff_len(xdp);
}

lb4_inline __u32 hook_length_read(struct xdp_md *xdp)
{
	return (__u32)(xdp->data_end - xdp->data);
}

lb4_inline __u32 hook_bundle(struct xdp_md *xdp)
{
	(void)xdp;
	return 0;
}

lb4_inline __u32 hook_interface(struct xdp_md *xdp)
{
	return xdp->ingress_ifindex;
}

/* Drivers put the headers where they can be read. */
lb4_inline void hook_pull(struct xdp_md *xdp, __u32 size)
{
	(void)xdp;
	(void)size;
}

lb4_inline void hook_update_tcp(struct xdp_md *xdp, const struct packet *p, __u32 address_sum,
				__u32 body_sum)
{
	(void)xdp;
	p->tcp->check = checksum_update(p->tcp->check, sum_add(address_sum, body_sum));
}

lb4_inline void hook_update_icmp(struct xdp_md *xdp, __u32 at, __u32 address_sum, __u32 body_sum)
{
	__u16 *checksum = (void *)(long)xdp->data + at;

	if ((void *)(checksum + 1) <= (void *)(long)xdp->data_end)
		*checksum = checksum_update(*checksum, sum_add(address_sum, body_sum));
}

/*
 * Where it can, the way out is set with that: the look-up is not done again when the packet is sent, as
 * hook_send() and hook_reach() are for what was last asked about.
 */
lb4_inline int hook_can_send(struct xdp_md *xdp, const struct lb4_interface *out)
{
	(void)xdp;
	return bpf_redirect_map(&exits, out->index, XDP_PASS) == XDP_REDIRECT;
}

lb4_inline int hook_send(struct xdp_md *xdp, const struct lb4_interface *out)
{
	(void)xdp;
	(void)out;
	return XDP_REDIRECT;
}

lb4_inline int hook_can_reach(struct xdp_md *xdp, const struct lb4_backend *b, int is_ipv4)
{
	(void)xdp;
	(void)is_ipv4;
	return b->resolved && bpf_redirect_map(&exits, b->interface, XDP_PASS) == XDP_REDIRECT;
}

lb4_inline int hook_reach(struct xdp_md *xdp, const struct lb4_backend *b, int is_ipv4)
{
	(void)is_ipv4;
	if (set_macs(xdp, b->next_mac, b->own_mac) < 0)
		return XDP_DROP;
	return XDP_REDIRECT;
}

lb4_inline int hook_wrap(struct xdp_md *xdp, __u32 size, int outer_is_ipv4, int fit)
{
	(void)outer_is_ipv4;
	(void)fit;
	return bpf_xdp_adjust_head(xdp, -(int)size) < 0 ? -1 : 0;
}

/* The next one tells its sender. */
lb4_inline int hook_too_big(struct xdp_md *xdp, __u32 mtu)
{
	(void)xdp;
	(void)mtu;
	return XDP_PASS;
}

SEC("xdp.frags")
int lb4_xdp(struct xdp_md *xdp)
{
	return forward(xdp);
}
