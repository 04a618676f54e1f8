// SPDX-License-Identifier: BSD-2-Clause
/*
 * The daemon's decisions, before workers, a checker and sockets that only remember what they were
 * told. The linker wraps what allocates, so that the n-th allocation fails, for each n until none
 * does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "checker.h"
#include "cleanup.h"
#include "config_file.h"
#include "daemon_private.h"
#include "plan.h"
#include "socket.h"
#include "worker.h"

#include "test.h"

static size_t allocations_left = SIZE_MAX;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *s);

static bool grant(void)
{
	if (allocations_left == 0)
		return false;
	allocations_left -= allocations_left != SIZE_MAX;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return grant() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return grant() ? __real_calloc(n, size) : NULL;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return grant() ? __real_aligned_alloc(alignment, size) : NULL;
}

char *__wrap_strdup(const char *s)
{
	return grant() ? __real_strdup(s) : NULL;
}

/* --- Those who are told --- */

#define N_WORKERS 2
#define LEFT_MAX  64

static struct {
	struct snapshot *obeyed[N_WORKERS];
	int listening; /* sockets given and not taken back, of all workers */
	int sockets;   /* opened and neither given nor closed */
	int listen_result;
	int moved; /* listeners to another service, all workers told */
	char moved_to[NAME_LENGTH_MAX + 1];
	size_t n_targets;
	struct left {
		char name[NAME_LENGTH_MAX + 1];
		uint16_t port;
		enum end_reason reason;
	} left[LEFT_MAX]; /* what the first worker was told */
	size_t n_left;
	struct worker_counters counters[N_WORKERS];
	unsigned n_seen; /* times that they were looked at */
	uint64_t asked[N_WORKERS];
	bool stuck[N_WORKERS]; /* does not answer */
} heard;

static unsigned index_of(const struct worker *w)
{
	return (unsigned)((uintptr_t)w - 1);
}

int worker_publish(struct worker *w, struct snapshot *snapshot)
{
	if (!grant())
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->n_services; i++)
		assert_int_equal(snapshot->services[i].table->n_members,
				 snapshot->services[i].n_backends);
	snapshot_unref(heard.obeyed[index_of(w)]);
	heard.obeyed[index_of(w)] = snapshot;
	return 0;
}

int worker_listen(struct worker *w, uint64_t id, struct service *service,
		  const struct address *address, int fd)
{
	(void)w, (void)id, (void)service, (void)address, (void)fd;
	if (!grant())
		return -ENOMEM;
	heard.listening++;
	heard.sockets--;
	return 0;
}

int worker_unlisten(struct worker *w, uint64_t id)
{
	(void)w, (void)id;
	heard.listening--;
	return 0;
}

int worker_move_listener(struct worker *w, uint64_t id, struct service *service)
{
	(void)w, (void)id;
	if (!grant())
		return -ENOMEM;
	heard.moved++;
	strcpy(heard.moved_to, service->name);
	return 0;
}

int worker_leave_backend(struct worker *w, struct backend *backend, enum end_reason reason)
{
	struct left *left = &heard.left[heard.n_left];

	if (index_of(w) != 0)
		return 0;
	assert_true(heard.n_left++ < LEFT_MAX);
	*left = (struct left){.port = backend->address.port, .reason = reason};
	strcpy(left->name, backend->name);
	return 0;
}

int worker_stop(struct worker *w)
{
	(void)w;
	return 0;
}

const struct worker_counters *worker_counters(const struct worker *w)
{
	return &heard.counters[index_of(w)];
}

void worker_trouble_seen(struct worker *w)
{
	(void)w;
	heard.n_seen++;
}

int worker_ask(struct worker *w, uint64_t question)
{
	heard.asked[index_of(w)] = question;
	return 0;
}

uint64_t worker_answer(const struct worker *w)
{
	return heard.asked[index_of(w)] - heard.stuck[index_of(w)];
}

int checker_ask(struct checker *c, uint64_t question)
{
	(void)c, (void)question;
	return 0;
}

uint64_t checker_answer(const struct checker *c)
{
	(void)c;
	return UINT64_MAX;
}

