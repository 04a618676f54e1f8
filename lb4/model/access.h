/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may connect, by address: `allow` and `deny` of a service. The longest prefix that holds an
 * address decides. Who is in none of them is let in, unless there is an allow list.
 *
 * Made by main, then never changed, and counted: snapshots share it, workers ask it. The nested
 * prefixes are laid out side by side as ranges, so a look-up is one binary search however many
 * there are, whatever their lengths.
 */
#pragma once

#include <stdbool.h>

struct access;
struct address;
struct prefix_list;

/*
 * NULL lists are empty. No prefix may be in both (lb4.yaml(5) refuses it). 0, *ret NULL when there
 * is no rule at all; or -ENOMEM.
 */
int access_new(const struct prefix_list *allow, const struct prefix_list *deny,
	       struct access **ret);

struct access *access_ref(struct access *a);
struct access *access_unref(struct access *a);

/* NULL lets everybody in. */
bool access_admits(const struct access *a, const struct address *client);
