// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each table belongs to a ring of its own, of which nothing else is wanted. Its few operations
 * complete while they are submitted, so that their completions can be taken on the spot.
 */
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "parking.h"

/* The kernel's number, which older headers lack. */
#define OP_FIXED_FD_INSTALL 54

/* A table takes 16 bytes a place at once and 64 more for files that are there. */
#define PLACES_PER_TABLE 8192u

struct table {
	struct io_uring ring;
	uint64_t used[PLACES_PER_TABLE / 64];
};

struct parking {
	uint32_t n_places, n_used;
	uint32_t places_per_table; /* what RLIMIT_NOFILE allows */
	struct table *tables[];	   /* NULL: not needed so far */
};

static uint32_t tables_needed(uint32_t n_places, uint32_t places_per_table)
{
	return (n_places + places_per_table - 1) / places_per_table;
}

int parking_probe(void)
{
	struct io_uring_probe *probe;
	struct io_uring ring;
	bool supported;
	int r = io_uring_queue_init(PARKED_FILES, &ring, 0);

	if (r < 0)
		return r;
	probe = io_uring_get_probe_ring(&ring);
	supported = probe && io_uring_opcode_supported(probe, OP_FIXED_FD_INSTALL);
	io_uring_free_probe(probe);
	io_uring_queue_exit(&ring);
	return supported ? 0 : -EOPNOTSUPP;
}

uint32_t parking_table_places(uint64_t n_descriptors)
{
	uint64_t n = n_descriptors / PARKED_FILES;

	return n < PLACES_PER_TABLE ? (uint32_t)n : PLACES_PER_TABLE;
}

struct parking *parking_new(uint32_t n_places)
{
	uint32_t places_per_table;
	struct rlimit limit;
	struct parking *p;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return NULL;
	places_per_table = parking_table_places(limit.rlim_cur);
	if (places_per_table == 0)
		return NULL;
	p = calloc(1, sizeof(*p) + tables_needed(n_places, places_per_table) * sizeof(void *));
	if (!p)
		return NULL;
	p->n_places = n_places;
	p->places_per_table = places_per_table;
	return p;
}

struct parking *parking_free(struct parking *p)
{
	if (!p)
		return NULL;
	for (uint32_t i = 0; i < tables_needed(p->n_places, p->places_per_table); i++) {
		if (!p->tables[i])
			continue;
		io_uring_queue_exit(&p->tables[i]->ring);
		free(p->tables[i]);
	}
	free(p);
	return NULL;
}

static int table_open(uint32_t n_places, struct table **ret)
{
	_cleanup_(freep) struct table *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	r = io_uring_queue_init(PARKED_FILES, &t->ring, 0);
	if (r < 0)
		return r;
	r = io_uring_register_files_sparse(&t->ring, n_places * PARKED_FILES);
	if (r < 0) {
		io_uring_queue_exit(&t->ring);
		return r;
	}
	io_uring_register_ring_fd(&t->ring); /* saves a look-up a call, for the first few tables */
	*ret = take_ptr(t);
	return 0;
}

/* A place: its table, and its number there. */
static struct table *table_of(const struct parking *p, uint32_t place, uint32_t *ret_local)
{
	assert(place < p->n_places);
	*ret_local = place % p->places_per_table;
	return p->tables[place / p->places_per_table];
}

static bool is_used(const struct table *t, uint32_t local)
{
	return t && t->used[local / 64] >> local % 64 & 1;
}

bool parking_holds(const struct parking *p, uint32_t place)
{
	uint32_t local;
	const struct table *t = table_of(p, place, &local);

	return is_used(t, local);
}

uint32_t parking_used(const struct parking *p)
{
	return p->n_used;
}

/* Sets the entries of a place; 0 or -errno, which clearing them cannot fail with. */
static int set_files(struct table *t, uint32_t local, const int fds[PARKED_FILES])
{
	static const int none[PARKED_FILES] = {-1, -1};
	unsigned first = local * PARKED_FILES;
	int r = io_uring_register_files_update(&t->ring, first, (int *)fds, PARKED_FILES);

	if (r == PARKED_FILES)
		return 0;
	if (r > 0) /* not all of them; which error kept it from the next is not told */
		io_uring_register_files_update(&t->ring, first, (int *)none, PARKED_FILES);
	return r < 0 ? r : -ENOMEM;
}

