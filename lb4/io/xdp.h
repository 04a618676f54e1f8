/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program at XDP of network interfaces, in their drivers: beside the one at tc, and by the same
 * maps. Never in the kernel's generic mode, which would cost more than it gains. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_map;
struct pins;
struct xdp;

/*
 * Loads it, attached nowhere, for these maps of the other program, which are called `names` in both.
 * -ENOMEM, -EPERM, or whatever the kernel has against it.
 */
int xdp_open(const char *const names[], struct bpf_map *const maps[], size_t n, struct xdp **ret);

/* What is attached stays so while its link is open or pinned. NULL is ignored. */
struct xdp *xdp_close(struct xdp *x);

/*
 * Attaches it there: the link, which the caller closes. With `pins` (or NULL) it is pinned as `name`,
 * and one that was pinned there before goes on with this program instead of its own, without a
 * packet in between. Whether the driver can send from XDP it is asked; where the kernel has no such
 * question, `believed` is the answer. -EOPNOTSUPP: it knows no XDP, or cannot send; -EBUSY: another
 * program is there; others as the driver likes, -EINVAL and -ERANGE where the MTU is too large.
 */
int xdp_attach(struct xdp *x, uint32_t interface, uint32_t mtu, bool believed,
	       const struct pins *pins, const char *name);

/* What fits into a frame of one part, whatever the driver. */
bool xdp_is_one_part(uint32_t mtu);

/* For tests: the program, and packets may leave by that interface from now on. */
int xdp_program(struct xdp *x);
int xdp_let_out(struct xdp *x, uint32_t interface);
