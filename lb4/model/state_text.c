// SPDX-License-Identifier: BSD-2-Clause
/*
 * The text of a state file: JSON, written and read by the same tables. What is 0, false, or the first
 * word of its kind is left out; what this lb4 does not know is passed over.
 */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "state.h"
#include "text.h"

/* Some 278 years, so that sums of a few times fit into 63 bits of nanoseconds. */
#define TIME_MAX_MSEC ((json_int_t)1 << 43)
#define TIME_MAX      ((nsec_t)TIME_MAX_MSEC * NSEC_PER_MSEC)

enum kind {
	KIND_BOOL,
	KIND_NUMBER, /* uint32_t, at most `max` */
	KIND_TIME,   /* nsec_t; milliseconds in the text */
	KIND_WORD,   /* an enum, which `words` are indexed by */
	KIND_TEXT,   /* char[max + 1] */
};

struct field {
	const char *name;
	enum kind kind;
	uint16_t offset;
	uint32_t max;
	const char *const *words; /* ending with NULL */
};

static const char *const admin_words[] = {
	[ADMIN_ENABLED] = "enabled",
	[ADMIN_DRAINING] = "draining",
	[ADMIN_DISABLED] = "disabled",
	NULL,
};

static const char *const verdict_words[] = {
	[VERDICT_UNKNOWN] = "unknown",
	[VERDICT_UP] = "up",
	[VERDICT_DOWN] = "down",
	NULL,
};

static const char *const told_words[] = {
	[TOLD_IN] = "in",
	[TOLD_EJECTED] = "ejected",
	[TOLD_BRAKED] = "braked",
	NULL,
};

_Static_assert(sizeof(enum admin_state) == 4 && sizeof(enum verdict_state) == 4 &&
		       sizeof(enum backend_told) == 4,
	       "words are stored as 32 bits");

#define OF(type, member) offsetof(struct type, member)
#define FLAG(name, type, member)                                                                   \
	{                                                                                          \
		name, KIND_BOOL, OF(type, member)                                                  \
	}
#define NUMBER(name, type, member, most)                                                           \
	{                                                                                          \
		name, KIND_NUMBER, OF(type, member), most                                          \
	}
#define TIME(name, type, member)                                                                   \
	{                                                                                          \
		name, KIND_TIME, OF(type, member)                                                  \
	}
#define WORD(name, type, member, words)                                                            \
	{                                                                                          \
		name, KIND_WORD, OF(type, member), 0, words                                        \
	}
#define TEXT(name, type, member)                                                                   \
	{                                                                                          \
		name, KIND_TEXT, OF(type, member), sizeof(((struct type *)0)->member) - 1          \
	}

static const struct field clock_fields[] = {
	TEXT("boot_id", state_clocks, boot_id),
	TIME("boottime_ms", state_clocks, boot),
	TIME("wall_ms", state_clocks, wall),
	{},
};

static const struct field state_fields[] = {
	TEXT("config", state, digest),
	FLAG("fastpath_off", state, fastpath_off),
	{},
};

static const struct field service_fields[] = {
	TEXT("name", state_service, name),
	FLAG("brake_told", state_service, brake_told),
	FLAG("backups_told", state_service, backups_told),
	FLAG("deserted_told", state_service, deserted_told),
	FLAG("on_backups", state_service, on_backups),
	FLAG("rebuilt", state_service, rebuilt),
	TIME("out_since_ms", state_service, out_since),
	{},
};

static const struct field removed_fields[] = {
	TEXT("name", state_removed, name),
	{},
};

