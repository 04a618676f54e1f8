// SPDX-License-Identifier: BSD-2-Clause
/* Connections that go where their ClientHello says, on the fake kernel. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "connection_line.h"
#include "greeting.h"
#include "hellos.h"
#include "tls_routes.h"

#include "test.h"

#define LIST(...)                                                                                  \
	(char *[])                                                                                 \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

/* Clients go to backends 0 and 1, those of the route to 2 and 3. */
static int setup(void **state)
{
	const struct tls_route_config routes[] = {
		{.sni = LIST("a.test"), .target = 1},
		{.alpn = LIST("h3"), .target = 1},
	};
	struct bench *b = bench_new(2, 16, 16);

	fake.roomy = true;
	assert_int_equal(tls_routes_new(routes, ARRAY_SIZE(routes), &b->routes), 0);
	b->target_eligible[2] = b->target_eligible[3] = true;
	b->settings.hello_timeout = 3 * NSEC_PER_SEC;
	b->settings.hello_bytes = 512;
	bench_publish(b, true);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	struct prefix_list *from = b->settings.proxy_from;

	bench_free(b);
	prefix_list_unref(from);
	return 0;
}

static struct fake_socket *client_with(struct bench *b, const char *first, size_t size)
{
	struct fake_socket *s = bench_client(b, 0);

	fake_first(s, first, size, 0);
	assert_true(bench_serve(b, s));
	bench_settle(b);
	assert_null(s->partner);
	return s;
}

static struct fake_socket *client_says(struct bench *b, const char *first, size_t size)
{
	struct fake_socket *s = client_with(b, first, size);

	fake_write(s, size);
	bench_settle(b);
	return s;
}

static void finish(struct bench *b, struct fake_socket *client, bool at_target)
{
	assert_non_null(client->partner);
	assert_int_equal(bench_backend(client->partner) >= 2, at_target);
	fake_fin(client);
	bench_settle(b);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
	assert_int_equal(client->partner->accepted, client->written); /* untouched */
}

static void names_go_where_their_route_leads(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = client_says(b, NAMED, sizeof(NAMED) - 1);
	struct connection *c = bench_connection(b, client);
	char line[CONNECTION_LINE_MAX + 1];

	assert_ptr_equal(c->service, b->target);
	assert_ptr_equal(greeting_via(c), b->service);
	assert_string_equal(greeting_sni(c), "a.test");
	line[connection_line_print(c, 0, line)] = '\0';
	assert_non_null(strstr(line, ",\"via\":\"web\",\"sni\":\"a.test\"}\n"));
	assert_non_null(strstr(line, "\"service\":\"target\""));
	fake_write(client, 100000);
	bench_settle(b);
	finish(b, client, true);
	assert_int_equal(bench_target_ended(b, END_DONE), 1);
	assert_int_equal(bench_ended(b, END_DONE), 0);
}

static void others_stay(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = client_says(b, UNKNOWN, sizeof(UNKNOWN) - 1);
	struct connection *c = bench_connection(b, client);

	assert_ptr_equal(c->service, b->service);
	assert_null(greeting_via(c));
	assert_string_equal(greeting_sni(c), "z.test");
	finish(b, client, false);
	client = client_says(b, BARE, sizeof(BARE) - 1);
	assert_null(greeting_sni(bench_connection(b, client)));
	finish(b, client, false);
}

static void single_bytes(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = client_with(b, NAMED, sizeof(NAMED) - 1);

	for (size_t i = 0; i < sizeof(NAMED) - 1; i++) {
		assert_null(client->partner);
		fake_write(client, 1);
		bench_settle(b);
		bench_pass(b, 10 * NSEC_PER_MSEC);
	}
	finish(b, client, true);
}

static const struct {
	const char *first;
	size_t size;
	enum end_reason reason;
	const char *hello;
} refused[] = {
	{FOREIGN, sizeof(FOREIGN) - 1, END_NOT_TLS, ",\"hello\":\"not-tls\"}\n"},
	{"\x80\x2e\x01\0\x02", 5, END_NOT_TLS, ",\"hello\":\"ssl2\"}\n"},
	{BROKEN, sizeof(BROKEN) - 1, END_HELLO_MALFORMED, ",\"hello\":\"sni-name\"}\n"},
	{"\x16\x03\x01\x40\0\x01\0\x3f\xff", 9, END_HELLO_TOO_LONG,
	 ",\"hello\":\"message-length\"}\n"},
	{NAMED, sizeof(NAMED) - 2, END_HELLO_TIMEOUT, NULL},
	{NAMED, 0, END_HELLO_TIMEOUT, NULL},
};

