// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>

#include "admission.h"
#include "admitting.h"
#include "prefix_list.h"
#include "socket.h"

/* Where clients are named by a header, only those who may say so are listened to. */
static enum end_reason judge(struct splicer *s, const struct snapshot_service *service,
			     struct arrival *a)
{
	const struct prefix_list *proxies = service->settings.proxy_from;

	if (a->error < 0)
		return END_NONE; /* gone already; it ends as a connection does */
	if (!proxies)
		return admission_check(service, &a->peer, s->now, &a->admission);
	return prefix_list_contains(proxies, &a->peer) ? END_NONE : END_PROXY_UNTRUSTED;
}

bool admitting_accept(struct splicer *s, const struct snapshot_service *service, int fd,
		      const struct address *local)
{
	struct service_counters *counters = &service->service->counters[s->worker];
	struct arrival a = {.fd = fd};
	enum end_reason reason;

	counter_add(counters->accepted, 1);
	a.error = socket_peer(fd, &a.peer);
	reason = judge(s, service, &a);
	if (reason != END_NONE) {
		counter_add(counters->ended[reason], 1);
		s->events->on_refused(s, service->service, fd, &a.peer, local, reason);
		socket_reset(fd);
		return false;
	}
	if (local)
		a.local = *local;
	else if (a.error >= 0)
		a.error = socket_local(fd, &a.local);
	if (connection_open(s, service, &a))
		return true;
	admission_release(&a.admission);
	counter_add(counters->ended[END_RESOURCES], 1);
	socket_reset(fd);
	return false;
}

enum end_reason admitting_client(struct connection *c, const struct snapshot_service *service)
{
	enum end_reason reason;

	assert(c->n_admissions < ADMISSIONS_MAX);
	reason = admission_check(service, &c->client, c->splicer->now,
				 &c->admissions[c->n_admissions]);
	if (reason == END_NONE)
		c->n_admissions++;
	return reason;
}
