// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb4_place.h"
#include "nat_world.h"
#include "vip_table.h"
#include "xdp.h"

#include "../unit/test.h"

#define LOOPBACK 1 /* what test runs come in by */

static bool with_xdp;

void nat_world_ip(uint8_t ret[16], const char *text)
{
	memset(ret, 0, 16);
	if (strchr(text, ':')) {
		assert_int_equal(inet_pton(AF_INET6, text, ret), 1);
		return;
	}
	ret[10] = ret[11] = 0xff;
	assert_int_equal(inet_pton(AF_INET, text, ret + 12), 1);
}

void nat_world_give(struct nat_world *w, uint16_t backend)
{
	for (uint32_t i = 0; i < RING_SIZE; i++)
		w->maps->ring[i / LB4_RING_CHUNK].owner[i % LB4_RING_CHUNK] = backend;
}

static void fill_backends(struct nat_world *w)
{
	for (uint8_t i = 0; i < 2 * N_BACKENDS; i++) {
		struct lb4_backend *b = &w->maps->backends[i];
		char text[64];

		snprintf(text, sizeof(text), i < N_BACKENDS ? "10.0.0.%d" : "fd00::%d",
			 10 + i % N_BACKENDS);
		nat_world_ip(b->address, text);
		nat_world_ip(b->source, i < N_BACKENDS ? OURS4 : OURS6);
		b->port = htons(BACKEND_PORT);
		b->reachable = i % N_BACKENDS < N_BACKENDS - 1;
		b->interface = LOOPBACK;
		b->resolved = 1;
		memcpy(b->next_mac, (const uint8_t[]){2, 0, 0, 0, 1, i}, 6);
		memcpy(b->own_mac, (const uint8_t[]){2, 0, 0, 0, 2, i}, 6);
		b->mss_max = i < N_BACKENDS ? 1460 : 1440;
	}
}

static void fill_vips(struct nat_world *w)
{
	static const char *const vips[] = {VIP4, VIP6};
	struct vip_entry entries[4] = {};

	for (uint16_t i = 0; i < 2; i++) {
		struct lb4_vip *v = &w->maps->vips[i];

		nat_world_ip(v->address, vips[i]);
		v->port = htons(VIP_PORT);
		v->service = 0;
		nat_world_ip(entries[2 * i].address, vips[i]);
		entries[2 * i].port = v->port;
		entries[2 * i].vip = i;
		nat_world_ip(entries[2 * i + 1].address, vips[i]);
		entries[2 * i + 1].vip = i;
	}
	assert_int_equal(vip_table_build(w->maps->vip_buckets, entries, 4, 1,
					 &w->maps->control->vip_seed[0]),
			 0);
}

void nat_world_choose(int argc, char **argv)
{
	with_xdp = argc > 1 && !strcmp(argv[1], "xdp");
}

int nat_world_load(void **state)
{
	const struct fastpath_sizes sizes = {.flows = 1024, .backends = 64, .ring_chunks = 17};
	struct nat_world *w = calloc(1, sizeof(*w));
	bool adopted;
	int r = fastpath_open(&sizes, NULL, &w->fastpath, &adopted);

	if (r == 0 && with_xdp)
		r = fastpath_xdp(w->fastpath, &w->xdp);
	if (r == 0 && with_xdp)
		r = xdp_let_out(w->xdp, LOOPBACK);
	if (r < 0) {
		fprintf(stderr, "the fast path cannot be loaded: %s\n", strerror(-r));
		fastpath_close(w->fastpath);
		free(w);
		return -1;
	}
	w->maps = fastpath_maps(w->fastpath);
	*state = w;
	return 0;
}

int nat_world_unload(void **state)
{
	struct nat_world *w = *state;

	if (w)
		fastpath_close(w->fastpath);
	free(w);
	return 0;
}

