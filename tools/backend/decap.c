// SPDX-License-Identifier: BSD-2-Clause
/*
 * lb4-decap: takes the outer header off what lb4 sends to a backend of forward: dsr-ipip. The program
 * stays at the interface when this one has ended, until it is detached or the machine starts anew.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "lb4_decap.h"
#include "lb4_decap.skel.h"

/* So that other programs may come before and after, and that it is known again; not those of lb4's own
 * filter, as one machine may be both. */
#define PRIORITY 0x1b5
#define HANDLE	 2

#define USAGE                                                                                      \
	"lb4-decap attach DEVICE ADDRESS...   unwrap what these machines of lb4 send\n"            \
	"lb4-decap detach DEVICE\n"                                                                \
	"lb4-decap show DEVICE                packets so far; status 1: it is not attached\n"

static int no_messages(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static int complain(const char *what, int error)
{
	fprintf(stderr, "lb4-decap: %s: %s\n", what, strerrordesc_np(error < 0 ? -error : error));
	return EXIT_FAILURE;
}

static int parse_source(const char *text, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (inet_pton(AF_INET6, text, ret) == 1)
		return 0;
	ret[10] = ret[11] = 0xff;
	return inet_pton(AF_INET, text, ret + 12) == 1 ? 0 : -EINVAL;
}

static int set_sources(struct lb4_decap *decap, char **sources, int n)
{
	if (n < 1 || n > LB4_DECAP_SOURCES_MAX) {
		fprintf(stderr, "lb4-decap: 1 to %d addresses are expected\n",
			LB4_DECAP_SOURCES_MAX);
		return -EINVAL;
	}
	for (int i = 0; i < n; i++)
		if (parse_source(sources[i], decap->rodata->sources[i]) < 0) {
			fprintf(stderr, "lb4-decap: %s is no address\n", sources[i]);
			return -EINVAL;
		}
	decap->rodata->n_sources = (uint32_t)n;
	return 0;
}

static int attach(int interface, char **sources, int n)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY,
		    .flags = BPF_TC_F_REPLACE);
	struct lb4_decap *decap = lb4_decap__open();
	int r;

	if (!decap)
		return complain("the program cannot be opened", errno);
	r = set_sources(decap, sources, n);
	if (r < 0) {
		lb4_decap__destroy(decap);
		return EXIT_FAILURE;
	}
	r = lb4_decap__load(decap);
	if (r == 0) {
		options.prog_fd = bpf_program__fd(decap->progs.lb4_decap);
		r = bpf_tc_hook_create(&hook);
	}
	if (r == 0 || r == -EEXIST)
		r = bpf_tc_attach(&hook, &options);
	lb4_decap__destroy(decap);
	return r < 0 ? complain("the program cannot be attached", r) : EXIT_SUCCESS;
}

static int detach(int interface)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY);
	int r = bpf_tc_detach(&hook, &options);

	return r < 0 && r != -ENOENT && r != -EINVAL ? complain("it cannot be detached", r)
						     : EXIT_SUCCESS;
}

/* The map of counters of a program that is attached; −1. */
static int find_counters(uint32_t program)
{
	struct bpf_prog_info info = {};
	uint32_t maps[8], size = sizeof(info);
	_cleanup_(closep) int fd = bpf_prog_get_fd_by_id(program);

	info.map_ids = (uintptr_t)maps;
	info.nr_map_ids = sizeof(maps) / sizeof(maps[0]);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -1;
	for (uint32_t i = 0; i < info.nr_map_ids && i < sizeof(maps) / sizeof(maps[0]); i++) {
		struct bpf_map_info map = {};
		int map_fd = bpf_map_get_fd_by_id(maps[i]);

		size = sizeof(map);
		if (map_fd >= 0 && bpf_obj_get_info_by_fd(map_fd, &map, &size) == 0 &&
		    map.type == BPF_MAP_TYPE_PERCPU_ARRAY)
			return map_fd;
		if (map_fd >= 0)
			close(map_fd);
	}
	return -1;
}

static uint64_t counter(int map, uint32_t what)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_(freep) uint64_t *values = calloc(n > 0 ? (size_t)n : 1, sizeof(values[0]));
	uint64_t sum = 0;

	if (!values || n <= 0 || bpf_map_lookup_elem(map, &what, values) < 0)
		return 0;
	for (int i = 0; i < n; i++)
		sum += values[i];
	return sum;
}

static int show(int interface)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY);
	_cleanup_(closep) int map = -1;

	if (bpf_tc_query(&hook, &options) < 0) {
		puts("not attached");
		return EXIT_FAILURE;
	}
	map = find_counters(options.prog_id);
	if (map < 0)
		return complain("its counters cannot be read", errno);
	printf("unwrapped %llu\nforeign %llu\nfailed %llu\n",
	       (unsigned long long)counter(map, LB4_DECAP_UNWRAPPED),
	       (unsigned long long)counter(map, LB4_DECAP_FOREIGN),
	       (unsigned long long)counter(map, LB4_DECAP_FAILED));
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	int interface;

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(USAGE, stdout);
		return EXIT_SUCCESS;
	}
	if (argc < 3) {
		fputs(USAGE, stderr);
		return EXIT_FAILURE;
	}
	libbpf_set_print(no_messages);
	interface = (int)if_nametoindex(argv[2]);
	if (interface == 0)
		return complain(argv[2], errno);
	if (!strcmp(argv[1], "attach"))
		return attach(interface, argv + 3, argc - 3);
	if (!strcmp(argv[1], "detach") && argc == 3)
		return detach(interface);
	if (!strcmp(argv[1], "show") && argc == 3)
		return show(interface);
	fputs(USAGE, stderr);
	return EXIT_FAILURE;
}
