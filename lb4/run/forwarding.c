// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "daemon_private.h"
#include "fastpath.h"
#include "flow_teller.h"
#include "forwarding.h"
#include "interface.h"
#include "lb4_hash.h"
#include "netlink_watch.h"
#include "pins.h"
#include "placement.h"
#include "raw.h"
#include "reserved_ports.h"
#include "ways.h"

/* The flow table is walked in so long, a part at a time. */
#define WALK_PARTS    20
#define WALK_INTERVAL (100 * NSEC_PER_MSEC) /* from one part to the next */

/* Beside that those are looked for that are over, or wait for an answer: so many places each time,
 * of 8 MB, which is about a millisecond, or in so many parts where there are more. */
#define GLANCE_PLACES (1u << 17)
#define GLANCE_PARTS  16

/*
 * The kernel tells when ways may have changed, and is asked at once; while it goes on telling, so
 * often, and never for more than a tenth of the time. What it learns of its own accord (redirects,
 * path MTUs) is told to nobody, and looked for now and then.
 */
#define LOOK_PAUSE    (100 * NSEC_PER_MSEC)
#define LOOK_PART     10
#define LOOK_INTERVAL (30 * NSEC_PER_SEC)

/* Of flows of an earlier start whose backend the file no longer has: nobody says how long. */
#define ORPHAN_IDLE (3600 * NSEC_PER_SEC)

/* Room beyond what the configuration needs at the start: for reloads, and for backends of the past
 * that still have flows. */
#define SPARE_BACKENDS 1024
#define SPARE_CHUNKS   256

_Static_assert(INTERFACES_MAX == LB4_INTERFACES_MAX, "the map has room for all that may be listed");

struct forwarding {
	struct fastpath *fastpath;
	const struct fastpath_maps *maps;
	struct placement *placement;
	struct capture *capture;
	struct flow_table table;
	struct flow_teller teller;
	struct raw raw;
	struct pins pins;
	bool pinned;  /* flows outlive lb4 */
	bool accepts; /* what the operator wants */
	struct attached {
		char *name;
		enum hook_wish wish;
		uint32_t index;
		const char *hook; /* NULL: not attached … */
		int error;	  /* … because of this */
		char reason[sizeof(((struct fastpath_attached *)0)->reason)]; /* of the hook */
	} interfaces[LB4_INTERFACES_MAX];
	size_t n_interfaces;
	int error; /* why there are no programs */
	uint32_t max_flows;
	struct ways_rules rules;
	struct ways *ways;
	int watch;		     /* news of the kernel's; −1: there are none */
	bool ways_changed;	     /* since they were told to the programs */
	nsec_t look_next;	     /* at interfaces and ways … */
	nsec_t look_not_before;	     /* … and not earlier, whatever the news */
	uint32_t walk_at, glance_at; /* places of the table */
	bool glance_found;	     /* something, since it began at the first place … */
	uint64_t glance_news;	     /* … when there was this news */
	uint32_t ways_at;	     /* line of the other table */
	nsec_t walk_next;
	size_t n_homeless; /* services that found no room, as last told */
	size_t n_lingering;

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

		if (service->settings.forward == FORWARD_SPLICE)
			continue;
		backends += 2 * service->n_backends;
		chunks += service->settings.table_size / LB4_RING_CHUNK + 1;
	}
	s.backends = (uint32_t)(backends < 32768 ? backends : 32768);
	s.ring_chunks = (uint32_t)chunks;
	return s;
}

static void tell_attached(const char *name, const struct fastpath_attached *attached)
{
	const char *hook = fastpath_hook_name(attached->hook);

	if (attached->refused)
		log_error("interface %s: the fast path cannot be attached by xdp, as the file "
			  "wants: %s; it is, by %s",
			  name, attached->reason, hook);
	else
		log_info("interface %s: the fast path is attached, by %s (%s)", name, hook,
			 attached->reason);
}

/* Tells of a failure only when it is another than before. */
static void attach(struct forwarding *f, struct attached *a)
{
	struct fastpath_attached attached;
	int r = fastpath_attach(f->fastpath, a->name, a->wish, a->index, &attached);

	if (r < 0 && r != a->error)
		log_error("interface %s: the fast path cannot be attached: %s; what comes in there "
			  "is spliced",
			  a->name, why(r));
	a->error = r;
	if (r < 0)
		return;
	a->index = attached.index;
	a->hook = fastpath_hook_name(attached.hook);
	memcpy(a->reason, attached.reason, sizeof(a->reason));
	tell_attached(a->name, &attached);
}

