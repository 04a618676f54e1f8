// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "prefix.h"
#include "text.h"

#define MAPPED_BITS 96 /* before an IPv4 address in its mapped form */

void prefix_mask(uint8_t ip[16], unsigned bits)
{
	unsigned whole = bits / 8;

	if (bits >= 128)
		return;
	ip[whole] &= (uint8_t)(0xff00 >> bits % 8);
	memset(ip + whole + 1, 0, 16 - whole - 1);
}

/* The mapped form makes one rule for both families. */
static int parse_ip(const char *text, struct prefix *p)
{
	if (strchr(text, ':')) {
		p->family = ADDRESS_IPV6;
		return inet_pton(AF_INET6, text, p->ip) == 1 ? 0 : -EINVAL;
	}
	p->family = ADDRESS_IPV4;
	memset(p->ip, 0, 10);
	memset(p->ip + 10, 0xff, 2);
	return inet_pton(AF_INET, text, p->ip + 12) == 1 ? 0 : -EINVAL;
}

static bool is_mapped(const struct prefix *p)
{
	static const uint8_t start[12] = {[10] = 0xff, [11] = 0xff};

	return p->family == ADDRESS_IPV6 && !memcmp(p->ip, start, sizeof(start));
}

int prefix_parse(const char *text, struct prefix *ret, const char **ret_why)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	struct prefix p = {};
	char ip[INET6_ADDRSTRLEN];
	uint8_t masked[16];
	uint64_t bits;
	unsigned most;

	*ret_why = "not an IP address";
	if (length >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, length);
	ip[length] = '\0';
	if (parse_ip(ip, &p) < 0)
		return -EINVAL;
	if (is_mapped(&p)) {
		*ret_why = "an IPv4 address in IPv6 form, write it as an IPv4 address";
		return -EINVAL;
	}
	bits = most = p.family == ADDRESS_IPV4 ? 32 : 128;
	if (slash && (slash[1 + strspn(slash + 1, "0123456789")] ||
		      text_parse_unsigned(slash + 1, most, &bits) < 0)) {
		*ret_why = p.family == ADDRESS_IPV4
				   ? "the length of an IPv4 prefix is a number from 0 to 32"
				   : "the length of an IPv6 prefix is a number from 0 to 128";
		return -EINVAL;
	}
	p.bits = (uint8_t)(bits + (128 - most));
	memcpy(masked, p.ip, sizeof(masked));
	prefix_mask(masked, p.bits);
	if (memcmp(masked, p.ip, sizeof(masked))) {
		*ret_why = "bits are set past the length of the prefix";
		memcpy(p.ip, masked, sizeof(masked));
		*ret = p;
		return -ERANGE;
	}
	*ret = p;
	return 0;
}

char *prefix_print(const struct prefix *p, char *buffer)
{
	bool ipv4 = p->family == ADDRESS_IPV4;
	unsigned bits = ipv4 ? p->bits - MAPPED_BITS : p->bits;
	char ip[INET6_ADDRSTRLEN];

	inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? p->ip + 12 : p->ip, ip, sizeof(ip));
	snprintf(buffer, PREFIX_TEXT_MAX, "%s/%u", ip, bits);
	return buffer;
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->family == b->family && a->bits == b->bits && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->bits != b->bits)
		return a->bits < b->bits ? -1 : 1;
	return memcmp(a->ip, b->ip, sizeof(a->ip));
}

bool prefix_contains(const struct prefix *p, const struct address *a)
{
	uint8_t masked[16];

	if (p->family != a->family)
		return false;
	memcpy(masked, a->ip, sizeof(masked));
	prefix_mask(masked, p->bits);
	return !memcmp(masked, p->ip, sizeof(masked));
}