static void (*previous_on_end)(struct splicer *s, const struct connection *c);
static char last_line[CONNECTION_LINE_MAX + 1];

static void keep_line(struct splicer *s, const struct connection *c)
{
	last_line[connection_line_print(c, 0, last_line)] = '\0';
	previous_on_end(s, c);
}

/* Lets the test see lines as a worker does, when a connection ends. */
static void watch_lines(struct bench *b)
{
	static struct splicer_events events;

	events = *b->splicer.events;
	previous_on_end = events.on_end;
	events.on_end = keep_line;
	b->splicer.events = &events;
}

static void what_is_no_hello_is_refused(void **state)
{
	struct bench *b = *state;

	watch_lines(b);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct fake_socket *client = client_says(b, refused[i].first, refused[i].size);

		bench_pass(b, 2999 * NSEC_PER_MSEC);
		if (refused[i].reason == END_HELLO_TIMEOUT)
			assert_int_equal(client->verdict, END_NONE);
		bench_pass(b, NSEC_PER_MSEC);
		bench_expect_end(b, client, refused[i].reason);
		assert_null(client->partner);
		assert_int_equal(fake.n_out, 0);
		if (refused[i].hello)
			assert_non_null(strstr(last_line, refused[i].hello));
	}
}

/* … or goes to the service's own backends, to the last byte. */
static void what_is_no_hello_may_pass(void **state)
{
	struct bench *b = *state;

	b->settings.hello_on_error = HELLO_ERROR_DEFAULT;
	bench_publish(b, true);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct fake_socket *client = client_says(b, refused[i].first, refused[i].size);

		bench_pass(b, 3 * NSEC_PER_SEC);
		assert_non_null(client->partner);
		fake_write(client, 1000);
		bench_settle(b);
		finish(b, client, false);
	}
}

/* The time is over, and at that very moment bytes have come. */
static void passing_meets_bytes(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.hello_on_error = HELLO_ERROR_DEFAULT;
	bench_publish(b, true);
	fake.race = FAKE_CANCEL_LOSES;
	client = client_says(b, NAMED, 20);
	b->splicer.now += 3 * NSEC_PER_SEC;
	fake_write(client, 100);
	bench_settle(b);
	finish(b, client, false);
}

/* … or no buffer was left for what came. */
static void passing_while_starved(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;
	uint32_t all = fake.n_buffers;

	b->settings.hello_on_error = HELLO_ERROR_DEFAULT;
	bench_publish(b, true);
	client = client_says(b, NAMED, 20);
	fake.n_buffers = fake.n_out;
	fake_write(client, 10);
	bench_pass(b, 3 * NSEC_PER_SEC);
	assert_non_null(client->partner);
	fake.n_buffers = all;
	bench_settle(b);
	finish(b, client, false);
}

static void too_long(void **state)
{
	static char first[2000] = NAMED;
	struct bench *b = *state;
	struct fake_socket *client;

	/* Says so at once … */
	first[3] = 2;
	first[7] = 2;
	client = client_says(b, first, 100);
	bench_expect_end(b, client, END_HELLO_TOO_LONG);
	/* … or by many small records. */
	for (size_t i = 0; i < sizeof(first); i++)
		first[i] = "\x16\x03\x01\0\x01\0"[i % 6];
	first[5] = 1;
	first[23] = '\xff';
	client = client_says(b, first, 512);
	bench_expect_end(b, client, END_HELLO_TOO_LONG);
}

static void nobody_for_the_rest(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->without_backends = true;
	b->eligible[0] = b->eligible[1] = false;
	bench_publish(b, true);
	client = client_says(b, UNKNOWN, sizeof(UNKNOWN) - 1);
	bench_expect_end(b, client, END_NO_ROUTE);
	client = client_says(b, NAMED, sizeof(NAMED) - 1);
	finish(b, client, true);
}

