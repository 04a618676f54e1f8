// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "clsact.h"
#include "pins.h"

/* So that other programs may come before and after. */
#define PRIORITY       0x1b4
#define PRIORITY_CHECK 0x1b6
#define HANDLE	       1

#define PIN_NAME "clsact-"

int clsact_attach(uint32_t interface, int program, const struct pins *pins, bool *ret_made)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)interface, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY,
		    .prog_fd = program, .flags = BPF_TC_F_REPLACE);
	char name[32];
	bool made;
	int r = bpf_tc_hook_create(&hook);

	if (r < 0 && r != -EEXIST)
		return r;
	made = r == 0;
	r = bpf_tc_attach(&hook, &options);
	if (r == 0 && pins) {
		snprintf(name, sizeof(name), PIN_NAME "%u", interface);
		r = pins_put(pins, name, program);
	}
	if (r < 0) {
		clsact_detach(interface, made);
		return r;
	}
	*ret_made = made;
	return 0;
}

void clsact_detach(uint32_t interface, bool with_qdisc)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)interface, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY);

	bpf_tc_detach(&hook, &options);
	if (!with_qdisc)
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
}

int clsact_attach_check(uint32_t interface, bool egress, int program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)interface,
		    .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY_CHECK,
		    .prog_fd = program, .flags = BPF_TC_F_REPLACE);
	int r = bpf_tc_hook_create(&hook);

	return r < 0 && r != -EEXIST ? r : bpf_tc_attach(&hook, &options);
}

void clsact_detach_check(uint32_t interface, bool egress)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)interface,
		    .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY_CHECK);

	bpf_tc_detach(&hook, &options);
}

/* The kernel's number of the program that is there, or 0. */
static uint32_t program_at(uint32_t interface)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)interface, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY);

	return bpf_tc_query(&hook, &options) == 0 ? options.prog_id : 0;
}

static uint32_t program_pinned(const struct pins *pins, const char *name)
{
	_cleanup_(closep) int fd = pins_get(pins, name);
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

struct sweep {
	const struct pins *pins;
	bool (*keep)(void *context, uint32_t interface);
	void *context;
};

static bool keeps(void *context, const char *name)
{
	const struct sweep *s = context;
	uint32_t interface = (uint32_t)strtoul(name + strlen(PIN_NAME), NULL, 10);
	uint32_t pinned;

	if (s->keep && s->keep(s->context, interface))
		return true;
	pinned = program_pinned(s->pins, name);
	if (pinned && program_at(interface) == pinned)
		clsact_detach(interface, false);
	return false;
}

void clsact_sweep(const struct pins *pins, bool (*keep)(void *context, uint32_t interface),
		  void *context)
{
	struct sweep sweep = {pins, keep, context};

	pins_sweep(pins, PIN_NAME, keeps, &sweep);
}
