// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Never runs: compiled for BPF, so that bpf/shared stays fit for it. */
#include "lb4_abi.h"
#include "lb4_hash.h"

__u32 choose(const struct lb4_hash_key *key, struct lb4_tuple *tuple, __u32 size);
void draw_key(struct lb4_hash_key *key, __u64 seed);

__attribute__((section("tc"))) __u32 choose(const struct lb4_hash_key *key, struct lb4_tuple *tuple,
					    __u32 size)
{
	__u32 slot = lb4_slot(lb4_flow_hash(key, tuple), size);

	lb4_tuple_keep_source(tuple, 24, 56);
	return slot + lb4_walk(1, lb4_slot(lb4_flow_hash(key, tuple), size), 1, size);
}

__attribute__((section("tc"))) void draw_key(struct lb4_hash_key *key, __u64 seed)
{
	lb4_hash_key_init(key, seed);
}
