// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The skeleton has its types. */
#include "plan.h"

#include "drive.skel.h"
#include "driver.h"
#include "world.h"

struct driver {
	struct drive *skeleton;
	struct plan_flow *flows;
	size_t size; /* bytes of them */
};

int driver_open(uint32_t n_flows, struct driver **ret)
{
	struct driver *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->skeleton = drive__open();
	r = d->skeleton ? bpf_map__set_max_entries(d->skeleton->maps.plan_flows, n_flows) : -errno;
	if (r == 0)
		r = drive__load(d->skeleton);
	if (r == 0) {
		d->size = (n_flows * sizeof(d->flows[0]) + 4095) & ~4095ul;
		d->flows = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_SHARED,
				bpf_map__fd(d->skeleton->maps.plan_flows), 0);
		if (d->flows == MAP_FAILED) {
			d->flows = NULL;
			r = -errno;
		}
	}
	if (r < 0) {
		driver_close(d);
		return r;
	}
	d->skeleton->bss->plan.random = 0x9e3779b97f4a7c15;
	*ret = d;
	return 0;
}

struct driver *driver_close(struct driver *d)
{
	if (!d)
		return NULL;
	if (d->flows)
		munmap(d->flows, d->size);
	drive__destroy(d->skeleton);
	free(d);
	return NULL;
}

struct plan_flow *driver_flows(struct driver *d)
{
	return d->flows;
}

int driver_use(struct driver *d, enum driver_hook hook, int program)
{
	struct bpf_map *map =
		hook == DRIVER_TC ? d->skeleton->maps.tc_program : d->skeleton->maps.xdp_program;
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_map__fd(map), &zero, &program, 0);
}

void driver_set_segment(struct driver *d, const struct driver_segment *s)
{
	struct ether_header ethernet = {.ether_type = htons(ETHERTYPE_IP),
					.ether_dhost = {2, 0, 0, 0, 0, 1},
					.ether_shost = {2, 0, 0, 0, 0, 2}};
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP};
	struct tcphdr tcp = {.doff = 6, .window = htons(512)};
	static const uint8_t option[4] = {TCPOPT_MAXSEG, TCPOLEN_MAXSEG, 1460 >> 8, 1460 & 0xff};
	static const uint8_t nothing[4] = {TCPOPT_NOP, TCPOPT_NOP, TCPOPT_NOP, TCPOPT_NOP};
	uint8_t *p = d->skeleton->bss->plan.frame;
	bool server = s->kind == PLAN_SERVER;

	ip.tot_len = htons(sizeof(ip) + sizeof(tcp) + sizeof(option));
	ip.daddr = htonl(server ? WORLD_OURS : WORLD_VIP);
	tcp.source = htons(WORLD_BACKEND_PORT);
	tcp.dest = htons(WORLD_VIP_PORT);
	tcp.th_flags = s->flags;
	tcp.seq = htonl(s->sequence);
	tcp.ack_seq = htonl(s->acknowledged);
	memset(p, 0, PLAN_FRAME);
	memcpy(p, &ethernet, sizeof(ethernet));
	memcpy(p + sizeof(ethernet), &ip, sizeof(ip));
	memcpy(p + sizeof(ethernet) + sizeof(ip), &tcp, sizeof(tcp));
	memcpy(p + sizeof(ethernet) + sizeof(ip) + sizeof(tcp),
	       s->flags & TH_SYN ? option : nothing, sizeof(option));
	d->skeleton->bss->plan.kind = s->kind;
}

int driver_run(struct driver *d, enum driver_hook hook, uint32_t n_packets,
	       struct driver_flows flows, nsec_t *ret_time, int *ret_action)
{
	const struct bpf_program *program =
		hook == DRIVER_TC ? d->skeleton->progs.drive_tc : d->skeleton->progs.drive_xdp;
	uint8_t frame[PLAN_FRAME] = {};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)n_packets);
	nsec_t start;
	int r;

	memcpy(frame, d->skeleton->bss->plan.frame, sizeof(frame));
	d->skeleton->bss->plan.first = flows.first;
	d->skeleton->bss->plan.n_flows = flows.n;
	d->skeleton->bss->plan.turn = 0;
	/* Of this thread, so that nobody else's turn counts. */
	start = clock_read(CLOCK_THREAD_CPUTIME_ID);
	r = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
	*ret_time = clock_read(CLOCK_THREAD_CPUTIME_ID) - start;
	*ret_action = (int)options.retval;
	return r;
}

int driver_floor(struct driver *d, enum driver_hook hook, enum driver_floor floor)
{
	struct bpf_program *const programs[][3] = {
		[DRIVER_TC] = {d->skeleton->progs.tc_drop, d->skeleton->progs.tc_swap},
		[DRIVER_XDP] = {d->skeleton->progs.xdp_drop, d->skeleton->progs.xdp_swap,
				d->skeleton->progs.xdp_ipip},
	};

	return bpf_program__fd(programs[hook][floor]);
}
