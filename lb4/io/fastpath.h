/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BPF programs of the fast path, their maps, and where they are attached. What the maps hold,
 * and who writes what: lb4_fastpath.h. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "fastpath_maps.h"

struct fastpath;
struct xdp;

struct fastpath_sizes {
	uint32_t flows; /* at a time */
	uint32_t backends;
	uint32_t ring_chunks;
};

struct pins;

/*
 * Loads the programs, attached nowhere. With `pins` (or NULL) maps are pinned there, and what the
 * last process has left is taken over: *ret_adopted, the maps are as they were, and their sizes
 * too while there are flows in them. Otherwise they are empty, and the control is filled in but for
 * `accepts`, `choice` and the ports. The pins outlive `*ret`. -EPERM: no right to (CAP_BPF,
 * CAP_NET_ADMIN), -EOPNOTSUPP: the kernel cannot, -ENOMEM.
 */
int fastpath_open(const struct fastpath_sizes *sizes, const struct pins *pins,
		  struct fastpath **ret, bool *ret_adopted);

/*
 * Detaches and forgets what the last process has left, if that was `owner` too: its flows end.
 * Whether there was something.
 */
bool fastpath_forget(const struct pins *pins, uint64_t owner);

/* Frees all, and detaches; with pins the programs stay attached and go on. NULL is ignored. */
struct fastpath *fastpath_close(struct fastpath *f);

const struct fastpath_maps *fastpath_maps(struct fastpath *f);

/* How a program sits at an interface. */
enum fastpath_hook {
	FASTPATH_TCX,
	FASTPATH_CLSACT, /* what kernels before 6.6 have */
	FASTPATH_XDP,	 /* in the driver, and what it leaves at one of the others */
};
const char *fastpath_hook_name(enum fastpath_hook hook);

struct fastpath_attached {
	uint32_t index; /* of the interface */
	enum fastpath_hook hook;
	bool refused;	  /* XDP was wished for, and cannot be had … */
	char reason[160]; /* … because of this; else why the hook is the one it is */
};

/*
 * Attaches to an interface of the network namespace, and enters it in the map: at tc, and at XDP
 * too if that is wished for, or left open and likely to be better. Flows that came in by one that is
 * lost, whose index was `was` (0: there was none), go out by this one. -ENODEV: there is none of that
 * name, -EAFNOSUPPORT: it has no Ethernet addresses, -ENOSPC: LB4_INTERFACES_MAX are there.
 */
int fastpath_attach(struct fastpath *f, const char *interface, enum hook_wish wish, uint32_t was,
		    struct fastpath_attached *ret);

/* The interface is no longer there. */
void fastpath_lose(struct fastpath *f, uint32_t index);

/* Interfaces may have another MAC address or MTU meanwhile. */
void fastpath_refresh(struct fastpath *f);

/*
 * That was the last of them: interfaces that the last process was attached to, and that are not
 * among them, are let go.
 */
void fastpath_attached_all(struct fastpath *f);

/* IP and TCP, without options. */
#define FASTPATH_HEADERS_IPV4 40
#define FASTPATH_HEADERS_IPV6 60

/* What segments carry at most that fit an MTU. */
uint16_t fastpath_mss(uint32_t mtu, unsigned headers);

/* Returns when no program runs any more that ran when it was called. Takes some milliseconds. */
void fastpath_synchronize(void);

/* The descriptor of the ring of captured packets. */
int fastpath_captured(struct fastpath *f);

/* For tests: the program's descriptor, and the one at XDP, loaded if it is not yet. */
int fastpath_program(struct fastpath *f);
int fastpath_xdp(struct fastpath *f, struct xdp **ret);
