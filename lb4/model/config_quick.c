// SPDX-License-Identifier: BSD-2-Clause
/* What operators give outside of a file: the quick mode of lb4(8), and single backends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_read.h"
#include "config_value.h"
#include "text.h"

/*
 * The same tree that a file would give, without places, so that one reader judges both. A limit
 * that is reached on the way has added its fault, or was a shortage of memory.
 */
struct build {
	struct yaml_tree tree;
	struct faults *faults;
	bool failed;
};

static const struct mark nowhere = {0, 0};

static void add(struct build *b, const char *text)
{
	b->failed =
		b->failed || !yaml_tree_scalar(&b->tree, text, strlen(text), nowhere, b->faults);
}

static void open_container(struct build *b, const char *key, enum node_kind kind)
{
	if (key)
		add(b, key);
	b->failed = b->failed || !yaml_tree_open(&b->tree, kind, nowhere, b->faults);
}

static void close_container(struct build *b)
{
	if (!b->failed)
		yaml_tree_close(&b->tree);
}

/*
 * Only what one word can say; the fault names the words of the option, which are those of the file
 * and http:/PATH, not what else stands in a file.
 */
static bool judge_check(const char *check, struct faults *faults)
{
	const struct word *known = section_find(&schema_service, "check")->words;
	const char *words[SECTION_SETTINGS_MAX], *near;
	char list[256] = "";
	size_t n = 0;

	if (!strncmp(check, "http:", 5))
		return true;
	for (; known[n].text; n++) {
		if (!strcmp(check, known[n].text))
			return true;
		words[n] = known[n].text;
		if (known[n].value != CHECK_NONE)
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s, ",
				 words[n]);
	}
	words[n++] = "http:/";
	words[n] = NULL;
	faults_add(faults, 0, 0, "check: expected %sor http:/PATH, found \"%s\"", list, check);
	near = strncmp(check, "http", 4) ? text_nearest(check, words) : "http:/";
	if (near)
		faults_hint(faults, "did you mean \"%s\"?", near);
	return false;
}

static void build_check(struct build *b, const char *check)
{
	if (strncmp(check, "http:", 5)) {
		add(b, "check");
		add(b, check);
		return;
	}
	open_container(b, "check", NODE_MAPPING);
	add(b, "http");
	add(b, check + 5);
	close_container(b);
}

static void build(struct build *b, const char *const *listens, size_t n_listen,
		  const char *const *backends, size_t n_backends, const char *check)
{
	open_container(b, NULL, NODE_MAPPING);
	open_container(b, "services", NODE_MAPPING);
	open_container(b, "default", NODE_MAPPING);

	open_container(b, "listen", NODE_SEQUENCE);
	for (size_t i = 0; i < n_listen; i++)
		add(b, listens[i]);
	close_container(b);
	if (check && judge_check(check, b->faults))
		build_check(b, check);
	open_container(b, "backends", NODE_MAPPING);
	for (size_t i = 0; i < n_backends; i++) {
		char name[24];

		snprintf(name, sizeof(name), "b%zu", i + 1);
		add(b, name);
		add(b, backends[i]);
	}
	close_container(b);

	close_container(b);
	close_container(b);
	close_container(b);
}

int config_quick(const char *const *listens, size_t n_listen, const char *const *backends,
		 size_t n_backends, const char *check, struct config **ret,
		 struct config_errors *ret_errors)
{
	struct faults faults = FAULTS_INIT;
	struct build b = {.tree = YAML_TREE_INIT, .faults = &faults};
	_cleanup_(config_freep) struct config *c = NULL;
	int r;

	build(&b, listens, n_listen, backends, n_backends, check);
	if (!b.failed)
		r = config_read(&b.tree, &c, &faults);
	else
		r = faults.no_memory ? -ENOMEM : -EINVAL;
	if (r >= 0)
		c->text = yaml_print(b.tree.nodes);
	yaml_tree_deinit(&b.tree);
	*ret_errors = faults.found;
	if (r < 0)
		return r;
	if (!c->text)
		return -ENOMEM;
	c->text_size = strlen(c->text);
	*ret = take_ptr(c);
	return 0;
}

/* All faults in one sentence, with their hints in parentheses. NULL when memory is short. */
static char *print_faults(const struct config_errors *e)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < e->n_errors; i++) {
		fprintf(f, "%s%s", i ? "; " : "", e->errors[i].message);
		if (e->errors[i].hint)
			fprintf(f, " (%s)", e->errors[i].hint);
	}
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static int refuse_backend(struct faults *faults, char **ret_error)
{
	char *error = faults->no_memory ? NULL : print_faults(&faults->found);

	faults_deinit(faults);
	if (!error)
		return -ENOMEM;
	*ret_error = error;
	return -EINVAL;
}

int backend_config_parse(const char *name, const char *address, uint32_t weight,
			 struct backend_config *ret, char **ret_error)
{
	const struct setting *w = section_find(&schema_backend, "weight");
	struct backend_config backend = {.weight = weight};
	struct yaml_node nodes[] = {
		{.length = (uint32_t)strlen(name), .text = (char *)name},
		{.length = (uint32_t)strlen(address), .text = (char *)address},
	};
	struct faults faults = FAULTS_INIT;
	bool good;

	good = value_check_name("backend", &nodes[0], &faults);
	good &= value_read(section_find(&schema_backend, "address"), &nodes[1], &backend, &faults);
	if (weight > w->max) {
		faults_add(&faults, 0, 0, "weight: %u is out of range, expected %u to %u", weight,
			   (unsigned)w->min, (unsigned)w->max);
		good = false;
	}
	if (!good)
		return refuse_backend(&faults, ret_error);
	backend.name = strdup(name);
	if (!backend.name)
		return -ENOMEM;
	*ret = backend;
	return 0;
}
