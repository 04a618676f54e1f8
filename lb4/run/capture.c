// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "capture_ring.h"
#include "daemon_private.h"
#include "fastpath.h"
#include "forwarding.h"
#include "log.h"
#include "placement.h"

/* Packets that a CPU may tell in a tick: more than a reader takes, and nothing beside the millions
 * that a CPU forwards. */
#define BUDGET 10000

/* Without a word from main programs capture nothing any more. */
#define SILENCE (4 * NSEC_PER_SEC)

struct capture {
	struct fastpath *fastpath;
	const struct fastpath_maps *maps;
	const struct placement *placement;
	struct capture_ring *ring;
	uint64_t last_id;
	bool active;
	struct service *service; /* counted; NULL: any */
	nsec_t deadline;	 /* when it ends, unless somebody asks for packets */
	uint64_t n_packets;	 /* that were shown */
	struct {
		uint32_t index;
		char name[IF_NAMESIZE];
	} interface; /* the one last asked for */
};

int capture_new(struct fastpath *f, const struct placement *p, struct capture **ret)
{
	struct capture *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	r = capture_ring_open(fastpath_captured(f), &c->ring);
	if (r < 0) {
		free(c);
		return r;
	}
	c->fastpath = f;
	c->maps = fastpath_maps(f);
	c->placement = p;
	/* The map may be that of a process that died with a capture under way. */
	c->maps->control->captures = 0;
	*ret = c;
	return 0;
}

/* Afterwards no program puts anything into the ring. */
static void end(struct capture *c, const char *why)
{
	__atomic_store_n(&c->maps->control->captures, 0, __ATOMIC_RELEASE);
	fastpath_synchronize();
	service_unref(c->service);
	c->service = NULL;
	c->active = false;
	log_info("the capture of packets has ended%s: %llu were read, %llu lost", why,
		 (unsigned long long)c->n_packets, (unsigned long long)c->maps->capture->lost);
}

struct capture *capture_free(struct capture *c)
{
	if (!c)
		return NULL;
	if (c->active)
		end(c, " with lb4");
	capture_ring_close(c->ring);
	free(c);
	return NULL;
}

bool capture_is_active(const struct capture *c)
{
	return c && c->active;
}

static bool skip(void *context, const struct lb4_captured *p)
{
	(void)context;
	(void)p;
	return true;
}

/* A reload may have given the service another place. One that has none is of no packet. */
static uint16_t service_place(const struct capture *c)
{
	return c->service ? (uint16_t)placement_find_service(c->placement, c->service)
			  : LB4_CAPTURE_NONE;
}

static uint32_t ticks(nsec_t now)
{
	return flow_ticks(nsec_add(now, SILENCE));
}

static void write_wanted(struct capture *c, const struct capture_question *q, nsec_t now)
{
	struct lb4_capture *wanted = c->maps->capture;

	*wanted = (struct lb4_capture){
		.client_port = htons(q->port),
		.service = service_place(c),
		.bytes = q->bytes,
		.drops = q->drops,
		.budget = BUDGET,
		.deadline = ticks(now),
	};
	memcpy(wanted->client, q->client.ip, sizeof(wanted->client));
	memset(wanted->client_mask, 0xff, sizeof(wanted->client_mask));
	prefix_mask(wanted->client_mask, q->client.bits);
}

static void tell_begin(const struct capture_question *q)
{
	char client[PREFIX_TEXT_MAX], port[16] = "";

	if (q->port)
		snprintf(port, sizeof(port), " port %u", q->port);
	log_info("packets of %s%s%s%s%s are captured%s", q->service ? "service " : "every service",
		 q->service ? q->service->service->name : "", q->client.bits ? " with " : "",
		 q->client.bits ? prefix_print(&q->client, client) : "", port,
		 q->drops ? ", if they are dropped" : "");
}

