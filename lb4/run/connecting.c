// SPDX-License-Identifier: BSD-2-Clause
/*
 * Finding a backend that takes the connection: candidates one after the other, until one is
 * connected, and again when that one is lost before it exchanged a byte.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "connecting.h"
#include "parked.h"
#include "proxy_header.h"
#include "queue.h"
#include "relay.h"
#include "socket.h"
#include "source_address.h"

/*
 * When every candidate has failed and tries are left, a restarting backend gets this much time; and
 * this often a connection without a descriptor looks for one.
 */
#define RETRY_PAUSE (250 * NSEC_PER_MSEC)

/* So many full candidates are met on the walk; then whoever has room is looked for. */
#define SPILL_MAX 8
_Static_assert(TRIES_MAX + SPILL_MAX <= BALANCE_TRIED_MAX, "the choice takes them all");

static void close_server(struct connection *c)
{
	connection_close_server(c);
	connection_leave_backend(c);
}

/* Evidence against the backend, when the error speaks of it and not of us. */
static void report_evidence(struct connection *c, int error)
{
	struct backend_counters *counters = connection_backend_counters(c);
	uint64_t n;

	c->last_error = error;
	backend_unref(c->last_failed);
	c->last_failed = backend_ref(c->backend);
	if (error != ECONNREFUSED && error != ETIMEDOUT && error != EHOSTUNREACH &&
	    error != ECONNRESET && error != EPIPE && error != EHOSTDOWN)
		return;
	n = counter_read(counters->consecutive_failures) + 1;
	atomic_store_explicit(&counters->consecutive_failures, n, memory_order_relaxed);
	c->splicer->events->on_passive(c->splicer, c->backend, n, error);
}

/*
 * No descriptor: waits, within the budget, until another connection of this worker ends. Others may
 * make room too, so it also looks again by itself.
 */
static void wait_for_descriptor(struct connection *c, int error)
{
	nsec_t again = nsec_add(c->splicer->now, RETRY_PAUSE);

	c->last_error = error;
	c->last_failed = backend_unref(c->last_failed);
	c->timeouts.connect_by = again < c->timeouts.budget_by ? again : c->timeouts.budget_by;
	list_append(&c->splicer->waiting, &c->waiting);
	connection_arm(c);
	connection_leave_backend(c);
}

/* The connect failed, or could not even begin: the next candidate's turn. */
static void connect_failed(struct connection *c, int error)
{
	counter_add(connection_backend_counters(c)->connect_failures, 1);
	report_evidence(c, error);
	close_server(c);
	connecting_begin(c);
}

/* Nothing is bound where the kernel may choose, or where the families differ. */
static int bind_source(struct connection *c, const struct service_settings *settings)
{
	enum address_family family = c->backend->address.family;
	struct address source;

	if (settings->transparent && c->client.family == family) {
		source = c->client;
		source.port = 0;
		return socket_bind_source(c->side[SERVER].fd, &source, true);
	}
	if (source_address_pick(settings->source_addresses, family, c->splicer->n_sources,
				&source)) {
		c->splicer->n_sources++;
		return socket_bind_source(c->side[SERVER].fd, &source, false);
	}
	return 0;
}

void connecting_to(struct connection *c, const struct snapshot_service *service, uint16_t member)
{
	struct backend *backend = service->backends[member];
	struct splicer *s = c->splicer;
	int r;

	c->backend = backend_ref(backend);
	if (!timeouts_connecting(&c->timeouts, &service->settings, s->now)) {
		connection_leave_backend(c); /* it was not tried */
		connection_end(c, END_CONNECT_FAILED);
		return;
	}
	r = socket_new(&backend->address, &c->side[SERVER].fd);
	if (r == -EMFILE && connection_need_descriptors(c))
		r = socket_new(&backend->address, &c->side[SERVER].fd);
	if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM) {
		wait_for_descriptor(c, -r);
		return;
	}
	c->tried[c->n_tried++] = backend;
	if (c->n_tries++ > 0)
		counter_add(connection_service_counters(c)->retries, 1);
	if (r >= 0)
		r = socket_tune_new(c->side[SERVER].fd, &service->settings);
	if (r < 0) {
		c->last_error = -r;
		connection_end(c, END_INTERNAL);
		return;
	}
	counter_add(connection_backend_counters(c)->connections, 1);
	r = bind_source(c, &service->settings);
	if (r < 0) {
		connect_failed(c, -r);
		return;
	}
	c->proxy_out = service->settings.proxy_out;
	c->splice_after = service->settings.splice_after;
	c->keepalive = keepalive_of(&service->settings);
	c->connecting = true;
	c->timed_out = c->abandoned = false;
	c->connect_started = s->now;
	ring_connect(s->ring, c->side[SERVER].fd, &backend->sockaddr, backend->sockaddr_length,
		     connection_token(c, TOKEN_CONNECT));
	connection_arm(c);
}

