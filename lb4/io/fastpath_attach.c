// SPDX-License-Identifier: BSD-2-Clause
/* Where the programs are attached: at which interface, and by which hook. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "clsact.h"
#include "fastpath_private.h"
#include "hook_rules.h"
#include "interface.h"
#include "pins.h"
#include "tcx.h"
#include "xdp.h"

#define LINK_NAME "link-"
#define XDP_NAME  "xdp-"

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

static void link_name(const char *beginning, int index, char buffer[32])
{
	snprintf(buffer, 32, "%s%d", beginning, index);
}

/*
 * Beside the one that the last process has left, which goes as its pin is replaced: until then it
 * comes first, and forwards by the same maps.
 */
static int attach_tcx(struct fastpath *f, struct attachment *a)
{
	char name[32];
	int r;

	a->link = bpf_link_create(fastpath_program(f), a->index, ATTACH_TCX_INGRESS, NULL);
	if (a->link < 0)
		return a->link;
	if (!f->pins)
		return 0;
	link_name(LINK_NAME, a->index, name);
	r = pins_put(f->pins, name, a->link);
	if (r < 0)
		close(a->link);
	return r;
}

/* Flows refer to an interface by its place, so one that has a place keeps it. */
static struct lb4_interface *interface_place(struct fastpath *f, uint32_t index)
{
	for (size_t i = 0; i < LB4_INTERFACES_MAX; i++)
		if (f->maps.interfaces[i].index == index)
			return &f->maps.interfaces[i];
	return NULL;
}

static struct lb4_interface *take_interface_place(struct fastpath *f, uint32_t index, uint32_t was)
{
	struct lb4_interface *place = interface_place(f, index);

	if (!place && was)
		place = interface_place(f, was);
	return place ? place : interface_place(f, 0);
}

/* Half a sentence why it is not tried. */
static const char *refuse_xdp(const char *interface, enum hook_wish wish,
			      const struct interface_driver *driver)
{
	const char *why = NULL;

	if (wish == HOOK_TC)
		return "the file says so";
	if (wish == HOOK_AUTO)
		why = hook_refuse_xdp(driver->name, driver->bus);
	/* Drivers take tags off frames before XDP sees them. */
	if (!why && wish == HOOK_AUTO && interface_has_vlans(interface))
		why = "it carries VLANs, whose tags XDP may not see";
	return why;
}

static const char *why_refused(int error)
{
	switch (-error) {
	case EOPNOTSUPP:
		return "its driver cannot do XDP, or cannot send from it, or the kernel cannot "
		       "tell";
	case EBUSY:
		return "there is another XDP program";
	case EINVAL:
	case ERANGE:
		return "its driver does not take the program, as where the MTU is too large";
	default:
		return strerrordesc_np(-error);
	}
}

/* Who wants it in the file knows his hardware; else it is what is known of the driver. */
static bool believe(enum hook_wish wish, const struct interface_driver *driver,
		    const struct interface *i)
{
	return wish == HOOK_XDP || (hook_is_known_to_send(driver->name) && xdp_is_one_part(i->mtu));
}

static int attach_xdp(struct fastpath *f, const struct interface *i, bool believed,
		      struct attachment *a)
{
	char name[32];
	int r;

	link_name(XDP_NAME, a->index, name);
	r = xdp_attach(f->xdp, i->index, i->mtu, believed, f->pins, name);
	a->xdp = r < 0 ? -1 : r;
	return r;
}

/* At XDP besides, if that is right, and possible. */
static void consider_xdp(struct fastpath *f, const char *name, enum hook_wish wish,
			 struct attachment *a, struct fastpath_attached *ret)
{
	struct interface_driver driver = {.name = "unknown"};
	const char *why, *what = "it takes the program";
	struct interface interface;
	struct xdp *xdp;
	int r;

	interface_find_driver(name, &driver);
	why = refuse_xdp(name, wish, &driver);
	if (!why) {
		r = fastpath_xdp(f, &xdp);
		if (r < 0)
			what = "the kernel cannot load the program for XDP";
		if (r == 0)
			r = interface_find(name, &interface);
		if (r == 0)
			r = attach_xdp(f, &interface, believe(wish, &driver, &interface), a);
		if (r < 0)
			why = f->xdp_error ? what : why_refused(r);
	}
	if (!why)
		ret->hook = FASTPATH_XDP;
	ret->refused = why && wish == HOOK_XDP;
	snprintf(ret->reason, sizeof(ret->reason), "driver %s: %s", driver.name, why ? why : what);
}

