// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "checker.h"
#include "cleanup.h"
#include "log.h"
#include "prober.h"

#define COMMANDS_MAX   4096
#define TOKEN_COMMANDS (PROBER_FOREIGN_TOKEN | 1)

/* Every flight may want one operation and one cancellation between two waits. */
#define RING_ENTRIES (2 * FLIGHTS_MAX)

/* A ring that cannot wait is asked again after this. */
#define FAULT_PAUSE_MSEC 100

struct checker {
	pthread_t thread;
	struct mailbox commands;
	struct mailbox *reports;
	_Atomic bool stopping;
	_Atomic uint64_t answer; /* checker_answer() */
	struct message wake_up;	 /* for checker_stop(), which must not fail for want of memory */

	sem_t ready;
	int start_result;

	/* The thread's own, but for the prober's counters. */
	struct ring *ring;
	struct prober prober;
};

struct command {
	struct message message;
	enum command_kind {
		COMMAND_SET,	 /* takes the place of the one there was */
		COMMAND_SUSPECT, /* `id` */
		COMMAND_ANSWER,	 /* the question `id` */
	} kind;
	struct watch_set set;
	uint64_t id;
};

static void command_free(struct message *m)
{
	struct command *c = container_of(m, struct command, message);

	watch_set_deinit(&c->set);
	free(c);
}

static void command_freep(struct command **c)
{
	if (*c)
		command_free(&(*c)->message);
}

static struct command *command_new(void)
{
	struct command *c = calloc(1, sizeof(*c));

	if (c)
		c->message.free = command_free;
	return c;
}

/* The waking message is part of the checker. */
static void keep(struct message *m)
{
	(void)m;
}

static void obey(struct checker *c, struct message *m)
{
	struct command *command;
	nsec_t now = clock_now();

	if (m != &c->wake_up) {
		command = container_of(m, struct command, message);
		switch (command->kind) {
		case COMMAND_SET:
			prober_set(&c->prober, &command->set, now);
			break;
		case COMMAND_SUSPECT:
			prober_suspect(&c->prober, command->id, now);
			break;
		case COMMAND_ANSWER:
			atomic_store(&c->answer, command->id);
			break;
		}
	}
	m->free(m);
}

static void take_commands(struct checker *c)
{
	struct list messages = LIST_INIT(messages);

	mailbox_take(&c->commands, &messages);
	list_for_each_safe(node, &messages) {
		list_unlink(node);
		obey(c, container_of(node, struct message, node));
	}
	if (c->stopping) {
		struct watch_set nothing = WATCH_SET_INIT;

		prober_set(&c->prober, &nothing, clock_now());
	} else {
		ring_poll(c->ring, c->commands.event_fd, POLLIN, TOKEN_COMMANDS);
	}
}

static void wait_for_something(struct checker *c, int *last_fault)
{
	int r = ring_wait(c->ring, prober_next(&c->prober));

	if (r < 0 && r != *last_fault)
		log_error("checks are delayed: the ring of the health thread: %s",
			  strerrordesc_np(-r));
	if (r < 0)
		poll(NULL, 0, FAULT_PAUSE_MSEC);
	*last_fault = r;
}

static void serve(struct checker *c)
{
	int last_fault = 0;

	take_commands(c);
	while (!c->stopping || !prober_idle(&c->prober)) {
		struct ring_completion completion;
		nsec_t now, wall;

		wait_for_something(c, &last_fault);
		now = clock_now();
		wall = clock_wall();
		/* Answers that are there count, even if their time is over by now. */
		while (ring_next(c->ring, &completion)) {
			if (completion.token == TOKEN_COMMANDS)
				take_commands(c);
			else
				prober_on_completion(&c->prober, &completion, now, wall);
		}
		prober_on_time(&c->prober, now, wall);
	}
}

/* The ring belongs to the thread that opens it. */
static int open_in_thread(struct checker *c)
{
	uint64_t seed = clock_wall();
	int r;

	/* Good jitter is worth having, and not worth failing for. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = clock_wall();
	r = ring_open(RING_ENTRIES, FLIGHTS_MAX, &c->ring);
	if (r < 0)
		return r;
	r = prober_init(&c->prober, c->ring, c->reports, seed);
	if (r < 0)
		c->ring = ring_close(c->ring);
	return r;
}

static void *run(void *data)
{
	struct checker *c = data;
	int r = open_in_thread(c);

	c->start_result = r;
	sem_post(&c->ready);
	if (r < 0)
		return NULL;
	serve(c);
	prober_deinit(&c->prober);
	c->ring = ring_close(c->ring);
	return NULL;
}

static int start_thread(struct checker *c)
{
	sigset_t all, before;
	int r;

	/* Signals are main's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&c->thread, NULL, run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r > 0)
		return -r;
	pthread_setname_np(c->thread, "lb4-health");
	while (sem_wait(&c->ready) < 0)
		;
	if (c->start_result < 0)
		pthread_join(c->thread, NULL);
	return c->start_result;
}

int checker_start(struct mailbox *reports, struct checker **ret)
{
	struct checker *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->reports = reports;
	c->wake_up.free = keep;
	list_init(&c->wake_up.node);
	r = mailbox_init(&c->commands, COMMANDS_MAX);
	if (r < 0) {
		free(c);
		return r;
	}
	sem_init(&c->ready, 0, 0);
	r = start_thread(c);
	if (r < 0) {
		sem_destroy(&c->ready);
		mailbox_deinit(&c->commands);
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct checker *checker_stop(struct checker *c)
{
	if (!c)
		return NULL;
	c->stopping = true;
	/* When the mailbox is full the thread is awake, or about to be. */
	mailbox_post(&c->commands, &c->wake_up);
	pthread_join(c->thread, NULL);
	sem_destroy(&c->ready);
	mailbox_deinit(&c->commands);
	free(c);
	return NULL;
}

int checker_set_targets(struct checker *c, const struct check_target *targets, size_t n)
{
	_cleanup_(command_freep) struct command *command = command_new();
	int r;

	if (!command)
		return -ENOMEM;
	command->kind = COMMAND_SET;
	r = watch_set_init(&command->set, targets, n);
	if (r < 0)
		return r;
	r = mailbox_post(&c->commands, &command->message);
	if (r < 0)
		return r;
	(void)take_ptr(command);
	return 0;
}

static int post_id(struct checker *c, enum command_kind kind, uint64_t id)
{
	_cleanup_(command_freep) struct command *command = command_new();
	int r;

	if (!command)
		return -ENOMEM;
	command->kind = kind;
	command->id = id;
	r = mailbox_post(&c->commands, &command->message);
	if (r < 0)
		return r;
	(void)take_ptr(command);
	return 0;
}

int checker_suspect(struct checker *c, uint64_t id)
{
	return post_id(c, COMMAND_SUSPECT, id);
}

int checker_ask(struct checker *c, uint64_t question)
{
	return post_id(c, COMMAND_ANSWER, question);
}

uint64_t checker_answer(const struct checker *c)
{
	return atomic_load(&c->answer);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void checker_stats(const struct checker *c, struct checker_stats *ret)
{
	*ret = (struct checker_stats){
		.n_results = read_counter(&c->prober.n_results),
		.n_dropped = read_counter(&c->prober.n_dropped),
		.n_postponed = read_counter(&c->prober.n_postponed),
		.n_late = read_counter(&c->prober.n_late),
	};
}
