// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/tcp.h>
#include <string.h>

#include "flow_table.h"
#include "lb4_place.h"
#include "vip_table.h"
#include "world.h"

#define RING_SIZE 65537

#define PORT_LOW   1024
#define PORT_COUNT 64512

#define CLIENTS		 0x10000000u /* 16.0.0.0 … */
#define CLIENT_PORT	 20000
#define FLOWS_PER_CLIENT 32

#define BATCH 10000

/* Numbers of both sides' first bytes. */
#define CLIENT_FIRST 1000
#define SERVER_FIRST 5000

struct driver_segment world_segment(enum world_step step)
{
	static const struct driver_segment segments[] = {
		[WORLD_SYN] = {PLAN_CLIENT, TH_SYN, CLIENT_FIRST, 0},
		[WORLD_ANSWER] = {PLAN_SERVER, TH_SYN | TH_ACK, SERVER_FIRST, CLIENT_FIRST + 1},
		[WORLD_ACK] = {PLAN_CLIENT, TH_ACK, CLIENT_FIRST + 1, SERVER_FIRST + 1},
		[WORLD_DATA] = {PLAN_SERVER, TH_ACK, SERVER_FIRST + 1, CLIENT_FIRST + 1},
		[WORLD_CLIENT_FIN] = {PLAN_CLIENT, TH_FIN | TH_ACK, CLIENT_FIRST + 1,
				      SERVER_FIRST + 1},
		[WORLD_SERVER_FIN] = {PLAN_SERVER, TH_FIN | TH_ACK, SERVER_FIRST + 1,
				      CLIENT_FIRST + 2},
		[WORLD_LAST_ACK] = {PLAN_CLIENT, TH_ACK, CLIENT_FIRST + 2, SERVER_FIRST + 2},
	};

	return segments[step];
}

struct driver_segment world_random_syn(void)
{
	return (struct driver_segment){PLAN_RANDOM, TH_SYN, CLIENT_FIRST, 0};
}

static void set_ip(uint8_t ip[16], uint32_t address)
{
	address = htonl(address);
	memset(ip, 0, 10);
	memset(ip + 10, 0xff, 2);
	memcpy(ip + 12, &address, 4);
}

static void fill_backends(struct world *w)
{
	for (uint32_t i = 0; i < WORLD_BACKENDS; i++) {
		struct lb4_backend *b = &w->maps->backends[i];

		set_ip(b->address, WORLD_OURS + 0x100 + i);
		set_ip(b->source, WORLD_OURS);
		b->port = htons(WORLD_BACKEND_PORT);
		b->reachable = 1;
		b->interface = 1;
		b->mss_max = 1460;
	}
	for (uint32_t i = 0; i < RING_SIZE; i++)
		w->maps->ring[i / LB4_RING_CHUNK].owner[i % LB4_RING_CHUNK] = i % WORLD_BACKENDS;
	w->maps->services[0] = (struct lb4_service){.ring_size = RING_SIZE, .accepts = 1};
}

static int fill_vips(struct world *w)
{
	struct vip_entry entries[2] = {{.port = htons(WORLD_VIP_PORT)}};
	struct lb4_vip *v = &w->maps->vips[0];

	set_ip(v->address, WORLD_VIP);
	v->port = htons(WORLD_VIP_PORT);
	set_ip(entries[0].address, WORLD_VIP);
	set_ip(entries[1].address, WORLD_VIP);
	return vip_table_build(w->maps->vip_buckets, entries, 2, 1, &w->maps->control->vip_seed[0]);
}

static int fill(struct world *w)
{
	struct lb4_control *c = w->maps->control;

	lb4_hash_key_init(&c->choice, 0x1b4);
	c->port_low = c->answer_low = PORT_LOW;
	c->port_count = c->answer_count = PORT_COUNT;
	c->accepts = 1;
	/* What test runs say that packets come in by. */
	w->maps->interfaces[0] =
		(struct lb4_interface){.index = 1, .mac = {2, 0, 0, 0, 0, 9}, .mss_max = 1460};
	fill_backends(w);
	return fill_vips(w);
}

