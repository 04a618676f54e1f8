// SPDX-License-Identifier: BSD-2-Clause
/*
 * With parking.c the only file that includes liburing. One ring, one thread, nothing shared.
 *
 * Receive buffers: the kernel takes them, first in first out, from a ring of provided buffers. Only
 * as many as recently proved useful (`target`) are supplied, so that they stay warm in the cache;
 * the rest have no memory until a burst meets an empty ring (-ENOBUFS). As many such receives as
 * the target double it: whoever finds nothing tries again, and a crowd that is fed a few at a time
 * would do so a crowd of times. ring_trim() brings it back to what was used since the last time.
 */
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "budget.h"
#include "cleanup.h"
#include "ring.h"

#define BUFFER_GROUP  0
#define BUFFERS_MAX   32768u /* the kernel's limit of one buffer ring */
#define SUPPLY_START  16u
#define SUPPLY_MAX    2048u /* more would only be cold: retries are few by then */
#define RESERVE_STEP  16u
#define BUDGETED_MAX  64u /* supplied while memory is limited: others need it too */
#define KEPT_WARM     64u /* unsupplied buffers beyond these give their memory back */
#define CQ_PER_SQ     8u
#define WAIT_LIMIT    (3600 * NSEC_PER_SEC) /* far deadlines are waited for in pieces */
#define TOKEN_OF_RING 0

struct buffers {
	struct io_uring_buf_ring *ring;
	size_t ring_size;
	uint32_t ring_entries; /* a power of two */
	char *memory;
	uint32_t max, made, out, supplied, target;
	uint32_t missed;       /* receives that found none, since the target grew */
	uint32_t low_water;    /* fewest supplied since the last trim */
	struct budget *budget; /* NULL: none */
	uint32_t reserved;     /* of the budget, in buffers; at least out + supplied */
	uint16_t *idle;	       /* made, and neither out nor supplied */
	uint32_t n_idle;
	uint64_t shortages;
};

struct ring {
	struct io_uring uring;
	struct buffers buffers;
	bool deferred; /* operations complete inside ring_wait() and when a full queue is submitted */
	uint64_t n_submissions, n_waits;
	uint32_t n_taken, n_taken_before; /* completions since the last wait, and before that */
};

