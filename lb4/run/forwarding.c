// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon_private.h"
#include "fastpath.h"
#include "flow_teller.h"
#include "forwarding.h"
#include "interface.h"
#include "lb4_hash.h"
#include "pins.h"
#include "placement.h"
#include "raw.h"
#include "reserved_ports.h"
#include "route.h"

/* The flow table is walked in so long, a part at a time. */
#define WALK_PARTS    20
#define WALK_INTERVAL (100 * NSEC_PER_MSEC) /* from one part to the next */

/* Beside that those are looked for that are over, or wait for an answer: so many places each time,
 * of 8 MB, which is about a millisecond, or in so many parts where there are more. */
#define GLANCE_PLACES (1u << 17)
#define GLANCE_PARTS  16

#define ROUTES_INTERVAL (5 * NSEC_PER_SEC)

/* Of flows of an earlier start whose backend the file no longer has: nobody says how long. */
#define ORPHAN_IDLE (3600 * NSEC_PER_SEC)

/* Room beyond what the configuration needs at the start: for reloads, and for backends of the past
 * that still have flows. */
#define SPARE_BACKENDS 1024
#define SPARE_CHUNKS   256

_Static_assert(INTERFACES_MAX == LB4_INTERFACES_MAX, "the map has room for all that may be listed");

struct known_way {
	struct address to;
	struct backend_way way;
};

struct forwarding {
	struct fastpath *fastpath;
	const struct fastpath_maps *maps;
	struct placement *placement;
	struct flow_table table;
	struct flow_teller teller;
	struct raw raw;
	struct pins pins;
	bool pinned;  /* flows outlive lb4 */
	bool accepts; /* what the operator wants */
	struct attached {
		char *name;
		uint32_t index;
		const char *hook; /* NULL: not attached … */
		int error;	  /* … because of this */
	} interfaces[LB4_INTERFACES_MAX];
	size_t n_interfaces;
	int error; /* why there are no programs */
	uint32_t max_flows;
	struct known_way *ways; /* as they were when last asked for */
	size_t n_ways;
	uint32_t walk_at, glance_at; /* places of the table */
	bool glance_found;	     /* something, since it began at the first place … */
	uint64_t glance_news;	     /* … when there was this news */
	nsec_t walk_next, routes_next;
	size_t n_homeless; /* services that found no room, as last told */

	/* For those whose flows are being reset: */
	const struct backend *leaving;
	enum end_reason reason;
	nsec_t now;
};

/* --- What there is --- */

static const char *why(int error)
{
	switch (-error) {
	case EPERM:
		return "it takes CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW";
	case EOPNOTSUPP:
		return "the kernel cannot load the programs";
	case ENODEV:
		return "there is no such interface";
	case EAFNOSUPPORT:
		return "it is no Ethernet interface";
	default:
		return strerrordesc_np(-error);
	}
}

static struct fastpath_sizes sizes_of(const struct config *config)
{
	struct fastpath_sizes s = {.flows = config->max_flows};
	uint64_t backends = SPARE_BACKENDS, chunks = SPARE_CHUNKS;

	for (size_t i = 0; i < config->n_services; i++) {
		const struct service_config *service = &config->services[i];

		if (service->settings.forward != FORWARD_NAT)
			continue;
		backends += 2 * service->n_backends;
		chunks += service->settings.table_size / LB4_RING_CHUNK + 1;
	}
	s.backends = (uint32_t)(backends < 32768 ? backends : 32768);
	s.ring_chunks = (uint32_t)chunks;
	return s;
}

static void attach_all(struct forwarding *f, const struct config *config)
{
	for (size_t i = 0; config->interfaces[i] && i < LB4_INTERFACES_MAX; i++) {
		struct attached *a = &f->interfaces[f->n_interfaces++];
		enum fastpath_hook hook;

		a->name = strdup(config->interfaces[i]);
		a->error = fastpath_attach(f->fastpath, config->interfaces[i], &hook, &a->index);
		if (a->error < 0) {
			log_error(
				"interface %s: the fast path cannot be attached: %s; what comes in "
				"there is spliced",
				config->interfaces[i], why(a->error));
			continue;
		}
		a->hook = fastpath_hook_name(hook);
		log_info("interface %s: the fast path is attached, by %s", config->interfaces[i],
			 a->hook);
	}
	fastpath_attached_all(f->fastpath);
}