static void fill_clients(struct world *w)
{
	struct plan_flow *flows = driver_flows(w->driver);

	for (uint32_t i = 0; i < w->n_flows; i++) {
		flows[i].client = htonl(CLIENTS + i / FLOWS_PER_CLIENT);
		flows[i].client_port = htons((uint16_t)(CLIENT_PORT + i % FLOWS_PER_CLIENT));
	}
}

/* The interface that test runs are of. */
#define LOOPBACK 1

int world_be_dsr(struct world *w, uint8_t forward)
{
	int r = fastpath_xdp(w->fastpath, &w->xdp);

	if (r == 0)
		r = xdp_let_out(w->xdp, LOOPBACK);
	w->maps->services[0].forward = forward;
	w->maps->control->has_dsr = 1;
	for (uint32_t i = 0; i < WORLD_BACKENDS; i++) {
		w->maps->backends[i].forward = forward;
		w->maps->backends[i].resolved = 1;
	}
	return r;
}

int world_xdp(const struct world *w)
{
	return xdp_program(w->xdp);
}

int world_open(struct world *w, uint32_t max_flows, uint32_t n_flows)
{
	const struct fastpath_sizes sizes = {
		.flows = max_flows, .backends = WORLD_BACKENDS, .ring_chunks = 17};
	bool adopted;
	int r;

	*w = (struct world){.max_flows = max_flows, .n_flows = n_flows};
	r = fastpath_open(&sizes, NULL, &w->fastpath, &adopted);
	if (r < 0)
		return r;
	w->maps = fastpath_maps(w->fastpath);
	r = fill(w);
	if (r == 0)
		r = driver_open(n_flows, &w->driver);
	if (r == 0)
		fill_clients(w);
	return r;
}

void world_close(struct world *w)
{
	w->driver = driver_close(w->driver);
	w->fastpath = fastpath_close(w->fastpath);
}

/* One packet of each. */
static int say(struct world *w, enum world_step step, struct driver_flows flows)
{
	const struct driver_segment segment = world_segment(step);
	nsec_t took;
	int action;

	driver_set_segment(w->driver, &segment);
	return driver_run(w->driver, DRIVER_TC, flows.n, flows, &took, &action);
}

/* Where the program has noted it; NULL: nowhere. */
static const struct lb4_way *find_way(const struct world *w, const struct plan_flow *f)
{
	struct lb4_tuple tuple = {.source_port = f->client_port,
				  .destination_port = htons(WORLD_VIP_PORT),
				  .protocol = IPPROTO_TCP};
	const struct lb4_line *line;
	__u64 tag;

	set_ip(tuple.source, ntohl(f->client));
	set_ip(tuple.destination, WORLD_VIP);
	tag = lb4_tag(w->maps->control, &tuple);
	line = &w->maps->lines[lb4_line_place(w->maps->control, tag)];
	for (size_t i = 0; i < LB4_WAYS; i++)
		if (line->way[i].tag == tag)
			return &line->way[i];
	return NULL;
}

/* From the table, as packets that leave are seen by nobody. */
static void learn_ports(struct world *w, struct driver_flows batch)
{
	for (uint32_t i = batch.first; i < batch.first + batch.n; i++) {
		struct plan_flow *f = &driver_flows(w->driver)[i];
		const struct lb4_way *way = find_way(w, f);

		if (!way)
			continue;
		f->port = way->port;
		f->backend = htonl(WORLD_OURS + 0x100 + way->backend);
	}
}

static uint32_t drop_failed(struct world *w)
{
	struct plan_flow *flows = driver_flows(w->driver);
	uint32_t n = 0, failed;

	for (uint32_t i = 0; i < w->n_flows; i++) {
		const struct lb4_way *way = find_way(w, &flows[i]);

		if (way && (way->state & LB4_FLOW_ESTABLISHED))
			flows[n++] = flows[i];
	}
	failed = w->n_flows - n;
	w->n_flows = n;
	return failed;
}

