// SPDX-License-Identifier: BSD-2-Clause
/* How flows end, and how that is told. */
#include "forwarding_private.h"

/* All flows are looked at in so many parts. */
#define WALK_PARTS 20

/* Beside that those are looked for that are over, or wait for an answer: so many places each time,
 * of 8 MB, which is about a millisecond, or in so many parts where there are more. */
#define GLANCE_PLACES (1u << 17)
#define GLANCE_PARTS  16

/* Of flows of an earlier start whose backend the file no longer has: nobody says how long. */
#define ORPHAN_IDLE (3600 * NSEC_PER_SEC)

struct ends {
	struct address client, service, ours, server;
};

static struct ends ends_of(const struct forwarding *f, const struct lb4_flow *flow)
{
	const struct lb4_backend *b = &f->maps->backends[flow->backend];
	const struct lb4_vip *vip = &f->maps->vips[flow->vip];

	return (struct ends){
		.client = forwarding_address(flow->client, flow->client_port),
		.service = forwarding_address(vip->address, vip->port),
		.ours = forwarding_address(b->source, flow->port),
		.server = forwarding_address(b->address, b->port),
	};
}

/* Both sides hear of it; a side that does not expect these numbers goes on, and meets no flow. */
static void send_resets(struct forwarding *f, const struct lb4_flow *flow)
{
	struct ends e = ends_of(f, flow);

	if (!(flow->state & LB4_FLOW_ANSWERED))
		return; /* the numbers are not known, and nobody believes in it */
	raw_send_reset(&f->raw, &e.service, &e.client, flow->server_next);
	raw_send_reset(&f->raw, &e.ours, &e.server, flow->client_next);
}

/* Whether it believes the other side's RST: what was on its way has arrived by now. */
static void ask(struct forwarding *f, uint32_t place, struct lb4_flow *flow)
{
	struct ends e = ends_of(f, flow);

	if ((int32_t)(flow_ticks(f->now) - flow->last) < 2 ||
	    !flow_table_mark(&f->table, place, flow, LB4_FLOW_ASKED))
		return;
	if (flow->state & LB4_FLOW_CLIENT_DOUBT)
		raw_send_question(&f->raw, &e.ours, &e.server, flow->client_next - 1,
				  flow->server_next);
	else
		raw_send_question(&f->raw, &e.service, &e.client, flow->server_next - 1,
				  flow->client_next);
}

static bool is_reset(enum flow_fate fate)
{
	return fate == FLOW_IDLE || fate == FLOW_HALF_CLOSED || fate == FLOW_OLD;
}

/* As long as one try may take; a client's next SYN is another one. */
static bool is_unanswered(const struct forwarding *f, uint32_t place, const struct lb4_flow *flow,
			  const struct service_settings *s)
{
	nsec_t until = nsec_add(f->table.records[place].born, s->connect_timeout);

	return !(flow->state & LB4_FLOW_ANSWERED) && !lb4_flow_is_over(flow->state) &&
	       until < f->now;
}

static enum flow_fate judge(const struct forwarding *f, uint32_t place, const struct lb4_flow *flow)
{
	const struct service_settings *s = placement_settings(f->placement, flow);
	struct flow_limits limits = {
		.idle = flow_ticks_of(ORPHAN_IDLE),
		.half_closed = flow_ticks_of(ORPHAN_IDLE),
	};

	if (!s)
		return flow_judge(flow, &limits, flow_ticks(f->now));
	if (is_unanswered(f, place, flow, s))
		return FLOW_ABANDONED;
	limits = (struct flow_limits){
		.idle = flow_ticks_of(s->idle_timeout),
		.half_closed = flow_ticks_of(s->half_closed_timeout),
		.lifetime = flow_ticks_of(s->lifetime),
	};
	return flow_judge(flow, &limits, flow_ticks(f->now));
}

/* Its end, once. False: it has changed, and is not what was judged. */
static bool tell_end(struct forwarding *f, uint32_t place, struct lb4_flow *flow,
		     enum end_reason reason)
{
	if (flow->state & LB4_FLOW_TOLD)
		return true;
	if (!flow_table_mark(&f->table, place, flow, LB4_FLOW_TOLD))
		return false;
	flow_teller_end(&f->teller, place, flow, reason, f->now);
	return true;
}