static const struct field backend_fields[] = {
	TEXT("name", state_backend, name),
	TEXT("address", state_backend, address),
	WORD("admin", state_backend, admin, admin_words),
	TIME("drain_begun_ms", state_backend, drain_begun),
	TIME("drain_deadline_ms", state_backend, drain_deadline),
	FLAG("drain_watched", state_backend, drain_watched),
	FLAG("drifted", state_backend, drifted),
	FLAG("backup", state_backend, backup),
	NUMBER("weight", state_backend, weight, WEIGHT_MAX),
	NUMBER("max_connections", state_backend, max_connections, UINT32_MAX),
	WORD("verdict", state_backend, health.verdict, verdict_words),
	FLAG("result_ok", state_backend, health.result_ok),
	FLAG("presumed_down", state_backend, health.presumed_down),
	TIME("since_ms", state_backend, health.since),
	FLAG("held", state_backend, health.held),
	TIME("held_until_ms", state_backend, health.held_until),
	TIME("ejected_ms", state_backend, health.ejected_at),
	TIME("evidence_ms", state_backend, health.evidence_at),
	TIME("trial_until_ms", state_backend, health.trial_until),
	NUMBER("strikes", state_backend, health.strikes, UINT32_MAX),
	TEXT("error", state_backend, health.error),
	TIME("error_ms", state_backend, health.error_at),
	WORD("told", state_backend, told, told_words),
	TIME("told_out_ms", state_backend, out_since),
	FLAG("left", state_backend, left),
	TIME("down_deadline_ms", state_backend, down_deadline),
	FLAG("fit", state_backend, fit),
	FLAG("ramping", state_backend, ramping),
	TIME("ramp_ms", state_backend, ramp_at),
	{},
};

/* --- Times --- */

/* `t` is 0 where there is none; the earliest time that is one is 1. */
static nsec_t shift(nsec_t t, __int128 by)
{
	__int128 shifted = (__int128)t + by;

	if (t == 0)
		return 0;
	if (shifted < 1)
		return 1;
	return shifted > (__int128)TIME_MAX ? TIME_MAX : (nsec_t)shifted;
}

/* From the clock of `then` to that of `now`; across boots the wall clock leads. */
static __int128 distance(const struct state_clocks *then, const struct state_clocks *now)
{
	__int128 by = (__int128)now->now - now->boot;

	if (!*now->boot_id || strcmp(then->boot_id, now->boot_id) != 0)
		by += (__int128)then->wall - then->boot - now->wall + now->boot;
	return by;
}

static void shift_times(const struct field *fields, void *target, __int128 by)
{
	for (const struct field *f = fields; f->name; f++) {
		nsec_t *t = (nsec_t *)((char *)target + f->offset);

		if (f->kind == KIND_TIME)
			*t = shift(*t, by);
	}
}

/* --- Writing --- */

static json_t *print_text(const char *text)
{
	_cleanup_(freep) char *copy = strdup(text);

	return copy ? json_string(text_make_printable(copy)) : NULL;
}

/* Returns false when memory is short; NULL in *ret: it goes without saying. */
static bool print_field(const struct field *f, const void *source, __int128 by, json_t **ret)
{
	const char *p = (const char *)source + f->offset;
	uint32_t number;
	nsec_t time;

	*ret = NULL;
	switch (f->kind) {
	case KIND_BOOL:
		if (!*(const bool *)p)
			return true;
		*ret = json_true();
		break;
	case KIND_NUMBER:
	case KIND_WORD:
		number = *(const uint32_t *)p;
		if (number == 0)
			return true;
		*ret = f->words ? json_string(f->words[number]) : json_integer(number);
		break;
	case KIND_TIME:
		time = shift(*(const nsec_t *)p, by);
		if (time == 0)
			return true;
		/* Rounded up, so that what was a time stays one. */
		*ret = json_integer((json_int_t)((time - 1) / NSEC_PER_MSEC + 1));
		break;
	case KIND_TEXT:
		if (!*p)
			return true;
		*ret = print_text(p);
		break;
	}
	return *ret != NULL;
}

static bool print_fields(const struct field *fields, const void *source, __int128 by, json_t *o)
{
	for (const struct field *f = fields; f->name; f++) {
		json_t *value;

		if (!print_field(f, source, by, &value))
			return false;
		if (value && json_object_set_new(o, f->name, value) < 0)
			return false;
	}
	return true;
}

