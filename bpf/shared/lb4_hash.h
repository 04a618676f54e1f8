/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keyed flow hash and the slot arithmetic: one header for the splicer, the BPF programs and
 * `lbctl explain`, so that all three choose alike.
 *
 * NH of UMAC (Black et al., "UMAC: Fast and Secure Message Authentication", CRYPTO '99, §4; RFC
 * 4418 §5.2.2) over the words of the tuple: for any two different tuples and a random key the
 * chance of equal sums is 2^-32, whoever chose the tuples. An IPv4 tuple costs two multiplications,
 * an IPv6 one five. SplitMix64's finalizer then spreads the sum over all bits.
 */
#pragma once

#include "lb4_abi.h"

static inline __u64 lb4_mix64(__u64 x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return x;
}

/* Draws the key words from the fleet's seed (SplitMix64's sequence). */
static inline void lb4_hash_key_init(struct lb4_hash_key *key, __u64 seed)
{
	for (int i = 0; i < LB4_HASH_KEY_WORDS; i++) {
		seed += 0x9e3779b97f4a7c15ULL;
		key->words[i] = (__u32)(lb4_mix64(seed) >> 32);
	}
}

static inline __u64 lb4_nh(__u32 a, __u32 b, const __u32 *key)
{
	return (__u64)(__u32)(a + key[0]) * (__u32)(b + key[1]);
}

/* One load, where the compiler knows that it is aligned. */
static inline __u32 lb4_word(const __u8 *p)
{
	__u32 word;

	__builtin_memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	word = __builtin_bswap32(word);
#endif
	return word;
}

static inline int lb4_is_ipv4(const __u8 ip[16])
{
	return (lb4_word(ip) | lb4_word(ip + 4)) == 0 && lb4_word(ip + 8) == 0xffff;
}

static inline int lb4_is_ipv4_tuple(const struct lb4_tuple *t)
{
	return lb4_is_ipv4(t->source) && lb4_is_ipv4(t->destination);
}

/* Before it is spread. Always inline, so that two of one tuple look at it once. */
static inline __attribute__((always_inline)) __u64
lb4_flow_sum(const struct lb4_hash_key *key, const struct lb4_tuple *t, int is_ipv4)
{
	const __u8 *ports = (const __u8 *)&t->source_port;
	__u64 sum = lb4_nh(lb4_word(ports), t->protocol, key->words);

	if (is_ipv4)
		return sum + lb4_nh(lb4_word(t->source + 12), lb4_word(t->destination + 12),
				    key->words + 2);
	for (int i = 0; i < 4; i++)
		sum += lb4_nh(lb4_word(t->source + 4 * i), lb4_word(t->destination + 4 * i),
			      key->words + 4 + 2 * i);
	return sum;
}

static inline __u64 lb4_flow_hash(const struct lb4_hash_key *key, const struct lb4_tuple *t)
{
	return lb4_mix64(lb4_flow_sum(key, t, lb4_is_ipv4_tuple(t)));
}

/* Masks the tuple to its source address for services that hash by source. */
static inline void lb4_tuple_keep_source(struct lb4_tuple *t, unsigned prefix_ipv4,
					 unsigned prefix_ipv6)
{
	unsigned prefix = lb4_is_ipv4(t->source) ? 96 + prefix_ipv4 : prefix_ipv6;

	for (unsigned i = 0; i < 16; i++) {
		unsigned bits = prefix > 8 * i ? prefix - 8 * i : 0;

		if (bits < 8)
			t->source[i] &= (__u8)(0xff00 >> bits);
		/* Keeps an IPv4 source's tuple in the IPv4 form. */
		t->destination[i] = i == 10 || i == 11 ? 0xff : 0;
	}
	t->source_port = 0;
	t->destination_port = 0;
}

/* 0 .. size − 1, from the high bits: no division, and the low bits stay free for other tables. */
static inline __u32 lb4_slot(__u64 hash, __u32 size)
{
	return (__u32)(((hash >> 32) * size) >> 32);
}

/* Where the walk looks at `attempt` (1, 2, …) for a slot whose owner may not be chosen. */
static inline __u32 lb4_walk(__u64 seed, __u32 slot, __u32 attempt, __u32 size)
{
	return lb4_slot(lb4_mix64(seed ^ ((__u64)attempt << 32 | slot)), size);
}
