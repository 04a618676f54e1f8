// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "fake_daemon.h"
#include "plan.h"
#include "worker.h"

#include "test.h"

#define N_WORKERS    2
#define BACKENDS_HAD 8 /* room of a service */
#define TABLE_SIZE   7

static struct fake_daemon *fake_of(const struct daemon *d)
{
	return (struct fake_daemon *)d; /* its first member */
}

static struct address parse(const char *text)
{
	struct address a;
	const char *why;

	assert_int_equal(address_parse(text, true, &a, &why), 0);
	return a;
}

/* --- Building --- */

static void set_error(char **ret_error, const char *service, const char *name, const char *what)
{
	assert_true(asprintf(ret_error, "%s/%s %s", service, name ? name : "-", what) > 0);
}

static void add(struct live_service *s, const char *name, const char *address, uint32_t weight)
{
	size_t i = s->n_backends++;
	struct live_backend *b = &s->backends[i];
	struct address a = parse(address);

	assert_true(s->n_backends <= BACKENDS_HAD);
	*b = (struct live_backend){.drain_deadline = NSEC_NEVER};
	b->backend = backend_new(s->service->name, name, &a, N_WORKERS);
	b->config =
		(struct backend_config){.name = b->backend->name, .address = a, .weight = weight};
	b->health.since = clock_now() - FAKE_AGE;
	b->health.checked = true;
	b->health.verdict = VERDICT_UP;
	b->health.result_at = clock_now();
	b->health.latency = 350 * NSEC_PER_USEC;
	s->pool.members[i] = (struct pool_member){
		.name = strdup(name),
		.weight = weight,
		.eligible = weight > 0,
	};
	s->pool.n_members = s->n_backends;
}

static void mark_failed(struct live_service *s, const char *name, const char *error, bool braked)
{
	struct live_backend *b = live_service_find_backend(s, name);
	struct pool_member *m = &s->pool.members[b - s->backends];

	b->health.failed = true;
	b->health.why = HEALTH_CHECK;
	b->health.verdict = VERDICT_DOWN;
	snprintf(b->health.error, sizeof(b->health.error), "%s", error);
	m->failed = true;
	m->braked = braked;
	m->ejected = !braked;
	m->eligible = braked;
	s->pool.brake = braked;
	s->pool.n_rebuilds = 3;
}

static struct live_service *new_service(const char *name, const char *const *listens,
					size_t n_listens, enum hash_kind hash)
{
	struct live_service *s = calloc(1, sizeof(*s));

	s->service = service_new(name, N_WORKERS);
	s->settings = (struct service_settings){
		.hash = hash,
		.table_size = TABLE_SIZE,
		.mask_ipv4 = 32,
		.mask_ipv6 = 128,
		.connect_timeout = NSEC_PER_SEC,
		.idle_timeout = 3600 * NSEC_PER_SEC,
		.tries = 3,
		.max_eject_percent = 50,
		.passive = {.enabled = true, .fall = 3, .hold = 2 * NSEC_PER_SEC},
	};
	s->check.kind = CHECK_TCP;
	s->check.interval = 2 * NSEC_PER_SEC;
	s->listeners = calloc(n_listens, sizeof(s->listeners[0]));
	s->n_listeners = n_listens;
	for (size_t i = 0; i < n_listens; i++)
		s->listeners[i].address = parse(listens[i]);
	s->backends = calloc(BACKENDS_HAD, sizeof(s->backends[0]));
	s->pool.members = calloc(BACKENDS_HAD, sizeof(s->pool.members[0]));
	return s;
}

/* A table whose slots are owned in turn. */
static struct pool_table *new_table(const struct live_service *s, uint32_t size)
{
	uint16_t *base = calloc(size, sizeof(*base));
	bool eligible[BACKENDS_HAD];
	struct pool_table *t;

	for (size_t i = 0; i < s->n_backends; i++)
		eligible[i] = s->pool.members[i].eligible;
	for (uint32_t slot = 0; slot < size; slot++)
		base[slot] = (uint16_t)(slot % s->n_backends);
	t = pool_table_new(1, base, size, eligible, NULL, (uint32_t)s->n_backends);
	assert_non_null(t);
	free(base);
	return t;
}

