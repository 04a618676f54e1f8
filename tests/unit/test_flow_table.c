// SPDX-License-Identifier: BSD-2-Clause
/* How flows end: by what they have been silent for, and without touching what became of their
 * places. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "flow_table.h"
#include "lb4_place.h"

#include "test.h"

#define N_FLOWS 64
#define N_LINES 32

struct world {
	struct lb4_control control;
	struct lb4_vip vips[LB4_VIPS_MAX];
	struct lb4_flow flows[N_FLOWS];
	struct lb4_record records[N_FLOWS];
	struct lb4_line lines[N_LINES];
	struct lb4_backend_counters counters[4];
	struct flow_table table;
	unsigned visited;
	uint32_t last; /* of the flow visited last */
	bool keep;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->control.flow_mask = N_FLOWS - 1;
	w->control.line_mask = N_LINES - 1;
	lb4_hash_key_init(&w->control.flows[0], 1);
	lb4_hash_key_init(&w->control.flows[1], 2);
	w->vips[3].address[15] = 9;
	w->vips[3].port = htons(80);
	w->table = (struct flow_table){&w->control, w->vips,	 w->flows, w->records,
				       w->lines,    w->counters, N_FLOWS};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* A flow of that client port, and the way to it. */
static struct lb4_flow *begin(struct world *w, uint32_t place, uint16_t port,
			      struct lb4_way **ret_way)
{
	struct lb4_tuple t = {.protocol = IPPROTO_TCP};
	struct lb4_flow *f = &w->flows[place];
	struct lb4_way *way;
	__u64 tag;

	*f = (struct lb4_flow){.tag = 1000 + place,
			       .client_port = htons(port),
			       .vip = 3,
			       .backend = 2,
			       .port = htons((uint16_t)(5000 + place)),
			       .last = 100,
			       .born = 100};
	f->client[15] = 1;
	memcpy(t.source, f->client, 16);
	memcpy(t.destination, w->vips[3].address, 16);
	t.source_port = f->client_port;
	t.destination_port = htons(80);
	tag = lb4_tag(&w->control, &t);
	way = w->lines[lb4_line_place(&w->control, tag)].way;
	while (way->tag)
		way++;
	*way = (struct lb4_way){.tag = tag, .backend = 2, .port = f->port, .last = 100};
	*ret_way = way;
	return f;
}

static bool visit(void *context, uint32_t place, struct lb4_flow *f)
{
	struct world *w = context;

	w->visited++;
	assert_int_equal(w->flows[place].tag, f->tag);
	w->last = f->last;
	return w->keep;
}

static void fates(void **state)
{
	const struct flow_limits limits = {.idle = 3600, .half_closed = 60, .lifetime = 10000},
				 none = {};
	static const struct {
		uint32_t state, silent, age;
		enum flow_fate fate, without_limits;
	} cases[] = {
		{0, 32, 32, FLOW_LIVES, FLOW_LIVES},
		{0, 33, 33, FLOW_ABANDONED, FLOW_ABANDONED},
		{LB4_FLOW_ANSWERED, 33, 33, FLOW_ABANDONED, FLOW_ABANDONED},
		{LB4_FLOW_ESTABLISHED, 3600, 3600, FLOW_LIVES, FLOW_LIVES},
		{LB4_FLOW_ESTABLISHED, 3601, 3601, FLOW_IDLE, FLOW_LIVES},
		{LB4_FLOW_ESTABLISHED, 0, 10000, FLOW_LIVES, FLOW_LIVES},
		{LB4_FLOW_ESTABLISHED, 0, 10001, FLOW_OLD, FLOW_LIVES},
		{LB4_FLOW_ESTABLISHED | LB4_FLOW_CLIENT_FIN, 60, 60, FLOW_LIVES, FLOW_LIVES},
		{LB4_FLOW_ESTABLISHED | LB4_FLOW_SERVER_FIN, 61, 61, FLOW_HALF_CLOSED, FLOW_LIVES},
		{LB4_FLOW_ESTABLISHED | LB4_FLOW_CLIENT_FIN | LB4_FLOW_SERVER_FIN, 3, 20000,
		 FLOW_LIVES, FLOW_LIVES},
		{LB4_FLOW_ESTABLISHED | LB4_FLOW_CLIENT_FIN | LB4_FLOW_SERVER_FIN, 4, 4,
		 FLOW_CLOSED, FLOW_CLOSED},
		{LB4_FLOW_ESTABLISHED | LB4_FLOW_CLIENT_RST, 4, 4, FLOW_CLOSED, FLOW_CLOSED},
		{LB4_FLOW_SERVER_RST, 4, 4, FLOW_CLOSED, FLOW_CLOSED},
		{LB4_FLOW_CLIENT_FIN | LB4_FLOW_SERVER_FIN | LB4_FLOW_SERVER_FIRST, 60, 60,
		 FLOW_LIVES, FLOW_LIVES},
		{LB4_FLOW_CLIENT_FIN | LB4_FLOW_SERVER_FIN | LB4_FLOW_SERVER_FIRST, 61, 61,
		 FLOW_CLOSED, FLOW_CLOSED},
		{LB4_FLOW_SERVER_FIRST | LB4_FLOW_SERVER_FIN | LB4_FLOW_CLIENT_RST, 4, 4,
		 FLOW_CLOSED, FLOW_CLOSED},
		{LB4_FLOW_ESTABLISHED | LB4_FLOW_DOUBT, 600, 600, FLOW_LIVES, FLOW_LIVES},
		{LB4_FLOW_ESTABLISHED | LB4_FLOW_DOUBT, 601, 601, FLOW_IDLE, FLOW_IDLE},
		/* A program's clock is a little ahead of main's. */
		{LB4_FLOW_ESTABLISHED, -1u, -1u, FLOW_LIVES, FLOW_LIVES},
		{0, -1u, -1u, FLOW_LIVES, FLOW_LIVES},
		{LB4_FLOW_SERVER_RST, -2u, -2u, FLOW_LIVES, FLOW_LIVES},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* Also across the end of the counting. */
		uint32_t nows[] = {100000, cases[i].age / 2};

		for (size_t j = 0; j < ARRAY_SIZE(nows); j++) {
			const struct lb4_flow f = {.state = cases[i].state,
						   .last = nows[j] - cases[i].silent,
						   .born = nows[j] - cases[i].age};

			assert_int_equal(flow_judge(&f, &limits, nows[j]), cases[i].fate);
			assert_int_equal(flow_judge(&f, &none, nows[j]), cases[i].without_limits);
		}
	}
	assert_int_equal(flow_ticks_of(0), 0);
	assert_int_equal(flow_ticks_of(1), 1);
	assert_int_equal(flow_ticks_of(3600 * NSEC_PER_SEC), 3353);
	assert_int_equal(flow_ticks_of(NSEC_NEVER), UINT32_MAX);
}

