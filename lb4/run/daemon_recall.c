// SPDX-License-Identifier: BSD-2-Clause
/*
 * Beginning with what a process before has kept: as after a reload, of which the state file plays the
 * side that ran. So what goes on, and what does not, follows from the same rules.
 *
 * What operators changed at run time runs again while the configuration file is the one it was changed
 * against; else the file wins, as at a reload. Drains, and what health knows, go by name and address.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "daemon_private.h"
#include "forwarding.h"
#include "log.h"

/* What a service manager's directory holds; lb4.8 names it. */
#define FILE_NAME "state.json"

/* A process that was killed may still be ending. */
#define LOCK_PATIENCE (NSEC_PER_SEC)
#define LOCK_PAUSE    (10 * NSEC_PER_MSEC)

/*
 * How long a process may have been gone for its verdicts to hold; signs of life come every 10 s. In
 * that time a checker would have seen most failures itself.
 */
#define STATE_FRESH (60 * NSEC_PER_SEC)

/* More than that nobody reads. */
#define DROPS_TOLD_MAX 20

struct recall {
	struct daemon *d;
	const struct config *config;
	const struct state *state;
	bool same_file;
	bool fresh;
};

/* NULL: none is wanted, or memory is short. */
static char *choose_path(const struct config *config)
{
	const char *directory = getenv("STATE_DIRECTORY");
	char *path = NULL;

	if (!strcmp(config->state_file, "off"))
		return NULL;
	if (strcmp(config->state_file, "auto") != 0)
		return strdup(config->state_file);
	/* Of several, the first. */
	if (!directory || *directory != '/' ||
	    asprintf(&path, "%.*s/" FILE_NAME, (int)strcspn(directory, ":"), directory) < 0)
		return NULL;
	return path;
}

/* lb4 starts without state, and (unless `keeps`) goes on without it. */
static void ignore_file(struct daemon *d, bool keeps, const char *why)
{
	struct state_keeping *k = &d->keeping;

	events_record(&d->events, EVENT_STATE_IGNORED, NULL, NULL,
		      EVENT_VALUES(EVENT_TEXT("path", k->path), EVENT_TEXT("why", why)),
		      "starting without the state in %s: %s%s", k->path, why,
		      keeps ? "" : "; no state is kept");
	if (keeps)
		return;
	k->why_not = strdup(why);
	free(k->path);
	k->path = NULL;
	state_file_deinit(&k->file);
}

static bool take_file(struct daemon *d)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE};
	struct state_keeping *k = &d->keeping;
	unsigned patience = LOCK_PATIENCE / LOCK_PAUSE;
	char why[EVENT_TEXT_MAX];
	const char *step;
	int r;

	while ((r = state_file_open(k->path, &k->file, &step)) == -EWOULDBLOCK && patience-- > 0)
		nanosleep(&pause, NULL);
	if (r >= 0)
		return true;
	if (r == -EWOULDBLOCK)
		snprintf(why, sizeof(why), "another lb4 has it (state_file names one for each)");
	else
		snprintf(why, sizeof(why), "cannot %s it: %s", step, strerrordesc_np(-r));
	ignore_file(d, false, why);
	return false;
}

/* Who reads a damaged file afterwards finds it beside the new one. */
static void set_aside(struct daemon *d, const char *why)
{
	char text[EVENT_TEXT_MAX];

	if (state_file_set_aside(&d->keeping.file) >= 0) {
		snprintf(text, sizeof(text), "%s; it is called %s.bad now", why, d->keeping.path);
		why = text;
	}
	ignore_file(d, true, why);
}

/* What is not ours is left alone: somebody has named the wrong file. NULL: there is no state. */
static struct state *read_state(struct daemon *d, const struct state_clocks *clocks,
				nsec_t *ret_alive)
{
	_cleanup_(freep) char *text = NULL;
	char why[STATE_WHY_MAX];
	struct state *state;
	size_t size;
	int r = state_file_read(&d->keeping.file, &text, &size, ret_alive);

	if (r == -ENOENT || (r >= 0 && size == 0))
		return NULL;
	if (r >= 0)
		r = state_parse(text, size, clocks, &state, why);
	if (r >= 0)
		return state;
	if (r == -EINVAL || r == -EPROTONOSUPPORT)
		set_aside(d, why);
	else if (r == -EFBIG)
		ignore_file(d, false, "it is larger than any state of lb4");
	else if (r == -ENOTUNIQ)
		ignore_file(d, false, "it is no ordinary file");
	else
		ignore_file(d, r == -ENOMEM, r == -ENOMSG ? why : strerrordesc_np(-r));
	return NULL;
}

/* --- The backends that a service begins with --- */

