// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "fastpath.h"
#include "interface.h"
#include "lb4_tc.skel.h"

/* Of kernels since 6.6; the headers are older. */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46)

/* Of clsact: so that other programs may come before and after. */
#define CLSACT_PRIORITY 0x1b4
#define CLSACT_HANDLE	1

struct attachment {
	int link; /* −1: by clsact */
	int index;
	bool hook_is_ours; /* the clsact qdisc was made here */
};

struct mapping {
	void *memory;
	size_t size;
};

#define MAPS 11

struct fastpath {
	struct lb4_tc *tc;
	struct fastpath_maps maps;
	struct mapping mappings[MAPS];
	size_t n_mappings;
	struct attachment attachments[LB4_INTERFACES_MAX];
	size_t n_attachments;
};

const char *fastpath_hook_name(enum fastpath_hook hook)
{
	static const char *const names[] = {
		[FASTPATH_TCX] = "tcx",
		[FASTPATH_CLSACT] = "clsact",
	};

	return names[hook];
}

/* Faults are the caller's to tell. */
static int no_messages(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static uint32_t power_of_two(uint64_t at_least)
{
	uint32_t n = 1;

	while (n < at_least)
		n <<= 1;
	return n;
}

static int map_memory(struct fastpath *f, struct bpf_map *map, void *ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t value = (bpf_map__value_size(map) + 7) & ~7u;
	size_t size = (value * bpf_map__max_entries(map) + page - 1) & ~(page - 1);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return -errno;
	f->mappings[f->n_mappings++] = (struct mapping){memory, size};
	memcpy(ret, &memory, sizeof(memory));
	return 0;
}

static int map_all(struct fastpath *f)
{
	struct fastpath_maps *m = &f->maps;
	const struct {
		struct bpf_map *map;
		void *ret;
	} all[MAPS] = {
		{f->tc->maps.control, &m->control},
		{f->tc->maps.vip_buckets, &m->vip_buckets},
		{f->tc->maps.vips, &m->vips},
		{f->tc->maps.services, &m->services},
		{f->tc->maps.ring, &m->ring},
		{f->tc->maps.backends, &m->backends},
		{f->tc->maps.interfaces, &m->interfaces},
		{f->tc->maps.flows, &m->flows},
		{f->tc->maps.lines, &m->lines},
		{f->tc->maps.backend_counters, &m->backend_counters},
		{f->tc->maps.verdict_counters, &m->verdict_counters},
	};
	int r = 0;

	for (size_t i = 0; i < MAPS && r == 0; i++)
		r = map_memory(f, all[i].map, all[i].ret);
	return r;
}

/*
 * A flow takes a port whose place is free, of 16 that it tries: with twice the places of flows, one
 * in 65,000 finds none. A line of four takes the ways of one flow on average; one in 300 has more,
 * and these flows are spliced.
 */
static int set_sizes(struct fastpath *f, const struct fastpath_sizes *sizes)
{
	struct fastpath_maps *m = &f->maps;
	int cpus = libbpf_num_possible_cpus();
	int r;

	if (cpus < 0)
		return cpus;
	m->n_cpus = (uint32_t)cpus;
	m->n_backends = sizes->backends;
	m->n_ring_chunks = sizes->ring_chunks;
	m->n_flows = power_of_two(2ull * sizes->flows);
	m->n_lines = power_of_two(sizes->flows);
	r = bpf_map__set_max_entries(f->tc->maps.ring, m->n_ring_chunks);
	if (r == 0)
		r = bpf_map__set_max_entries(f->tc->maps.backends, m->n_backends);
	if (r == 0)
		r = bpf_map__set_max_entries(f->tc->maps.flows, m->n_flows);
	if (r == 0)
		r = bpf_map__set_max_entries(f->tc->maps.lines, m->n_lines);
	if (r == 0)
		r = bpf_map__set_max_entries(f->tc->maps.backend_counters,
					     m->n_backends * m->n_cpus);
	if (r == 0)
		r = bpf_map__set_max_entries(f->tc->maps.verdict_counters, m->n_cpus);
	return r;
}

static int fill_control(struct fastpath *f)
{
	struct lb4_control *c = f->maps.control;

	if (getrandom(c->flows, sizeof(c->flows), 0) != sizeof(c->flows))
		return -EIO;
	c->flow_mask = f->maps.n_flows - 1;
	c->line_mask = f->maps.n_lines - 1;
	c->n_backends = f->maps.n_backends;
	for (size_t i = 0; i < 2ul * LB4_VIP_BUCKETS; i++)
		for (size_t j = 0; j < LB4_VIP_WAYS; j++)
			f->maps.vip_buckets[i].way[j].vip = LB4_VIP_NONE;
	return 0;
}

static int load(struct fastpath *f, const struct fastpath_sizes *sizes, bool sees_checksum_state)
{
	int r;

	f->tc = lb4_tc__open();
	if (!f->tc)
		return -errno;
	f->tc->rodata->sees_checksum_state = sees_checksum_state;
	r = set_sizes(f, sizes);
	if (r == 0)
		r = lb4_tc__load(f->tc);
	if (r == 0)
		r = map_all(f);
	if (r == 0)
		r = fill_control(f);
	return r;
}

static void unload(struct fastpath *f)
{
	for (size_t i = 0; i < f->n_mappings; i++)
		munmap(f->mappings[i].memory, f->mappings[i].size);
	f->n_mappings = 0;
	lb4_tc__destroy(f->tc);
	f->tc = NULL;
}

int fastpath_open(const struct fastpath_sizes *sizes, struct fastpath **ret)
{
	struct fastpath *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	libbpf_set_print(no_messages);
	r = load(f, sizes, true);
	/* Either is lacking: the kernel's function, or CAP_PERFMON, which it takes to read what it
	 * returns. */
	if (r < 0 && r != -ENOMEM) {
		unload(f);
		r = load(f, sizes, false);
	}
	if (r < 0) {
		fastpath_close(f);
		return r == -EPERM || r == -ENOMEM ? r : -EOPNOTSUPP;
	}
	*ret = f;
	return 0;
}

static void detach(struct attachment *a)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = a->index, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	if (a->link >= 0) {
		close(a->link);
		return;
	}
	bpf_tc_detach(&hook, &options);
	if (!a->hook_is_ours)
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
}

