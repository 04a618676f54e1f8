/* SPDX-License-Identifier: GPL-2.0-only */
/* What the machine's own sockets know of a connection. */
#pragma once

#include "packet.h"

/*
 * The state of the host's own socket that packets like this would come to: BPF_TCP_LISTEN when it is
 * none that has a peer, 0 when there is none at all.
 */
lb4_inline int host_socket(HOOK_CONTEXT *context, const struct lb4_tuple *t)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	int state;

	if (lb4_is_ipv4(t->source)) {
		tuple.ipv4.saddr = *(const __u32 *)(t->source + 12);
		tuple.ipv4.daddr = *(const __u32 *)(t->destination + 12);
		tuple.ipv4.sport = t->source_port;
		tuple.ipv4.dport = t->destination_port;
		socket = bpf_skc_lookup_tcp(context, &tuple, sizeof(tuple.ipv4),
					    BPF_F_CURRENT_NETNS, 0);
	} else {
		copy_ip((__u8 *)tuple.ipv6.saddr, t->source);
		copy_ip((__u8 *)tuple.ipv6.daddr, t->destination);
		tuple.ipv6.sport = t->source_port;
		tuple.ipv6.dport = t->destination_port;
		socket = bpf_skc_lookup_tcp(context, &tuple, sizeof(tuple.ipv6),
					    BPF_F_CURRENT_NETNS, 0);
	}
	if (!socket)
		return 0;
	state = socket->state;
	bpf_sk_release(socket);
	return state;
}

lb4_inline int host_has(HOOK_CONTEXT *context, const struct lb4_tuple *t)
{
	int state = host_socket(context, t);

	return state && state != BPF_TCP_LISTEN;
}

/* A client that is spliced: its connection lives in a socket, or is being made there. */
__attribute__((noinline)) int is_spliced(HOOK_CONTEXT *context, const struct lb4_tuple *client)
{
	int state;

	if (!client)
		return 0;
	state = host_socket(context, client);
	return state && state != BPF_TCP_LISTEN && state != BPF_TCP_TIME_WAIT;
}
