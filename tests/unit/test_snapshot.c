// SPDX-License-Identifier: BSD-2-Clause
/* model/snapshot and model/end_reason. Leaks and late uses are for the sanitizer to see. */
#include <stdlib.h>
#include <string.h>

#include "pool_table.h"
#include "snapshot.h"

#include "test.h"

static struct address address(const char *text)
{
	struct address a;
	const char *why = NULL;

	assert_int_equal(address_parse(text, true, &a, &why), 0);
	return a;
}

static void names_and_addresses(void **state)
{
	const struct address a = address("[2001:db8::1]:8080");
	char name[NAME_LENGTH_MAX + 10];
	struct service *s;
	struct backend *b;
	struct address back;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[NAME_LENGTH_MAX] = '\0';
	s = service_new(name, 3);
	b = backend_new("web", name, &a, 3);
	assert_true(s && b);
	assert_string_equal(s->name, name);
	assert_string_equal(b->name, name);
	assert_string_equal(b->service_name, "web");
	assert_int_equal(s->n_workers, 3);
	assert_true(address_equal(&b->address, &a));
	assert_int_equal(b->sockaddr_length, sizeof(struct sockaddr_in6));
	assert_int_equal(address_from_sockaddr(&b->sockaddr, &back), 0);
	assert_true(address_equal(&back, &a));
	for (unsigned w = 0; w < 3; w++) {
		assert_int_equal((uintptr_t)&s->counters[w] % 64, 0);
		assert_int_equal((uintptr_t)&b->counters[w] % 64, 0);
	}
	service_unref(s);
	backend_unref(b);
	assert_null(service_unref(NULL));
	assert_null(backend_unref(NULL));
}

static void references(void **state)
{
	struct service *s = service_new("web", 1);

	(void)state;
	assert_ptr_equal(service_ref(s), s);
	assert_null(service_unref(s));
	assert_string_equal(s->name, "web"); /* still there */
	assert_null(service_unref(s));
}

/* Each counter is summed on its own, over all workers. */
static void sums(void **state)
{
	const struct address a = address("192.0.2.1:80");
	struct service *s = service_new("web", 4);
	struct backend *b = backend_new("web", "b1", &a, 4);
	struct service_counters service;
	struct backend_counters backend;

	(void)state;
	for (unsigned w = 0; w < 4; w++) {
		struct service_counters *sc = &s->counters[w];
		struct backend_counters *bc = &b->counters[w];
		_Atomic uint64_t *of_service[] = {&sc->accepted, &sc->active, &sc->retries,
						  &sc->bytes_in, &sc->bytes_out};
		_Atomic uint64_t *of_backend[] = {
			&bc->connections,  &bc->active,	   &bc->connect_failures,
			&bc->bytes_in,	   &bc->bytes_out, &bc->instant_resets,
			&bc->connect_nsec, &bc->connects,  &bc->consecutive_failures,
		};

		for (unsigned i = 0; i < ARRAY_SIZE(of_service); i++)
			counter_add(*of_service[i], (i + 1) << (8 * w));
		for (unsigned i = 0; i < ARRAY_SIZE(of_backend); i++)
			counter_add(*of_backend[i], (i + 1) << (8 * w));
		for (unsigned i = 0; i < END_REASONS; i++)
			counter_add(sc->ended[i], (100 + i) << (8 * w));
	}
	service_sum(s, &service);
	backend_sum(b, &backend);
	assert_int_equal(service.accepted, 0x01010101);
	assert_int_equal(service.active, 0x02020202);
	assert_int_equal(service.retries, 0x03030303);
	assert_int_equal(service.bytes_in, 0x04040404);
	assert_int_equal(service.bytes_out, 0x05050505);
	for (unsigned i = 0; i < END_REASONS; i++)
		assert_int_equal(service.ended[i], (100 + i) * 0x01010101u);
	assert_int_equal(backend.connections, 0x01010101);
	assert_int_equal(backend.active, 0x02020202);
	assert_int_equal(backend.connect_failures, 0x03030303);
	assert_int_equal(backend.bytes_in, 0x04040404);
	assert_int_equal(backend.bytes_out, 0x05050505);
	assert_int_equal(backend.instant_resets, 0x06060606);
	assert_int_equal(backend.connect_nsec, 0x07070707);
	assert_int_equal(backend.connects, 0x08080808);
	assert_int_equal(backend.consecutive_failures, 0x09090909);

	/* A level goes down as well, and may be up with one worker and down with another. */
	counter_add(s->counters[0].active, -2);
	counter_add(s->counters[1].active, -0x200);
	service_sum(s, &service);
	assert_int_equal(service.active, 0x02020000);
	service_unref(s);
	backend_unref(b);
}

static struct snapshot *make(struct service *service, struct backend *backend)
{
	static const uint16_t base[7];
	static const bool eligible[1] = {true};
	struct snapshot *s = snapshot_new(2);

	assert_non_null(s);
	s->services[1].service = service_ref(service);
	s->services[1].settings.mask_ipv4 = 24;
	s->services[1].settings.mask_ipv6 = 64;
	lb4_hash_key_init(&s->services[1].key, 42);
	s->services[1].table = pool_table_new(42, base, ARRAY_SIZE(base), eligible, NULL, 1);
	s->services[1].backends = calloc(1, sizeof(struct backend *));
	assert_true(s->services[1].table && s->services[1].backends);
	s->services[1].backends[0] = backend_ref(backend);
	s->services[1].n_backends = 1;
	return s;
}

