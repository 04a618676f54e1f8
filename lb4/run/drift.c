// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_diff.h"
#include "daemon.h"
#include "drift.h"

/* As service_config_find_near(). */
static const struct backend_config *find_running(const struct live_service *s, const char *name,
						 size_t *hint)
{
	for (size_t i = 0; i < s->n_backends; i++) {
		size_t at = (*hint + i) % s->n_backends;

		if (strcmp(s->backends[at].config.name, name))
			continue;
		*hint = at + 1;
		return &s->backends[at].config;
	}
	return NULL;
}

/* NULL for a service that is none of the file's, which happens to nobody but tests. */
static const struct service_config *file_of(const struct daemon *d, const struct live_service *s)
{
	return d->config ? config_find_service(d->config, s->service->name) : NULL;
}

static struct drift compare(const struct backend_config *running, const struct backend_config *file)
{
	enum drift_kind kind = DRIFT_NONE;

	if (!file)
		kind = DRIFT_ADDED;
	else if (!running)
		kind = DRIFT_REMOVED;
	else if (!backend_config_equal(running, file))
		kind = DRIFT_CHANGED;
	return (struct drift){kind, running, file};
}

const struct backend_config *
live_service_file_backend(const struct daemon *d, const struct live_service *s, const char *name)
{
	const struct service_config *file = file_of(d, s);

	return file ? service_config_find_backend(file, name) : NULL;
}

struct drift live_backend_drift(const struct daemon *d, const struct live_service *s,
				const struct live_backend *b)
{
	const struct service_config *file = file_of(d, s);
	size_t hint = (size_t)(b - s->backends);

	if (!file)
		return (struct drift){DRIFT_NONE, &b->config, NULL};
	return compare(&b->config, service_config_find_near(file, b->config.name, &hint));
}

static size_t list(const struct daemon *d, const struct live_service *s, struct drift *ret)
{
	const struct service_config *file = file_of(d, s);
	size_t n = 0, hint = 0;

	for (size_t i = 0; file && i < s->n_backends; i++) {
		const struct backend_config *running = &s->backends[i].config;
		struct drift drift =
			compare(running, service_config_find_near(file, running->name, &hint));

		if (drift.kind == DRIFT_NONE)
			continue;
		if (ret)
			ret[n] = drift;
		n++;
	}
	hint = 0;
	for (size_t i = 0; file && i < file->n_backends; i++) {
		if (find_running(s, file->backends[i].name, &hint))
			continue;
		if (ret)
			ret[n] = compare(NULL, &file->backends[i]);
		n++;
	}
	return n;
}

int live_service_drift(const struct daemon *d, const struct live_service *s, struct drift **ret,
		       size_t *ret_n)
{
	size_t n = list(d, s, NULL);
	struct drift *drifts = calloc(n + 1, sizeof(drifts[0]));

	if (!drifts)
		return -ENOMEM;
	*ret_n = list(d, s, drifts);
	*ret = drifts;
	return 0;
}

size_t live_service_count_drift(const struct daemon *d, const struct live_service *s)
{
	return list(d, s, NULL);
}