/* Adds an object to a list. NULL: memory is short. */
static json_t *append(json_t *list, const struct field *fields, const void *source, __int128 by)
{
	json_t *o = json_object();

	if (json_array_append_new(list, o) < 0 || !print_fields(fields, source, by, o))
		return NULL;
	return o;
}

/* An empty list under `name`. */
static json_t *add_list(json_t *o, const char *name)
{
	json_t *list = json_array();

	return json_object_set_new(o, name, list) < 0 ? NULL : list;
}

static bool print_service(const struct state_service *s, __int128 by, json_t *services)
{
	json_t *o = append(services, service_fields, s, by);
	json_t *backends = o ? add_list(o, "backends") : NULL;
	json_t *removed = o && s->n_removed ? add_list(o, "removed") : NULL;

	if (!backends || (s->n_removed && !removed))
		return false;
	for (size_t i = 0; i < s->n_backends; i++)
		if (!append(backends, backend_fields, &s->backends[i], by))
			return false;
	for (size_t i = 0; i < s->n_removed; i++)
		if (!append(removed, removed_fields, &s->removed[i], by))
			return false;
	return true;
}

static bool print_state(const struct state *s, const struct state_clocks *clocks, json_t *o)
{
	__int128 by = (__int128)clocks->boot - clocks->now;
	json_t *services;

	if (json_object_set_new(o, "lb4_state", json_integer(STATE_VERSION)) < 0 ||
	    json_object_set_new(o, "lb4", json_string(LB4_VERSION)) < 0 ||
	    !print_fields(clock_fields, clocks, 0, o) || !print_fields(state_fields, s, by, o))
		return false;
	services = add_list(o, "services");
	for (size_t i = 0; services && i < s->n_services; i++)
		if (!print_service(&s->services[i], by, services))
			return false;
	return services != NULL;
}

