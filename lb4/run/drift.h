/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drift: how the backends that run differ from the file that was loaded, by name, because operators
 * changed them at run time. That a backend is drained or disabled is none: the file does not speak
 * of it and a reload keeps it. Runs on main.
 */
#pragma once

#include <stddef.h>

#include "plan.h"

struct daemon;
struct live_backend;
struct live_service;

struct drift {
	enum drift_kind kind;
	const struct backend_config *running; /* NULL: removed */
	const struct backend_config *file;    /* NULL: added */
};

/* NULL when the file has no backend of that name in the service. */
const struct backend_config *
live_service_file_backend(const struct daemon *d, const struct live_service *s, const char *name);

struct drift live_backend_drift(const struct daemon *d, const struct live_service *s,
				const struct live_backend *b);

/* All of a service, in the order of what runs, then what was removed; free() *ret. 0 or -ENOMEM. */
int live_service_drift(const struct daemon *d, const struct live_service *s, struct drift **ret,
		       size_t *ret_n);
size_t live_service_count_drift(const struct daemon *d, const struct live_service *s);
