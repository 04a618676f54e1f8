// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "lb4_xdp.skel.h"
#include "pins.h"
#include "xdp.h"
#include "xdp_features.h"

/* What a frame of one page has room for, whatever the driver; above, it comes in several parts. */
#define ONE_PART_MTU 3498

struct xdp {
	struct lb4_xdp *skeleton;
};

int xdp_open(const char *const names[], struct bpf_map *const maps[], size_t n, struct xdp **ret)
{
	struct xdp *x = calloc(1, sizeof(*x));
	int r = 0;

	if (!x)
		return -ENOMEM;
	x->skeleton = lb4_xdp__open();
	if (!x->skeleton)
		r = -errno;
	for (size_t i = 0; i < n && r == 0; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(x->skeleton->obj, names[i]);

		r = map ? bpf_map__reuse_fd(map, bpf_map__fd(maps[i])) : -ENOENT;
	}
	if (r == 0)
		r = lb4_xdp__load(x->skeleton);
	if (r < 0) {
		xdp_close(x);
		return r;
	}
	*ret = x;
	return 0;
}

struct xdp *xdp_close(struct xdp *x)
{
	if (x)
		lb4_xdp__destroy(x->skeleton);
	free(x);
	return NULL;
}

int xdp_program(struct xdp *x)
{
	return bpf_program__fd(x->skeleton->progs.lb4_xdp);
}

int xdp_let_out(struct xdp *x, uint32_t interface)
{
	return bpf_map_update_elem(bpf_map__fd(x->skeleton->maps.exits), &interface, &interface,
				   BPF_ANY);
}

bool xdp_is_one_part(uint32_t mtu)
{
	return mtu <= ONE_PART_MTU;
}

/* Drivers say what they can once a program is there. */
static bool can_send(uint32_t interface, uint32_t mtu, bool believed)
{
	const uint64_t wanted = XDP_CAN_SEND | (xdp_is_one_part(mtu) ? 0 : XDP_CAN_SEND_PARTS);
	uint64_t features;

	if (xdp_features_find(interface, &features) < 0)
		return believed;
	return (features & wanted) == wanted;
}

/* The link that the last process has left, with the program of this one; or -errno. */
static int take_over(struct xdp *x, const struct pins *pins, const char *name)
{
	_cleanup_(closep) int link = pins ? pins_get(pins, name) : -ENOENT;
	int r;

	if (link < 0)
		return link;
	r = bpf_link_update(link, xdp_program(x), NULL);
	return r < 0 ? r : take_fd(link);
}

static int attach_new(struct xdp *x, uint32_t interface, const struct pins *pins, const char *name)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	_cleanup_(closep) int link =
		bpf_link_create(xdp_program(x), (int)interface, BPF_XDP, &options);
	int r;

	if (link < 0)
		return link;
	r = pins ? pins_put(pins, name, link) : 0;
	return r < 0 ? r : take_fd(link);
}

int xdp_attach(struct xdp *x, uint32_t interface, uint32_t mtu, bool believed,
	       const struct pins *pins, const char *name)
{
	_cleanup_(closep) int link = take_over(x, pins, name);
	int r;

	if (link < 0)
		link = attach_new(x, interface, pins, name);
	if (link < 0)
		return link;
	r = can_send(interface, mtu, believed) ? xdp_let_out(x, interface) : -EOPNOTSUPP;
	return r < 0 ? r : take_fd(link);
}
