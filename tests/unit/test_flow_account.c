// SPDX-License-Identifier: BSD-2-Clause
/* What is told of flows: bytes over any number of wraps, how long they took, why they ended. */
#include <errno.h>

#include "flow_account.h"

#include "test.h"

#define LIVE	   (LB4_FLOW_ANSWERED | LB4_FLOW_ESTABLISHED)
#define CLIENT_FIN (LIVE | LB4_FLOW_CLIENT_FIN)
#define SERVER_FIN (LIVE | LB4_FLOW_SERVER_FIN)
#define FINS	   (CLIENT_FIN | SERVER_FIN)

static void bytes(void **state)
{
	static const struct {
		struct lb4_flow f;
		struct lb4_record r;
		uint64_t in, out;
	} cases[] = {
		/* An answer alone, whatever numbers there are. */
		{{.state = LB4_FLOW_ANSWERED, .client_next = 8, .server_next = 9},
		 {.client_first = 8, .server_first = 9},
		 0,
		 0},
		{{.state = 0, .client_next = 8, .server_next = 9}, {}, 0, 0},
		{{.state = LIVE, .client_next = 1008, .server_next = 1},
		 {.client_first = 8, .server_first = 0xfffffff1, .server_wraps = 1},
		 1000,
		 16},
		{{.state = LIVE, .client_next = 7, .server_next = 9},
		 {.client_first = 8, .client_wraps = 1, .server_first = 8, .server_wraps = 3},
		 0xffffffff,
		 3ull << 32 | 1},
		/* FINs are no bytes, whether the backend has acknowledged the client's or will. */
		{{.state = FINS, .client_next = 109, .server_next = 210},
		 {.client_first = 8, .client_fin = 108, .server_first = 9},
		 100,
		 200},
		{{.state = FINS, .client_next = 58, .server_next = 210},
		 {.client_first = 8, .client_fin = 108, .server_first = 9},
		 100,
		 200},
		{{.state = FINS, .client_next = 0, .server_next = 10},
		 {.client_first = 0xffffffff,
		  .client_fin = 0xffffffff,
		  .client_wraps = 1,
		  .server_first = 9},
		 0,
		 0},
		{{.state = FINS, .client_next = 0xfffffff0, .server_next = 10},
		 {.client_first = 0xfffffff0, .client_fin = 0x10, .server_first = 9},
		 0x20,
		 0},
		/* Of a stream that was cut what had arrived. */
		{{.state = CLIENT_FIN | LB4_FLOW_SERVER_RST, .client_next = 58, .server_next = 9},
		 {.client_first = 8, .client_fin = 108, .server_first = 9},
		 50,
		 0},
		{{.state = CLIENT_FIN, .client_next = 58, .server_next = 9},
		 {.client_first = 8, .client_fin = 108, .server_first = 9},
		 50,
		 0},
		{{.state = SERVER_FIN, .client_next = 58, .server_next = 10},
		 {.client_first = 8, .server_first = 9},
		 50,
		 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flow_account a;

		flow_account(&cases[i].f, &cases[i].r, 0, &a);
		assert_int_equal(a.bytes_in, cases[i].in);
		assert_int_equal(a.bytes_out, cases[i].out);
	}
}

static void times(void **state)
{
	const struct lb4_flow f = {.state = LIVE}, unanswered = {};
	struct lb4_record r = {.born = 5000, .connect_us = 12};
	struct flow_account a;

	(void)state;
	flow_account(&f, &r, 7000, &a);
	assert_int_equal(a.connect, 12000);
	assert_int_equal(a.duration, 2000);
	flow_account(&f, &r, 4000, &a); /* a program's clock is ahead of this moment */
	assert_int_equal(a.duration, 0);
	flow_account(&unanswered, &r, 7000, &a);
	assert_int_equal(a.connect, 0);
	r.over = 1 + 3;
	flow_account(&f, &r, 1ull << 40, &a);
	assert_int_equal(a.duration, 3ull << LB4_OVER_SHIFT);
	r.over = UINT32_MAX; /* months */
	flow_account(&f, &r, 1ull << 60, &a);
	assert_int_equal(a.duration, (1ull << 60) - 5000);
}

static void reasons(void **state)
{
	static const struct {
		uint32_t state;
		enum flow_fate fate;
		enum end_reason reason;
		uint64_t bytes;
		int evidence;
	} cases[] = {
		{LIVE, FLOW_LIVES, END_NONE, 0, 0},
		{LIVE, FLOW_IDLE, END_IDLE, 0, 0},
		{CLIENT_FIN, FLOW_HALF_CLOSED, END_HALF_CLOSED, 0, 0},
		{LIVE, FLOW_OLD, END_LIFETIME, 0, 0},
		{0, FLOW_LIVES, END_NONE, 0, 0},
		{0, FLOW_ABANDONED, END_CONNECT_FAILED, 0, ETIMEDOUT},
		{LB4_FLOW_ANSWERED, FLOW_ABANDONED, END_CLIENT_TIMEOUT, 0, 0},
		{LB4_FLOW_SERVER_RST, FLOW_LIVES, END_CONNECT_FAILED, 0, ECONNREFUSED},
		{LB4_FLOW_SERVER_RST, FLOW_CLOSED, END_CONNECT_FAILED, 0, ECONNREFUSED},
		{LB4_FLOW_CLIENT_RST, FLOW_CLOSED, END_CLIENT_RESET, 0, 0},
		{LIVE | LB4_FLOW_CLIENT_RST, FLOW_LIVES, END_CLIENT_RESET, 0, 0},
		{LIVE | LB4_FLOW_SERVER_RST, FLOW_LIVES, END_SERVER_RESET, 0, ECONNRESET},
		{LIVE | LB4_FLOW_SERVER_RST, FLOW_LIVES, END_SERVER_RESET, 1, 0},
		{CLIENT_FIN | LB4_FLOW_SERVER_RST, FLOW_LIVES, END_SERVER_RESET, 1, 0},
		{LIVE | LB4_FLOW_CLIENT_DOUBT, FLOW_LIVES, END_NONE, 0, 0},
		{LIVE | LB4_FLOW_CLIENT_DOUBT | LB4_FLOW_ASKED | LB4_FLOW_SERVER_RST, FLOW_LIVES,
		 END_CLIENT_RESET, 0, 0},
		{LIVE | LB4_FLOW_SERVER_DOUBT | LB4_FLOW_ASKED | LB4_FLOW_CLIENT_RST, FLOW_LIVES,
		 END_SERVER_RESET, 1, 0},
		{FINS, FLOW_LIVES, END_DONE, 0, 0},
		{FINS, FLOW_CLOSED, END_DONE, 0, 0},
		{FINS | LB4_FLOW_CLIENT_RST, FLOW_CLOSED, END_DONE, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct lb4_flow f = {.state = cases[i].state};
		const struct flow_account a = {.bytes_in = cases[i].bytes};

		assert_int_equal(flow_end_reason(&f, cases[i].fate), cases[i].reason);
		assert_int_equal(flow_evidence(&f, &a, cases[i].reason), cases[i].evidence);
	}
	assert_string_equal(flow_state_name(LB4_FLOW_ANSWERED), "connecting");
	assert_string_equal(flow_state_name(LIVE), "established");
	assert_string_equal(flow_state_name(SERVER_FIN), "half-closed");
	assert_null(flow_state_name(FINS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes),
		cmocka_unit_test(times),
		cmocka_unit_test(reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
