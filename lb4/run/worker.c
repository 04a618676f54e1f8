// SPDX-License-Identifier: BSD-2-Clause
/* The worker's thread and loop. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cleanup.h"
#include "connection.h"
#include "event.h"
#include "log.h"
#include "parking.h"
#include "pipe.h"
#include "queue.h"
#include "report.h"
#include "ring.h"
#include "token.h"
#include "worker_private.h"

#define RING_ENTRIES	  1024 /* queued at a time; what is larger is only colder */
#define LISTENERS_MAX	  (SERVICES_MAX * LISTEN_MAX)
#define BUFFERS_OF_A_RING 32768u
#define TRIM_INTERVAL	  (10 * NSEC_PER_SEC)
#define FAULT_PAUSE_MSEC  100

/* Past the first few, evidence against a backend that is kept in anyway is told now and then. */
#define EVIDENCE_ALWAYS 16
#define EVIDENCE_EACH	64

static struct worker *worker_of(struct splicer *s)
{
	return container_of(s, struct worker, splicer);
}

static void on_end(struct splicer *s, const struct connection *c)
{
	struct worker *w = worker_of(s);

	worker_line_end(w, c);
	budget_give(w->setup.memory, CONNECTION_MEMORY);
	atomic_fetch_sub_explicit(&w->setup.limit->active, 1, memory_order_relaxed);
}

static void on_refused(struct splicer *s, const struct service *service, int fd,
		       const struct address *client, const struct address *local,
		       enum end_reason reason)
{
	worker_line_refused(worker_of(s), service, fd, client, local, reason);
}

static void on_room(struct splicer *s, unsigned worker)
{
	struct worker_bell *bell = &worker_of(s)->setup.bells[worker];

	if (!atomic_exchange(&bell->rung, true))
		event_raise(bell->fd);
}

static void on_starved(struct splicer *s)
{
	counter_add(worker_of(s)->counters.starved, 1);
}

static void passive_free(struct message *m)
{
	struct passive_report *p = container_of(m, struct passive_report, report.message);

	backend_unref(p->backend);
	free(p);
}

static void on_passive(struct splicer *s, struct backend *b, uint64_t consecutive, int error)
{
	struct worker *w = worker_of(s);
	struct passive_report *p;

	if (consecutive > EVIDENCE_ALWAYS && consecutive % EVIDENCE_EACH)
		return;
	p = malloc(sizeof(*p));
	if (!p) {
		counter_add(w->counters.reports_dropped, 1);
		return;
	}
	*p = (struct passive_report){
		.report = {.message.free = passive_free, .kind = REPORT_PASSIVE},
		.backend = backend_ref(b),
		.consecutive = consecutive,
		.error = error,
	};
	if (mailbox_post(w->setup.reports, &p->report.message) < 0) {
		counter_add(w->counters.reports_dropped, 1);
		passive_free(&p->report.message);
	}
}

static const struct splicer_events splicer_events = {
	.on_end = on_end,
	.on_passive = on_passive,
	.on_refused = on_refused,
	.on_room = on_room,
	.on_starved = on_starved,
};

static struct worker_bell *bell_of(struct worker *w)
{
	return &w->setup.bells[w->setup.index];
}

/* Silenced before the queues are looked at: what rings meanwhile is heard again. */
static void hear_bell(struct worker *w)
{
	event_clear(bell_of(w)->fd);
	atomic_store(&bell_of(w)->rung, false);
	queue_run(&w->splicer);
}

static void listen_for_bell(struct worker *w)
{
	ring_poll(w->ring, bell_of(w)->fd, POLLIN, token_make(TOKEN_BELL, 0, 0));
}

static void complete(struct worker *w, const struct ring_completion *completion)
{
	switch (token_kind(completion->token)) {
	case TOKEN_ACCEPT:
		worker_accepted(w, completion);
		break;
	case TOKEN_MAILBOX:
		worker_take_messages(w);
		ring_poll(w->ring, w->mailbox.event_fd, POLLIN, token_make(TOKEN_MAILBOX, 0, 0));
		break;
	case TOKEN_BELL:
		hear_bell(w);
		listen_for_bell(w);
		break;
	default:
		splicer_complete(&w->splicer, completion);
	}
}

