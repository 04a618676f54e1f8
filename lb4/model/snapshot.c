// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "snapshot.h"
#include "source_table.h"

static void copy_name(char *to, const char *from)
{
	strncpy(to, from, NAME_LENGTH_MAX);
	to[NAME_LENGTH_MAX] = '\0';
}

/* Counters are aligned to a cache line, which malloc() does not promise. */
static void *alloc_lines(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (p)
		memset(p, 0, size);
	return p;
}

/* True when the caller dropped the last reference. */
static bool last_ref(_Atomic uint32_t *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

static void add_ref(_Atomic uint32_t *refs)
{
	atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

struct service *service_new(const char *name, unsigned n_workers)
{
	struct service *s = alloc_lines(sizeof(*s) + (n_workers + 1) * sizeof(s->counters[0]));

	if (!s)
		return NULL;
	s->queues = alloc_lines(n_workers * sizeof(s->queues[0]));
	if (!s->queues) {
		free(s);
		return NULL;
	}
	for (unsigned i = 0; i < n_workers; i++) {
		s->queues[i].service = s;
		s->queues[i].since = NSEC_NEVER;
		list_init(&s->queues[i].waiting);
		list_init(&s->queues[i].node);
	}
	s->refs = 1;
	s->n_workers = n_workers;
	copy_name(s->name, name);
	return s;
}

struct service *service_ref(struct service *s)
{
	add_ref(&s->refs);
	return s;
}

struct service *service_unref(struct service *s)
{
	if (!s || !last_ref(&s->refs))
		return NULL;
	source_table_free(s->sources);
	free(s->queues);
	free(s);
	return NULL;
}

int service_track_sources(struct service *s, uint32_t n_entries, uint64_t secret)
{
	if (!s->sources)
		s->sources = source_table_new(n_entries, secret);
	return s->sources ? 0 : -ENOMEM;
}

struct backend *backend_new(const char *service_name, const char *name,
			    const struct address *address, unsigned n_workers)
{
	struct backend *b = alloc_lines(sizeof(*b) + (n_workers + 1) * sizeof(b->counters[0]));

	if (!b)
		return NULL;
	b->refs = 1;
	b->n_workers = n_workers;
	copy_name(b->name, name);
	copy_name(b->service_name, service_name);
	b->address = *address;
	b->sockaddr_length = address_to_sockaddr(address, &b->sockaddr);
	return b;
}

struct backend *backend_ref(struct backend *b)
{
	add_ref(&b->refs);
	return b;
}

struct backend *backend_unref(struct backend *b)
{
	if (b && last_ref(&b->refs))
		free(b);
	return NULL;
}

/*
 * Sequentially consistent, as are a queue's words: whoever finds no place and then waits is seen by
 * whoever leaves one, or sees the place.
 */
bool backend_acquire_within(struct backend *b, uint32_t most)
{
	uint32_t seen = atomic_load(&b->in_use);

	do {
		if (most && seen >= most)
			return false;
	} while (!atomic_compare_exchange_weak(&b->in_use, &seen, seen + 1));
	return true;
}

void backend_release(struct backend *b)
{
	atomic_fetch_sub(&b->in_use, 1);
}

/* Both counter structs are arrays of _Atomic uint64_t, padded to a line. */
static void sum_counters(const void *counters, size_t stride, unsigned n, void *ret)
{
	_Atomic uint64_t *sums = ret;

	memset(ret, 0, stride);
	for (unsigned w = 0; w < n; w++) {
		const _Atomic uint64_t *c =
			(const _Atomic uint64_t *)((const char *)counters + w * stride);

		for (size_t i = 0; i < stride / sizeof(*c); i++)
			counter_add(sums[i], counter_read(c[i]));
	}
}

void service_sum(const struct service *s, struct service_counters *ret)
{
	sum_counters(s->counters, sizeof(s->counters[0]), s->n_workers + 1, ret);
}

uint64_t service_forwarded(const struct service *s)
{
	return counter_read(s->counters[s->n_workers].accepted);
}

void backend_sum(const struct backend *b, struct backend_counters *ret)
{
	sum_counters(b->counters, sizeof(b->counters[0]), b->n_workers + 1, ret);
}

struct snapshot *snapshot_new(size_t n_services)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->services = calloc(n_services ? n_services : 1, sizeof(s->services[0]));
	if (!s->services) {
		free(s);
		return NULL;
	}
	s->n_services = n_services;
	return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	add_ref(&s->refs);
	return s;
}

struct snapshot *snapshot_unref(struct snapshot *s)
{
	if (!s || !last_ref(&s->refs))
		return NULL;
	for (size_t i = 0; i < s->n_services; i++) {
		struct snapshot_service *service = &s->services[i];

		for (size_t j = 0; j < service->n_backends; j++)
			backend_unref(service->backends[j]);
		free(service->backends);
		free(service->backend_max);
		access_unref(service->access);
		pool_table_unref(service->table);
		tls_routes_unref(service->tls_routes);
		service_settings_unref(&service->settings);
		service_unref(service->service);
	}
	free(s->services);
	free(s);
	return NULL;
}

const struct snapshot_service *snapshot_find(const struct snapshot *s,
					     const struct service *service)
{
	for (size_t i = 0; i < s->n_services; i++)
		if (s->services[i].service == service)
			return &s->services[i];
	return NULL;
}

uint64_t snapshot_service_hash(const struct snapshot_service *s, const struct address *client,
			       const struct address *local)
{
	struct lb4_tuple tuple = {
		.source_port = htons(client->port),
		.destination_port = htons(local->port),
		.protocol = IPPROTO_TCP,
	};

	memcpy(tuple.source, client->ip, sizeof(tuple.source));
	memcpy(tuple.destination, local->ip, sizeof(tuple.destination));
	if (s->settings.hash == HASH_SOURCE)
		lb4_tuple_keep_source(&tuple, s->settings.mask_ipv4, s->settings.mask_ipv6);
	return lb4_flow_hash(&s->key, &tuple);
}

uint32_t snapshot_service_slot(const struct snapshot_service *s, const struct address *client,
			       const struct address *local)
{
	return lb4_slot(snapshot_service_hash(s, client, local), s->table->size);
}

uint32_t snapshot_service_load(const void *service, uint16_t member)
{
	const struct snapshot_service *s = service;

	return backend_in_use(s->backends[member]);
}

uint64_t snapshot_service_turn(const struct snapshot_service *s, unsigned worker)
{
	const struct service *service = s->service;

	return (uint64_t)worker * s->table->balance->n_order / service->n_workers +
	       counter_read(service->counters[worker].turns);
}

/* Beside the straight path, which has a table. */
static __attribute__((noinline)) uint16_t choose_balanced(const struct snapshot_service *s,
							  const uint16_t *tried, size_t n_tried,
							  struct chooser *chooser)
{
	struct balance_question q = {
		.tried = tried,
		.n_tried = n_tried,
		.load = snapshot_service_load,
		.context = s,
	};

	chooser->random += 0x9e3779b97f4a7c15ULL;
	q.random = lb4_mix64(chooser->random);
	if (s->table->balance->kind == BALANCE_ROUND_ROBIN) {
		q.turn = snapshot_service_turn(s, chooser->worker);
		counter_add(s->service->counters[chooser->worker].turns, 1);
	}
	return balance_choose(s->table->balance, &q);
}

uint16_t snapshot_service_choose(const struct snapshot_service *s, uint32_t slot,
				 const uint16_t *tried, size_t n_tried, struct chooser *chooser)
{
	if (s->table->balance)
		return choose_balanced(s, tried, n_tried, chooser);
	return pool_table_choose(s->table, slot, tried, n_tried);
}
