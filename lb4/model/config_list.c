// SPDX-License-Identifier: BSD-2-Clause
/* Settings that are lists of equals: texts and prefixes. One value may stand without brackets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_value.h"
#include "prefix_list.h"
#include "text.h"

/* The entries of a sequence, or the scalar itself. */
#define for_each_entry(entry, n)                                                                   \
	for (const struct yaml_node *entry = (n)->kind == NODE_SEQUENCE ? yaml_first(n) : (n);     \
	     entry; entry = (n)->kind == NODE_SEQUENCE ? yaml_next(n, entry) : NULL)

static size_t count_entries(const struct yaml_node *n)
{
	return n->kind == NODE_SEQUENCE ? yaml_count(n) : 1;
}

static bool is_list(const struct setting *s, const struct yaml_node *n, struct faults *faults)
{
	size_t count = count_entries(n);

	if (count == 0 && n->open)
		return false; /* what the file breaks off in was told */
	if (n->kind == NODE_MAPPING || count == 0) {
		value_refuse_kind(s, n, faults);
		faults_hint(faults, "%s: %s", s->key, s->description);
		return false;
	}
	if (count <= s->max)
		return true;
	faults_add(faults, n->line, n->column, "%s: %zu are too many, at most %u are supported",
		   s->key, count, (unsigned)s->max);
	faults_hint(faults, "%s: %s", s->key, s->description);
	return false;
}

static bool is_scalar(const struct setting *s, const struct yaml_node *n, struct faults *faults)
{
	if (n->kind == NODE_REFUSED)
		return false;
	if (n->kind == NODE_SCALAR && !yaml_is_null(n))
		return !value_holds_nul(s->key, n, faults);
	value_refuse_kind(s, n, faults);
	faults_hint(faults, "%s: %s", s->key, s->description);
	return false;
}

static bool read_text(const struct setting *s, const struct yaml_node *n, char **ret,
		      struct faults *faults)
{
	char quoted[QUOTED_MAX];
	const char *why = NULL;

	if (!is_scalar(s, n, faults))
		return false;
	if (n->length > LIST_TEXT_MAX)
		why = "longer than 1024 bytes";
	else if (s->refuse)
		why = s->refuse(n->text);
	if (why) {
		faults_add(faults, n->line, n->column, "%s: %s: %s", s->key,
			   faults_quote(n->text, n->length, quoted), why);
		faults_hint(faults, "%s: %s", s->key, s->description);
		return false;
	}
	*ret = strdup(n->text);
	if (!*ret)
		faults->no_memory = true;
	return *ret;
}

bool value_read_texts(const struct setting *s, const struct yaml_node *n, void *target,
		      struct faults *faults)
{
	char ***into = (char ***)(void *)((char *)target + s->into.offset);
	size_t i = 0;
	bool good = true;
	char **list;

	if (!is_list(s, n, faults))
		return false;
	list = calloc(count_entries(n) + 1, sizeof(list[0]));
	if (!list) {
		faults->no_memory = true;
		return false;
	}
	for_each_entry(entry, n)
	{
		if (!read_text(s, entry, &list[i], faults)) {
			good = false;
			continue;
		}
		i++;
	}
	text_list_free(*into);
	*into = list;
	return good;
}

static bool read_prefix(const struct setting *s, const struct yaml_node *n, struct prefix *ret,
			struct faults *faults)
{
	char quoted[QUOTED_MAX], meant[PREFIX_TEXT_MAX];
	const char *why;
	int r;

	if (!is_scalar(s, n, faults))
		return false;
	r = prefix_parse(n->text, ret, &why);
	if (r == 0)
		return true;
	faults_add(faults, n->line, n->column, "%s: %s: %s", s->key,
		   faults_quote(n->text, n->length, quoted), why);
	if (r == -ERANGE)
		faults_hint(faults, "did you mean %s?", prefix_print(ret, meant));
	value_hint_word(s, n, faults);
	if (faults_want_hint(faults))
		faults_hint(faults, "write it as 10.0.0.0/8, 2001:db8::/32 or a bare address");
	return false;
}

struct read_prefix {
	const struct prefix *prefix;
	const struct yaml_node *node;
};

/* Equal ones meet, in the order of the file. */
static int compare_read(const void *a, const void *b)
{
	const struct read_prefix *x = a, *y = b;
	int r = prefix_compare(x->prefix, y->prefix);

	return r ? r : x->prefix < y->prefix ? -1 : 1;
}

/* The same prefix twice is a slip of the pen that hides another. */
static bool are_distinct(const struct setting *s, struct read_prefix *list, size_t n,
			 struct faults *faults)
{
	char quoted[QUOTED_MAX];
	bool good = true;

	qsort(list, n, sizeof(list[0]), compare_read);
	for (size_t i = 1; i < n; i++) {
		const struct yaml_node *node = list[i].node;

		if (!prefix_equal(list[i - 1].prefix, list[i].prefix))
			continue;
		faults_add(faults, node->line, node->column, "%s: %s stands here twice", s->key,
			   faults_quote(node->text, node->length, quoted));
		faults_hint(faults, "remove one of them");
		good = false;
	}
	return good;
}

bool value_read_prefixes(const struct setting *s, const struct yaml_node *n, void *target,
			 struct faults *faults)
{
	struct field field = s->words ? s->also_into : s->into;
	struct prefix_list **into = (struct prefix_list **)(void *)((char *)target + field.offset);
	_cleanup_(freep) struct read_prefix *read = NULL;
	struct prefix_list *list;
	bool good = true;
	size_t i = 0;

	if (!is_list(s, n, faults))
		return false;
	list = prefix_list_new(count_entries(n));
	read = calloc(count_entries(n) + 1, sizeof(read[0]));
	if (!list || !read) {
		prefix_list_unref(list);
		faults->no_memory = true;
		return false;
	}
	for_each_entry(entry, n)
	{
		if (read_prefix(s, entry, &list->items[i], faults)) {
			read[i] = (struct read_prefix){&list->items[i], entry};
			i++;
		} else {
			good = false;
		}
	}
	list->n = i;
	good &= are_distinct(s, read, i, faults);
	prefix_list_unref(*into);
	*into = list;
	return good;
}

bool value_read_list(const struct setting *s, const struct yaml_node *n, void *target,
		     struct faults *faults)
{
	return s->type == SETTING_TEXTS ? value_read_texts(s, n, target, faults)
					: value_read_prefixes(s, n, target, faults);
}