static void reserve_ports(const struct config *config)
{
	int r = reserved_ports_add(config->nat_port_low, config->nat_port_high);

	if (r < 0)
		log_warning("nat_ports %u-%u could not be added to ip_local_reserved_ports: %s; a "
			    "socket of this machine may be given one of them, and get another's "
			    "answers",
			    config->nat_port_low, config->nat_port_high, strerrordesc_np(-r));
}

/* FNV-1a of the file's path: whose maps they are. */
static uint64_t owner_of(const char *config_path)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *p = config_path ? config_path : ""; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3;
	return hash;
}

static void open_pins(struct forwarding *f, const char *path)
{
	int r = pins_open(path, &f->pins);

	f->pinned = r == 0;
	if (r < 0)
		log_warning("pins in %s cannot be had: %s; flows end with lb4", path,
			    r == -ENOTSUP ? "it is in no BPF file system"
			    : r == -EBUSY ? "another lb4 has it"
					  : strerrordesc_np(-r));
}

/* Flows of an earlier start may have ports beyond what is configured now. */
static void set_ports(struct lb4_control *c, const struct config *config, bool adopted)
{
	uint16_t low = config->nat_port_low, high = config->nat_port_high;

	c->port_low = low;
	c->port_count = (uint16_t)(high - low + 1);
	if (adopted) {
		uint16_t last = (uint16_t)(c->answer_low + c->answer_count - 1);

		low = c->answer_low < low ? c->answer_low : low;
		high = last > high ? last : high;
	}
	c->answer_low = low;
	c->answer_count = (uint16_t)(high - low + 1);
}

static int load(struct forwarding *f, struct daemon *d, const struct config *config)
{
	const struct fastpath_sizes sizes = sizes_of(config);
	struct lb4_control *control;
	bool adopted;
	int r = raw_open(&f->raw);

	if (r < 0)
		return r;
	open_pins(f, config->pins);
	r = fastpath_open(&sizes, f->pinned ? &f->pins : NULL, &f->fastpath, &adopted);
	if (r < 0)
		return r;
	f->maps = fastpath_maps(f->fastpath);
	f->placement = placement_new(f->maps, adopted);
	if (!f->placement)
		return -ENOMEM;
	control = f->maps->control;
	control->owner = owner_of(d->config_path);
	set_ports(control, config, adopted);
	if (adopted)
		log_info("the fast path of an earlier start is taken over, with its flows");
	f->table = (struct flow_table){
		.control = control,
		.vips = f->maps->vips,
		.flows = f->maps->flows,
		.records = f->maps->records,
		.lines = f->maps->lines,
		.counters = f->maps->backend_counters,
		.n_flows = f->maps->n_flows,
	};
	flow_teller_init(&f->teller, d, f->placement, f->maps);
	f->max_flows = f->maps->n_lines; /* of an earlier start, perhaps */
	return 0;
}

static void unload(struct forwarding *f)
{
	f->placement = placement_free(f->placement);
	f->fastpath = fastpath_close(f->fastpath);
	raw_close(&f->raw);
	pins_close(&f->pins);
}

/* Nothing is to be forwarded any more: neither by what an earlier start has left. */
static void forget(const struct config *config, const char *config_path)
{
	struct pins pins = PINS_INIT;

	if (access(config->pins, F_OK) < 0 || pins_open(config->pins, &pins) < 0)
		return;
	if (fastpath_forget(&pins, owner_of(config_path)))
		log_warning("the fast path of an earlier start is detached, as the file names no "
			    "interfaces any more: its flows end");
	pins_close(&pins);
}

