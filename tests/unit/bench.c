// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "parking.h"
#include "pipe.h"
#include "pool_table.h"
#include "queue.h"
#include "socket.h"
#include "source_table.h"

#include "test.h"

#define FIRST_PORT 9000
#define START	   (1000 * NSEC_PER_SEC)
#define WORKER	   1 /* so that counters of another worker would show */

static struct bench *the_bench; /* the fake kernel's callbacks carry no context */

/* A parked connection is known by the address of its peer. */
static struct fake_socket *client_socket(const struct connection *c)
{
	struct fake_socket *s = fake_socket_of(c->side[CLIENT].fd);

	for (size_t i = 0; !s && (s = fake_socket_at(i)); i++)
		if (s->ours || !address_equal(&s->peer, &c->peer))
			s = NULL;
	assert_non_null(s);
	return s;
}

static struct fake_socket *client_of(uint64_t token)
{
	const struct connection *c = slots_find(&the_bench->splicer.connections, token_index(token),
						token_generation(token));

	assert_non_null(c);
	return client_socket(c);
}

static void on_connect(struct fake_socket *s)
{
	s->outcome = the_bench->outcome[bench_backend(s)];
}

unsigned bench_backend(const struct fake_socket *s)
{
	return s->peer.port - FIRST_PORT;
}

static bool is_timeout(int error)
{
	return error == ETIMEDOUT || error == EHOSTUNREACH;
}

static bool is_complete(const struct fake_socket *s)
{
	return s->fin && s->partner && s->swallowed + s->partner->accepted == s->written;
}

/* What must have happened for a reason to be the right one. */
static void check_reason(const struct connection *c, const struct fake_socket *client)
{
	const struct fake_socket *server = client->partner;

	switch (c->reason) {
	case END_DONE:
		assert_true(is_complete(client) && is_complete(server));
		break;
	case END_CLIENT_RESET:
		assert_true(client->dead || !server);
		break;
	case END_SERVER_RESET:
		assert_true(server->dead);
		break;
	case END_CLIENT_TIMEOUT:
		assert_true(client->dead && is_timeout(client->cause));
		break;
	case END_SERVER_TIMEOUT:
		assert_true(server->dead && is_timeout(server->cause));
		break;
	case END_CONNECT_FAILED:
		assert_non_null(server);
		break;
	case END_NO_BACKEND:
	case END_RESOURCES:
	case END_INTERNAL:
	case END_LIFETIME:
	case END_BACKEND_DOWN:
	case END_STOPPED:
		break;
	case END_QUEUE_FULL:
	case END_QUEUE_TIMEOUT:
		assert_true(!server || server->closed);
		assert_null(c->backend);
		break;
	case END_PREFACE_CLOSED:
		assert_true(client->fin && !server);
		break;
	case END_PROXY_UNTRUSTED:
	case END_PROXY_MISSING:
	case END_PROXY_MALFORMED:
	case END_PROXY_TIMEOUT:
	case END_NOT_TLS:
	case END_HELLO_MALFORMED:
	case END_HELLO_TOO_LONG:
	case END_HELLO_TIMEOUT:
	case END_NO_ROUTE:
	case END_DENIED: /* these by the service that it was passed on to, or once it was named */
	case END_SOURCE_LIMIT:
	case END_SOURCE_RATE:
	case END_SERVICE_LIMIT:
	case END_SERVICE_RATE:
		assert_null(server);
		break;
	case END_IDLE:
		assert_true(c->timeouts.idle > 0);
		break;
	case END_HALF_CLOSED:
		assert_true(client->fin || server->fin);
		assert_true(c->timeouts.half_closed > 0);
		break;
	default:
		fail_msg("unexpected reason %d", c->reason);
	}
}

static void on_end(struct splicer *s, const struct connection *c)
{
	struct bench *b = (struct bench *)s;
	struct fake_socket *client = client_socket(c);
	struct fake_socket *server = client->partner;

	b->n_ended++;
	assert_true(c->service == b->service || c->service == b->target);
	assert_int_equal(client->verdict, END_NONE); /* told once */
	client->verdict = (int)c->reason;
	assert_true(client->closed);
	assert_true(!server || server->closed);
	assert_int_equal(c->direction[CLIENT].bytes, server ? server->accepted : 0);
	assert_int_equal(c->direction[SERVER].bytes, client->accepted);
	assert_true(c->n_tries <= TRIES_MAX && c->n_tried <= c->n_tries);
	check_reason(c, client);
}

