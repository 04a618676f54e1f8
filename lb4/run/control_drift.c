// SPDX-License-Identifier: BSD-2-Clause
/* What the control API shows of drift, and saving it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_value.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "drift.h"

/* Its words are those of JSON. */
static bool is_flag(const struct setting *s)
{
	return s->type == SETTING_WORD && words_find(s->words, true) &&
	       !strcmp(words_find(s->words, true), "true");
}

json_t *control_backend_config(const struct backend_config *b)
{
	json_t *o = json_object();

	for (const struct setting *s = schema_backend.settings; s->key; s++) {
		char text[VALUE_TEXT_MAX];

		if (s->type == SETTING_NUMBER)
			control_put(&o, s->key, control_number(field_load(b, s->into)));
		else if (s->type == SETTING_TRUE || is_flag(s))
			control_put(&o, s->key, json_boolean(field_load(b, s->into)));
		else
			control_put(&o, s->key, json_string(value_print(s, b, text)));
	}
	return o;
}

/* What the two sides disagree about, when there are two. */
static json_t *show_settings(const struct drift *drift)
{
	_cleanup_(setting_changes_deinit) struct setting_changes c = {};
	json_t *list;

	if (drift->kind != DRIFT_CHANGED)
		return json_array();
	if (backend_config_diff(drift->file, drift->running, &c) < 0)
		return NULL;
	list = json_array();
	for (size_t i = 0; i < c.n; i++) {
		json_t *o = json_object();

		control_put(&o, "key", control_text(c.items[i].key));
		control_put(&o, "file", control_text(c.items[i].old));
		control_put(&o, "running", control_text(c.items[i].new));
		control_append(&list, o);
	}
	return list;
}

json_t *control_drift(const struct drift *drift)
{
	json_t *o;

	if (drift->kind == DRIFT_NONE)
		return json_null();
	o = json_object();
	control_put(&o, "kind", json_string(drift_kind_name(drift->kind)));
	control_put(&o, "running",
		    drift->running ? control_backend_config(drift->running) : json_null());
	control_put(&o, "file", drift->file ? control_backend_config(drift->file) : json_null());
	control_put(&o, "settings", show_settings(drift));
	return o;
}

static void append_drift(json_t **list, const struct daemon *d, const struct live_service *s)
{
	_cleanup_(freep) struct drift *drifts = NULL;
	size_t n;

	if (live_service_drift(d, s, &drifts, &n) < 0) {
		control_append(list, NULL);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct backend_config *b =
			drifts[i].running ? drifts[i].running : drifts[i].file;
		json_t *o = control_drift(&drifts[i]);

		control_put(&o, "service", json_string(s->service->name));
		control_put(&o, "backend", json_string(b->name));
		control_append(list, o);
	}
}

void control_get_drift(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	json_t *o, *list;
	bool named;
	const struct live_service *only = control_named_service(d, q, &named, ret);

	if (named && !only)
		return;
	o = json_object();
	list = json_array();
	for (size_t i = 0; i < d->n_services; i++)
		if (!named || d->services[i] == only)
			append_drift(&list, d, d->services[i]);
	control_put(&o, "path", control_text(d->config_path));
	control_put(&o, "file_differs", json_boolean(daemon_file_differs(d)));
	control_put(&o, "drift", list);
	control_answer(o, ret);
}

/* Text of the file, which YAML has found to be free of what terminals obey; the file's name may be
 * anything. */
static json_t *lines(const char *text)
{
	json_t *j = json_string(text);

	return j ? j : control_text(text);
}

struct save_request {
	bool dry_run;
};

static const char *save_hint(int r)
{
	switch (-r) {
	case ESTALE:
		return "lbctl plan shows what that edit changes; lbctl save --dry-run prints the "
		       "lines to put into it by hand, then reload";
	case EINVAL:
		return "lbctl drift lists what to change by hand";
	default:
		return NULL;
	}
}

void control_post_save(void *context, const struct http_request *q, struct http_response *ret)
{
	static const struct control_field fields[] = {
		{"dry_run", CONTROL_BOOL, .offset = offsetof(struct save_request, dry_run)},
	};
	struct daemon *d = context;
	struct save_request request = {};
	_cleanup_(json_decrefp) json_t *body =
		control_parse_body(q, fields, sizeof(fields) / sizeof(fields[0]), &request, ret);
	_cleanup_(saved_deinit) struct saved saved = {};
	_cleanup_(freep) char *error = NULL;
	json_t *o;
	int r;

	if (!body)
		return;
	r = daemon_save(d, request.dry_run, &saved, &error);
	if (r < 0) {
		control_refuse_errno(r, error, d->config_path ? save_hint(r) : NULL, ret);
		return;
	}
	o = json_object();
	control_put(&o, "ok", json_true());
	control_put(&o, "path", control_text(d->config_path));
	control_put(&o, "written", json_boolean(!request.dry_run && saved.n_backends > 0));
	control_put(&o, "backends", control_number(saved.n_backends));
	control_put(&o, "file_differs", json_boolean(daemon_file_differs(d)));
	control_put(&o, "diff", lines(saved.diff));
	control_put(&o, "text", lines(saved.text));
	if (request.dry_run)
		control_answer(o, ret);
	else
		control_answer_kept(d, o, ret);
}
