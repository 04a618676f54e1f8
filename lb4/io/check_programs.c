// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check_programs.h"
#include "cleanup.h"
#include "clsact.h"
#include "lb4_checks.skel.h"
#include "tcx.h"

struct place {
	uint32_t interface;
	int in, out; /* links; −1: filters of clsact */
};

struct check_programs {
	struct lb4_checks *skeleton;
	struct lb4_check *entries;
	size_t size; /* of them, in bytes */
	struct place places[CHECK_INTERFACES_MAX];
	size_t n_places;
};

int check_programs_open(struct check_programs **ret)
{
	struct check_programs *c = calloc(1, sizeof(*c));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory;
	int r;

	if (!c)
		return -ENOMEM;
	c->skeleton = lb4_checks__open_and_load();
	if (!c->skeleton) {
		r = -errno;
		check_programs_close(c);
		return r;
	}
	c->size = (LB4_CHECKS * sizeof(struct lb4_check) + page - 1) & ~(page - 1);
	memory = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(c->skeleton->maps.checks), 0);
	if (memory == MAP_FAILED) {
		r = -errno;
		check_programs_close(c);
		return r;
	}
	c->entries = memory;
	*ret = c;
	return 0;
}

static void detach(struct place *p)
{
	if (p->in >= 0)
		close(p->in);
	else
		clsact_detach_check(p->interface, false);
	if (p->out >= 0)
		close(p->out);
	else
		clsact_detach_check(p->interface, true);
}

struct check_programs *check_programs_close(struct check_programs *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_places; i++)
		detach(&c->places[i]);
	if (c->entries)
		munmap(c->entries, c->size);
	lb4_checks__destroy(c->skeleton);
	free(c);
	return NULL;
}

/* A link, or −1 and a filter. */
static int attach_one(uint32_t interface, bool egress, int program, int *ret_link)
{
	int link = bpf_link_create(program, (int)interface,
				   egress ? ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS, NULL);

	*ret_link = link < 0 ? -1 : link;
	return link < 0 ? clsact_attach_check(interface, egress, program) : 0;
}

static int attach(struct check_programs *c, uint32_t interface)
{
	struct place p = {.interface = interface, .in = -1, .out = -1};
	int r;

	if (c->n_places == CHECK_INTERFACES_MAX)
		return -ENOSPC;
	/* What an earlier start has left as filters would come first, and go by its own memory. */
	clsact_detach_check(interface, false);
	clsact_detach_check(interface, true);
	r = attach_one(interface, false, check_programs_in(c), &p.in);
	if (r == 0)
		r = attach_one(interface, true, check_programs_out(c), &p.out);
	if (r < 0) {
		detach(&p);
		return r;
	}
	c->places[c->n_places++] = p;
	return 0;
}

bool check_programs_are_at(const struct check_programs *c, uint32_t interface)
{
	for (size_t i = 0; i < c->n_places; i++)
		if (c->places[i].interface == interface)
			return true;
	return false;
}

static bool is_wanted(uint32_t interface, const uint32_t *interfaces, size_t n)
{
	char name[IF_NAMESIZE];

	for (size_t i = 0; i < n; i++)
		if (interfaces[i] == interface)
			return if_indextoname(interface, name) != NULL;
	return false;
}

void check_programs_keep(struct check_programs *c, const uint32_t *interfaces, size_t n)
{
	for (size_t i = c->n_places; i > 0; i--) {
		if (is_wanted(c->places[i - 1].interface, interfaces, n))
			continue;
		detach(&c->places[i - 1]);
		c->places[i - 1] = c->places[--c->n_places];
	}
}

int check_programs_attach(struct check_programs *c, const uint32_t *interfaces, size_t n)
{
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		int r = check_programs_are_at(c, interfaces[i]) ? 0 : attach(c, interfaces[i]);

		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

struct lb4_check *check_programs_entries(struct check_programs *c)
{
	return c->entries;
}

int check_programs_out(const struct check_programs *c)
{
	return bpf_program__fd(c->skeleton->progs.lb4_check_out);
}

int check_programs_in(const struct check_programs *c)
{
	return bpf_program__fd(c->skeleton->progs.lb4_check_in);
}