struct fastpath *fastpath_close(struct fastpath *f)
{
	if (!f)
		return NULL;
	for (size_t i = 0; i < f->n_attachments; i++)
		detach(&f->attachments[i]);
	unload(f);
	free(f);
	return NULL;
}

const struct fastpath_maps *fastpath_maps(struct fastpath *f)
{
	return &f->maps;
}

int fastpath_program(struct fastpath *f)
{
	return bpf_program__fd(f->tc->progs.lb4_tc);
}

uint16_t fastpath_mss(uint32_t mtu, unsigned headers)
{
	uint32_t mss = mtu > headers ? mtu - headers : 0;

	return mss > UINT16_MAX ? UINT16_MAX : (uint16_t)mss;
}

void fastpath_synchronize(void)
{
	/* Programs run within a read-side critical section of RCU, and this waits for all of them.
	 */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		usleep(100000); /* there is no such call: longer than any of them takes */
}

static int describe(const char *name, struct lb4_interface *ret)
{
	struct interface i;
	int r = interface_find(name, &i);

	if (r < 0)
		return r;
	*ret = (struct lb4_interface){.index = i.index};
	memcpy(ret->mac, i.mac, sizeof(ret->mac));
	ret->mss_max = fastpath_mss(i.mtu, FASTPATH_HEADERS_IPV4);
	return 0;
}

static int attach_clsact(struct fastpath *f, struct attachment *a)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = a->index, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = fastpath_program(f), .flags = BPF_TC_F_REPLACE);
	int r = bpf_tc_hook_create(&hook);

	a->hook_is_ours = r == 0;
	if (r < 0 && r != -EEXIST)
		return r;
	return bpf_tc_attach(&hook, &options);
}

int fastpath_attach(struct fastpath *f, const char *interface, enum fastpath_hook *ret)
{
	struct attachment a = {};
	struct lb4_interface description;
	int r = describe(interface, &description);

	if (r < 0)
		return r;
	if (f->n_attachments == LB4_INTERFACES_MAX)
		return -ENOSPC;
	a.index = (int)description.index;
	*ret = FASTPATH_TCX;
	f->maps.interfaces[f->n_attachments] = description;
	a.link = bpf_link_create(fastpath_program(f), a.index, ATTACH_TCX_INGRESS, NULL);
	if (a.link < 0) {
		*ret = FASTPATH_CLSACT;
		a.link = -1;
		r = attach_clsact(f, &a);
	}
	if (r < 0) {
		f->maps.interfaces[f->n_attachments].index = 0;
		return r;
	}
	f->attachments[f->n_attachments++] = a;
	return 0;
}
