// SPDX-License-Identifier: BSD-2-Clause
/* From the accept to a backend that answers, on the fake kernel. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "bench.h"
#include "connection_line.h"

#include "test.h"

static int setup(void **state)
{
	*state = bench_new(2, 64, 8);
	return 0;
}

static int setup_single(void **state)
{
	*state = bench_new(1, 64, 8);
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static const struct backend_counters *backend_counters(const struct bench *b, unsigned i)
{
	return &b->backends[i]->counters[1];
}

static uint64_t retries(const struct bench *b)
{
	return counter_read(b->service->counters[1].retries);
}

/* The client is connected to backend `i`, and both are heard. */
static void expect_exchange(struct bench *b, struct fake_socket *client, unsigned i)
{
	struct fake_socket *server = client->partner;

	assert_int_equal(client->verdict, END_NONE);
	assert_true(server->connected);
	assert_int_equal(bench_backend(server), i);
	assert_int_equal(counter_read(backend_counters(b, i)->active), 1);
	assert_int_equal(counter_read(backend_counters(b, !i)->active), 0);
	fake_write(client, 1000);
	fake_write(server, 2000);
	fake_fin(client);
	fake_fin(server);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
	assert_int_equal(counter_read(backend_counters(b, i)->consecutive_failures), 0);
}

static void refused_goes_on(void **state)
{
	static const struct {
		int error;
		bool evidence;
	} cases[] = {
		{ECONNREFUSED, true}, {EHOSTUNREACH, true},   {ECONNRESET, true},
		{ETIMEDOUT, true},    {EADDRNOTAVAIL, false}, {ENETUNREACH, false},
	};
	struct bench *b = *state;
	unsigned n_evidence = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_socket *client;

		b->outcome[0] = -cases[i].error;
		client = bench_accept(b, 0);
		assert_int_equal(retries(b), i + 1);
		assert_int_equal(counter_read(backend_counters(b, 0)->connect_failures), i + 1);
		n_evidence += cases[i].evidence;
		assert_int_equal(b->n_evidence, n_evidence);
		if (cases[i].evidence) {
			assert_ptr_equal(b->evidence_against, b->backends[0]);
			assert_int_equal(b->evidence_consecutive, n_evidence);
			assert_int_equal(b->evidence_error, cases[i].error);
		}
		expect_exchange(b, client, 1);
	}
}

static void all_refuse(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->outcome[0] = b->outcome[1] = -ECONNREFUSED;
	client = bench_accept(b, 0);
	assert_int_equal(client->verdict, END_NONE); /* a pause, then the third try */
	assert_int_equal(retries(b), 1);
	bench_pass(b, NSEC_PER_SEC);
	bench_expect_end(b, client, END_CONNECT_FAILED);
	assert_int_equal(retries(b), 2);
	assert_int_equal(counter_read(backend_counters(b, 0)->connections), 2);
	assert_int_equal(counter_read(backend_counters(b, 1)->connections), 1);
}

/* No byte was read from a client that is still being connected. */
static void nothing_is_consumed_before(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->outcome[0] = b->outcome[1] = FAKE_HANG;
	client = bench_client(b, 0);
	fake_write(client, 100000);
	fake_fin(client);
	bench_serve(b, client);
	bench_settle(b);
	b->outcome[1] = 0;
	assert_int_equal(client->read, 0);
	bench_pass(b, NSEC_PER_SEC);
	assert_int_equal(bench_backend(client->partner), 1);
	assert_int_equal(client->partner->accepted, 100000);
	assert_true(client->partner->shut);
	fake_fin(client->partner);
	bench_settle(b);
	bench_expect_end(b, client, END_DONE);
}

static void client_resets_meanwhile(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->outcome[0] = FAKE_HANG;
	client = bench_accept(b, 0);
	fake_write(client, 10);
	fake_rst(client);
	bench_pass(b, NSEC_PER_SEC);
	bench_expect_end(b, client, END_CLIENT_RESET);
}

