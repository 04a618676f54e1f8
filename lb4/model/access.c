// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cleanup.h"
#include "prefix_list.h"

typedef unsigned __int128 ip_t; /* an address as a number */

#define IP_MAX	   (~(ip_t)0)
#define NESTED_MAX 130 /* prefixes around an address, one a length, and the world around them */

/* Ranges side by side, each from its first address to before the next one's. */
struct ranges {
	ip_t *firsts;
	bool *admitted;
	size_t n;
};

struct access {
	_Atomic uint32_t refs;
	struct ranges ipv4, ipv6;
};

struct rule {
	ip_t first;
	uint8_t bits;
	bool admitted;
};

static ip_t to_number(const uint8_t ip[16])
{
	ip_t n = 0;

	for (unsigned i = 0; i < 16; i++)
		n = n << 8 | ip[i];
	return n;
}

static ip_t last_of(const struct rule *r)
{
	return r->bits == 128 ? r->first : r->first | IP_MAX >> r->bits;
}

/* The outer before the inner, and otherwise by address. */
static int compare_rules(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (int)x->bits - (int)y->bits;
}

static size_t gather(const struct prefix_list *l, uint8_t family, bool admitted, struct rule *rules)
{
	size_t n = 0;

	for (size_t i = 0; l && i < l->n; i++) {
		const struct prefix *p = &l->items[i];

		if (p->family == family)
			rules[n++] = (struct rule){to_number(p->ip), p->bits, admitted};
	}
	return n;
}

/* From `first` on, until something else is said. */
static void begin_range(struct ranges *r, ip_t first, bool admitted)
{
	if (r->n && r->firsts[r->n - 1] == first)
		r->n--;
	if (r->n && r->admitted[r->n - 1] == admitted)
		return;
	r->firsts[r->n] = first;
	r->admitted[r->n++] = admitted;
}

/* `rules` sorted: a prefix ends before the next one begins, or holds all of it. */
static void lay_out(struct ranges *r, const struct rule *rules, size_t n, bool otherwise)
{
	struct {
		ip_t last;
		bool admitted;
	} around[NESTED_MAX] = {{IP_MAX, otherwise}};
	size_t depth = 1;

	begin_range(r, 0, otherwise);
	for (size_t i = 0; i <= n; i++) {
		/* After the last rule, everything around that ends before the world does. */
		while (depth > 1 && (i == n || around[depth - 1].last < rules[i].first)) {
			ip_t last = around[--depth].last;

			if (last != IP_MAX)
				begin_range(r, last + 1, around[depth - 1].admitted);
		}
		if (i == n)
			return;
		around[depth].last = last_of(&rules[i]);
		around[depth++].admitted = rules[i].admitted;
		begin_range(r, rules[i].first, rules[i].admitted);
	}
}

static int make_ranges(struct ranges *r, uint8_t family, const struct prefix_list *allow,
		       const struct prefix_list *deny)
{
	size_t n_most = (allow ? allow->n : 0) + (deny ? deny->n : 0), n;
	_cleanup_(freep) struct rule *rules = calloc(n_most + 1, sizeof(rules[0]));

	if (!rules)
		return -ENOMEM;
	n = gather(allow, family, true, rules);
	n += gather(deny, family, false, rules + n);
	qsort(rules, n, sizeof(rules[0]), compare_rules);

	/* Each rule begins a range and may begin another where it ends. */
	r->firsts = calloc(2 * n + 1, sizeof(r->firsts[0]));
	r->admitted = calloc(2 * n + 1, sizeof(r->admitted[0]));
	if (!r->firsts || !r->admitted)
		return -ENOMEM;
	lay_out(r, rules, n, !allow || allow->n == 0);
	return 0;
}

static void ranges_deinit(struct ranges *r)
{
	free(r->firsts);
	free(r->admitted);
}

int access_new(const struct prefix_list *allow, const struct prefix_list *deny, struct access **ret)
{
	struct access *a;
	int r;

	if ((!allow || allow->n == 0) && (!deny || deny->n == 0)) {
		*ret = NULL;
		return 0;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	atomic_init(&a->refs, 1);
	r = make_ranges(&a->ipv4, ADDRESS_IPV4, allow, deny);
	if (r >= 0)
		r = make_ranges(&a->ipv6, ADDRESS_IPV6, allow, deny);
	if (r < 0) {
		access_unref(a);
		return r;
	}
	*ret = a;
	return 0;
}

struct access *access_ref(struct access *a)
{
	if (a)
		atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	return a;
}

struct access *access_unref(struct access *a)
{
	if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	ranges_deinit(&a->ipv4);
	ranges_deinit(&a->ipv6);
	free(a);
	return NULL;
}

bool access_admits(const struct access *a, const struct address *client)
{
	const struct ranges *r;
	size_t low = 0, high;
	ip_t ip;

	if (!a)
		return true;
	r = client->family == ADDRESS_IPV4 ? &a->ipv4 : &a->ipv6;
	ip = to_number(client->ip);
	/* The range that begins at `low` begins at or before it, that at `high` after it. */
	for (high = r->n; high - low > 1;) {
		size_t middle = low + (high - low) / 2;

		if (r->firsts[middle] <= ip)
			low = middle;
		else
			high = middle;
	}
	return r->admitted[low];
}