int workers_list(struct worker *const *workers, unsigned n_workers, struct service *service,
		 size_t n_max, struct connection_info **ret, size_t *ret_n)
{
	(void)workers, (void)n_workers, (void)service, (void)n_max, (void)ret, (void)ret_n;
	return -ENOMEM;
}

int checker_set_targets(struct checker *c, const struct check_target *targets, size_t n)
{
	(void)c, (void)targets;
	if (!grant())
		return -ENOMEM;
	heard.n_targets = n;
	return 0;
}

int checker_suspect(struct checker *c, uint64_t id)
{
	(void)c, (void)id;
	return 0;
}

int socket_claim(const struct address *address)
{
	(void)address;
	return 0;
}

int socket_listen(const struct address *address, int *ret_fd)
{
	(void)address;
	if (heard.listen_result < 0)
		return heard.listen_result;
	*ret_fd = 1000 + heard.sockets++;
	return 0;
}

int socket_new(const struct address *address, int *ret_fd)
{
	(void)address;
	*ret_fd = -1;
	return 0;
}

int socket_bind_source(int fd, const struct address *source, bool foreign)
{
	(void)fd;
	(void)source;
	(void)foreign;
	return 0;
}

void socket_close(int fd)
{
	heard.sockets -= fd >= 0;
}

int config_file_read(const char *path, struct config **ret, struct config_errors *ret_errors)
{
	return config_parse(path, strlen(path), ret, ret_errors); /* the path is the text */
}

/* --- A daemon --- */

#define HEAD "log: {level: error}\nservices:\n"
#define WEB                                                                                        \
	"  web:\n"                                                                                 \
	"    listen: [\":80\", \":81\"]\n"                                                         \
	"    check: {tcp: true}\n"                                                                 \
	"    on_down: drain\n"                                                                     \
	"    drain_timeout: 10s\n"                                                                 \
	"    table_size: 251\n"
#define BACKENDS                                                                                   \
	"    backends:\n"                                                                          \
	"      a: \"10.0.0.1:1\"\n"                                                                \
	"      b: \"10.0.0.1:2\"\n"                                                                \
	"      c: \"10.0.0.1:3\"\n"

static const char simple[] = HEAD WEB BACKENDS;

/* A listen address goes and one comes, a backend comes, one goes, one moves; and a service. */
static const char other[] = HEAD "  web:\n"
				 "    listen: [\":81\", \":82\"]\n"
				 "    check: {tcp: true}\n"
				 "    table_size: 1021\n"
				 "    backends:\n"
				 "      a: {address: \"10.0.0.1:1\", weight: 3}\n"
				 "      b: \"10.0.0.1:12\"\n"
				 "      d: \"10.0.0.1:4\"\n"
				 "  cache:\n"
				 "    listen: \":90\"\n"
				 "    table_size: 251\n"
				 "    backends: {e: \"10.0.0.1:5\"}\n";

static struct config *parse(const char *text)
{
	struct config_errors errors;
	struct config *config;
	int r = config_parse(text, strlen(text), &config, &errors);

	if (r < 0)
		fail_msg("%u: %s", errors.errors[0].line, errors.errors[0].message);
	config_errors_deinit(&errors);
	return config;
}

static int apply(struct daemon *d, struct config *config)
{
	char *error = NULL;
	int r = daemon_apply(d, config, NULL, &error);

	free(error);
	return r;
}

static void begin(struct daemon *d, const char *text)
{
	static struct worker *workers[N_WORKERS] = {(struct worker *)1, (struct worker *)2};

	memset(&heard, 0, sizeof(heard));
	*d = (struct daemon){
		.n_workers = N_WORKERS,
		.workers = workers,
		.now = 1000 * NSEC_PER_SEC,
		.stop_deadline = NSEC_NEVER,
	};
	assert_int_equal(mailbox_init(&d->reports, 100), 0);
	assert_int_equal(apply(d, parse(text)), 0);
}