static void publish(struct fake_daemon *f)
{
	struct daemon *d = &f->daemon;

	snapshot_unref(d->snapshot);
	d->snapshot = snapshot_new(d->n_services);
	for (size_t i = 0; i < d->n_services; i++) {
		struct snapshot_service *view = &d->snapshot->services[i];
		const struct live_service *s = d->services[i];

		view->service = service_ref(s->service);
		view->settings = s->settings;
		view->table = pool_table_ref(s->pool.table);
		view->backends = calloc(BACKENDS_HAD, sizeof(view->backends[0]));
		view->n_backends = s->n_backends;
		for (size_t j = 0; j < s->n_backends; j++)
			view->backends[j] = backend_ref(s->backends[j].backend);
	}
}

void fake_table(struct fake_daemon *f, const char *service, uint32_t size)
{
	struct live_service *s = daemon_find_service(&f->daemon, service);

	pool_table_unref(s->pool.table);
	s->pool.table = new_table(s, size);
	publish(f);
}

/* The file says what runs. */
static void load(struct daemon *d)
{
	struct config *c = d->config;

	c->services = calloc(d->n_services, sizeof(c->services[0]));
	c->n_services = d->n_services;
	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];
		struct service_config *file = &c->services[i];

		file->name = strdup(s->service->name);
		file->backends = calloc(s->n_backends, sizeof(file->backends[0]));
		file->n_backends = s->n_backends;
		for (size_t j = 0; j < s->n_backends; j++) {
			file->backends[j] = s->backends[j].config;
			file->backends[j].name = strdup(s->backends[j].config.name);
		}
	}
}

static void count(struct live_service *web)
{
	struct backend_counters *c = web->backends[0].backend->counters;
	struct service_counters *s = web->service->counters;

	/* Of two workers, so that sums are seen. */
	for (int i = 0; i < N_WORKERS; i++) {
		counter_add(c[i].connections, 10);
		counter_add(c[i].active, 2);
		counter_add(c[i].bytes_in, 600000000);
		counter_add(c[i].connect_nsec, 3500000);
		counter_add(c[i].connects, 10);
		counter_add(s[i].accepted, 11);
		counter_add(s[i].active, 2);
		counter_add(s[i].ended[END_DONE], 7);
		counter_add(s[i].ended[END_CLIENT_RESET], 1);
	}
	counter_add(s[N_WORKERS].accepted, 5); /* by the fast path */
	counter_add(c[0].connect_failures, 1);
}

void fake_daemon_init(struct fake_daemon *f)
{
	static const char *const web_listens[] = {"192.0.2.10:80", "[2001:db8::10]:80"};
	static const char *const cache_listens[] = {":6379"};
	struct daemon *d = &f->daemon;
	struct live_service *web, *cache;

	*f = (struct fake_daemon){.n_connections = 3};
	d->config = calloc(1, sizeof(*d->config));
	d->config->stop_timeout = 30 * NSEC_PER_SEC;
	d->config_path = strdup("/etc/lb4/lb4.yaml");
	d->n_workers = N_WORKERS;
	d->workers = calloc(N_WORKERS, sizeof(d->workers[0]));
	d->limit.max = 1000;
	d->limit.descriptors = 1024;
	d->started_at = clock_now() - FAKE_AGE;
	d->started_wall = clock_wall();
	d->stop_deadline = NSEC_NEVER;
	web = new_service("web", web_listens, 2, HASH_CONNECTION);
	add(web, "web1", "10.0.0.1:8080", 10);
	add(web, "web2", "10.0.0.2:8080", 10);
	add(web, "web3", "[2001:db8::3]:8080", 5);
	mark_failed(web, "web2", "connection refused", false);
	web->pool.members[2].admin = ADMIN_DISABLED;
	web->pool.members[2].eligible = false;
	count(web);
	web->settings.forward = FORWARD_NAT;
	cache = new_service("cache", cache_listens, 1, HASH_SOURCE);
	add(cache, "redis1", "10.0.0.9:6379", 1);
	cache->settings.forward = FORWARD_SPLICE;
	mark_failed(cache, "redis1", "expected PONG, got \xff", true);
	d->services = calloc(2, sizeof(d->services[0]));
	d->services[0] = web;
	d->services[1] = cache;
	d->n_services = 2;
	load(d);
	web->pool.table = new_table(web, TABLE_SIZE);
	cache->pool.table = new_table(cache, TABLE_SIZE);
	publish(f);
}