/* Everyone was tried; begins another round after a pause, when tries and budget are left. */
static void pause_before_next_round(struct connection *c)
{
	nsec_t next = nsec_add(c->splicer->now, RETRY_PAUSE);

	if (c->n_tried == 0 || next >= c->timeouts.budget_by) {
		connection_end(c, c->n_tries ? END_CONNECT_FAILED : END_NO_BACKEND);
		return;
	}
	c->n_tried = 0;
	c->paused = true;
	c->timeouts.connect_by = next;
	connection_arm(c);
}

/* The members of the service's present table that this round has tried. */
static size_t tried_members(const struct connection *c, const struct snapshot_service *service,
			    uint16_t *members)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_tried; i++)
		for (size_t j = 0; j < service->n_backends; j++)
			if (service->backends[j] == c->tried[i])
				members[n++] = (uint16_t)j;
	return n;
}

static bool acquire(const struct snapshot_service *service, uint16_t member)
{
	return backend_acquire_within(service->backends[member],
				      service->backend_max ? service->backend_max[member] : 0);
}

/* Anybody eligible with room, from `slot` on so that not all clients meet at one. */
static uint16_t search(const struct snapshot_service *service, uint32_t slot, const uint16_t *tried,
		       size_t n_tried)
{
	for (size_t i = 0; i < service->n_backends; i++) {
		uint16_t member = (uint16_t)(((uint64_t)slot + i) % service->n_backends);
		bool is_tried = false;

		for (size_t j = 0; j < n_tried; j++)
			is_tried |= tried[j] == member;
		if (!is_tried && service->table->eligible[member] && acquire(service, member))
			return member;
	}
	return MAGLEV_NONE;
}

/* The connection's slot, or chance where there are none. */
static uint32_t first_place(const struct connection *c, const struct snapshot_service *service)
{
	if (service->table->balance)
		return (uint32_t)c->splicer->chooser.random;
	return snapshot_service_slot(service, &c->client, &c->local);
}

/*
 * A full candidate is passed over for the next of its slot's walk, or by the same rule where there
 * are no slots, as a failed one would be. When
 * several are full the walk could take long, and whoever has room is as good as the next.
 */
uint16_t connecting_choose(const struct connection *c, const struct snapshot_service *service,
			   bool *ret_full)
{
	uint32_t slot = first_place(c, service);
	uint16_t passed[TRIES_MAX + SPILL_MAX];
	size_t n_tried = tried_members(c, service, passed), n = n_tried;
	struct chooser *chooser = &c->splicer->chooser;
	uint16_t member = snapshot_service_choose(service, slot, passed, n, chooser);

	*ret_full = false;
	while (member != MAGLEV_NONE && !acquire(service, member)) {
		*ret_full = true;
		passed[n++] = member;
		if (n == n_tried + SPILL_MAX) {
			member = search(service, slot, passed, n_tried);
			break;
		}
		member = snapshot_service_choose(service, slot, passed, n, chooser);
	}
	if (member != MAGLEV_NONE && *ret_full)
		counter_add(connection_service_counters(c)->spilled, 1);
	return member;
}

/* Others wait for a backend with room already, and were here before it. */
static bool must_queue(const struct connection *c, const struct snapshot_service *service)
{
	return c->n_tries == 0 && service->backend_max && service->table->n_eligible > 0 &&
	       queue_is_busy(service);
}

void connecting_begin(struct connection *c)
{
	const struct snapshot_service *service = snapshot_find(c->splicer->snapshot, c->service);
	bool is_full = true;
	uint16_t member;

	c->state = CONNECTION_CONNECTING;
	if (!service) {
		connection_end(c, END_NO_BACKEND); /* the service was removed meanwhile */
		return;
	}
	if (c->n_tries >= service->settings.tries || c->n_tries >= TRIES_MAX) {
		connection_end(c, END_CONNECT_FAILED);
		return;
	}
	member = must_queue(c, service) ? MAGLEV_NONE : connecting_choose(c, service, &is_full);
	if (member != MAGLEV_NONE)
		connecting_to(c, service, member);
	else if (is_full)
		queue_wait(c, service);
	else
		pause_before_next_round(c);
}

/* Looks again for a descriptor and, since that may have taken long, for a backend. */
static void resume(struct connection *c)
{
	list_unlink(&c->waiting);
	if (c->splicer->now >= c->timeouts.budget_by)
		connection_end(c, END_RESOURCES);
	else
		connecting_begin(c);
}

/*
 * Descriptors have become free: who waits longest comes first. Those who begin to wait meanwhile,
 * served from the queue for a full backend, are not for this round: that could go in circles.
 */
void connecting_wake(struct splicer *s)
{
	const struct list *last = s->waiting.prev, *first;

	if (s->waking)
		return; /* one that was woken has ended: the loop below goes on */
	s->waking = true;
	while (!list_empty(&s->waiting)) {
		first = s->waiting.next;
		resume(container_of(first, struct connection, waiting));
		if (s->waiting.prev == first || first == last)
			break; /* it waits again, as the last; or it was the last */
	}
	s->waking = false;
}