static void drop(struct recall *r, const char *service, const char *backend, const char *what)
{
	if (r->d->keeping.restored.dropped++ < DROPS_TOLD_MAX)
		log_warning("service %s: backend %s %s", service, backend, what);
}

/* As daemon_add_backend() has it. */
static bool may_be_added(const struct recalled_service *to, const struct service_config *c,
			 const struct backend_config *b)
{
	if (to->n_backends >= BACKENDS_MAX)
		return false;
	for (size_t i = 0; i < to->n_backends; i++)
		if (!strcmp(to->backends[i].name, b->name) ||
		    address_equal(&to->backends[i].address, &b->address))
			return false;
	for (size_t i = 0; i < c->n_listen; i++)
		if (forward_unfit(c->settings.forward, &c->listen[i], &b->address))
			return false;
	return true;
}

/* As it was changed at run time; `file` (or NULL) knows settings that the state does not. */
static int add_as_it_ran(struct recall *r, const struct service_config *c,
			 const struct state_backend *saved, const struct backend_config *file,
			 struct recalled_service *to)
{
	_cleanup_(backend_config_deinit) struct backend_config parsed = {};
	_cleanup_(freep) char *error = NULL;
	struct backend_config b = file ? *file : (struct backend_config){};
	int e = backend_config_parse(saved->name, saved->address, saved->weight, &parsed, &error);

	if (e == -ENOMEM)
		return e;
	if (e < 0 || !may_be_added(to, c, &parsed)) {
		drop(r, c->name, saved->name, "cannot be what it was changed to at run time");
		return 0;
	}
	b.name = take_ptr(parsed.name);
	b.address = parsed.address;
	b.weight = parsed.weight;
	b.backup = saved->backup;
	b.max_connections = saved->max_connections;
	to->backends[to->n_backends++] = b;
	return 0;
}

/* Those that the file has and nobody has changed. */
static int take_from_file(const struct service_config *c, const struct state_service *saved,
			  struct recalled_service *to)
{
	size_t hint = 0;

	for (size_t i = 0; i < c->n_backends; i++) {
		const struct backend_config *file = &c->backends[i];
		const struct state_backend *b = state_find_backend(saved, file->name, &hint);
		struct backend_config *copy = &to->backends[to->n_backends];

		if ((b && b->drifted) || state_is_removed(saved, file->name))
			continue;
		*copy = *file;
		copy->name = strdup(file->name);
		if (!copy->name)
			return -ENOMEM;
		to->n_backends++;
	}
	return 0;
}

/* What runs as the file has it, and then what operators have changed and added. */
static int choose_backends(struct recall *r, const struct service_config *c,
			   const struct state_service *saved, struct recalled_service *to)
{
	size_t hint = 0;
	int e;

	to->backends = calloc(c->n_backends + saved->n_backends + 1, sizeof(to->backends[0]));
	if (!to->backends)
		return -ENOMEM;
	e = take_from_file(c, saved, to);
	for (size_t i = 0; e >= 0 && i < saved->n_backends; i++) {
		const struct state_backend *b = &saved->backends[i];

		if (b->drifted)
			e = add_as_it_ran(r, c, b, service_config_find_near(c, b->name, &hint), to);
	}
	return e;
}

static void recalled_deinit(struct recalled_service *s)
{
	for (size_t i = 0; i < s->n_backends; i++)
		backend_config_deinit(&s->backends[i]);
	free(s->backends);
	*s = (struct recalled_service){};
}

/* The file was edited since: what was changed at run time is dropped. */
static void drop_drift(struct recall *r, const struct service_config *c,
		       const struct state_service *saved)
{
	size_t hint = 0;

	for (size_t i = 0; i < saved->n_backends; i++) {
		const struct state_backend *b = &saved->backends[i];

		if (b->drifted)
			drop(r, c->name, b->name,
			     "was changed at run time; that is dropped, the file is another now");
		else if (!service_config_find_near(c, b->name, &hint))
			drop(r, c->name, b->name, "is not in the file any more");
	}
	for (size_t i = 0; i < saved->n_removed; i++)
		if (service_config_find_near(c, saved->removed[i].name, &hint))
			drop(r, c->name, saved->removed[i].name,
			     "was removed at run time; the file, which is another now, has it");
}

/* --- */

