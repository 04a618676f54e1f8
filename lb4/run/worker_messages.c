// SPDX-License-Identifier: BSD-2-Clause
/* What main tells a worker: posting it, on main, and carrying it out, on the worker. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "queue.h"
#include "socket.h"
#include "worker_private.h"

/* A question to all workers, answered by each in its own part. */
struct listing {
	_Atomic uint32_t refs;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	unsigned n_awaited;
	struct service *service; /* referenced, or NULL */
	size_t n_max;
	struct listing_part {
		struct connection_info *infos;
		size_t n;
	} parts[WORKERS_MAX];
};

/* One struct for all messages: they are few, and only main makes them. */
struct order {
	struct message message;
	void (*carry_out)(struct worker *w, struct order *o);
	struct snapshot *snapshot;
	struct service *service;
	struct backend *backend;
	struct listing *listing; /* referenced, until it is answered */
	struct address address;
	_Atomic uint64_t *answer; /* where `id` is put when the order ends, or NULL */
	uint64_t id;		  /* of the listener or question, or the worker's index */
	int fd;
	enum end_reason reason;
};

static void listing_unref(struct listing *l)
{
	if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		connection_infos_free(l->parts[i].infos, l->parts[i].n);
	service_unref(l->service);
	pthread_cond_destroy(&l->answered);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static void listing_answer(struct listing *l, unsigned worker, struct connection_info *infos,
			   size_t n)
{
	pthread_mutex_lock(&l->lock);
	l->parts[worker] = (struct listing_part){infos, n};
	l->n_awaited--;
	pthread_cond_signal(&l->answered);
	pthread_mutex_unlock(&l->lock);
	listing_unref(l);
}

static void order_free(struct message *m)
{
	struct order *o = container_of(m, struct order, message);

	if (o->listing) /* the worker has ended: it has no connections */
		listing_answer(o->listing, (unsigned)o->id, NULL, 0);
	if (o->answer) /* by the worker, or for one that has ended */
		atomic_store(o->answer, o->id);
	snapshot_unref(o->snapshot);
	service_unref(o->service);
	backend_unref(o->backend);
	socket_close(o->fd);
	free(o);
}

static int post(struct worker *w, const struct order *template)
{
	struct order *o = malloc(sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	*o = *template;
	o->message.free = order_free;
	r = mailbox_post(&w->mailbox, &o->message);
	if (r < 0)
		free(o);
	return r;
}

/* What the listener accepts is as its service says now. The view there was, if any, is still valid. */
static void set_view(struct listener *l, const struct snapshot_service *view)
{
	int r = 0;

	if (view && l->view)
		r = socket_retune(l->fd, &l->view->settings, &view->settings);
	else if (view)
		r = socket_tune(l->fd, &view->settings);
	if (r < 0)
		log_error("cannot set options of a listening socket: %s", strerrordesc_np(-r));
	l->view = view;
}

static void carry_out_publish(struct worker *w, struct order *o)
{
	struct snapshot *old = w->snapshot;

	w->snapshot = take_ptr(o->snapshot);
	w->splicer.snapshot = w->snapshot;
	for (uint32_t i = 0; i < w->listeners.n_made; i++) {
		struct listener *l = slots_at(&w->listeners, i);

		if (l)
			set_view(l, snapshot_find(w->snapshot, l->service));
	}
	snapshot_unref(old);
	queue_run(&w->splicer); /* others may be eligible, and limits others */
}

int worker_publish(struct worker *w, struct snapshot *snapshot)
{
	return post(
		w, &(struct order){.carry_out = carry_out_publish, .snapshot = snapshot, .fd = -1});
}

static void carry_out_listen(struct worker *w, struct order *o)
{
	struct listener *l = w->stopping ? NULL : slots_new(&w->listeners);

	if (!l)
		return; /* the socket is closed with the order */
	l->id = o->id;
	l->fd = o->fd;
	o->fd = -1;
	l->address = o->address;
	l->wildcard = address_is_wildcard(&o->address);
	l->service = take_ptr(o->service);
	set_view(l, snapshot_find(w->snapshot, l->service));
	worker_accept_arm(w, l);
}

int worker_listen(struct worker *w, uint64_t id, struct service *service,
		  const struct address *address, int fd)
{
	int r = post(w, &(struct order){.carry_out = carry_out_listen,
					.service = service_ref(service),
					.address = *address,
					.id = id,
					.fd = fd});

	if (r < 0)
		service_unref(service);
	return r;
}

static void carry_out_unlisten(struct worker *w, struct order *o)
{
	for (uint32_t i = 0; i < w->listeners.n_made; i++) {
		struct listener *l = slots_at(&w->listeners, i);

		if (l && !l->closing && l->id == o->id)
			worker_listener_close(w, l);
	}
}

int worker_unlisten(struct worker *w, uint64_t id)
{
	return post(w, &(struct order){.carry_out = carry_out_unlisten, .id = id, .fd = -1});
}

static void carry_out_move_listener(struct worker *w, struct order *o)
{
	const struct snapshot_service *view = snapshot_find(w->snapshot, o->service);

	for (uint32_t i = 0; i < w->listeners.n_made; i++) {
		struct listener *l = slots_at(&w->listeners, i);

		if (!l || l->closing || l->id != o->id)
			continue;
		service_unref(l->service);
		l->service = service_ref(o->service);
		if (view)
			set_view(l, view);
	}
}

int worker_move_listener(struct worker *w, uint64_t id, struct service *service)
{
	int r = post(w, &(struct order){.carry_out = carry_out_move_listener,
					.service = service_ref(service),
					.id = id,
					.fd = -1});

	if (r < 0)
		service_unref(service);
	return r;
}

static void carry_out_leave_backend(struct worker *w, struct order *o)
{
	splicer_leave_backend(&w->splicer, o->backend, o->reason);
}

int worker_leave_backend(struct worker *w, struct backend *backend, enum end_reason reason)
{
	int r = post(w, &(struct order){.carry_out = carry_out_leave_backend,
					.backend = backend_ref(backend),
					.reason = reason,
					.fd = -1});

	if (r < 0)
		backend_unref(backend);
	return r;
}

static void carry_out_stop(struct worker *w, struct order *o)
{
	(void)o;
	w->stopping = true;
	for (uint32_t i = 0; i < w->listeners.n_made; i++) {
		struct listener *l = slots_at(&w->listeners, i);

		if (l && !l->closing)
			worker_listener_close(w, l);
	}
}

int worker_stop(struct worker *w)
{
	return post(w, &(struct order){.carry_out = carry_out_stop, .fd = -1});
}

static void carry_out_end_all(struct worker *w, struct order *o)
{
	splicer_end_all(&w->splicer, o->reason);
}

int worker_end_all(struct worker *w, enum end_reason reason)
{
	return post(w, &(struct order){.carry_out = carry_out_end_all, .reason = reason, .fd = -1});
}

/* That it comes to this is the answer, which is given with the order's end. */
static void carry_out_ask(struct worker *w, struct order *o)
{
	(void)w;
	(void)o;
}

int worker_ask(struct worker *w, uint64_t question)
{
	return post(w, &(struct order){.carry_out = carry_out_ask,
				       .answer = &w->answer,
				       .id = question,
				       .fd = -1});
}

static void carry_out_list(struct worker *w, struct order *o)
{
	struct listing *l = take_ptr(o->listing);
	size_t n = splicer_active(&w->splicer) < l->n_max ? splicer_active(&w->splicer) : l->n_max;
	struct connection_info *infos = calloc(n ? n : 1, sizeof(infos[0]));

	if (infos)
		n = splicer_list(&w->splicer, l->service, infos, n);
	else
		n = 0;
	listing_answer(l, w->setup.index, infos, n);
}

static struct listing *listing_new(struct service *service, size_t n_max)
{
	struct listing *l = calloc(1, sizeof(*l));
	pthread_condattr_t attributes;

	if (!l)
		return NULL;
	l->refs = 1;
	l->n_max = n_max;
	l->service = service ? service_ref(service) : NULL;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&l->answered, &attributes);
	pthread_condattr_destroy(&attributes);
	return l;
}

/* Waits for all answers, at most a second; 0 or -ETIMEDOUT. */
static int listing_await(struct listing *l)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	pthread_mutex_lock(&l->lock);
	while (l->n_awaited > 0 && r == 0)
		r = pthread_cond_timedwait(&l->answered, &l->lock, &until);
	pthread_mutex_unlock(&l->lock);
	return -r;
}

