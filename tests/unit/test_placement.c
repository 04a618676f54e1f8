// SPDX-License-Identifier: BSD-2-Clause
/* What maps say after changes of services and backends, and which places keep their meaning for
 * whom. */
#include <arpa/inet.h>
#include <errno.h>

#include "choice.h"
#include "lb4_place.h"
#include "placement.h"

#include "test.h"

#define SIZE	  65537
#define CHUNKS	  17 /* that a table of this size takes */
#define N_MEMBERS 3

struct world {
	struct fastpath_maps maps;
	struct placement *placement;
	struct service *service;
	struct backend *backends[N_MEMBERS];
	struct backend_way ways[N_MEMBERS];
	struct address listen[2];
	struct pool pool;
	struct snapshot_service view;
	struct placed_service placed;
	uint32_t now;
};

static unsigned n_synchronized;

static void synchronize(void)
{
	n_synchronized++;
}

static void address(struct address *ret, const char *text)
{
	const char *reason;

	assert_int_equal(address_parse(text, false, ret, &reason), 0);
}

/* An address without a port. */
static void ip(struct address *ret, const char *text)
{
	char whole[64];

	snprintf(whole, sizeof(whole), "%s:1", text);
	address(ret, whole);
	ret->port = 0;
}

static void *zeroes(size_t n, size_t size)
{
	void *p = calloc(n, size);

	assert_non_null(p);
	return p;
}

static void make_maps(struct fastpath_maps *m)
{
	m->n_cpus = 2;
	m->n_backends = 4;
	m->n_ring_chunks = 2 * CHUNKS;
	m->control = zeroes(1, sizeof(*m->control));
	m->vip_buckets = zeroes(2ul * LB4_VIP_BUCKETS, sizeof(m->vip_buckets[0]));
	m->vips = zeroes(LB4_VIPS_MAX, sizeof(m->vips[0]));
	m->services = zeroes(LB4_SERVICES_MAX, sizeof(m->services[0]));
	m->ring = zeroes(m->n_ring_chunks, sizeof(m->ring[0]));
	m->motion = zeroes(m->n_ring_chunks, sizeof(m->motion[0]));
	m->spliced = zeroes(1, sizeof(m->spliced[0]));
	m->backends = zeroes(m->n_backends, sizeof(m->backends[0]));
	m->backend_counters = zeroes(2ul * m->n_backends, sizeof(m->backend_counters[0]));
}

static void free_maps(struct fastpath_maps *m)
{
	free(m->control);
	free(m->vip_buckets);
	free(m->vips);
	free(m->services);
	free(m->ring);
	free(m->motion);
	free(m->spliced);
	free(m->backends);
	free(m->backend_counters);
}

static void take_table(struct world *w, uint32_t size)
{
	struct set *set = set_new(N_MEMBERS, EQUAL);

	pool_deinit(&w->pool);
	pool_of(&w->pool, set, size, DEFAULT_SEED);
	free(set);
	w->view.table = w->pool.table;
}

static int setup(void **state)
{
	struct world *w = zeroes(1, sizeof(*w));

	make_maps(&w->maps);
	w->placement = placement_new(&w->maps, false);
	assert_non_null(w->placement);
	w->service = service_new("web", 1);
	for (size_t i = 0; i < N_MEMBERS; i++) {
		char text[32];
		struct address a;

		snprintf(text, sizeof(text), "10.0.0.%zu:8080", 1 + i);
		address(&a, text);
		w->backends[i] = backend_new("web", "b", &a, 1);
		w->ways[i] = (struct backend_way){
			.reachable = true, .returns = true, .interface = 7, .mss_max = 1460};
		ip(&w->ways[i].source, "10.0.0.254");
	}
	address(&w->listen[0], "192.0.2.1:80");
	address(&w->listen[1], "192.0.2.1:443");
	w->view = (struct snapshot_service){
		.service = w->service,
		.backends = w->backends,
		.n_backends = N_MEMBERS,
		.settings = {.hash = HASH_SOURCE, .mask_ipv4 = 24, .mask_ipv6 = 64},
	};
	take_table(w, SIZE);
	w->placed = (struct placed_service){&w->view, w->listen, 2, w->ways};
	n_synchronized = 0;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	placement_free(w->placement);
	pool_deinit(&w->pool);
	for (size_t i = 0; i < N_MEMBERS; i++)
		backend_unref(w->backends[i]);
	service_unref(w->service);
	free_maps(&w->maps);
	free(w);
	return 0;
}

