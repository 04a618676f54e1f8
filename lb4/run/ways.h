/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How packets get to backends of the fast path, as the kernel has it: the interface, the next hop and its
 * MAC address. The kernel is asked when a backend becomes known, and again when something has
 * changed; it is made to keep next hops resolved. Main's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "placement.h"

struct backend;
struct neighbour;
struct ways;

/* Why connections to a backend are spliced. */
enum way_trouble {
	WAY_GOOD,
	WAY_NONE,   /* no route leads to it */
	WAY_HERE,   /* it is on this machine */
	WAY_ASIDE,  /* through an interface without the program, which would not see its answers */
	WAY_REMOTE, /* through a gateway, which does not know what packets of dsr-l2 are for */
	WAY_SILENT, /* the next hop does not answer */
};

struct way {
	struct address to; /* port 0 */
	struct backend_way way;
	enum way_trouble trouble, told;
	uint32_t interface;	 /* that the route names; of a way that is aside, too */
	struct address next_hop; /* the gateway, or the backend itself */
	struct backend *backend; /* counted: one that has it */
	bool suspect;		 /* the next hop did not answer, and is to be looked at */
	bool wanted, managed;	 /* we have had the kernel keep the next hop resolved */
	/* Who wants it: its answers come back here; they do not; it has to be on a link of ours. */
	bool nat, dsr, link;
};

struct ways_rules {
	bool (*is_attached)(const void *context, uint32_t interface);
	/* A way has other trouble than before, or none any more. */
	void (*tell)(void *context, const struct way *w);
	void *context;
};

/* The rules outlive it. NULL: no memory. */
struct ways *ways_new(const struct ways_rules *rules);

/* Lets neighbours be as they were, unless they are to stay resolved without lb4. NULL is ignored. */
struct ways *ways_free(struct ways *w, bool keep);

/*
 * Who is wanted from now on: begin, a call for each backend, end. What nobody has asked for is
 * forgotten then. An unreachable way: memory is short.
 */
void ways_begin(struct ways *w);
struct backend_way ways_take(struct ways *w, struct backend *b, enum forward_kind forward);
void ways_end(struct ways *w);

/* Asks the kernel anew for all of them. Whether something is different. */
bool ways_ask(struct ways *w);

/* The kernel says this of a neighbour. Whether something is different. */
bool ways_on_neighbour(struct ways *w, const struct neighbour *n);

/* NULL: it is not known. */
const struct way *ways_find(const struct ways *w, const struct address *to);

/* All that are known. */
const struct way *ways_all(const struct ways *w, size_t *ret_n);

/* A sentence for people without its end, such as "no route leads to it", in `buffer`. */
#define WAY_TEXT_MAX 256
const char *way_print(const struct way *w, char buffer[WAY_TEXT_MAX]);
