// SPDX-License-Identifier: BSD-2-Clause
#include <netinet/in.h>
#include <string.h>

#include "flow_table.h"
#include "lb4_place.h"

/* Late packets of a connection that is over still find their way for a moment. */
#define CLOSED_TICKS 3

/*
 * A backend that closed first remembers our port in TIME_WAIT, for 60 seconds on Linux, and would
 * answer somebody else's SYN from it as a late packet.
 */
#define TIME_WAIT_TICKS 60

/* A RST that the other side may not have believed, and nothing since. */
#define DOUBTFUL_TICKS 600

/* A client repeats its SYN after 1, 3, 7 and 15 seconds. */
#define ABANDONED_TICKS 32

/* Of dsr: a client that has said FIN, and nothing since; what its backend says is not seen. */
#define FINISHING_TICKS 120

uint32_t flow_ticks(nsec_t now)
{
	return (uint32_t)(now >> LB4_TICK_SHIFT);
}

uint32_t flow_ticks_of(nsec_t duration)
{
	nsec_t tick = 1ull << LB4_TICK_SHIFT;
	nsec_t n = duration / tick + (duration % tick > 0);

	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static bool is_past(uint32_t limit, uint32_t since, uint32_t now)
{
	/* `since` may be a little ahead: programs have their own clock. */
	return limit > 0 && (int32_t)(now - since) > 0 && now - since > limit;
}

/* How long the port of a flow that is over is not given to another. */
static uint32_t over_limit(uint32_t state)
{
	bool reset = state & (LB4_FLOW_CLIENT_RST | LB4_FLOW_SERVER_RST);

	return (state & LB4_FLOW_SERVER_FIRST) && !reset ? TIME_WAIT_TICKS : CLOSED_TICKS;
}

enum flow_fate flow_judge(const struct lb4_flow *f, const struct flow_limits *limits, uint32_t now)
{
	const uint32_t fins = LB4_FLOW_CLIENT_FIN | LB4_FLOW_SERVER_FIN;

	if (lb4_flow_is_over(f->state))
		return is_past(over_limit(f->state), f->last, now) ? FLOW_CLOSED : FLOW_LIVES;
	if (!(f->state & LB4_FLOW_ESTABLISHED))
		return is_past(ABANDONED_TICKS, f->last, now) ? FLOW_ABANDONED : FLOW_LIVES;
	if ((f->state & LB4_FLOW_DOUBT) && is_past(DOUBTFUL_TICKS, f->last, now))
		return FLOW_IDLE;
	if (is_past(limits->lifetime, f->born, now))
		return FLOW_OLD;
	if ((f->state & fins) && is_past(limits->half_closed, f->last, now))
		return FLOW_HALF_CLOSED;
	return is_past(limits->idle, f->last, now) ? FLOW_IDLE : FLOW_LIVES;
}

static bool exchange(__u64 *tag, __u64 from, __u64 to)
{
	return __atomic_compare_exchange_n(tag, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

/* Of the client's side. */
static __u64 way_tag(const struct flow_table *t, const struct lb4_flow *f)
{
	const struct lb4_vip *vip = &t->vips[f->vip];
	struct lb4_tuple tuple = {.protocol = IPPROTO_TCP};

	memcpy(tuple.source, f->client, sizeof(tuple.source));
	memcpy(tuple.destination, vip->address, sizeof(tuple.destination));
	tuple.source_port = f->client_port;
	tuple.destination_port = vip->port;
	return lb4_tag(t->control, &tuple);
}

/* The way that leads to this flow and to no other one of the client's; NULL: none. */
static struct lb4_way *find_way(const struct flow_table *t, const struct lb4_flow *f, __u64 tag)
{
	struct lb4_line *line = &t->lines[lb4_line_place(t->control, tag)];

	for (size_t i = 0; i < LB4_WAYS; i++) {
		struct lb4_way *w = &line->way[i];

		if (__atomic_load_n(&w->tag, __ATOMIC_ACQUIRE) == tag && w->port == f->port &&
		    w->backend == f->backend)
			return w;
	}
	return NULL;
}

/* Client's packets note the time at the way alone, in 16 bits. */
static uint32_t later(uint32_t last, uint16_t way_last)
{
	int16_t ahead = (int16_t)(uint16_t)(way_last - (uint16_t)last);

	return ahead > 0 ? last + (uint32_t)ahead : last;
}

/* The flow as it is at one moment. */
static bool read_flow(const struct lb4_flow *place, struct lb4_flow *ret)
{
	__u64 tag = __atomic_load_n(&place->tag, __ATOMIC_ACQUIRE);

	*ret = *place;
	ret->tag = tag;
	return tag >= LB4_TAG_FIRST && ret->vip < LB4_VIPS_MAX &&
	       __atomic_load_n(&place->tag, __ATOMIC_SEQ_CST) == tag;
}

static void visit_flow(struct flow_table *t, uint32_t index, flow_visit *visit, void *context)
{
	struct lb4_flow *place = &t->flows[index], f;
	__u64 tag, client_tag;
	struct lb4_way *way;

	if (!read_flow(place, &f))
		return;
	tag = f.tag;
	client_tag = way_tag(t, &f);
	way = find_way(t, &f, client_tag);
	if (way) {
		f.last = later(f.last, way->last);
		if (f.last != place->last)
			__atomic_store_n(&place->last, f.last, __ATOMIC_RELAXED);
	}
	if (visit(context, index, &f) || !exchange(&place->tag, tag, LB4_TAG_BUSY))
		return;
	/* While nobody else has it: that it is still the one that was judged. */
	if (place->born != f.born || place->state != f.state) {
		__atomic_store_n(&place->tag, tag, __ATOMIC_SEQ_CST);
		return;
	}
	if (way)
		exchange(&way->tag, client_tag, LB4_TAG_FREE);
	if (!lb4_flow_is_over(f.state))
		t->counters[f.backend].ended++;
	__atomic_store_n(&place->tag, LB4_TAG_FREE, __ATOMIC_SEQ_CST);
}

uint32_t flow_table_walk(struct flow_table *t, uint32_t first, uint32_t n, flow_visit *visit,
			 void *context)
{
	uint32_t end = n < t->n_flows - first ? first + n : t->n_flows;

	for (uint32_t i = first; i < end; i++)
		if (__atomic_load_n(&t->flows[i].tag, __ATOMIC_RELAXED) >= LB4_TAG_FIRST)
			visit_flow(t, i, visit, context);
	return end;
}

/* Programs may hear of it meanwhile, and then it stays. */
static void visit_way(struct lb4_way *place, uint32_t now, way_visit *visit, void *context)
{
	__u64 tag = __atomic_load_n(&place->tag, __ATOMIC_ACQUIRE);
	struct lb4_way way = *place;
	uint32_t limit;
	int16_t age;

	if (tag < LB4_TAG_FIRST || !(way.state & LB4_WAY_DSR) || (way.state & LB4_WAY_PENDING))
		return;
	limit = visit(context, &way);
	if (!(way.state & (LB4_FLOW_ESTABLISHED | LB4_WAY_UNHEARD)))
		limit = ABANDONED_TICKS;
	else if ((way.state & LB4_FLOW_CLIENT_FIN) && limit > FINISHING_TICKS)
		limit = FINISHING_TICKS;
	age = (int16_t)((uint16_t)now - way.last);
	if (age < 0 || (uint32_t)age <= limit || !exchange(&place->tag, tag, LB4_TAG_BUSY))
		return;
	__atomic_store_n(&place->tag, place->last == way.last ? LB4_TAG_FREE : tag,
			 __ATOMIC_SEQ_CST);
}

uint32_t flow_table_walk_ways(struct flow_table *t, uint32_t first, uint32_t n, uint32_t now,
			      way_visit *visit, void *context)
{
	uint32_t end = n < t->n_lines - first ? first + n : t->n_lines;

	for (uint32_t i = first; i < end; i++)
		for (size_t j = 0; j < LB4_WAYS; j++)
			visit_way(&t->lines[i].way[j], now, visit, context);
	return end;
}

static bool is_of_note(uint32_t state)
{
	if (lb4_flow_is_over(state))
		return !(state & LB4_FLOW_TOLD);
	if ((state & LB4_FLOW_DOUBT) && !(state & LB4_FLOW_ASKED))
		return true;
	return !(state & LB4_FLOW_ANSWERED);
}

uint32_t flow_table_glance(struct flow_table *t, uint32_t first, uint32_t n, flow_visit *visit,
			   void *context)
{
	uint32_t end = n < t->n_flows - first ? first + n : t->n_flows;

	for (uint32_t i = first; i < end; i++)
		if (__atomic_load_n(&t->flows[i].tag, __ATOMIC_RELAXED) >= LB4_TAG_FIRST &&
		    is_of_note(__atomic_load_n(&t->flows[i].state, __ATOMIC_RELAXED)))
			visit_flow(t, i, visit, context);
	return end;
}

bool flow_table_mark(struct flow_table *t, uint32_t place, struct lb4_flow *f, uint32_t mark)
{
	struct lb4_flow *shared = &t->flows[place];
	__u32 state = f->state;

	if ((state & mark) || __atomic_load_n(&shared->tag, __ATOMIC_ACQUIRE) != f->tag ||
	    !__atomic_compare_exchange_n(&shared->state, &state, state | mark, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	f->state |= mark;
	return true;
}

bool flow_table_read(const struct flow_table *t, uint32_t place, struct lb4_flow *ret)
{
	const struct lb4_way *way;

	if (__atomic_load_n(&t->flows[place].tag, __ATOMIC_RELAXED) < LB4_TAG_FIRST ||
	    !read_flow(&t->flows[place], ret))
		return false;
	way = find_way(t, ret, way_tag(t, ret));
	if (way)
		ret->last = later(ret->last, way->last);
	return true;
}

/* The flow that a way leads to. */
static bool find_behind(const struct flow_table *t, const struct lb4_way *way,
			const struct lb4_backend *b, uint32_t *ret_place, struct lb4_flow *ret)
{
	struct lb4_tuple answer = {.protocol = IPPROTO_TCP};
	__u64 tag;

	memcpy(answer.source, b->address, sizeof(answer.source));
	memcpy(answer.destination, b->source, sizeof(answer.destination));
	answer.source_port = b->port;
	answer.destination_port = way->port;
	tag = lb4_tag(t->control, &answer);
	*ret_place = lb4_flow_place(t->control, tag);
	if (!read_flow(&t->flows[*ret_place], ret) || ret->tag != tag)
		return false;
	ret->last = later(ret->last, way->last);
	return true;
}

bool flow_table_find_way(const struct flow_table *t, const struct lb4_tuple *client,
			 struct lb4_way *ret)
{
	__u64 tag = lb4_tag(t->control, client);
	const struct lb4_line *line = &t->lines[lb4_line_place(t->control, tag)];

	for (size_t i = 0; i < LB4_WAYS; i++) {
		*ret = line->way[i];
		if (ret->tag == tag && !(ret->state & LB4_WAY_PENDING))
			return true;
	}
	return false;
}

bool flow_table_find(const struct flow_table *t, const struct lb4_tuple *client,
		     const struct lb4_backend *backends, uint32_t n_backends, uint32_t *ret_place,
		     struct lb4_flow *ret)
{
	__u64 tag = lb4_tag(t->control, client);
	const struct lb4_line *line = &t->lines[lb4_line_place(t->control, tag)];

	for (size_t i = 0; i < LB4_WAYS; i++) {
		struct lb4_way way = line->way[i];

		if (way.tag == tag && !(way.state & LB4_WAY_PENDING) && way.backend < n_backends &&
		    find_behind(t, &way, &backends[way.backend], ret_place, ret) &&
		    !memcmp(ret->client, client->source, sizeof(ret->client)) &&
		    ret->client_port == client->source_port)
			return true;
	}
	return false;
}
