// SPDX-License-Identifier: BSD-2-Clause
/*
 * A plan is what a reload then does: random files against random states of what runs. Slots are
 * counted by name in the tables before and after, connections by what the workers are told.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "config_diff.h"
#include "plan_world.h"

#include "test.h"

static void new_passes_its_check(struct live_service *s, const char *name, nsec_t now)
{
	struct live_backend *b = live_service_find_backend(s, name);

	if (b->health.failed && b->health.why == HEALTH_UNCHECKED) {
		health_on_result(&b->health, true, VERDICT_UP, 1, now, 1, "");
		live_backends_tell_pool(s->backends, &s->pool);
	}
}

#define HEAD "log: {level: error}\nservices:\n"

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((random_state >> 33) % below);
}

#define one_of(...)                                                                                \
	({                                                                                         \
		static const char *const _words[] = {__VA_ARGS__};                                 \
		_words[draw(ARRAY_SIZE(_words))];                                                  \
	})

/* Often the same as the last, so that single changes are met. */
static void put_service(FILE *f, const char *name, unsigned port)
{
	unsigned n = 0;

	fprintf(f, "  %s:\n    listen: \":%u\"\n    table_size: %s\n", name, port,
		one_of("251", "251", "251", "1021"));
	fprintf(f, "    check: %s\n", one_of("tcp", "tcp", "tcp", "none"));
	fprintf(f, "    max_eject: %s\n", one_of("50%", "0%", "0%", "100%"));
	fprintf(f, "    fail: %s\n", one_of("open", "open", "closed"));
	fprintf(f, "    on_down: %s\n", one_of("drain", "drain", "reset", "keep"));
	fprintf(f, "    drain_timeout: %s\n", one_of("0", "10s", "10s"));
	fprintf(f, "    hash: %s\n    backends:\n", one_of("connection", "connection", "source"));
	for (unsigned i = 0; i < 6; i++) {
		if (draw(4) == 0 && (i < 5 || n))
			continue;
		fprintf(f, "      b%u: {address: \"10.0.0.%u:%u\", weight: %s, backup: %s}\n", i,
			draw(8) ? 1 : 2, i + 1, one_of("1", "1", "1", "2", "5", "0"),
			draw(8) ? "false" : "true");
		n++;
	}
}

static char *random_file(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "seed: %s\n%s", one_of("1", "1", "1", "1", "1", "2"), HEAD);
	put_service(f, "web", 80);
	if (draw(3))
		put_service(f, "cache", 81);
	fclose(f);
	return text;
}

static void health_says(struct live_service *s, size_t i, bool good, nsec_t now)
{
	health_on_result(&s->backends[i].health, good, good ? VERDICT_UP : VERDICT_DOWN, 1, now, 1,
			 "refused");
	live_backends_tell_pool(s->backends, &s->pool);
}

static void disturb(struct daemon *d)
{
	struct live_service *s = d->services[draw((uint32_t)d->n_services)];
	size_t i = draw((uint32_t)s->n_backends);
	char name[NAME_LENGTH_MAX + 1];
	char *error = NULL;

	snprintf(name, sizeof(name), "%s", s->backends[i].config.name);
	switch (draw(7)) {
	case 0:
	case 1:
		if (s->check.kind != CHECK_NONE)
			health_says(s, i, draw(3) == 0, d->now);
		daemon_update_pool(d, s);
		break;
	case 2:
		daemon_set_admin(d, s->service->name, name, draw(3), 0, &error);
		break;
	case 3:
		daemon_set_weight(d, s->service->name, name, draw(6), &error);
		break;
	case 4:
		daemon_remove_backend(d, s->service->name, name, &error);
		break;
	case 5:
		daemon_add_backend(d, s->service->name, one_of("b1", "b4", "n1"), "10.0.0.7:1",
				   1 + draw(5), draw(2), &error);
		break;
	case 6:
		d->now += draw(90) * NSEC_PER_SEC;
		daemon_on_time(d);
		break;
	}
	free(error);
}

/* Connections, of numbers that tell backends apart in a sum. */
static void connect_clients(struct daemon *d)
{
	for (size_t i = 0; i < d->n_services; i++)
		for (size_t j = 0; j < d->services[i]->n_backends; j++) {
			struct backend *b = d->services[i]->backends[j].backend;

			atomic_store(&b->counters[0].active, 1u << j);
			atomic_store(&b->counters[1].active, 1000);
		}
}

static void assert_same_changes(const struct setting_changes *a, const struct setting_changes *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_string_equal(a->items[i].key, b->items[i].key);
}