static void walks(void **state)
{
	struct world *w = *state;
	struct lb4_way *ways[3];

	for (uint16_t i = 0; i < 3; i++)
		begin(w, 10u * i, (uint16_t)(1 + i), &ways[i]);
	w->flows[5].tag = LB4_TAG_BUSY;
	w->keep = true;
	assert_int_equal(flow_table_walk(&w->table, 0, 15, visit, w), 15);
	assert_int_equal(w->visited, 2);
	assert_int_equal(flow_table_walk(&w->table, 15, 1000, visit, w), N_FLOWS);
	assert_int_equal(w->visited, 3);
	w->keep = false;
	flow_table_walk(&w->table, 0, N_FLOWS, visit, w);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ways[i]->tag, LB4_TAG_FREE);
		assert_int_equal(w->flows[10 * i].tag, LB4_TAG_FREE);
	}
	assert_int_equal(w->flows[5].tag, LB4_TAG_BUSY);
	assert_int_equal(w->counters[2].ended, 3);
}

/* While main judged it, something happened to it: it stays, for the next time. */
static bool visit_and_change(void *context, uint32_t place, struct lb4_flow *f)
{
	struct world *w = context;

	w->flows[1].state |= LB4_FLOW_ESTABLISHED;
	return visit(context, place, f);
}

static void changed_meanwhile(void **state)
{
	struct world *w = *state;
	struct lb4_way *way;
	struct lb4_flow *f = begin(w, 1, 7, &way);

	flow_table_walk(&w->table, 0, N_FLOWS, visit_and_change, w);
	assert_int_equal(f->tag, 1001);
	assert_int_not_equal(way->tag, LB4_TAG_FREE);
	assert_int_equal(w->counters[2].ended, 0);
	flow_table_walk(&w->table, 0, N_FLOWS, visit_and_change, w);
	assert_int_equal(f->tag, LB4_TAG_FREE);
}

/* The client's side may have been heard last. */
static void the_later_of_both(void **state)
{
	struct world *w = *state;
	struct lb4_way *way;
	struct lb4_flow *f = begin(w, 1, 7, &way);

	w->keep = true;
	f->last = 0x1ffff;
	way->last = 0x0003; /* after the low bits began anew */
	flow_table_walk(&w->table, 0, N_FLOWS, visit, w);
	assert_int_equal(w->last, 0x20003);
	assert_int_equal(f->last, 0x20003);
	way->last = 0xfff0; /* long ago */
	flow_table_walk(&w->table, 0, N_FLOWS, visit, w);
	assert_int_equal(f->last, 0x20003);
}

/* The client's way may lead to another flow of his by now, or be gone. */
static void another_flows_way(void **state)
{
	struct world *w = *state;
	struct lb4_way *way;
	struct lb4_flow *f = begin(w, 1, 7, &way);

	way->port = htons(1);
	flow_table_walk(&w->table, 0, N_FLOWS, visit, w);
	assert_int_equal(f->tag, LB4_TAG_FREE);
	assert_int_not_equal(way->tag, LB4_TAG_FREE);
	f = begin(w, 2, 8, &way);
	way->tag = LB4_TAG_FREE;
	flow_table_walk(&w->table, 0, N_FLOWS, visit, w);
	assert_int_equal(f->tag, LB4_TAG_FREE);
}