void forwarding_start(struct daemon *d, const struct config *config)
{
	struct forwarding *f;

	if (!config->interfaces) {
		forget(config, d->config_path);
		return;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		log_error("no memory for the fast path: everything is spliced");
		return;
	}
	*f = (struct forwarding){.raw = RAW_INIT, .pins = PINS_INIT, .accepts = true};
	d->forwarding = f;
	f->error = load(f, d, config);
	if (f->error < 0) {
		log_error("the fast path cannot be had: %s; everything is spliced", why(f->error));
		unload(f);
		return;
	}
	reserve_ports(config);
	attach_all(f, config);
}

/* --- What is to be --- */

static bool is_attached(const struct forwarding *f, uint32_t interface)
{
	for (size_t i = 0; i < f->n_interfaces; i++)
		if (f->interfaces[i].hook && f->interfaces[i].index == interface)
			return true;
	return false;
}

/* A backend whose answers would not pass the program is not for nat, nor one on this machine. */
static struct backend_way find_way(const struct forwarding *f, const struct address *a)
{
	unsigned headers =
		a->family == ADDRESS_IPV4 ? FASTPATH_HEADERS_IPV4 : FASTPATH_HEADERS_IPV6;
	struct backend_way way = {};
	struct route route;
	uint32_t mtu;

	if (route_find(a, &route) != 0 || interface_mtu(route.interface, &mtu) < 0)
		return way;
	if (route.mtu && route.mtu < mtu)
		mtu = route.mtu;
	way.reachable = is_attached(f, route.interface);
	way.interface = route.interface;
	way.mss_max = fastpath_mss(mtu, headers);
	way.source = route.source;
	way.has_gateway = route.has_gateway;
	way.gateway = route.gateway;
	return way;
}

static int compare_ways(const void *a, const void *b)
{
	return memcmp(&((const struct known_way *)a)->to, &((const struct known_way *)b)->to,
		      sizeof(struct address));
}

/* The kernel is asked again now and then, and not whenever a table changes. */
static struct backend_way *find_ways(const struct forwarding *f, const struct snapshot_service *s)
{
	struct backend_way *ways = calloc(s->n_backends + 1, sizeof(ways[0]));

	for (size_t i = 0; ways && i < s->n_backends; i++) {
		const struct known_way key = {.to = s->backends[i]->address};
		const struct known_way *known =
			f->n_ways ? bsearch(&key, f->ways, f->n_ways, sizeof(key), compare_ways)
				  : NULL;

		ways[i] = known ? known->way : find_way(f, &key.to);
	}
	return ways;
}

/* What is known from now on: the ways that have just been told. Without memory, nothing is. */
static void remember_ways(struct forwarding *f, const struct placed_service *placed, size_t n)
{
	size_t count = 0;

	free(f->ways);
	f->n_ways = 0;
	for (size_t i = 0; i < n; i++)
		count += placed[i].service->n_backends;
	f->ways = calloc(count + 1, sizeof(f->ways[0]));
	for (size_t i = 0; f->ways && i < n; i++)
		for (size_t j = 0; j < placed[i].service->n_backends; j++)
			f->ways[f->n_ways++] = (struct known_way){
				.to = placed[i].service->backends[j]->address,
				.way = placed[i].ways[j],
			};
	if (f->n_ways)
		qsort(f->ways, f->n_ways, sizeof(f->ways[0]), compare_ways);
}

static struct address *copy_listen(const struct live_service *s)
{
	struct address *listen = calloc(s->n_listeners + 1, sizeof(listen[0]));

	for (size_t i = 0; listen && i < s->n_listeners; i++)
		listen[i] = s->listeners[i].address;
	return listen;
}

static void free_placed(struct placed_service *placed, size_t n)
{
	for (size_t i = 0; placed && i < n; i++) {
		free((void *)placed[i].ways);
		free((void *)placed[i].listen);
	}
	free(placed);
}

/* The snapshot's services are in the order of the daemon's. */
static struct placed_service *place_services(struct daemon *d, size_t *ret_n)
{
	struct placed_service *placed = calloc(d->n_services + 1, sizeof(placed[0]));
	size_t n = 0;

