// SPDX-License-Identifier: BSD-2-Clause
/*
 * The program, the splicer and `lbctl explain` choose alike: real pools are published into the maps as
 * the daemon does it, SYNs of random clients are put through the program, and the backend that they
 * are sent to is the one that the other two name.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include "../unit/choice.h"
#include "daemon.h"
#include "nat_world.h"
#include "placement.h"

#include "../unit/test.h"

#define N_TUPLES  100000
#define N_WORLDS  80
#define MOST	  200 /* backends */
#define FLOWS	  4096
#define INTERFACE 1 /* lo; what leads there is not sent in a test run */

struct agreement {
	struct nat_world nat; /* of its own maps, which the daemon's code fills */
	struct placement *placement;
	struct service *service;
	struct backend *backends[MOST];
	struct backend_way ways[MOST];
	uint32_t max[MOST];
	struct address listen;
	struct pool pool;
	struct snapshot *snapshot;
	struct snapshot_service *view;
	unsigned met[2][2]; /* by family, and by kind of hash */
	unsigned walked;    /* whose slot's owner was out */
};

/* The sizes that a file may ask for, but for the largest, whose tables take too long to make. */
static const uint32_t sizes[] = {65537, 16381, 4093, 1021, 251};

static int setup(void **state)
{
	const struct fastpath_sizes room = {
		.flows = FLOWS, .backends = 2 * MOST, .ring_chunks = 64};
	struct agreement *a = calloc(1, sizeof(*a));
	bool adopted;
	int r = fastpath_open(&room, NULL, &a->nat.fastpath, &adopted);

	if (r < 0) {
		fprintf(stderr, "the fast path cannot be loaded: %s\n", strerror(-r));
		free(a);
		return -1;
	}
	a->nat.maps = fastpath_maps(a->nat.fastpath);
	a->nat.maps->interfaces[0] = (struct lb4_interface){.index = INTERFACE, .mss_max = 1460};
	a->nat.maps->control->port_low = PORT_LOW;
	a->nat.maps->control->port_count = 40000;
	a->nat.maps->control->accepts = 1;
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	struct agreement *a = *state;

	fastpath_close(a->nat.fastpath);
	free(a);
	return 0;
}

static struct address make_address(bool ipv6, const char *text, uint16_t port)
{
	struct address a = {.family = ipv6 ? ADDRESS_IPV6 : ADDRESS_IPV4, .port = port};

	nat_world_ip(a.ip, text);
	return a;
}

static void make_backends(struct agreement *a, const struct set *set, bool ipv6)
{
	for (size_t i = 0; i < set->n; i++) {
		struct address address;
		char text[46];

		snprintf(text, sizeof(text), ipv6 ? "fd00::1:%zx" : "10.0.1.%zu", 1 + i);
		address = make_address(ipv6, text, BACKEND_PORT);
		a->backends[i] = backend_new("web", set->names[i], &address, 1);
		assert_non_null(a->backends[i]);
		a->ways[i] = (struct backend_way){
			.reachable = true,
			.returns = true,
			.interface = INTERFACE,
			.mss_max = 1440,
			.source = make_address(ipv6, ipv6 ? OURS6 : OURS4, 0),
		};
	}
}

/* Weights, and who is out, so that slots are walked. */
static void make_pool(struct agreement *a, struct rng *rng, const struct set *set)
{
	pool_of(&a->pool, set, sizes[rng_below(rng, ARRAY_SIZE(sizes))], rng_next(rng));
	for (size_t i = 0; i < set->n; i++)
		if (rng_below(rng, 4) == 0)
			pool_fail(&a->pool, i, 0);
	if (pool_update(&a->pool, NSEC_PER_SEC) == 1 && a->pool.table->n_eligible == 0) {
		a->pool.members[0].failed = false;
		assert_int_equal(pool_update(&a->pool, NSEC_PER_SEC), 1);
	}
}

static void make_view(struct agreement *a, struct rng *rng, const struct set *set)
{
	a->snapshot = snapshot_new(1);
	assert_non_null(a->snapshot);
	a->view = &a->snapshot->services[0];
	*a->view = (struct snapshot_service){
		.service = service_ref(a->service),
		.settings = {.tries = 3,
			     .hash = rng_below(rng, 2) ? HASH_SOURCE : HASH_CONNECTION,
			     .mask_ipv4 = (uint8_t)(8 + rng_below(rng, 25)),
			     .mask_ipv6 = (uint8_t)(32 + rng_below(rng, 97))},
		.table = pool_table_ref(a->pool.table),
		.backends = calloc(set->n, sizeof(a->backends[0])),
		.n_backends = set->n,
	};
	assert_non_null(a->view->backends);
	lb4_hash_key_init(&a->view->key, rng_next(rng));
	a->nat.maps->control->choice = a->view->key;
	for (size_t i = 0; i < set->n; i++)
		a->view->backends[i] = backend_ref(a->backends[i]);
}