static void free_service(struct live_service *s)
{
	for (size_t i = 0; i < s->n_backends; i++) {
		backend_unref(s->backends[i].backend);
		free(s->pool.members[i].name);
	}
	pool_table_unref(s->pool.table);
	service_unref(s->service);
	free(s->pool.members);
	free(s->backends);
	free(s->listeners);
	free(s);
}

void fake_daemon_deinit(struct fake_daemon *f)
{
	struct daemon *d = &f->daemon;

	snapshot_unref(d->snapshot);
	for (size_t i = 0; i < d->n_services; i++)
		free_service(d->services[i]);
	free(d->services);
	free(d->workers);
	free(d->config_path);
	free(d->reload_error);
	events_deinit(&d->events);
	config_free(d->config);
}

struct live_backend *fake_backend(struct fake_daemon *f, const char *service, const char *name)
{
	return live_service_find_backend(daemon_find_service(&f->daemon, service), name);
}

struct pool_member *fake_member(struct fake_daemon *f, const char *service, const char *name)
{
	struct live_service *s = daemon_find_service(&f->daemon, service);

	return &s->pool.members[live_service_find_backend(s, name) - s->backends];
}

/* --- What daemon.h, worker.h and checker.h promise --- */

struct live_service *daemon_find_service(const struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->n_services; i++)
		if (!strcmp(d->services[i]->service->name, name))
			return d->services[i];
	return NULL;
}

struct live_backend *live_service_find_backend(const struct live_service *s, const char *name)
{
	for (size_t i = 0; i < s->n_backends; i++)
		if (!strcmp(s->backends[i].backend->name, name))
			return &s->backends[i];
	return NULL;
}

static int find(struct daemon *d, const char *service, const char *name, struct live_service **ret,
		size_t *ret_index, char **ret_error)
{
	struct live_service *s = daemon_find_service(d, service);
	struct live_backend *b = s ? live_service_find_backend(s, name) : NULL;

	if (!b) {
		set_error(ret_error, service, name, "is not there");
		return -ENOENT;
	}
	*ret = s;
	*ret_index = (size_t)(b - s->backends);
	return 0;
}

int daemon_add_backend(struct daemon *d, const char *service, const char *name, const char *address,
		       uint32_t weight, bool backup, char **ret_error)
{
	struct live_service *s = daemon_find_service(d, service);
	struct address a;
	const char *why;

	if (!s) {
		set_error(ret_error, service, NULL, "is not there");
		return -ENOENT;
	}
	if (live_service_find_backend(s, name)) {
		set_error(ret_error, service, name, "is there already");
		return -EEXIST;
	}
	if (address_parse(address, false, &a, &why) < 0) {
		set_error(ret_error, service, name, why);
		return -EINVAL;
	}
	add(s, name, address, weight);
	s->pool.members[s->n_backends - 1].backup = backup;
	snprintf(fake_of(d)->asked, sizeof(fake_of(d)->asked), "add %s %s %s %u%s", service, name,
		 address, weight, backup ? " backup" : "");
	return 0;
}

int daemon_remove_backend(struct daemon *d, const char *service, const char *name, char **ret_error)
{
	struct live_service *s = NULL;
	size_t i, after;
	int r = find(d, service, name, &s, &i, ret_error);

	if (r < 0)
		return r;
	snprintf(fake_of(d)->asked, sizeof(fake_of(d)->asked), "remove %s %s", service, name);
	backend_unref(s->backends[i].backend);
	free(s->pool.members[i].name);
	after = s->n_backends - i - 1;
	memmove(&s->backends[i], &s->backends[i + 1], after * sizeof(s->backends[0]));
	memmove(&s->pool.members[i], &s->pool.members[i + 1], after * sizeof(s->pool.members[0]));
	s->n_backends--;
	s->pool.n_members--;
	return 0;
}

int daemon_set_weight(struct daemon *d, const char *service, const char *name, uint32_t weight,
		      char **ret_error)
{
	struct live_service *s = NULL;
	size_t i;
	int r = find(d, service, name, &s, &i, ret_error);

	if (r < 0)
		return r;
	snprintf(fake_of(d)->asked, sizeof(fake_of(d)->asked), "weight %s %s %u", service, name,
		 weight);
	s->pool.members[i].weight = weight;
	s->backends[i].config.weight = weight;
	return 0;
}

