// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which backends of which service change, and whether the text that came out says so. How a mapping
 * is edited depends on how it is written: config_edit_block.c, config_edit_flow.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_diff.h"
#include "config_edit_private.h"

void config_edit_deinit(struct config_edit *e)
{
	free(e->text);
	free(e->diff);
	config_free(e->config);
	*e = (struct config_edit){};
}

const struct backend_config *wanted_find(const struct wanted_service *w, const char *name)
{
	for (size_t i = 0; i < w->n_backends; i++)
		if (!strcmp(w->backends[i].name, name))
			return &w->backends[i];
	return NULL;
}

size_t editor_line_begin(const struct editor *e, size_t at)
{
	while (at > 0 && e->edits.text[at - 1] != '\n')
		at--;
	return at;
}

size_t editor_line_end(const struct editor *e, size_t at)
{
	while (at < e->edits.size && e->edits.text[at] != '\n')
		at++;
	if (at > 0 && at < e->edits.size && e->edits.text[at - 1] == '\r')
		at--;
	return at;
}

bool editor_is_blank(const struct editor *e, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (e->edits.text[i] != ' ' && e->edits.text[i] != '\t')
			return false;
	return true;
}

void editor_stuck(struct editor *e, const struct yaml_node *n)
{
	if (!e->stuck_line)
		e->stuck_line = n->line;
}

const char *quote_of(const struct editor *e, const struct yaml_node *key)
{
	return e->edits.text[key->begin] == '"' ? "\"" : "";
}

static bool is_changed(const struct service_config *file, const struct wanted_service *w)
{
	if (file->n_backends != w->n_backends)
		return true;
	for (size_t i = 0; i < w->n_backends; i++) {
		const struct backend_config *b =
			service_config_find_backend(file, w->backends[i].name);

		if (!b || !backend_config_equal(b, &w->backends[i]))
			return true;
	}
	return false;
}

static void edit_values(struct editor *e, const struct backends_edit *b)
{
	yaml_for_each_pair(key, value, b->mapping) {
		const struct backend_config *from = service_config_find_backend(b->file, key->text);
		const struct backend_config *to = wanted_find(b->wanted, key->text);

		e->n_backends += !to || !backend_config_equal(from, to);
		if (to && !backend_config_equal(from, to))
			edit_backend_value(e, key, value, from, to);
	}
	for (size_t i = 0; i < b->wanted->n_backends; i++)
		e->n_backends += !service_config_find_backend(b->file, b->wanted->backends[i].name);
}

static void edit_service(struct editor *e, const struct yaml_node *services,
			 const struct service_config *file, const struct wanted_service *wanted)
{
	const struct yaml_node *service = yaml_find(services, wanted->name);
	struct backends_edit b = {yaml_find(service, "backends"), file, wanted};

	/* It only passes clients on; others' backends were never its. */
	if (!b.mapping || b.mapping->kind != NODE_MAPPING) {
		editor_stuck(e, service);
		e->bare = wanted->name;
		return;
	}
	edit_values(e, &b);
	if (b.mapping->flow)
		edit_flow_backends(e, &b);
	else
		edit_block_backends(e, &b);
}

/* --- Reading the outcome --- */

static int refuse(char **ret_error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char **ret_error, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(ret_error, format, args);
	va_end(args);
	if (r >= 0)
		return -EINVAL;
	*ret_error = NULL;
	return -ENOMEM;
}

static int judge_settings(const struct config_diff *diff, const char *service, bool *ret_same)
{
	struct setting_changes c = {};
	int r = service ? config_diff_service(diff, service, &c) : config_diff_file(diff, &c);

	*ret_same = c.n == 0;
	setting_changes_deinit(&c);
	return r;
}

static const struct wanted_service *find_wanted(const struct wanted_service *wanted, size_t n,
						const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(wanted[i].name, name))
			return &wanted[i];
	return NULL;
}