static void no_answer_goes_on(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->outcome[0] = FAKE_HANG;
	client = bench_accept(b, 0);
	bench_pass(b, NSEC_PER_SEC - 1);
	assert_int_equal(bench_backend(client->partner), 0);
	bench_pass(b, 1);
	assert_int_equal(b->evidence_error, ETIMEDOUT);
	assert_int_equal(counter_read(backend_counters(b, 0)->connect_failures), 1);
	assert_int_equal(counter_read(backend_counters(b, 0)->connects), 0);
	expect_exchange(b, client, 1);
}

/* The connect ends by itself between the timer and the cancel. */
static void the_cancel_comes_too_late(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	fake.race = FAKE_CANCEL_LOSES;
	b->outcome[0] = FAKE_HANG;
	client = bench_accept(b, 0);
	b->splicer.now += NSEC_PER_SEC;
	splicer_expire(&b->splicer);
	client->partner->outcome = 0;
	bench_settle(b);
	assert_int_equal(b->n_evidence, 0);
	expect_exchange(b, client, 0);

	client = bench_accept(b, 0);
	b->splicer.now += NSEC_PER_SEC;
	splicer_expire(&b->splicer);
	client->partner->outcome = -ECONNREFUSED;
	bench_settle(b);
	assert_int_equal(b->evidence_error, ECONNREFUSED);
	expect_exchange(b, client, 1);
}

static void the_budget_is_used_up(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.tries = 8;
	b->settings.connect_timeout = 2 * NSEC_PER_SEC;
	bench_publish(b, true);
	b->outcome[0] = b->outcome[1] = FAKE_HANG;
	client = bench_accept(b, 0);
	bench_pass(b, 5 * NSEC_PER_SEC - 1);
	assert_int_equal(client->verdict, END_NONE);
	bench_pass(b, 1);
	bench_expect_end(b, client, END_CONNECT_FAILED);
	/* 2 s each for both, a pause, and what was left. */
	assert_int_equal(counter_read(backend_counters(b, 0)->connections) +
				 counter_read(backend_counters(b, 1)->connections),
			 3);
}

static void the_budget_ends_in_a_pause(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.connect_budget = b->settings.connect_timeout = 100 * NSEC_PER_MSEC;
	bench_publish(b, true);
	b->outcome[0] = -ECONNREFUSED;
	client = bench_accept(b, 0);
	bench_pass(b, NSEC_PER_SEC);
	bench_expect_end(b, client, END_CONNECT_FAILED);
	assert_int_equal(counter_read(backend_counters(b, 0)->connections), 1);
	assert_int_equal(retries(b), 0);
}

static void the_only_backend_restarts(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->outcome[0] = -ECONNREFUSED;
	client = bench_accept(b, 0);
	assert_int_equal(client->verdict, END_NONE);
	assert_true(client->partner->closed);
	b->outcome[0] = 0;
	bench_pass(b, NSEC_PER_SEC);
	expect_exchange(b, client, 0);
}

static void the_only_backend_then_hangs(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->outcome[0] = -ECONNREFUSED;
	client = bench_accept(b, 0);
	b->outcome[0] = FAKE_HANG;
	bench_pass(b, NSEC_PER_SEC);
	b->outcome[0] = 0;
	bench_pass(b, NSEC_PER_SEC);
	assert_int_equal(bench_connection(b, client)->n_tries, 3);
	expect_exchange(b, client, 0);
}

static void nobody_is_eligible(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->eligible[0] = false;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	bench_expect_end(b, client, END_NO_BACKEND);
	assert_null(client->partner);
}

static void a_backend_leaves_while_connecting(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.tries = 1; /* what was taken away does not count as a try */
	bench_publish(b, true);
	for (int late = 0; late < 2; late++) {
		fake.race = late ? FAKE_CANCEL_LOSES : FAKE_CANCEL_WINS;
		b->outcome[0] = FAKE_HANG;
		b->eligible[0] = true;
		bench_publish(b, true);
		client = bench_accept(b, 0);
		b->eligible[0] = false;
		bench_publish(b, true);
		splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
		splicer_leave_backend(&b->splicer, b->backends[0], END_NONE);
		client->partner->outcome = 0;
		bench_settle(b);
		expect_exchange(b, client, 1);
	}
	assert_int_equal(b->n_evidence, 0);
	assert_int_equal(counter_read(backend_counters(b, 0)->connect_failures), 0);
	assert_int_equal(counter_read(backend_counters(b, 0)->connects), 0);
}

