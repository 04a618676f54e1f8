/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Edits the text of a configuration so that its services have other backends. Only what changes is
 * touched: comments, order and layout of everything else stay as somebody wrote them.
 */
#pragma once

#include <stddef.h>

#include "config.h"

/* The backends that a service of the file shall have; names and order of others are not looked at. */
struct wanted_service {
	const char *name;
	const struct backend_config *backends; /* at least one */
	size_t n_backends;
};

struct config_edit {
	char *text; /* all of it; with a NUL behind */
	size_t size;
	char *diff;	       /* unified, "" when nothing changes */
	struct config *config; /* what the new text says */
	size_t n_backends;     /* whose lines change */
};

void config_edit_deinit(struct config_edit *e);

/*
 * Edits the text that `file` was read from; services that are not among `wanted` keep their
 * backends. The new text is read again and says exactly what is wanted and, besides that, what
 * `file` says; else that is refused with -EINVAL and a sentence in *ret_error. `path` is how the
 * diff calls it.
 */
int config_edit(const struct config *file, const char *path, const struct wanted_service *wanted,
		size_t n_wanted, struct config_edit *ret, char **ret_error);