static nsec_t next_deadline(const struct worker *w)
{
	nsec_t next = splicer_next(&w->splicer);

	if (line_box_next(&w->lines) < next)
		next = line_box_next(&w->lines);
	if (w->resume_at < next)
		next = w->resume_at;
	if (w->trim_at < next)
		next = w->trim_at;
	return next;
}

/* Trims while there is something to trim; an idle worker then sleeps for good. */
static void trim(struct worker *w)
{
	nsec_t next = nsec_add(w->splicer.now, TRIM_INTERVAL);

	if (w->trim_at == NSEC_NEVER) {
		w->trim_at = next;
	} else if (w->trim_at <= w->splicer.now) {
		bool buffers = ring_trim(w->ring), pipes = pipes_trim(w->pipes);

		w->trim_at = buffers || pipes ? next : NSEC_NEVER;
	}
}

static void tell_levels(struct worker *w)
{
	atomic_store_explicit(&w->counters.parked, w->splicer.n_parked, memory_order_relaxed);
	atomic_store_explicit(&w->counters.parking_failures, w->splicer.n_not_parked,
			      memory_order_relaxed);
	atomic_store_explicit(&w->counters.pipes, pipes_taken(w->pipes), memory_order_relaxed);
	atomic_store_explicit(&w->counters.pipe_shortages, w->splicer.n_unpiped,
			      memory_order_relaxed);
}

static bool is_done(const struct worker *w)
{
	return w->stopping && w->listeners.n_used == 0 && splicer_active(&w->splicer) == 0;
}

/* A ring that cannot wait is told once, and not spun on. */
static void wait_for_something(struct worker *w)
{
	int r = ring_wait(w->ring, next_deadline(w));

	if (r < 0 && r != w->ring_fault)
		log_error("the ring of worker %u: %s", w->setup.index, strerrordesc_np(-r));
	if (r < 0)
		poll(NULL, 0, FAULT_PAUSE_MSEC);
	w->ring_fault = r;
}

static void loop(struct worker *w)
{
	struct ring_completion completion;

	ring_poll(w->ring, w->mailbox.event_fd, POLLIN, token_make(TOKEN_MAILBOX, 0, 0));
	listen_for_bell(w);
	while (!is_done(w)) {
		wait_for_something(w);
		w->splicer.now = clock_now();
		while (ring_next(w->ring, &completion)) {
			splicer_prefetch(&w->splicer, ring_peek(w->ring));
			complete(w, &completion);
		}
		splicer_expire(&w->splicer);
		worker_accept_resume(w);
		trim(w);
		tell_levels(w);
		line_box_on_time(&w->lines, w->splicer.now);
	}
	line_box_flush(&w->lines);
}

/* The last connection has ended: nothing of theirs is left. */
static void check_leaks(const struct worker *w)
{
	struct ring_stats stats;

	ring_stats(w->ring, &stats);
	assert(stats.buffers_out == 0);
	assert(!w->parking || parking_used(w->parking) == 0);
}

