// SPDX-License-Identifier: BSD-2-Clause
/* The fake kernel's parking: a socket that wakes has a descriptor that it never had before. */
#include <errno.h>
#include <stdlib.h>

#include "fake_private.h"
#include "parking.h"

struct parking {
	uint32_t n_places, n_used;
	struct fake_socket *places[][PARKED_FILES];
};

int parking_probe(void)
{
	return 0;
}

uint32_t parking_table_places(uint64_t n_descriptors)
{
	return (uint32_t)n_descriptors;
}

struct parking *parking_new(uint32_t n_places)
{
	struct parking *p = calloc(1, sizeof(*p) + n_places * sizeof(p->places[0]));

	assert_non_null(p);
	p->n_places = n_places;
	return p;
}

struct parking *parking_free(struct parking *p)
{
	if (p)
		fake_check(p->n_used == 0, "%u places were not left", p->n_used);
	free(p);
	return NULL;
}

uint32_t parking_used(const struct parking *p)
{
	return p->n_used;
}

bool parking_holds(const struct parking *p, uint32_t place)
{
	fake_check(place < p->n_places, "there is no place %u", place);
	return p->places[place][0];
}

static void take_place(struct parking *p, uint32_t place, struct fake_socket *const sockets[])
{
	for (unsigned i = 0; i < PARKED_FILES; i++) {
		fake_check(!sockets[i]->placed, "descriptor %d has a place", sockets[i]->fd);
		sockets[i]->placed = true;
		p->places[place][i] = sockets[i];
	}
	p->n_used++;
}

int parking_enter(struct parking *p, uint32_t place, const int fds[PARKED_FILES])
{
	struct fake_socket *sockets[PARKED_FILES];

	for (unsigned i = 0; i < PARKED_FILES; i++) {
		sockets[i] = fake_find(fds[i]);
		fake_check(!fake_is_queued(sockets[i]),
			   "descriptor %d is parked under an operation not submitted", fds[i]);
	}
	if (!parking_holds(p, place)) {
		if (fake.park_error || (fake.chaos && fake_chance(2)))
			return fake.park_error ? fake.park_error : -ENOMEM;
		take_place(p, place, sockets);
	}
	for (unsigned i = 0; i < PARKED_FILES; i++) {
		fake_check(p->places[place][i] == sockets[i],
			   "descriptor %d at place %u of another", fds[i], place);
		fake_take_fd(sockets[i]);
		fake.n_parked++;
	}
	return 0;
}

int parking_wake(struct parking *p, uint32_t place, int ret_fds[PARKED_FILES])
{
	fake_check(parking_holds(p, place), "nothing is parked at place %u", place);
	if (fake_n_fds() + PARKED_FILES > fake.sockets_max)
		return -EMFILE;
	for (unsigned i = 0; i < PARKED_FILES; i++) {
		struct fake_socket *s = p->places[place][i];

		fake_check(s->fd < 0, "descriptor %d is awake already", s->fd);
		fake_give_fd(s);
		fake.n_parked--;
		ret_fds[i] = s->fd;
	}
	return 0;
}

static void leave(struct parking *p, uint32_t place, bool reset)
{
	fake_check(parking_holds(p, place), "nothing is at place %u", place);
	for (unsigned i = 0; i < PARKED_FILES; i++) {
		struct fake_socket *s = p->places[place][i];

		p->places[place][i] = NULL;
		s->placed = false;
		if (s->fd < 0) {
			fake_end(s, reset);
			fake.n_parked--;
		} else {
			fake_check(!reset, "descriptor %d is reset in its place, and awake", s->fd);
		}
	}
	p->n_used--;
}

void parking_leave(struct parking *p, uint32_t place)
{
	leave(p, place, false);
}

void parking_reset(struct parking *p, uint32_t place)
{
	leave(p, place, true);
}