int daemon_set_admin(struct daemon *d, const char *service, const char *name,
		     enum admin_state state, nsec_t drain_timeout, char **ret_error)
{
	struct live_service *s = NULL;
	size_t i;
	int r = find(d, service, name, &s, &i, ret_error);

	if (r < 0)
		return r;
	snprintf(fake_of(d)->asked, sizeof(fake_of(d)->asked), "admin %s %s %s %llums", service,
		 name, admin_state_name(state),
		 (unsigned long long)(drain_timeout / NSEC_PER_MSEC));
	s->pool.members[i].admin = state;
	s->backends[i].drain_deadline =
		drain_timeout ? nsec_add(clock_now(), drain_timeout) : NSEC_NEVER;
	return 0;
}

static struct setting_changes one_change(const struct section *section, const char *key,
					 const char *path, const char *old, const char *new)
{
	struct setting_changes c = {calloc(1, sizeof(c.items[0])), 1};

	c.items[0] = (struct setting_change){section_find(section, key), strdup(path),
					     old ? strdup(old) : NULL, strdup(new)};
	return c;
}

static struct plan_backend planned(enum plan_kind kind, const char *name, const char *address,
				   uint32_t weight, enum drift_kind drift)
{
	return (struct plan_backend){
		.kind = kind,
		.config = {.name = strdup(name), .address = parse(address), .weight = weight},
		.drift = drift,
	};
}

static void plan_web(struct plan_service *s)
{
	*s = (struct plan_service){
		.kind = PLAN_CHANGED,
		.name = strdup("web"),
		.n_backends = 3,
		.settings = one_change(&schema_check, "interval", "check.interval", "2s", "5s"),
		.backends = calloc(3, sizeof(s->backends[0])),
		.n_backends_changed = 3,
		.has_table = true,
		.size = 65537,
		.at_once = 16000,
		.moved = 16402,
		.minimum = 16384,
		.redirected = 0.2503,
		.active = 140,
		.finishing = 12,
		.reset = 3,
		.deadlined = 4,
	};
	s->backends[0] = planned(PLAN_ADDED, "web4", "10.0.0.4:8080", 10, DRIFT_REMOVED);
	s->backends[1] = planned(PLAN_REMOVED, "web2", "10.0.0.2:8080", 1, DRIFT_NONE);
	s->backends[1].finishing = 12;
	s->backends[2] = planned(PLAN_CHANGED, "web1", "10.0.0.1:8080", 5, DRIFT_CHANGED);
	s->backends[2].changes = one_change(&schema_backend, "weight", "weight", "10", "5");
}

/* Of everything one. */
static struct plan *make_plan(void)
{
	struct plan *p = calloc(1, sizeof(*p));

	p->totals = (struct plan_totals){1, 1, 1, 1, 1, 12345};
	p->settings = one_change(&schema_file, "workers", "workers", NULL, "4");
	p->services = calloc(3, sizeof(p->services[0]));
	p->n_services = 3;
	plan_web(&p->services[0]);
	p->services[1] = (struct plan_service){
		.kind = PLAN_ADDED,
		.name = strdup("new"),
		.n_backends = 2,
		.settings = one_change(&schema_service, "listen", "listen", NULL, "[\":81\"]"),
	};
	p->services[2] = (struct plan_service){
		.kind = PLAN_REMOVED,
		.name = strdup("cache"),
		.n_backends = 1,
		.active = 5,
		.finishing = 5,
	};
	return p;
}

int daemon_reload(struct daemon *d, bool force, struct plan **ret, struct config_errors *ret_errors,
		  char **ret_error)
{
	struct fake_daemon *f = fake_of(d);

	snprintf(f->asked, sizeof(f->asked), "reload%s", force ? " force" : "");
	if (f->reload_result == -EPERM && !force)
		assert_true(asprintf(ret_error, "the file removes most of web") > 0);
	else if (f->reload_result < 0)
		assert_true(asprintf(ret_error, "the file is no good") > 0);
	if (f->reload_result == -EINVAL) {
		ret_errors->errors = calloc(f->n_faults, sizeof(ret_errors->errors[0]));
		ret_errors->n_errors = f->n_faults;
		for (size_t i = 0; i < f->n_faults; i++)
			ret_errors->errors[i] = (struct config_error){
				.line = (unsigned)i,
				.column = 3,
				.message = strdup("unknown setting \"lisen\""),
				.hint = i ? strdup("did you mean \"listen\"?") : NULL,
			};
	}
	if (f->reload_result < 0 && !(f->reload_result == -EPERM && force))
		return f->reload_result;
	*ret = make_plan();
	return 0;
}