static int recall_service(struct recall *r, size_t i)
{
	struct daemon *d = r->d;
	struct recalled_service *recalled = &d->keeping.recalled[i];
	struct service_config config = r->config->services[i];
	const struct state_service *saved = state_find_service(r->state, config.name);
	struct live_service *s;
	int e = 0;

	if (!saved)
		return 0;
	if (r->same_file)
		e = choose_backends(r, &config, saved, recalled);
	else
		drop_drift(r, &config, saved);
	if (e < 0)
		return e;
	/* The last one cannot be removed, whatever a file says. */
	if (recalled->n_backends == 0)
		recalled_deinit(recalled);
	daemon_recalled_backends(d, i, &config);
	e = live_service_recall(d, &config, saved, r->fresh, &s);
	if (e < 0)
		return e;
	/* Of which nobody is known is new: its backends are presumed up. */
	if (s->n_backends == 0) {
		live_service_free(s, d->n_workers);
		return 0;
	}
	d->keeping.restored.backends += s->n_backends;
	d->services[d->n_services++] = s;
	return 0;
}

static void drop_services(struct recall *r)
{
	for (size_t i = 0; i < r->state->n_services; i++) {
		const struct state_service *s = &r->state->services[i];

		if (config_find_service(r->config, s->name))
			continue;
		if (r->d->keeping.restored.dropped++ < DROPS_TOLD_MAX)
			log_warning("service %s is not in the file any more; its state is dropped",
				    s->name);
	}
}

static int recall_services(struct recall *r)
{
	struct daemon *d = r->d;
	int e = 0;

	d->keeping.recalled = calloc(r->config->n_services, sizeof(d->keeping.recalled[0]));
	d->services = calloc(r->config->n_services, sizeof(struct live_service *));
	if (!d->keeping.recalled || !d->services)
		return -ENOMEM;
	d->keeping.n_recalled = r->config->n_services;
	for (size_t i = 0; e >= 0 && i < r->config->n_services; i++)
		e = recall_service(r, i);
	drop_services(r);
	return e;
}

static void forget(struct daemon *d)
{
	for (size_t i = 0; i < d->n_services; i++)
		live_service_free(d->services[i], d->n_workers);
	free(d->services);
	d->services = NULL;
	d->n_services = 0;
	daemon_forget_recalled(d);
}

static void tell_restored(struct daemon *d, bool fresh)
{
	const struct restored *s = &d->keeping.restored;

	events_record(&d->events, EVENT_STATE_RESTORED, NULL, NULL,
		      EVENT_VALUES(EVENT_NUMBER("services", s->services),
				   EVENT_NUMBER("backends", s->backends),
				   EVENT_NUMBER("dropped", s->dropped),
				   EVENT_NUMBER(s->age == NSEC_NEVER ? NULL : "age_ms",
						s->age / NSEC_PER_MSEC)),
		      "state of %llu service%s and %llu backend%s goes on from %s; dropped: %llu%s",
		      (unsigned long long)s->services, s->services == 1 ? "" : "s",
		      (unsigned long long)s->backends, s->backends == 1 ? "" : "s", d->keeping.path,
		      (unsigned long long)s->dropped,
		      fresh ? "" : "; too old for verdicts to hold");
}

static void restore(struct daemon *d, const struct config *config, const struct state *state,
		    nsec_t age)
{
	struct restored *restored = &d->keeping.restored;
	char digest[STATE_DIGEST_MAX];
	struct recall r = {.d = d, .config = config, .state = state, .fresh = age <= STATE_FRESH};

	state_digest(config->text, config->text_size, digest);
	r.same_file = !strcmp(state->digest, digest);
	restored->age = age;
	if (recall_services(&r) < 0) {
		forget(d);
		*restored = (struct restored){};
		ignore_file(d, true, "out of memory");
		return;
	}
	restored->done = true;
	restored->services = d->n_services;
	tell_restored(d, r.fresh);
	if (state->fastpath_off)
		forwarding_accept(d, false);
}

void daemon_recall(struct daemon *d, const struct config *config)
{
	_cleanup_(state_freep) struct state *state = NULL;
	struct state_clocks clocks;
	nsec_t alive = 0;

	d->keeping.path = choose_path(config);
	if (!d->keeping.path || !take_file(d))
		return;
	state_clocks_read(&clocks);
	d->now = clocks.now;
	state = read_state(d, &clocks, &alive);
	if (state) /* a time to come is none to go by */
		restore(d, config, state, alive <= clocks.wall ? clocks.wall - alive : NSEC_NEVER);
}

void daemon_recalled_backends(const struct daemon *d, size_t service, struct service_config *config)
{
	const struct recalled_service *recalled =
		service < d->keeping.n_recalled ? &d->keeping.recalled[service] : NULL;

	if (!recalled || !recalled->backends)
		return;
	config->backends = recalled->backends;
	config->n_backends = recalled->n_backends;
}

void daemon_forget_recalled(struct daemon *d)
{
	struct state_keeping *k = &d->keeping;

	for (size_t i = 0; i < k->n_recalled; i++)
		recalled_deinit(&k->recalled[i]);
	free(k->recalled);
	k->recalled = NULL;
	k->n_recalled = 0;
}
