/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of the fast path: arrays that userspace has mapped, whose contents shared/lb4_fastpath.h
 * describes. Those of one entry get their size before they are made.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "lb4_fastpath.h"

#define MAPPED_ARRAY(name, content, size)                                                          \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__uint(max_entries, size);                                                         \
		__type(key, __u32);                                                                \
		__type(value, content);                                                            \
	} name SEC(".maps")

MAPPED_ARRAY(control, struct lb4_control, 1);
MAPPED_ARRAY(vip_buckets, struct lb4_vip_bucket, 2 * LB4_VIP_BUCKETS);
MAPPED_ARRAY(vips, struct lb4_vip, LB4_VIPS_MAX);
MAPPED_ARRAY(services, struct lb4_service, LB4_SERVICES_MAX);
MAPPED_ARRAY(ring, struct lb4_ring_chunk, 1);
MAPPED_ARRAY(motion, struct lb4_motion_chunk, 1);
MAPPED_ARRAY(spliced, struct lb4_spliced, 1);
MAPPED_ARRAY(backends, struct lb4_backend, 1);
MAPPED_ARRAY(interfaces, struct lb4_interface, LB4_INTERFACES_MAX);
MAPPED_ARRAY(flows, struct lb4_flow, 1);
MAPPED_ARRAY(records, struct lb4_record, 1);
MAPPED_ARRAY(lines, struct lb4_line, 1);
MAPPED_ARRAY(backend_counters, struct lb4_backend_counters, 1);
MAPPED_ARRAY(verdict_counters, struct lb4_verdict_counters, 1);
