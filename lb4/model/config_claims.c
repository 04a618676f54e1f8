// SPDX-License-Identifier: BSD-2-Clause
/* Addresses that only one may have: no two listeners, no two backends of a service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_read.h"

void claims_add(struct claims *c, const struct address *address, const struct yaml_node *node,
		const char *owner, struct faults *faults)
{
	if (c->n == c->n_allocated) {
		size_t n = c->n_allocated ? 2 * c->n_allocated : 16;
		struct claim *items = reallocarray(c->items, n, sizeof(*items));

		if (!items) {
			faults->no_memory = true;
			return;
		}
		c->items = items;
		c->n_allocated = n;
	}
	c->items[c->n++] = (struct claim){*address, node, owner};
}

static int compare_places(const struct address *a, const struct address *b)
{
	bool wildcards[2] = {address_is_wildcard(a), address_is_wildcard(b)};
	int order;

	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (wildcards[0] != wildcards[1])
		return wildcards[0] ? -1 : 1;
	if (wildcards[0])
		return 0;
	order = memcmp(a->ip, b->ip, sizeof(a->ip));
	if (order)
		return order;
	return a->scope == b->scope ? 0 : a->scope < b->scope ? -1 : 1;
}

/* By port; in it the wildcards first, then by address; equals in the order of the file. */
static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = *(const struct claim *const *)a,
			   *y = *(const struct claim *const *)b;
	int order = compare_places(&x->address, &y->address);

	return order ? order : x->node < y->node ? -1 : 1;
}

/* NULL when there are none, or memory is short. */
static const struct claim **sort(const struct claims *c, struct faults *faults)
{
	const struct claim **sorted;

	if (c->n == 0)
		return NULL;
	sorted = calloc(c->n, sizeof(sorted[0]));
	if (!sorted) {
		faults->no_memory = true;
		return NULL;
	}
	for (size_t i = 0; i < c->n; i++)
		sorted[i] = &c->items[i];
	qsort(sorted, c->n, sizeof(sorted[0]), compare_claims);
	return sorted;
}

/* " on line 3", or nothing for what came from no file. */
static const char *on_line(const struct yaml_node *n, char buffer[24])
{
	buffer[0] = '\0';
	if (n->line)
		snprintf(buffer, 24, " on line %u", n->line);
	return buffer;
}

static bool refuse_overlap(struct reader *r, const struct claim *a, const struct claim *b)
{
	const struct claim *first = a->node < b->node ? a : b, *second = first == a ? b : a;
	char texts[2][ADDRESS_TEXT_MAX], line[24];
	bool same = address_equal(&a->address, &b->address);

	faults_add(r->faults, second->node->line, second->node->column,
		   "listen: \"%s\" %s \"%s\" of service \"%s\"%s",
		   address_print(&second->address, texts[0]), same ? "repeats" : "overlaps",
		   address_print(&first->address, texts[1]), first->owner,
		   on_line(first->node, line));
	if (same)
		faults_hint(r->faults, "an address can be listened on once");
	else
		faults_hint(r->faults, "list single addresses instead of the wildcard");
	return false;
}

static bool covers(const struct address *a, enum address_family family)
{
	return a->family == ADDRESS_ANY || a->family == family;
}

/*
 * SO_REUSEPORT lets all of these bind. Then equal addresses of two services share their clients at
 * random, and of ":80" and "[::]:80" the one bound first gets them. A wildcard beside a single
 * address has a certain meaning, but not one to find out by reading the file.
 */
bool rule_listen_addresses(struct reader *r)
{
	_cleanup_(freep) const struct claim **sorted = sort(&r->listens, r->faults);
	const struct claim *last = NULL, *wild[2] = {};
	bool good = true;

	for (size_t i = 0; sorted && i < r->listens.n; i++) {
		const struct claim *c = sorted[i], *other = NULL;
		bool wildcard = address_is_wildcard(&c->address);

		if (!last || last->address.port != c->address.port)
			wild[ADDRESS_IPV4] = wild[ADDRESS_IPV6] = last = NULL;
		for (int family = ADDRESS_IPV4; family <= ADDRESS_IPV6; family++) {
			if (!covers(&c->address, family))
				continue;
			if (wild[family])
				other = wild[family];
			else if (wildcard)
				wild[family] = c;
		}
		if (!other && last && !wildcard && !compare_places(&last->address, &c->address))
			other = last;
		if (other)
			good = refuse_overlap(r, other, c);
		if (!other || !last)
			last = c;
	}
	return good;
}

static bool is_loopback(const struct address *a)
{
	static const uint8_t loopback[16] = {[15] = 1};

	if (a->family == ADDRESS_IPV4)
		return a->ip[12] == 127;
	return !memcmp(a->ip, loopback, sizeof(loopback));
}

/* Whether a connection to `to` would arrive at `listen`, as far as the file can tell. */
static bool arrives_at(const struct address *to, const struct address *listen)
{
	if (address_equal(to, listen))
		return true;
	return to->port == listen->port && address_is_wildcard(listen) &&
	       covers(listen, to->family) && is_loopback(to);
}

static bool refuse_loops(struct reader *r)
{
	char texts[2][ADDRESS_TEXT_MAX];
	bool good = true;

	for (size_t i = 0; i < r->backends.n; i++) {
		const struct claim *b = &r->backends.items[i];

		for (size_t j = r->first_listen; j < r->listens.n; j++) {
			const struct address *listen = &r->listens.items[j].address;

			if (!arrives_at(&b->address, listen))
				continue;
			faults_add(r->faults, b->node->line, b->node->column,
				   "backend \"%s\": %s is where the service itself listens (%s)",
				   b->owner, address_print(&b->address, texts[0]),
				   address_print(listen, texts[1]));
			faults_hint(r->faults, "lb4 would connect to itself");
			good = false;
			break;
		}
	}
	return good;
}

bool rule_backend_addresses(struct reader *r)
{
	_cleanup_(freep) const struct claim **sorted = sort(&r->backends, r->faults);
	const struct claim *first = NULL;
	char text[ADDRESS_TEXT_MAX], line[24];
	bool good = refuse_loops(r);

	for (size_t i = 0; sorted && i < r->backends.n; i++) {
		const struct claim *c = sorted[i];

		if (!first || !address_equal(&first->address, &c->address)) {
			first = c;
			continue;
		}
		faults_add(r->faults, c->node->line, c->node->column,
			   "backend \"%s\": %s is already the address of backend \"%s\"%s",
			   c->owner, address_print(&c->address, text), first->owner,
			   on_line(first->node, line));
		faults_hint(r->faults, "a larger share is a higher weight");
		good = false;
	}
	return good;
}
