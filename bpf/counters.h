/* SPDX-License-Identifier: GPL-2.0-only */
/* What is counted of backends, of each CPU. */
#pragma once

#include "maps.h"
#include "packet.h"

lb4_inline struct lb4_backend_counters *counters_of(const struct lb4_control *c, __u16 backend)
{
	__u32 index = bpf_get_smp_processor_id() * c->n_backends + backend;

	return bpf_map_lookup_elem(&backend_counters, &index);
}
