/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCP endpoint. IPv4 is held as an IPv4-mapped IPv6 address, so that a client looks the same
 * whether it came in through a dual-stack socket or an IPv4 one.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum address_family {
	ADDRESS_IPV4,
	ADDRESS_IPV6,
	ADDRESS_ANY, /* the wildcard ":PORT": both families, one dual-stack socket */
};

struct address {
	uint8_t ip[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	uint32_t scope; /* interface index of a link-local address, else 0 */
	uint16_t port;	/* host order */
	uint8_t family; /* enum address_family */
	uint8_t unused;
};

/* Longest text is "[ipv6%scope]:port". */
#define ADDRESS_TEXT_MAX 80

/*
 * Reads "192.0.2.1:80", "[2001:db8::1]:80", "[fe80::1%eth0]:80", and, when `wildcard`, ":80" and
 * "*:80". Names are not resolved. Returns 0, or -EINVAL with a static sentence in *ret_why.
 */
int address_parse(const char *text, bool wildcard, struct address *ret, const char **ret_why);

/* Writes the text of `a` to `buffer` (ADDRESS_TEXT_MAX bytes) and returns it. */
char *address_print(const struct address *a, char *buffer);

/* The same without port and brackets. */
char *address_print_ip(const struct address *a, char *buffer);

/* A mapped IPv4 address in a sockaddr_in6 becomes ADDRESS_IPV4. -EAFNOSUPPORT for other families. */
int address_from_sockaddr(const struct sockaddr_storage *sa, struct address *ret);

/* Returns the length of what was written; ADDRESS_ANY becomes [::]. */
socklen_t address_to_sockaddr(const struct address *a, struct sockaddr_storage *ret);

bool address_equal(const struct address *a, const struct address *b);

/* An IPv4 address in its mapped form, as struct address has it. */
bool address_ip_is_mapped(const uint8_t ip[16]);

/* 0.0.0.0, [::] or the dual-stack wildcard. */
bool address_is_wildcard(const struct address *a);