static void attach_all(struct forwarding *f, const struct config *config)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		struct attached *a = &f->interfaces[f->n_interfaces];

		a->name = strdup(config->interfaces[i].name);
		if (!a->name)
			return;
		a->wish = config->interfaces[i].hook;
		f->n_interfaces++;
		attach(f, a);
	}
	fastpath_attached_all(f->fastpath);
}

/* One that went may come back, under its name. Whether something is different. */
static bool follow_interfaces(struct forwarding *f)
{
	char name[INTERFACE_NAME_SIZE];
	bool changed = false;

	for (size_t i = 0; i < f->n_interfaces; i++) {
		struct attached *a = &f->interfaces[i];

		if (a->hook && interface_name(a->index, name))
			continue;
		if (a->hook) {
			log_warning("interface %s is gone, and the fast path with it", a->name);
			fastpath_lose(f->fastpath, a->index);
			a->hook = NULL;
			a->error = -ENODEV;
			changed = true;
		}
		attach(f, a);
		changed |= a->hook != NULL;
	}
	return changed;
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
	f->ways = ways_new(&f->rules);
	if (!f->placement || !f->ways)
		return -ENOMEM;
	r = capture_new(f->fastpath, f->placement, &f->capture);
	if (r < 0)
		return r;
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
		.n_lines = f->maps->n_lines,
	};
	flow_teller_init(&f->teller, d, f->placement, f->maps);
	f->max_flows = f->maps->n_lines; /* of an earlier start, perhaps */
	return 0;
}

