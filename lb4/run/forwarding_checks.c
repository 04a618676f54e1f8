// SPDX-License-Identifier: BSD-2-Clause
/* Which checks of backends of dsr take the path of clients' packets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check_programs.h"
#include "checker.h"
#include "forwarding_private.h"
#include "log.h"

static bool may_take_path(const struct forwarding *f, const struct live_service *s)
{
	return f && f->fastpath && f->accepts && forward_is_dsr(s->settings.forward) &&
	       s->check.kind != CHECK_NONE && s->check.kind != CHECK_EXEC;
}

/* What the backend's packets take now; NULL: connections to it are spliced. */
static const struct way *find_way(const struct forwarding *f, const struct live_service *s,
				  const struct live_backend *b)
{
	const struct way *way = ways_find(f->ways, &b->backend->address);

	if (!way || (s->settings.forward == FORWARD_DSR_L2 && way->way.has_gateway))
		return NULL;
	/* A silent next hop may be a silent backend: no reason to ask it by another path. */
	return way->way.reachable || way->trouble == WAY_SILENT ? way : NULL;
}

/* Whether clients that come to the VIP are forwarded; else they are spliced for a while. */
static bool is_forwarded(const struct forwarding *f, const struct live_service *s,
			 const struct address *vip)
{
	uint32_t at = placement_find_vip(f->placement, vip);

	return at != LB4_VIP_NONE && !f->maps->vips[at].closed &&
	       f->maps->vips[at].service == placement_find_service(f->placement, s->service);
}

/* Into `ret`, if that is not NULL, the VIPs by which clients get to the backend: how many. */
static size_t find_vips(const struct forwarding *f, const struct live_service *s,
			const struct live_backend *b, struct address *ret)
{
	const struct address *to = &b->backend->address,
			     target = check_config_target(&s->check, to);
	size_t n = 0;

	if (!may_take_path(f, s) || !address_equal(&target, to) || !find_way(f, s, b))
		return 0;
	for (size_t i = 0; i < s->n_listeners; i++) {
		const struct address *vip = &s->listeners[i].address;

		/* A socket of one family gets no answer of the other. */
		if (vip->family != to->family || forward_unfit(s->settings.forward, vip, to) ||
		    !is_forwarded(f, s, vip))
			continue;
		if (ret)
			ret[n] = *vip;
		n++;
	}
	return n;
}

static void add_interface(uint32_t interface, uint32_t *all, size_t *n, size_t n_max)
{
	for (size_t i = 0; i < *n; i++)
		if (all[i] == interface)
			return;
	if (*n < n_max)
		all[(*n)++] = interface;
}

/* Where checks go out, and, if there are any, wherever answers may come in. */
static size_t find_interfaces(const struct daemon *d, uint32_t *all, size_t n_max)
{
	const struct forwarding *f = d->forwarding;
	size_t n = 0;

	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];

		for (size_t j = 0; may_take_path(f, s) && j < s->n_backends; j++)
			if (find_vips(f, s, &s->backends[j], NULL))
				add_interface(find_way(f, s, &s->backends[j])->interface, all, &n,
					      n_max);
	}
	for (size_t i = 0; n > 0 && i < f->n_interfaces; i++)
		if (f->interfaces[i].hook)
			add_interface(f->interfaces[i].index, all, &n, n_max);
	return n;
}

void forwarding_prepare_checks(struct daemon *d)
{
	struct forwarding *f = d->forwarding;
	int r = 0;

	if (!f || !f->fastpath)
		return;
	f->n_check_interfaces = find_interfaces(d, f->check_interfaces, CHECK_INTERFACES_MAX);
	if (f->n_check_interfaces > 0 && !f->checks)
		r = check_programs_open(&f->checks);
	if (f->checks)
		r = check_programs_attach(f->checks, f->check_interfaces, f->n_check_interfaces);
	if (r < 0 && r != f->checks_error)
		log_warning("checks of backends of dsr cannot take the path that clients' packets "
			    "take: %s; they go to the backends' own addresses",
			    strerrordesc_np(-r));
	f->checks_error = r;
}

void forwarding_settle_checks(struct daemon *d)
{
	struct forwarding *f = d->forwarding;

	if (f && f->checks)
		check_programs_keep(f->checks, f->check_interfaces, f->n_check_interfaces);
}

int forwarding_check_path(const struct daemon *d, const struct live_service *s,
			  const struct live_backend *b, struct check_path *ret)
{
	const struct forwarding *f = d->forwarding;
	struct address *vips;
	size_t n;

	*ret = (struct check_path){.forward = FORWARD_SPLICE};
	n = find_vips(f, s, b, NULL);
	if (n == 0 || !f->checks || !check_programs_are_at(f->checks, find_way(f, s, b)->interface))
		return 0;
	vips = calloc(n, sizeof(vips[0]));
	if (!vips)
		return -ENOMEM;
	*ret = (struct check_path){
		.forward = s->settings.forward,
		.vips = vips,
		.n_vips = find_vips(f, s, b, vips),
		.entries = check_programs_entries(f->checks),
	};
	return 0;
}

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	for (const uint8_t *p = data; size > 0; size--)
		hash = (hash ^ *p++) * 0x100000001b3;
	return hash;
}

uint64_t forwarding_check_key(const struct daemon *d, const struct live_service *s,
			      const struct live_backend *b)
{
	const struct forwarding *f = d->forwarding;
	uint64_t hash = 0xcbf29ce484222325;

	if (find_vips(f, s, b, NULL) == 0)
		return 0;
	hash = mix(hash, &find_way(f, s, b)->interface, sizeof(uint32_t));
	for (size_t i = 0; i < s->n_listeners; i++)
		if (is_forwarded(f, s, &s->listeners[i].address))
			hash = mix(hash, s->listeners[i].address.ip,
				   sizeof(s->listeners[i].address.ip));
	return hash;
}

/* Answers may come in by others than before. */
static bool interfaces_differ(const struct daemon *d)
{
	const struct forwarding *f = d->forwarding;
	uint32_t now[CHECK_INTERFACES_MAX];
	size_t n = find_interfaces(d, now, CHECK_INTERFACES_MAX);

	return n != f->n_check_interfaces ||
	       memcmp(now, f->check_interfaces, n * sizeof(now[0])) != 0;
}

bool forwarding_checks_differ(const struct daemon *d)
{
	if (interfaces_differ(d))
		return true;
	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];

		for (size_t j = 0; j < s->n_backends; j++)
			if (s->backends[j].check_key != forwarding_check_key(d, s, &s->backends[j]))
				return true;
	}
	return false;
}
