/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How two configurations differ, setting by setting, in the words of their texts. Values are
 * compared, not spellings: 2s is 2000ms, and what stands there is the same as its default.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "schema.h"
#include "yaml_tree.h"

struct setting_change {
	const struct setting *setting;
	char *key;	 /* "check.interval" */
	char *old, *new; /* as they would stand in a file; NULL: not set, and without a default */
};

struct setting_changes {
	struct setting_change *items; /* in the order of the schema */
	size_t n;
};

void setting_changes_deinit(struct setting_changes *c);

/* The two being compared; they must outlive it. */
struct config_diff {
	const struct config *old, *new;
	struct yaml_tree old_tree, new_tree;
};

/* `old` NULL: nothing but defaults. Deinit in all cases. 0 or -ENOMEM. */
int config_diff_init(struct config_diff *d, const struct config *old, const struct config *new);
void config_diff_deinit(struct config_diff *d);

/* What is outside of services. Deinit *ret in all cases; 0 or -ENOMEM. */
int config_diff_file(const struct config_diff *d, struct setting_changes *ret);

/* The settings of a service that both have; its backends are left out. */
int config_diff_service(const struct config_diff *d, const char *name, struct setting_changes *ret);

/* The settings of one backend; names are not looked at. */
int backend_config_diff(const struct backend_config *old, const struct backend_config *new,
			struct setting_changes *ret);
bool backend_config_equal(const struct backend_config *a, const struct backend_config *b);