static void on_passive(struct splicer *s, struct backend *backend, uint64_t consecutive, int error)
{
	struct bench *b = (struct bench *)s;

	assert_true(consecutive > 0);
	assert_true(error > 0);
	b->n_evidence++;
	b->evidence_against = backend;
	b->evidence_consecutive = consecutive;
	b->evidence_error = error;
}

static void on_refused(struct splicer *s, const struct service *service, int fd,
		       const struct address *client, const struct address *local,
		       enum end_reason reason)
{
	struct bench *b = (struct bench *)s;
	struct fake_socket *socket = fake_socket_of(fd);

	(void)local;
	assert_ptr_equal(service, b->service);
	assert_true(address_equal(client, &socket->peer));
	assert_false(socket->closed);
	assert_true(end_reasons[reason].refusal);
	assert_int_equal(socket->verdict, END_NONE);
	socket->verdict = (int)reason;
}

static void on_room(struct splicer *s, unsigned worker)
{
	struct bench *b = (struct bench *)s;

	assert_int_not_equal(worker, WORKER);
	b->n_rung++;
}

static void on_starved(struct splicer *s)
{
	struct bench *b = (struct bench *)s;

	b->n_starved++;
}

static const struct splicer_events events = {
	.on_end = on_end,
	.on_refused = on_refused,
	.on_room = on_room,
	.on_starved = on_starved,
	.on_passive = on_passive,
};

static const struct service_settings settings = {
	.mask_ipv4 = 32,
	.mask_ipv6 = 128,
	.connect_timeout = NSEC_PER_SEC,
	.connect_budget = 5 * NSEC_PER_SEC,
	.tries = 3,
	.idle_timeout = 3600 * NSEC_PER_SEC,
	.half_closed_timeout = 3600 * NSEC_PER_SEC,
};

struct bench *bench_new(unsigned n_backends, uint32_t n_connections, uint32_t n_buffers)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	fake_open(n_buffers);
	fake.client_of = client_of;
	fake.on_connect = on_connect;
	the_bench = b;
	assert_int_equal(
		splicer_init(&b->splicer, (struct ring *)&fake, WORKER, n_connections, &events), 0);
	b->splicer.now = START;
	b->pipes = b->splicer.pipes = pipes_new(BENCH_PIPES);
	b->settings = settings;
	b->next_port = 1024;
	b->service = service_new("web", WORKER + 1);
	assert_non_null(b->service);
	b->target = service_new("target", WORKER + 1);
	assert_non_null(b->target);
	b->target_settings = settings;
	for (unsigned i = 0; i < BENCH_BACKENDS; i++) {
		const struct address address = {
			.ip = {[10] = 0xff, 0xff, 127, 0, 1, (uint8_t)(i + 1)},
			.port = (uint16_t)(FIRST_PORT + i),
		};
		const char name[] = {'b', (char)('1' + i), '\0'};

		b->backends[i] = backend_new("web", name, &address, WORKER + 1);
		assert_non_null(b->backends[i]);
		b->eligible[i] = i < n_backends;
	}
	bench_publish(b, true);
	return b;
}

void bench_park(struct bench *b, uint32_t awake_max)
{
	if (!b->parking)
		b->parking = parking_new(b->splicer.connections.n_max);
	splicer_allow_parking(&b->splicer, b->parking, awake_max);
}

static struct pool_table *make_table(enum balance_kind balance, const bool eligible[BENCH_BACKENDS])
{
	static const uint32_t weights[BENCH_BACKENDS] = {1, 1, 1, 1};
	uint8_t steps[BENCH_BACKENDS] = {};
	uint16_t base[BENCH_SLOTS];

	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		steps[i] = eligible[i] ? BALANCE_STEPS : 0;
	if (balance != BALANCE_MAGLEV)
		return pool_table_new_balanced(balance, weights, eligible, steps, BENCH_BACKENDS);
	for (unsigned i = 0; i < BENCH_SLOTS; i++)
		base[i] = (uint16_t)(i % BENCH_BACKENDS);
	return pool_table_new(1, base, BENCH_SLOTS, eligible, NULL, BENCH_BACKENDS);
}

