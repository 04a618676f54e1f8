// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "flow_account.h"

/* How far a side's numbers have come since its first byte. */
static uint64_t distance(uint32_t next, uint16_t wraps, uint32_t first)
{
	uint64_t at = (uint64_t)wraps << 32 | next;

	return at > first ? at - first : 0;
}

/* Those before the client's FIN, as far as the backend has acknowledged them, or will have. */
static uint64_t bytes_in(const struct lb4_flow *f, const struct lb4_record *r)
{
	uint64_t n = distance(f->client_next, r->client_wraps, r->client_first);
	int32_t ahead = (int32_t)(r->client_fin - f->client_next);
	bool reset = f->state & (LB4_FLOW_CLIENT_RST | LB4_FLOW_SERVER_RST);

	if (!(f->state & LB4_FLOW_CLIENT_FIN) ||
	    (ahead > 0 && (reset || !lb4_flow_is_over(f->state))))
		return n;
	return n + (uint64_t)(int64_t)ahead;
}

static uint64_t bytes_out(const struct lb4_flow *f, const struct lb4_record *r)
{
	uint64_t n = distance(f->server_next, r->server_wraps, r->server_first);

	return n - (n > 0 && (f->state & LB4_FLOW_SERVER_FIN));
}

/* A moment that was too far off to be noted has just been. */
static nsec_t lived(const struct lb4_record *r, nsec_t now)
{
	if (r->over && r->over < UINT32_MAX)
		return (nsec_t)(r->over - 1) << LB4_OVER_SHIFT;
	return now > r->born ? now - r->born : 0;
}

void flow_account(const struct lb4_flow *f, const struct lb4_record *r, nsec_t now,
		  struct flow_account *ret)
{
	*ret = (struct flow_account){.duration = lived(r, now)};
	if (!(f->state & LB4_FLOW_ANSWERED))
		return;
	ret->connect = r->connect_us * NSEC_PER_USEC;
	ret->bytes_in = bytes_in(f, r);
	ret->bytes_out = bytes_out(f, r);
}

enum end_reason flow_end_reason(const struct lb4_flow *f, enum flow_fate fate)
{
	const uint32_t fins = LB4_FLOW_CLIENT_FIN | LB4_FLOW_SERVER_FIN;
	bool answered = f->state & LB4_FLOW_ANSWERED;

	if (!lb4_flow_is_over(f->state))
		switch (fate) {
		case FLOW_IDLE:
			return END_IDLE;
		case FLOW_HALF_CLOSED:
			return END_HALF_CLOSED;
		case FLOW_OLD:
			return END_LIFETIME;
		case FLOW_ABANDONED:
			return answered ? END_CLIENT_TIMEOUT : END_CONNECT_FAILED;
		case FLOW_CLOSED:
		case FLOW_LIVES:
			return END_NONE;
		}
	/* A RST behind them has nothing more to end. */
	if ((f->state & fins) == fins)
		return END_DONE;
	/* The answer to a question about a RST is one of whoever got it. */
	if (f->state & LB4_FLOW_DOUBT)
		return f->state & LB4_FLOW_CLIENT_DOUBT ? END_CLIENT_RESET : END_SERVER_RESET;
	if (f->state & LB4_FLOW_CLIENT_RST)
		return END_CLIENT_RESET;
	return answered ? END_SERVER_RESET : END_CONNECT_FAILED;
}

int flow_evidence(const struct lb4_flow *f, const struct flow_account *a, enum end_reason reason)
{
	if (reason == END_CONNECT_FAILED)
		return f->state & LB4_FLOW_SERVER_RST ? ECONNREFUSED : ETIMEDOUT;
	return reason == END_SERVER_RESET && a->bytes_in == 0 && a->bytes_out == 0 ? ECONNRESET : 0;
}

const char *flow_state_name(uint32_t state)
{
	if (lb4_flow_is_over(state))
		return NULL;
	if (!(state & LB4_FLOW_ESTABLISHED))
		return "connecting";
	return state & (LB4_FLOW_CLIENT_FIN | LB4_FLOW_SERVER_FIN) ? "half-closed" : "established";
}