static void assert_same_plan(const struct plan *a, const struct plan *b)
{
	assert_memory_equal(&a->totals, &b->totals, sizeof(a->totals));
	assert_same_changes(&a->settings, &b->settings);
	assert_int_equal(a->n_services, b->n_services);
	for (size_t i = 0; i < a->n_services; i++) {
		const struct plan_service *x = &a->services[i], *y = &b->services[i];

		assert_string_equal(x->name, y->name);
		assert_int_equal(x->kind, y->kind);
		assert_same_changes(&x->settings, &y->settings);
		assert_int_equal(x->n_backends_changed, y->n_backends_changed);
		assert_int_equal(x->at_once, y->at_once);
		assert_int_equal(x->moved, y->moved);
		assert_int_equal(x->finishing, y->finishing);
		assert_int_equal(x->reset, y->reset);
		assert_int_equal(x->deadlined, y->deadlined);
	}
}

/* What a service was before the reload. */
struct before {
	char name[NAME_LENGTH_MAX + 1];
	struct owners owners;
	uint64_t n_slots_moved;
};

/* The service after the reload against what the plan had said. */
static void compare(struct daemon *d, const struct before *before, const struct plan *p)
{
	struct live_service *s = daemon_find_service(d, before->name);
	const struct plan_service *said = service_of(p, before->name);

	if (!s) {
		assert_int_equal(said->kind, PLAN_REMOVED);
		return;
	}
	assert_int_equal(count_moved(&before->owners, s), said ? said->at_once : 0);
	assert_int_equal(s->pool.n_slots_moved - before->n_slots_moved, said ? said->at_once : 0);
	for (size_t i = 0; said && i < said->n_backends_changed; i++) {
		const struct plan_backend *b = &said->backends[i];
		const struct live_backend *live = live_service_find_backend(s, b->config.name);

		assert_int_equal(live == NULL, b->kind == PLAN_REMOVED);
		if (live)
			assert_true(backend_config_equal(&live->config, &b->config));
		if (live && (b->kind == PLAN_ADDED || b->finishing))
			new_passes_its_check(s, b->config.name, d->now);
	}
	/* Only new backends are awaited: what the last one waited for is still out. */
	if (!said)
		return;
	daemon_update_pool(d, s);
	if (said->has_table) {
		assert_int_equal(count_moved(&before->owners, s), said->moved);
		assert_true(said->moved >= said->minimum);
		if (!said->redrawn && before->owners.size == said->size)
			assert_true(said->redirected == (double)said->moved / (double)said->size);
	}
}

static void sum_touched(const struct plan *p, uint64_t *ret_reset, uint64_t *ret_deadlined)
{
	*ret_reset = *ret_deadlined = 0;
	for (size_t i = 0; i < p->n_services; i++) {
		*ret_reset += p->services[i].reset;
		*ret_deadlined += p->services[i].deadlined;
	}
}

/* Connections of backends that were given a deadline just now. */
static uint64_t count_deadlined(const struct daemon *d)
{
	uint64_t n = 0;

	for (size_t i = 0; i < d->n_services; i++)
		for (size_t j = 0; j < d->services[i]->n_backends; j++) {
			const struct live_service *s = d->services[i];
			struct backend_counters sum;

			if (s->backends[j].down_deadline != d->now + s->settings.drain_timeout)
				continue;
			backend_sum(s->backends[j].backend, &sum);
			n += counter_read(sum.active);
		}
	return n;
}

/* That there was something to compare. */
static struct {
	uint64_t reset, deadlined;
} met;

static void one_change(struct daemon *d, const char *text)
{
	_cleanup_(plan_freep) struct plan *p = NULL, *again = NULL, *done = NULL;
	struct before before[4] = {};
	uint64_t reset, deadlined;
	size_t n = d->n_services;

	/* So that a deadline tells when it was made; and what is due by time is done. */
	d->now += NSEC_PER_SEC;
	daemon_on_time(d);
	connect_clients(d);
	for (size_t i = 0; i < n; i++) {
		const struct live_service *s = d->services[i];

		strcpy(before[i].name, s->service->name);
		before[i].owners = owners_of(s);
		before[i].n_slots_moved = s->pool.n_slots_moved;
	}
	p = plan(d, text);
	again = plan(d, text); /* the first has changed nothing */
	assert_same_plan(p, again);
	heard.reset = 0;
	done = reload(d, text);
	assert_same_plan(p, done);
	sum_touched(p, &reset, &deadlined);
	assert_int_equal(heard.reset, reset);
	assert_int_equal(count_deadlined(d), deadlined);
	met.reset += reset;
	met.deadlined += deadlined;
	for (size_t i = 0; i < n; i++) {
		compare(d, &before[i], p);
		free(before[i].owners.names);
	}
}

static void any_file_any_state(void **state)
{
	uint64_t seed = (uint64_t)time(NULL);

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	random_state = seed;
	for (int round = 0; round < 300; round++) {
		_cleanup_(freep) char *first = random_file();
		struct daemon d;

		begin(&d, first);
		for (int step = 0; step < 6; step++) {
			char *text = random_file();

			for (uint32_t n = draw(8); n > 0; n--)
				disturb(&d);
			one_change(&d, text);
			free(text);
		}
		end(&d);
	}
	assert_true(met.reset > 0);
	assert_true(met.deadlined > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_file_any_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