static size_t update(struct world *w)
{
	return placement_update(w->placement, &w->placed, w->placed.service ? 1 : 0, w->now,
				synchronize);
}

/* As the program looks it up. */
static uint32_t find(const struct world *w, const char *text, bool any_port)
{
	const struct lb4_control *c = w->maps.control;
	struct address a;
	uint32_t place;

	address(&a, text);
	if (any_port)
		a.port = 0;
	place = lb4_vip_place(c->vip_seed[c->vip_half], a.ip, htons(a.port), LB4_VIP_BUCKETS);
	for (size_t i = 0; i < LB4_VIP_WAYS; i++) {
		const struct lb4_vip_key *key =
			&w->maps.vip_buckets[c->vip_half * LB4_VIP_BUCKETS + place].way[i];

		if (key->vip != LB4_VIP_NONE && key->port == htons(a.port) &&
		    !memcmp(key->address, a.ip, 16))
			return key->vip;
	}
	return LB4_VIP_NONE;
}

static uint32_t find_vip(const struct world *w, const char *text)
{
	return find(w, text, false);
}

static uint16_t owner(const struct world *w, const struct lb4_service *s, uint32_t slot)
{
	return w->maps.ring[s->ring + slot / LB4_RING_CHUNK].owner[slot % LB4_RING_CHUNK];
}

static const struct lb4_service *service_of(const struct world *w, const char *vip)
{
	uint32_t place = find_vip(w, vip);

	assert_int_not_equal(place, LB4_VIP_NONE);
	return &w->maps.services[w->maps.vips[place].service];
}

/* Every slot leads to the backend that the table names. */
static void expect_ring(const struct world *w, const struct lb4_service *s)
{
	assert_int_equal(s->ring_size, w->view.table->size);
	for (uint32_t slot = 0; slot < s->ring_size; slot++) {
		uint16_t member = w->view.table->live[slot], place = owner(w, s, slot);

		if (member == MAGLEV_NONE) {
			assert_int_equal(place, LB4_RING_NONE);
			continue;
		}
		assert_memory_equal(w->maps.backends[place].address,
				    w->backends[member]->address.ip, 16);
	}
}

/* A walk that meets these many flows of a place and a VIP. */
static void walk(struct world *w, uint16_t backend, uint16_t vip, unsigned n)
{
	const struct lb4_flow f = {.backend = backend, .vip = vip};

	placement_begin_count(w->placement);
	for (unsigned i = 0; i < n; i++)
		placement_count(w->placement, &f);
	placement_tell_counters(w->placement, 0);
	placement_end_count(w->placement, w->now);
}

static uint16_t place_of(const struct world *w, size_t member)
{
	for (uint16_t i = 0; i < w->maps.n_backends; i++)
		if (!memcmp(w->maps.backends[i].address, w->backends[member]->address.ip, 16) &&
		    !memcmp(w->maps.backends[i].source, w->ways[member].source.ip, 16))
			return i;
	fail();
	return 0;
}

static void a_service(void **state)
{
	struct world *w = *state;
	const struct lb4_service *s;

	assert_int_equal(update(w), 0);
	s = service_of(w, "192.0.2.1:80");
	assert_ptr_equal(s, service_of(w, "192.0.2.1:443"));
	assert_int_not_equal(find(w, "192.0.2.1:80", true), LB4_VIP_NONE);
	assert_int_equal(find_vip(w, "192.0.2.1:81"), LB4_VIP_NONE);
	assert_int_equal(find(w, "192.0.2.2:80", true), LB4_VIP_NONE);
	assert_int_equal(s->accepts, 1);
	assert_int_equal(s->hash_source, 1);
	assert_int_equal(s->mask_ipv4, 24);
	expect_ring(w, s);
	for (size_t i = 0; i < N_MEMBERS; i++) {
		const struct lb4_backend *b = &w->maps.backends[place_of(w, i)];

		assert_int_equal(b->port, htons(8080));
		assert_int_equal(b->interface, 7);
		assert_int_equal(b->reachable, 1);
	}
	/* A failure changes slots, and nothing else. */
	pool_fail(&w->pool, 1, 1);
	assert_int_equal(pool_update(&w->pool, 1), 1);
	w->view.table = w->pool.table;
	n_synchronized = 0;
	assert_int_equal(update(w), 0);
	expect_ring(w, s);
	assert_int_equal(n_synchronized, 0);
}