/* Moves up to n_max infos out of the parts. */
static int listing_gather(struct listing *l, struct connection_info **ret, size_t *ret_n)
{
	struct connection_info *infos;
	size_t n = 0, total = 0;

	for (unsigned i = 0; i < WORKERS_MAX; i++)
		total += l->parts[i].n;
	if (total > l->n_max)
		total = l->n_max;
	infos = calloc(total ? total : 1, sizeof(infos[0]));
	if (!infos)
		return -ENOMEM;
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct listing_part *part = &l->parts[i];

		for (size_t j = 0; j < part->n && n < total; j++) {
			infos[n++] = part->infos[j];
			part->infos[j] = (struct connection_info){};
		}
	}
	*ret = infos;
	*ret_n = n;
	return 0;
}

int workers_list(struct worker *const *workers, unsigned n_workers, struct service *service,
		 size_t n_max, struct connection_info **ret, size_t *ret_n)
{
	struct listing *l = listing_new(service, n_max);
	int r = 0;

	if (!l)
		return -ENOMEM;
	l->n_awaited = n_workers;
	for (unsigned i = 0; i < n_workers; i++) {
		atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
		r = post(workers[i],
			 &(struct order){
				 .carry_out = carry_out_list, .listing = l, .id = i, .fd = -1});
		if (r < 0) {
			listing_unref(l);
			break;
		}
	}
	if (r >= 0)
		r = listing_await(l);
	if (r >= 0)
		r = listing_gather(l, ret, ret_n);
	listing_unref(l);
	return r;
}

void connection_infos_free(struct connection_info *infos, size_t n)
{
	if (!infos)
		return;
	for (size_t i = 0; i < n; i++) {
		service_unref(infos[i].service);
		backend_unref(infos[i].backend);
		service_unref(infos[i].via);
		free(infos[i].sni);
	}
	free(infos);
}

void worker_take_messages(struct worker *w)
{
	struct list messages = LIST_INIT(messages);

	mailbox_take(&w->mailbox, &messages);
	list_for_each_safe(node, &messages) {
		struct order *o = container_of(node, struct order, message.node);

		list_unlink(node);
		o->carry_out(w, o);
		order_free(&o->message);
	}
}
