// SPDX-License-Identifier: BSD-2-Clause
/* What programs and walks have counted, and which places are free by that. */
#include <errno.h>

#include "placement_private.h"

/* What a CPU's programs and the walk have counted. */
struct lb4_backend_counters counts_sum(const struct placement *p, uint32_t place)
{
	struct lb4_backend_counters sum = {};

	for (uint32_t i = 0; i < p->maps->n_cpus; i++) {
		const struct lb4_backend_counters *c =
			&p->maps->backend_counters[i * p->maps->n_backends + place];

		sum.flows += __atomic_load_n(&c->flows, __ATOMIC_RELAXED);
		sum.bytes_in += __atomic_load_n(&c->bytes_in, __ATOMIC_RELAXED);
		sum.bytes_out += __atomic_load_n(&c->bytes_out, __ATOMIC_RELAXED);
		sum.packets_out += __atomic_load_n(&c->packets_out, __ATOMIC_RELAXED);
		sum.over += __atomic_load_n(&c->over, __ATOMIC_RELAXED);
		sum.replaced += __atomic_load_n(&c->replaced, __ATOMIC_RELAXED);
		sum.ended += __atomic_load_n(&c->ended, __ATOMIC_RELAXED);
	}
	return sum;
}

/* Flows of a place: one that has just begun on another CPU may be counted as ended already. */
static uint64_t active_of(const struct lb4_backend_counters *c)
{
	uint64_t gone = c->over + c->replaced + c->ended;

	return c->flows > gone ? c->flows - gone : 0;
}

void placement_begin_count(struct placement *p)
{
	for (uint32_t i = 0; i < p->maps->n_backends; i++) {
		p->backends[i].flows = 0;
		p->backends[i].ways = 0;
		p->backends[i].moving = 0;
		p->backends[i].walked = !p->backends[i].current;
	}
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++) {
		p->vips[i].flows = 0;
		p->vips[i].walked = !p->vips[i].current;
	}
	for (uint32_t i = 0; i < LB4_SERVICES_MAX; i++)
		p->services[i].walked = true;
}

void placement_count(struct placement *p, const struct lb4_flow *f)
{
	if (f->backend < p->maps->n_backends)
		p->backends[f->backend].flows++;
	if (f->vip < LB4_VIPS_MAX)
		p->vips[f->vip].flows++;
}

void placement_end_count(struct placement *p, uint32_t now)
{
	p->now = now;
	dsr_end_count(p);
	for (uint32_t i = 0; i < p->maps->n_backends; i++) {
		struct backend_place *b = &p->backends[i];

		if (b->current || !b->walked || b->flows || b->ways || b->moving || b->active)
			continue;
		b->orphan = false;
		p->update_wanted |= p->n_homeless > 0;
		if (b->backend)
			backends_free(b);
	}
	for (uint32_t i = 0; i < LB4_VIPS_MAX; i++) {
		struct vip_place *v = &p->vips[i];

		if (!v->used || v->current || !v->walked || v->flows ||
		    dsr_holds_vip(p, i, LB4_SERVICES_MAX))
			continue;
		vips_let_go(p, i);
		v->used = false;
		p->vips_changed = true; /* written with the next update */
	}
}

static void add_level(_Atomic uint64_t *level, uint64_t from, uint64_t to)
{
	counter_add(*level, to - from);
}

/* How many of dsr's flows there are nobody knows, but for those that have ways. */
static void forget_flows(struct placement *p, uint32_t place, struct lb4_backend_counters *sum)
{
	uint64_t gone = active_of(sum);

	p->maps->backend_counters[place].ended += gone;
	sum->ended += gone;
}

uint64_t placement_news(const struct placement *p)
{
	return p->news;
}

void placement_tell_counters(struct placement *p, nsec_t now)
{
	p->news = 0;
	for (uint32_t i = 0; i < p->maps->n_backends; i++) {
		struct backend_place *b = &p->backends[i];
		struct lb4_backend_counters sum;
		struct backend_counters *backend;
		struct service_counters *service;
		uint64_t active;

		if (!b->backend)
			continue;
		sum = counts_sum(p, i);
		if (p->maps->backends[i].forward != LB4_FORWARD_NAT)
			forget_flows(p, i, &sum);
		p->news += sum.flows + sum.over;
		backend = &b->backend->counters[b->backend->n_workers];
		service = &b->service->counters[b->service->n_workers];
		counter_add(backend->connections, sum.flows - b->begun);
		counter_add(service->accepted, sum.flows - b->begun);
		counter_add(backend->bytes_in, sum.bytes_in - b->bytes_in);
		counter_add(service->bytes_in, sum.bytes_in - b->bytes_in);
		counter_add(backend->bytes_out, sum.bytes_out - b->bytes_out);
		counter_add(service->bytes_out, sum.bytes_out - b->bytes_out);
		active = active_of(&sum) + b->ways_before;
		/* While slots move there may be some who have not spoken yet, if any have begun. */
		if (active == 0 && b->moving_before && sum.flows)
			active = 1;
		add_level(&backend->active, b->active, active);
		add_level(&service->active, b->active, active);
		if (sum.bytes_out != b->bytes_out)
			atomic_store_explicit(&backend->consecutive_failures, 0,
					      memory_order_relaxed);
		b->begun = sum.flows;
		b->bytes_in = sum.bytes_in;
		b->bytes_out = sum.bytes_out;
		if (sum.packets_out != b->packets_out)
			b->heard = now;
		b->packets_out = sum.packets_out;
		b->active = active;
	}
}

/*
 * Whether a SYN without an answer says nothing: the backend has answered others since. A flood fills
 * its queue, and would have it ejected with all its connections.
 */
static bool was_heard_since(const struct placement *p, const struct lb4_flow *f, nsec_t begun)
{
	const struct backend_place *b = &p->backends[f->backend];

	return b->heard > begun || counts_sum(p, f->backend).packets_out != b->packets_out;
}

uint64_t placement_tell_end(struct placement *p, const struct lb4_flow *f,
			    const struct flow_account *a, enum end_reason reason, int evidence,
			    nsec_t now)
{
	struct backend_place *b = placement_place_of(p, f);
	struct backend_counters *c;

	if (!b)
		return 0;
	c = &b->backend->counters[b->backend->n_workers];
	counter_add(b->service->counters[b->service->n_workers].ended[reason], 1);
	if (a->connect) {
		counter_add(c->connects, 1);
		counter_add(c->connect_nsec, a->connect);
	}
	if (!evidence)
		return 0;
	if (a->connect)
		counter_add(c->instant_resets, 1);
	else
		counter_add(c->connect_failures, 1);
	if (evidence == ETIMEDOUT && was_heard_since(p, f, now - a->duration))
		return 0;
	counter_add(c->consecutive_failures, 1);
	return counter_read(c->consecutive_failures);
}

uint64_t placement_replaced(const struct placement *p)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < p->maps->n_backends; i++)
		n += counts_sum(p, i).replaced;
	return n;
}

uint64_t placement_flows(const struct placement *p)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < p->maps->n_backends; i++)
		n += p->backends[i].active;
	return n;
}

bool placement_has_uncounted(const struct placement *p)
{
	for (uint32_t i = 0; i < p->maps->n_backends; i++)
		if (p->maps->backends[i].forward != LB4_FORWARD_NAT && p->backends[i].begun)
			return true;
	return false;
}
