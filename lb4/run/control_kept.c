// SPDX-License-Identifier: BSD-2-Clause
/* Answers that wait until what they tell is in the state file: then it outlives lb4. */
#include <stdlib.h>

#include "cleanup.h"
#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"
#include "http_server.h"

/* A disk that is slower than that is not waited for: what was asked for is done, and runs. */
#define PATIENCE (5 * NSEC_PER_SEC)

struct kept_answer {
	json_t *object;
	uint64_t number; /* of what is to be kept; 0: nothing is */
};

static void kept_answer_free(void *stream)
{
	struct kept_answer *a = stream;

	json_decref(a->object);
	free(a);
}

static void answer(const struct daemon *d, json_t *object_take, uint64_t number,
		   struct http_response *ret)
{
	char why[CONTROL_TEXT_MAX];
	const char *error = NULL;

	if (number && !daemon_is_kept(d, number))
		error = "the disk has not taken it yet";
	else if (number)
		error = daemon_unkept_why(d, why, sizeof(why));
	control_put(&object_take, "kept", number ? json_boolean(!error) : json_null());
	control_put(&object_take, "kept_error", control_text(error));
	control_answer(object_take, ret);
}

static bool settle(void *context, struct http_response *r, bool last)
{
	const struct daemon *d = context;
	struct kept_answer *a = r->stream;

	if (!last && !daemon_is_kept(d, a->number))
		return false;
	*r = (struct http_response){};
	answer(d, take_ptr(a->object), a->number, r);
	kept_answer_free(a);
	return true;
}

void control_answer_kept(struct daemon *d, json_t *object_take, struct http_response *ret)
{
	uint64_t number = object_take ? daemon_keep(d) : 0;
	struct kept_answer *a = number ? malloc(sizeof(*a)) : NULL;

	if (!a) {
		answer(d, object_take, number, ret);
		return;
	}
	*a = (struct kept_answer){object_take, number};
	ret->wait = PATIENCE;
	ret->settle = settle;
	ret->stream = a;
	ret->free = kept_answer_free;
}

static json_t *show_restored(const struct restored *r)
{
	json_t *o;

	if (!r->done)
		return json_null();
	o = json_object();
	control_put(&o, "age_ms",
		    r->age == NSEC_NEVER ? json_null() : control_number(r->age / NSEC_PER_MSEC));
	control_put(&o, "services", control_number(r->services));
	control_put(&o, "backends", control_number(r->backends));
	control_put(&o, "dropped", control_number(r->dropped));
	return o;
}

json_t *control_show_state_file(const struct daemon *d)
{
	const struct state_keeping *k = &d->keeping;
	char why[CONTROL_TEXT_MAX];
	json_t *o;

	if (!k->path && !k->why_not)
		return json_null();
	o = json_object();
	control_put(&o, "path", control_text(k->path));
	control_put(&o, "error",
		    control_text(k->path ? daemon_unkept_why(d, why, sizeof(why)) : k->why_not));
	control_put(&o, "written_ms",
		    k->written.wall ? control_number(k->written.wall / NSEC_PER_MSEC)
				    : json_null());
	control_put(&o, "restored", show_restored(&k->restored));
	return o;
}
