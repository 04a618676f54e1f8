/* SPDX-License-Identifier: GPL-2.0-only */
/* Tags of IEEE 802.1Q, which the kernel has taken off the packet before tc sees it. */
#pragma once

#define VLAN_ID 0xfff

/*
 * A VLAN is an interface of its own, and its packets are dealt with there. A tag without a VLAN says
 * how urgent the packet is, and nothing else.
 */
lb4_inline int is_of_vlan(const struct __sk_buff *skb)
{
	return skb->vlan_present && (skb->vlan_tci & VLAN_ID);
}

/* That tag goes, as it does in the stack: where the way out is a VLAN there would be two. */
lb4_inline void vlan_forget(struct __sk_buff *skb)
{
	if (skb->vlan_present)
		bpf_skb_vlan_pop(skb);
}