static void publish(struct agreement *a, struct rng *rng, bool ipv6)
{
	const enum weights weights = rng_below(rng, N_WEIGHTS);
	struct set *set = set_new(1 + rng_below(rng, MOST), weights);
	struct placed_service placed;

	a->service = service_new("web", 1);
	assert_non_null(a->service);
	a->listen = make_address(ipv6, ipv6 ? VIP6 : VIP4, VIP_PORT);
	make_backends(a, set, ipv6);
	make_pool(a, rng, set);
	make_view(a, rng, set);
	a->placement = placement_new(a->nat.maps, false);
	assert_non_null(a->placement);
	placed = (struct placed_service){a->view, &a->listen, 1, a->ways};
	assert_int_equal(placement_update(a->placement, &placed, 1, 1, fastpath_synchronize), 0);
	free(set);
}

static void forget_flows(struct agreement *a)
{
	memset(a->nat.maps->flows, 0, a->nat.maps->n_flows * sizeof(a->nat.maps->flows[0]));
	memset(a->nat.maps->lines, 0, a->nat.maps->n_lines * sizeof(a->nat.maps->lines[0]));
}

static void unpublish(struct agreement *a)
{
	const struct fastpath_maps *m = a->nat.maps;

	forget_flows(a);
	placement_update(a->placement, NULL, 0, 1, fastpath_synchronize);
	a->placement = placement_free(a->placement);
	memset(m->backend_counters, 0,
	       sizeof(m->backend_counters[0]) * m->n_backends * (size_t)m->n_cpus);
	for (size_t i = 0; i < a->view->n_backends; i++)
		backend_unref(a->backends[i]);
	a->snapshot = snapshot_unref(a->snapshot);
	service_unref(a->service);
	pool_deinit(&a->pool);
}

/* No address that the program would not take from a client. */
static struct address random_client(struct rng *rng, bool ipv6)
{
	struct address a = {.family = ipv6 ? ADDRESS_IPV6 : ADDRESS_IPV4,
			    .port = (uint16_t)(1 + rng_below(rng, 65535))};

	for (unsigned i = 0; i < sizeof(a.ip); i++)
		a.ip[i] = (uint8_t)rng_below(rng, 256);
	if (ipv6) {
		a.ip[0] = 0x20;
		return a;
	}
	memset(a.ip, 0, 10);
	a.ip[10] = a.ip[11] = 0xff;
	a.ip[12] = (uint8_t)(1 + rng_below(rng, 126));
	return a;
}

static void make_syn(struct frame *f, const struct agreement *a, const struct address *client,
		     bool ipv6)
{
	const struct segment s = {.from = "198.51.100.7",
				  .to = VIP4,
				  .from_port = client->port,
				  .to_port = a->listen.port,
				  .flags = SYN,
				  .hops = 64};
	const struct segment s6 = {.from = CLIENT6,
				   .to = VIP6,
				   .from_port = client->port,
				   .to_port = a->listen.port,
				   .flags = SYN,
				   .hops = 64};

	frame_make(f, ipv6 ? &s6 : &s);
	if (ipv6)
		memcpy(f->data + 14 + 8, client->ip, 16);
	else
		memcpy(f->data + 14 + 12, client->ip + 12, 4);
	frame_finish(f);
}

/* To whom the program sends it: the last byte or two of the address are its number. */
static unsigned program_choice(struct agreement *a, const struct address *client, bool ipv6)
{
	const uint8_t *to;
	struct frame f;

	make_syn(&f, a, client, ipv6);
	assert_int_equal(nat_world_put(&a->nat, &f), REDIRECTED);
	to = a->nat.out.data + 14 + (ipv6 ? 24 : 16);
	return ipv6 ? (unsigned)(to[14] << 8 | to[15]) - 1 : to[3] - 1u;
}

static void compare(struct agreement *a, struct rng *rng, bool ipv6)
{
	struct address client = random_client(rng, ipv6);
	struct live_service live = {.service = a->service};
	struct daemon d = {.snapshot = a->snapshot};
	struct daemon_explanation e;
	struct chooser chooser = {};
	uint16_t splicer = snapshot_service_choose(
		a->view, snapshot_service_slot(a->view, &client, &a->listen), NULL, 0, &chooser);
	unsigned program = program_choice(a, &client, ipv6);

	assert_int_equal(daemon_explain(&d, &live, &client, &a->listen, &e), 0);
	if (program != splicer || e.n_candidates == 0 || e.candidates[0] != splicer)
		fail_msg("table of %u slots, %zu backends, hash %d: the program sends to %u, the "
			 "splicer to %u, explain says %u",
			 a->view->table->size, a->view->n_backends, a->view->settings.hash, program,
			 splicer, e.n_candidates ? e.candidates[0] : MAGLEV_NONE);
	a->walked += e.owner != splicer;
	a->met[ipv6][a->view->settings.hash == HASH_SOURCE]++;
}

static void all_three_agree(void **state)
{
	struct rng rng = rng_for_property("all_three_agree");
	struct agreement *a = *state;

	for (unsigned i = 0; i < N_WORLDS; i++) {
		bool ipv6 = i % 2;

		publish(a, &rng, ipv6);
		for (unsigned j = 0; j < N_TUPLES / N_WORLDS; j++) {
			if (j % (FLOWS / 16) == 0)
				forget_flows(a);
			compare(a, &rng, ipv6);
		}
		unpublish(a);
	}
	/* Neither trivial nor one-sided. */
	for (unsigned i = 0; i < 4; i++)
		assert_true(a->met[i / 2][i % 2] > N_TUPLES / 40);
	assert_true(a->walked > N_TUPLES / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_three_agree, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
