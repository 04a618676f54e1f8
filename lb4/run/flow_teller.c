// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <string.h>

#include "connection_line.h"
#include "daemon_private.h"
#include "flow_account.h"
#include "flow_teller.h"
#include "placement.h"

static void on_dropped(struct line_box *b, size_t n)
{
	struct flow_teller *t = container_of(b, struct flow_teller, lines);

	t->n_dropped += n;
	daemon_on_trouble(t->daemon);
}

void flow_teller_init(struct flow_teller *t, struct daemon *d, struct placement *p,
		      const struct fastpath_maps *maps)
{
	*t = (struct flow_teller){
		.daemon = d,
		.placement = p,
		.maps = maps,
		.lines = LINE_BOX_INIT(d->lines, &d->line_policy, on_dropped),
	};
}

static struct address address_of(const uint8_t ip[16], __be16 port)
{
	struct address a = {.port = ntohs(port)};

	memcpy(a.ip, ip, sizeof(a.ip));
	a.family = address_ip_is_mapped(ip) ? ADDRESS_IPV4 : ADDRESS_IPV6;
	return a;
}

/* As of a connection, whose worker is the one behind the last; a place and a moment make the rest. */
static uint64_t id_of(const struct flow_teller *t, uint32_t place)
{
	uint64_t moment = t->maps->records[place].born >> 22;

	return (uint64_t)t->daemon->n_workers << 47 | (moment & 0xffffff) << 23 |
	       (place & 0x7fffff);
}

/* Whoever never got an answer to its SYN may be nobody: such ends come in floods. */
static bool is_limited(const struct lb4_flow *f)
{
	return !(f->state & LB4_FLOW_ESTABLISHED);
}

static void write_line(struct flow_teller *t, uint32_t place, const struct lb4_flow *f,
		       const struct flow_line *what, nsec_t now)
{
	const struct lb4_backend *b = &t->maps->backends[f->backend];
	const struct lb4_vip *vip = &t->maps->vips[f->vip];
	struct flow_line l = *what;
	char *line;

	if (!line_box_wants(&t->lines, l.reason, is_limited(f), now))
		return;
	line = line_box_begin(&t->lines, now);
	if (!line)
		return;
	l.id = id_of(t, place);
	l.service = placement_service(t->placement, f);
	l.backend = placement_backend(t->placement, f);
	l.client = address_of(f->client, f->client_port);
	l.local = address_of(vip->address, vip->port);
	l.server = address_of(b->address, b->port);
	line_box_end(&t->lines, connection_line_print_flow(&l, clock_wall(), line));
}

void flow_teller_end(struct flow_teller *t, uint32_t place, const struct lb4_flow *f,
		     enum end_reason reason, nsec_t now)
{
	struct backend *b = placement_backend(t->placement, f);
	struct flow_line l = {.reason = reason};
	uint64_t n_failures;

	if (f->backend >= t->maps->n_backends)
		return;
	flow_account(f, &t->maps->records[place], now, &l.account);
	l.error = flow_evidence(f, &l.account, reason);
	n_failures = placement_tell_end(t->placement, f, &l.account, reason, l.error, now);
	if (n_failures)
		daemon_on_evidence(t->daemon, b, n_failures, l.error);
	write_line(t, place, f, &l, now);
}

bool flow_teller_show(const struct flow_teller *t, uint32_t place, const struct lb4_flow *f,
		      nsec_t now, struct connection_info *ret)
{
	struct service *s = placement_service(t->placement, f);
	const struct lb4_vip *vip = &t->maps->vips[f->vip];
	nsec_t heard = (nsec_t)f->last << LB4_TICK_SHIFT;
	struct flow_account a;

	if (!s)
		return false;
	flow_account(f, &t->maps->records[place], now, &a);
	*ret = (struct connection_info){
		.id = id_of(t, place),
		.state = flow_state_name(f->state),
		.service = service_ref(s),
		.backend = backend_ref(placement_backend(t->placement, f)),
		.client = address_of(f->client, f->client_port),
		.local = address_of(vip->address, vip->port),
		.tries = 1,
		.age = a.duration,
		.idle = now > heard ? now - heard : 0,
		.bytes_in = a.bytes_in,
		.bytes_out = a.bytes_out,
	};
	ret->peer = ret->client;
	if (ret->idle > ret->age)
		ret->idle = ret->age; /* ticks are longer than it has lived */
	return true;
}