/* A place belongs to its last flow. */
static void places_of_backends(void **state)
{
	struct world *w = *state;
	uint16_t old, new;

	assert_int_equal(update(w), 0);
	old = place_of(w, 0);
	w->maps.backend_counters[old].flows = 1;
	/* Reached from another address: who has a flow keeps the one it has. */
	ip(&w->ways[0].source, "10.0.0.253");
	assert_int_equal(update(w), 0);
	new = place_of(w, 0);
	assert_int_not_equal(old, new);
	expect_ring(w, service_of(w, "192.0.2.1:80"));
	assert_ptr_equal(placement_backend(w->placement, &(struct lb4_flow){.backend = old}),
			 w->backends[0]);
	walk(w, old, 0, 1);
	/* All four places are taken. */
	ip(&w->ways[1].source, "10.0.0.253");
	assert_int_equal(update(w), 1);
	ip(&w->ways[1].source, "10.0.0.254");
	assert_int_equal(update(w), 0);
	w->maps.backend_counters[w->maps.n_backends + old].replaced = 1;
	walk(w, old, 0, 0);
	assert_null(placement_backend(w->placement, &(struct lb4_flow){.backend = old}));
	ip(&w->ways[1].source, "10.0.0.253");
	assert_int_equal(update(w), 0);
}

static void a_new_way(void **state)
{
	struct world *w = *state;
	uint16_t place;

	assert_int_equal(update(w), 0);
	place = place_of(w, 2);
	w->ways[2].interface = 8;
	w->ways[2].has_gateway = true;
	ip(&w->ways[2].gateway, "10.0.0.99");
	assert_int_equal(update(w), 0);
	assert_int_equal(place_of(w, 2), place);
	assert_int_equal(w->maps.backends[place].interface, 8);
	assert_int_equal(w->maps.backends[place].gateway_family, AF_INET);
	assert_memory_equal(w->maps.backends[place].gateway, w->ways[2].gateway.ip, 16);
	w->ways[2].reachable = false;
	assert_int_equal(update(w), 0);
	assert_int_equal(w->maps.backends[place].reachable, 0);
}

/* A listen address that goes takes no new flows, and keeps its name for those that it has. */
static void places_of_vips(void **state)
{
	struct world *w = *state;
	uint32_t gone;

	assert_int_equal(update(w), 0);
	gone = find_vip(w, "192.0.2.1:443");
	w->placed.n_listen = 1;
	assert_int_equal(update(w), 0);
	assert_int_equal(find_vip(w, "192.0.2.1:443"), gone);
	assert_int_equal(w->maps.vips[gone].service, LB4_SERVICES_MAX);
	walk(w, 0, (uint16_t)gone, 1);
	assert_int_equal(update(w), 0);
	assert_int_equal(find_vip(w, "192.0.2.1:443"), gone);
	walk(w, 0, (uint16_t)gone, 0);
	/* Whoever still looks into the table finds it: nobody else may have the place before. */
	address(&w->listen[1], "192.0.2.1:8443");
	w->placed.n_listen = 2;
	assert_int_equal(update(w), 0);
	assert_int_not_equal(find_vip(w, "192.0.2.1:8443"), gone);
	assert_int_equal(find_vip(w, "192.0.2.1:443"), LB4_VIP_NONE);
	assert_int_not_equal(find(w, "192.0.2.1:80", true), LB4_VIP_NONE);
	/* And back again. */
	address(&w->listen[1], "192.0.2.1:443");
	assert_int_equal(update(w), 0);
	assert_int_equal(find_vip(w, "192.0.2.1:443"), gone);
	assert_int_equal(service_of(w, "192.0.2.1:443")->accepts, 1);
}

/* A flow that begins behind the walk, while the address is still there, is not overlooked. */
static void retired_during_a_walk(void **state)
{
	struct world *w = *state;
	uint32_t gone;

	assert_int_equal(update(w), 0);
	gone = find_vip(w, "192.0.2.1:443");
	placement_begin_count(w->placement);
	w->placed.n_listen = 1;
	assert_int_equal(update(w), 0);
	placement_tell_counters(w->placement, 0);
	placement_end_count(w->placement, w->now);
	assert_int_equal(update(w), 0);
	assert_int_equal(find_vip(w, "192.0.2.1:443"), gone);
	walk(w, 0, 0, 0);
	assert_int_equal(update(w), 0);
	assert_int_equal(find_vip(w, "192.0.2.1:443"), LB4_VIP_NONE);
}