static void limits_are_those_of_the_target(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->target_settings.idle_timeout = 20 * NSEC_PER_SEC;
	b->settings.idle_timeout = 5 * NSEC_PER_SEC;
	b->settings.lifetime = 60 * NSEC_PER_SEC;
	bench_publish(b, true);
	client = client_says(b, NAMED, sizeof(NAMED) - 1);
	bench_pass(b, 19 * NSEC_PER_SEC);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(client->verdict, END_NONE);
		fake_write(client, 1);
		bench_pass(b, 19 * NSEC_PER_SEC);
	}
	bench_pass(b, NSEC_PER_SEC);
	bench_expect_end(b, client, END_IDLE);
	assert_int_equal(bench_target_ended(b, END_IDLE), 1);

	b->target_settings.lifetime = 10 * NSEC_PER_SEC;
	bench_publish(b, true);
	client = client_with(b, NAMED, sizeof(NAMED) - 1);
	bench_pass(b, 2 * NSEC_PER_SEC);
	fake_write(client, sizeof(NAMED) - 1);
	bench_pass(b, 8 * NSEC_PER_SEC);
	bench_expect_end(b, client, END_LIFETIME);
}

static void reloads_meanwhile(void **state)
{
	struct bench *b = *state;
	struct tls_routes *routes = b->routes;
	struct fake_socket *client = client_with(b, NAMED, sizeof(NAMED) - 1);
	struct fake_socket *silent = client_with(b, NAMED, sizeof(NAMED) - 1);

	/* The whole service goes. */
	fake_write(client, 30);
	bench_settle(b);
	bench_publish(b, false);
	fake_write(client, 100);
	bench_settle(b);
	bench_expect_end(b, client, END_NO_BACKEND);
	bench_pass(b, 3 * NSEC_PER_SEC);
	bench_expect_end(b, silent, END_HELLO_TIMEOUT);

	/* Only its routes go: then it is a service like any other. */
	bench_publish(b, true);
	client = client_with(b, NAMED, sizeof(NAMED) - 1);
	silent = client_with(b, NAMED, sizeof(NAMED) - 1);
	fake_write(client, 30);
	bench_settle(b);
	b->routes = NULL;
	bench_publish(b, true);
	fake_write(client, sizeof(NAMED) - 31);
	bench_settle(b);
	finish(b, client, false);
	bench_pass(b, 3 * NSEC_PER_SEC);
	finish(b, silent, false);
	b->routes = routes;

	/* The limit shrinks below what is there. */
	b->settings.hello_bytes = 16384;
	bench_publish(b, true);
	client = client_with(b, HELLO("\x10", "\xff", "\0"), 60);
	fake_write(client, 50);
	bench_settle(b);
	b->settings.hello_bytes = 40;
	bench_publish(b, true);
	fake_write(client, 2);
	bench_settle(b);
	assert_true(client->closed);
}

/* PROXY first, then the ClientHello, in one piece and in many. */
static void both_prefaces(void **state)
{
	static const char first[] = "PROXY TCP4 192.0.2.7 192.0.2.10 40112 443\r\n" NAMED;
	const size_t header = sizeof(first) - sizeof(NAMED);
	struct bench *b = *state;
	char text[ADDRESS_TEXT_MAX];
	const char *why;

	b->settings.proxy_from = prefix_list_new(1);
	assert_int_equal(prefix_parse("10.0.0.0/8", &b->settings.proxy_from->items[0], &why), 0);
	b->settings.proxy_timeout = 3 * NSEC_PER_SEC;
	bench_publish(b, true);
	for (size_t step = 1; step <= sizeof(first); step = 2 * step + 1) {
		struct fake_socket *client = bench_client(b, 0);

		fake_first(client, first, sizeof(first) - 1, header);
		bench_serve(b, client);
		bench_settle(b);
		for (size_t n = 0; n < sizeof(first) - 1; n += step) {
			assert_null(client->partner);
			fake_write(client,
				   n + step < sizeof(first) - 1 ? step : sizeof(first) - 1 - n);
			bench_settle(b);
		}
		assert_string_equal(address_print(&bench_connection(b, client)->client, text),
				    "192.0.2.7:40112");
		assert_non_null(client->partner);
		assert_true(bench_backend(client->partner) >= 2);
		assert_int_equal(client->partner->accepted, sizeof(NAMED) - 1);
		fake_rst(client);
		bench_settle(b);
		bench_expect_end(b, client, END_CLIENT_RESET);
	}
}

