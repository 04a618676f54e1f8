// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many connections at once on a fake kernel in chaos: operations complete in any order and late,
 * cancels lose races, peers write, stop reading, close, reset and vanish, backends refuse, hang and
 * leave, descriptors and buffers run out, connections are parked, clients are named by a header or
 * routed by a hello, time passes. The kernel and the bench check every step; here it is checked that
 * everything ends, for none but the reasons that its storm can bring, and that nobody waits for a
 * backend with room.
 *
 * LB4_STORM_SEED=N repeats a storm, LB4_STORM_RUNS=N asks for more of them, LB4_STORM=PATTERN runs
 * those whose names match ("*deaths").
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "hellos.h"
#include "prefix_list.h"
#include "proxy_header.h"
#include "tls_routes.h"

#include "test.h"

#define N_CONNECTIONS 250
#define N_SLOTS	      60
#define RUNS	      6

/* With routes, the first backends are the service's and the others those of the routes' target. */
#define OWN_BACKENDS 2

/* What backends do in a storm with bad ones; the others answer. */
enum { REFUSES, RESETS, HANGS, ANSWERS };

#define MAY(reason) (1ull << (reason))
_Static_assert(END_REASONS < 64, "a bit each");

struct storm {
	const char *name;
	bool deaths;	   /* peers reset and vanish, and backends fail now and then */
	bool bad_backends; /* all but one never serve anybody */
	bool shortages;	   /* of descriptors, slots and buffers */
	bool times;	   /* the limits are short */
	bool operators;	   /* change the snapshot, and end connections */
	bool crowded;	   /* backends take few connections, and others queue */
	bool prefaces;	   /* clients begin with a PROXY header, a ClientHello, or both */
	uint64_t may_end;  /* MAY() of each reason there can be */
};

static const struct storm calm = {"calm", .may_end = MAY(END_DONE)};

static const struct storm deaths = {
	"deaths",
	.deaths = true,
	.may_end = MAY(END_DONE) | MAY(END_CLIENT_RESET) | MAY(END_SERVER_RESET) |
		   MAY(END_CLIENT_TIMEOUT) | MAY(END_SERVER_TIMEOUT) | MAY(END_CONNECT_FAILED),
};

/* Nobody notices, unless the kernel is too slow for the good one: see check_patience(). */
static const struct storm bad_backends = {
	"bad backends",
	.bad_backends = true,
	.may_end = MAY(END_DONE) | MAY(END_CONNECT_FAILED),
};

static const struct storm shortages = {
	"shortages",
	.shortages = true,
	.may_end = MAY(END_DONE) | MAY(END_RESOURCES) | MAY(END_CONNECT_FAILED),
};

static const struct storm times = {
	"times",
	.times = true,
	.may_end = MAY(END_DONE) | MAY(END_IDLE) | MAY(END_HALF_CLOSED) | MAY(END_LIFETIME),
};

static const struct storm operators = {
	"operators",
	.operators = true,
	.may_end = MAY(END_DONE) | MAY(END_BACKEND_DOWN) | MAY(END_NO_BACKEND) |
		   MAY(END_CONNECT_FAILED) | MAY(END_STOPPED),
};

static const struct storm crowds = {
	"crowds",
	.crowded = true,
	.may_end = MAY(END_DONE) | MAY(END_QUEUE_FULL) | MAY(END_QUEUE_TIMEOUT) |
		   MAY(END_SERVICE_LIMIT) | MAY(END_SERVICE_RATE),
};

static const struct storm prefaces = {
	"prefaces",
	.prefaces = true,
	.may_end = MAY(END_DONE) | MAY(END_PREFACE_CLOSED) | MAY(END_PROXY_TIMEOUT) |
		   MAY(END_HELLO_TIMEOUT) | MAY(END_HELLO_TOO_LONG) | MAY(END_NOT_TLS) |
		   MAY(END_PROXY_MISSING),
};

static const struct storm crowded_prefaces = {
	"crowded prefaces", .crowded = true,   .prefaces = true,
	.shortages = true,  .operators = true, .may_end = UINT64_MAX,
};