static void fill_view(const struct bench *b, struct snapshot_service *s, struct service *service,
		      const struct service_settings *with, const bool eligible[BENCH_BACKENDS])
{
	s->service = service_ref(service);
	s->settings = service_settings_ref(with);
	lb4_hash_key_init(&s->key, 1);
	s->table = make_table(with->balance, eligible);
	assert_non_null(s->table);
	s->backends = calloc(BENCH_BACKENDS, sizeof(s->backends[0]));
	assert_non_null(s->backends);
	s->n_backends = BENCH_BACKENDS;
	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		s->backends[i] = backend_ref(b->backends[i]);
	s->backend_max = calloc(BENCH_BACKENDS, sizeof(s->backend_max[0]));
	assert_non_null(s->backend_max);
	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		s->backend_max[i] = b->backend_max[i];
}

/* As main makes it for a service of routes alone. */
static void take_backends(struct snapshot_service *s)
{
	static const bool nobody[BENCH_BACKENDS];

	for (size_t i = 0; i < s->n_backends; i++)
		backend_unref(s->backends[i]);
	s->n_backends = 0;
	pool_table_unref(s->table);
	s->table = make_table(s->settings.balance, nobody);
	assert_non_null(s->table);
}

void bench_publish(struct bench *b, bool with_service)
{
	size_t n = with_service ? 1 + (b->routes != NULL) : 0;
	struct snapshot *snapshot = snapshot_new(n);

	assert_non_null(snapshot);
	if (n > 0)
		fill_view(b, &snapshot->services[0], b->service, &b->settings, b->eligible);
	if (n > 1) {
		snapshot->services[0].tls_routes = tls_routes_ref(b->routes);
		fill_view(b, &snapshot->services[1], b->target, &b->target_settings,
			  b->target_eligible);
	}
	if (n > 0 && b->without_backends)
		take_backends(&snapshot->services[0]);
	snapshot_unref(b->splicer.snapshot);
	b->splicer.snapshot = snapshot;
	queue_run(&b->splicer);
}

struct fake_socket *bench_client(struct bench *b, unsigned first)
{
	const struct snapshot_service *s = snapshot_find(b->splicer.snapshot, b->service);
	struct address local = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = 80};
	struct address client = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}};

	do {
		client.port = b->next_port++;
		client.ip[15] += client.port == 0;
	} while (s && s->n_backends && b->eligible[first] &&
		 pool_table_choose(s->table, snapshot_service_slot(s, &client, &local), NULL, 0) !=
			 first);
	return fake_client(&client);
}

uint64_t bench_ended(const struct bench *b, enum end_reason reason)
{
	return counter_read(b->service->counters[WORKER].ended[reason]);
}

uint64_t bench_target_ended(const struct bench *b, enum end_reason reason)
{
	return counter_read(b->target->counters[WORKER].ended[reason]);
}

bool bench_serve(struct bench *b, struct fake_socket *client)
{
	bool taken = splicer_accept(&b->splicer, snapshot_find(b->splicer.snapshot, b->service),
				    client->fd, NULL);

	b->n_accepted++;
	b->n_refused += !taken;
	return taken;
}

struct fake_socket *bench_accept(struct bench *b, unsigned first)
{
	struct fake_socket *client = bench_client(b, first);

	bench_serve(b, client);
	bench_settle(b);
	return client;
}

/* One round of a worker's loop, if it would not sleep. */
bool bench_step(struct bench *b)
{
	struct ring_completion completion;
	bool awake = splicer_next(&b->splicer) <= b->splicer.now;

	ring_wait(b->splicer.ring, splicer_next(&b->splicer));
	while (ring_next(b->splicer.ring, &completion)) {
		awake = true;
		splicer_complete(&b->splicer, &completion);
	}
	if (awake)
		splicer_expire(&b->splicer);
	return awake;
}

void bench_settle(struct bench *b)
{
	while (bench_step(b))
		;
}

void bench_pass(struct bench *b, nsec_t delay)
{
	nsec_t until = b->splicer.now + delay;

	bench_settle(b);
	while (splicer_next(&b->splicer) <= until) {
		b->splicer.now = splicer_next(&b->splicer);
		bench_settle(b);
	}
	b->splicer.now = until;
}

struct connection *bench_connection(struct bench *b, const struct fake_socket *client)
{
	for (uint32_t i = 0; i < b->splicer.connections.n_made; i++) {
		struct connection *c = slots_at(&b->splicer.connections, i);

		if (c && client_socket(c) == client)
			return c;
	}
	fail_msg("client %d has no connection", client->fd);
	return NULL;
}

void bench_expect_end(struct bench *b, const struct fake_socket *client, enum end_reason reason)
{
	const struct fake_socket *server = client->partner;

	(void)b;
	if (client->verdict != (int)reason)
		fail_msg("ended with \"%s\", not \"%s\"", end_reasons[client->verdict].name,
			 end_reasons[reason].name);
	assert_true(client->closed);
	assert_int_equal(client->reset, reason != END_DONE);
	if (server) {
		assert_true(server->closed);
		assert_int_equal(server->reset, reason != END_DONE);
	}
}

