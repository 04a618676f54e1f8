// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_private.h"
#include "log.h"
#include "route.h"
#include "socket.h"
#include "source_address.h"
#include "source_check.h"

#define MARKS_MAX 64

static int try_bind(const struct address *source, bool foreign)
{
	_cleanup_(closep) int fd = -1;
	int r = socket_new(source, &fd);

	return r < 0 ? r : socket_bind_source(fd, source, foreign);
}

static int check_address(const struct service_config *s, const struct address *a, char **ret_error)
{
	char text[ADDRESS_TEXT_MAX];
	int r = route_is_here(a);

	if (r == 0)
		return daemon_refuse(ret_error, -EADDRNOTAVAIL,
				     "service %s: source_address %s is no address of this machine; "
				     "give it one with ip address add, or a whole range with "
				     "ip route add local RANGE dev lo",
				     s->name, address_print_ip(a, text));
	if (r < 0)
		return daemon_refuse(ret_error, r, "service %s: source_address %s: %s", s->name,
				     address_print_ip(a, text), strerrordesc_np(-r));
	return 0;
}

/* The ends of each range stand for what lies between. */
static int check_listed(const struct service_config *s, char **ret_error)
{
	const struct prefix_list *list = s->settings.source_addresses;

	for (size_t i = 0; list && i < list->n; i++) {
		uint64_t count = 1ull << (128 - list->items[i].bits);

		for (uint64_t n = 0; n<count; n += count> 1 ? count - 1 : 1) {
			struct address a = {.family = list->items[i].family};
			int r;

			memcpy(a.ip, list->items[i].ip, sizeof(a.ip));
			a.ip[15] |= (uint8_t)n;
			a.ip[14] |= (uint8_t)(n >> 8);
			r = check_address(s, &a, ret_error);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Somebody far away: of the ranges for documentation, which no network has. */
static struct address stranger(enum address_family family)
{
	struct address a;
	const char *why;

	address_parse(family == ADDRESS_IPV4 ? "198.51.100.1:1" : "[2001:db8:ffff::1]:1", false, &a,
		      &why);
	a.port = 0;
	return a;
}

/* Whether a backend's answer to a client's address comes to this machine, with some mark or none. */
static bool answers_come_back(const struct address *backend)
{
	struct address client = stranger(backend->family);
	uint32_t marks[MARKS_MAX];
	int n = route_rule_marks(backend->family, marks, MARKS_MAX);

	if (route_is_local(backend, &client, 0) == 1)
		return true;
	for (int i = 0; i < n; i++)
		if (route_is_local(backend, &client, marks[i]) == 1)
			return true;
	return false;
}

static int check_transparent(const struct service_config *s, char **ret_error)
{
	for (size_t i = 0; i < s->n_backends; i++) {
		const struct address *backend = &s->backends[i].address;
		struct address client = stranger(backend->family);
		const char *option = backend->family == ADDRESS_IPV4 ? "" : "-6 ";
		int r = try_bind(&client, true);

		if (r == -EPERM)
			return daemon_refuse(ret_error, r,
					     "service %s: source_address: transparent needs the "
					     "capability CAP_NET_ADMIN",
					     s->name);
		if (r < 0)
			return daemon_refuse(ret_error, r,
					     "service %s: source_address: transparent: %s", s->name,
					     strerrordesc_np(-r));
		if (answers_come_back(backend))
			continue;
		log_warning(
			"service %s: source_address: transparent, but what %s answers to "
			"clients would not come back to lb4: mark the packets of transparent "
			"sockets (nft: meta l4proto tcp socket transparent 1 meta mark set 1) and "
			"deliver them here (ip %srule add fwmark 1 lookup 100; ip %sroute add "
			"local default dev lo table 100); the backend's way to the clients must "
			"lead here",
			s->name, s->backends[i].name, option, option);
		return 0; /* the others lack the same */
	}
	return 0;
}

int source_check(const struct service_config *service, char **ret_error)
{
	if (service->settings.transparent)
		return check_transparent(service, ret_error);
	return check_listed(service, ret_error);
}
