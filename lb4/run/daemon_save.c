// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writing what runs into the configuration file. Nothing is saved over an edit that lb4 has not
 * read, and nothing that would not be read back as what runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_edit.h"
#include "config_file.h"
#include "daemon_private.h"
#include "drift.h"

void saved_deinit(struct saved *s)
{
	free(s->diff);
	free(s->text);
	*s = (struct saved){};
}

/* What runs, in the words of the editor. */
struct wish {
	struct wanted_service *services;
	size_t n;
};

static void wish_deinit(struct wish *w)
{
	for (size_t i = 0; i < w->n; i++)
		free((void *)w->services[i].backends);
	free(w->services);
}

/* Services that do as the file says are none of the editor's business. */
static int wish_init(const struct daemon *d, struct wish *ret)
{
	ret->services = calloc(d->n_services + 1, sizeof(ret->services[0]));
	if (!ret->services)
		return -ENOMEM;
	for (size_t i = 0; i < d->n_services; i++) {
		const struct live_service *s = d->services[i];
		struct backend_config *backends;

		if (live_service_count_drift(d, s) == 0)
			continue;
		backends = calloc(s->n_backends + 1, sizeof(backends[0]));
		if (!backends)
			return -ENOMEM;
		for (size_t j = 0; j < s->n_backends; j++)
			backends[j] = s->backends[j].config;
		ret->services[ret->n++] =
			(struct wanted_service){s->service->name, backends, s->n_backends};
	}
	return 0;
}

/*
 * The file says now what runs. Only its backends are taken over: the rest is the same, and services
 * and snapshots may hold on to what the configuration that was loaded owns.
 */
static void take_over(struct config *loaded, struct config *saved)
{
	char *text = loaded->text;

	for (size_t i = 0; i < loaded->n_services; i++) {
		struct service_config *to = &loaded->services[i];
		struct service_config *from =
			(struct service_config *)config_find_service(saved, to->name);
		struct service_config old = *to;

		to->backends = from->backends;
		to->n_backends = from->n_backends;
		from->backends = old.backends;
		from->n_backends = old.n_backends;
	}
	loaded->text = saved->text;
	loaded->text_size = saved->text_size;
	saved->text = text;
}

/* What to do about a file that cannot be written; NULL: the error says it. */
static const char *write_advice(int r)
{
	switch (-r) {
	case EROFS:
		return ": its file system is mounted read-only for lb4";
	case EBUSY:
		return ": the file itself is a mount point; mount its directory";
	case EACCES:
	case EPERM:
		return ": the user that lb4 runs as may not";
	default:
		return "";
	}
}

static int write_file(struct daemon *d, const struct config_edit *edit, char **ret_error)
{
	const char *step;
	int r = config_file_replace(d->config_path, d->config->text, d->config->text_size,
				    edit->text, edit->size, &step);

	if (r == -ESTALE)
		return daemon_refuse(ret_error, r,
				     "%s was edited since lb4 read it; nothing is written",
				     d->config_path);
	if (r < 0)
		return daemon_refuse(ret_error, r, "%s: cannot %s: %s%s", d->config_path, step,
				     strerrordesc_np(-r), write_advice(r));
	return 0;
}

bool daemon_file_differs(const struct daemon *d)
{
	bool same = false;
	int r;

	if (!d->config_path)
		return false;
	r = config_file_holds(d->config_path, d->config->text, d->config->text_size, &same);

	return r < 0 || !same;
}

static int give(struct config_edit *edit, size_t n_backends, struct saved *ret)
{
	ret->diff = take_ptr(edit->diff);
	ret->text = take_ptr(edit->text);
	ret->n_backends = n_backends;
	return 0;
}

int daemon_save(struct daemon *d, bool dry_run, struct saved *ret, char **ret_error)
{
	_cleanup_(config_edit_deinit) struct config_edit edit = {};
	_cleanup_(wish_deinit) struct wish wish = {};
	_cleanup_(freep) char *why = NULL;
	size_t n_backends;
	int r;

	*ret = (struct saved){};
	if (!d->config_path)
		return daemon_refuse(ret_error, -EINVAL,
				     "lb4 was started without a file; there is none to save to");
	r = wish_init(d, &wish);
	if (r >= 0)
		r = config_edit(d->config, d->config_path, wish.services, wish.n, &edit, &why);
	if (r == -EINVAL)
		return daemon_refuse(ret_error, r,
				     "%s cannot be edited in place: %s; nothing is "
				     "written",
				     d->config_path, why ? why : strerrordesc_np(-r));
	if (r < 0)
		return r;
	n_backends = edit.n_backends;
	if (dry_run || n_backends == 0)
		return give(&edit, n_backends, ret);
	r = write_file(d, &edit, ret_error);
	if (r < 0)
		return r;
	take_over(d->config, edit.config);
	daemon_state_changed(d); /* which file it belongs to */
	events_record(&d->events, EVENT_SAVE, NULL, NULL,
		      EVENT_VALUES(EVENT_TEXT("path", d->config_path),
				   EVENT_NUMBER("backends", n_backends)),
		      "saved %s: %zu backend%s as they run", d->config_path, n_backends,
		      n_backends == 1 ? "" : "s");
	return give(&edit, n_backends, ret);
}