static void wipe(const struct fastpath_maps *m)
{
	memset(m->vips, 0, LB4_VIPS_MAX * sizeof(m->vips[0]));
	memset(m->services, 0, LB4_SERVICES_MAX * sizeof(m->services[0]));
	memset(m->backends, 0, m->n_backends * sizeof(m->backends[0]));
	memset(m->interfaces, 0, LB4_INTERFACES_MAX * sizeof(m->interfaces[0]));
	memset(m->motion, 0, m->n_ring_chunks * sizeof(m->motion[0]));
	memset(m->spliced, 0, sizeof(*m->spliced));
	memset(m->flows, 0, m->n_flows * sizeof(m->flows[0]));
	memset(m->records, 0, m->n_flows * sizeof(m->records[0]));
	memset(m->lines, 0, m->n_lines * sizeof(m->lines[0]));
	memset(m->backend_counters, 0,
	       (size_t)m->n_backends * m->n_cpus * sizeof(m->backend_counters[0]));
	memset(m->verdict_counters, 0, m->n_cpus * sizeof(m->verdict_counters[0]));
}

int nat_world_setup(void **state)
{
	struct nat_world *w = *state;

	wipe(w->maps);
	w->gso_size = 0;
	w->is_ipv6 = w->leaves = w->left = false;
	/* Not the first of the map: where the others stand matters too. */
	w->maps->interfaces[3] =
		(struct lb4_interface){.index = LOOPBACK, .mac = {2, 0, 0, 0, 0, 9}};
	w->maps->interfaces[3].mss_max = 1460;
	w->maps->services[0] = (struct lb4_service){.ring_size = RING_SIZE, .accepts = 1};
	lb4_hash_key_init(&w->maps->control->choice, 0x1b4);
	/* Not those that were drawn: with three ports in all, one run in some hundreds finds none. */
	lb4_hash_key_init(&w->maps->control->flows[0], 2);
	lb4_hash_key_init(&w->maps->control->flows[1], 3);
	w->maps->control->port_low = PORT_LOW;
	w->maps->control->port_count = PORT_COUNT;
	w->maps->control->answer_low = 1024;
	w->maps->control->answer_count = 64511;
	w->maps->control->accepts = 1;
	w->maps->control->has_dsr = 0;
	fill_backends(w);
	fill_vips(w);
	nat_world_give(w, 0);
	return 0;
}

static int run(struct nat_world *w, int program, const struct frame *f, void *context,
	       uint32_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = f->data,
		    .data_size_in = (uint32_t)f->size, .data_out = w->out.data,
		    .data_size_out = sizeof(w->out.data), .ctx_in = context, .ctx_size_in = size,
		    .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(program, &options), 0);
	w->out.size = options.data_size_out;
	return (int)options.retval;
}

static enum outcome put_at_tc(struct nat_world *w, const struct frame *f)
{
	struct __sk_buff context = {.gso_size = w->gso_size};
	int action = run(w, fastpath_program(w->fastpath), f, &context, sizeof(context));

	switch (action) {
	case TC_ACT_REDIRECT:
		return REDIRECTED;
	case TC_ACT_SHOT:
		return DROPPED;
	default:
		assert_int_equal(action, TC_ACT_UNSPEC);
		return PASSED;
	}
}

enum outcome nat_world_put(struct nat_world *w, const struct frame *f)
{
	enum outcome outcome;
	int action;

	/* Bundles are made of what XDP has left. */
	if (!w->xdp || w->gso_size)
		return put_at_tc(w, f);
	action = run(w, xdp_program(w->xdp), f, NULL, 0);
	w->left = action == XDP_PASS;
	if (action == XDP_REDIRECT)
		return REDIRECTED;
	if (action == XDP_DROP)
		return DROPPED;
	assert_int_equal(action, XDP_PASS);
	assert_int_equal(w->out.size, f->size);
	assert_memory_equal(w->out.data, f->data, f->size);
	outcome = put_at_tc(w, f);
	assert_true(w->leaves || outcome == PASSED);
	return outcome;
}

void nat_world_use(struct nat_world *w, bool ipv6)
{
	w->is_ipv6 = ipv6;
	nat_world_give(w, ipv6 ? N_BACKENDS : 0);
}