static uint32_t round_up_power_of_two(uint32_t n)
{
	uint32_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static void buffer_supply(struct buffers *b, uint16_t id)
{
	io_uring_buf_ring_add(b->ring, b->memory + (size_t)id * RING_BUFFER_SIZE, RING_BUFFER_SIZE,
			      id, io_uring_buf_ring_mask(b->ring_entries), 0);
	io_uring_buf_ring_advance(b->ring, 1);
	b->supplied++;
}

/* The first few are there in any case. */
static uint32_t needed_at_least(uint32_t n)
{
	return n < SUPPLY_START ? SUPPLY_START : n;
}

/*
 * One more may be supplied. What the kernel may fill is reserved before, a few at a time, since the
 * budget is shared.
 */
static bool reserve(struct buffers *b)
{
	if (b->out + b->supplied < b->reserved || !b->budget)
		return true;
	if (budget_take(b->budget, RESERVE_STEP * RING_BUFFER_SIZE))
		b->reserved += RESERVE_STEP;
	else if (budget_take(b->budget, RING_BUFFER_SIZE))
		b->reserved++;
	else
		return false;
	return true;
}

/* Gives back what nobody needs, but for a little; without room in the budget all of it. */
static void unreserve(struct buffers *b)
{
	uint32_t needed = b->out + b->supplied;
	uint32_t kept = budget_left(b->budget) ? needed + 2 * RESERVE_STEP : needed;

	if (kept < SUPPLY_START)
		kept = SUPPLY_START;
	if (b->reserved <= kept)
		return;
	budget_give(b->budget,
		    (uint64_t)(b->reserved - needed_at_least(needed)) * RING_BUFFER_SIZE);
	b->reserved = needed_at_least(needed);
}

/* Brings the supply up to the target, as far as there are buffers and memory for them. */
static void buffers_supply(struct buffers *b)
{
	while (b->supplied < b->target && reserve(b)) {
		if (b->n_idle)
			buffer_supply(b, b->idle[--b->n_idle]);
		else if (b->made < b->max)
			buffer_supply(b, (uint16_t)b->made++);
		else
			return;
	}
}

static void buffers_deinit(struct buffers *b)
{
	if (b->memory)
		munmap(b->memory, (size_t)b->max * RING_BUFFER_SIZE);
	if (b->ring)
		munmap(b->ring, b->ring_size);
	free(b->idle);
	*b = (struct buffers){};
}

static void *map_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int buffers_init(struct buffers *b, struct io_uring *uring, uint32_t max)
{
	struct io_uring_buf_reg registration = {};
	int r;

	assert(max <= BUFFERS_MAX);
	b->max = max;
	b->ring_entries = round_up_power_of_two(max);
	b->ring_size = b->ring_entries * sizeof(struct io_uring_buf);
	b->target = SUPPLY_START < max ? SUPPLY_START : max;
	b->idle = calloc(max, sizeof(b->idle[0]));
	b->memory = map_memory((size_t)max * RING_BUFFER_SIZE);
	b->ring = map_memory(b->ring_size);
	if (!b->idle || !b->memory || !b->ring)
		return -ENOMEM;

	io_uring_buf_ring_init(b->ring);
	registration.ring_addr = (uintptr_t)b->ring;
	registration.ring_entries = b->ring_entries;
	registration.bgid = BUFFER_GROUP;
	r = io_uring_register_buf_ring(uring, &registration, 0);
	if (r < 0)
		return r;
	buffers_supply(b);
	return 0;
}

/* Takes the best set-up flags the kernel accepts. */
static int queue_init(struct io_uring *uring, unsigned entries)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, /* 6.1 */
		IORING_SETUP_COOP_TASKRUN,				 /* 5.19 */
		0,
	};
	int r = -EINVAL;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && r == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = flags[i] | IORING_SETUP_CQSIZE,
			.cq_entries = entries * CQ_PER_SQ,
		};

		r = io_uring_queue_init_params(entries, uring, &params);
	}
	return r;
}

static void ring_closep(struct ring **r)
{
	ring_close(*r);
}

int ring_open(unsigned entries, unsigned buffers_max, struct ring **ret)
{
	_cleanup_(freep) struct ring *allocated = calloc(1, sizeof(*allocated));
	_cleanup_(ring_closep) struct ring *ring = NULL;
	int r;

	if (!allocated)
		return -ENOMEM;
	r = queue_init(&allocated->uring, entries);
	if (r < 0)
		return r;
	ring = take_ptr(allocated);
	ring->deferred = ring->uring.flags & IORING_SETUP_DEFER_TASKRUN;
	io_uring_register_ring_fd(&ring->uring); /* saves a look-up a call, where the kernel can */
	if (buffers_max) {
		r = buffers_init(&ring->buffers, &ring->uring, buffers_max);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(ring);
	return 0;
}

struct ring *ring_close(struct ring *r)
{
	if (!r)
		return NULL;
	if (r->buffers.budget)
		budget_give(r->buffers.budget, (uint64_t)r->buffers.reserved * RING_BUFFER_SIZE);
	io_uring_queue_exit(&r->uring);
	buffers_deinit(&r->buffers);
	free(r);
	return NULL;
}

/*
 * An entry to fill. A full submission queue is submitted on the spot; the kernel takes all of it
 * (operations that cannot go on wait inside), so that there is room again.
 */
static struct io_uring_sqe *next_entry(struct ring *r, uint64_t token)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&r->uring);

	for (int attempt = 0; !entry; attempt++) {
		assert(attempt < 1000);
		io_uring_submit_and_get_events(&r->uring);
		entry = io_uring_get_sqe(&r->uring);
	}
	r->n_submissions++;
	io_uring_sqe_set_data64(entry, token); /* the io_uring_prep_*() calls leave it alone */
	return entry;
}

