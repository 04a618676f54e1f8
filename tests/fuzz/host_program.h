/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program of tc, compiled for the machine that runs the test: maps are plain arrays, and of the
 * kernel there is what the program asks of it. Whatever it may read or write of a packet is a buffer
 * of just that size, and another one after each helper that may move it, so that AddressSanitizer
 * sees what the verifier is there to prevent. One at a time; not reentrant.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb4_fastpath.h"

/* So few that there is no room now and then. */
#define HOST_FLOWS 16u
#define HOST_LINES 1u

#define HOST_BACKENDS 16u
#define HOST_CPUS     2u

/* The maps; bpf/maps.h says what each is. */
struct host_maps {
	struct lb4_control control;
	struct lb4_vip_bucket vip_buckets[2 * LB4_VIP_BUCKETS];
	struct lb4_vip vips[LB4_VIPS_MAX];
	struct lb4_service services[LB4_SERVICES_MAX];
	struct lb4_ring_chunk ring[2];
	struct lb4_motion_chunk motion[2];
	struct lb4_spliced spliced;
	uint64_t icmp_budget; /* the program's own, as the next two */
	uint64_t capture[16];
	uint64_t capture_note[64];
	struct lb4_backend backends[HOST_BACKENDS];
	struct lb4_interface interfaces[LB4_INTERFACES_MAX];
	struct lb4_flow flows[HOST_FLOWS];
	struct lb4_record records[HOST_FLOWS];
	struct lb4_line lines[HOST_LINES];
	struct lb4_backend_counters backend_counters[HOST_CPUS * HOST_BACKENDS];
	struct lb4_verdict_counters verdict_counters[HOST_CPUS];
};
extern struct host_maps host_maps;

/* What the kernel is like at the moment. */
struct host_kernel {
	uint64_t nanoseconds;
	uint32_t cpu;
	int socket_state;   /* of whatever is looked up; 0: there is none */
	int n_sockets_held; /* that the program has not released */
	bool sees_checksum_state;
	bool fails; /* helpers that may */
};
extern struct host_kernel host_kernel;

/* How checksums stand: the kernel's ip_summed. */
enum {
	HOST_CHECKSUM_NONE,
	HOST_CHECKSUM_UNNECESSARY,
	HOST_CHECKSUM_COMPLETE,
	HOST_CHECKSUM_PARTIAL, /* that of TCP is of the pseudo header only, so far */
};

struct host_packet {
	uint8_t *data;
	size_t size;
	size_t readable;    /* without asking for more */
	uint32_t segment;   /* gso_size: what a bundle is cut into; 0: it is none */
	uint32_t interface; /* where it came in */
	uint8_t checksum_state;
	bool has_vlan_tag;
};

enum host_action {
	HOST_PASSED,
	HOST_DROPPED,
	HOST_REDIRECTED,
};

/* What the program makes of the packet, which is changed in place; *ret_out: the interface. */
enum host_action host_program_run(struct host_packet *p, uint32_t *ret_out);