/* Another process has left flows; backends and addresses find theirs, whatever the order now. */
static void adoption(void **state)
{
	struct world *w = *state;
	struct backend *first = w->backends[0];
	uint16_t places[N_MEMBERS];
	const struct lb4_service *s;
	uint32_t vip, ring;

	assert_int_equal(update(w), 0);
	for (size_t i = 0; i < N_MEMBERS; i++)
		places[i] = place_of(w, i);
	vip = find_vip(w, "192.0.2.1:443");
	ring = service_of(w, "192.0.2.1:80")->ring;
	w->maps.backend_counters[places[2]].flows = 5;
	placement_free(w->placement);
	w->placement = placement_new(&w->maps, true);
	assert_non_null(w->placement);
	w->backends[0] = w->backends[2];
	w->backends[2] = first;
	assert_int_equal(update(w), 0);
	for (size_t i = 0; i < N_MEMBERS; i++)
		assert_int_equal(place_of(w, i), places[N_MEMBERS - 1 - i]);
	assert_int_equal(find_vip(w, "192.0.2.1:443"), vip);
	s = service_of(w, "192.0.2.1:80");
	assert_int_not_equal(s->ring, ring);
	expect_ring(w, s);
	placement_tell_counters(w->placement, 0);
	assert_int_equal(placement_flows(w->placement), 5);
	/* What nobody has taken over is free when its flows have ended, and not before. */
	w->view.n_backends = 2;
	placement_free(w->placement);
	w->placement = placement_new(&w->maps, true);
	w->placed.n_listen = 1;
	pool_fail(&w->pool, 2, 1);
	assert_int_equal(pool_update(&w->pool, 1), 1);
	w->view.table = w->pool.table;
	assert_int_equal(update(w), 0);
	assert_int_equal(find_vip(w, "192.0.2.1:443"), vip);
	assert_int_equal(w->maps.vips[vip].service, LB4_SERVICES_MAX);
	walk(w, places[0], (uint16_t)vip, 1);
	walk(w, 0, 0, 0);
	assert_int_equal(update(w), 0);
	assert_int_equal(find_vip(w, "192.0.2.1:443"), LB4_VIP_NONE);
}

/* What the numbers in captured packets stand for. */
static void what_stands_there(void **state)
{
	struct world *w = *state;
	uint32_t place;

	assert_int_equal(placement_find_service(w->placement, w->service), LB4_SERVICES_MAX);
	assert_int_equal(update(w), 0);
	place = placement_find_service(w->placement, w->service);
	assert_ptr_equal(&w->maps.services[place], service_of(w, "192.0.2.1:80"));
	assert_ptr_equal(placement_service_at(w->placement, place), w->service);
	assert_null(placement_service_at(w->placement, place + 1));
	assert_null(placement_service_at(w->placement, 0xffff));
	for (size_t i = 0; i < N_MEMBERS; i++)
		assert_ptr_equal(placement_backend_at(w->placement, place_of(w, i)),
				 w->backends[i]);
	assert_null(placement_backend_at(w->placement, 0xffff));
}

static void the_service_goes(void **state)
{
	const struct placed_service placed = ((struct world *)*state)->placed;
	struct world *w = *state;
	uint32_t vip;

	assert_int_equal(update(w), 0);
	vip = find_vip(w, "192.0.2.1:80");
	w->placed.service = NULL;
	n_synchronized = 0;
	assert_int_equal(update(w), 0);
	assert_int_equal(n_synchronized, 1);
	assert_int_equal(w->maps.vips[vip].service, LB4_SERVICES_MAX);
	assert_int_equal(w->maps.services[0].accepts, 0);
	walk(w, 0, (uint16_t)vip, 1);
	walk(w, 0, (uint16_t)vip, 0);
	assert_int_equal(update(w), 0);
	assert_int_equal(find_vip(w, "192.0.2.1:80"), LB4_VIP_NONE);
	w->placed = placed;
	assert_int_equal(update(w), 0);
	expect_ring(w, service_of(w, "192.0.2.1:80"));
}

