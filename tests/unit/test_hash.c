// SPDX-License-Identifier: BSD-2-Clause
/* The flow hash: agreement, collisions, uniformity on what clients really send, and masks. */
#include <arpa/inet.h>
#include <math.h>

#include "address.h"
#include "snapshot.h"

#include "choice.h"

static const uint64_t seeds[] = {
	0, 1, 2, 0x1b4, 0x5eed, UINT64_MAX, 0x9e3779b97f4a7c15ULL, 0x100000000ULL,
};

static struct lb4_tuple tuple_of(const char *client, const char *local)
{
	struct lb4_tuple t = {.protocol = IPPROTO_TCP};
	struct address a, b;
	const char *why;

	assert_int_equal(address_parse(client, false, &a, &why), 0);
	assert_int_equal(address_parse(local, false, &b, &why), 0);
	memcpy(t.source, a.ip, 16);
	memcpy(t.destination, b.ip, 16);
	t.source_port = htons(a.port);
	t.destination_port = htons(b.port);
	return t;
}

static uint64_t hash_of(uint64_t seed, const struct lb4_tuple *t)
{
	struct lb4_hash_key key;

	lb4_hash_key_init(&key, seed);
	return lb4_flow_hash(&key, t);
}

/* As with tables: when this fails, versions of lb4 no longer agree. */
static void hashes_stay_what_they_are(void **state)
{
	static const struct {
		const char *client, *local;
		uint64_t hash, source_hash;
	} cases[] = {
		{"198.51.100.7:40000", "192.0.2.10:80", 0x3e52649affe717c0ULL,
		 0x64d24348cadce18aULL},
		{"[2001:db8:1:2:3:4:5:6]:40000", "[2001:db8::10]:443", 0x89c98380e6b4d02bULL,
		 0xc855817f511dfde1ULL},
	};
	struct lb4_hash_key key;

	(void)state;
	lb4_hash_key_init(&key, DEFAULT_SEED);
	assert_int_equal(key.words[0], 0x28830bfa);
	assert_int_equal(key.words[11], 0x93ac1c5d);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lb4_tuple t = tuple_of(cases[i].client, cases[i].local);

		assert_int_equal(lb4_flow_hash(&key, &t), cases[i].hash);
		lb4_tuple_keep_source(&t, 24, 56);
		assert_int_equal(lb4_flow_hash(&key, &t), cases[i].source_hash);
	}
	assert_int_equal(lb4_walk(DEFAULT_SEED, 12345, 1, TABLE_SIZE), 38056);
	assert_int_equal(lb4_walk(DEFAULT_SEED, 12345, 2, TABLE_SIZE), 62617);
}

/* A client is the same whether it came through an IPv4 socket or a dual-stack one. */
static void mapped_addresses_are_ipv4(void **state)
{
	struct pool_table table = {.size = TABLE_SIZE};
	struct snapshot_service s = {.table = &table};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(40000)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(40000)};
	struct sockaddr_storage storage = {};
	struct address a, b, local;
	const char *why;

	(void)state;
	lb4_hash_key_init(&s.key, DEFAULT_SEED);
	s.settings.mask_ipv4 = 24;
	s.settings.mask_ipv6 = 64;
	assert_int_equal(address_parse("192.0.2.10:80", false, &local, &why), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		char text[INET6_ADDRSTRLEN];

		v4.sin_addr.s_addr = htonl(0xc6336400 + i * 77);
		snprintf(text, sizeof(text), "::ffff:%s", inet_ntoa(v4.sin_addr));
		assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
		memcpy(&storage, &v4, sizeof(v4));
		assert_int_equal(address_from_sockaddr(&storage, &a), 0);
		memcpy(&storage, &v6, sizeof(v6));
		assert_int_equal(address_from_sockaddr(&storage, &b), 0);
		for (enum hash_kind kind = HASH_CONNECTION; kind <= HASH_SOURCE; kind++) {
			s.settings.hash = kind;
			assert_int_equal(snapshot_service_slot(&s, &a, &local),
					 snapshot_service_slot(&s, &b, &local));
		}
	}
}