/* The last to let go frees it, half-built or not. */
static void snapshots_hold_what_they_name(void **state)
{
	const struct address a = address("192.0.2.1:80");
	struct service *service = service_new("web", 1), *other = service_new("web", 1);
	struct backend *backend = backend_new("web", "b1", &a, 1);
	struct snapshot *s = make(service, backend), *none = snapshot_new(0);

	(void)state;
	assert_int_equal(service->refs, 2);
	assert_int_equal(backend->refs, 2);
	assert_ptr_equal(snapshot_find(s, service), &s->services[1]);
	assert_null(snapshot_find(s, other)); /* by identity, not by name */
	assert_null(snapshot_find(none, service));
	snapshot_ref(s);
	assert_null(snapshot_unref(s));
	assert_int_equal(service->refs, 2);
	assert_null(snapshot_unref(s));
	assert_int_equal(service->refs, 1);
	assert_int_equal(backend->refs, 1);
	snapshot_unref(none);
	assert_null(snapshot_unref(NULL));
	service_unref(service);
	service_unref(other);
	backend_unref(backend);
}

/* Which parts of a tuple the hash looks at. */
static void hashes(void **state)
{
	static const struct {
		const char *client, *local;	/* one tuple … */
		const char *client_2, *local_2; /* … and another */
		bool by_connection, by_source;	/* hash alike */
	} cases[] = {
		{"10.0.0.1:1", "192.0.2.1:80", "10.0.0.1:1", "192.0.2.1:80", true, true},
		{"10.0.0.1:1", "192.0.2.1:80", "[::ffff:10.0.0.1]:1", "192.0.2.1:80", true, true},
		{"10.0.0.1:1", "192.0.2.1:80", "10.0.0.1:2", "192.0.2.1:80", false, true},
		{"10.0.0.1:1", "192.0.2.1:80", "10.0.0.1:1", "192.0.2.2:81", false, true},
		{"10.0.0.1:1", "192.0.2.1:80", "10.0.0.1:1", "[2001:db8::1]:80", false, true},
		{"10.0.0.1:1", "192.0.2.1:80", "10.0.0.200:1", "192.0.2.1:80", false, true},
		{"10.0.0.1:1", "192.0.2.1:80", "10.0.1.1:1", "192.0.2.1:80", false, false},
		{"[2001:db8::1]:1", "[2001:db8::2]:80", "[2001:db8::9]:7", "[2001:db8::2]:80",
		 false, true},
		{"[2001:db8::1]:1", "[2001:db8::2]:80", "[2001:db8:0:1::1]:1", "[2001:db8::2]:80",
		 false, false},
	};
	const struct address a = address("192.0.2.1:80");
	struct service *service = service_new("web", 1);
	struct backend *backend = backend_new("web", "b1", &a, 1);
	struct snapshot *snapshot = make(service, backend);
	struct snapshot_service *s = &snapshot->services[1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct address client = address(cases[i].client), local = address(cases[i].local);
		struct address client_2 = address(cases[i].client_2);
		struct address local_2 = address(cases[i].local_2);

		s->settings.hash = HASH_CONNECTION;
		assert_int_equal(snapshot_service_hash(s, &client, &local) ==
					 snapshot_service_hash(s, &client_2, &local_2),
				 cases[i].by_connection);
		assert_true(snapshot_service_slot(s, &client, &local) < s->table->size);
		s->settings.hash = HASH_SOURCE;
		assert_int_equal(snapshot_service_hash(s, &client, &local) ==
					 snapshot_service_hash(s, &client_2, &local_2),
				 cases[i].by_source);
	}
	snapshot_unref(snapshot);
	service_unref(service);
	backend_unref(backend);
}

/* Slots of many tuples are all that there are. */
static void slots(void **state)
{
	const struct address a = address("192.0.2.1:80");
	struct service *service = service_new("web", 1);
	struct backend *backend = backend_new("web", "b1", &a, 1);
	struct snapshot *snapshot = make(service, backend);
	struct address client = address("10.0.0.1:1");
	unsigned n[7] = {};

	(void)state;
	for (unsigned port = 1; port <= 7000; port++) {
		client.port = (uint16_t)port;
		n[snapshot_service_slot(&snapshot->services[1], &client, &a)]++;
	}
	for (unsigned i = 0; i < 7; i++)
		assert_in_range(n[i], 800, 1200);
	snapshot_unref(snapshot);
	service_unref(service);
	backend_unref(backend);
}

/* Words of logs, API and metrics: all there, all different, nothing to escape. */
static void reasons_are_complete(void **state)
{
	(void)state;
	for (unsigned i = 0; i < END_REASONS; i++) {
		const struct end_reason_info *e = &end_reasons[i];

		assert_true(e->name && e->name[0]);
		assert_int_equal(strspn(e->name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(e->name));
		assert_true(e->meaning && strlen(e->meaning) > 10);
		assert_non_null(end_party_name(e->party));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(e->name, end_reasons[j].name);
	}
	assert_string_equal(end_party_name(end_reasons[END_DONE].party), "both");
	assert_string_equal(end_party_name(end_reasons[END_CLIENT_RESET].party), "client");
	assert_string_equal(end_party_name(end_reasons[END_SERVER_RESET].party), "server");
	assert_string_equal(end_party_name(end_reasons[END_STOPPED].party), "lb4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_addresses),
		cmocka_unit_test(references),
		cmocka_unit_test(sums),
		cmocka_unit_test(snapshots_hold_what_they_name),
		cmocka_unit_test(hashes),
		cmocka_unit_test(slots),
		cmocka_unit_test(reasons_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