/* Of another size: its slots stand elsewhere before anybody is led there. */
static void another_table_size(void **state)
{
	struct world *w = *state;
	const struct lb4_service *s;
	uint32_t first;

	assert_int_equal(update(w), 0);
	s = service_of(w, "192.0.2.1:80");
	first = s->ring;
	take_table(w, 16381);
	assert_int_equal(update(w), 0);
	s = service_of(w, "192.0.2.1:80");
	assert_int_not_equal(s->ring, first);
	expect_ring(w, s);
	/* The room of the old one is free again. */
	take_table(w, SIZE);
	assert_int_equal(update(w), 0);
	expect_ring(w, service_of(w, "192.0.2.1:80"));
	take_table(w, 655373);
	assert_int_equal(update(w), 1);
}

static void counters(void **state)
{
	struct world *w = *state;
	struct backend_counters b;
	struct service_counters s;
	uint16_t place;

	assert_int_equal(update(w), 0);
	place = place_of(w, 0);
	for (uint32_t cpu = 0; cpu < 2; cpu++) {
		struct lb4_backend_counters *c =
			&w->maps.backend_counters[cpu * w->maps.n_backends + place];

		c->flows = 10;
		c->bytes_in = 100;
		c->bytes_out = 1000;
	}
	w->maps.backend_counters[place].ended = 3;
	w->maps.backend_counters[w->maps.n_backends + place].replaced = 2;
	for (int i = 0; i < 2; i++) {
		placement_tell_counters(w->placement, 0);
		backend_sum(w->backends[0], &b);
		service_sum(w->service, &s);
		assert_int_equal(counter_read(b.connections), 20);
		assert_int_equal(counter_read(b.active), 15);
		assert_int_equal(counter_read(b.bytes_in), 200);
		assert_int_equal(counter_read(b.bytes_out), 2000);
		assert_int_equal(counter_read(s.accepted), 20);
		assert_int_equal(counter_read(s.active), 15);
		assert_int_equal(placement_flows(w->placement), 15);
	}
	w->maps.backend_counters[place].ended = 18;
	assert_int_equal(placement_replaced(w->placement), 2);
	assert_int_equal(placement_news(w->placement), 20);
	assert_int_equal(placement_tell_end(w->placement, &(struct lb4_flow){.backend = place},
					    &(struct flow_account){.connect = 7000}, END_IDLE, 0,
					    0),
			 0);
	placement_tell_counters(w->placement, 0);
	service_sum(w->service, &s);
	assert_int_equal(counter_read(s.active), 0);
	assert_int_equal(counter_read(s.ended[END_IDLE]), 1);
	backend_sum(w->backends[0], &b);
	assert_int_equal(counter_read(b.connects), 1);
	assert_int_equal(counter_read(b.connect_nsec), 7000);
}

/* A second at which what the world did before is long over. */
static nsec_t at(unsigned second)
{
	return ((nsec_t)1 << 50) + second * NSEC_PER_SEC;
}

static uint64_t end_at(struct world *w, const struct lb4_flow *f, const struct flow_account *a,
		       int evidence, nsec_t now)
{
	enum end_reason reason = !evidence    ? END_DONE
				 : a->connect ? END_SERVER_RESET
					      : END_CONNECT_FAILED;

	return placement_tell_end(w->placement, f, a, reason, evidence, now);
}

/* Ends that speak against a backend are counted until its next byte. */
static void evidence(void **state)
{
	struct world *w = *state;
	struct lb4_flow f = {};
	const struct flow_account refused = {}, reset = {.connect = 1000},
				  silent = {.duration = 5 * NSEC_PER_SEC};
	struct backend_counters b;

	assert_int_equal(update(w), 0);
	f.backend = place_of(w, 0);
	assert_int_equal(end_at(w, &f, &refused, ECONNREFUSED, at(0)), 1);
	assert_int_equal(end_at(w, &f, &reset, ECONNRESET, at(0)), 2);
	assert_int_equal(end_at(w, &f, &reset, 0, at(0)), 0);
	placement_tell_counters(w->placement, at(1));
	assert_int_equal(end_at(w, &f, &silent, ETIMEDOUT, at(6)), 3);
	w->maps.backend_counters[f.backend].bytes_out++;
	placement_tell_counters(w->placement, at(6));
	assert_int_equal(end_at(w, &f, &silent, ETIMEDOUT, at(6)), 1);
	backend_sum(w->backends[0], &b);
	assert_int_equal(counter_read(b.connect_failures), 3);
	assert_int_equal(counter_read(b.instant_resets), 1);
	/* Of nobody's: no matter. */
	f.backend++;
	while (placement_backend(w->placement, &f))
		f.backend++;
	assert_int_equal(end_at(w, &f, &silent, ETIMEDOUT, at(6)), 0);
}