void ring_accept(struct ring *r, int fd, bool multishot, uint64_t token)
{
	struct io_uring_sqe *entry = next_entry(r, token);

	if (multishot)
		io_uring_prep_multishot_accept(entry, fd, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(entry, fd, NULL, NULL, SOCK_CLOEXEC);
}

void ring_connect(struct ring *r, int fd, const struct sockaddr_storage *address, socklen_t length,
		  uint64_t token)
{
	io_uring_prep_connect(next_entry(r, token), fd, (const struct sockaddr *)address, length);
}

void ring_receive(struct ring *r, int fd, size_t size, bool later, uint64_t token)
{
	struct io_uring_sqe *entry = next_entry(r, token);

	io_uring_prep_recv(entry, fd, NULL, size, 0);
	entry->flags |= IOSQE_BUFFER_SELECT;
	if (later)
		entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
	entry->buf_group = BUFFER_GROUP;
}

/* Beyond a ceiling that was lowered, what comes back is not supplied again. */
static bool may_keep(const struct buffers *b)
{
	return !b->budget || b->out + b->supplied < SUPPLY_START ||
	       atomic_load_explicit(&b->budget->max, memory_order_relaxed) == 0 ||
	       atomic_load_explicit(&b->budget->used, memory_order_relaxed) <=
		       atomic_load_explicit(&b->budget->max, memory_order_relaxed);
}

void ring_buffer_return(struct ring *r, uint16_t buffer)
{
	struct buffers *b = &r->buffers;

	assert(b->out > 0);
	b->out--;
	if (b->supplied < b->target && may_keep(b)) {
		buffer_supply(b, buffer);
		return;
	}
	if (b->n_idle >= KEPT_WARM)
		madvise(b->memory + (size_t)buffer * RING_BUFFER_SIZE, RING_BUFFER_SIZE,
			MADV_DONTNEED);
	b->idle[b->n_idle++] = buffer;
	if (b->budget)
		unreserve(b);
}

void *ring_buffer_take(struct ring *r, uint16_t *ret_buffer)
{
	struct buffers *b = &r->buffers;

	if ((b->n_idle == 0 && b->made == b->max) || !reserve(b))
		return NULL;
	*ret_buffer = b->n_idle ? b->idle[--b->n_idle] : (uint16_t)b->made++;
	b->out++;
	return b->memory + (size_t)*ret_buffer * RING_BUFFER_SIZE;
}

bool ring_has_buffers(struct ring *r)
{
	struct buffers *b = &r->buffers;

	if (b->supplied == 0 && b->out < b->max)
		buffers_supply(b); /* the budget may have room by now */
	return b->supplied > 0;
}

void ring_set_budget(struct ring *r, struct budget *budget)
{
	struct buffers *b = &r->buffers;

	b->budget = budget;
	b->reserved = needed_at_least(b->out + b->supplied);
	budget_add(budget, (uint64_t)b->reserved * RING_BUFFER_SIZE);
}

void ring_send(struct ring *r, int fd, const void *data, size_t size, uint64_t token)
{
	io_uring_prep_send(next_entry(r, token), fd, data, size, MSG_NOSIGNAL);
}

void ring_poll(struct ring *r, int fd, unsigned events, uint64_t token)
{
	io_uring_prep_poll_add(next_entry(r, token), fd, events);
}

void ring_watch(struct ring *r, int fd, unsigned events, uint64_t token)
{
	io_uring_prep_poll_multishot(next_entry(r, token), fd, events);
}

void ring_cancel(struct ring *r, uint64_t token)
{
	io_uring_prep_cancel64(next_entry(r, TOKEN_OF_RING), token, 0);
}

int ring_wait(struct ring *r, nsec_t deadline)
{
	struct io_uring_cqe *cqe;
	struct __kernel_timespec ts;
	nsec_t now, delay;
	int result;

	r->n_waits++;
	r->n_taken_before = r->n_taken;
	r->n_taken = 0;
	now = deadline == 0 || deadline == NSEC_NEVER ? 0 : clock_now();
	if (deadline <= now) {
		result = io_uring_submit_and_get_events(&r->uring);
	} else if (deadline == NSEC_NEVER) {
		result = io_uring_submit_and_wait(&r->uring, 1);
	} else {
		delay = deadline - now < WAIT_LIMIT ? deadline - now : WAIT_LIMIT;
		ts.tv_sec = (long long)(delay / NSEC_PER_SEC);
		ts.tv_nsec = (long long)(delay % NSEC_PER_SEC);
		result = io_uring_submit_and_wait_timeout(&r->uring, &cqe, 1, &ts, NULL);
	}
	/* A signal, the deadline, or completions to take first: none of them is a failure. */
	if (result < 0 && result != -EINTR && result != -ETIME && result != -EAGAIN &&
	    result != -EBUSY)
		return result;
	return 0;
}

int ring_submit(struct ring *r)
{
	int result = io_uring_sq_ready(&r->uring) ? io_uring_submit(&r->uring) : 0;

	if (io_uring_sq_ready(&r->uring) == 0)
		return 0;
	return result < 0 ? result : -EAGAIN;
}

bool ring_is_quiet(const struct ring *r)
{
	return r->n_taken <= 1 && r->n_taken_before <= 1 && io_uring_sq_ready(&r->uring) == 0 &&
	       io_uring_cq_ready(&r->uring) == 0;
}

static void *buffer_taken(struct buffers *b, uint16_t id)
{
	assert(b->supplied > 0);
	b->supplied--;
	b->out++;
	if (b->supplied < b->low_water)
		b->low_water = b->supplied;
	if (b->supplied < b->target / 2)
		buffers_supply(b);
	return b->memory + (size_t)id * RING_BUFFER_SIZE;
}

static void buffers_short(struct buffers *b)
{
	uint32_t most = b->max < SUPPLY_MAX ? b->max : SUPPLY_MAX;

	b->shortages++;
	b->low_water = 0;
	if (++b->missed < b->target && b->supplied)
		return;
	b->missed = 0;
	b->target = b->target * 2 < most ? b->target * 2 : most;
	if (b->budget && atomic_load_explicit(&b->budget->max, memory_order_relaxed) &&
	    b->target > BUDGETED_MAX)
		b->target = BUDGETED_MAX;
	buffers_supply(b);
}

uint64_t ring_peek(const struct ring *r)
{
	const struct io_uring_cq *cq = &r->uring.cq;

	if (!io_uring_cq_ready(&r->uring))
		return TOKEN_OF_RING;
	return cq->cqes[*cq->khead & *cq->kring_mask].user_data;
}

bool ring_next(struct ring *r, struct ring_completion *ret)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&r->uring, &cqe) == 0) {
		*ret = (struct ring_completion){
			.token = cqe->user_data,
			.result = cqe->res,
			.more = cqe->flags & IORING_CQE_F_MORE,
			.rest = cqe->flags & IORING_CQE_F_SOCK_NONEMPTY,
		};
		if (cqe->flags & IORING_CQE_F_BUFFER) {
			ret->buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
			ret->data = buffer_taken(&r->buffers, ret->buffer);
			if (ret->result <= 0) {
				ring_buffer_return(r, ret->buffer);
				ret->data = NULL;
			}
		}
		io_uring_cqe_seen(&r->uring, cqe);
		r->n_taken++;
		if (ret->token == TOKEN_OF_RING)
			continue;
		if (ret->result == -ENOBUFS && r->buffers.max)
			buffers_short(&r->buffers);
		return true;
	}
	return false;
}

bool ring_trim(struct ring *r)
{
	struct buffers *b = &r->buffers;
	uint32_t used = b->target > b->low_water ? b->target - b->low_water : 0;
	uint32_t wanted = 2 * used > SUPPLY_START ? 2 * used : SUPPLY_START;

	if (wanted < b->target)
		b->target = wanted;
	b->low_water = b->supplied;
	/*
	 * What lies in the kernel's ring cannot be taken back, but may lose its contents, unless
	 * a completion says that there are bytes in it. With DEFER_TASKRUN none can appear here.
	 */
	if (r->deferred && b->out == 0 && b->made > b->target && !io_uring_cq_ready(&r->uring))
		madvise(b->memory, (size_t)b->made * RING_BUFFER_SIZE, MADV_DONTNEED);
	return b->target > SUPPLY_START || b->out > 0;
}

void ring_stats(const struct ring *r, struct ring_stats *ret)
{
	*ret = (struct ring_stats){
		.submissions = r->n_submissions,
		.waits = r->n_waits,
		.buffers_out = r->buffers.out,
		.buffers_made = r->buffers.made,
		.buffers_max = r->buffers.max,
		.buffer_shortages = r->buffers.shortages,
	};
}