/* Whether it lives; its end is told as soon as it is seen, and it may keep its place for a while. */
static bool look(void *context, uint32_t place, struct lb4_flow *flow)
{
	struct forwarding *f = context;
	enum flow_fate fate = judge(f, place, flow);
	enum end_reason reason = flow_end_reason(flow, fate);

	if (reason != END_NONE && !tell_end(f, place, flow, reason))
		return true;
	if (is_reset(fate))
		send_resets(f, flow);
	else if (reason == END_NONE && (flow->state & LB4_FLOW_DOUBT))
		ask(f, place, flow);
	return fate == FLOW_LIVES;
}

/* Of a walk through all: counted, or ended. */
static bool visit(void *context, uint32_t place, struct lb4_flow *flow)
{
	struct forwarding *f = context;
	bool lives = look(f, place, flow);

	if (lives)
		placement_count(f->placement, flow);
	return lives;
}

static uint32_t visit_way(void *context, const struct lb4_way *way)
{
	struct forwarding *f = context;

	return placement_count_way(f->placement, way);
}

/* Of a walk that resets the flows of a backend, or of all. */
static bool leave(void *context, uint32_t place, struct lb4_flow *flow)
{
	struct forwarding *f = context;

	if (lb4_flow_is_over(flow->state) ||
	    (f->leaving && placement_backend(f->placement, flow) != f->leaving))
		return true;
	if (!tell_end(f, place, flow, f->reason))
		return true;
	send_resets(f, flow);
	return false;
}

static void leave_all(struct forwarding *f, const struct backend *b, enum end_reason reason)
{
	f->leaving = b;
	f->reason = reason;
	f->now = clock_now();
	fastpath_synchronize(); /* no program is about to begin another one */
	flow_table_walk(&f->table, 0, f->table.n_flows, leave, f);
	placement_tell_counters(f->placement, f->now);
}

void forwarding_leave_backend(struct daemon *d, const struct backend *b, enum end_reason reason)
{
	if (!d->forwarding || !d->forwarding->fastpath || reason == END_NONE)
		return;
	placement_leave(d->forwarding->placement, b);
	leave_all(d->forwarding, b, reason);
}

void forwarding_tell_last(struct forwarding *f)
{
	f->now = clock_now();
	flow_table_glance(&f->table, 0, f->table.n_flows, look, f);
	if (!f->pinned)
		leave_all(f, NULL, END_STOPPED);
	line_box_flush(&f->teller.lines);
}

static bool look_again(void *context, uint32_t place, struct lb4_flow *flow)
{
	struct forwarding *f = context;

	f->glance_found = true;
	return look(f, place, flow);
}

/* Nothing has begun or ended since it last went through all, and found nothing: the walk will do. */
static bool glance_is_idle(struct forwarding *f)
{
	uint64_t news = placement_news(f->placement);

	if (f->glance_at > 0)
		return false;
	if (!f->glance_found && f->glance_news == news)
		return true;
	f->glance_found = false;
	f->glance_news = news;
	return false;
}

static void glance_on(struct forwarding *f)
{
	uint32_t n = f->table.n_flows / GLANCE_PARTS;

	if (glance_is_idle(f))
		return;
	if (n < GLANCE_PLACES)
		n = GLANCE_PLACES;
	f->glance_at = flow_table_glance(&f->table, f->glance_at, n, look_again, f);
	if (f->glance_at >= f->table.n_flows)
		f->glance_at = 0;
}

static void walk_on(struct forwarding *f)
{
	if (f->walk_at == 0)
		placement_begin_count(f->placement);
	f->walk_at =
		flow_table_walk(&f->table, f->walk_at, f->table.n_flows / WALK_PARTS + 1, visit, f);
	if (f->maps->control->has_dsr)
		f->ways_at = flow_table_walk_ways(&f->table, f->ways_at,
						  f->table.n_lines / WALK_PARTS + 1,
						  flow_ticks(f->now), visit_way, f);
	placement_tell_counters(f->placement, f->now);
	if (f->walk_at < f->table.n_flows)
		return;
	placement_end_count(f->placement, flow_ticks(f->now));
	f->walk_at = 0;
	f->ways_at = 0;
}

void forwarding_look_on(struct forwarding *f)
{
	glance_on(f);
	walk_on(f);
}