static void slots_of_services(void **state)
{
	struct pool_table table = {.size = TABLE_SIZE};
	struct snapshot_service s = {.table = &table};
	struct address client, neighbour, local, other;
	const char *why;
	uint32_t slot;

	(void)state;
	lb4_hash_key_init(&s.key, DEFAULT_SEED);
	s.settings.mask_ipv4 = 24;
	s.settings.mask_ipv6 = 64;
	assert_int_equal(address_parse("198.51.100.7:40000", false, &client, &why), 0);
	assert_int_equal(address_parse("198.51.100.9:50000", false, &neighbour, &why), 0);
	assert_int_equal(address_parse("192.0.2.10:80", false, &local, &why), 0);
	assert_int_equal(address_parse("192.0.2.11:443", false, &other, &why), 0);

	s.settings.hash = HASH_CONNECTION;
	slot = snapshot_service_slot(&s, &client, &local);
	assert_int_not_equal(slot, snapshot_service_slot(&s, &neighbour, &local));
	assert_int_not_equal(slot, snapshot_service_slot(&s, &client, &other));
	s.settings.hash = HASH_SOURCE;
	slot = snapshot_service_slot(&s, &client, &local);
	assert_int_equal(slot, snapshot_service_slot(&s, &neighbour, &other));
	s.settings.mask_ipv4 = 32;
	slot = snapshot_service_slot(&s, &client, &local);
	assert_int_not_equal(slot, snapshot_service_slot(&s, &neighbour, &local));
	assert_int_equal(slot, snapshot_service_slot(&s, &client, &other));
}