/* Tells the backend who the client is, before any byte of the client's. */
static int introduce(struct connection *c)
{
	uint8_t header[PROXY_HEADER_SIZE_MAX];
	char id[24];
	struct proxy_header h = {
		.version = c->proxy_out,
		.has_addresses = true,
		.source = c->client,
		.destination = c->destination,
		.unique_id = (const uint8_t *)id,
	};

	if (c->proxy_out == PROXY_NONE)
		return 0;
	h.unique_id_size = (size_t)snprintf(id, sizeof(id), "%" PRIu64, connection_id(c));
	return socket_send(c->side[SERVER].fd, header, proxy_header_print(&h, header));
}

static void established(struct connection *c)
{
	struct splicer *s = c->splicer;
	int r;

	c->state = CONNECTION_ESTABLISHED;
	c->connect_took = s->now - c->connect_started;
	counter_add(connection_backend_counters(c)->active, 1);
	counter_add(connection_backend_counters(c)->connects, 1);
	counter_add(connection_backend_counters(c)->connect_nsec, c->connect_took);
	timeouts_established(&c->timeouts, s->now);
	connection_arm(c);
	r = introduce(c);
	if (r == 0) {
		connection_may_park(c);
		relay_start(c);
	} else if (!connection_lose_backend(c, -r))
		connection_end(c, END_SERVER_RESET);
}

void connecting_done(struct connection *c, int result)
{
	c->connecting = false;
	if (c->state == CONNECTION_ENDING) {
		connection_finish(c);
		return;
	}
	if (result == 0 && !c->abandoned) {
		established(c);
		return;
	}
	if (!c->abandoned) {
		connect_failed(c, result == -ECANCELED ? ETIMEDOUT : -result);
		return;
	}
	/* Taken from it: no try, and nobody's fault. */
	c->n_tries--;
	c->n_tried--;
	close_server(c);
	connecting_begin(c);
}

/* No byte was exchanged with the backend, and there is time to find another. */
static bool may_move(const struct connection *c)
{
	if (c->state != CONNECTION_ESTABLISHED)
		return false;
	if (c->direction[CLIENT].bytes || c->direction[SERVER].bytes || c->direction[SERVER].holds)
		return false;
	if (c->direction[SERVER].finished)
		return false; /* the FIN was passed on: the client has heard from this backend */
	if (c->pending_reason != END_NONE)
		return false; /* the client is dead */
	/* Else it was open for long: the next one would say the same. */
	return c->splicer->now < c->timeouts.budget_by;
}

static void lose(struct connection *c)
{
	c->state = CONNECTION_LOST;
	c->direction[SERVER].starved = false; /* nothing is begun on its socket any more */
	connection_stays_awake(c);
}

bool connection_move(struct connection *c)
{
	struct ring *ring = c->splicer->ring;

	if (!may_move(c))
		return false;
	if (!connection_wake(c))
		return true;
	lose(c);
	c->moving = true;
	if (c->direction[SERVER].receiving)
		ring_cancel(ring, connection_token(c, TOKEN_RECEIVE + SERVER));
	if (c->direction[CLIENT].sending)
		ring_cancel(ring, connection_token(c, TOKEN_SEND + CLIENT));
	if (c->side[SERVER].watching)
		ring_cancel(ring, connection_token(c, TOKEN_WATCH + SERVER));
	connection_lost_step(c);
	return true;
}

bool connection_lose_backend(struct connection *c, int error)
{
	if ((error != ECONNRESET && error != EPIPE) || !may_move(c))
		return false;
	lose(c);
	c->moving = false;
	c->last_error = error;
	connection_lost_step(c);
	return true;
}

/* It was not lost: something was exchanged with the backend before its end. */
static void found_again(struct connection *c)
{
	connection_may_park(c);
	relay_server_died(c, c->last_error);
}

void connection_lost_step(struct connection *c)
{
	if (c->state != CONNECTION_LOST || connection_server_is_busy(c))
		return;
	/* A send that was under way was taken after all, or a receive brought the last words. */
	if (c->direction[CLIENT].bytes || c->direction[SERVER].holds) {
		c->state = CONNECTION_ESTABLISHED;
		if (c->moving)
			connection_end(c, END_BACKEND_DOWN);
		else
			found_again(c);
		return;
	}
	if (!c->moving) {
		counter_add(connection_backend_counters(c)->instant_resets, 1);
		report_evidence(c, c->last_error);
	}
	close_server(c);
	c->timeouts.established = false;
	c->direction[SERVER] = (struct direction){.mover = c->direction[SERVER].mover};
	c->direction[CLIENT].finished = false;
	connecting_begin(c);
}

void connecting_abandon(struct connection *c)
{
	if (!c->connecting || c->abandoned)
		return;
	c->abandoned = true;
	ring_cancel(c->splicer->ring, connection_token(c, TOKEN_CONNECT));
}

void connecting_expire(struct connection *c)
{
	c->timeouts.connect_by = NSEC_NEVER;
	if (c->queued) {
		connection_end(c, END_QUEUE_TIMEOUT);
	} else if (c->paused) {
		c->paused = false;
		connecting_begin(c);
	} else if (!list_empty(&c->waiting)) {
		resume(c);
	} else if (c->connecting && !c->timed_out) {
		c->timed_out = true;
		ring_cancel(c->splicer->ring, connection_token(c, TOKEN_CONNECT));
	}
}
