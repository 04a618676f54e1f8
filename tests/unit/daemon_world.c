// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "config_file.h"
#include "daemon_world.h"
#include "socket.h"

#include "test.h"

struct daemon_world heard;
size_t allocations_left = SIZE_MAX;

bool memory_granted(void)
{
	if (allocations_left == 0)
		return false;
	allocations_left -= allocations_left != SIZE_MAX;
	return true;
}

/* --- Those who are told --- */

static unsigned index_of(const struct worker *w)
{
	return (unsigned)((uintptr_t)w - 1);
}

int worker_publish(struct worker *w, struct snapshot *snapshot)
{
	if (!memory_granted())
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
	if (!memory_granted())
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
	if (!memory_granted())
		return -ENOMEM;
	heard.moved++;
	strcpy(heard.moved_to, service->name);
	return 0;
}

int worker_leave_backend(struct worker *w, struct backend *backend, enum end_reason reason)
{
	struct left *left = &heard.left[heard.n_left];
	struct backend_counters sum;

	if (index_of(w) != 0)
		return 0;
	backend_sum(backend, &sum);
	if (reason == END_BACKEND_DOWN)
		heard.reset += counter_read(sum.active);
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

void connection_infos_free(struct connection_info *infos, size_t n)
{
	(void)infos, (void)n;
}

int checker_set_targets(struct checker *c, const struct check_target *targets, size_t n)
{
	(void)c;
	if (!memory_granted())
		return -ENOMEM;
	heard.n_targets = n;
	heard.n_given_up = heard.n_given_down = 0;
	for (size_t i = 0; i < n; i++) {
		heard.n_given_up += targets[i].verdict == VERDICT_UP;
		heard.n_given_down += targets[i].verdict == VERDICT_DOWN;
	}
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

int socket_listen(const struct address *address, const struct service_settings *settings,
		  int *ret_fd)
{
	(void)address;
	assert_non_null(settings);
	if (heard.listen_result < 0)
		return heard.listen_result;
	heard.listened++;
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

int config_file_holds(const char *path, const char *text, size_t size, bool *ret)
{
	*ret = strlen(path) == size && !memcmp(path, text, size);
	return 0;
}

int config_file_replace(const char *path, const char *old, size_t old_size, const char *new,
			size_t new_size, const char **ret_step)
{
	(void)path, (void)old, (void)old_size;
	if (heard.replace_result < 0) {
		*ret_step = "write it";
		return heard.replace_result;
	}
	assert_true(new_size < sizeof(heard.written));
	memcpy(heard.written, new, new_size + 1);
	return 0;
}

/* --- A daemon --- */

struct config *parse(const char *text)
{
	struct config_errors errors;
	struct config *config;
	int r = config_parse(text, strlen(text), &config, &errors);

	if (r < 0)
		fail_msg("%u: %s\n%s", errors.errors[0].line, errors.errors[0].message, text);
	config_errors_deinit(&errors);
	return config;
}

static void prepare(struct daemon *d, nsec_t now)
{
	static struct worker *workers[N_WORKERS] = {(struct worker *)1, (struct worker *)2};

	memset(&heard, 0, sizeof(heard));
	*d = (struct daemon){
		.n_workers = N_WORKERS,
		.workers = workers,
		.now = now,
		.stop_deadline = NSEC_NEVER,
		.keeping = {.file = STATE_FILE_INIT},
	};
	assert_int_equal(mailbox_init(&d->reports, 100), 0);
}

void begin(struct daemon *d, const char *text)
{
	char *error = NULL;

	prepare(d, 1000 * NSEC_PER_SEC);
	assert_int_equal(daemon_apply(d, parse(text), NULL, &error), 0);
}

void begin_with_state(struct daemon *d, const char *text)
{
	struct config *config = parse(text);
	char *error = NULL;

	prepare(d, clock_now());
	daemon_recall(d, config);
	assert_int_equal(daemon_apply(d, config, NULL, &error), 0);
	daemon_state_start(d);
}

void end(struct daemon *d)
{
	daemon_state_stop(d);
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