struct segment nat_world_segment(uint8_t flags, uint32_t sequence, uint32_t acknowledged)
{
	return (struct segment){.from = CLIENT4,
				.to = VIP4,
				.from_port = CLIENT_PORT,
				.to_port = VIP_PORT,
				.hops = 64,
				.flags = flags,
				.sequence = sequence,
				.acknowledged = acknowledged};
}

void nat_world_send(struct nat_world *w, const struct segment *s, enum outcome outcome)
{
	struct frame f;

	frame_make(&f, s);
	assert_int_equal(nat_world_put(w, &f), outcome);
}

static enum outcome put_segment(struct nat_world *w, const struct segment *s, struct segment *ret)
{
	enum outcome outcome;
	struct frame f;

	frame_make(&f, s);
	outcome = nat_world_put(w, &f);
	if (outcome == REDIRECTED)
		assert_true(frame_read(&w->out, ret));
	else
		assert_memory_equal(f.data, w->out.data, f.size);
	return outcome;
}

enum outcome nat_world_client(struct nat_world *w, uint16_t port, uint8_t flags,
			      struct segment *ret)
{
	struct segment s = {.from_port = port, .to_port = VIP_PORT, .flags = flags, .hops = 64};

	strcpy(s.from, w->is_ipv6 ? CLIENT6 : CLIENT4);
	strcpy(s.to, w->is_ipv6 ? VIP6 : VIP4);
	s.sequence = flags & SYN ? 1000 : 1001;
	s.acknowledged = flags & ACK ? 5001 : 0;
	return put_segment(w, &s, ret);
}

enum outcome nat_world_server(struct nat_world *w, uint16_t port, uint8_t flags,
			      struct segment *ret)
{
	struct segment s = {.from_port = BACKEND_PORT, .to_port = port, .flags = flags, .hops = 64};

	strcpy(s.from, w->is_ipv6 ? "fd00::10" : "10.0.0.10");
	strcpy(s.to, w->is_ipv6 ? OURS6 : OURS4);
	s.sequence = flags & SYN ? 5000 : 5001;
	s.acknowledged = 1001;
	return put_segment(w, &s, ret);
}

uint16_t nat_world_connect(struct nat_world *w, uint16_t client_port)
{
	struct segment s, answer;

	assert_int_equal(nat_world_client(w, client_port, SYN, &s), REDIRECTED);
	assert_int_equal(nat_world_server(w, s.from_port, SYN | ACK, &answer), REDIRECTED);
	assert_int_equal(nat_world_client(w, client_port, ACK, &answer), REDIRECTED);
	assert_int_equal(answer.from_port, s.from_port);
	return s.from_port;
}

uint64_t nat_world_verdicts(const struct nat_world *w, enum lb4_verdict verdict)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->maps->n_cpus; i++)
		n += w->maps->verdict_counters[i].n[verdict];
	return n;
}

struct lb4_flow *nat_world_flow(struct nat_world *w, uint16_t client_port)
{
	for (uint32_t i = 0; i < w->maps->n_flows; i++)
		if (w->maps->flows[i].tag >= LB4_TAG_FIRST &&
		    w->maps->flows[i].client_port == htons(client_port))
			return &w->maps->flows[i];
	return NULL;
}

size_t nat_world_count_flows(const struct nat_world *w)
{
	size_t n = 0;

	for (uint32_t i = 0; i < w->maps->n_flows; i++)
		n += w->maps->flows[i].tag != LB4_TAG_FREE;
	return n;
}

size_t nat_world_count_ways(const struct nat_world *w)
{
	size_t n = 0;

	for (uint32_t i = 0; i < w->maps->n_lines; i++)
		for (size_t j = 0; j < LB4_WAYS; j++)
			n += w->maps->lines[i].way[j].tag != LB4_TAG_FREE;
	return n;
}

void nat_world_age(struct nat_world *w, uint32_t ticks)
{
	for (uint32_t i = 0; i < w->maps->n_flows; i++)
		w->maps->flows[i].last -= ticks;
	for (uint32_t i = 0; i < w->maps->n_lines; i++)
		for (size_t j = 0; j < LB4_WAYS; j++)
			w->maps->lines[i].way[j].last -= (uint16_t)ticks;
}
