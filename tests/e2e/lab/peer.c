// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "list.h"
#include "peer.h"

#define CHUNK_MAX   65536
#define TRICKLE	    512
#define LULL	    24 /* small pieces one by one, as of somebody who types */
#define LULL_PAUSE  NSEC_PER_MSEC
#define HOLD_MAX    65536
#define UP_SEED	    0x7570u /* keeps the two directions' bytes apart */
#define DOWN_SEED   0x646f776eu
#define PAUSE_MAX   (10 * NSEC_PER_MSEC)
#define RESET_DELAY (40 * NSEC_PER_MSEC)

const char *const plan_kind_names[PLAN_KINDS] = {
	[PLAN_FREE] = "free",
	[PLAN_CLIENT_FIRST] = "client_first",
	[PLAN_SERVER_FIRST] = "server_first",
	[PLAN_CLIENT_RESET] = "client_reset",
	[PLAN_SERVER_RESET] = "server_reset",
	[PLAN_CLIENT_FIN_RESET] = "client_fin_reset",
	[PLAN_SERVER_FIN_RESET] = "server_fin_reset",
};

const char *const peer_outcome_names[PEER_OUTCOMES] = {
	[PEER_RUNNING] = "running",	  [PEER_DONE] = "done",
	[PEER_RESET_SENT] = "reset-sent", [PEER_RESET_SEEN] = "reset-seen",
	[PEER_VIOLATION] = "violation",
};

/* What each kind asks of the side that acts first and of the other. */
static const struct {
	enum peer_side actor; /* who closes first or resets */
	bool waits;	      /* the other side waits for the actor's end before its own */
	bool fin, reset;      /* the actor's end */
} kinds[PLAN_KINDS] = {
	[PLAN_FREE] = {.fin = true},
	[PLAN_CLIENT_FIRST] = {PEER_CLIENT, .waits = true, .fin = true},
	[PLAN_SERVER_FIRST] = {PEER_SERVER, .waits = true, .fin = true},
	[PLAN_CLIENT_RESET] = {PEER_CLIENT, .waits = true, .reset = true},
	[PLAN_SERVER_RESET] = {PEER_SERVER, .waits = true, .reset = true},
	[PLAN_CLIENT_FIN_RESET] = {PEER_CLIENT, .waits = true, .fin = true, .reset = true},
	[PLAN_SERVER_FIN_RESET] = {PEER_SERVER, .waits = true, .fin = true, .reset = true},
};

enum peer_outcome peer_counterpart(enum peer_outcome outcome)
{
	switch (outcome) {
	case PEER_RESET_SENT:
		return PEER_RESET_SEEN;
	case PEER_RESET_SEEN:
		return PEER_RESET_SENT;
	default:
		return outcome;
	}
}

/* Half of the sizes are uniform, half have a uniform number of digits; some are nothing. */
static uint64_t draw_size(struct rng *rng, uint64_t max_size)
{
	uint64_t size;

	if (rng_one_in(rng, 12))
		return 0;
	size = rng_below(rng, max_size + 1);
	return rng_one_in(rng, 2) ? size : size >> rng_below(rng, 22);
}

void plan_draw(struct plan *ret, struct rng *rng, uint64_t id, uint64_t max_size)
{
	*ret = (struct plan){
		.magic = PLAN_MAGIC,
		.id = id,
		.seed = rng_next(rng),
		.up = draw_size(rng, max_size),
		.down = draw_size(rng, max_size),
		.kind = (uint32_t)rng_below(rng, PLAN_KINDS),
		.quiet = rng_one_in(rng, 2),
	};
	/* Anything from the first byte to the last. */
	ret->cut =
		rng_below(rng, (kinds[ret->kind].actor == PEER_CLIENT ? ret->up : ret->down) + 1);
}

static bool is_actor(const struct peer *p)
{
	return p->side == kinds[p->plan.kind].actor;
}

static bool must_wait(const struct peer *p)
{
	return kinds[p->plan.kind].waits && !is_actor(p);
}

static bool expects_reset(const struct peer *p)
{
	return kinds[p->plan.kind].reset && !is_actor(p);
}

static bool knows_plan(const struct peer *p)
{
	return p->side == PEER_CLIENT || p->received >= NAME_BLOCK;
}

static uint64_t send_total(const struct peer *p)
{
	return NAME_BLOCK + (p->side == PEER_CLIENT ? p->plan.up : p->plan.down);
}

static uint64_t receive_total(const struct peer *p)
{
	return NAME_BLOCK + (p->side == PEER_CLIENT ? p->plan.down : p->plan.up);
}

/* How far this side may send now. */
static uint64_t send_limit(const struct peer *p)
{
	if (!knows_plan(p))
		return 0;
	if (is_actor(p) && kinds[p->plan.kind].reset && !kinds[p->plan.kind].fin)
		return NAME_BLOCK + p->plan.cut;
	return p->seen_eof ? send_total(p) : send_total(p) - p->hold;
}

