// SPDX-License-Identifier: BSD-2-Clause
#include "preface.h"
#include "admitting.h"
#include "connecting.h"
#include "held.h"
#include "relay.h"

static const struct preface_stage *const stages[] = {
	&stage_proxy,
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
		held_receive(c, CLIENT);
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

void preface_expire(struct connection *c)
{
	connection_end(c, stages[c->stage]->timed_out);
}

/* What is held already may be all that the stage needs. */
static void preface_start(struct connection *c, unsigned direction)
{
	if (c->direction[direction].holds && !c->direction[direction].starved)
		read_stage(c);
	else
		held_receive(c, direction);
}

static void preface_received(struct connection *c, unsigned direction,
			     const struct ring_completion *completion)
{
	if (held_take(c, direction, completion))
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