static const struct storm everything = {
	"everything",	   .deaths = true,  .shortages = true, .times = true,
	.operators = true, .crowded = true, .prefaces = true,  .may_end = UINT64_MAX,
};

#define PROXY_LINE "PROXY TCP4 192.0.2.7 192.0.2.10 40112 443\r\n"

static const struct storm *storm;
static uint64_t seed;
static bool finished;

/* What b->settings.proxy_from and b->routes are, when they are there. */
static struct prefix_list *proxies;
static struct tls_routes *routes;

static bool resets_at_once(const struct fake_socket *s)
{
	return storm->bad_backends && s->ours && bench_backend(s) == RESETS;
}

static void on_connect(struct fake_socket *s)
{
	s->outcome = 0;
	if (storm->bad_backends) {
		s->outcome = bench_backend(s) == REFUSES ? -ECONNREFUSED
			     : bench_backend(s) == HANGS ? FAKE_HANG
							 : 0;
		s->room = bench_backend(s) == RESETS ? 0 : UINT64_MAX;
	} else if (storm->deaths && fake_chance(20)) {
		s->outcome = fake_chance(50) ? FAKE_HANG : -ECONNREFUSED;
	} else if (storm->operators && fake_chance(20)) {
		s->outcome = FAKE_HANG;
	}
}

static uint64_t random_size(void)
{
	static const uint32_t sizes[] = {10, 10, 1000, 1000, 5000, 40000, 150000};

	return 1 + fake_random(sizes[fake_random(ARRAY_SIZE(sizes))]);
}

static void peer_acts(struct fake_socket *s)
{
	uint32_t what = fake_random(100);

	if (resets_at_once(s)) {
		if (what < 50)
			fake_rst(s);
	} else if (!s->connected) {
		if (s->outcome == FAKE_HANG && !storm->bad_backends)
			s->outcome = fake_chance(70) || !storm->deaths ? 0 : -EHOSTUNREACH;
	} else if (what < 45) {
		fake_write(s, random_size());
	} else if (what < 60) {
		fake_set_room(s, fake_chance(30) ? 0 : fake_random(40000));
	} else if (what < 80) {
		fake_set_room(s, UINT64_MAX);
	} else if (what < 95) {
		fake_fin(s);
	} else if (storm->deaths) {
		if (fake_chance(70))
			fake_rst(s);
		else
			fake_die(s, fake_chance(50) ? ETIMEDOUT : EHOSTUNREACH);
	}
}

/* Mostly one of the younger sockets, as the older ones are closed. */
static struct fake_socket *any_socket(void)
{
	size_t n = fake.n_sockets, window = fake_chance(80) && n > 150 ? 150 : n;
	struct fake_socket *s = n ? fake_socket_at(n - 1 - fake_random((uint32_t)window)) : NULL;

	return s && !s->closed ? s : NULL;
}

/* Whether backend `i` may be used, by the service that has it. */
static bool *eligible(struct bench *b, unsigned i)
{
	return storm->prefaces && i >= OWN_BACKENDS ? &b->target_eligible[i] : &b->eligible[i];
}

static void set_prefaces(struct bench *b)
{
	bool routed = fake_chance(70);

	b->settings.proxy_from = fake_chance(50) ? proxies : NULL;
	b->settings.hello_bytes = fake_chance(20) ? 64 : 512;
	b->settings.hello_on_error = fake_chance(50) ? HELLO_ERROR_DEFAULT : HELLO_ERROR_REFUSE;
	b->settings.proxy_timeout = (1 + fake_random(2000)) * NSEC_PER_MSEC;
	b->settings.hello_timeout = (1 + fake_random(2000)) * NSEC_PER_MSEC;
	b->settings.proxy_out = b->target_settings.proxy_out = (uint8_t)fake_random(3);
	if (routed == (b->routes != NULL))
		return;
	if (!routed)
		b->routes = tls_routes_unref(b->routes);
	else
		b->routes = tls_routes_ref(routes);
}

