// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "event.h"
#include "state.h"
#include "state_writer.h"

/* Signs of life, by which the next start knows how old the verdicts are (STATE_FRESH). */
#define ALIVE_INTERVAL_SEC 10

struct state_writer {
	pthread_t thread;
	struct state_file file;
	int event_fd;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t given;
	struct state *waiting; /* NULL: none */
	uint64_t number;       /* of what waits */
	bool stopping;
	struct state_written written;
};

/* False when it is to end. */
static bool take(struct state_writer *w, struct state **ret, uint64_t *ret_number)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ALIVE_INTERVAL_SEC;
	pthread_mutex_lock(&w->lock);
	while (!w->waiting && !w->stopping && r == 0)
		r = pthread_cond_timedwait(&w->given, &w->lock, &until);
	*ret = take_ptr(w->waiting);
	*ret_number = w->number;
	pthread_mutex_unlock(&w->lock);
	return *ret || r != 0; /* when it stops, not before the last is written */
}

static int write_state(struct state_writer *w, const struct state *state, const char **ret_step)
{
	_cleanup_(freep) char *text = NULL;
	struct state_clocks clocks;
	size_t size;
	int r;

	*ret_step = "print";
	state_clocks_read(&clocks);
	r = state_print(state, &clocks, &text, &size);
	return r < 0 ? r : state_file_write(&w->file, text, size, ret_step);
}

static void *run(void *data)
{
	struct state_writer *w = data;
	struct state *state;
	uint64_t number;

	while (take(w, &state, &number)) {
		struct state_written written = {.number = number};

		if (!state) {
			state_file_touch(&w->file);
			continue;
		}
		written.error = write_state(w, state, &written.step);
		state_free(state);
		pthread_mutex_lock(&w->lock);
		written.wall = written.error < 0 ? w->written.wall : clock_wall();
		w->written = written;
		pthread_mutex_unlock(&w->lock);
		event_raise(w->event_fd);
	}
	return NULL;
}

static int start_thread(struct state_writer *w)
{
	sigset_t all, before;
	int r;

	/* Signals are main's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r > 0)
		return -r;
	pthread_setname_np(w->thread, "lb4-state");
	return 0;
}

static void init_locks(struct state_writer *w)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&w->given, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void writer_free(struct state_writer *w)
{
	closep(&w->event_fd);
	pthread_cond_destroy(&w->given);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int state_writer_start(struct state_file *file_take, struct state_writer **ret)
{
	struct state_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->event_fd = -1;
	init_locks(w);
	r = event_open(&w->event_fd);
	if (r >= 0) {
		w->file = *file_take;
		r = start_thread(w);
	}
	if (r < 0) {
		writer_free(w);
		return r;
	}
	*file_take = (struct state_file)STATE_FILE_INIT;
	*ret = w;
	return 0;
}

struct state_writer *state_writer_stop(struct state_writer *w, struct state_written *ret)
{
	if (!w)
		return NULL;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->given);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	*ret = w->written;
	state_file_deinit(&w->file);
	writer_free(w);
	return NULL;
}

void state_writer_give(struct state_writer *w, struct state *state_take, uint64_t number)
{
	struct state *before;

	pthread_mutex_lock(&w->lock);
	before = w->waiting;
	w->waiting = state_take;
	w->number = number;
	pthread_cond_signal(&w->given);
	pthread_mutex_unlock(&w->lock);
	state_free(before);
}

int state_writer_fd(const struct state_writer *w)
{
	return w->event_fd;
}

struct state_written state_writer_look(struct state_writer *w)
{
	struct state_written written;

	event_clear(w->event_fd);
	pthread_mutex_lock(&w->lock);
	written = w->written;
	pthread_mutex_unlock(&w->lock);
	return written;
}