static void end(struct daemon *d)
{
	for (size_t i = 0; i < d->n_services; i++)
		live_service_free(d->services[i], d->n_workers);
	for (unsigned i = 0; i < N_WORKERS; i++)
		snapshot_unref(heard.obeyed[i]);
	snapshot_unref(d->snapshot);
	mailbox_deinit(&d->reports);
	config_free(d->config);
	free(d->services);
	free(d->targets);
	free(d->reload_error);
	events_deinit(&d->events);
	assert_int_equal(heard.sockets, 0);
}

static struct live_backend *backend_of(struct daemon *d, const char *name)
{
	struct live_backend *b = live_service_find_backend(daemon_find_service(d, "web"), name);

	assert_non_null(b);
	return b;
}

static void free_report(struct message *m)
{
	free(container_of(m, struct check_report, report.message));
}

static void check_says(struct daemon *d, const char *name, bool ok)
{
	struct check_report *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	*c = (struct check_report){
		.report = {.message.free = free_report, .kind = REPORT_CHECK},
		.id = backend_of(d, name)->target_id,
		.ok = ok,
		.verdict = ok ? VERDICT_UP : VERDICT_DOWN,
		.at = d->now,
		.error = "refused",
	};
	assert_int_equal(mailbox_post(&d->reports, &c->report.message), 0);
	daemon_take_reports(d);
}

static void pass(struct daemon *d, nsec_t time)
{
	d->now += time;
	daemon_on_time(d);
}

static bool was_left(const char *name, enum end_reason reason)
{
	for (size_t i = 0; i < heard.n_left; i++)
		if (!strcmp(heard.left[i].name, name) && heard.left[i].reason == reason)
			return true;
	return false;
}

/* --- All or nothing --- */

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

/* Everybody obeys what main has, once there is memory again. */
static void settle(struct daemon *d)
{
	if (d->publish_wanted)
		daemon_publish(d);
	if (d->targets_wanted)
		daemon_set_targets(d);
	for (unsigned i = 0; i < N_WORKERS; i++)
		assert_ptr_equal(heard.obeyed[i], d->snapshot);
	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];
		const struct snapshot_service *view = snapshot_find(d->snapshot, s->service);

		assert_non_null(view);
		assert_ptr_equal(view->table, s->pool.table);
		assert_int_equal(view->n_backends, s->n_backends);
		for (size_t j = 0; j < s->n_backends; j++)
			assert_ptr_equal(view->backends[j], s->backends[j].backend);
	}
	assert_int_equal(heard.n_targets, d->n_targets);
	for (size_t i = 0; i < d->n_targets; i++)
		assert_ptr_equal(daemon_find_service(d, d->targets[i].service->service->name),
				 d->targets[i].service);
}

static int reload(struct daemon *d)
{
	size_t left = allocations_left;
	struct config *config;
	int r;

	allocations_left = SIZE_MAX;
	config = parse(other);
	allocations_left = left;
	r = apply(d, config);
	if (r < 0)
		config_free(config);
	return r;
}

static int add(struct daemon *d)
{
	char *error = NULL;
	int r = daemon_add_backend(d, "web", "new", "10.0.0.1:9", 1, false, &error);

	free(error);
	return r;
}

static int take_out(struct daemon *d)
{
	char *error = NULL;
	int r = daemon_remove_backend(d, "web", "a", &error);

	free(error);
	return r;
}