static void end(struct peer *p, enum peer_outcome outcome, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void end(struct peer *p, enum peer_outcome outcome, const char *format, ...)
{
	va_list arguments;

	p->outcome = outcome;
	va_start(arguments, format);
	vsnprintf(p->why, sizeof(p->why), format, arguments);
	va_end(arguments);
	loop_disarm(&p->alarm);
	if (outcome == PEER_RESET_SENT)
		loop_reset(&p->watch);
	else
		loop_close(&p->watch);
	p->on_end(p);
}

static void violation(struct peer *p, const char *what)
{
	end(p, PEER_VIOLATION, "%s: sent %llu of %llu, received %llu of %llu, %s%s", what,
	    (unsigned long long)p->sent, (unsigned long long)send_total(p),
	    (unsigned long long)p->received, (unsigned long long)receive_total(p),
	    plan_kind_names[p->plan.kind], p->seen_eof ? ", after FIN" : "");
}

static void on_error(struct peer *p, int error)
{
	bool due = knows_plan(p) && expects_reset(p);

	/* A reset that follows a FIN, read or not, shows as EPIPE. */
	if (due && (error == ECONNRESET || (error == EPIPE && kinds[p->plan.kind].fin)))
		end(p, PEER_RESET_SEEN, "%s", "");
	else
		violation(p, strerror(error));
}

/* Picks how much to hold back; on the server once the plan is known. */
static void adopt_plan(struct peer *p)
{
	uint64_t size = send_total(p) - NAME_BLOCK;

	p->rng.state = p->plan.seed + p->side;
	if (must_wait(p) && !(kinds[p->plan.kind].reset && p->plan.quiet))
		p->hold = rng_below(&p->rng, (size < HOLD_MAX ? size : HOLD_MAX) + 1);
}

/* Takes received bytes; false when the peer has ended. */
static bool take_bytes(struct peer *p, const uint8_t *bytes, size_t n)
{
	uint64_t seed = p->plan.seed ^ (p->side == PEER_CLIENT ? DOWN_SEED : UP_SEED);
	size_t good;

	if (p->received < NAME_BLOCK) {
		char *block = p->side == PEER_CLIENT ? p->name : (char *)&p->plan;
		size_t part = NAME_BLOCK - p->received < n ? NAME_BLOCK - p->received : n;

		memcpy(block + p->received, bytes, part);
		p->received += part;
		if (p->received == NAME_BLOCK && p->side == PEER_SERVER) {
			if (p->plan.magic != PLAN_MAGIC || p->plan.kind >= PLAN_KINDS) {
				p->plan = (struct plan){};
				violation(p, "the first block is damaged");
				return false;
			}
			adopt_plan(p);
			seed = p->plan.seed ^ UP_SEED;
		}
		bytes += part;
		n -= part;
	}
	if (n == 0)
		return true;
	if (p->received + n > receive_total(p)) {
		violation(p, "more bytes than were sent");
		return false;
	}
	good = pattern_check(seed, p->received - NAME_BLOCK, bytes, n);
	p->received += good;
	if (good < n) {
		violation(p, "wrong byte");
		return false;
	}
	return true;
}

static void on_eof(struct peer *p)
{
	if (p->received < NAME_BLOCK)
		violation(p, "FIN before the first block");
	else if (expects_reset(p) && !kinds[p->plan.kind].fin)
		violation(p, "FIN where a reset was due");
	else if (is_actor(p) && kinds[p->plan.kind].reset)
		violation(p, "FIN where nothing was due");
	else if (p->received != receive_total(p))
		violation(p, "FIN before the last byte");
	else
		p->seen_eof = true;
}

static void receive_some(struct peer *p)
{
	static uint8_t buffer[CHUNK_MAX];
	ssize_t n = recv(p->watch.fd, buffer, 1 + rng_below(&p->rng, CHUNK_MAX), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		on_error(p, errno);
	} else if (n == 0) {
		on_eof(p);
	} else if (take_bytes(p, buffer, (size_t)n) && rng_one_in(&p->rng, 64)) {
		p->receive_pause = loop.now + rng_below(&p->rng, PAUSE_MAX);
	}
}

static size_t fill_chunk(struct peer *p, uint8_t *buffer, size_t size)
{
	const uint8_t *block = p->side == PEER_CLIENT ? (uint8_t *)&p->plan : (uint8_t *)p->name;
	uint64_t seed = p->plan.seed ^ (p->side == PEER_CLIENT ? UP_SEED : DOWN_SEED);
	size_t n = 0;

	for (; n < size && p->sent + n < NAME_BLOCK; n++)
		buffer[n] = block[p->sent + n];
	pattern_fill(seed, p->sent + n - NAME_BLOCK, buffer + n, size - n);
	return size;
}

static void send_some(struct peer *p)
{
	static uint8_t buffer[CHUNK_MAX];
	uint64_t left = send_limit(p) - p->sent;
	size_t size = 1 + rng_below(&p->rng, rng_one_in(&p->rng, 4) ? 64 : CHUNK_MAX);
	bool trickles = p->seen_eof && expects_reset(p);
	ssize_t n;

	if ((trickles || p->lull) && size > TRICKLE)
		size = TRICKLE;
	if (size > left)
		size = left;
	n = send(p->watch.fd, buffer, fill_chunk(p, buffer, size), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		on_error(p, errno);
		return;
	}
	p->sent += (uint64_t)n;
	if (trickles || rng_one_in(&p->rng, 24))
		p->send_pause = loop.now + rng_below(&p->rng, PAUSE_MAX);
	else if (p->lull)
		p->send_pause = loop.now + rng_below(&p->rng, LULL_PAUSE);
	if (p->lull)
		p->lull--;
	else if (rng_one_in(&p->rng, 40))
		p->lull = (unsigned)rng_below(&p->rng, LULL);
}

/* Does what is due besides bytes; false when the peer has ended. */
static bool finish(struct peer *p)
{
	bool reset = knows_plan(p) && is_actor(p) && kinds[p->plan.kind].reset;
	bool all_sent = knows_plan(p) && p->sent == send_limit(p);

	if (all_sent && p->sent == send_total(p) && !p->sent_fin && !expects_reset(p) &&
	    (!reset || kinds[p->plan.kind].fin) && (!must_wait(p) || p->seen_eof)) {
		shutdown(p->watch.fd, SHUT_WR);
		p->sent_fin = true;
	}
	/* The server has taken the plan once its name is here: from then on it must report. */
	if (reset && all_sent && p->received >= NAME_BLOCK &&
	    (p->sent_fin || !kinds[p->plan.kind].fin)) {
		if (!p->reset_due)
			p->reset_due = loop.now + rng_below(&p->rng, RESET_DELAY);
		if (p->reset_due <= loop.now) {
			end(p, PEER_RESET_SENT, "%s", "");
			return false;
		}
	}
	if (p->sent_fin && p->seen_eof) {
		end(p, PEER_DONE, "%s", "");
		return false;
	}
	return true;
}

static void on_alarm(struct alarm *a);

static void rearm(struct peer *p)
{
	nsec_t due = p->give_up;
	uint32_t events = 0;

	if (p->send_pause > loop.now)
		due = p->send_pause < due ? p->send_pause : due;
	else if (!p->connected || p->sent < send_limit(p))
		events |= EPOLLOUT;
	if (p->receive_pause > loop.now)
		due = p->receive_pause < due ? p->receive_pause : due;
	else if (p->connected && !p->seen_eof)
		events |= EPOLLIN;
	if (p->reset_due && p->reset_due < due)
		due = p->reset_due;
	loop_change(&p->watch, events);
	loop_arm(&p->alarm, due, on_alarm);
}

static void go_on(struct peer *p)
{
	if (finish(p))
		rearm(p);
}

static void on_alarm(struct alarm *a)
{
	struct peer *p = container_of(a, struct peer, alarm);

	if (loop.now >= p->give_up)
		violation(p, "stuck");
	else
		go_on(p);
}

static void on_event(struct watch *w, uint32_t events)
{
	struct peer *p = container_of(w, struct peer, watch);

	if (!p->connected) {
		int error = socket_error(w->fd);

		if (error) {
			on_error(p, error);
			return;
		}
		p->connected = true;
	}
	/* Bytes that came before a reset are still to be read and checked. */
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !p->seen_eof)
		receive_some(p);
	else if (events & (EPOLLERR | EPOLLHUP))
		on_error(p, socket_error(w->fd));
	if (p->outcome == PEER_RUNNING && (events & EPOLLOUT) && p->sent < send_limit(p) &&
	    p->send_pause <= loop.now)
		send_some(p);
	if (p->outcome == PEER_RUNNING)
		go_on(p);
}

void peer_start(struct peer *p, enum peer_side side, int fd, const struct plan *plan,
		const char *name, nsec_t give_up, void (*on_end)(struct peer *p))
{
	*p = (struct peer){
		.alarm.timer = TIMER_INIT,
		.side = side,
		.connected = side == PEER_SERVER,
		.give_up = give_up,
		.on_end = on_end,
	};
	if (plan) {
		p->plan = *plan;
		adopt_plan(p);
	}
	if (name)
		snprintf(p->name, sizeof(p->name), "%s", name);
	loop_watch(&p->watch, fd, side == PEER_CLIENT ? EPOLLOUT : EPOLLIN, on_event);
	loop_arm(&p->alarm, give_up, on_alarm);
}