/* Next hops of flows that go on stay resolved. */
static void unload(struct forwarding *f)
{
	f->capture = capture_free(f->capture);
	f->ways = ways_free(f->ways, f->pinned);
	if (f->watch >= 0)
		close(f->watch);
	f->watch = -1;
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

static bool is_attached(const void *context, uint32_t interface)
{
	const struct daemon *d = context;
	const struct forwarding *f = d->forwarding;

	for (size_t i = 0; i < f->n_interfaces; i++)
		if (f->interfaces[i].hook && f->interfaces[i].index == interface)
			return true;
	return false;
}

static void tell_way(void *context, const struct way *w)
{
	char text[WAY_TEXT_MAX];
	struct daemon *d = context;

	if (w->trouble == WAY_GOOD)
		events_record(&d->events, EVENT_WAY_FOUND, w->backend->service_name,
			      w->backend->name, NULL, "is reached by the fast path again");
	else
		events_record(&d->events, EVENT_WAY_LOST, w->backend->service_name,
			      w->backend->name, EVENT_VALUES(EVENT_TEXT("why", way_print(w, text))),
			      "gets new connections by splicing: %s", way_print(w, text));
}

static void open_watch(struct forwarding *f)
{
	int r = netlink_watch_open(&f->watch);

	if (r < 0)
		log_warning("the kernel's news of interfaces and routes cannot be had: %s; it is "
			    "asked every %llu s",
			    strerrordesc_np(-r),
			    (unsigned long long)(LOOK_INTERVAL / NSEC_PER_SEC));
}

void forwarding_start(struct daemon *d, const struct config *config)
{
	struct forwarding *f;

	if (config->n_interfaces == 0) {
		forget(config, d->config_path);
		return;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		log_error("no memory for the fast path: everything is spliced");
		return;
	}
	*f = (struct forwarding){
		.raw = RAW_INIT,
		.pins = PINS_INIT,
		.watch = -1,
		.accepts = true,
		.rules = {is_attached, tell_way, d},
	};
	d->forwarding = f;
	f->error = load(f, d, config);
	if (f->error < 0) {
		log_error("the fast path cannot be had: %s; everything is spliced", why(f->error));
		unload(f);
		return;
	}
	reserve_ports(config);
	open_watch(f);
	attach_all(f, config);
}

/* --- What is to be --- */

static struct backend_way *find_ways(struct forwarding *f, const struct snapshot_service *s)
{
	struct backend_way *ways = calloc(s->n_backends + 1, sizeof(ways[0]));

	for (size_t i = 0; ways && i < s->n_backends; i++)
		ways[i] = ways_take(f->ways, s->backends[i], s->settings.forward);
	return ways;
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

		if (!s || s->settings.forward == FORWARD_SPLICE)
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

static void tell_lingering(struct forwarding *f)
{
	size_t n = placement_lingering(f->placement);

	if (n > f->n_lingering)
		log_info("connections of a service that had forward: dsr go on where they are; "
			 "until they have ended, new ones of its listen addresses are spliced");
	f->n_lingering = n;
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
	ways_begin(f->ways);
	placed = place_services(d, &n);
	if (!placed) {
		log_error("the fast path could not be told: out of memory; trying on");
		return;
	}
	set_choice(f, d->config->seed);
	f->maps->control->accepts = f->accepts && !d->stopping;
	tell_homeless(f, placement_update(f->placement, placed, n, flow_ticks(clock_now()),
					  fastpath_synchronize));
	tell_lingering(f);
	ways_end(f->ways);
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

struct capture *forwarding_capture(const struct daemon *d)
{
	return d->forwarding ? d->forwarding->capture : NULL;
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
	placement_tell_counters(f->placement);
}

void forwarding_leave_backend(struct daemon *d, const struct backend *b, enum end_reason reason)
{
	if (!d->forwarding || !d->forwarding->fastpath || reason == END_NONE)
		return;
	placement_leave(d->forwarding->placement, b);
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
	if (f->maps->control->has_dsr)
		f->ways_at = flow_table_walk_ways(&f->table, f->ways_at,
						  f->table.n_lines / WALK_PARTS + 1,
						  flow_ticks(f->now), visit_way, f);
	placement_tell_counters(f->placement);
	if (f->walk_at < f->table.n_flows)
		return;
	placement_end_count(f->placement, flow_ticks(f->now));
	f->walk_at = 0;
	f->ways_at = 0;
}

int forwarding_fd(const struct daemon *d)
{
	return d->forwarding ? d->forwarding->watch : -1;
}

static void on_neighbour(void *context, const struct neighbour *n)
{
	struct forwarding *f = context;

	f->ways_changed |= ways_on_neighbour(f->ways, n);
}

void forwarding_take_news(struct daemon *d)
{
	struct forwarding *f = d->forwarding;
	unsigned news = netlink_watch_take(f->watch, on_neighbour, f);
	nsec_t at = f->look_not_before > d->now ? f->look_not_before : d->now;

	if ((news || f->ways_changed) && at < f->look_next)
		f->look_next = at;
	daemon_lower_deadline(d, f->look_next);
}

/* Asks the kernel, and tells the programs if the answers are others than before. */
static void look_around(struct daemon *d)
{
	struct forwarding *f = d->forwarding;
	nsec_t begun = clock_now(), took;

	f->ways_changed |= follow_interfaces(f);
	fastpath_refresh(f->fastpath);
	f->ways_changed |= ways_ask(f->ways);
	if (f->ways_changed)
		forwarding_publish(d);
	f->ways_changed = false;
	took = clock_now() - begun;
	f->look_not_before =
		nsec_add(d->now, took * LOOK_PART > LOOK_PAUSE ? took * LOOK_PART : LOOK_PAUSE);
	f->look_next = nsec_add(d->now, LOOK_INTERVAL);
}

void forwarding_on_time(struct daemon *d)
{
	struct forwarding *f = d->forwarding;

	if (!f || !f->fastpath)
		return;
	if (f->look_next <= d->now)
		look_around(d);
	f->now = clock_now(); /* not that of the round, which may have taken long */
	if (f->walk_next <= d->now) {
		glance_on(f);
		walk_on(f);
		capture_on_time(f->capture, d->now);
		f->walk_next = nsec_add(d->now, WALK_INTERVAL);
	}
	line_box_on_time(&f->teller.lines, f->now);
	daemon_lower_deadline(d, f->walk_next);
	daemon_lower_deadline(d, f->look_next);
	daemon_lower_deadline(d, line_box_next(&f->teller.lines));
}

/* --- What is shown --- */

static void count_ways(const struct forwarding *f, struct forwarding_status *ret)
{
	const struct way *ways = ways_all(f->ways, &ret->n_ways);

	for (size_t i = 0; i < ret->n_ways; i++) {
		ret->n_resolved += ways[i].way.resolved;
		if (ways[i].trouble == WAY_GOOD)
			continue;
		if (ret->n_lost < FORWARDING_LOST_MAX)
			ret->lost[ret->n_lost] = &ways[i];
		ret->n_lost++;
	}
}

const struct way *forwarding_way(const struct daemon *d, const struct address *backend)
{
	const struct forwarding *f = d->forwarding;

	return f && f->fastpath ? ways_find(f->ways, backend) : NULL;
}

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
			.reason = f->interfaces[i].hook ? f->interfaces[i].reason : NULL,
		};
	if (!f->fastpath)
		return true;
	ret->accepts = f->accepts;
	ret->captures = capture_is_active(f->capture);
	ret->flows = placement_flows(f->placement);
	ret->max_flows = f->max_flows;
	ret->replaced = placement_replaced(f->placement);
	ret->untold = __atomic_load_n(&f->maps->control->untold, __ATOMIC_RELAXED);
	count_ways(f, ret);
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
