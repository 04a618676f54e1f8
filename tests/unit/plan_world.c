// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "cleanup.h"
#include "config_file.h"
#include "plan_world.h"
#include "socket.h"
#include "worker.h"

#include "test.h"

/* --- Those who are told --- */

struct plan_world heard;

static unsigned index_of(const struct worker *w)
{
	return (unsigned)((uintptr_t)w - 1);
}

int worker_publish(struct worker *w, struct snapshot *snapshot)
{
	snapshot_unref(heard.obeyed[index_of(w)]);
	heard.obeyed[index_of(w)] = snapshot;
	return 0;
}

int worker_listen(struct worker *w, uint64_t id, struct service *service,
		  const struct address *address, int fd)
{
	(void)w, (void)id, (void)service, (void)address, (void)fd;
	return 0;
}

int worker_unlisten(struct worker *w, uint64_t id)
{
	(void)w, (void)id;
	return 0;
}

int worker_move_listener(struct worker *w, uint64_t id, struct service *service)
{
	(void)w, (void)id, (void)service;
	return 0;
}

int worker_leave_backend(struct worker *w, struct backend *backend, enum end_reason reason)
{
	struct backend_counters sum;

	backend_sum(backend, &sum);
	if (index_of(w) == 0 && reason == END_BACKEND_DOWN)
		heard.reset += counter_read(sum.active);
	return 0;
}

const struct worker_counters *worker_counters(const struct worker *w)
{
	static const struct worker_counters none;

	(void)w;
	return &none;
}

void worker_trouble_seen(struct worker *w)
{
	(void)w;
}

int worker_ask(struct worker *w, uint64_t question)
{
	(void)w, (void)question;
	return 0;
}

uint64_t worker_answer(const struct worker *w)
{
	(void)w;
	return UINT64_MAX;
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
	(void)c, (void)targets, (void)n;
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
	return heard.claim_result;
}

int socket_listen(const struct address *address, int *ret_fd)
{
	(void)address;
	heard.listened++;
	*ret_fd = 1000;
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
	(void)fd, (void)source, (void)foreign;
	return 0;
}

void socket_close(int fd)
{
	(void)fd;
}

int config_file_read(const char *path, struct config **ret, struct config_errors *ret_errors)
{
	return config_parse(path, strlen(path), ret, ret_errors); /* the path is the text */
}

int config_file_holds(const char *path, const char *text, size_t size, bool *ret)
{
	*ret = strlen(path) == size && !memcmp(path, text, size);
	return 0;
}

int config_file_replace(const char *path, const char *old, size_t old_size, const char *new,
			size_t new_size, const char **ret_step)
{
	(void)path, (void)old, (void)old_size, (void)new, (void)new_size, (void)ret_step;
	return -EROFS;
}

/* --- A daemon --- */

struct config *parse_text(const char *text)
{
	struct config_errors errors;
	struct config *config = NULL;

	if (config_parse(text, strlen(text), &config, &errors) < 0)
		fail_msg("%u: %s\n%s", errors.errors[0].line, errors.errors[0].message, text);
	config_errors_deinit(&errors);
	return config;
}

void begin(struct daemon *d, const char *text)
{
	static struct worker *workers[N_WORKERS] = {(struct worker *)1, (struct worker *)2};
	_cleanup_(freep) char *error = NULL;

	memset(&heard, 0, sizeof(heard));
	*d = (struct daemon){
		.n_workers = N_WORKERS,
		.workers = workers,
		.now = 1000 * NSEC_PER_SEC,
		.stop_deadline = NSEC_NEVER,
	};
	assert_int_equal(mailbox_init(&d->reports, 100), 0);
	assert_int_equal(daemon_apply(d, parse_text(text), NULL, &error), 0);
}

void end(struct daemon *d)
{
	for (size_t i = 0; i < d->n_services; i++)
		live_service_free(d->services[i], d->n_workers);
	for (unsigned i = 0; i < N_WORKERS; i++)
		snapshot_unref(heard.obeyed[i]);
	snapshot_unref(d->snapshot);
	mailbox_deinit(&d->reports);
	events_deinit(&d->events);
	config_free(d->config);
	free(d->services);
	free(d->targets);
	free(d->reload_error);
}

struct plan *plan(struct daemon *d, const char *text)
{
	_cleanup_(config_freep) struct config *config = parse_text(text);
	_cleanup_(freep) char *error = NULL;
	struct plan *p;

	assert_int_equal(daemon_plan(d, config, &p, &error), 0);
	return p;
}

struct plan *reload(struct daemon *d, const char *text)
{
	struct config_errors errors;
	struct plan *done = NULL;
	char *error = NULL;

	d->config_path = (char *)text;
	if (daemon_reload(d, true, &done, &errors, &error) < 0)
		fail_msg("%s", error);
	config_errors_deinit(&errors);
	return done;
}

const struct plan_service *service_of(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (!strcmp(p->services[i].name, name))
			return &p->services[i];
	return NULL;
}

/* --- Tables by name --- */

struct owners owners_of(const struct live_service *s)
{
	const struct pool_table *t = s->pool.table;
	struct owners o = {t->size, calloc(t->size, NAME_LENGTH_MAX + 1)};

	for (uint32_t slot = 0; slot < t->size; slot++)
		if (t->live[slot] != MAGLEV_NONE)
			strcpy(o.names[slot], s->pool.members[t->live[slot]].name);
	return o;
}

uint32_t count_moved(const struct owners *before, const struct live_service *after)
{
	struct owners now = owners_of(after);
	uint32_t moved = 0;

	for (uint32_t slot = 0; slot < now.size && now.size == before->size; slot++)
		moved += strcmp(before->names[slot], now.names[slot]) != 0;
	moved = now.size == before->size ? moved : now.size;
	free(now.names);
	return moved;
}
