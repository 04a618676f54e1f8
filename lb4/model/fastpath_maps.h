/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of the fast path's maps, which its programs share. Arrays of counters are one CPU's
 * after the other's. */
#pragma once

#include <stdint.h>

#include "lb4_capture.h"
#include "lb4_fastpath.h"

struct fastpath_maps {
	struct lb4_control *control;
	struct lb4_vip_bucket *vip_buckets; /* two halves of LB4_VIP_BUCKETS */
	struct lb4_vip *vips;		    /* LB4_VIPS_MAX */
	struct lb4_service *services;	    /* LB4_SERVICES_MAX */
	struct lb4_ring_chunk *ring;
	struct lb4_motion_chunk *motion; /* as many */
	struct lb4_spliced *spliced;
	struct lb4_backend *backends;
	struct lb4_interface *interfaces; /* LB4_INTERFACES_MAX */
	struct lb4_flow *flows;
	struct lb4_record *records; /* of the flow at the same place */
	struct lb4_line *lines;
	struct lb4_backend_counters *backend_counters; /* n_backends a CPU */
	struct lb4_verdict_counters *verdict_counters;
	struct lb4_capture *capture;
	uint32_t n_backends, n_ring_chunks;
	uint32_t n_flows, n_lines; /* powers of two */
	uint32_t n_cpus;
};
