// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "admitting.h"
#include "connecting.h"
#include "greeting.h"
#include "held.h"
#include "preface.h"
#include "relay.h"
#include "socket.h"

static const struct preface_stage *const stages[] = {
	&stage_proxy,
	&stage_hello,
};
#define N_STAGES (sizeof(stages) / sizeof(stages[0]))

static const struct mover mover_preface;

/* Let in by the service that it is of now. */
static bool is_admitted(const struct connection *c)
{
	return c->n_admissions > 0 && c->admissions[c->n_admissions - 1].service == c->service;
}

/* The time for finding a backend is not what the client took for its first bytes. */
static void choose(struct connection *c)
{
	const struct snapshot_service *service = snapshot_find(c->splicer->snapshot, c->service);
	enum end_reason reason = END_NONE;

	if (service) {
		timeouts_choosing(&c->timeouts, &service->settings, c->splicer->now);
		/* Where a proxy was to name the client, or another service was chosen for it. */
		if (!is_admitted(c))
			reason = admitting_client(c, service);
	}
	if (reason == END_NONE)
		connecting_begin(c);
	else
		connection_end(c, reason);
}

/* Goes on with the first stage from c->stage on that is wanted. */
static void next_stage(struct connection *c)
{
	for (; c->stage < N_STAGES; c->stage++) {
		const struct snapshot_service *service =
			snapshot_find(c->splicer->snapshot, c->service);
		nsec_t by;

		if (!service) {
			connection_end(c, END_NO_BACKEND); /* removed meanwhile */
			return;
		}
		if (!stages[c->stage]->wanted(c, service, &by))
			continue;
		timeouts_waiting(&c->timeouts, by);
		connection_arm(c);
		c->direction[CLIENT].mover = &mover_preface;
		mover_preface.start(c, CLIENT);
		return;
	}
	c->direction[CLIENT].mover = &mover_copy;
	choose(c);
}

static void read_stage(struct connection *c)
{
	const struct snapshot_service *service = snapshot_find(c->splicer->snapshot, c->service);
	struct direction *d = &c->direction[CLIENT];
	enum end_reason reason = END_INTERNAL;
	uint32_t consumed = 0;

	if (!service) {
		connection_end(c, END_NO_BACKEND);
		return;
	}
	switch (stages[c->stage]->read(c, service, d->data + d->sent, held_size(d), &consumed,
				       &reason)) {
	case PREFACE_MORE:
		held_receive(c, CLIENT, false);
		return;
	case PREFACE_REFUSED:
		connection_end(c, reason);
		return;
	case PREFACE_DONE:
		held_consume(c, CLIENT, consumed);
		c->stage++;
		next_stage(c);
		return;
	}
}

void preface_begin(struct connection *c)
{
	c->state = CONNECTION_PREFACE;
	c->stage = 0;
	next_stage(c);
}

enum preface_result preface_hand_over(struct connection *c, const struct snapshot_service *from,
				      const struct snapshot_service *to,
				      enum end_reason *ret_reason)
{
	/* Where a proxy was to name the client, it has not been let in here yet. */
	if (!is_admitted(c)) {
		*ret_reason = admitting_client(c, from);
		if (*ret_reason != END_NONE)
			return PREFACE_REFUSED;
	}
	counter_add(connection_service_counters(c)->routed, 1);
	counter_add(connection_service_counters(c)->active, -1);
	if (c->greeting)
		c->greeting->via = c->service;
	else
		service_unref(c->service);
	c->service = service_ref(to->service);
	counter_add(connection_service_counters(c)->accepted, 1);
	counter_add(connection_service_counters(c)->active, 1);
	timeouts_hand_over(&c->timeouts, &to->settings);
	if (socket_retune(c->side[CLIENT].fd, &from->settings, &to->settings) >= 0)
		return PREFACE_DONE;
	*ret_reason = END_CLIENT_RESET; /* as when it is tuned for the first time */
	return PREFACE_REFUSED;
}

/* The stage under way is passed over. */
static void pass(struct connection *c)
{
	c->passing = false;
	c->stage++;
	next_stage(c);
}

void preface_expire(struct connection *c)
{
	const struct snapshot_service *service = snapshot_find(c->splicer->snapshot, c->service);
	const struct preface_stage *stage = stages[c->stage];

	if (!service || !stage->passes || !stage->passes(service)) {
		connection_end(c, stage->timed_out);
		return;
	}
	timeouts_waiting(&c->timeouts, NSEC_NEVER);
	connection_arm(c);
	if (c->direction[CLIENT].receiving) {
		/* Its buffer may be filled already: goes on when that is known. */
		c->passing = true;
		ring_cancel(c->splicer->ring, connection_token(c, TOKEN_RECEIVE + CLIENT));
		return;
	}
	list_unlink(&c->starved);
	c->direction[CLIENT].starved = false;
	pass(c);
}

/* What is held already may be all that the stage needs. */
static void preface_start(struct connection *c, unsigned direction)
{
	if (c->direction[direction].holds && !c->direction[direction].starved)
		read_stage(c);
	else
		held_receive(c, direction, false);
}

static void preface_received(struct connection *c, unsigned direction,
			     const struct ring_completion *completion)
{
	int result = completion->result;

	if (c->passing &&
	    (result == -ECANCELED || result == -ENOBUFS || result == -EINTR || result == -EAGAIN))
		pass(c);
	else if (!held_take(c, direction, completion))
		return;
	else if (c->passing)
		pass(c);
	else
		read_stage(c);
}

static void preface_sent(struct connection *c, unsigned direction,
			 const struct ring_completion *completion)
{
	(void)completion;
	(void)direction;
	connection_end(c, END_INTERNAL); /* nothing is sent before there is a backend */
}

static const struct mover mover_preface = {
	.name = "preface",
	.start = preface_start,
	.received = preface_received,
	.sent = preface_sent,
	.release = held_release,
};