int state_print(const struct state *s, const struct state_clocks *clocks, char **ret_text,
		size_t *ret_size)
{
	_cleanup_(json_decrefp) json_t *o = json_object();
	_cleanup_(freep) char *text = NULL;

	if (!o || !print_state(s, clocks, o))
		return -ENOMEM;
	text = json_dumps(o, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	*ret_size = strlen(text);
	if (*ret_size > STATE_TEXT_MAX)
		return -EFBIG;
	*ret_text = take_ptr(text);
	return 0;
}

/* --- Reading --- */

struct reading {
	char path[STATE_WHY_MAX / 2]; /* of what is read */
	char *why;
};

static int damaged(struct reading *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int damaged(struct reading *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->why, STATE_WHY_MAX, format, args);
	va_end(args);
	text_make_printable(r->why);
	return -EINVAL;
}

static bool parse_number(const json_t *value, json_int_t max, json_int_t *ret)
{
	*ret = json_integer_value(value);
	return json_is_integer(value) && *ret >= 0 && *ret <= max;
}

static bool parse_word(const struct field *f, const json_t *value, uint32_t *ret)
{
	const char *text = json_string_value(value);

	for (uint32_t i = 0; text && f->words[i]; i++) {
		if (strcmp(f->words[i], text))
			continue;
		*ret = i;
		return true;
	}
	return false;
}

static bool parse_field(const struct field *f, const json_t *value, void *target)
{
	char *p = (char *)target + f->offset;
	json_int_t number;

	switch (f->kind) {
	case KIND_BOOL:
		*(bool *)p = json_is_true(value);
		return json_is_boolean(value);
	case KIND_NUMBER:
		if (!parse_number(value, f->max, &number))
			return false;
		*(uint32_t *)p = (uint32_t)number;
		return true;
	case KIND_TIME:
		if (!parse_number(value, TIME_MAX_MSEC, &number))
			return false;
		*(nsec_t *)p = (nsec_t)number * NSEC_PER_MSEC;
		return true;
	case KIND_WORD:
		return parse_word(f, value, (uint32_t *)p);
	case KIND_TEXT:
		if (!json_is_string(value) || json_string_length(value) > f->max)
			return false;
		strcpy(p, json_string_value(value));
		text_make_printable(p); /* for logs */
		return true;
	}
	return false;
}

static int parse_fields(struct reading *r, const struct field *fields, const json_t *o,
			void *target)
{
	if (!json_is_object(o))
		return damaged(r, "%s is no object", r->path);
	for (const struct field *f = fields; f->name; f++) {
		const json_t *value = json_object_get(o, f->name);

		if (value && !parse_field(f, value, target))
			return damaged(r, "%s.%s does not hold what it should", r->path, f->name);
	}
	return 0;
}

static int parse_service(struct reading *r, size_t index, const json_t *o, __int128 by,
			 struct state_service *s)
{
	const json_t *backends = json_object_get(o, "backends");
	const json_t *removed = json_object_get(o, "removed");
	int error;

	snprintf(r->path, sizeof(r->path), "services[%zu]", index);
	error = parse_fields(r, service_fields, o, s);
	if (error < 0)
		return error;
	if (!json_is_array(backends) || (removed && !json_is_array(removed)) ||
	    json_array_size(backends) > BACKENDS_MAX || json_array_size(removed) > BACKENDS_MAX)
		return damaged(r, "%s has no list of backends, or too long a one", r->path);
	error = state_service_reserve(s, json_array_size(backends), json_array_size(removed));
	for (size_t i = 0; error >= 0 && i < s->n_backends; i++) {
		snprintf(r->path, sizeof(r->path), "services[%zu].backends[%zu]", index, i);
		error = parse_fields(r, backend_fields, json_array_get(backends, i),
				     &s->backends[i]);
		shift_times(backend_fields, &s->backends[i], by);
	}
	for (size_t i = 0; error >= 0 && i < s->n_removed; i++) {
		snprintf(r->path, sizeof(r->path), "services[%zu].removed[%zu]", index, i);
		error = parse_fields(r, removed_fields, json_array_get(removed, i), &s->removed[i]);
	}
	shift_times(service_fields, s, by);
	return error;
}

static int parse_state(struct reading *r, const json_t *o, const struct state_clocks *clocks,
		       struct state **ret)
{
	const json_t *services = json_object_get(o, "services");
	_cleanup_(state_freep) struct state *s = NULL;
	struct state_clocks then = {};
	int error;

	if (!json_is_array(services) || json_array_size(services) > SERVICES_MAX)
		return damaged(r, "there is no list of services, or too long a one");
	s = state_new(json_array_size(services));
	if (!s)
		return -ENOMEM;
	error = parse_fields(r, clock_fields, o, &then);
	if (error >= 0)
		error = parse_fields(r, state_fields, o, s);
	for (size_t i = 0; error >= 0 && i < s->n_services; i++)
		error = parse_service(r, i, json_array_get(services, i), distance(&then, clocks),
				      &s->services[i]);
	if (error < 0)
		return error;
	*ret = take_ptr(s);
	return 0;
}

int state_parse(const char *text, size_t size, const struct state_clocks *clocks,
		struct state **ret, char why[STATE_WHY_MAX])
{
	struct reading r = {.path = "the whole", .why = why};
	_cleanup_(json_decrefp) json_t *o = NULL;
	json_error_t error;
	json_int_t version;

	*why = '\0';
	if (size < strlen(STATE_MARK) || memcmp(text, STATE_MARK, strlen(STATE_MARK)) != 0) {
		damaged(&r, "it is no state of lb4");
		return -ENOMSG;
	}
	o = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!o && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	if (!o)
		return damaged(&r, "byte %d: %s", error.position, error.text);
	if (!parse_number(json_object_get(o, "lb4_state"), INT32_MAX, &version) || version < 1)
		return damaged(&r, "it has no version");
	if (version > STATE_VERSION) {
		damaged(&r, "it is of a newer lb4 (version %d, this one knows %d)", (int)version,
			STATE_VERSION);
		return -EPROTONOSUPPORT;
	}
	return parse_state(&r, o, clocks, ret);
}
