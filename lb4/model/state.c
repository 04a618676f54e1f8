// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

struct state *state_new(size_t n_services)
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->services = calloc(n_services + 1, sizeof(s->services[0]));
	if (!s->services) {
		free(s);
		return NULL;
	}
	s->n_services = n_services;
	return s;
}

struct state *state_free(struct state *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n_services; i++) {
		free(s->services[i].backends);
		free(s->services[i].removed);
	}
	free(s->services);
	free(s);
	return NULL;
}

void state_freep(struct state **s)
{
	state_free(*s);
}

int state_service_reserve(struct state_service *s, size_t n_backends, size_t n_removed)
{
	s->backends = calloc(n_backends + 1, sizeof(s->backends[0]));
	s->removed = calloc(n_removed + 1, sizeof(s->removed[0]));
	if (!s->backends || !s->removed)
		return -ENOMEM;
	s->n_backends = n_backends;
	s->n_removed = n_removed;
	return 0;
}

const struct state_service *state_find_service(const struct state *s, const char *name)
{
	for (size_t i = 0; i < s->n_services; i++)
		if (!strcmp(s->services[i].name, name))
			return &s->services[i];
	return NULL;
}

/* Whoever looks for one after the other, in the order there is, finds each at once. */
const struct state_backend *state_find_backend(const struct state_service *s, const char *name,
					       size_t *hint)
{
	for (size_t i = 0; i < s->n_backends; i++) {
		size_t at = (*hint + i) % s->n_backends;

		if (strcmp(s->backends[at].name, name))
			continue;
		*hint = at + 1;
		return &s->backends[at];
	}
	return NULL;
}

bool state_is_removed(const struct state_service *s, const char *name)
{
	for (size_t i = 0; i < s->n_removed; i++)
		if (!strcmp(s->removed[i].name, name))
			return true;
	return false;
}

/* FNV-1a: what tells an edited file from another is not to be proof against malice. */
void state_digest(const char *text, size_t size, char ret[STATE_DIGEST_MAX])
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3;
	snprintf(ret, STATE_DIGEST_MAX, "%zu-%016llx", size, (unsigned long long)hash);
}