/* Opens what belongs to the thread. */
static int open_all(struct worker *w)
{
	uint32_t n_max = w->setup.limit->max;
	uint32_t n_slots = n_max + n_max / 8 + 64; /* workers may pass the limit together */
	uint32_t n_buffers = 2 * n_slots < BUFFERS_OF_A_RING ? 2 * n_slots : BUFFERS_OF_A_RING;
	int r = ring_open(RING_ENTRIES, n_buffers, &w->ring);

	if (r < 0)
		return r;
	ring_set_budget(w->ring, w->setup.memory);
	r = slots_init(&w->listeners, sizeof(struct listener), LISTENERS_MAX);
	if (r < 0)
		return r;
	r = splicer_init(&w->splicer, w->ring, w->setup.index, n_slots, &splicer_events);
	w->splicer.now = clock_now();
	w->pipes = w->splicer.pipes = pipes_new(w->setup.n_pipes);
	if (r >= 0 && !w->pipes)
		r = -ENOMEM;
	/* Chance need not be secret; when there is none yet, workers still differ. */
	(void)!getrandom(&w->splicer.chooser.random, sizeof(w->splicer.chooser.random),
			 GRND_NONBLOCK);
	if (r < 0 || !w->setup.limit->awake_max)
		return r;
	w->parking = parking_new(n_slots);
	splicer_allow_parking(&w->splicer, w->parking, w->setup.limit->park_above);
	return w->parking ? 0 : -ENOMEM;
}

static void report_free(struct message *m)
{
	free(container_of(m, struct report, message));
}

/* Without it main would wait for ever: made at the start, and posted until there is room. */
static void report_end(struct worker *w)
{
	struct report *report = take_ptr(w->last_report);

	while (mailbox_post(w->setup.reports, &report->message) < 0)
		poll(NULL, 0, FAULT_PAUSE_MSEC);
}

static void *run(void *argument)
{
	struct worker *w = argument;
	int r = open_all(w);

	pthread_mutex_lock(&w->started_lock);
	w->started = true;
	w->start_result = r;
	pthread_cond_signal(&w->started_cond);
	pthread_mutex_unlock(&w->started_lock);

	if (r >= 0) {
		loop(w);
		check_leaks(w);
	}
	mailbox_close(&w->mailbox);
	splicer_deinit(&w->splicer);
	w->parking = parking_free(w->parking);
	w->pipes = pipes_free(w->pipes);
	slots_deinit(&w->listeners);
	w->ring = ring_close(w->ring);
	w->snapshot = snapshot_unref(w->snapshot);
	if (r >= 0)
		report_end(w);
	return NULL;
}

static int start_thread(struct worker *w)
{
	sigset_t all, old;
	char name[16];
	int r;

	/* Signals are main's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0)
		return -r;
	snprintf(name, sizeof(name), "lb4-worker-%u", w->setup.index);
	pthread_setname_np(w->thread, name);

	pthread_mutex_lock(&w->started_lock);
	while (!w->started)
		pthread_cond_wait(&w->started_cond, &w->started_lock);
	pthread_mutex_unlock(&w->started_lock);
	if (w->start_result < 0)
		pthread_join(w->thread, NULL);
	return w->start_result;
}

int worker_start(const struct worker_setup *setup, struct worker **ret)
{
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) & ~(size_t)63);
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct worker){
		.setup = *setup,
		.last_report = malloc(sizeof(*w->last_report)),
		.mailbox = MAILBOX_INIT,
		.started_lock = PTHREAD_MUTEX_INITIALIZER,
		.started_cond = PTHREAD_COND_INITIALIZER,
		.lines = LINE_BOX_INIT(setup->lines, setup->line_policy, worker_lines_dropped),
		.resume_at = NSEC_NEVER,
		.trim_at = NSEC_NEVER,
	};
	r = w->last_report ? 0 : -ENOMEM;
	if (r >= 0) {
		*w->last_report = (struct report){
			.message.free = report_free,
			.kind = REPORT_WORKER,
		};
		/* Only main posts, and it waits for nobody. */
		r = mailbox_init(&w->mailbox, UINT32_MAX);
	}
	if (r >= 0)
		r = start_thread(w);
	if (r < 0) {
		mailbox_deinit(&w->mailbox);
		free(w->last_report);
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct worker *worker_join(struct worker *w)
{
	if (!w)
		return NULL;
	pthread_join(w->thread, NULL);
	mailbox_deinit(&w->mailbox);
	free(w);
	return NULL;
}

uint64_t worker_answer(const struct worker *w)
{
	return atomic_load(&w->answer);
}

const struct worker_counters *worker_counters(const struct worker *w)
{
	return &w->counters;
}