static void flip_bit(struct lb4_tuple *t, size_t bit)
{
	((uint8_t *)t)[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

/* The bits of a tuple that count: addresses, ports and the protocol; in IPv4 form fewer. */
static size_t bits_that_count(const struct lb4_tuple *t, uint16_t *ret)
{
	bool ipv4 = lb4_is_ipv4(t->source);
	size_t n = 0;

	for (uint16_t byte = 0; byte < offsetof(struct lb4_tuple, padding); byte++)
		for (uint16_t bit = 0; bit < 8; bit++)
			if (!ipv4 || byte >= 32 || byte % 16 >= 12)
				ret[n++] = (uint16_t)(byte * 8 + bit);
	return n;
}

static int by_value(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

/* A tuple, all that differ from it in one bit and all in two: no two of them may meet. */
static void no_differential_collides(void **state)
{
	static const char *const pairs[][2] = {
		{"198.51.100.7:40000", "192.0.2.10:80"},
		{"0.0.0.1:1", "0.0.0.2:1"},
		{"[2001:db8:1:2:3:4:5:6]:40000", "[2001:db8::10]:443"},
		{"[::1]:1", "[::2]:1"},
	};
	uint64_t *hashes = calloc(300 * 300 / 2 + 1, sizeof(hashes[0]));

	(void)state;
	assert_non_null(hashes);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct lb4_tuple t = tuple_of(pairs[i][0], pairs[i][1]);
		uint16_t bits[300];
		size_t n_bits = bits_that_count(&t, bits);

		for (size_t s = 0; s < ARRAY_SIZE(seeds); s++) {
			struct lb4_hash_key key;
			size_t n = 0;

			lb4_hash_key_init(&key, seeds[s]);
			hashes[n++] = lb4_flow_hash(&key, &t);
			for (size_t a = 0; a < n_bits; a++) {
				flip_bit(&t, bits[a]);
				hashes[n++] = lb4_flow_hash(&key, &t);
				for (size_t b = 0; b < a; b++) {
					flip_bit(&t, bits[b]);
					hashes[n++] = lb4_flow_hash(&key, &t);
					flip_bit(&t, bits[b]);
				}
				flip_bit(&t, bits[a]);
			}
			qsort(hashes, n, sizeof(hashes[0]), by_value);
			for (size_t k = 1; k < n; k++)
				assert_int_not_equal(hashes[k - 1], hashes[k]);
		}
	}
	free(hashes);
}

/* Words exchanged, or the same difference given to two: what sums of plain products fall for. */
static void no_exchange_collides(void **state)
{
	struct lb4_tuple t = tuple_of("[2001:db8:1:2:3:4:5:6]:40000", "[2001:db8:a:b:c:d:e:f]:443");

	(void)state;
	for (uint64_t seed = 0; seed < 2000; seed++) {
		uint64_t h = hash_of(seed, &t);

		for (size_t a = 0; a < 32; a += 4)
			for (size_t b = 0; b < a; b += 4) {
				struct lb4_tuple u = t;
				uint8_t *bytes = (uint8_t *)&u;

				memcpy(bytes + a, (const uint8_t *)&t + b, 4);
				memcpy(bytes + b, (const uint8_t *)&t + a, 4);
				if (memcmp(&u, &t, sizeof(t)) != 0)
					assert_int_not_equal(hash_of(seed, &u), h);
				u = t;
				bytes[a] ^= 0x80;
				bytes[b] ^= 0x80;
				assert_int_not_equal(hash_of(seed, &u), h);
			}
	}
}

/* A fixed pair, chosen without knowledge of the seed, meets in a slot no oftener than by chance. */
static void no_pair_meets_for_many_seeds(void **state)
{
	static const char *const pairs[][2] = {
		{"198.51.100.7:40000", "198.51.100.7:40001"},
		{"198.51.100.7:40000", "198.51.100.8:40000"},
		{"198.51.100.7:40000", "198.51.228.7:40000"},
		{"[2001:db8::1]:40000", "[2001:db8::2]:40000"},
		{"[2001:db8::1]:40000", "[2001:db8:0:1::1]:40000"},
	};
	enum { SEEDS = 200000, SLOTS = 1021 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct lb4_tuple a = tuple_of(pairs[i][0], "192.0.2.10:80");
		struct lb4_tuple b = tuple_of(pairs[i][1], "192.0.2.10:80");
		uint32_t met = 0;

		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			struct lb4_hash_key key;

			lb4_hash_key_init(&key, seed);
			met += lb4_slot(lb4_flow_hash(&key, &a), SLOTS) ==
			       lb4_slot(lb4_flow_hash(&key, &b), SLOTS);
		}
		/* 196 expected, standard deviation 14. */
		assert_in_range(met, 196 - 70, 196 + 70);
	}
}

static void every_key_word_counts(void **state)
{
	struct lb4_tuple v4 = tuple_of("198.51.100.7:40000", "192.0.2.10:80");
	struct lb4_tuple v6 = tuple_of("[2001:db8:1:2:3:4:5:6]:40000", "[2001:db8::10]:443");
	struct lb4_hash_key key, other;

	(void)state;
	lb4_hash_key_init(&key, DEFAULT_SEED);
	for (size_t i = 0; i < LB4_HASH_KEY_WORDS; i++) {
		other = key;
		other.words[i] ^= 0x80000000;
		assert_int_equal(lb4_flow_hash(&other, &v4) != lb4_flow_hash(&key, &v4), i < 4);
		assert_int_equal(lb4_flow_hash(&other, &v6) != lb4_flow_hash(&key, &v6),
				 i < 2 || i >= 4);
	}
}

/* Flows of one kind, the i-th of them. */
struct traffic {
	const char *name;
	bool ipv6, keep_source;
	uint32_t port_step;
	uint32_t clients;      /* the addresses cycle through so many before the port goes on */
	uint32_t address_word; /* that counts the clients up, 3 being the last */
	uint32_t address_step;
};

static const struct traffic traffics[] = {
	{"one client, sequential ports", .port_step = 1, .clients = 1},
	{"one client, every second port", .port_step = 2, .clients = 1},
	{"one IPv6 client, sequential ports", true, .port_step = 1, .clients = 1},
	{"a /16 of clients, one port", .clients = 65536, .address_word = 3, .address_step = 1},
	{"256 clients, sequential ports", .port_step = 1, .clients = 256, .address_word = 3,
	 .address_step = 1},
	{"/24 networks, one host each", .clients = 65536, .address_word = 3, .address_step = 256},
	{"IPv6 hosts counted up", true, .clients = 65536, .address_word = 3, .address_step = 1},
	{"IPv6 /64s counted up", true, .clients = 65536, .address_word = 1, .address_step = 1},
	{"IPv6 /48s counted up", true, .clients = 65536, .address_word = 1, .address_step = 65536},
	{"by source: a /16 of clients", .keep_source = true, .clients = 65536, .address_word = 3,
	 .address_step = 1},
	{"by source: IPv6 /64s", true, .keep_source = true, .clients = 65536, .address_word = 1,
	 .address_step = 1},
};

static struct lb4_tuple flow(const struct traffic *t, uint32_t i)
{
	static const struct {
		uint8_t client[16], local[16];
	} addresses[] = {
		{{[10] = 0xff, 0xff, 10, 20}, {[10] = 0xff, 0xff, 192, 0, 2, 10}},
		{{0x20, 0x01, 0x0d, 0xb8}, {0x20, 0x01, 0x0d, 0xb8, 0xff, [15] = 0x10}},
	};
	struct lb4_tuple tuple = {.destination_port = htons(443), .protocol = IPPROTO_TCP};
	uint32_t word;

	memcpy(tuple.source, addresses[t->ipv6].client, 16);
	memcpy(tuple.destination, addresses[t->ipv6].local, 16);
	tuple.source_port = htons((uint16_t)(1024 + i / t->clients * t->port_step));
	memcpy(&word, tuple.source + 4 * t->address_word, 4);
	word = htonl(ntohl(word) + i % t->clients * t->address_step);
	memcpy(tuple.source + 4 * t->address_word, &word, 4);
	if (t->keep_source)
		lb4_tuple_keep_source(&tuple, 32, 128);
	return tuple;
}

/* Standard deviations that the chi-square of `counts` is off. */
static double chi_square(const uint32_t *counts, size_t n_bins, double n)
{
	double sum = 0, expected = n / (double)n_bins;

	for (size_t i = 0; i < n_bins; i++)
		sum += (counts[i] - expected) * (counts[i] - expected) / expected;
	return (sum - (double)(n_bins - 1)) / sqrt(2 * (double)(n_bins - 1));
}

/* Bins of the slots that a service uses, and of the low bits that other tables may use. */
static void slots_are_uniform(void **state)
{
	enum { SEEDS = 16, HIGH = 1021, LOW = 1024 };

	(void)state;
	printf("chi-square over 1021 slots and over 1024 low bits, standard deviations off,\n"
	       "mean and worst of %d seeds\n",
	       SEEDS);
	for (size_t i = 0; i < ARRAY_SIZE(traffics); i++) {
		const struct traffic *t = &traffics[i];
		uint32_t n = t->port_step == 2 ? 32256 : t->clients == 1 ? 64512 : 65536;
		double sum[2] = {}, worst[2] = {};

		for (uint64_t k = 0; k < SEEDS; k++) {
			uint32_t high[HIGH] = {}, low[LOW] = {};
			struct lb4_hash_key key;
			double z[2];

			lb4_hash_key_init(&key, k < ARRAY_SIZE(seeds) ? seeds[k] : k);
			for (uint32_t f = 0; f < n; f++) {
				struct lb4_tuple tuple = flow(t, f);
				uint64_t h = lb4_flow_hash(&key, &tuple);

				high[lb4_slot(h, HIGH)]++;
				low[h % LOW]++;
			}
			z[0] = chi_square(high, HIGH, n);
			z[1] = chi_square(low, LOW, n);
			for (size_t e = 0; e < 2; e++) {
				sum[e] += z[e] / SEEDS;
				worst[e] = fabs(z[e]) > fabs(worst[e]) ? z[e] : worst[e];
				assert_true(fabs(z[e]) < 5);
			}
		}
		printf("  %-34s slots %5.2f %5.2f   low bits %5.2f %5.2f\n", t->name, sum[0],
		       worst[0], sum[1], worst[1]);
		/* The mean of 16 deviates within 1/4 each: a hash that is too even shows as well. */
		assert_true(fabs(sum[0]) < 1.25 && fabs(sum[1]) < 1.25);
	}
}

/* Where retries look must not lean on where the slot is. */
static void walks_are_uniform(void **state)
{
	enum { BINS = 251 };

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(seeds); s++) {
		uint32_t targets[BINS] = {}, steps[BINS] = {};
		double n = 8 * 8192;

		for (uint32_t slot = 0; slot < 8192; slot++)
			for (uint32_t attempt = 1; attempt <= 8; attempt++) {
				uint32_t at = lb4_walk(seeds[s], slot, attempt, TABLE_SIZE);
				uint32_t step = (at + TABLE_SIZE - slot) % TABLE_SIZE;

				assert_true(at < TABLE_SIZE);
				targets[(uint64_t)at * BINS / TABLE_SIZE]++;
				steps[(uint64_t)step * BINS / TABLE_SIZE]++;
			}
		assert_true(fabs(chi_square(targets, BINS, n)) < 5);
		assert_true(fabs(chi_square(steps, BINS, n)) < 5);
	}
}