/* A SYN without an answer says nothing against a backend that has answered others since. */
static void evidence_of_silence(void **state)
{
	struct world *w = *state;
	struct lb4_flow f = {};
	const struct flow_account silent = {.duration = 5 * NSEC_PER_SEC};

	assert_int_equal(update(w), 0);
	f.backend = place_of(w, 0);
	w->maps.backend_counters[f.backend].packets_out++;
	assert_int_equal(end_at(w, &f, &silent, ETIMEDOUT, at(6)), 0);
	placement_tell_counters(w->placement, at(8));
	assert_int_equal(end_at(w, &f, &silent, ETIMEDOUT, at(12)), 0);
	placement_tell_counters(w->placement, at(13));
	assert_int_equal(end_at(w, &f, &silent, ETIMEDOUT, at(14)), 1);
	/* Of one that another start has left, nobody knows since when it was silent. */
	w->now = (uint32_t)(at(20) >> LB4_TICK_SHIFT);
	placement_free(w->placement);
	w->placement = placement_new(&w->maps, true);
	assert_int_equal(update(w), 0);
	assert_int_equal(end_at(w, &f, &silent, ETIMEDOUT, at(20)), 0);
	assert_int_equal(end_at(w, &f, &silent, ETIMEDOUT, at(26)), 2);
}

/* A way changes under flows, and what is not known any more is not looked at. */
static void macs_are_told(void **state)
{
	struct world *w = *state;
	struct backend_way *way = &w->ways[1];
	const struct lb4_backend *m;

	update(w);
	m = &w->maps.backends[place_of(w, 1)];
	assert_false(m->resolved);
	way->resolved = true;
	memcpy(way->next_mac, "\x02\0\0\0\0\x01", 6);
	memcpy(way->own_mac, "\x02\0\0\0\0\x02", 6);
	update(w);
	assert_true(m->resolved && m->reachable);
	assert_memory_equal(m->next_mac, way->next_mac, 6);
	assert_memory_equal(m->own_mac, way->own_mac, 6);
	assert_int_equal(m->mss_max, 1460);
	way->next_mac[5] = 3;
	way->mss_max = 1260;
	update(w);
	assert_memory_equal(m->next_mac, "\x02\0\0\0\0\x03", 6);
	assert_int_equal(m->mss_max, 1260);
	way->resolved = way->reachable = false;
	update(w);
	assert_false(m->resolved || m->reachable);
	assert_memory_equal(m->own_mac, way->own_mac, 6);
	assert_int_equal(m->interface, 7);
}

/* --- Direct server return --- */

static void be_dsr(struct world *w, enum forward_kind forward)
{
	w->now += 1000;
	w->view.settings.forward = forward;
	w->view.settings.idle_timeout = 10 * NSEC_PER_SEC;
	assert_int_equal(update(w), 0);
}

/* Walks and what they ask for, as main has it, for so many ticks. */
static void live_on(struct world *w, uint32_t ticks)
{
	for (uint32_t end = w->now + ticks; (int32_t)(end - w->now) > 0; w->now += 2) {
		walk(w, 0, LB4_VIPS_MAX, 0);
		if (placement_wants_update(w->placement))
			update(w);
	}
}

static const struct lb4_service *service_at(const struct world *w, const char *listen)
{
	uint16_t service = w->maps.vips[find_vip(w, listen)].service;

	return service < LB4_SERVICES_MAX ? &w->maps.services[service] : NULL;
}

/* What a service was lingers until its connections are gone, and then makes way by itself. */
static void what_lingers(void **state)
{
	struct world *w = *state;

	be_dsr(w, FORWARD_DSR_L2);
	take_table(w, 16381);
	update(w);
	assert_int_equal(placement_lingering(w->placement), 1);
	assert_int_equal(service_at(w, "192.0.2.1:80")->ring_size, SIZE);
	assert_int_equal(service_at(w, "192.0.2.1:80")->accepts, 0);
	memset(w->maps.spliced->marks, 0, LB4_MARKS);
	live_on(w, 60);
	assert_int_equal(placement_lingering(w->placement), 0);
	assert_int_equal(service_at(w, "192.0.2.1:80")->ring_size, 16381);
	assert_int_equal(service_at(w, "192.0.2.1:80")->accepts, 1);
	/* New connections were spliced meanwhile. */
	assert_int_not_equal(w->maps.spliced->marks[0], 0);
	live_on(w, 200);
	assert_int_equal(w->maps.spliced->marks[0], 0);
}