	for (size_t i = 0; placed && i < d->n_services; i++) {
		const struct snapshot_service *s =
			snapshot_find(d->snapshot, d->services[i]->service);

		if (!s || s->settings.forward != FORWARD_NAT)
			continue;
		placed[n] = (struct placed_service){
			.service = s,
			.listen = copy_listen(d->services[i]),
			.n_listen = d->services[i]->n_listeners,
			.ways = find_ways(d->forwarding, s),
		};
		n++;
		if (!placed[n - 1].listen || !placed[n - 1].ways) {
			free_placed(placed, n);
			return NULL;
		}
	}
	*ret_n = n;
	return placed;
}

static void tell_homeless(struct forwarding *f, size_t n)
{
	if (n > f->n_homeless)
		log_error("%zu services of nat found no room in the fast path's tables, which are "
			  "sized "
			  "when lb4 starts: they are spliced until then",
			  n);
	f->n_homeless = n;
}

/* A reload may have changed the seed. New flows of that moment may go to somebody else. */
static void set_choice(struct forwarding *f, uint64_t seed)
{
	struct lb4_hash_key key;

	lb4_hash_key_init(&key, seed);
	if (memcmp(&key, &f->maps->control->choice, sizeof(key)) != 0)
		f->maps->control->choice = key;
}

void forwarding_publish(struct daemon *d)
{
	struct forwarding *f = d->forwarding;
	struct placed_service *placed;
	size_t n = 0;

	if (!f || !f->fastpath || !d->snapshot)
		return;
	if (f->routes_next <= d->now) {
		f->n_ways = 0; /* asked for again */
		fastpath_refresh(f->fastpath);
		f->routes_next = nsec_add(d->now, ROUTES_INTERVAL);
	}
	placed = place_services(d, &n);
	if (!placed) {
		log_error("the fast path could not be told: out of memory; trying on");
		return;
	}
	set_choice(f, d->config->seed);
	f->maps->control->accepts = f->accepts && !d->stopping;
	tell_homeless(f, placement_update(f->placement, placed, n, fastpath_synchronize));
	remember_ways(f, placed, n);
	free_placed(placed, n);
}

void forwarding_refuse(struct daemon *d)
{
	struct forwarding *f = d->forwarding;

	if (!f || !f->fastpath)
		return;
	f->maps->control->accepts = 0;
	fastpath_synchronize();
	placement_tell_counters(f->placement); /* flows that have just begun are waited for too */
}

bool forwarding_holds_flows(const struct daemon *d)
{
	const struct forwarding *f = d->forwarding;

	return f && f->fastpath && !f->pinned && placement_flows(f->placement) > 0;
}

bool forwarding_accept(struct daemon *d, bool accepts)
{
	struct forwarding *f = d->forwarding;

	if (!f || !f->fastpath)
		return false;
	if (accepts != f->accepts)
		events_record(&d->events, accepts ? EVENT_FASTPATH_ON : EVENT_FASTPATH_OFF, NULL,
			      NULL, NULL,
			      accepts ? "the fast path takes new connections"
				      : "the fast path takes no new connections: they are spliced; "
					"flows that there are go on");
	f->accepts = accepts;
	f->maps->control->accepts = accepts && !d->stopping;
	return true;
}

/* --- How flows end --- */

static struct address address_of(const uint8_t ip[16], __be16 port)
{
	struct address a = {.port = ntohs(port)};

	memcpy(a.ip, ip, sizeof(a.ip));
	a.family = address_ip_is_mapped(ip) ? ADDRESS_IPV4 : ADDRESS_IPV6;
	return a;
}

/* Whose names the packets of a flow bear. */
struct ends {
	struct address client, service, ours, server;
};

static struct ends ends_of(const struct forwarding *f, const struct lb4_flow *flow)
{
	const struct lb4_backend *b = &f->maps->backends[flow->backend];
	const struct lb4_vip *vip = &f->maps->vips[flow->vip];

