/* SPDX-License-Identifier: BSD-2-Clause */
/* A range of IP addresses with a common prefix (CIDR notation, RFC 4632 §3.1 and RFC 4291 §2.3). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

struct prefix {
	uint8_t ip[16]; /* as in struct address; bits past `bits` are 0 */
	uint8_t bits;	/* of these 16 bytes: an IPv4 prefix has 96 more than it is written with */
	uint8_t family; /* ADDRESS_IPV4 or ADDRESS_IPV6 */
};

#define PREFIX_TEXT_MAX 64

/*
 * Reads "10.0.0.0/8", "2001:db8::/32", and an address without a length as that address alone.
 * Returns 0, or -EINVAL with a static sentence in *ret_why. With -ERANGE bits past the length were
 * set: *ret is then the prefix that was probably meant.
 */
int prefix_parse(const char *text, struct prefix *ret, const char **ret_why);

/* Writes the text of `p` to `buffer` (PREFIX_TEXT_MAX bytes) and returns it. */
char *prefix_print(const struct prefix *p, char *buffer);

bool prefix_equal(const struct prefix *a, const struct prefix *b);

/* An order in which equal ones meet. */
int prefix_compare(const struct prefix *a, const struct prefix *b);

/* Whether `a` lies in it; addresses of the other family never do. */
bool prefix_contains(const struct prefix *p, const struct address *a);

/* Clears what is past the first `bits` of the 16 bytes. */
void prefix_mask(uint8_t ip[16], unsigned bits);
