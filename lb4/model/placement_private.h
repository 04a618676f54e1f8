/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of placement.h share. */
#pragma once

#include <string.h>

#include "motion.h"
#include "placement.h"
#include "vip_table.h"

/* An owner in the ring has 15 bits, and one value of these is nobody. */
#define PLACES_MAX 32767u

struct backend_place {
	struct backend *backend; /* NULL: free, unless it is … */
	bool orphan;		 /* … with flows that another process has left */
	struct service *service;
	struct service_settings settings; /* counted */
	bool current;			  /* new flows may come to it */
	bool walked;			  /* the walk began after they no longer could */
	uint32_t flows;			  /* as the walk has counted so far */
	uint32_t ways;			  /* the same, of dsr … */
	uint32_t ways_before;		  /* … and as the last whole walk has */
	uint32_t moving;	/* slots whose flows it has while they move, as of the walk … */
	uint32_t moving_before; /* … and of the last change or whole walk */
	/* As last told. */
	uint64_t begun, bytes_in, bytes_out, packets_out;
	nsec_t heard; /* when that last counted on, at the latest */
	uint64_t active;
};

struct vip_place {
	bool used;
	bool listed;  /* the table that programs look into leads to it */
	bool current; /* still a listen address of a service that is forwarded */
	bool walked;  /* as of a backend */
	uint32_t flows;
	bool leaves;	  /* it was taken from a service of dsr that goes on … */
	uint32_t left_at; /* … at that tick */
};

/* A table of slots. */
struct service_place {
	struct service *service; /* NULL: free, unless it has chunks: another process has left it */
	uint32_t first, n_chunks;
	bool current;
	const struct placed_service *placed; /* during an update, while current */
	bool lingers;	/* of dsr: not current any more, and flows may be there */
	bool walked;	/* the walk began after it was dsr */
	uint32_t limit; /* of dsr: how long a flow may be silent, in ticks */
	struct motion_census census;
};

struct placement {
	const struct fastpath_maps *maps;
	struct backend_place *backends;
	struct vip_place vips[LB4_VIPS_MAX];
	struct service_place services[LB4_SERVICES_MAX];
	uint64_t news;
	bool *chunks; /* taken */
	bool vips_changed;
	uint32_t now;	     /* ticks, of the last update or walk */
	uint32_t spliced_at; /* when connections to services of dsr were last seen in sockets */
	size_t n_homeless;   /* services that found no room with the last update */
	bool update_wanted;
	struct vip_entry entries[2 * LB4_VIPS_MAX];
};

static inline bool same_ip(const uint8_t a[16], const uint8_t b[16])
{
	return memcmp(a, b, 16) == 0;
}

/* The backend that a flow is with; NULL: nothing that is known. */
struct backend_place *placement_place_of(const struct placement *p, const struct lb4_flow *f);

/* --- placement_backends.c --- */

/* The name that programs have for it. */
uint8_t backends_forward(enum forward_kind kind);

/* Where the backend is; PLACES_MAX: no room. */
uint32_t backends_place(struct placement *p, const struct snapshot_service *s, size_t member,
			const struct backend_way *way);

/* Nobody has the place any more. */
void backends_free(struct backend_place *b);

/* --- placement_vips.c --- */

/* The listen address leads to the service; false: no room. */
bool vips_place(struct placement *p, const struct address *a, uint32_t service);

/* Programs find all of them. */
void vips_write(struct placement *p, void (*synchronize)(void));

/* It leads nowhere any more. */
void vips_let_go(struct placement *p, uint32_t vip);

/* --- placement_counts.c --- */

/* What all CPUs' programs and the walk have counted of a backend. */
struct lb4_backend_counters counts_sum(const struct placement *p, uint32_t place);

/* --- placement_dsr.c: services whose slots have motion --- */

bool is_dsr_place(const struct placement *p, uint32_t service);

/* Whether a connection has the same slot there as it has in the table of `s`. */
bool dsr_hashes_alike(const struct placement *p, uint32_t service,
		      const struct snapshot_service *s);

/* A place that another process has left, and that a listen address of `s` leads to;
 * LB4_SERVICES_MAX. */
uint32_t dsr_find_left(const struct placement *p, const struct placed_service *s);

/* The slots go to whom the table says; `places` are those of its members. */
void dsr_write_slots(struct placement *p, uint32_t service, const struct placed_service *s,
		     const uint32_t *places);

/* A service of dsr that is no longer current: flows that are there go on. Whether there may be
 * some; else its place can be had. */
bool dsr_linger(struct placement *p, uint32_t service);

/*
 * Whether the listen address is that of a service of dsr that lingers, or was taken from one a short
 * while ago, and cannot be that of `wanted` (LB4_SERVICES_MAX: nobody's) yet.
 */
bool dsr_holds_vip(struct placement *p, uint32_t vip, uint32_t wanted);

/* The listen address comes to a service of dsr. */
void dsr_take_vip(struct placement *p, uint32_t service);

/* A whole walk is over. */
void dsr_end_count(struct placement *p);