static int weigh(struct daemon *d)
{
	char *error = NULL;
	int r = daemon_set_weight(d, "web", "a", 7, &error);

	free(error);
	return r;
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

/* --- The deadlines of a drain --- */

static void drain(struct daemon *d, const char *name, enum admin_state state, nsec_t timeout)
{
	char *error = NULL;

	assert_int_equal(daemon_set_admin(d, "web", name, state, timeout, &error), 0);
}

static void on_down_drain_ends_in_time(void **state)
{
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	assert_true(was_left("a", END_NONE));
	pass(&d, 9 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	pass(&d, NSEC_PER_SEC);
	assert_true(was_left("a", END_DRAIN_TIMEOUT));
	end(&d);
}

static void recovery_cancels_on_down_and_no_operators_drain(void **state)
{
	struct daemon d;

	(void)state;
	begin(&d, simple);
	drain(&d, "b", ADMIN_DRAINING, 30 * NSEC_PER_SEC);
	check_says(&d, "a", false);
	check_says(&d, "b", false);
	pass(&d, 5 * NSEC_PER_SEC);
	check_says(&d, "a", true);
	check_says(&d, "b", true);
	pass(&d, 20 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	assert_false(was_left("b", END_DRAIN_TIMEOUT));
	pass(&d, 5 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	assert_true(was_left("b", END_DRAIN_TIMEOUT));
	end(&d);
}

/* Its connections hang on a dead server, whatever becomes of the operator's drain. */
static void ending_a_drain_does_not_forget_the_dead(void **state)
{
	struct daemon d;

	(void)state;
	begin(&d, simple);
	drain(&d, "a", ADMIN_DRAINING, 60 * NSEC_PER_SEC);
	check_says(&d, "a", false);
	drain(&d, "a", ADMIN_ENABLED, 0);
	pass(&d, 10 * NSEC_PER_SEC);
	assert_true(was_left("a", END_DRAIN_TIMEOUT));
	end(&d);
}

/* A dead backend comes back under another address: nothing of the old deadline is its. */
static void another_address_is_not_drained(void **state)
{
	static const char moved[] = HEAD WEB "    backends:\n"
					     "      a: \"10.0.0.1:11\"\n"
					     "      b: \"10.0.0.1:2\"\n"
					     "      c: \"10.0.0.1:3\"\n";
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	assert_int_equal(apply(&d, parse(moved)), 0);
	check_says(&d, "a", true);
	pass(&d, 20 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	end(&d);
}

/* Nor does `on_down: keep`, once it holds, cut what `drain` would have. */
static void on_down_changed_by_reload(void **state)
{
	static const char kept[] = HEAD "  web:\n"
					"    listen: [\":80\", \":81\"]\n"
					"    check: {tcp: true}\n"
					"    on_down: keep\n"
					"    table_size: 251\n" BACKENDS;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	assert_int_equal(apply(&d, parse(kept)), 0);
	pass(&d, 20 * NSEC_PER_SEC);
	assert_false(was_left("a", END_DRAIN_TIMEOUT));
	end(&d);
}

/* --- What a reload keeps --- */

static void states_stay_by_name(void **state)
{
	struct live_service *web;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	drain(&d, "a", ADMIN_DISABLED, 0);
	assert_int_equal(heard.n_targets, 2);
	check_says(&d, "b", false);
	assert_int_equal(reload(&d), 0);
	web = daemon_find_service(&d, "web");
	assert_int_equal(pool_find(&web->pool, "a")->admin, ADMIN_DISABLED);
	assert_true(backend_of(&d, "d")->health.failed); /* nobody has seen it up */
	assert_int_equal(heard.n_targets, 2);		 /* b and d */
	check_says(&d, "d", true);
	assert_true(pool_find(&web->pool, "d")->eligible);
	end(&d);
}

/* A check that is taken away no longer holds a backend down, though its pool stays as it is. */
static void the_check_is_taken_away(void **state)
{
	static const char unchecked[] = HEAD "  web:\n"
					     "    listen: [\":80\", \":81\"]\n"
					     "    table_size: 251\n" BACKENDS;
	struct live_service *web;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	web = daemon_find_service(&d, "web");
	assert_false(pool_find(&web->pool, "a")->eligible);
	assert_int_equal(apply(&d, parse(unchecked)), 0);
	web = daemon_find_service(&d, "web");
	assert_true(pool_find(&web->pool, "a")->eligible);
	settle(&d);
	assert_int_equal(heard.n_targets, 0);
	end(&d);
}

/* --- What is told --- */

/* The kinds of the events after *after, which goes on: "backend-ejected a, slots-moved". */
static const char *news(const struct daemon *d, uint64_t *after)
{
	static char text[1024];
	const struct event *e;

	text[0] = '\0';
	for (; (e = events_next(&d->events, *after)); *after = e->id)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s%s",
			 text[0] ? ", " : "", event_kinds[e->kind].name, e->backend ? " " : "",
			 e->backend ? e->backend : "");
	return text;
}

static void failures_and_the_brake_are_told(void **state)
{
	static const char third[] = HEAD WEB "    max_eject: 33%\n" BACKENDS;
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, third);
	assert_string_equal(news(&d, &after), "");
	check_says(&d, "a", false);
	assert_string_equal(events_next(&d.events, 0)->text,
			    "service web: backend a is down: check: refused");
	assert_string_equal(news(&d, &after), "backend-ejected a, slots-moved");
	/* One of three is what max_eject allows. */
	check_says(&d, "b", false);
	assert_string_equal(news(&d, &after), "backend-braked b, brake-on");
	check_says(&d, "b", false);
	assert_string_equal(news(&d, &after), "");
	/* It takes the place that a has left. */
	d.now += 5 * NSEC_PER_SEC;
	check_says(&d, "a", true);
	assert_int_equal(events_next(&d.events, after)->values[0].number, 5000);
	assert_string_equal(news(&d, &after), "backend-back a, backend-ejected b, brake-off, "
					      "slots-moved");
	d.now += 2 * NSEC_PER_SEC;
	check_says(&d, "b", true);
	assert_int_equal(events_next(&d.events, after)->values[0].number, 7000); /* ever since */
	assert_string_equal(news(&d, &after), "backend-back b, slots-moved");
	end(&d);
}

static void deserted_services_are_told(void **state)
{
	static const char closed[] = HEAD WEB "    max_eject: 100%\n    fail: closed\n" BACKENDS;
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, closed);
	check_says(&d, "a", false);
	check_says(&d, "b", false);
	news(&d, &after);
	check_says(&d, "c", false);
	assert_string_equal(news(&d, &after), "backend-ejected c, service-deserted, slots-moved");
	check_says(&d, "a", true);
	assert_non_null(strstr(news(&d, &after), "backend-back a, service-serves, "));
	end(&d);
}

static void drains_are_told(void **state)
{
	struct backend_counters *c;
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	c = backend_of(&d, "a")->backend->counters;
	counter_add(c[1].active, 1);
	drain(&d, "a", ADMIN_DRAINING, 60 * NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "drain-begun a, slots-moved");
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "");
	counter_add(c[1].active, -1);
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "drain-finished a");
	assert_int_equal(backend_of(&d, "a")->drain_look, NSEC_NEVER); /* main sleeps again */
	drain(&d, "a", ADMIN_ENABLED, 0);
	assert_string_equal(news(&d, &after), "backend-enabled a, slots-moved");
	/* One that is ended before is not finished; and one that takes too long. */
	counter_add(c[0].active, 2);
	drain(&d, "a", ADMIN_DRAINING, 60 * NSEC_PER_SEC);
	drain(&d, "a", ADMIN_ENABLED, 0);
	drain(&d, "b", ADMIN_DRAINING, 0);
	news(&d, &after);
	counter_add(c[0].active, -2);
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "drain-finished b");
	counter_add(c[0].active, 2);
	drain(&d, "a", ADMIN_DRAINING, NSEC_PER_SEC);
	news(&d, &after);
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "drain-timeout a");
	counter_add(c[0].active, -2);
	pass(&d, NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "drain-finished a");
	drain(&d, "a", ADMIN_DISABLED, 0);
	assert_string_equal(news(&d, &after), "backend-disabled a");
	end(&d);
}

