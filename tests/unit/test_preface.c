// SPDX-License-Identifier: BSD-2-Clause
/* The client's first bytes, on the fake kernel. */
#include <errno.h>
#include <string.h>

#include "bench.h"
#include "proxy_header.h"
#include "test.h"

#define LINE	   "PROXY TCP4 192.0.2.7 192.0.2.10 40112 443\r\n"
#define LINE_BYTES (sizeof(LINE) - 1)

/* A bench whose service takes headers from 10.0.0.0/8, where the clients of a bench are. */
static int setup(void **state)
{
	struct bench *b = bench_new(2, 16, 16);
	const char *why;

	fake.roomy = true;
	b->settings.proxy_from = prefix_list_new(1);
	assert_int_equal(prefix_parse("10.0.0.0/8", &b->settings.proxy_from->items[0], &why), 0);
	b->settings.proxy_timeout = 3 * NSEC_PER_SEC;
	bench_publish(b, true);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	struct service_settings settings = b->settings;

	bench_free(b);
	service_settings_unref(&settings);
	return 0;
}

static struct fake_socket *client_with(struct bench *b, const char *first, size_t size,
				       size_t swallowed)
{
	struct fake_socket *s = bench_client(b, 0);

	fake_first(s, first, size, swallowed);
	assert_true(bench_serve(b, s));
	bench_settle(b);
	return s;
}

/* The other side's peer closes, too. */
static void finish(struct bench *b, struct fake_socket *client)
{
	fake_fin(client);
	bench_settle(b);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void carried_client_counts(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = client_with(b, LINE, LINE_BYTES, LINE_BYTES);
	char text[ADDRESS_TEXT_MAX];
	struct connection *c;

	assert_null(client->partner); /* nothing is known yet */
	fake_write(client, LINE_BYTES + 100);
	bench_settle(b);
	c = bench_connection(b, client);
	assert_string_equal(address_print(&c->client, text), "192.0.2.7:40112");
	assert_string_equal(address_print(&c->destination, text), "192.0.2.10:443");
	assert_int_equal(c->peer.port, client->peer.port);
	assert_non_null(client->partner);
	assert_int_equal(client->partner->accepted, 100);
	finish(b, client);
}

static void header_in_single_bytes(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = client_with(b, LINE, LINE_BYTES, LINE_BYTES);

	for (size_t i = 0; i < LINE_BYTES; i++) {
		assert_null(client->partner);
		fake_write(client, 1);
		bench_settle(b);
	}
	assert_non_null(client->partner);
	assert_int_equal(fake.n_out, 0); /* the header's buffer went back */
	fake_write(client, 5);
	finish(b, client);
}

static void refusals(void **state)
{
	static const struct {
		const char *first;
		enum end_reason reason;
	} cases[] = {
		{"GET / HTTP/1.1\r\n", END_PROXY_MISSING},
		{"PROXY TCP4 192.0.2.7 192.0.2.10 40112\r\n", END_PROXY_MALFORMED},
		{"\r\n\r\n", END_PROXY_TIMEOUT},
		{"PROXY TCP4", END_PROXY_TIMEOUT},
		{"", END_PROXY_TIMEOUT},
	};
	struct bench *b = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = strlen(cases[i].first);
		struct fake_socket *client = client_with(b, cases[i].first, size, 0);

		fake_write(client, size);
		bench_settle(b);
		if (cases[i].reason == END_PROXY_TIMEOUT)
			assert_int_equal(client->verdict, END_NONE);
		bench_pass(b, 3 * NSEC_PER_SEC);
		bench_expect_end(b, client, cases[i].reason);
		assert_null(client->partner);
		assert_int_equal(fake.n_out, 0);
	}
}