/* Acknowledged in time: before they would give way to others. */
static int connect_batch(struct world *w, struct driver_flows batch)
{
	int r = say(w, WORLD_SYN, batch);

	if (r < 0)
		return r;
	learn_ports(w, batch);
	r = say(w, WORLD_ANSWER, batch);
	return r < 0 ? r : say(w, WORLD_ACK, batch);
}

int world_connect(struct world *w, uint32_t *ret_failed)
{
	int r = driver_use(w->driver, DRIVER_TC, fastpath_program(w->fastpath));

	for (uint32_t i = 0; i < w->n_flows && r == 0; i += BATCH) {
		uint32_t left = w->n_flows - i;

		r = connect_batch(w, (struct driver_flows){i, left < BATCH ? left : BATCH});
	}
	*ret_failed = drop_failed(w);
	return r;
}

int world_disconnect(struct world *w)
{
	int r = driver_use(w->driver, DRIVER_TC, fastpath_program(w->fastpath));

	for (enum world_step step = WORLD_CLIENT_FIN; step <= WORLD_LAST_ACK && r == 0; step++)
		r = say(w, step, (struct driver_flows){0, w->n_flows});
	return r;
}

struct judging {
	struct flow_limits limits;
	uint32_t now;
};

static bool lives(void *context, uint32_t place, struct lb4_flow *f)
{
	const struct judging *j = context;

	(void)place;
	return flow_judge(f, &j->limits, j->now) == FLOW_LIVES;
}

static uint64_t count_left(const struct world *w)
{
	uint64_t left = 0;

	for (uint32_t i = 0; i < w->maps->n_flows; i++)
		left += w->maps->flows[i].tag != LB4_TAG_FREE;
	for (uint32_t i = 0; i < w->maps->n_lines; i++)
		for (size_t j = 0; j < LB4_WAYS; j++)
			left += w->maps->lines[i].way[j].tag != LB4_TAG_FREE;
	return left;
}

void world_walk(struct world *w, uint64_t *ret_left, nsec_t *ret_time)
{
	struct judging judging = {.now = flow_ticks(clock_now()) +
					 flow_ticks_of(10 * NSEC_PER_SEC)};
	struct flow_table table = {
		.control = w->maps->control,
		.vips = w->maps->vips,
		.flows = w->maps->flows,
		.lines = w->maps->lines,
		.counters = w->maps->backend_counters,
		.n_flows = w->maps->n_flows,
	};
	nsec_t start = clock_read(CLOCK_THREAD_CPUTIME_ID);

	flow_table_walk(&table, 0, table.n_flows, lives, &judging);
	*ret_time = clock_read(CLOCK_THREAD_CPUTIME_ID) - start;
	*ret_left = count_left(w);
}

int world_clear(struct world *w)
{
	memset(w->maps->flows, 0, w->maps->n_flows * sizeof(w->maps->flows[0]));
	memset(w->maps->lines, 0, w->maps->n_lines * sizeof(w->maps->lines[0]));
	return 0;
}

int world_age(struct world *w)
{
	for (uint32_t i = 0; i < w->maps->n_lines; i++)
		for (size_t j = 0; j < LB4_WAYS; j++)
			w->maps->lines[i].way[j].last--;
	return 0;
}

int world_flood(struct world *w)
{
	const struct driver_segment segment = world_random_syn();
	nsec_t took;
	int action;

	driver_set_segment(w->driver, &segment);
	return driver_run(w->driver, DRIVER_TC, 2 * w->maps->n_flows, (struct driver_flows){0, 1},
			  &took, &action);
}

uint64_t world_verdicts(const struct world *w, enum lb4_verdict verdict)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->maps->n_cpus; i++)
		n += w->maps->verdict_counters[i].n[verdict];
	return n;
}

uint64_t world_memory(const struct world *w)
{
	return w->maps->n_flows * sizeof(w->maps->flows[0]) +
	       w->maps->n_lines * sizeof(w->maps->lines[0]);
}
