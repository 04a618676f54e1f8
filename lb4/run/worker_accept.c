// SPDX-License-Identifier: BSD-2-Clause
/*
 * Accepting. A multishot accept takes whatever comes, which near the limit of connections would be
 * more than can be served; there one connection at a time is accepted. At the limit, or when
 * descriptors run out all the same, accepting pauses: clients wait in the kernel's queue, and what
 * is established goes on. Where connections are parked, a worker also has a limit of those that are
 * not, which only many that are being connected can reach.
 */
#include <errno.h>
#include <stdatomic.h>

#include "connection.h"
#include "ring.h"
#include "socket.h"
#include "token.h"
#include "worker_private.h"

/* Room for connections below which they are accepted one by one: a whole listen queue. */
#define ACCEPT_MARGIN 2048

/* A paused worker looks again this often, since others may have made room. */
#define PAUSE (50 * NSEC_PER_MSEC)

static uint32_t left(uint32_t max, uint32_t taken)
{
	return taken < max ? max - taken : 0;
}

/* Connections that max_memory has room for. */
static uint32_t memory_room(const struct worker *w)
{
	uint64_t n = budget_left(w->setup.memory) / CONNECTION_MEMORY;

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static uint32_t room(const struct worker *w)
{
	const struct connection_limit *limit = w->setup.limit;
	uint32_t room =
		left(limit->max, atomic_load_explicit(&limit->active, memory_order_relaxed));
	uint32_t awake =
		limit->awake_max ? left(limit->awake_max, splicer_awake(&w->splicer)) : room;
	uint32_t memory = memory_room(w);

	if (awake < room)
		room = awake;
	return memory < room ? memory : room;
}

static uint64_t accept_token(const struct listener *l)
{
	return token_make(TOKEN_ACCEPT, l->slot.generation, l->slot.index);
}

void worker_accept_arm(struct worker *w, struct listener *l)
{
	if (l->accepting || l->closing || w->paused)
		return;
	l->accepting = true;
	l->cancelled = false;
	l->multishot = room(w) > ACCEPT_MARGIN;
	ring_accept(w->ring, l->fd, l->multishot, accept_token(l));
}

static void accept_cancel(struct worker *w, struct listener *l)
{
	if (!l->accepting || l->cancelled)
		return;
	l->cancelled = true;
	ring_cancel(w->ring, accept_token(l));
}

static void pause_accepting(struct worker *w, bool shortage)
{
	w->shortage = shortage;
	w->resume_at = w->splicer.now + PAUSE;
	if (w->paused)
		return;
	w->paused = true;
	counter_add(w->counters.accept_pauses, 1);
	if (shortage)
		counter_add(w->counters.accept_shortages, 1);
	else if (memory_room(w) == 0)
		counter_add(w->counters.memory_pauses, 1);
	worker_report_trouble(w);
	for (uint32_t i = 0; i < w->listeners.n_made; i++) {
		struct listener *l = slots_at(&w->listeners, i);

		if (l)
			accept_cancel(w, l);
	}
}

void worker_accept_resume(struct worker *w)
{
	/* In a shortage the next accept would fail at once: room is no reason to look earlier. */
	if (!w->paused || (w->shortage && w->splicer.now < w->resume_at))
		return;
	if (room(w) == 0) {
		w->resume_at = w->splicer.now + PAUSE;
		return;
	}
	w->paused = false;
	w->resume_at = NSEC_NEVER;
	for (uint32_t i = 0; i < w->listeners.n_made; i++) {
		struct listener *l = slots_at(&w->listeners, i);

		if (l)
			worker_accept_arm(w, l);
	}
}

static void serve(struct worker *w, struct listener *l, int fd)
{
	_Atomic uint32_t *active = &w->setup.limit->active;

	if (!l->view) {
		socket_reset(fd);
		return;
	}
	atomic_fetch_add_explicit(active, 1, memory_order_relaxed);
	budget_add(w->setup.memory, CONNECTION_MEMORY);
	if (splicer_accept(&w->splicer, l->view, fd, l->wildcard ? NULL : &l->address))
		return;
	budget_give(w->setup.memory, CONNECTION_MEMORY);
	atomic_fetch_sub_explicit(active, 1, memory_order_relaxed);
}

/* The last accept has completed: serves what still waits in the queue, and closes. */
static void listener_free(struct worker *w, struct listener *l)
{
	int fd;

	while ((fd = socket_accept_pending(l->fd)) >= 0)
		serve(w, l, fd);
	socket_close(l->fd);
	service_unref(l->service);
	slots_free(&w->listeners, l);
}

void worker_listener_close(struct worker *w, struct listener *l)
{
	l->closing = true;
	if (l->accepting)
		accept_cancel(w, l);
	else
		listener_free(w, l);
}

void worker_accepted(struct worker *w, const struct ring_completion *completion)
{
	struct listener *l = slots_find(&w->listeners, token_index(completion->token),
					token_generation(completion->token));
	int result = completion->result;

	if (!l)
		return; /* cannot be: a listener is freed after its last completion */
	if (!completion->more)
		l->accepting = false;
	if (result >= 0)
		serve(w, l, result);

	if (l->closing) {
		if (!l->accepting)
			listener_free(w, l);
		return;
	}
	/* Beyond a client that went away, an error is a shortage, or better met as one than spun on. */
	if (result < 0 && result != -ECANCELED && result != -ECONNABORTED && result != -EINTR &&
	    result != -EAGAIN)
		pause_accepting(w, true);
	else if (room(w) == 0)
		pause_accepting(w, false);
	else if (l->accepting && l->multishot && room(w) <= ACCEPT_MARGIN)
		accept_cancel(w, l);
	worker_accept_arm(w, l);
}
