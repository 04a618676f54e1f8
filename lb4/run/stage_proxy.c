// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stage of the preface in which a trusted proxy says whom it speaks for. Who is not trusted was
 * refused before: in front of a service that takes such headers there is nothing but proxies.
 */
#include "preface.h"
#include "proxy_header.h"

static bool proxy_wanted(const struct connection *c, const struct snapshot_service *service,
			 nsec_t *ret_by)
{
	*ret_by = nsec_add(c->timeouts.started, service->settings.proxy_timeout);
	return service->settings.proxy_from;
}

static enum preface_result proxy_read(struct connection *c, const struct snapshot_service *service,
				      const uint8_t *data, size_t size, uint32_t *ret_consumed,
				      enum end_reason *ret_reason)
{
	struct proxy_header h;
	const char *why;

	(void)service;
	switch (proxy_header_read(data, size, &h, &why)) {
	case PROXY_MORE:
		return PREFACE_MORE;
	case PROXY_ABSENT:
		*ret_reason = END_PROXY_MISSING;
		return PREFACE_REFUSED;
	case PROXY_BROKEN:
		*ret_reason = END_PROXY_MALFORMED;
		return PREFACE_REFUSED;
	case PROXY_READ:
		break;
	}
	if (h.has_addresses) {
		c->client = h.source;
		c->destination = h.destination;
	}
	*ret_consumed = (uint32_t)h.size;
	return PREFACE_DONE;
}

const struct preface_stage stage_proxy = {
	.name = "proxy",
	.wanted = proxy_wanted,
	.read = proxy_read,
	.timed_out = END_PROXY_TIMEOUT,
};