/* Backends that come and go cannot make a connection forget how often it tried. */
static void backends_leave_again_and_again(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.tries = 8;
	bench_publish(b, true);
	b->outcome[0] = b->outcome[1] = FAKE_HANG;
	client = bench_accept(b, 0);
	for (int i = 0; i < 40; i++) {
		unsigned now = bench_backend(client->partner);

		b->eligible[now] = false;
		b->eligible[!now] = true;
		bench_publish(b, true);
		splicer_leave_backend(&b->splicer, b->backends[now], END_NONE);
		bench_settle(b);
		assert_int_equal(bench_backend(client->partner), !now);
		bench_pass(b, 100 * NSEC_PER_MSEC);
	}
	bench_pass(b, NSEC_PER_SEC);
	bench_expect_end(b, client, END_CONNECT_FAILED);
}

static void a_backend_leaves_while_established(void **state)
{
	struct bench *b = *state;
	struct fake_socket *first = bench_accept(b, 0), *second = bench_accept(b, 0);
	struct fake_socket *other = bench_accept(b, 1);

	fake_write(first, 10);
	fake_fin(first);
	bench_settle(b);
	splicer_leave_backend(&b->splicer, b->backends[0], END_NONE);
	bench_settle(b);
	assert_int_equal(first->verdict, END_NONE);
	assert_int_equal(second->verdict, END_NONE);
	splicer_leave_backend(&b->splicer, b->backends[0], END_BACKEND_DOWN);
	bench_settle(b);
	bench_expect_end(b, first, END_BACKEND_DOWN);
	/* This one has exchanged nothing with the dead one. */
	assert_int_not_equal(bench_backend(second->partner), 0);
	assert_int_equal(bench_connection(b, second)->n_tries, 2);
	fake_write(second, 10);
	fake_fin(second);
	fake_fin(second->partner);
	bench_settle(b);
	bench_expect_end(b, second, END_DONE);
	expect_exchange(b, other, 1);
}

static void the_service_goes_while_connecting(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->outcome[0] = FAKE_HANG;
	client = bench_accept(b, 0);
	bench_publish(b, false);
	bench_pass(b, NSEC_PER_SEC);
	bench_expect_end(b, client, END_NO_BACKEND);
}

/* Operators may take tries away as well. */
static void fewer_tries_while_connecting(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->outcome[0] = FAKE_HANG;
	client = bench_accept(b, 0);
	b->settings.tries = 1;
	bench_publish(b, true);
	bench_pass(b, NSEC_PER_SEC);
	bench_expect_end(b, client, END_CONNECT_FAILED);
}

static void the_client_is_gone_at_once(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client = bench_client(b, 0);

	fake_rst(client);
	bench_serve(b, client);
	bench_expect_end(b, client, END_CLIENT_RESET);

	client = bench_client(b, 0);
	fake.client_error = -EINVAL;
	bench_serve(b, client);
	bench_expect_end(b, client, END_CLIENT_RESET);
	assert_int_equal(bench_ended(b, END_CLIENT_RESET), 2);
	assert_int_equal(counter_read(backend_counters(b, 0)->connections), 0);
}

static void a_socket_cannot_be_tuned(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	fake.tune_error = -ENOPROTOOPT;
	client = bench_accept(b, 0);
	bench_expect_end(b, client, END_INTERNAL);

	fake.sockets_max = 1;
	fake.new_error = -EAFNOSUPPORT;
	client = bench_accept(b, 0);
	bench_expect_end(b, client, END_INTERNAL);
}

