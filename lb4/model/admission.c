// SPDX-License-Identifier: BSD-2-Clause
#include <stdatomic.h>
#include <string.h>

#include "access.h"
#include "admission.h"
#include "prefix.h"
#include "rate.h"
#include "snapshot.h"

#define MAPPED_BITS 96 /* before an IPv4 address in its mapped form */

void admission_source(const struct snapshot_service *s, const struct address *client,
		      uint8_t ret[16])
{
	const struct limits_config *limits = &s->settings.limits;

	memcpy(ret, client->ip, sizeof(client->ip));
	prefix_mask(ret, client->family == ADDRESS_IPV4 ? MAPPED_BITS + limits->source_ipv4
							: limits->source_ipv6);
}

/* Never passes the limit, not for a moment: others would be refused for it. */
static bool take_place(_Atomic uint32_t *n, uint32_t limit)
{
	uint32_t seen = atomic_load_explicit(n, memory_order_relaxed);

	do {
		if (limit && seen >= limit)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(n, &seen, seen + 1, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static enum end_reason check_source(const struct snapshot_service *s, const struct address *client,
				    nsec_t now, struct source_hold *ret)
{
	static const enum end_reason reasons[] = {
		[SOURCE_ADMITTED] = END_NONE,
		[SOURCE_LIMITED] = END_SOURCE_LIMIT,
		[SOURCE_TOO_FAST] = END_SOURCE_RATE,
	};
	const struct source_limits limits = {
		.connections = s->settings.limits.source_connections,
		.rate = s->settings.limits.source_rate,
	};
	uint8_t source[16];

	if (!limits.connections && !limits.rate)
		return END_NONE;
	admission_source(s, client, source);
	return reasons[source_table_take(s->service->sources, source, &limits, now, ret)];
}

static enum end_reason check_service(const struct snapshot_service *s, nsec_t now)
{
	const struct limits_config *limits = &s->settings.limits;
	struct service *service = s->service;

	if (!take_place(&service->in_use, limits->connections))
		return END_SERVICE_LIMIT;
	if (!limits->rate || rate_admit(&service->rate_due, limits->rate, now))
		return END_NONE;
	atomic_fetch_sub_explicit(&service->in_use, 1, memory_order_relaxed);
	return END_SERVICE_RATE;
}

enum end_reason admission_check(const struct snapshot_service *s, const struct address *client,
				nsec_t now, struct admission *ret)
{
	struct admission held = {.service = s->service};
	enum end_reason reason;

	if (!access_admits(s->access, client))
		return END_DENIED;
	reason = check_source(s, client, now, &held.source);
	if (reason != END_NONE)
		return reason;
	reason = check_service(s, now);
	if (reason != END_NONE) {
		if (held.source.tracked)
			source_table_undo(s->service->sources, &held.source,
					  s->settings.limits.source_rate);
		return reason;
	}
	service_ref(s->service);
	*ret = held;
	return END_NONE;
}

void admission_release(struct admission *a)
{
	if (!a->service)
		return;
	atomic_fetch_sub_explicit(&a->service->in_use, 1, memory_order_relaxed);
	/* Else main may be about to make the table, for a snapshot to come. */
	if (a->source.tracked)
		source_table_release(a->service->sources, &a->source);
	service_unref(a->service);
	*a = (struct admission){};
}
