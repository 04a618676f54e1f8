// SPDX-License-Identifier: BSD-2-Clause
/*
 * Keeping what outlives lb4. What changes by itself is written soon, and not more often than once in
 * a while; what an operator has changed is written at once, and the answer waits for that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_private.h"
#include "drift.h"
#include "forwarding.h"
#include "log.h"

/* Gathering it costs main a pass over the backends, and the disk two syncs. */
#define KEEP_INTERVAL NSEC_PER_SEC

/* When it could not be written. */
#define RETRY_INTERVAL (10 * NSEC_PER_SEC)

static nsec_t or_none(nsec_t t)
{
	return t == NSEC_NEVER ? 0 : t;
}

static void gather_backend(const struct live_service *s, size_t i, bool drifted,
			   struct state_backend *ret)
{
	const struct live_backend *b = &s->backends[i];
	const struct pool_member *m = &s->pool.members[i];

	*ret = (struct state_backend){
		.admin = m->admin,
		.drain_begun = b->drain_begun,
		.drain_deadline = or_none(b->drain_deadline),
		.drain_watched = b->drain_look != NSEC_NEVER,
		.drifted = drifted,
		.told = b->told,
		.out_since = b->out_since,
		.left = b->was_left,
		.down_deadline = or_none(b->down_deadline),
		.fit = m->fit,
		.ramping = m->ramping,
		.ramp_at = m->ramp_at,
	};
	if (ret->drifted) {
		ret->weight = b->config.weight;
		ret->max_connections = b->config.max_connections;
		ret->backup = b->config.backup;
	}
	snprintf(ret->name, sizeof(ret->name), "%s", b->backend->name);
	address_print(&b->backend->address, ret->address);
	health_keep(&b->health, &ret->health);
}

static int gather_service(const struct daemon *d, const struct live_service *s,
			  struct state_service *ret)
{
	_cleanup_(freep) struct drift *drifts = NULL;
	size_t n_drifts, n_removed = 0, next = 0;
	int r = live_service_drift(d, s, &drifts, &n_drifts);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n_drifts; i++)
		n_removed += drifts[i].kind == DRIFT_REMOVED;
	r = state_service_reserve(ret, s->n_backends, n_removed);
	if (r < 0)
		return r;
	snprintf(ret->name, sizeof(ret->name), "%s", s->service->name);
	ret->brake_told = s->brake_told;
	ret->backups_told = s->backups_told;
	ret->deserted_told = s->deserted_told;
	ret->on_backups = s->pool.on_backups;
	ret->rebuilt = s->pool.rebuilt;
	ret->out_since = or_none(s->pool.out_since);
	/* Those that run otherwise come in the order in which they run, then those that do not. */
	for (size_t i = 0; i < s->n_backends; i++) {
		bool drifted = next < n_drifts && drifts[next].running == &s->backends[i].config;

		gather_backend(s, i, drifted, &ret->backends[i]);
		next += drifted;
	}
	for (size_t i = 0; i < n_removed; i++)
		snprintf(ret->removed[i].name, sizeof(ret->removed[i].name), "%s",
			 drifts[next + i].file->name);
	return 0;
}

static int gather(const struct daemon *d, struct state **ret)
{
	_cleanup_(state_freep) struct state *state = state_new(d->n_services);

	if (!state)
		return -ENOMEM;
	state_digest(d->config->text, d->config->text_size, state->digest);
	state->fastpath_off = forwarding_is_off(d);
	for (size_t i = 0; i < d->n_services; i++) {
		int r = gather_service(d, d->services[i], &state->services[i]);

		if (r < 0)
			return r;
	}
	*ret = take_ptr(state);
	return 0;
}

void daemon_state_changed(struct daemon *d)
{
	d->keeping.changed = true;
}

uint64_t daemon_keep(struct daemon *d)
{
	struct state_keeping *k = &d->keeping;
	struct state *state;

	if (!k->writer)
		return 0;
	k->not_before = nsec_add(d->now, KEEP_INTERVAL);
	if (gather(d, &state) < 0) {
		log_error("no memory to keep the state in: trying on");
		k->changed = true;
		return k->n_given + 1; /* that of the next attempt */
	}
	k->changed = false;
	state_writer_give(k->writer, state, ++k->n_given);
	return k->n_given;
}

bool daemon_is_kept(const struct daemon *d, uint64_t number)
{
	return d->keeping.written.number >= number;
}

char *daemon_unkept_why(const struct daemon *d, char *buffer, size_t size)
{
	const struct state_keeping *k = &d->keeping;

	if (k->written.error >= 0)
		return NULL;
	snprintf(buffer, size, "cannot %s %s: %s", k->written.step, k->path,
		 strerrordesc_np(-k->written.error));
	return buffer;
}

int daemon_state_fd(const struct daemon *d)
{
	return d->keeping.writer ? state_writer_fd(d->keeping.writer) : -1;
}

void daemon_on_written(struct daemon *d)
{
	struct state_keeping *k = &d->keeping;
	bool failed = k->written.error < 0;
	char why[EVENT_TEXT_MAX];

	k->written = state_writer_look(k->writer);
	if (k->written.error < 0) {
		k->changed = true;
		k->not_before = nsec_add(d->now, RETRY_INTERVAL);
		if (!failed)
			events_record(&d->events, EVENT_STATE_UNWRITTEN, NULL, NULL,
				      EVENT_VALUES(EVENT_TEXT("path", k->path)),
				      "%s; what operators and health say now would not survive lb4",
				      daemon_unkept_why(d, why, sizeof(why)));
	} else if (failed) {
		events_record(&d->events, EVENT_STATE_WRITTEN, NULL, NULL,
			      EVENT_VALUES(EVENT_TEXT("path", k->path)), "%s is written again",
			      k->path);
	}
}

nsec_t daemon_state_deadline(const struct daemon *d)
{
	return d->keeping.writer && d->keeping.changed ? d->keeping.not_before : NSEC_NEVER;
}

void daemon_state_on_time(struct daemon *d)
{
	if (daemon_state_deadline(d) <= d->now)
		daemon_keep(d);
}

void daemon_state_start(struct daemon *d)
{
	struct state_keeping *k = &d->keeping;
	int r;

	daemon_forget_recalled(d);
	if (!k->path)
		return;
	r = state_writer_start(&k->file, &k->writer);
	if (r < 0)
		log_error("no state is kept: cannot start the thread that writes it: %s",
			  strerrordesc_np(-r));
	k->changed = true;
}

void daemon_state_stop(struct daemon *d)
{
	struct state_keeping *k = &d->keeping;
	char why[EVENT_TEXT_MAX];

	if (k->writer) {
		daemon_keep(d);
		k->writer = state_writer_stop(k->writer, &k->written);
		if (daemon_unkept_why(d, why, sizeof(why)))
			log_warning("%s; the next start begins with older state", why);
	}
	daemon_forget_recalled(d);
	state_file_deinit(&k->file);
	free(k->path);
	free(k->why_not);
	*k = (struct state_keeping){.file = STATE_FILE_INIT};
}