static void everything_ends_in_every_state(void **state)
{
	struct bench *b = *state;
	struct fake_socket *clients[6];

	b->settings.tries = 8;
	bench_publish(b, true);
	clients[0] = bench_accept(b, 0); /* established */
	clients[1] = bench_accept(b, 0); /* half-closed, with a send under way */
	fake_set_room(clients[1], 10);
	fake_write(clients[1]->partner, 1000);
	fake_fin(clients[1]);
	bench_settle(b);
	b->outcome[1] = FAKE_HANG;
	clients[2] = bench_accept(b, 1); /* connecting */
	b->outcome[0] = b->outcome[1] = -ECONNREFUSED;
	clients[3] = bench_accept(b, 1); /* pausing */
	fake.sockets_max = fake.n_open + 1;
	clients[4] = bench_accept(b, 0); /* waiting */
	/* Lost: the backend has reset it, and an operation is under way. */
	fake_write(clients[0], 10);
	fake_set_room(clients[0]->partner, 0);
	bench_settle(b);
	fake_rst(clients[0]->partner);
	while (bench_connection(b, clients[0])->state == CONNECTION_ESTABLISHED)
		bench_step(b);
	fake.sockets_max = SIZE_MAX;
	splicer_end_all(&b->splicer, END_STOPPED);
	bench_settle(b);
	for (unsigned i = 0; i < 5; i++)
		bench_expect_end(b, clients[i], END_STOPPED);
}

static void connections_are_listed(void **state)
{
	struct bench *b = *state;
	struct fake_socket *established = bench_accept(b, 0), *connecting;
	struct connection_info infos[4];

	fake_write(established, 11);
	fake_write(established->partner, 22);
	bench_pass(b, 5 * NSEC_PER_SEC);
	b->outcome[1] = FAKE_HANG;
	connecting = bench_accept(b, 1);
	assert_int_equal(splicer_list(&b->splicer, NULL, infos, 0), 0);
	assert_int_equal(splicer_list(&b->splicer, NULL, infos, 4), 2);
	assert_string_equal(infos[0].state, "established");
	assert_ptr_equal(infos[0].service, b->service);
	assert_ptr_equal(infos[0].backend, b->backends[0]);
	assert_true(address_equal(&infos[0].client, &established->peer));
	assert_int_equal(infos[0].worker, 1);
	assert_int_equal(infos[0].tries, 1);
	assert_int_equal(infos[0].age, 5 * NSEC_PER_SEC);
	assert_int_equal(infos[0].idle, 5 * NSEC_PER_SEC);
	assert_int_equal(infos[0].bytes_in, 11);
	assert_int_equal(infos[0].bytes_out, 22);
	assert_string_equal(infos[1].state, "connecting");
	assert_true(address_equal(&infos[1].client, &connecting->peer));
	assert_true(infos[0].id != infos[1].id);
	for (unsigned i = 0; i < 2; i++) {
		service_unref(infos[i].service);
		backend_unref(infos[i].backend);
	}
	assert_int_equal(splicer_list(&b->splicer, (struct service *)b, infos, 4), 0);
}

static const char *text_of(const json_t *line, const char *key)
{
	const char *text = json_string_value(json_object_get(line, key));

	assert_non_null(text);
	return text;
}

static long long number_of(const json_t *line, const char *key)
{
	const json_t *number = json_object_get(line, key);

	assert_true(json_is_integer(number));
	return json_integer_value(number);
}

