// SPDX-License-Identifier: BSD-2-Clause
/* Which connections are parked, and when; how is io/parking.h's business. */
#include "parked.h"
#include "parking.h"
#include "socket.h"

/* So many are parked at once, since what is queued has to be submitted before. */
#define BATCH 64

/* When a connection could not be parked, for want of memory, that is tried again after this. */
#define PARK_AGAIN NSEC_PER_SEC

static void park(struct connection *c)
{
	struct splicer *s = c->splicer;
	int fds[SIDES] = {c->side[CLIENT].fd, c->side[SERVER].fd};

	/* Later it would have to be woken for that. */
	if (c->state == CONNECTION_ESTABLISHED && c->timeouts.settled_by != NSEC_NEVER)
		connection_settle(c);
	if (parking_enter(s->parking, c->slot.index, fds) < 0) {
		s->n_not_parked++;
		s->park_after = nsec_add(s->now, PARK_AGAIN);
		return;
	}
	c->side[CLIENT].fd = c->side[SERVER].fd = -1;
	c->parked = true;
	s->n_parked++;
	list_unlink(&c->awake);
}

/*
 * Parks connections, but for `busy`, until `n` are awake. Those that had an event since they were
 * looked at last get another chance; after one turn there is none of them left.
 */
static void park_coldest(struct splicer *s, const struct connection *busy, uint32_t n)
{
	uint32_t looks = 2 * splicer_awake(s);

	/* The operations that name a descriptor must have been begun before it is closed. */
	if (s->now < s->park_after || ring_submit(s->ring) < 0)
		return;
	while (looks-- > 0 && splicer_awake(s) > n && !list_empty(&s->awake) &&
	       s->now >= s->park_after) {
		struct connection *c = container_of(s->awake.next, struct connection, awake);

		if (c == busy || c->warm) {
			c->warm = false;
			list_unlink(&c->awake);
			list_append(&s->awake, &c->awake);
		} else {
			park(c);
		}
	}
}

static void make_room(struct splicer *s, const struct connection *busy)
{
	uint32_t batch = s->awake_max / 8 < BATCH ? s->awake_max / 8 : BATCH;

	if (s->parking && splicer_awake(s) > s->awake_max)
		park_coldest(s, busy, s->awake_max - batch);
}

void connection_may_park(struct connection *c)
{
	struct splicer *s = c->splicer;

	c->warm = false;
	list_append(&s->awake, &c->awake);
	make_room(s, c);
}

/*
 * When very many end at once, each having been woken by the event that ended it, those that wait for
 * their last completions must not hold the descriptors that others need.
 */
void connection_may_sleep(struct connection *c)
{
	if (list_empty(&c->awake))
		return;
	c->warm = false;
	list_unlink(&c->awake);
	list_append(c->splicer->awake.next, &c->awake);
}

void connection_stays_awake(struct connection *c)
{
	list_unlink(&c->awake);
}

bool connection_need_descriptors(const struct connection *c)
{
	struct splicer *s = c->splicer;
	uint32_t n = splicer_awake(s);

	if (s->parking)
		park_coldest(s, c, n > BATCH ? n - BATCH : 0);
	return splicer_awake(s) < n;
}

bool connection_wake(struct connection *c)
{
	struct splicer *s = c->splicer;
	int fds[SIDES];
	int r;

	c->warm = true;
	if (!c->parked)
		return true;
	r = parking_wake(s->parking, c->slot.index, fds);
	if (r < 0 && connection_need_descriptors(c))
		r = parking_wake(s->parking, c->slot.index, fds);
	if (r < 0) {
		connection_end(c, END_RESOURCES);
		return false;
	}
	c->side[CLIENT].fd = fds[CLIENT];
	c->side[SERVER].fd = fds[SERVER];
	c->parked = false;
	s->n_parked--;
	list_append(&s->awake, &c->awake);
	make_room(s, c);
	return true;
}

/* Its files live in their descriptors alone, so that closing those ends them. */
static void leave_place(struct connection *c)
{
	struct splicer *s = c->splicer;

	if (s->parking && parking_holds(s->parking, c->slot.index))
		parking_leave(s->parking, c->slot.index);
}

void connection_close(struct connection *c, bool reset)
{
	struct splicer *s = c->splicer;

	list_unlink(&c->awake);
	if (c->parked) {
		if (reset)
			parking_reset(s->parking, c->slot.index);
		else
			parking_leave(s->parking, c->slot.index);
		c->parked = false;
		s->n_parked--;
		return;
	}
	leave_place(c);
	for (unsigned i = 0; i < SIDES; i++) {
		if (reset)
			socket_reset(c->side[i].fd);
		else
			socket_close(c->side[i].fd);
	}
}

void connection_close_server(struct connection *c)
{
	leave_place(c);
	socket_reset(c->side[SERVER].fd);
	c->side[SERVER].fd = -1;
}
