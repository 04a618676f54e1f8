// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static int parse_port(const char *text, uint16_t *ret, const char **ret_why)
{
	unsigned port = 0;

	if (!*text) {
		*ret_why = "the port is missing";
		return -EINVAL;
	}
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9') {
			*ret_why = "the port is not a number";
			return -EINVAL;
		}
		port = port * 10 + (unsigned)(*p - '0');
		if (port > 65535) {
			*ret_why = "the port is above 65535";
			return -EINVAL;
		}
	}
	if (port == 0) {
		*ret_why = "port 0 is not a port";
		return -EINVAL;
	}
	*ret = (uint16_t)port;
	return 0;
}

static void set_ipv4(struct address *a, const struct in_addr *ip)
{
	memcpy(a->ip, mapped_prefix, sizeof(mapped_prefix));
	memcpy(a->ip + 12, ip, 4);
	a->family = ADDRESS_IPV4;
}

static void set_ipv6(struct address *a, const uint8_t ip[16])
{
	memcpy(a->ip, ip, 16);
	a->family = memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) ? ADDRESS_IPV6 : ADDRESS_IPV4;
}

static int parse_ipv6(const char *text, size_t length, struct address *a, const char **ret_why)
{
	char host[ADDRESS_TEXT_MAX];
	struct in6_addr ip;
	char *percent;

	if (length >= sizeof(host)) {
		*ret_why = "the IPv6 address is too long";
		return -EINVAL;
	}
	memcpy(host, text, length);
	host[length] = '\0';

	percent = strchr(host, '%');
	if (percent) {
		*percent = '\0';
		a->scope = if_nametoindex(percent + 1);
		if (a->scope == 0) {
			*ret_why = "the interface after '%' does not exist";
			return -EINVAL;
		}
	}
	if (inet_pton(AF_INET6, host, &ip) != 1) {
		*ret_why = "what stands in brackets is not an IPv6 address";
		return -EINVAL;
	}
	set_ipv6(a, ip.s6_addr);
	if (a->scope && a->family == ADDRESS_IPV4) {
		*ret_why = "an IPv4 address has no interface";
		return -EINVAL;
	}
	return 0;
}

int address_parse(const char *text, bool wildcard, struct address *ret, const char **ret_why)
{
	struct address a = {};
	char host[INET_ADDRSTRLEN];
	struct in_addr ipv4;
	const char *colon;
	size_t length;
	int r;

	if (*text == '[') {
		const char *end = strchr(text, ']');

		if (!end || end[1] != ':') {
			*ret_why = "expected [ADDRESS]:PORT";
			return -EINVAL;
		}
		r = parse_ipv6(text + 1, (size_t)(end - text - 1), &a, ret_why);
		if (r < 0)
			return r;
		colon = end + 1;
	} else {
		colon = strrchr(text, ':');
		if (!colon) {
			*ret_why = "the port is missing, expected ADDRESS:PORT";
			return -EINVAL;
		}
		if (strchr(text, ':') != colon) {
			*ret_why = "an IPv6 address is written in brackets, [ADDRESS]:PORT";
			return -EINVAL;
		}
		length = (size_t)(colon - text);
		if (length == 0 || (length == 1 && *text == '*')) {
			if (!wildcard) {
				*ret_why = "the address is missing, expected ADDRESS:PORT";
				return -EINVAL;
			}
			a.family = ADDRESS_ANY;
		} else {
			if (length >= sizeof(host)) {
				*ret_why = "not an IP address (names are not resolved)";
				return -EINVAL;
			}
			memcpy(host, text, length);
			host[length] = '\0';
			if (inet_pton(AF_INET, host, &ipv4) != 1) {
				*ret_why = "not an IP address (names are not resolved)";
				return -EINVAL;
			}
			set_ipv4(&a, &ipv4);
		}
	}

	r = parse_port(colon + 1, &a.port, ret_why);
	if (r < 0)
		return r;
	if (!wildcard && address_is_wildcard(&a)) {
		*ret_why = "a wildcard is not an address to connect to";
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

char *address_print_ip(const struct address *a, char *buffer)
{
	char interface[IF_NAMESIZE];

	if (a->family == ADDRESS_ANY) {
		strcpy(buffer, "*");
		return buffer;
	}
	if (a->family == ADDRESS_IPV4) {
		inet_ntop(AF_INET, a->ip + 12, buffer, ADDRESS_TEXT_MAX);
		return buffer;
	}
	inet_ntop(AF_INET6, a->ip, buffer, ADDRESS_TEXT_MAX);
	if (a->scope && if_indextoname(a->scope, interface)) {
		strcat(buffer, "%");
		strcat(buffer, interface);
	}
	return buffer;
}

char *address_print(const struct address *a, char *buffer)
{
	char ip[ADDRESS_TEXT_MAX];

	address_print_ip(a, ip);
	if (a->family == ADDRESS_ANY)
		snprintf(buffer, ADDRESS_TEXT_MAX, ":%u", a->port);
	else if (a->family == ADDRESS_IPV4)
		snprintf(buffer, ADDRESS_TEXT_MAX, "%.15s:%u", ip, a->port);
	else
		snprintf(buffer, ADDRESS_TEXT_MAX, "[%.70s]:%u", ip, a->port);
	return buffer;
}

int address_from_sockaddr(const struct sockaddr_storage *sa, struct address *ret)
{
	struct address a = {};

	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		set_ipv4(&a, &in->sin_addr);
		a.port = ntohs(in->sin_port);
	} else if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

		set_ipv6(&a, in6->sin6_addr.s6_addr);
		a.port = ntohs(in6->sin6_port);
		a.scope = in6->sin6_scope_id;
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = a;
	return 0;
}

socklen_t address_to_sockaddr(const struct address *a, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->family == ADDRESS_IPV4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;

		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip + 12, 4);
		return sizeof(*in);
	}

	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	in6->sin6_scope_id = a->scope;
	memcpy(&in6->sin6_addr, a->ip, 16); /* all zero for ADDRESS_ANY */
	return sizeof(*in6);
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       !memcmp(a->ip, b->ip, sizeof(a->ip));
}

bool address_is_wildcard(const struct address *a)
{
	static const uint8_t zero[16];

	if (a->family == ADDRESS_IPV4)
		return !memcmp(a->ip + 12, zero, 4);
	return !memcmp(a->ip, zero, sizeof(a->ip));
}

bool address_ip_is_mapped(const uint8_t ip[16])
{
	static const uint8_t start[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(ip, start, sizeof(start));
}
