// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastpath.h"
#include "interface.h"
#include "neighbour.h"
#include "route.h"
#include "snapshot.h"
#include "ways.h"

struct ways {
	const struct ways_rules *rules;
	struct way *all; /* sorted by address up to n_sorted, each once; then what is new */
	size_t n, n_sorted, room;
};

struct ways *ways_new(const struct ways_rules *rules)
{
	struct ways *w = calloc(1, sizeof(*w));

	if (w)
		w->rules = rules;
	return w;
}

static bool same_hop(const struct way *w, uint32_t interface, const struct address *hop)
{
	return w->interface == interface && memcmp(w->next_hop.ip, hop->ip, 16) == 0;
}

/* The kernel may forget the next hop, unless another way that is wanted has it. */
static void release(struct ways *w, struct way *way)
{
	if (!way->managed)
		return;
	way->managed = false;
	for (size_t i = 0; i < w->n; i++) {
		struct way *other = &w->all[i];

		if (other == way || !other->wanted ||
		    !same_hop(other, way->interface, &way->next_hop))
			continue;
		other->managed = true;
		return;
	}
	neighbour_use(way->interface, &way->next_hop, false);
}

struct ways *ways_free(struct ways *w, bool keep)
{
	if (!w)
		return NULL;
	ways_begin(w);
	for (size_t i = 0; i < w->n; i++) {
		if (!keep)
			release(w, &w->all[i]);
		backend_unref(w->all[i].backend);
	}
	free(w->all);
	free(w);
	return NULL;
}

/* --- Asking the kernel --- */

static bool has_next_hop(const struct way *way)
{
	return way->way.reachable || way->trouble == WAY_SILENT;
}

/* What one of those who want it cannot do with the way. */
static enum way_trouble judge(const struct way *way)
{
	if (way->nat && !way->way.returns)
		return WAY_ASIDE;
	return way->link && way->way.has_gateway ? WAY_REMOTE : WAY_GOOD;
}

static void set_silent(struct way *way, bool silent)
{
	way->trouble = silent ? WAY_SILENT : judge(way);
	way->way.reachable = !silent;
}

/* New flows may begin before it is resolved: the kernel keeps their packets until then. */
static void learn_mac(struct way *way, const struct neighbour *n)
{
	way->way.resolved = n->state == NEIGHBOUR_RESOLVED;
	memcpy(way->way.next_mac, n->mac, sizeof(n->mac));
	if (!way->way.resolved)
		return;
	way->suspect = false;
	set_silent(way, false);
}

/*
 * The next hop, kept resolved from now on. What others have entered is theirs. It is silent if it
 * did not answer, though the kernel may be asking again; one that somebody has only removed from the
 * table is none that we had kept.
 */
static void ask_neighbour(struct way *way)
{
	struct neighbour n;

	if (neighbour_find(way->interface, &way->next_hop, &n) < 0)
		return;
	learn_mac(way, &n);
	if (n.state == NEIGHBOUR_FAILED || (way->suspect && n.managed && !way->way.resolved))
		set_silent(way, true);
	way->suspect = false;
	if (!n.fixed && !n.managed && neighbour_use(way->interface, &way->next_hop, true) == 0)
		way->managed = true;
}

/* What the route says; a hop of before may have been silent, and is not forgiven for being asked
 * again. */
static void take_route(struct ways *w, struct way *way, const struct route *route,
		       const struct interface *i)
{
	const struct address *hop = route->has_gateway ? &route->gateway : &way->to;
	bool same = same_hop(way, route->interface, hop), silent;
	struct backend_way *b = &way->way;
	uint32_t mtu = route->mtu && route->mtu < i->mtu ? route->mtu : i->mtu;

	if (!same)
		release(w, way);
	silent = same && way->trouble == WAY_SILENT;
	way->interface = route->interface;
	way->next_hop = *hop;
	b->interface = route->interface;
	b->mss_max = fastpath_mss(mtu, way->to.family == ADDRESS_IPV4 ? FASTPATH_HEADERS_IPV4
								      : FASTPATH_HEADERS_IPV6);
	b->source = route->source;
	b->has_gateway = route->has_gateway;
	b->gateway = route->has_gateway ? route->gateway : (struct address){};
	b->resolved = b->resolved && same;
	memcpy(b->own_mac, i->mac, sizeof(b->own_mac));
	set_silent(way, silent);
	ask_neighbour(way);
}

/*
 * New flows can't begin. Those that there are keep the way that they have: it may be back in a
 * moment, with its interface.
 */
static void refuse(struct way *way, enum way_trouble trouble)
{
	way->trouble = trouble;
	way->way.reachable = false;
	way->way.resolved = false;
}

static void ask(struct ways *w, struct way *way)
{
	struct interface i;
	struct route route;
	int r = route_find(&way->to, &route);
	bool attached = r == 0 && w->rules->is_attached(w->rules->context, route.interface);

	if (r != 0) {
		refuse(way, r > 0 ? WAY_HERE : WAY_NONE);
	} else if (!attached && !way->dsr) {
		release(w, way);
		way->interface = route.interface;
		refuse(way, WAY_ASIDE);
	} else if (interface_at(route.interface, &i) < 0) {
		refuse(way, WAY_NONE); /* it has just gone */
	} else {
		way->way.returns = attached;
		take_route(w, way, &route, &i);
	}
}

static void tell(struct ways *w, struct way *way)
{
	if (way->trouble == way->told)
		return;
	way->told = way->trouble;
	w->rules->tell(w->rules->context, way);
}