static int attach_tc(struct fastpath *f, struct attachment *a, enum fastpath_hook *ret)
{
	*ret = FASTPATH_TCX;
	if (attach_tcx(f, a) == 0)
		return 0;
	*ret = FASTPATH_CLSACT;
	a->link = -1;
	/* Those of checks, if an earlier start was killed: they go by its memory. */
	clsact_detach_check((uint32_t)a->index, false);
	clsact_detach_check((uint32_t)a->index, true);
	return clsact_attach((uint32_t)a->index, fastpath_program(f), f->pins, &a->hook_is_ours);
}

int fastpath_attach(struct fastpath *f, const char *interface, enum hook_wish wish, uint32_t was,
		    struct fastpath_attached *ret)
{
	struct attachment a = {.xdp = -1};
	struct lb4_interface description, before, *place;
	int r = describe(interface, &description);

	if (r < 0)
		return r;
	place = take_interface_place(f, description.index, was);
	if (!place || f->n_attachments == LB4_INTERFACES_MAX)
		return -ENOSPC;
	before = *place;
	*place = description;
	*ret = (struct fastpath_attached){.index = description.index};
	a.index = (int)description.index;
	r = attach_tc(f, &a, &ret->hook);
	if (r < 0) {
		*place = before.index == description.index ? (struct lb4_interface){} : before;
		return r;
	}
	consider_xdp(f, interface, wish, &a, ret);
	f->attachments[f->n_attachments++] = a;
	return 0;
}

void fastpath_refresh(struct fastpath *f)
{
	for (size_t i = 0; i < f->n_attachments; i++) {
		uint32_t index = (uint32_t)f->attachments[i].index;
		struct lb4_interface *place = interface_place(f, index), now;
		char name[IF_NAMESIZE];

		if (!place || !if_indextoname(index, name) || describe(name, &now) < 0 ||
		    now.index != index)
			continue;
		if (memcmp(place, &now, sizeof(now)) != 0)
			*place = now;
	}
}

static bool has_attached(const struct fastpath *f, uint32_t index)
{
	for (size_t i = 0; i < f->n_attachments; i++)
		if ((uint32_t)f->attachments[i].index == index)
			return true;
	return false;
}

static bool is_attached(void *context, const char *name)
{
	const struct fastpath *f = context;
	char known[32];

	for (size_t i = 0; i < f->n_attachments; i++) {
		const struct attachment *a = &f->attachments[i];

		link_name(LINK_NAME, a->index, known);
		if (!strcmp(known, name))
			return true;
		link_name(XDP_NAME, a->index, known);
		if (a->xdp >= 0 && !strcmp(known, name))
			return true;
	}
	return false;
}

static bool is_at_clsact(void *context, uint32_t interface)
{
	const struct fastpath *f = context;

	for (size_t i = 0; i < f->n_attachments; i++)
		if ((uint32_t)f->attachments[i].index == interface)
			return f->attachments[i].link < 0;
	return false;
}

/* Links and filters of interfaces that are none any more, or not served any more. */
static void sweep_links(struct fastpath *f)
{
	if (!f->pins)
		return;
	pins_sweep(f->pins, LINK_NAME, is_attached, f);
	pins_sweep(f->pins, XDP_NAME, is_attached, f);
	clsact_sweep(f->pins, is_at_clsact, f);
}

/* The kernel has detached the programs with it. */
void fastpath_lose(struct fastpath *f, uint32_t index)
{
	for (size_t i = 0; i < f->n_attachments; i++) {
		if ((uint32_t)f->attachments[i].index != index)
			continue;
		closep(&f->attachments[i].xdp);
		closep(&f->attachments[i].link);
		f->attachments[i] = f->attachments[--f->n_attachments];
		break;
	}
	sweep_links(f);
}

void fastpath_attached_all(struct fastpath *f)
{
	for (size_t i = 0; i < LB4_INTERFACES_MAX; i++)
		if (!has_attached(f, f->maps.interfaces[i].index))
			f->maps.interfaces[i].index = 0;
	sweep_links(f);
}

static void detach(const struct attachment *a)
{
	if (a->link >= 0)
		close(a->link);
	else
		clsact_detach((uint32_t)a->index, a->hook_is_ours);
}

void fastpath_detach_all(struct fastpath *f)
{
	for (size_t i = 0; i < f->n_attachments; i++) {
		closep(&f->attachments[i].xdp); /* its pin holds it, as that of the other one */
		if (f->pins && f->attachments[i].link >= 0)
			close(f->attachments[i].link);
		else if (!f->pins)
			detach(&f->attachments[i]);
	}
	f->n_attachments = 0;
}