/* Those alone that are over and untold, or not answered. */
static void glances(void **state)
{
	static const uint32_t states[] = {
		0,
		LB4_FLOW_ANSWERED,
		LB4_FLOW_ANSWERED | LB4_FLOW_ESTABLISHED,
		LB4_FLOW_ESTABLISHED | LB4_FLOW_ANSWERED | LB4_FLOW_SERVER_RST,
		LB4_FLOW_ESTABLISHED | LB4_FLOW_ANSWERED | LB4_FLOW_SERVER_RST | LB4_FLOW_TOLD,
		LB4_FLOW_SERVER_RST,
		LB4_FLOW_ESTABLISHED | LB4_FLOW_ANSWERED | LB4_FLOW_CLIENT_DOUBT,
		LB4_FLOW_ESTABLISHED | LB4_FLOW_ANSWERED | LB4_FLOW_SERVER_DOUBT | LB4_FLOW_ASKED,
	};
	struct world *w = *state;
	struct lb4_way *way;

	for (uint16_t i = 0; i < ARRAY_SIZE(states); i++)
		begin(w, i, (uint16_t)(1 + i), &way)->state = states[i];
	w->keep = true;
	assert_int_equal(flow_table_glance(&w->table, 0, N_FLOWS, visit, w), N_FLOWS);
	assert_int_equal(w->visited, 4);
	w->keep = false;
	flow_table_glance(&w->table, 0, 5, visit, w);
	assert_int_equal(w->visited, 6);
	assert_int_equal(w->flows[0].tag, LB4_TAG_FREE);
	assert_int_equal(w->flows[3].tag, LB4_TAG_FREE);
	assert_int_equal(w->flows[5].tag, 1005);
}

static void marks(void **state)
{
	struct world *w = *state;
	struct lb4_way *way;
	struct lb4_flow *f = begin(w, 1, 7, &way), copy = *f;

	f->state |= LB4_FLOW_ESTABLISHED; /* it has changed meanwhile */
	assert_false(flow_table_mark(&w->table, 1, &copy, LB4_FLOW_TOLD));
	assert_int_equal(f->state, LB4_FLOW_ESTABLISHED);
	copy = *f;
	assert_true(flow_table_mark(&w->table, 1, &copy, LB4_FLOW_TOLD));
	assert_int_equal(f->state, LB4_FLOW_ESTABLISHED | LB4_FLOW_TOLD);
	assert_int_equal(copy.state, f->state);
	assert_false(flow_table_mark(&w->table, 1, &copy, LB4_FLOW_TOLD));
	f->tag++; /* another's by now */
	f->state = copy.state = 0;
	assert_false(flow_table_mark(&w->table, 1, &copy, LB4_FLOW_TOLD));
	assert_int_equal(f->state, 0);
}

/* By what its client is known by, as a program finds it. */
static void finds(void **state)
{
	struct lb4_backend backends[3] = {[2].address = {4}, [2].source = {5}, [2].port = htons(8)};
	struct lb4_tuple client = {.protocol = IPPROTO_TCP}, answer = client;
	struct world *w = *state;
	struct lb4_flow *f, found;
	struct lb4_way *way;
	uint32_t place;

	begin(w, 1, 7, &way);
	answer.source[0] = 4;
	answer.destination[0] = 5;
	answer.source_port = htons(8);
	answer.destination_port = way->port;
	f = &w->flows[lb4_flow_place(&w->control, lb4_tag(&w->control, &answer))];
	*f = w->flows[1];
	f->tag = lb4_tag(&w->control, &answer);
	way->last = 105;
	memcpy(client.source, f->client, 16);
	memcpy(client.destination, w->vips[3].address, 16);
	client.source_port = htons(7);
	client.destination_port = htons(80);
	assert_true(flow_table_find(&w->table, &client, backends, 3, &place, &found));
	assert_ptr_equal(&w->flows[place], f);
	assert_int_equal(found.last, 105);
	assert_true(flow_table_read(&w->table, place, &found));
	assert_int_equal(found.last, 105);
	assert_false(flow_table_read(&w->table, 2, &found));
	assert_false(flow_table_find(&w->table, &client, backends, 2, &place, &found));
	f->client_port = htons(9);
	assert_false(flow_table_find(&w->table, &client, backends, 3, &place, &found));
	client.source_port = htons(8);
	assert_false(flow_table_find(&w->table, &client, backends, 3, &place, &found));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(fates),
		CASE(walks),
		CASE(changed_meanwhile),
		CASE(the_later_of_both),
		CASE(another_flows_way),
		CASE(glances),
		CASE(marks),
		CASE(finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