static void slots_stay_in_range(void **state)
{
	struct rng r = rng_for_property("slots_stay_in_range");

	(void)state;
	for (size_t i = 0; maglev_sizes[i]; i++) {
		uint32_t size = maglev_sizes[i];

		assert_int_equal(lb4_slot(0, size), 0);
		assert_int_equal(lb4_slot(UINT64_MAX, size), size - 1);
		for (size_t k = 0; k < 1000; k++)
			assert_true(lb4_walk(rng_next(&r), rng_below(&r, size),
					     1 + (uint32_t)k % 64, size) < size);
	}
}

static bool bit_of(const uint8_t *bytes, unsigned i)
{
	return bytes[i / 8] >> (7 - i % 8) & 1;
}

/* Keeps `kept` bits of `was`, and nothing else of the tuple but its family. */
static void check_masked(const struct lb4_tuple *was, unsigned prefix_ipv4, unsigned prefix_ipv6,
			 unsigned kept)
{
	static const uint8_t mapped_zero[16] = {[10] = 0xff, 0xff};
	struct lb4_tuple t = *was, u = *was;

	lb4_tuple_keep_source(&t, prefix_ipv4, prefix_ipv6);
	for (unsigned i = 0; i < 128; i++)
		assert_int_equal(bit_of(t.source, i), i < kept ? bit_of(was->source, i) : 0);
	assert_memory_equal(t.destination, mapped_zero, 16);
	assert_int_equal(t.source_port, 0);
	assert_int_equal(t.destination_port, 0);
	assert_int_equal(t.protocol, was->protocol);
	assert_int_equal(lb4_is_ipv4(t.source), lb4_is_ipv4(was->source));

	/* Neighbours beyond the prefix are one client, whatever they connect to. */
	if (kept < 128)
		u.source[kept / 8] ^= (uint8_t)(0x80 >> kept % 8);
	u.destination[15] ^= 1;
	u.source_port ^= 0x5555;
	u.destination_port ^= 0x5555;
	if (lb4_is_ipv4(u.source) == lb4_is_ipv4(was->source)) {
		lb4_tuple_keep_source(&u, prefix_ipv4, prefix_ipv6);
		assert_memory_equal(&t, &u, sizeof(t));
	}

	/* Those that differ within it are two. */
	if (prefix_ipv4 == 0 || prefix_ipv6 == 0)
		return;
	u = *was;
	u.source[(kept - 1) / 8] ^= (uint8_t)(0x80 >> (kept - 1) % 8);
	lb4_tuple_keep_source(&u, prefix_ipv4, prefix_ipv6);
	assert_memory_not_equal(&t, &u, sizeof(t));
	assert_int_not_equal(hash_of(DEFAULT_SEED, &t), hash_of(DEFAULT_SEED, &u));
}