int daemon_plan(struct daemon *d, const struct config *config, struct plan **ret, char **ret_error)
{
	struct fake_daemon *f = fake_of(d);

	snprintf(f->asked, sizeof(f->asked), "plan %zu services", config->n_services);
	if (f->reload_result < 0) {
		set_error(ret_error, "plan", NULL, "is not possible");
		return f->reload_result;
	}
	*ret = f->nothing_changes ? calloc(1, sizeof(**ret)) : make_plan();
	if (!f->nothing_changes)
		(*ret)->losses = strdup("the file has no service cache any more");
	return 0;
}

int daemon_save(struct daemon *d, bool dry_run, struct saved *ret, char **ret_error)
{
	struct fake_daemon *f = fake_of(d);

	snprintf(f->asked, sizeof(f->asked), "save%s", dry_run ? " dry" : "");
	if (f->reload_result < 0) {
		set_error(ret_error, "save", NULL, "is not possible");
		return f->reload_result;
	}
	*ret = (struct saved){
		.diff = strdup(f->nothing_changes ? "" : "--- a\n+++ a\n@@ -1,0 +1 @@\n+b\n"),
		.text = strdup("services: {}\n"),
		.n_backends = !f->nothing_changes,
	};
	return 0;
}

uint64_t daemon_keep(struct daemon *d)
{
	if (!d->keeping.path)
		return 0;
	d->keeping.n_given++;
	if (!fake_of(d)->disk_is_slow)
		d->keeping.written.number = d->keeping.n_given;
	return d->keeping.n_given;
}

bool daemon_is_kept(const struct daemon *d, uint64_t number)
{
	return d->keeping.written.number >= number;
}

char *daemon_unkept_why(const struct daemon *d, char *buffer, size_t size)
{
	if (d->keeping.written.error >= 0)
		return NULL;
	snprintf(buffer, size, "cannot write %s: it is full", d->keeping.path);
	return buffer;
}

void saved_deinit(struct saved *s)
{
	free(s->diff);
	free(s->text);
}

bool daemon_file_differs(const struct daemon *d)
{
	return fake_of(d)->file_differs;
}

void daemon_stop(struct daemon *d, nsec_t timeout)
{
	d->stopping = true;
	d->stop_deadline = nsec_add(clock_now(), timeout);
	snprintf(fake_of(d)->asked, sizeof(fake_of(d)->asked), "stop %llums",
		 (unsigned long long)(timeout / NSEC_PER_MSEC));
}

bool forwarding_status(const struct daemon *d, struct forwarding_status *ret)
{
	*ret = (struct forwarding_status){};
	if (!fake_of(d)->fastpath)
		return false;
	*ret = *fake_of(d)->fastpath;
	return true;
}

const struct way *forwarding_way(const struct daemon *d, const struct address *backend)
{
	(void)backend;
	return fake_of(d)->way;
}

uint64_t forwarding_lines_dropped(const struct daemon *d)
{
	return fake_of(d)->flow_lines_dropped;
}

void forwarding_explain(const struct daemon *d, const struct snapshot_service *s,
			const struct address *client, const struct address *local,
			struct forwarding_explanation *ret)
{
	(void)s;
	(void)client;
	(void)local;
	*ret = fake_of(d)->path;
}

bool forwarding_accept(struct daemon *d, bool accepts)
{
	struct forwarding_status *s = fake_of(d)->fastpath;

	if (!s || s->why_not)
		return false;
	s->accepts = accepts;
	return true;
}

int capture_begin(struct daemon *d, const struct capture_question *q, uint64_t *ret_id)
{
	struct fake_daemon *f = fake_of(d);
	char client[PREFIX_TEXT_MAX];

	if (f->capture)
		return -EBUSY;
	snprintf(f->asked, sizeof(f->asked), "capture %s %s/%u port %u%s, %u bytes",
		 q->service ? q->service->service->name : "-",
		 q->client.bits ? prefix_print(&q->client, client) : "-", q->client.bits, q->port,
		 q->drops ? " drops" : "", q->bytes);
	f->capture = *ret_id = 7;
	return 0;
}

