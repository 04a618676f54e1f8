// SPDX-License-Identifier: BSD-2-Clause
/*
 * The daemon's decisions, before workers, a checker and sockets that only remember what they were
 * told. The linker wraps what allocates, so that the n-th allocation fails, for each n until none
 * does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "config_file.h"
#include "daemon_private.h"
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
	struct daemon_change change;
	char *error = NULL;
	int r = daemon_apply(d, config, &change, &error);

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
	int r = daemon_add_backend(d, "web", "new", "10.0.0.1:9", 1, &error);

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
	struct daemon_change change;
	struct config_errors errors = {};
	struct daemon d;
	char *error = NULL;

	(void)state;
	begin(&d, simple);
	d.config_path = (char *)other;
	daemon_stop(&d, NSEC_PER_SEC);
	assert_int_equal(daemon_reload(&d, true, &change, &errors, &error), -ESHUTDOWN);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(a_port_in_use_changes_nothing),
		cmocka_unit_test(a_reload_opens_what_is_new_and_closes_what_is_gone),
		cmocka_unit_test(an_address_moves_to_another_service),
		cmocka_unit_test(no_reload_while_stopping),
		cmocka_unit_test(on_down_drain_ends_in_time),
		cmocka_unit_test(recovery_cancels_on_down_and_no_operators_drain),
		cmocka_unit_test(ending_a_drain_does_not_forget_the_dead),
		cmocka_unit_test(another_address_is_not_drained),
		cmocka_unit_test(on_down_changed_by_reload),
		cmocka_unit_test(states_stay_by_name),
		cmocka_unit_test(the_check_is_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
