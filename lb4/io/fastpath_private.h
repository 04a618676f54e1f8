/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of fastpath.h share. */
#pragma once

#include <bpf/libbpf.h>

#include "fastpath.h"

/* Of the skeleton, under the names that they are pinned by, and where their memory goes. */
#define MAPS(X)                                                                                    \
	X(control)                                                                                 \
	X(vip_buckets)                                                                             \
	X(vips)                                                                                    \
	X(services)                                                                                \
	X(ring)                                                                                    \
	X(motion)                                                                                  \
	X(spliced)                                                                                 \
	X(backends)                                                                                \
	X(interfaces)                                                                              \
	X(flows)                                                                                   \
	X(records)                                                                                 \
	X(lines)                                                                                   \
	X(backend_counters)                                                                        \
	X(verdict_counters)

enum {
#define X(name) MAP_##name,
	MAPS(X)
#undef X
		N_MAPS,
};

struct attachment {
	int link; /* −1: by clsact */
	int xdp;  /* the link there; −1: none */
	int index;
	bool hook_is_ours; /* the clsact qdisc was made here */
};

struct mapping {
	void *memory;
	size_t size;
};

struct fastpath {
	struct lb4_tc *tc;
	struct xdp *xdp; /* NULL: no interface has wanted it, … */
	int xdp_error;	 /* … or it cannot be loaded */
	struct bpf_map *all[N_MAPS];
	struct fastpath_maps maps;
	const struct pins *pins; /* NULL: nothing is pinned */
	struct mapping mappings[N_MAPS + 1];
	size_t n_mappings;
	struct attachment attachments[LB4_INTERFACES_MAX];
	size_t n_attachments;
};

/* Closes what holds programs where they are attached; without pins, that ends them. */
void fastpath_detach_all(struct fastpath *f);