static void set_admission(struct limits_config *limits)
{
	*limits = (struct limits_config){.source_ipv4 = 32, .source_ipv6 = 64};
	if (fake_chance(50))
		limits->connections = 1 + fake_random(N_SLOTS);
	if (fake_chance(30))
		limits->rate = 1 + fake_random(100);
	if (storm->prefaces && fake_chance(30))
		limits->source_connections = 1 + fake_random(N_SLOTS);
	if (storm->prefaces && fake_chance(20))
		limits->source_rate = 1 + fake_random(100);
}

static void operator_acts(struct bench *b)
{
	enum end_reason reason = fake_chance(50) ? END_NONE : END_BACKEND_DOWN;
	unsigned i = fake_random(BENCH_BACKENDS);
	bool *may = eligible(b, i);

	*may = !*may || fake_chance(30);
	if (storm->crowded)
		b->backend_max[i] = fake_random(6);
	if (storm->crowded && fake_chance(20))
		set_admission(&b->settings.limits);
	if (storm->prefaces && fake_chance(30))
		set_prefaces(b);
	b->without_backends = b->routes && fake_chance(10);
	bench_publish(b, fake_chance(90));
	if (!*may)
		splicer_leave_backend(&b->splicer, b->backends[i], reason);
	if (fake_chance(2))
		splicer_end_all(&b->splicer, END_STOPPED);
}

static void set_limits(struct bench *b)
{
	struct service_settings *s = &b->settings;
	bool patient = !storm->deaths && !storm->operators && !storm->shortages;

	s->tries = patient ? TRIES_MAX : 1 + fake_random(TRIES_MAX);
	s->connect_timeout = (1 + fake_random(1000)) * NSEC_PER_MSEC;
	s->connect_budget = (1 + fake_random(5000)) * NSEC_PER_MSEC;
	if (patient) /* a slow kernel is no reason to give up */
		s->connect_budget = 3600 * NSEC_PER_SEC;
	if (patient && !storm->bad_backends)
		s->connect_timeout = s->connect_budget;
	if (storm->crowded) {
		for (unsigned i = 0; i < BENCH_BACKENDS; i++)
			b->backend_max[i] = 1 + fake_random(6);
		set_admission(&s->limits);
		s->queue_length = fake_random(20);
		s->queue_timeout = (1 + fake_random(500)) * NSEC_PER_MSEC;
	}
	if (storm->times) {
		s->idle_timeout = fake_random(3000) * NSEC_PER_MSEC;
		s->half_closed_timeout = fake_random(2000) * NSEC_PER_MSEC;
		s->lifetime = fake_random(5000) * NSEC_PER_MSEC;
	}
	s->splice_after = fake_chance(30) ? 0 : 1 + fake_random(2 * RING_BUFFER_SIZE);
	b->target_settings = *s;
	if (storm->crowded)
		set_admission(&b->target_settings.limits);
}

static void begin_prefaces(struct bench *b)
{
	char *names[] = {"a.test", NULL};
	const struct tls_route_config route = {.sni = names, .target = 1};
	const char *why;

	fake.roomy = true; /* later bytes are put behind the first */
	proxies = prefix_list_new(1);
	assert_non_null(proxies);
	assert_int_equal(prefix_parse("10.0.0.0/8", &proxies->items[0], &why), 0);
	assert_int_equal(tls_routes_new(&route, 1, &routes), 0);
	assert_int_equal(service_track_sources(b->service, 100, 1), 0);
	assert_int_equal(service_track_sources(b->target, 100, 1), 0);
	for (unsigned i = 0; i < BENCH_BACKENDS; i++) {
		b->eligible[i] = i < OWN_BACKENDS;
		b->target_eligible[i] = !b->eligible[i];
	}
	set_prefaces(b);
}

static void end_prefaces(void)
{
	proxies = prefix_list_unref(proxies);
	routes = tls_routes_unref(routes);
}

static void time_passes(struct bench *b)
{
	static const nsec_t steps[] = {1, NSEC_PER_USEC, NSEC_PER_MSEC, 40 * NSEC_PER_MSEC};

	b->splicer.now += fake_random((uint32_t)steps[fake_random(ARRAY_SIZE(steps))]);
	if (fake_chance(1))
		b->splicer.now += fake_random(3000) * NSEC_PER_MSEC;
}

