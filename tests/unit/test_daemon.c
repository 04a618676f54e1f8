// SPDX-License-Identifier: BSD-2-Clause
/*
 * The daemon's decisions: requests that are done as a whole or not at all. The linker wraps what
 * allocates, so that the n-th allocation fails, for each n until none does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_web.h"

#include "test.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size)
{
	return memory_granted() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return memory_granted() ? __real_calloc(n, size) : NULL;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return memory_granted() ? __real_aligned_alloc(alignment, size) : NULL;
}

char *__wrap_strdup(const char *s)
{
	return memory_granted() ? __real_strdup(s) : NULL;
}

/* What of a daemon a failed request may not change. */
struct print {
	struct config *config;
	struct live_service **services;
	struct snapshot *snapshot;
	struct pool_table *table;
	size_t n_services, n_backends, n_targets, n_left;
	uint32_t weight;
	int listening, sockets;
};

static struct print print_of(const struct daemon *d)
{
	const struct live_service *web = daemon_find_service(d, "web");
	struct print p;

	memset(&p, 0, sizeof(p)); /* compared by bytes */
	p.config = d->config;
	p.services = d->services;
	p.snapshot = d->snapshot;
	p.table = web->pool.table;
	p.n_services = d->n_services;
	p.n_backends = web->n_backends;
	p.n_targets = d->n_targets;
	p.n_left = heard.n_left;
	p.weight = web->pool.members[0].weight;
	p.listening = heard.listening;
	p.sockets = heard.sockets;
	return p;
}

static void all_or_nothing(void **state)
{
	int (*const requests[])(struct daemon * d) = {reload, add, take_out, weigh};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		size_t n_refused = 0;

		for (size_t n = 0, left = 0; left == 0; n++) {
			struct print before, after;
			struct daemon d;
			int r;

			begin(&d, simple);
			before = print_of(&d);
			allocations_left = n;
			r = requests[i](&d);
			left = allocations_left;
			allocations_left = SIZE_MAX;
			after = print_of(&d);
			if (r < 0) {
				assert_int_equal(r, -ENOMEM);
				assert_memory_equal(&before, &after, sizeof(before));
				n_refused++;
			}
			settle(&d);
			end(&d);
		}
		assert_true(n_refused > 3);
	}
}

static void a_port_in_use_changes_nothing(void **state)
{
	struct print before, after;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	before = print_of(&d);
	heard.listen_result = -EADDRINUSE;
	assert_int_equal(reload(&d), -EADDRINUSE);
	after = print_of(&d);
	assert_memory_equal(&before, &after, sizeof(before));
	settle(&d);
	end(&d);
}

static void a_reload_opens_what_is_new_and_closes_what_is_gone(void **state)
{
	struct daemon d;

	(void)state;
	begin(&d, simple);
	assert_int_equal(heard.listening, 2 * N_WORKERS);
	assert_int_equal(reload(&d), 0);
	settle(&d);
	assert_int_equal(heard.listening, 3 * N_WORKERS);
	assert_true(was_left("b", END_NONE)); /* at its old address */
	assert_true(was_left("c", END_NONE));
	assert_false(was_left("a", END_NONE));
	end(&d);
}

/* Where the route of the present snapshot's service "front" leads. */
static const char *where_front_leads(const struct daemon *d)
{
	const struct snapshot *s = d->snapshot;
	struct client_hello hello = {.has_sni = true, .sni = "a.test"};

	for (size_t i = 0; i < s->n_services; i++) {
		const struct snapshot_service *front = &s->services[i];
		uint32_t route;

		if (strcmp(front->service->name, "front") != 0)
			continue;
		assert_int_equal(front->n_backends, 0);
		assert_int_equal(front->table->n_eligible, 0);
		route = tls_routes_find(front->tls_routes, &hello);
		return s->services[tls_routes_target(front->tls_routes, route)].service->name;
	}
	return NULL;
}

/* A service of routes alone, and one without an address; the file's order makes no difference. */
static void routes_follow_their_service(void **state)
{
	static const char *const files[] = {
		HEAD "  front: {listen: \":443\", tls_routes: [{sni: a.test, service: web}]}\n"
		     "  web: {backends: {a: \"10.0.0.1:1\"}}\n",
		HEAD "  other: {listen: \":80\", backends: {a: \"10.0.0.1:1\"}}\n"
		     "  web: {backends: {a: \"10.0.0.1:1\"}}\n"
		     "  front: {listen: \":443\", tls_routes: [{sni: a.test, service: web}]}\n",
		HEAD "  web: {backends: {a: \"10.0.0.1:1\"}}\n"
		     "  front: {listen: \":443\", tls_routes: [{sni: a.test, service: other}]}\n"
		     "  other: {listen: \":81\", tls_routes: [{sni: a.test, service: web}]}\n",
	};
	struct config_errors errors;
	struct config *refused;
	struct daemon d;

	(void)state;
	begin(&d, files[0]);
	assert_string_equal(where_front_leads(&d), "web");
	assert_false(daemon_find_service(&d, "front")->deserted_told);
	assert_int_equal(apply(&d, parse(files[1])), 0);
	assert_string_equal(where_front_leads(&d), "web");
	/* No chains: the file is refused and what runs goes on. */
	assert_int_equal(config_parse(files[2], strlen(files[2]), &refused, &errors), -EINVAL);
	config_errors_deinit(&errors);
	assert_string_equal(where_front_leads(&d), "web");
	settle(&d);
	end(&d);
}

/* Its sockets stay open, and clients on their way never notice. */
static void an_address_moves_to_another_service(void **state)
{
	static const char moved[] =
		HEAD "  web: {listen: \":80\", backends: {a: \"10.0.0.1:1\"}}\n"
		     "  new: {listen: \":81\", backends: {a: \"10.0.0.1:1\"}}\n";
	static const char alone[] = HEAD "  web: {listen: [\":80\", \":81\"],"
					 " backends: {a: \"10.0.0.1:1\"}}\n";
	struct daemon d;

	(void)state;
	begin(&d, simple);
	heard.listen_result = -EADDRINUSE; /* none is opened */
	assert_int_equal(apply(&d, parse(moved)), 0);
	assert_int_equal(heard.moved, N_WORKERS);
	assert_string_equal(heard.moved_to, "new");
	heard.n_left = 0;
	assert_int_equal(apply(&d, parse(alone)), 0);
	assert_int_equal(heard.n_left, 0); /* connects of "new" go on */
	assert_int_equal(heard.moved, 2 * N_WORKERS);
	assert_string_equal(heard.moved_to, "web");
	assert_int_equal(heard.listening, 2 * N_WORKERS);
	settle(&d);
	end(&d);
}

static void no_reload_while_stopping(void **state)
{
	struct plan *done = NULL;
	struct config_errors errors = {};
	struct daemon d;
	char *error = NULL;

	(void)state;
	begin(&d, simple);
	d.config_path = (char *)other;
	daemon_stop(&d, NSEC_PER_SEC);
	assert_int_equal(daemon_reload(&d, true, &done, &errors, &error), -ESHUTDOWN);
	assert_non_null(error);
	assert_int_equal(heard.listening, 2 * N_WORKERS);
	free(error);
	config_errors_deinit(&errors);
	end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(a_port_in_use_changes_nothing),
		cmocka_unit_test(a_reload_opens_what_is_new_and_closes_what_is_gone),
		cmocka_unit_test(routes_follow_their_service),
		cmocka_unit_test(an_address_moves_to_another_service),
		cmocka_unit_test(no_reload_while_stopping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