static void sources_are_masked(void **state)
{
	static const char *const ipv4[] = {"198.51.100.7:40000", "255.255.255.255:1", "0.0.0.1:9"};
	static const char *const ipv6[] = {
		"[2001:db8:1:2:3:4:5:6]:40000", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1",
		"[::fffe:ffff:ffff]:1", "[::1:ffff:c633:6407]:1", /* a bit off the mapped form */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ipv4); i++) {
		struct lb4_tuple t = tuple_of(ipv4[i], "192.0.2.10:80");

		for (unsigned prefix = 0; prefix <= 32; prefix++)
			check_masked(&t, prefix, 128, 96 + prefix);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ipv6); i++) {
		struct lb4_tuple t = tuple_of(ipv6[i], "[2001:db8::10]:443");

		for (unsigned prefix = 0; prefix <= 128; prefix++)
			check_masked(&t, 32, prefix, prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_stay_what_they_are),
		cmocka_unit_test(mapped_addresses_are_ipv4),
		cmocka_unit_test(slots_of_services),
		cmocka_unit_test(no_differential_collides),
		cmocka_unit_test(no_exchange_collides),
		cmocka_unit_test(no_pair_meets_for_many_seeds),
		cmocka_unit_test(every_key_word_counts),
		cmocka_unit_test(slots_are_uniform),
		cmocka_unit_test(walks_are_uniform),
		cmocka_unit_test(slots_stay_in_range),
		cmocka_unit_test(sources_are_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