/* Bytes that backend `i` and its clients' sockets took over. */
static void count_bytes(unsigned i, uint64_t *ret_in, uint64_t *ret_out)
{
	const struct fake_socket *s;

	*ret_in = *ret_out = 0;
	for (size_t j = 0; (s = fake_socket_at(j)); j++) {
		if (!s->ours || bench_backend(s) != i)
			continue;
		*ret_in += s->accepted;
		if (s->partner && s->partner->partner == s)
			*ret_out += s->partner->accepted;
	}
}

static void check_counters(const struct bench *b)
{
	const struct service_counters *service = &b->service->counters[WORKER];
	const struct service_counters *target = &b->target->counters[WORKER];
	uint64_t ended = 0, target_ended = 0, bytes_in = 0, bytes_out = 0;

	for (unsigned i = 0; i < BENCH_BACKENDS; i++) {
		const struct backend_counters *c = &b->backends[i]->counters[WORKER];
		uint64_t in, out;

		count_bytes(i, &in, &out);
		bytes_in += in;
		bytes_out += out;
		assert_int_equal(counter_read(c->active), 0);
		assert_int_equal(counter_read(c->bytes_in), in);
		assert_int_equal(counter_read(c->bytes_out), out);
		assert_true(counter_read(c->connects) + counter_read(c->connect_failures) <=
			    counter_read(c->connections));
		assert_int_equal(counter_read(b->backends[i]->counters[0].connections), 0);
	}
	assert_int_equal(counter_read(service->bytes_in) + counter_read(target->bytes_in),
			 bytes_in);
	assert_int_equal(counter_read(service->bytes_out) + counter_read(target->bytes_out),
			 bytes_out);
	assert_int_equal(counter_read(service->accepted), b->n_accepted);
	assert_int_equal(counter_read(target->accepted), counter_read(service->routed));
	assert_int_equal(counter_read(target->routed), 0);
	assert_int_equal(counter_read(service->active), 0);
	assert_int_equal(counter_read(target->active), 0);
	for (unsigned i = 0; i < END_REASONS; i++) {
		ended += counter_read(service->ended[i]);
		target_ended += counter_read(target->ended[i]);
	}
	assert_int_equal(ended + counter_read(service->routed), b->n_accepted);
	assert_int_equal(target_ended, counter_read(target->accepted));
	assert_int_equal(b->n_ended + b->n_refused, b->n_accepted);
	assert_int_equal(bench_ended(b, END_NONE), 0);
}

static void check_nothing_held(const struct service *s)
{
	struct source_table_stats sources = {};

	if (s->sources)
		source_table_stats(s->sources, &sources);
	assert_int_equal(sources.n_holding, 0);
	assert_int_equal(s->in_use, 0);
	assert_int_equal(s->n_queued, 0);
	assert_true(s->queues[WORKER].since == NSEC_NEVER);
	assert_true(list_empty(&s->queues[WORKER].waiting));
}

void bench_free(struct bench *b)
{
	if (splicer_active(&b->splicer))
		splicer_end_all(&b->splicer, END_STOPPED);
	bench_settle(b);
	assert_int_equal(splicer_active(&b->splicer), 0);
	assert_int_equal(splicer_next(&b->splicer), NSEC_NEVER);
	assert_true(list_empty(&b->splicer.waiting) && list_empty(&b->splicer.starved));
	check_counters(b);
	assert_int_equal(splicer_awake(&b->splicer), 0);
	assert_true(list_empty(&b->splicer.awake));
	parking_free(b->parking);
	pipes_free(b->pipes);
	assert_true(list_empty(&b->splicer.queues));
	check_nothing_held(b->service);
	check_nothing_held(b->target);
	splicer_deinit(&b->splicer);
	b->splicer.snapshot = snapshot_unref(b->splicer.snapshot);
	for (unsigned i = 0; i < BENCH_BACKENDS; i++) {
		assert_int_equal(b->backends[i]->refs, 1);
		assert_int_equal(backend_in_use(b->backends[i]), 0);
		backend_unref(b->backends[i]);
	}
	assert_int_equal(b->service->refs, 1);
	service_unref(b->service);
	assert_int_equal(b->target->refs, 1);
	service_unref(b->target);
	tls_routes_unref(b->routes);
	fake_close();
	free(b);
}
