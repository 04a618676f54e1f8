/* SPDX-License-Identifier: GPL-2.0-only */
/* Where in a service's ring a connection is, as the splicer would have it. */
#pragma once

#include "lb4_hash.h"
#include "maps.h"

/* Where in a ring; for the verifier as tag_of() is. */
__attribute__((noinline)) __u32 slot_of(const struct lb4_tuple *t, __u32 service_index)
{
	struct lb4_service *service = bpf_map_lookup_elem(&services, &service_index);
	struct lb4_control *c;
	struct lb4_tuple tuple;
	__u32 zero = 0;

	c = bpf_map_lookup_elem(&control, &zero);
	if (!t || !c || !service)
		return 0;
	tuple = *t;
	if (service->hash_source)
		lb4_tuple_keep_source(&tuple, service->mask_ipv4, service->mask_ipv6);
	return lb4_slot(lb4_flow_hash(&c->choice, &tuple), service->ring_size);
}