static int enter(struct parking *p, uint32_t place, const int fds[PARKED_FILES])
{
	struct table **table = &p->tables[place / p->places_per_table];
	uint32_t local = place % p->places_per_table;
	int r = *table ? 0 : table_open(p->places_per_table, table);

	if (r >= 0)
		r = set_files(*table, local, fds);
	if (r < 0)
		return r;
	(*table)->used[local / 64] |= 1ULL << local % 64;
	p->n_used++;
	return 0;
}

int parking_enter(struct parking *p, uint32_t place, const int fds[PARKED_FILES])
{
	int r = parking_holds(p, place) ? 0 : enter(p, place, fds);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < PARKED_FILES; i++)
		close(fds[i]);
	return 0;
}

static struct io_uring_sqe *next_entry(struct table *t, unsigned i)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&t->ring);

	assert(entry); /* run() leaves none behind */
	io_uring_sqe_set_data64(entry, i);
	return entry;
}

/* On the file, not on a descriptor. To be called once the operation was filled in. */
static void at_place(struct io_uring_sqe *entry, uint32_t local, unsigned i)
{
	entry->fd = (int)(local * PARKED_FILES + i);
	entry->flags |= IOSQE_FIXED_FILE;
}

/* Runs the operations that were queued, one for each file, and gives their results. */
static void run(struct table *t, int results[PARKED_FILES])
{
	struct io_uring_cqe *cqe;
	unsigned n = 0;

	for (unsigned attempt = 0; n < PARKED_FILES; attempt++) {
		assert(attempt < 1000);
		io_uring_submit(&t->ring);
		while (io_uring_peek_cqe(&t->ring, &cqe) == 0) {
			results[cqe->user_data] = cqe->res;
			io_uring_cqe_seen(&t->ring, cqe);
			n++;
		}
	}
}

int parking_wake(struct parking *p, uint32_t place, int ret_fds[PARKED_FILES])
{
	int fds[PARKED_FILES], r = 0;
	uint32_t local;
	struct table *t = table_of(p, place, &local);

	assert(is_used(t, local));
	for (unsigned i = 0; i < PARKED_FILES; i++) {
		struct io_uring_sqe *entry = next_entry(t, i);

		io_uring_prep_rw(OP_FIXED_FD_INSTALL, entry, -1, NULL, 0, 0);
		at_place(entry, local, i);
	}
	run(t, fds);
	for (unsigned i = 0; i < PARKED_FILES; i++)
		if (fds[i] < 0)
			r = fds[i];
	for (unsigned i = 0; i < PARKED_FILES; i++) {
		if (r >= 0)
			ret_fds[i] = fds[i];
		else if (fds[i] >= 0)
			close(fds[i]);
	}
	return r;
}

void parking_leave(struct parking *p, uint32_t place)
{
	static const int none[PARKED_FILES] = {-1, -1};
	uint32_t local;
	struct table *t = table_of(p, place, &local);

	assert(is_used(t, local));
	set_files(t, local, none);
	t->used[local / 64] &= ~(1ULL << local % 64);
	p->n_used--;
}

/* Connecting to no address is how TCP disconnects: as a close that does not linger. */
void parking_reset(struct parking *p, uint32_t place)
{
	static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	int ignored[PARKED_FILES]; /* one that is dead already has nothing to disconnect */
	uint32_t local;
	struct table *t = table_of(p, place, &local);

	assert(is_used(t, local));
	for (unsigned i = 0; i < PARKED_FILES; i++) {
		struct io_uring_sqe *entry = next_entry(t, i);

		io_uring_prep_connect(entry, -1, &nowhere, sizeof(nowhere));
		at_place(entry, local, i);
	}
	run(t, ignored);
	parking_leave(p, place);
}