static void changes_are_told(void **state)
{
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	assert_int_equal(add(&d), 0);
	assert_non_null(strstr(news(&d, &after), "backend-added new"));
	/* It is no news that it is down until it has answered. */
	check_says(&d, "new", true);
	assert_non_null(strstr(news(&d, &after), "backend-back new"));
	assert_int_equal(weigh(&d), 0);
	assert_string_equal(news(&d, &after), "slots-moved, backend-weight a");
	assert_int_equal(take_out(&d), 0);
	assert_string_equal(news(&d, &after), "slots-moved, backend-removed a");
	/* "a" is back in the file, "b" elsewhere, "c" and "new" are gone. */
	assert_int_equal(reload(&d), 0);
	assert_string_equal(news(&d, &after),
			    "backend-added a, backend-address b, backend-added d, "
			    "backend-removed c, backend-removed new, service-added, "
			    /* of those that have not answered yet more than max_eject allows */
			    "backend-braked d, brake-on");
	assert_int_equal(apply(&d, parse(simple)), 0);
	assert_string_equal(news(&d, &after),
			    "service-removed, backend-weight a, backend-address b, "
			    "backend-added c, backend-removed d, backend-braked c");
	end(&d);
}

static void trouble_is_told_once_in_a_while(void **state)
{
	uint64_t after = 0;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	pass(&d, NSEC_PER_SEC);
	assert_int_equal(heard.n_seen, 0);
	counter_add(heard.counters[0].accept_pauses, 2);
	counter_add(heard.counters[1].lines_dropped, 7);
	daemon_on_trouble(&d);
	pass(&d, 0);
	assert_int_equal(heard.n_seen, N_WORKERS);
	assert_string_equal(news(&d, &after), "accept-paused, lines-dropped");
	/* More of it waits; then one line says how much. */
	counter_add(heard.counters[1].accept_pauses, 1);
	counter_add(heard.counters[1].accept_shortages, 1);
	daemon_on_trouble(&d);
	pass(&d, 29 * NSEC_PER_SEC);
	assert_string_equal(news(&d, &after), "");
	assert_true(d.deadline <= d.now + NSEC_PER_SEC);
	counter_add(heard.counters[0].accept_pauses, 4);
	pass(&d, NSEC_PER_SEC);
	assert_int_equal(events_next(&d.events, after)->values[0].number, 5);
	assert_string_equal(news(&d, &after), "accept-paused");
	pass(&d, 100 * NSEC_PER_SEC);
	assert_int_equal(heard.n_seen, 2 * N_WORKERS);
	end(&d);
}