/* A listen address that is taken away keeps its connections for as long as they may be silent. */
static void a_listen_address_goes(void **state)
{
	struct world *w = *state;
	uint32_t vip;

	be_dsr(w, FORWARD_DSR_L2);
	vip = find_vip(w, "192.0.2.1:443");
	w->placed.n_listen = 1;
	update(w);
	assert_non_null(service_at(w, "192.0.2.1:443"));
	assert_int_equal(w->maps.vips[vip].closed, 1);
	live_on(w, 6);
	assert_non_null(service_at(w, "192.0.2.1:443"));
	live_on(w, 20);
	assert_int_equal(w->maps.vips[vip].service, LB4_SERVICES_MAX);
	assert_int_equal(w->maps.vips[vip].closed, 0);
}

/* Backends of nat and of dsr are never the same place, whose packets they are. */
static void from_dsr_to_nat(void **state)
{
	struct world *w = *state;
	uint16_t place;

	be_dsr(w, FORWARD_DSR_IPIP);
	place = place_of(w, 0);
	w->view.settings.forward = FORWARD_NAT;
	assert_int_equal(update(w), 1); /* there is no room for both */
	assert_int_equal(w->maps.backends[place].forward, LB4_FORWARD_DSR_IPIP);
	assert_true(w->maps.backends[place].reachable);
	live_on(w, 60);
	assert_int_equal(service_at(w, "192.0.2.1:80")->forward, LB4_FORWARD_NAT);
}

/* Who begins while lb4 is away is counted, and not for ever. */
static void dsr_after_a_crash(void **state)
{
	struct world *w = *state;
	uint16_t place;

	be_dsr(w, FORWARD_DSR_L2);
	place = place_of(w, 0);
	w->maps.backend_counters[place].flows = 100;
	assert_false(placement_has_uncounted(w->placement));
	placement_tell_counters(w->placement, 0);
	assert_true(placement_has_uncounted(w->placement));
	placement_free(w->placement);
	w->maps.backend_counters[place].flows = 150;
	w->placement = placement_new(&w->maps, true);
	update(w);
	assert_int_equal(place_of(w, 0), place);
	live_on(w, 6);
	assert_int_equal(placement_flows(w->placement), 0);
	assert_int_equal(w->maps.motion[w->maps.services[0].ring].slot[0].state, LB4_SLOT_STILL);
}

/* While slots of it move a backend is not empty, and its place is nobody else's. */
static void a_backend_of_dsr_leaves(void **state)
{
	struct world *w = *state;
	struct backend_counters b;
	uint16_t place;

	be_dsr(w, FORWARD_DSR_L2);
	place = place_of(w, 2);
	pool_fail(&w->pool, 2, 1);
	pool_update(&w->pool, 1);
	w->view.table = w->pool.table;
	w->view.n_backends = 2;
	update(w);
	placement_tell_counters(w->placement, 0);
	backend_sum(w->backends[2], &b);
	assert_int_equal(counter_read(b.active), 0); /* none has ever begun */
	w->maps.backend_counters[place].flows = 1;
	placement_tell_counters(w->placement, 0);
	backend_sum(w->backends[2], &b);
	assert_int_equal(counter_read(b.active), 1);
	live_on(w, 8);
	assert_non_null(placement_backend_at(w->placement, place));
	live_on(w, 60);
	assert_null(placement_backend_at(w->placement, place));
	backend_sum(w->backends[2], &b);
	assert_int_equal(counter_read(b.active), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_service),
		CASE(places_of_backends),
		CASE(a_new_way),
		CASE(places_of_vips),
		CASE(the_service_goes),
		CASE(retired_during_a_walk),
		CASE(adoption),
		CASE(another_table_size),
		CASE(counters),
		CASE(macs_are_told),
		CASE(what_stands_there),
		CASE(evidence),
		CASE(evidence_of_silence),
		CASE(what_lingers),
		CASE(a_listen_address_goes),
		CASE(from_dsr_to_nat),
		CASE(dsr_after_a_crash),
		CASE(a_backend_of_dsr_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
