// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "capture_ring.h"

struct capture_ring {
	struct ring_buffer *records;
	int map;
	/* While packets are taken: */
	capture_visit *visit;
	void *context;
};

/* Whatever is negative ends the taking; this record is taken all the same. */
static int on_record(void *context, void *data, size_t size)
{
	struct capture_ring *r = context;
	const struct lb4_captured *p = data;

	if (size < offsetof(struct lb4_captured, bytes) || p->kept > LB4_CAPTURE_BYTES ||
	    size < offsetof(struct lb4_captured, bytes) + p->kept)
		return 0;
	return r->visit(r->context, p) ? 0 : -ECANCELED;
}

int capture_ring_open(int map, struct capture_ring **ret)
{
	struct capture_ring *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->map = map;
	r->records = ring_buffer__new(map, on_record, r, NULL);
	if (!r->records) {
		error = errno;
		free(r);
		return -error;
	}
	*ret = r;
	return 0;
}

struct capture_ring *capture_ring_close(struct capture_ring *r)
{
	if (!r)
		return NULL;
	ring_buffer__free(r->records);
	free(r);
	return NULL;
}

/* The programs wake nobody, and so an epoll descriptor would not tell. */
bool capture_ring_has(const struct capture_ring *r)
{
	struct pollfd p = {.fd = r->map, .events = POLLIN};

	return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

void capture_ring_take(struct capture_ring *r, capture_visit *visit, void *context)
{
	r->visit = visit;
	r->context = context;
	ring_buffer__consume(r->records);
}