static void connections_have_a_line(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;
	struct connection *c;
	struct backend *backend;
	char text[CONNECTION_LINE_MAX];
	size_t length;
	json_t *line;

	b->outcome[0] = -ECONNREFUSED;
	client = bench_accept(b, 0);
	fake_write(client, 5);
	bench_pass(b, 1500 * NSEC_PER_MSEC);
	c = bench_connection(b, client);
	c->reason = END_CLIENT_RESET;
	length = connection_line_print(c, 1700000000123 * NSEC_PER_MSEC, text);
	c->reason = END_NONE;
	assert_int_equal(length, strlen(text));
	assert_int_equal(text[length - 1], '\n');
	line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(line);
	assert_string_equal(text_of(line, "time"), "2023-11-14T22:13:20.123Z");
	assert_string_equal(text_of(line, "service"), "web");
	assert_string_equal(text_of(line, "backend"), "b2");
	assert_string_equal(text_of(line, "local"), "127.0.0.1:80");
	assert_string_equal(text_of(line, "server"), "127.0.1.2:9001");
	assert_string_equal(text_of(line, "end"), "client-reset");
	assert_string_equal(text_of(line, "party"), "client");
	assert_string_equal(text_of(line, "error"), "b1: Connection refused");
	assert_int_equal(number_of(line, "tries"), 2);
	assert_int_equal(number_of(line, "duration_ms"), 1500);
	assert_int_equal(number_of(line, "bytes_in"), 5);
	assert_int_equal(number_of(line, "bytes_out"), 0);
	json_decref(line);

	/* Nobody was reached: what is not known is null. */
	backend = c->backend;
	c->backend = NULL;
	connection_line_print(c, 1700000000123 * NSEC_PER_MSEC, text);
	c->backend = backend;
	line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_null(json_object_get(line, "backend")));
	assert_true(json_is_null(json_object_get(line, "server")));
	json_decref(line);
}

static void source_addresses_in_turn(void **state)
{
	static const char *const expected[] = {"10.0.1.0", "10.0.1.1", "10.0.1.0"};
	struct bench *b = *state;
	char text[ADDRESS_TEXT_MAX];
	const char *why;

	b->settings.source_addresses = prefix_list_new(1);
	assert_int_equal(prefix_parse("10.0.1.0/31", &b->settings.source_addresses->items[0], &why),
			 0);
	bench_publish(b, true);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		struct fake_socket *client = bench_accept(b, 0);

		assert_string_equal(address_print_ip(&client->partner->source, text), expected[i]);
		assert_false(client->partner->foreign);
	}
	service_settings_unref(&b->settings);
}

static void transparent_is_the_client(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.transparent = true;
	bench_publish(b, true);
	client = bench_accept(b, 0);
	assert_memory_equal(client->partner->source.ip, client->peer.ip, 16);
	assert_int_equal(client->partner->source.port, 0);
	assert_true(client->partner->foreign);
}

/* An address that is gone is no evidence against the backend. */
static void source_address_is_gone(void **state)
{
	struct bench *b = *state;
	struct fake_socket *client;

	b->settings.transparent = true;
	bench_publish(b, true);
	fake.bind_error = -EADDRNOTAVAIL;
	client = bench_accept(b, 0);
	assert_int_equal(bench_backend(client->partner), 1);
	assert_int_equal(b->n_evidence, 0);
	assert_int_equal(counter_read(backend_counters(b, 0)->connect_failures), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refused_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(all_refuse, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_consumed_before, setup, teardown),
		cmocka_unit_test_setup_teardown(client_resets_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(no_answer_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(the_cancel_comes_too_late, setup, teardown),
		cmocka_unit_test_setup_teardown(the_budget_is_used_up, setup, teardown),
		cmocka_unit_test_setup_teardown(the_budget_ends_in_a_pause, setup_single, teardown),
		cmocka_unit_test_setup_teardown(the_only_backend_restarts, setup_single, teardown),
		cmocka_unit_test_setup_teardown(the_only_backend_then_hangs, setup_single,
						teardown),
		cmocka_unit_test_setup_teardown(nobody_is_eligible, setup_single, teardown),
		cmocka_unit_test_setup_teardown(a_backend_leaves_while_connecting, setup, teardown),
		cmocka_unit_test_setup_teardown(backends_leave_again_and_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_backend_leaves_while_established, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_service_goes_while_connecting, setup, teardown),
		cmocka_unit_test_setup_teardown(fewer_tries_while_connecting, setup, teardown),
		cmocka_unit_test_setup_teardown(the_client_is_gone_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_socket_cannot_be_tuned, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_ends_in_every_state, setup, teardown),
		cmocka_unit_test_setup_teardown(source_addresses_in_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(transparent_is_the_client, setup, teardown),
		cmocka_unit_test_setup_teardown(source_address_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_are_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_have_a_line, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