/* What the client says first, as whoever it is asked to be; now and then something else. */
static void begin_to_speak(const struct bench *b, struct fake_socket *client)
{
	static const struct {
		const char *first;
		size_t size;
	} hellos[] = {
		{PROXY_LINE NAMED, sizeof(PROXY_LINE NAMED) - 1},
		{PROXY_LINE NAMED, sizeof(PROXY_LINE NAMED) - 1},
		{PROXY_LINE UNKNOWN, sizeof(PROXY_LINE UNKNOWN) - 1},
		{PROXY_LINE FOREIGN, sizeof(PROXY_LINE FOREIGN) - 1},
	};
	size_t i = fake_random(ARRAY_SIZE(hellos)), line = sizeof(PROXY_LINE) - 1;

	if (b->settings.proxy_from && !fake_chance(3))
		fake_first(client, hellos[i].first, hellos[i].size, line);
	else
		fake_first(client, hellos[i].first + line, hellos[i].size - line, 0);
	if (fake_chance(70))
		fake_write(client, client->n_first);
}

static void accept_one(struct bench *b)
{
	struct fake_socket *client;

	if (!snapshot_find(b->splicer.snapshot, b->service) || fake_n_fds() >= fake.sockets_max ||
	    (!storm->shortages && splicer_active(&b->splicer) == N_SLOTS))
		return;
	client = bench_client(b, fake_random(BENCH_BACKENDS));
	if (storm->prefaces)
		begin_to_speak(b, client);
	if (storm->deaths && fake_chance(3))
		fake_rst(client);
	bench_serve(b, client);
}

static void list_some(struct bench *b)
{
	struct connection_info infos[5];
	size_t n = splicer_list(&b->splicer, b->service, infos, ARRAY_SIZE(infos));

	for (size_t i = 0; i < n; i++) {
		service_unref(infos[i].service);
		backend_unref(infos[i].backend);
		service_unref(infos[i].via);
		free(infos[i].sni);
	}
}

/* In half of the storms there are descriptors for a few connections only. */
static bool is_crowded(void)
{
	return seed % 2;
}

/* The first that waits, having tried nobody, would be served if there were a place. */
static void check_queue(const struct bench *b, const struct service *service)
{
	const struct snapshot_service *s = snapshot_find(b->splicer.snapshot, service);
	const struct service_queue *q = &service->queues[b->splicer.worker];
	const struct connection *first = container_of(q->waiting.next, struct connection, waiting);

	if (list_empty(&q->waiting) || first->n_tried > 0)
		return;
	assert_non_null(s);
	for (size_t i = 0; i < s->n_backends; i++)
		if (s->table->eligible[i] &&
		    (s->backend_max[i] == 0 || s->backends[i]->in_use < s->backend_max[i]))
			fail_msg("a connection waits, though backend %zu has room", i);
}

static void something_happens(struct bench *b)
{
	struct fake_socket *s = any_socket();

	if (fake_chance(15) && b->n_accepted < N_CONNECTIONS)
		accept_one(b);
	if (s)
		peer_acts(s);
	if (fake_chance(20))
		time_passes(b);
	if (storm->operators && fake_chance(2))
		operator_acts(b);
	if (storm->shortages && fake_chance(5))
		fake.sockets_max = fake_n_fds() + fake_random(fake_chance(50) ? 6 : 40);
	if (storm->shortages && storm->deaths && fake_chance(1))
		fake.tune_error = -ENOPROTOOPT;
	if (is_crowded() && fake_chance(5))
		bench_park(b, fake_random(N_SLOTS / 2));
	if (fake_chance(1))
		list_some(b);
	if (fake_chance(60))
		bench_step(b);
	for (unsigned i = 0; storm == &crowds && i < BENCH_BACKENDS; i++)
		assert_in_range(b->backends[i]->in_use, 0, b->backend_max[i]);
	assert_in_range(b->service->n_queued, 0, b->settings.queue_length);
	check_queue(b, b->service);
	check_queue(b, b->target);
}