int capture_read(struct daemon *d, uint64_t id, size_t max, nsec_t patience, captured_visit *visit,
		 void *context, uint64_t *ret_lost)
{
	struct fake_daemon *f = fake_of(d);
	int n = 0;

	if (!f->capture || id != f->capture)
		return -ENOENT;
	f->capture_patience = patience;
	for (; max > 0 && f->n_packets > 0; max--, n++, f->n_packets--)
		visit(context, f->packets++);
	*ret_lost = f->packets_lost;
	return n;
}

int capture_end(struct daemon *d, uint64_t id, uint64_t *ret_lost)
{
	struct fake_daemon *f = fake_of(d);

	if (!f->capture || id != f->capture)
		return -ENOENT;
	f->capture = 0;
	*ret_lost = f->packets_lost;
	return 0;
}

bool capture_has_packets(const struct daemon *d)
{
	const struct fake_daemon *f = (const struct fake_daemon *)d;

	return f->capture && f->n_packets > 0;
}

int daemon_connections(struct daemon *d, const char *service, size_t n_max,
		       struct connection_info **ret, size_t *ret_n)
{
	static const char *const states[] = {"established", "half-closed", "connecting"};
	struct fake_daemon *f = fake_of(d);
	struct live_service *s = d->services[0];
	size_t n = f->n_connections < n_max ? f->n_connections : n_max;
	struct connection_info *infos = calloc(n ? n : 1, sizeof(*infos));

	if (f->connections_result < 0) {
		free(infos);
		return f->connections_result;
	}
	if (service && strcmp(service, s->service->name))
		n = 0;
	for (size_t i = 0; i < n; i++)
		infos[i] = (struct connection_info){
			.id = i + 1,
			.state = states[i % ARRAY_SIZE(states)],
			.service = service_ref(s->service),
			.backend = i % 3 == 2 ? NULL : backend_ref(s->backends[0].backend),
			.client = parse("198.51.100.7:40000"),
			.local = parse("192.0.2.10:80"),
			.relay = i == 3	 ? NULL
				 : i % 2 ? "splice"
					 : "copy",
			.worker = (unsigned)(i % N_WORKERS),
			.tries = 1,
			.age = 125 * NSEC_PER_SEC,
			.idle = 20 * NSEC_PER_MSEC,
			.bytes_in = 1200,
			.bytes_out = 1500000,
		};
	*ret = infos;
	*ret_n = n;
	return 0;
}

void connection_infos_free(struct connection_info *infos, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		service_unref(infos[i].service);
		backend_unref(infos[i].backend);
	}
	free(infos);
}

/* The slot is the client's port modulo the size; eligible backends follow in turn. */
int daemon_explain(const struct daemon *d, const struct live_service *s,
		   const struct address *client, const struct address *local,
		   struct daemon_explanation *ret)
{
	const struct pool_table *t = s->pool.table;
	struct daemon_explanation e = {.balance = s->settings.balance, .owner = MAGLEV_NONE};
	uint16_t first = 0;

	(void)d;
	(void)local;
	if (e.balance == BALANCE_MAGLEV) {
		e.hash = 0xfedcba9876543210;
		e.slot = client->port % t->size;
		e.owner = first = t->base[e.slot];
		e.owner_waits = s->pool.members[first].ramping;
	}
	for (size_t i = 0; i < s->n_backends; i++) {
		uint16_t next = (uint16_t)((first + i) % s->n_backends);

		if (!s->pool.members[next].eligible || (next == e.owner && e.owner_waits))
			continue;
		e.loads[e.n_candidates] = backend_in_use(s->backends[next].backend);
		e.candidates[e.n_candidates++] = next;
	}
	for (; e.balance == BALANCE_ROUND_ROBIN && e.n_next < N_WORKERS; e.n_next++)
		e.next[e.n_next] = e.candidates[e.n_next % e.n_candidates];
	*ret = e;
	return 0;
}

const struct worker_counters *worker_counters(const struct worker *w)
{
	static const struct worker_counters counters = {.accept_pauses = 2, .parked = 1};

	assert_null(w);
	return &counters;
}

void checker_stats(const struct checker *c, struct checker_stats *ret)
{
	assert_null(c);
	*ret = (struct checker_stats){.n_postponed = 1};
}
