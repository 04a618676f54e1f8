// SPDX-License-Identifier: BSD-2-Clause
/* What a reload has changed, one event each, while the old services are still there to compare. */
#include <string.h>

#include "daemon_private.h"

/* More than that in one file nobody reads; the sums of the reload's own event count all. */
#define CHANGES_MAX 200

struct teller {
	struct daemon *d;
	unsigned n;
};

static bool has_room(struct teller *t)
{
	return t->n++ < CHANGES_MAX;
}

static const struct live_service *find(struct live_service *const *services, size_t n,
				       const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(services[i]->service->name, name))
			return services[i];
	return NULL;
}

static void tell_service(struct teller *t, enum event_kind kind, const struct live_service *s,
			 const char *what)
{
	if (has_room(t))
		events_record(&t->d->events, kind, s->service->name, NULL,
			      EVENT_VALUES(EVENT_NUMBER("backends", s->n_backends)),
			      "was %s, with %zu backend%s", what, s->n_backends,
			      s->n_backends == 1 ? "" : "s");
}

static void tell_added(struct teller *t, const struct live_service *s, size_t i)
{
	const struct backend *b = s->backends[i].backend;
	uint32_t weight = s->pool.members[i].weight;
	char text[ADDRESS_TEXT_MAX];

	if (has_room(t))
		events_record(&t->d->events, EVENT_BACKEND_ADDED, s->service->name, b->name,
			      EVENT_VALUES(EVENT_TEXT("address", address_print(&b->address, text)),
					   EVENT_NUMBER("weight", weight)),
			      "was added: %s, weight %u", text, weight);
}

static void tell_address(struct teller *t, const struct live_service *s, const struct backend *b,
			 const struct backend *old)
{
	char text[ADDRESS_TEXT_MAX], before[ADDRESS_TEXT_MAX];

	if (address_equal(&b->address, &old->address) || !has_room(t))
		return;
	events_record(&t->d->events, EVENT_BACKEND_ADDRESS, s->service->name, b->name,
		      EVENT_VALUES(EVENT_TEXT("address", address_print(&b->address, text)),
				   EVENT_TEXT("before", address_print(&old->address, before))),
		      "is at %s now", text);
}

static void tell_weight(struct teller *t, const struct live_service *s, const char *name,
			uint32_t weight, uint32_t before)
{
	if (weight != before && has_room(t))
		events_record(&t->d->events, EVENT_BACKEND_WEIGHT, s->service->name, name,
			      EVENT_VALUES(EVENT_NUMBER("weight", weight),
					   EVENT_NUMBER("before", before)),
			      "has weight %u now", weight);
}

static void tell_backends(struct teller *t, const struct live_service *s,
			  const struct live_service *old)
{
	for (size_t i = 0; i < s->n_backends; i++) {
		const struct backend *b = s->backends[i].backend;
		const struct live_backend *known = live_service_find_backend(old, b->name);

		if (!known) {
			tell_added(t, s, i);
			continue;
		}
		tell_address(t, s, b, known->backend);
		/* A pool that the new service has taken over has the weights it had. */
		if (old->pool.members)
			tell_weight(t, s, b->name, s->pool.members[i].weight,
				    old->pool.members[known - old->backends].weight);
	}
	for (size_t i = 0; i < old->n_backends; i++) {
		const struct backend *b = old->backends[i].backend;

		if (live_service_find_backend(s, b->name) || !has_room(t))
			continue;
		events_record(&t->d->events, EVENT_BACKEND_REMOVED, s->service->name, b->name,
			      EVENT_VALUES(EVENT_NUMBER("connections", daemon_active(b))),
			      "was removed; its connections may finish");
	}
}

void daemon_tell_changes(struct daemon *d, struct live_service *const *old, size_t n_old)
{
	struct teller t = {.d = d};

	for (size_t i = 0; i < n_old; i++)
		if (!daemon_find_service(d, old[i]->service->name))
			tell_service(&t, EVENT_SERVICE_REMOVED, old[i], "removed");
	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];
		const struct live_service *known = find(old, n_old, s->service->name);

		if (known)
			tell_backends(&t, s, known);
		else
			tell_service(&t, EVENT_SERVICE_ADDED, s, "added");
	}
}