	return (struct ends){
		.client = address_of(flow->client, flow->client_port),
		.service = address_of(vip->address, vip->port),
		.ours = address_of(b->source, flow->port),
		.server = address_of(b->address, b->port),
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
	placement_tell_counters(f->placement);
}

void forwarding_leave_backend(struct daemon *d, const struct backend *b, enum end_reason reason)
{
	if (d->forwarding && d->forwarding->fastpath && reason != END_NONE)
		leave_all(d->forwarding, b, reason);
}

/* What is to be told before lb4 ends. */
static void tell_last(struct forwarding *f)
{
	f->now = clock_now();
	flow_table_glance(&f->table, 0, f->table.n_flows, look, f);
	if (!f->pinned)
		leave_all(f, NULL, END_STOPPED);
	line_box_flush(&f->teller.lines);
}

void forwarding_stop(struct daemon *d)
{
	struct forwarding *f = d->forwarding;

	if (!f)
		return;
	if (f->fastpath)
		f->maps->control->accepts = 0;
	if (f->fastpath)
		tell_last(f);
	unload(f);
	for (size_t i = 0; i < f->n_interfaces; i++)
		free(f->interfaces[i].name);
	free(f->ways);
	free(f);
	d->forwarding = NULL;
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
	placement_tell_counters(f->placement);
	if (f->walk_at < f->table.n_flows)
		return;
	placement_end_count(f->placement);
	f->walk_at = 0;
}

void forwarding_on_time(struct daemon *d)
{
	struct forwarding *f = d->forwarding;

	if (!f || !f->fastpath)
		return;
	if (f->routes_next <= d->now)
		forwarding_publish(d);
	f->now = clock_now(); /* not that of the round, which may have taken long */
	if (f->walk_next <= d->now) {
		glance_on(f);
		walk_on(f);
		f->walk_next = nsec_add(d->now, WALK_INTERVAL);
	}
	line_box_on_time(&f->teller.lines, f->now);
	daemon_lower_deadline(d, f->walk_next);
	daemon_lower_deadline(d, line_box_next(&f->teller.lines));
	daemon_lower_deadline(d, f->routes_next);
}

/* --- What is shown --- */

bool forwarding_status(const struct daemon *d, struct forwarding_status *ret)
{
	const struct forwarding *f = d->forwarding;

	*ret = (struct forwarding_status){};
	if (!f)
		return false;
	ret->why_not = f->fastpath ? NULL : why(f->error);
	ret->n_interfaces = f->n_interfaces;
	for (size_t i = 0; i < f->n_interfaces; i++)
		ret->interfaces[i] = (struct forwarding_interface){
			.name = f->interfaces[i].name,
			.hook = f->interfaces[i].hook,
			.why_not = f->interfaces[i].hook ? NULL : why(f->interfaces[i].error),
		};
	if (!f->fastpath)
		return true;
	ret->accepts = f->accepts;
	ret->flows = placement_flows(f->placement);
	ret->max_flows = f->max_flows;
	ret->replaced = placement_replaced(f->placement);
	ret->untold = __atomic_load_n(&f->maps->control->untold, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < f->maps->n_cpus; i++)
		for (size_t j = 0; j < LB4_VERDICT_COUNT; j++)
			ret->verdicts[j] += f->maps->verdict_counters[i].n[j];
	return true;
}

uint64_t forwarding_lines_dropped(const struct daemon *d)
{
	return d->forwarding ? d->forwarding->teller.n_dropped : 0;
}

int forwarding_connections(const struct daemon *d, const struct service *only, size_t n_max,
			   struct connection_info **infos, size_t *n)
{
	const struct forwarding *f = d->forwarding;
	uint32_t n_flows = f && f->fastpath ? f->table.n_flows : 0;
	size_t room = *n + (n_max < n_flows ? n_max : n_flows), at = *n;
	struct connection_info *more = reallocarray(*infos, room + 1, sizeof(more[0]));
	nsec_t now = clock_now();
	struct lb4_flow flow;