/* All peers read on and close; all connects are answered. */
static void weather_clears(struct bench *b)
{
	struct fake_socket *s;

	fake.sockets_max = SIZE_MAX;
	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		*eligible(b, i) = true;
	b->without_backends = false;
	bench_publish(b, true);
	for (nsec_t waited = 0; splicer_active(&b->splicer); waited += 50 * NSEC_PER_MSEC) {
		for (size_t i = 0; (s = fake_socket_at(i)); i++) {
			if (s->closed)
				continue;
			if (resets_at_once(s)) {
				fake_rst(s);
				continue;
			}
			if (!storm->bad_backends && s->outcome == FAKE_HANG)
				s->outcome = 0;
			fake_set_room(s, UINT64_MAX);
			if (s->connected)
				fake_fin(s);
		}
		for (unsigned i = 0; i < 20; i++)
			bench_step(b);
		if (waited > 120 * NSEC_PER_SEC)
			fail_msg("%u connections do not end", splicer_active(&b->splicer));
		b->splicer.now += 50 * NSEC_PER_MSEC;
	}
}

static void check_reasons(const struct bench *b)
{
	for (unsigned i = 0; i < END_REASONS; i++)
		if ((bench_ended(b, i) || bench_target_ended(b, i)) && !(storm->may_end & MAY(i)))
			fail_msg("%s: connections ended with \"%s\"", storm->name,
				 end_reasons[i].name);
	if (storm == &calm || storm == &times)
		assert_int_equal(b->n_evidence, 0);
}

/*
 * Who ends for want of a backend has met the one that answers once a round, and in each the time
 * for a connect was over before the kernel came to it.
 */
static void check_patience(const struct bench *b)
{
	const struct backend_counters *good = &b->backends[ANSWERS]->counters[b->splicer.worker];

	if (storm == &bad_backends)
		assert_true(bench_ended(b, END_CONNECT_FAILED) * (TRIES_MAX / BENCH_BACKENDS) <=
			    counter_read(good->connect_failures));
}

static void run(uint64_t run_seed, uint64_t *ret_ended)
{
	uint32_t n_buffers = storm->shortages ? 1 + (uint32_t)(run_seed % 7) : 2 * N_SLOTS;
	struct bench *b = bench_new(BENCH_BACKENDS, N_SLOTS, n_buffers);

	seed = run_seed;
	fake.chaos = true;
	fake.race = FAKE_CANCEL_RANDOM;
	fake.random = run_seed;
	fake.on_connect = on_connect;
	set_limits(b);
	if (storm->prefaces)
		begin_prefaces(b);
	bench_publish(b, true);
	for (unsigned i = 0; b->n_accepted < N_CONNECTIONS && i < 100 * N_CONNECTIONS; i++)
		something_happens(b);
	weather_clears(b);
	check_reasons(b);
	check_patience(b);
	for (unsigned i = 0; i < END_REASONS; i++)
		ret_ended[i] += bench_ended(b, i) + bench_target_ended(b, i);
	bench_free(b);
	end_prefaces();
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void weather(void **state)
{
	uint64_t ended[END_REASONS] = {};
	uint64_t first = number_from("LB4_STORM_SEED", clock_wall());
	uint64_t n = number_from("LB4_STORM_RUNS", getenv("LB4_STORM_SEED") ? 1 : RUNS);

	storm = *state;
	finished = false;
	for (uint64_t i = 0; i < n; i++)
		run(first + i, ended);
	finished = true;

	printf("%s:", storm->name);
	for (unsigned i = 0; i < END_REASONS; i++)
		if (ended[i])
			printf(" %s %u", end_reasons[i].name, (unsigned)ended[i]);
	printf("; seed %llu and on\n", (unsigned long long)first);
}

static int tell_seed(void **state)
{
	(void)state;
	if (!finished)
		print_error("LB4_STORM_SEED=%llu repeats it\n", (unsigned long long)seed);
	return 0;
}

#define STORM(s)                                                                                   \
	{                                                                                          \
		"weather: " #s, weather, NULL, tell_seed, (void *)&(s)                             \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORM(calm),	   STORM(deaths),   STORM(bad_backends),
		STORM(shortages),  STORM(times),    STORM(operators),
		STORM(crowds),	   STORM(prefaces), STORM(crowded_prefaces),
		STORM(everything),
	};

	cmocka_set_test_filter(getenv("LB4_STORM"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
