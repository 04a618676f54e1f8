// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "clsact.h"
#include "fastpath_private.h"
#include "lb4_tc.skel.h"
#include "pins.h"
#include "xdp.h"

static const char *const map_names[] = {
#define X(name) #name,
	MAPS(X)
#undef X
};

const char *fastpath_hook_name(enum fastpath_hook hook)
{
	static const char *const names[] = {
		[FASTPATH_TCX] = "tcx",
		[FASTPATH_CLSACT] = "clsact",
		[FASTPATH_XDP] = "xdp",
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

/* The kernel pads entries to 8 bytes: others would not stand where we look for them. */
#define X(name)                                                                                    \
	_Static_assert(sizeof(*((struct fastpath_maps *)0)->name) % 8 == 0, "entries of " #name);
MAPS(X)
#undef X

static int map_memory(struct fastpath *f, struct bpf_map *map, void *ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t value = bpf_map__value_size(map);
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
	void *const into[] = {
#define X(name) &m->name,
		MAPS(X)
#undef X
	};
	int r = 0;

	for (size_t i = 0; i < N_MAPS && r == 0; i++)
		r = map_memory(f, f->all[i], into[i]);
	/* A capture is over with its process: this one is not handed on. */
	if (r == 0)
		r = map_memory(f, f->tc->maps.capture, &m->capture);
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
		r = bpf_map__set_max_entries(f->tc->maps.motion, m->n_ring_chunks);
	if (r == 0)
		r = bpf_map__set_max_entries(f->tc->maps.backends, m->n_backends);
	if (r == 0)
		r = bpf_map__set_max_entries(f->tc->maps.flows, m->n_flows);
	if (r == 0)
		r = bpf_map__set_max_entries(f->tc->maps.records, m->n_flows);
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
	c->abi = LB4_ABI;
	c->flow_mask = f->maps.n_flows - 1;
	c->line_mask = f->maps.n_lines - 1;
	c->n_backends = f->maps.n_backends;
	for (size_t i = 0; i < 2ul * LB4_VIP_BUCKETS; i++)
		for (size_t j = 0; j < LB4_VIP_WAYS; j++)
			f->maps.vip_buckets[i].way[j].vip = LB4_VIP_NONE;
	return 0;
}

/* --- What the last process has left --- */

/* Of the map with that name: its entries, or -errno; -EPROTO: it is none of this program's. */
static int64_t reuse(struct fastpath *f, size_t i)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	_cleanup_(closep) int fd = pins_get(f->pins, map_names[i]);
	int r;

	if (fd < 0)
		return fd;
	r = bpf_obj_get_info_by_fd(fd, &info, &size);
	if (r < 0)
		return r;
	if (info.type != BPF_MAP_TYPE_ARRAY || !(info.map_flags & BPF_F_MMAPABLE) ||
	    info.value_size != bpf_map__value_size(f->all[i]))
		return -EPROTO;
	r = bpf_map__reuse_fd(f->all[i], fd);
	return r < 0 ? r : (int64_t)info.max_entries;
}

static bool has_abi(const struct fastpath *f)
{
	struct lb4_control control;
	uint32_t zero = 0;

	return bpf_map_lookup_elem(bpf_map__fd(f->all[MAP_control]), &zero, &control) == 0 &&
	       control.abi == LB4_ABI;
}

/* All of the maps or none. */
static int reuse_all(struct fastpath *f)
{
	struct fastpath_maps *m = &f->maps;
	int64_t entries[N_MAPS];

	for (size_t i = 0; i < N_MAPS; i++) {
		entries[i] = reuse(f, i);
		if (entries[i] < 0)
			return (int)entries[i];
	}
	if (!has_abi(f))
		return -EPROTO;
	m->n_backends = (uint32_t)entries[MAP_backends];
	m->n_ring_chunks = (uint32_t)entries[MAP_ring];
	m->n_flows = (uint32_t)entries[MAP_flows];
	m->n_lines = (uint32_t)entries[MAP_lines];
	m->n_cpus = (uint32_t)entries[MAP_verdict_counters];
	return 0;
}

/* Of dsr nobody knows how many there are. */
static bool has_flows(const struct fastpath *f)
{
	if (f->maps.control->has_dsr)
		return true;
	for (uint32_t i = 0; i < f->maps.n_flows; i++)
		if (f->maps.flows[i].tag >= LB4_TAG_FIRST)
			return true;
	return false;
}

/* Maps of another size are taken over only for the flows in them. */
static bool fit(const struct fastpath *f, const struct fastpath_sizes *sizes)
{
	return f->maps.n_lines == power_of_two(sizes->flows) &&
	       f->maps.n_backends >= sizes->backends && f->maps.n_ring_chunks >= sizes->ring_chunks;
}

static int pin_all(struct fastpath *f)
{
	int r = 0;

	for (size_t i = 0; i < N_MAPS && r == 0; i++)
		r = pins_put(f->pins, map_names[i], bpf_map__fd(f->all[i]));
	return r;
}

/* --- Loading --- */

static int open_skeleton(struct fastpath *f, bool sees_checksum_state)
{
	f->tc = lb4_tc__open();
	if (!f->tc)
		return -errno;
	f->tc->rodata->sees_checksum_state = sees_checksum_state;
#define X(name) f->all[MAP_##name] = f->tc->maps.name;
	MAPS(X)
#undef X
	return 0;
}

static void unload(struct fastpath *f)
{
	for (size_t i = 0; i < f->n_mappings; i++)
		munmap(f->mappings[i].memory, f->mappings[i].size);
	f->n_mappings = 0;
	f->xdp = xdp_close(f->xdp);
	lb4_tc__destroy(f->tc);
	f->tc = NULL;
}

/* With the maps of the last process: 1, or 0 when they are of no use. */
static int load_adopted(struct fastpath *f, const struct fastpath_sizes *sizes,
			bool sees_checksum_state)
{
	int r = f->pins ? open_skeleton(f, sees_checksum_state) : -ENOENT;

	if (r == 0)
		r = reuse_all(f);
	if (r == 0)
		r = lb4_tc__load(f->tc);
	if (r == 0)
		r = map_all(f);
	if (r == 0 && (fit(f, sizes) || has_flows(f)))
		return 1;
	unload(f);
	return 0;
}

static int load_new(struct fastpath *f, const struct fastpath_sizes *sizes,
		    bool sees_checksum_state)
{
	int r = open_skeleton(f, sees_checksum_state);

	if (r == 0)
		r = set_sizes(f, sizes);
	if (r == 0)
		r = lb4_tc__load(f->tc);
	if (r == 0)
		r = map_all(f);
	if (r == 0)
		r = fill_control(f);
	if (r == 0 && f->pins)
		r = pin_all(f);
	return r;
}

static int load(struct fastpath *f, const struct fastpath_sizes *sizes, bool sees_checksum_state,
		bool *ret_adopted)
{
	int r = load_adopted(f, sizes, sees_checksum_state);

	*ret_adopted = r > 0;
	if (r == 0)
		r = load_new(f, sizes, sees_checksum_state);
	return r < 0 ? r : 0;
}

/* Whether the kernel has what the program asks it by. To try would take as long as to load. */
static bool shows_checksum_state(void)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	bool shows =
		kernel && btf__find_by_name_kind(kernel, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0;

	btf__free(kernel);
	return shows;
}

int fastpath_open(const struct fastpath_sizes *sizes, const struct pins *pins,
		  struct fastpath **ret, bool *ret_adopted)
{
	struct fastpath *f = calloc(1, sizeof(*f));
	bool shown;
	int r;

	if (!f)
		return -ENOMEM;
	f->pins = pins;
	libbpf_set_print(no_messages);
	shown = shows_checksum_state();
	r = load(f, sizes, shown, ret_adopted);
	/* Its function may be for others. */
	if (r < 0 && shown && r != -ENOMEM && r != -EPERM) {
		unload(f);
		r = load(f, sizes, false, ret_adopted);
	}
	if (r < 0) {
		fastpath_close(f);
		/* The verifier's answer to who may not do what the program does. */
		if (r == -EACCES)
			r = -EPERM;
		return r == -EPERM || r == -ENOMEM ? r : -EOPNOTSUPP;
	}
	*ret = f;
	return 0;
}

bool fastpath_forget(const struct pins *pins, uint64_t owner)
{
	_cleanup_(closep) int fd = pins_get(pins, map_names[MAP_control]);
	struct lb4_control control;
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, &control) < 0 || control.owner != owner)
		return false;
	clsact_sweep(pins, NULL, NULL);
	pins_sweep(pins, "", NULL, NULL);
	return true;
}

struct fastpath *fastpath_close(struct fastpath *f)
{
	if (!f)
		return NULL;
	fastpath_detach_all(f);
	unload(f);
	free(f);
	return NULL;
}

const struct fastpath_maps *fastpath_maps(struct fastpath *f)
{
	return &f->maps;
}

int fastpath_captured(struct fastpath *f)
{
	return bpf_map__fd(f->tc->maps.captured);
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

int fastpath_xdp(struct fastpath *f, struct xdp **ret)
{
	if (!f->xdp && !f->xdp_error)
		f->xdp_error = xdp_open(map_names, f->all, N_MAPS, &f->xdp);
	if (f->xdp)
		*ret = f->xdp;
	return f->xdp_error;
}