/* A hello of 32 KiB behind a PROXY header does not fit where both were to be held. */
static void room_behind_a_header(void **state)
{
	static const char line[] = "PROXY TCP4 192.0.2.7 192.0.2.10 40112 443\r\n";
	static char first[40000];
	struct bench *b = *state;
	struct fake_socket *client;
	const char *why;

	memcpy(first, line, sizeof(line) - 1);
	for (size_t i = 0; i + sizeof(line) < sizeof(first); i++)
		first[sizeof(line) - 1 + i] = "\x16\x03\x01\0\x01\0"[i % 6];
	first[sizeof(line) - 1 + 5] = 1;
	first[sizeof(line) - 1 + 17] = 0x70; /* 28,672 bytes, each in a record of its own */
	b->settings.hello_bytes = 32768;
	b->settings.proxy_from = prefix_list_new(1);
	assert_int_equal(prefix_parse("10.0.0.0/8", &b->settings.proxy_from->items[0], &why), 0);
	b->settings.proxy_timeout = 3 * NSEC_PER_SEC;
	bench_publish(b, true);
	client = bench_client(b, 0);
	fake_first(client, first, sizeof(first), sizeof(line) - 1);
	bench_serve(b, client);
	fake_write(client, sizeof(first));
	bench_settle(b);
	bench_expect_end(b, client, END_HELLO_TOO_LONG);
}

static void clients_leave(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = client_says(b, NAMED, 20);

	fake_fin(client);
	bench_settle(b);
	bench_expect_end(b, client, END_PREFACE_CLOSED);
	client = client_says(b, NAMED, 20);
	fake_rst(client);
	bench_settle(b);
	bench_expect_end(b, client, END_CLIENT_RESET);
	client = client_with(b, NAMED, sizeof(NAMED) - 1);
	fake_write(client, sizeof(NAMED) - 1);
	fake_fin(client); /* said all it had to say */
	bench_settle(b);
	assert_non_null(client->partner);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

/*
 * While one service's queue is served that of another may be served as well, and be gone. Those
 * that are served here give their places back at once, which has all queues looked at.
 */
static void a_queue_goes_while_another_is_served(void **state)
{
	struct bench *b = *state;
	struct fake_socket *waiting[3];

	b->settings.hello_on_error = HELLO_ERROR_DEFAULT;
	b->settings.queue_length = 2;
	b->settings.queue_timeout = NSEC_PER_SEC;
	b->target_settings = b->settings;
	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		b->backend_max[i] = 1;
	bench_publish(b, true);
	for (unsigned i = 0; i < 4; i++)
		assert_non_null((i < 2 ? client_says(b, FOREIGN, sizeof(FOREIGN) - 1)
				       : client_says(b, NAMED, sizeof(NAMED) - 1))
					->partner);
	for (unsigned i = 0; i < 3; i++)
		waiting[i] = i < 2 ? client_says(b, FOREIGN, sizeof(FOREIGN) - 1)
				   : client_says(b, NAMED, sizeof(NAMED) - 1);
	assert_int_equal(b->service->n_queued, 2);
	assert_int_equal(b->target->n_queued, 1);

	for (unsigned i = 0; i < BENCH_BACKENDS; i++)
		b->backend_max[i] = 10;
	fake.sockets_max = 0; /* they wait for descriptors instead */
	bench_publish(b, true);
	assert_int_equal(b->service->n_queued + b->target->n_queued, 0);
	fake.sockets_max = SIZE_MAX;
	bench_pass(b, NSEC_PER_SEC);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(bench_backend(waiting[i]->partner) >= 2, i == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_go_where_their_route_leads, setup, teardown),
		cmocka_unit_test_setup_teardown(others_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(single_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_hello_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_hello_may_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(passing_meets_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(passing_while_starved, setup, teardown),
		cmocka_unit_test_setup_teardown(a_queue_goes_while_another_is_served, setup,
						teardown),
		cmocka_unit_test_setup_teardown(too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_for_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_are_those_of_the_target, setup, teardown),
		cmocka_unit_test_setup_teardown(reloads_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(both_prefaces, setup, teardown),
		cmocka_unit_test_setup_teardown(room_behind_a_header, setup, teardown),
		cmocka_unit_test_setup_teardown(clients_leave, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