/* What is not wanted otherwise is as it was. */
static int judge_service(const struct config_diff *diff, const struct service_config *before,
			 const struct service_config *after, const struct wanted_service *wanted,
			 bool *ret_same)
{
	const struct wanted_service kept = {before->name, before->backends, before->n_backends};

	if (!after || is_changed(after, wanted ? wanted : &kept)) {
		*ret_same = false;
		return 0;
	}
	return judge_settings(diff, before->name, ret_same);
}

static int judge(const struct config *before, const struct config *after,
		 const struct wanted_service *wanted, size_t n_wanted, bool *ret_same)
{
	_cleanup_(config_diff_deinit) struct config_diff diff = {};
	int r = config_diff_init(&diff, before, after);

	if (r >= 0)
		r = judge_settings(&diff, NULL, ret_same);
	*ret_same = r >= 0 && *ret_same && before->n_services == after->n_services;
	for (size_t i = 0; i < before->n_services && r >= 0 && *ret_same; i++) {
		const struct service_config *s = &before->services[i];

		r = judge_service(&diff, s, config_find_service(after, s->name),
				  find_wanted(wanted, n_wanted, s->name), ret_same);
	}
	return r;
}

/* Reads the new text. What lb4 accepts at run time may be more than it accepts in a file. */
static int read_again(const struct config *file, const struct wanted_service *wanted,
		      size_t n_wanted, struct config_edit *e, char **ret_error)
{
	struct config_errors errors;
	bool same;
	int r = config_parse(e->text, e->size, &e->config, &errors);

	if (r == -EINVAL && errors.n_errors)
		r = refuse(ret_error, "lb4 would not read it again: line %u: %s",
			   errors.errors[0].line, errors.errors[0].message);
	config_errors_deinit(&errors);
	if (r < 0)
		return r;
	r = judge(file, e->config, wanted, n_wanted, &same);
	if (r < 0)
		return r;
	return same ? 0 : refuse(ret_error, "it would not say what runs once it is read again");
}

/* --- */

static int edit(const struct config *file, const struct wanted_service *wanted, size_t n_wanted,
		struct editor *e, char **ret_error)
{
	struct yaml_tree tree = YAML_TREE_INIT;
	struct faults faults = FAULTS_INIT;
	const struct yaml_node *services;
	bool no_memory;

	yaml_tree_parse(&tree, file->text, file->text_size, &faults);
	no_memory = faults.no_memory;
	faults_deinit(&faults);
	services = no_memory ? NULL : yaml_find(tree.nodes, "services");
	for (size_t i = 0; i < n_wanted && services; i++) {
		const struct service_config *s = config_find_service(file, wanted[i].name);

		if (s && is_changed(s, &wanted[i]))
			edit_service(e, services, s, &wanted[i]);
	}
	yaml_tree_deinit(&tree);
	if (no_memory)
		return -ENOMEM;
	if (e->bare)
		return refuse(ret_error,
			      "service %s has no backends in it, to which more could be added",
			      e->bare);
	if (e->stuck_line)
		return refuse(ret_error, "line %u is written in a way that cannot be edited",
			      e->stuck_line);
	return 0;
}

static void editor_deinit(struct editor *e)
{
	text_edits_deinit(&e->edits);
}

int config_edit(const struct config *file, const char *path, const struct wanted_service *wanted,
		size_t n_wanted, struct config_edit *ret, char **ret_error)
{
	_cleanup_(editor_deinit) struct editor e = {
		.edits = {.text = file->text, .size = file->text_size},
		.newline = strstr(file->text, "\r\n") ? "\r\n" : "\n",
	};
	int r;

	*ret = (struct config_edit){};
	r = edit(file, wanted, n_wanted, &e, ret_error);
	if (r >= 0)
		r = text_edits_apply(&e.edits, &ret->text, &ret->size);
	if (r == -EINVAL && !*ret_error)
		return refuse(ret_error, "its lines are too entangled to be edited");
	if (r < 0)
		return r;
	ret->n_backends = e.n_backends;
	ret->diff = text_edits_diff(&e.edits, path);
	if (!ret->diff)
		return -ENOMEM;
	return read_again(file, wanted, n_wanted, ret, ret_error);
}