	if (!more)
		return -ENOMEM;
	*infos = more;
	for (uint32_t i = 0; i < n_flows && at < room; i++)
		if (flow_table_read(&f->table, i, &flow) && !lb4_flow_is_over(flow.state) &&
		    (!only || placement_service(f->placement, &flow) == only) &&
		    flow_teller_show(&f->teller, i, &flow, now, &more[at]))
			at++;
	*n = at;
	return 0;
}

static struct lb4_tuple tuple_of(const struct address *from, const struct address *to)
{
	struct lb4_tuple t = {.protocol = IPPROTO_TCP};

	memcpy(t.source, from->ip, sizeof(t.source));
	memcpy(t.destination, to->ip, sizeof(t.destination));
	t.source_port = htons(from->port);
	t.destination_port = htons(to->port);
	return t;
}

/* Whether that place of the maps is a backend that new flows can get to. */
static const char *explain_owner(const struct forwarding *f, uint16_t owner,
				 struct forwarding_explanation *ret)
{
	const struct lb4_flow flow = {.backend = owner};

	if (owner >= f->maps->n_backends)
		return "its slot has no owner";
	ret->owner = placement_backend(f->placement, &flow);
	return f->maps->backends[owner].reachable
		       ? NULL
		       : "the backend is not reached through one of the interfaces";
}

/* As choose() of the program does; why not, or NULL. */
static const char *explain_slot(const struct forwarding *f, uint32_t vip, struct lb4_tuple tuple,
				struct forwarding_explanation *ret)
{
	uint16_t index = f->maps->vips[vip].service;
	const struct lb4_service *s = &f->maps->services[index];

	if (index >= LB4_SERVICES_MAX || !s->accepts || s->ring_size == 0)
		return "the service has no place in the fast path's tables";
	if (s->hash_source)
		lb4_tuple_keep_source(&tuple, s->mask_ipv4, s->mask_ipv6);
	ret->has_slot = true;
	ret->slot = lb4_slot(lb4_flow_hash(&f->maps->control->choice, &tuple), s->ring_size);
	return explain_owner(f,
			     f->maps->ring[s->ring + ret->slot / LB4_RING_CHUNK]
				     .owner[ret->slot % LB4_RING_CHUNK],
			     ret);
}

static void explain_flow(const struct forwarding *f, const struct lb4_tuple *client,
			 struct forwarding_flow *ret)
{
	nsec_t now = clock_now();
	struct connection_info info;
	struct lb4_flow flow;
	uint32_t place;

	if (!flow_table_find(&f->table, client, f->maps->backends, f->maps->n_backends, &place,
			     &flow))
		return;
	*ret = (struct forwarding_flow){
		.is_there = true,
		.backend = placement_backend(f->placement, &flow),
		.state = flow_state_name(flow.state) ?: "ending",
		.source = address_of(f->maps->backends[flow.backend].source, flow.port),
	};
	if (!flow_teller_show(&f->teller, place, &flow, now, &info))
		return;
	ret->age = info.age;
	ret->idle = info.idle;
	service_unref(info.service);
	backend_unref(info.backend);
}

void forwarding_explain(const struct daemon *d, const struct snapshot_service *s,
			const struct address *client, const struct address *local,
			struct forwarding_explanation *ret)
{
	const struct forwarding *f = d->forwarding;
	const struct lb4_tuple tuple = tuple_of(client, local);
	uint32_t vip;

	*ret = (struct forwarding_explanation){};
	if (f && f->fastpath)
		explain_flow(f, &tuple, &ret->flow);
	if (s->settings.forward != FORWARD_NAT)
		return;
	if (!f || !f->fastpath) {
		ret->why_not = f ? why(f->error) : "the configuration names no interfaces";
		return;
	}
	vip = placement_find_vip(f->placement, local);
	if (vip == LB4_VIP_NONE)
		ret->why_not = "the fast path does not know that address";
	else
		ret->why_not = explain_slot(f, vip, tuple, ret);
	if (!f->maps->control->accepts)
		ret->why_not = "the fast path is off";
	ret->is_nat = !ret->why_not;
}