static void strangers_are_refused(void **state)
{
	struct bench *b = *state;
	const struct address stranger = {.ip = {[10] = 0xff, 0xff, 11, 0, 0, 1}, .port = 7};
	struct fake_socket *client = fake_client(&stranger);

	fake_first(client, LINE, LINE_BYTES, 0);
	fake_write(client, LINE_BYTES);
	bench_serve(b, client);
	bench_settle(b);
	bench_expect_end(b, client, END_PROXY_UNTRUSTED);
	assert_int_equal(bench_ended(b, END_PROXY_UNTRUSTED), 1);
}

static void client_leaves(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = client_with(b, LINE, 10, 0);

	fake_write(client, 10);
	fake_fin(client);
	bench_settle(b);
	bench_expect_end(b, client, END_PREFACE_CLOSED);
	client = client_with(b, LINE, 10, 0);
	fake_rst(client);
	bench_settle(b);
	bench_expect_end(b, client, END_CLIENT_RESET);
}

static void service_goes_meanwhile(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = client_with(b, LINE, LINE_BYTES, LINE_BYTES);

	bench_publish(b, false);
	fake_write(client, LINE_BYTES);
	bench_settle(b);
	bench_expect_end(b, client, END_NO_BACKEND);
}

/* The time a proxy takes is not taken from the search for a backend. */
static void budget_begins_after_the_preface(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.connect_budget = b->settings.connect_timeout = 2 * NSEC_PER_SEC;
	bench_publish(b, true);
	b->outcome[0] = b->outcome[1] = FAKE_HANG;
	client = client_with(b, LINE, LINE_BYTES, LINE_BYTES);
	bench_pass(b, 2900 * NSEC_PER_MSEC);
	fake_write(client, LINE_BYTES);
	bench_pass(b, 1900 * NSEC_PER_MSEC);
	assert_int_equal(client->verdict, END_NONE);
	bench_pass(b, 100 * NSEC_PER_MSEC);
	bench_expect_end(b, client, END_CONNECT_FAILED);
}

/* Receive buffers may run out between two pieces of a header. */
static void starves_and_goes_on(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = client_with(b, LINE, LINE_BYTES, LINE_BYTES);
	uint32_t all = fake.n_buffers;

	fake_write(client, 10);
	bench_settle(b);
	fake.n_buffers = fake.n_out;
	fake_write(client, LINE_BYTES - 10);
	bench_step(b);
	assert_null(client->partner);
	fake.n_buffers = all;
	bench_settle(b);
	assert_non_null(client->partner);
	finish(b, client);
}

static void backend_is_told(void **state)
{
	struct bench *b = *state;
	struct proxy_header h;
	struct fake_socket *client;
	const char *why;

	b->settings.proxy_out = PROXY_V2;
	bench_publish(b, true);
	client = client_with(b, LINE, LINE_BYTES, LINE_BYTES);
	fake_write(client, LINE_BYTES + 10);
	bench_settle(b);
	assert_non_null(client->partner);
	assert_int_equal(
		proxy_header_read(client->partner->sent, client->partner->n_sent, &h, &why),
		PROXY_READ);
	assert_int_equal(h.size, client->partner->n_sent);
	assert_int_equal(h.source.port, 40112);
	assert_int_equal(h.destination.port, 443);
	assert_true(h.unique_id_size > 0);
	finish(b, client);
}

/* A backend that dies before it took the header is as one that was never reached. */
static void header_meets_a_reset(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.proxy_out = PROXY_V1;
	bench_publish(b, true);
	client = client_with(b, LINE, LINE_BYTES, LINE_BYTES);
	fake.send_error = -ECONNRESET;
	fake_write(client, LINE_BYTES + 10);
	bench_settle(b);
	assert_int_equal(b->n_evidence, 1);
	assert_non_null(client->partner);
	assert_int_equal(client->partner->n_sent, LINE_BYTES);
	assert_memory_equal(client->partner->sent, LINE, LINE_BYTES);
	assert_int_equal(client->partner->accepted, 10);
	finish(b, client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(carried_client_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(header_in_single_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(client_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(service_goes_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(budget_begins_after_the_preface, setup, teardown),
		cmocka_unit_test_setup_teardown(starves_and_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(backend_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(header_meets_a_reset, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