int capture_begin(struct daemon *d, const struct capture_question *q, uint64_t *ret_id)
{
	struct capture *c = forwarding_capture(d);

	if (!c)
		return -ENODEV;
	if (c->active)
		return -EBUSY;
	capture_ring_take(c->ring, skip, NULL);
	c->service = q->service ? service_ref(q->service->service) : NULL;
	write_wanted(c, q, d->now);
	c->deadline = nsec_add(d->now, CAPTURE_PATIENCE);
	c->n_packets = 0;
	c->interface.index = 0;
	c->active = true;
	*ret_id = ++c->last_id;
	__atomic_store_n(&c->maps->control->captures, 1, __ATOMIC_RELEASE);
	tell_begin(q);
	return 0;
}

int capture_end(struct daemon *d, uint64_t id, uint64_t *ret_lost)
{
	struct capture *c = forwarding_capture(d);

	if (!c || !c->active || c->last_id != id)
		return -ENOENT;
	end(c, "");
	*ret_lost = c->maps->capture->lost;
	return 0;
}

void capture_on_time(struct capture *c, nsec_t now)
{
	if (!c->active)
		return;
	if (c->deadline <= now) {
		end(c, ", as nobody asks for them");
		return;
	}
	c->maps->capture->service = service_place(c);
	c->maps->capture->deadline = ticks(now);
}

bool capture_has_packets(const struct daemon *d)
{
	const struct capture *c = forwarding_capture(d);

	return c && c->active && capture_ring_has(c->ring);
}

/* --- Reading --- */

struct reading {
	struct capture *capture;
	const struct daemon *daemon;
	nsec_t wall_offset; /* from CLOCK_MONOTONIC to the wall clock */
	size_t n, max;
	captured_visit *visit;
	void *context;
};

static const char *interface_name(struct capture *c, uint32_t index)
{
	if (c->interface.index != index && !if_indextoname(index, c->interface.name))
		return NULL;
	c->interface.index = index;
	return c->interface.name;
}

/* Whether a packet whose service programs did not find out goes to `s`: to one of its addresses, as
 * far as it says. */
static bool goes_to(const struct live_service *s, const struct headers *f)
{
	for (size_t i = 0; f->is_ip && i < s->n_listeners; i++)
		if (!memcmp(s->listeners[i].address.ip, f->to.ip, sizeof(f->to.ip)) &&
		    (!f->has_ports || s->listeners[i].address.port == f->to.port))
			return true;
	return false;
}

/* NULL: none, or there may be several. */
static const struct service *guess_service(const struct reading *r, const struct headers *f)
{
	const struct daemon *d = r->daemon;
	const struct service *found = NULL;

	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];

		if (!goes_to(s, f))
			continue;
		if (s->service == r->capture->service)
			return s->service;
		if (found)
			return NULL;
		found = s->service;
	}
	return found;
}

static bool show(void *context, const struct lb4_captured *p)
{
	struct reading *r = context;
	const struct placement *placement = r->capture->placement;
	const struct service *service = placement_service_at(placement, p->service);
	const struct backend *backend = placement_backend_at(placement, p->backend);
	struct captured_packet shown = {
		.wall = p->time + r->wall_offset,
		.verdict = p->verdict,
		.interface = interface_name(r->capture, p->interface),
		.size = p->size,
		.bytes = p->bytes,
		.kept = p->kept,
	};

	headers_read(p->bytes, p->kept, p->size, &shown.headers);
	if (!service)
		service = guess_service(r, &shown.headers);
	if (r->capture->service && service != r->capture->service)
		return true;
	shown.service = service ? service->name : NULL;
	shown.backend = backend ? backend->name : NULL;
	r->visit(r->context, &shown);
	return ++r->n < r->max;
}

int capture_read(struct daemon *d, uint64_t id, size_t max, nsec_t patience, captured_visit *visit,
		 void *context, uint64_t *ret_lost)
{
	struct capture *c = forwarding_capture(d);
	struct reading r = {
		.capture = c,
		.daemon = d,
		.wall_offset = clock_wall() - clock_now(),
		.max = max,
		.visit = visit,
		.context = context,
	};

	if (!c || !c->active || c->last_id != id)
		return -ENOENT;
	c->deadline = nsec_add(d->now, patience);
	if (max > 0)
		capture_ring_take(c->ring, show, &r);
	c->n_packets += r.n;
	*ret_lost = __atomic_load_n(&c->maps->capture->lost, __ATOMIC_RELAXED);
	return (int)r.n;
}