/* --- The service manager --- */

static int listen_as_manager(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(sa.sun_path + 1, name + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	return fd;
}

/* The next that the manager was told; "" when there is nothing. */
static const char *told(int fd)
{
	static char text[512];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* To the next deadline of the supervision. */
static void supervise(struct daemon *d)
{
	assert_true(supervision_deadline(d) != NSEC_NEVER);
	d->now = supervision_deadline(d);
	supervision_run(d);
}

static int begin_supervised(struct daemon *d)
{
	char name[64];
	int fd;

	begin(d, simple);
	snprintf(name, sizeof(name), "@lb4-test-daemon-%d", getpid());
	fd = listen_as_manager(name);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "4000000", 1);
	supervision_init(&d->supervision);
	assert_null(getenv("NOTIFY_SOCKET")); /* nobody that lb4 starts is meant */
	assert_null(getenv("WATCHDOG_USEC"));
	supervision_ready(d);
	assert_string_equal(told(fd), "READY=1\nSTATUS=services 1 of 1 up, backends 3 of 3 up");
	return fd;
}

static void end_supervised(struct daemon *d, int fd)
{
	supervision_deinit(&d->supervision);
	assert_string_equal(told(fd), "");
	close(fd);
	end(d);
}

static void a_stuck_worker_ends_the_signs_of_life(void **state)
{
	uint64_t after = 0;
	struct daemon d;
	int fd;

	(void)state;
	fd = begin_supervised(&d);
	supervise(&d); /* asks for the first time */
	for (int i = 0; i < 5; i++) {
		assert_string_equal(told(fd), "");
		supervise(&d);
		assert_string_equal(told(fd), "WATCHDOG=1");
	}
	heard.stuck[1] = true;
	for (int i = 0; i < 10; i++)
		supervise(&d);
	assert_string_equal(told(fd), "");
	assert_string_equal(events_next(&d.events, 0)->text, "worker 1 does not answer");
	assert_string_equal(news(&d, &after), "thread-stuck");
	heard.stuck[1] = false;
	supervise(&d);
	assert_string_equal(told(fd), "WATCHDOG=1");
	assert_string_equal(news(&d, &after), "thread-back");
	end_supervised(&d, fd);
}

static void the_status_follows(void **state)
{
	struct daemon d;
	int fd;

	(void)state;
	fd = begin_supervised(&d);
	d.supervision.watchdog.period = 0; /* not of interest */
	assert_int_equal(supervision_deadline(&d), NSEC_NEVER);
	check_says(&d, "a", false);
	check_says(&d, "b", false);
	supervision_run(&d);
	assert_string_equal(told(fd), ""); /* not more than once a second */
	supervise(&d);
	assert_string_equal(told(fd), "STATUS=services 1 of 1 up, backends 1 of 3 up");
	assert_int_equal(supervision_deadline(&d), NSEC_NEVER);
	drain(&d, "c", ADMIN_DISABLED, 0);
	supervise(&d);
	assert_string_equal(told(fd), ""); /* it says the same */
	end_supervised(&d, fd);
}

static void a_stop_asks_for_time(void **state)
{
	struct daemon d;
	int fd;

	(void)state;
	fd = begin_supervised(&d);
	d.supervision.watchdog.period = 0;
	d.limit.active = 3;
	daemon_stop(&d, 12 * NSEC_PER_SEC);
	assert_string_equal(told(fd), "STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\n"
				      "STATUS=stopping; connections left: 3");
	for (int i = 0; i < 2; i++) {
		supervise(&d);
		assert_string_equal(told(fd), "EXTEND_TIMEOUT_USEC=20000000\n"
					      "STATUS=stopping; connections left: 3");
	}
	/* What does not end after the deadline is given no more time. */
	d.stop_deadline = NSEC_NEVER;
	supervise(&d);
	assert_string_equal(told(fd), "");
	assert_int_equal(supervision_deadline(&d), NSEC_NEVER);
	supervision_reloading(&d);
	supervision_reloaded(&d);
	end_supervised(&d, fd);
}

/* --- Slow starts and backups --- */

#define SLOW(check)                                                                                \
	"  web:\n"                                                                                 \
	"    listen: \":80\"\n" check "    slow_start: 9s\n"                                       \
	"    table_size: 251\n"

static const struct pool_member *member_of(struct daemon *d, const char *name)
{
	return pool_find(&daemon_find_service(d, "web")->pool, name);
}

static void who_comes_back_begins_slowly(void **state)
{
	static const char slow[] = HEAD SLOW("    check: {tcp: true}\n") BACKENDS;
	static const char moved[] =
		HEAD SLOW("    check: {tcp: true}\n") "    backends:\n"
						      "      a: \"10.0.0.1:1\"\n"
						      "      b: \"10.0.0.1:12\"\n"
						      "      c: \"10.0.0.1:3\"\n"
						      "      d: \"10.0.0.1:4\"\n";
	struct daemon d;

	(void)state;
	begin(&d, slow);
	for (const char *const *name = (const char *const[]){"a", "b", "c", NULL}; *name; name++) {
		check_says(&d, *name, true);
		assert_false(member_of(&d, *name)->ramping);
	}
	check_says(&d, "a", false);
	pass(&d, NSEC_PER_SEC);
	check_says(&d, "a", true);
	assert_int_equal(member_of(&d, "a")->steps, 1);
	/* The loop makes the steps, and a reload does not disturb them. */
	pass(&d, NSEC_PER_SEC);
	assert_int_equal(member_of(&d, "a")->steps, 2);
	assert_int_equal(apply(&d, parse(slow)), 0);
	assert_true(d.deadline <= d.now + NSEC_PER_SEC);
	pass(&d, NSEC_PER_SEC);
	assert_int_equal(member_of(&d, "a")->steps, 3);
	settle(&d);
	assert_int_equal(d.snapshot->services[0].table->steps[0], 3);
	/* New and moved ones begin once they are seen up. */
	assert_int_equal(apply(&d, parse(moved)), 0);
	assert_false(member_of(&d, "b")->ramping);
	check_says(&d, "b", true);
	check_says(&d, "d", true);
	assert_int_equal(member_of(&d, "a")->steps, 3);
	assert_int_equal(member_of(&d, "b")->steps, 1);
	assert_int_equal(member_of(&d, "d")->steps, 1);
	assert_false(member_of(&d, "c")->ramping);
	for (unsigned i = 0; i < 12; i++)
		pass(&d, NSEC_PER_SEC);
	settle(&d);
	assert_memory_equal(d.snapshot->services[0].table->live,
			    d.snapshot->services[0].table->base, 251 * sizeof(uint16_t));
	end(&d);
}

/* Without a check nobody says that the server at the new address is up: it is presumed, and slow. */
static void another_address_begins_slowly(void **state)
{
	static const char before[] = HEAD SLOW("") BACKENDS;
	static const char after[] = HEAD SLOW("") "    backends:\n"
						  "      a: \"10.0.0.1:11\"\n"
						  "      b: \"10.0.0.1:2\"\n"
						  "      c: \"10.0.0.1:3\"\n";
	struct daemon d;

	(void)state;
	begin(&d, before);
	assert_int_equal(apply(&d, parse(after)), 0);
	assert_int_equal(member_of(&d, "a")->steps, 1);
	assert_false(member_of(&d, "b")->ramping);
	pass(&d, 5 * NSEC_PER_SEC);
	assert_int_equal(member_of(&d, "a")->steps, 6);
	assert_int_equal(apply(&d, parse(after)), 0);
	assert_int_equal(member_of(&d, "a")->steps, 6);
	end(&d);
}

static void a_backup_by_reload(void **state)
{
	static const char with[] = HEAD WEB "    backends:\n"
					    "      a: \"10.0.0.1:1\"\n"
					    "      b: \"10.0.0.1:2\"\n"
					    "      c: {address: \"10.0.0.1:3\", backup: true}\n";
	_cleanup_(plan_freep) struct plan *plan = NULL;
	char *error = NULL;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	assert_int_equal(daemon_apply(&d, parse(with), &plan, &error), 0);
	assert_int_equal(plan->totals.backends_changed, 1);
	assert_true(plan->totals.slots_moved > 0);
	assert_false(member_of(&d, "c")->eligible);
	/* Other changes at run time leave it one. */
	assert_int_equal(daemon_set_weight(&d, "web", "a", 7, &error), 0);
	assert_true(member_of(&d, "c")->backup);
	check_says(&d, "a", false);
	check_says(&d, "b", false);
	assert_true(member_of(&d, "c")->eligible);
	assert_true(member_of(&d, "a")->ejected && member_of(&d, "b")->ejected);
	check_says(&d, "b", true);
	assert_false(member_of(&d, "c")->eligible);
	assert_false(was_left("c", END_NONE)); /* its connections are left alone */
	end(&d);
}

static void another_balance_by_reload(void **state)
{
	static const char turns[] = HEAD "  web:\n"
					 "    listen: [\":80\", \":81\"]\n"
					 "    check: {tcp: true}\n"
					 "    balance: round-robin\n" BACKENDS;
	struct daemon d;

	(void)state;
	begin(&d, simple);
	check_says(&d, "a", false);
	assert_int_equal(apply(&d, parse(turns)), 0);
	assert_int_equal(d.snapshot->services[0].table->balance->n_order, 2);
	check_says(&d, "a", true);
	settle(&d);
	assert_int_equal(d.snapshot->services[0].table->balance->n_order, 3);
	assert_int_equal(apply(&d, parse(simple)), 0);
	assert_int_equal(d.snapshot->services[0].table->size, 251);
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
		cmocka_unit_test(on_down_drain_ends_in_time),
		cmocka_unit_test(recovery_cancels_on_down_and_no_operators_drain),
		cmocka_unit_test(ending_a_drain_does_not_forget_the_dead),
		cmocka_unit_test(another_address_is_not_drained),
		cmocka_unit_test(on_down_changed_by_reload),
		cmocka_unit_test(states_stay_by_name),
		cmocka_unit_test(the_check_is_taken_away),
		cmocka_unit_test(failures_and_the_brake_are_told),
		cmocka_unit_test(deserted_services_are_told),
		cmocka_unit_test(drains_are_told),
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(trouble_is_told_once_in_a_while),
		cmocka_unit_test(a_stuck_worker_ends_the_signs_of_life),
		cmocka_unit_test(the_status_follows),
		cmocka_unit_test(a_stop_asks_for_time),
		cmocka_unit_test(who_comes_back_begins_slowly),
		cmocka_unit_test(another_address_begins_slowly),
		cmocka_unit_test(a_backup_by_reload),
		cmocka_unit_test(another_balance_by_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
