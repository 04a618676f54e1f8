// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forwarding_private.h"
#include "interface.h"
#include "lb4_hash.h"
#include "netlink_watch.h"
#include "reserved_ports.h"

/* Flows are looked at so often, a part of them each time. */
#define WALK_INTERVAL (100 * NSEC_PER_MSEC)

/*
 * The kernel tells when ways may have changed, and is asked at once; while it goes on telling, so
 * often, and never for more than a tenth of the time. What it learns of its own accord (redirects,
 * path MTUs) is told to nobody, and looked for now and then.
 */
#define LOOK_PAUSE    (100 * NSEC_PER_MSEC)
#define LOOK_PART     10
#define LOOK_INTERVAL (30 * NSEC_PER_SEC)

/* Room beyond what the configuration needs at the start: for reloads, and for backends of the past
 * that still have flows. */
#define SPARE_BACKENDS 1024
#define SPARE_CHUNKS   256

_Static_assert(INTERFACES_MAX == LB4_INTERFACES_MAX, "the map has room for all that may be listed");

/* --- What there is --- */

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
			  a->name, forwarding_why(r));
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

static void tell_pins(const char *path, int r)
{
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
	int pins, r = raw_open(&f->raw);

	if (r < 0)
		return r;
	pins = pins_open(config->pins, &f->pins);
	f->pinned = pins == 0;
	r = fastpath_open(&sizes, f->pinned ? &f->pins : NULL, &f->fastpath, &adopted);
	if (r < 0)
		return r;
	tell_pins(config->pins, pins);
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
	f->checks = check_programs_close(f->checks);
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

/* Programs of an earlier start are taken over or detached by whoever may load some. */
static void tell_unavailable(const struct config *config, int error, bool left)
{
	if (left)
		log_error("the fast path cannot be had: %s; everything is spliced, but for what "
			  "the programs of an earlier start still forward, which are pinned in %s",
			  forwarding_why(error), config->pins);
	else
		log_error("the fast path cannot be had: %s; everything is spliced",
			  forwarding_why(error));
}

void forwarding_start(struct daemon *d, const struct config *config)
{
	struct forwarding *f;
	bool left;

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
	left = pins_exist(config->pins);
	f->error = load(f, d, config);
	if (f->error < 0) {
		unload(f);
		tell_unavailable(config, f->error, left);
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
	if (memcmp(&key, &f->maps->control->choice, sizeof(key)) == 0)
		return;
	if (f->maps->control->has_dsr)
		log_warning("the seed is another one than before: connections of forward: dsr get "
			    "to other backends, which reset them");
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
	/* Whose slots have begun to move has connections from now on. */
	placement_tell_counters(f->placement, clock_now());
	d->targets_wanted |= forwarding_checks_differ(d);
}

void forwarding_refuse(struct daemon *d)
{
	struct forwarding *f = d->forwarding;

	if (!f || !f->fastpath)
		return;
	f->maps->control->accepts = 0;
	fastpath_synchronize();
	placement_tell_counters(f->placement,
				clock_now()); /* flows that have just begun are waited for too */
}

static bool ends_with_lb4(const struct forwarding *f)
{
	return f && f->fastpath && !f->pinned;
}

uint64_t forwarding_flows_left(const struct daemon *d)
{
	return ends_with_lb4(d->forwarding) ? placement_flows(d->forwarding->placement) : 0;
}

bool forwarding_has_uncounted(const struct daemon *d)
{
	return ends_with_lb4(d->forwarding) && placement_has_uncounted(d->forwarding->placement);
}

size_t forwarding_lingering(const struct daemon *d)
{
	const struct forwarding *f = d->forwarding;

	return f && f->fastpath ? placement_lingering(f->placement) : 0;
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
	d->targets_wanted |= forwarding_checks_differ(d);
	return true;
}

bool forwarding_is_off(const struct daemon *d)
{
	return d->forwarding && !d->forwarding->accepts;
}

struct capture *forwarding_capture(const struct daemon *d)
{
	return d->forwarding ? d->forwarding->capture : NULL;
}

/* --- News, and the end --- */

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
	d->targets_wanted |= f->checks_error < 0; /* to be tried again */
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
		forwarding_look_on(f);
		if (placement_wants_update(f->placement))
			forwarding_publish(d);
		capture_on_time(f->capture, d->now);
		f->walk_next = nsec_add(d->now, WALK_INTERVAL);
	}
	line_box_on_time(&f->teller.lines, f->now);
	daemon_lower_deadline(d, f->walk_next);
	daemon_lower_deadline(d, f->look_next);
	daemon_lower_deadline(d, line_box_next(&f->teller.lines));
}

void forwarding_stop(struct daemon *d)
{
	struct forwarding *f = d->forwarding;

	if (!f)
		return;
	if (f->fastpath)
		f->maps->control->accepts = 0;
	if (f->fastpath)
		forwarding_tell_last(f);
	unload(f);
	for (size_t i = 0; i < f->n_interfaces; i++)
		free(f->interfaces[i].name);
	free(f);
	d->forwarding = NULL;
}