bool ways_ask(struct ways *w)
{
	bool changed = false;

	for (size_t i = 0; i < w->n; i++) {
		struct backend_way before = w->all[i].way;

		ask(w, &w->all[i]);
		tell(w, &w->all[i]);
		changed |= memcmp(&before, &w->all[i].way, sizeof(before)) != 0;
	}
	return changed;
}

bool ways_on_neighbour(struct ways *w, const struct neighbour *n)
{
	bool changed = false;

	for (size_t i = 0; i < w->n; i++) {
		struct way *way = &w->all[i];
		struct backend_way before = way->way;

		if (!same_hop(way, n->interface, &n->address))
			continue;
		if (has_next_hop(way))
			learn_mac(way, n);
		way->suspect |= n->state == NEIGHBOUR_FAILED;
		tell(w, way);
		changed |= memcmp(&before, &way->way, sizeof(before)) != 0;
		/* Asked again, it is judged, and kept. */
		changed |= way->suspect || (way->managed && !n->managed);
	}
	return changed;
}

/* --- Whose ways are known --- */

static int compare(const void *a, const void *b)
{
	return memcmp(((const struct way *)a)->to.ip, ((const struct way *)b)->to.ip, 16);
}

static struct way *find(const struct ways *w, const struct address *to)
{
	const struct way key = {.to = *to};

	return w->n_sorted ? bsearch(&key, w->all, w->n_sorted, sizeof(key), compare) : NULL;
}

const struct way *ways_find(const struct ways *w, const struct address *to)
{
	return find(w, to);
}

const struct way *ways_all(const struct ways *w, size_t *ret_n)
{
	*ret_n = w->n;
	return w->all;
}

void ways_begin(struct ways *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->all[i].wanted = w->all[i].nat = w->all[i].dsr = w->all[i].link = false;
}

static struct way *append(struct ways *w)
{
	size_t room = w->room ? 2 * w->room : 16;
	struct way *more;

	if (w->n == w->room) {
		more = realloc(w->all, room * sizeof(more[0]));
		if (!more)
			return NULL;
		w->all = more;
		w->room = room;
	}
	return &w->all[w->n++];
}

static void set_backend(struct way *way, struct backend *b)
{
	struct backend *before = way->backend;

	way->backend = backend_ref(b);
	backend_unref(before);
}

static void want(struct way *way, enum forward_kind forward)
{
	way->nat |= forward == FORWARD_NAT;
	way->dsr |= forward_is_dsr(forward);
	way->link |= forward == FORWARD_DSR_L2;
}

struct backend_way ways_take(struct ways *w, struct backend *b, enum forward_kind forward)
{
	struct way *way = find(w, &b->address);

	if (way) {
		bool dsr = way->dsr;

		want(way, forward);
		if (way->dsr && !dsr && !way->way.reachable)
			ask(w, way); /* what keeps nat from it may not matter */
	} else {
		way = append(w);
		if (!way)
			return (struct backend_way){};
		/* All bytes, as they are compared. */
		memset(way, 0, sizeof(*way));
		way->to = b->address;
		way->to.port = 0;
		want(way, forward);
		ask(w, way);
	}
	if (!way->wanted)
		set_backend(way, b);
	way->wanted = true;
	return way->way;
}

/* Several backends of one address came as several ways: one stays, which keeps what all of them
 * had. */
void ways_end(struct ways *w)
{
	size_t n = 0;

	if (w->n)
		qsort(w->all, w->n, sizeof(w->all[0]), compare);
	for (size_t i = 0; i < w->n; i++)
		if (!w->all[i].wanted)
			release(w, &w->all[i]);
	for (size_t i = 0; i < w->n; i++) {
		struct way *way = &w->all[i];

		if (n > 0 && compare(&w->all[n - 1], way) == 0) {
			w->all[n - 1].managed |= way->managed;
			w->all[n - 1].nat |= way->nat;
			w->all[n - 1].dsr |= way->dsr;
			w->all[n - 1].link |= way->link;
			backend_unref(way->backend);
		} else if (!way->wanted) {
			backend_unref(way->backend);
		} else {
			w->all[n++] = *way;
		}
	}
	w->n = w->n_sorted = n;
	for (size_t i = 0; i < n; i++)
		tell(w, &w->all[i]);
}

const char *way_print(const struct way *w, char buffer[WAY_TEXT_MAX])
{
	char hop[ADDRESS_TEXT_MAX], name[INTERFACE_NAME_SIZE];
	const char *interface = interface_name(w->interface, name);

	switch (w->trouble) {
	case WAY_GOOD:
		snprintf(buffer, WAY_TEXT_MAX, "the way to it is known");
		break;
	case WAY_NONE:
		snprintf(buffer, WAY_TEXT_MAX, "no route leads to it");
		break;
	case WAY_HERE:
		snprintf(buffer, WAY_TEXT_MAX, "it is on this machine");
		break;
	case WAY_ASIDE:
		snprintf(buffer, WAY_TEXT_MAX,
			 "its answers would not pass the fast path, which is not attached to %s",
			 interface ? interface : "the interface that leads to it");
		break;
	case WAY_REMOTE:
		snprintf(buffer, WAY_TEXT_MAX,
			 "it is behind a gateway, and forward: dsr-l2 needs it on a link of ours");
		break;
	case WAY_SILENT:
		snprintf(buffer, WAY_TEXT_MAX, "its next hop, %s on %s, does not answer",
			 address_print_ip(&w->next_hop, hop), interface ? interface : "?");
		break;
	}
	return buffer;
}
